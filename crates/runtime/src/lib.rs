//! Runs actors: reads their manifests, gives each its data directory and nothing
//! else, hands them batches, and starts them again when they fail. Knows nothing
//! of what their events say.

pub mod actor;
pub mod batch;
pub mod directory;
pub mod instance;
mod kept;
pub mod mailbox;
pub mod manifest;
pub mod messages;
mod syncs;

pub use actor::{Actor, ActorSettings, Handled, Misfit, StartError, Unavailable};
pub use batch::Batch;
pub use mailbox::{Inbox, Mailbox, Posted, Request};
pub use manifest::{GuestLimits, Manifest};
pub use messages::{Messages, Peers};
pub use syncs::{Durability, Ticket};
