//! Every limit that a client can run into, with its unit last.

/// A key's longest UTF-8 form.
pub const KEY_BYTES_MAX: usize = 64 * 1024;

/// A value's longest text, without insignificant whitespace.
pub const VALUE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Content's longest text, as sent and in its canonical form.
pub const CONTENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How deep arrays and objects may nest in a value, in content or in an `id`.
pub const NESTING_DEPTH_MAX: usize = 128;

/// The longest `id` that an event may carry, since every reply repeats it.
pub const ID_BYTES_MAX: usize = 1024;

/// An event's longest line, its line feed not counted.
pub const EVENT_BYTES_MAX: usize = VALUE_BYTES_MAX + 1024 * 1024;

/// The longest token that a server takes.
pub const TOKEN_BYTES_MAX: usize = 1024;

/// The longest line that a client may authenticate itself with.
pub const AUTHENTICATION_BYTES_MAX: usize = 4096;

/// The most operations in a `batch`, keys in a `get_many` and so on.
pub const OPERATIONS_MAX: usize = 10_000;

/// The most keys on a page of `list`, and changes on one of `changes`.
pub const PAGE_ROWS_MAX: u64 = 1000;

/// How many there are where the event does not say.
pub const PAGE_ROWS: u64 = 100;

/// A page takes no further row once it holds this many bytes.
pub const PAGE_BYTES: usize = 1024 * 1024;

/// The most keys that one `delete_prefix` deletes.
pub const DELETE_PREFIX_KEYS_MAX: u64 = 10_000;

/// How many they are where the event does not say.
pub const DELETE_PREFIX_KEYS: u64 = 1000;

/// The longest reply to a `get_many`.
pub const GET_MANY_BYTES_MAX: usize = EVENT_BYTES_MAX;

/// The longest value that can be patched, and the longest patch: both are built
/// as trees, which take many times the bytes of their text.
pub const PATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A patch of many operations on a long value is refused where the product of
/// the two, operations and bytes, is more.
pub const PATCH_WORK_MAX: usize = 1 << 28;

/// The largest number that an event may carry, and the latest time: larger ones
/// lose digits in a double.
pub const NUMBER_MAX: u64 = (1 << 53) - 1;

/// The most events that cross to the actor at once.
pub const BATCH_EVENTS_MAX: usize = 4096;

/// A batch takes no further event once it holds this many bytes; a single event
/// may be longer, so a batch is never longer than this and one event.
pub const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// A batch ends early once its replies hold this many bytes: reads of many large
/// values are answered in several batches.
pub const REPLIES_BYTES_MAX: usize = 4 * 1024 * 1024;

// The longest key, every byte of it escaped, fits in an event beside the
// longest value.
const _: () = assert!(VALUE_BYTES_MAX + 6 * KEY_BYTES_MAX + ID_BYTES_MAX + 1024 <= EVENT_BYTES_MAX);
const _: () = assert!(TOKEN_BYTES_MAX + ID_BYTES_MAX + 1024 <= AUTHENTICATION_BYTES_MAX);
const _: () = assert!(CONTENT_BYTES_MAX <= VALUE_BYTES_MAX);
