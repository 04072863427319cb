//! Which events there are, and the fields of each beside `type` and `id`.

use super::fields::Field;

/// A kind of event.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) fields: &'static [Field],
}

const fn kind(name: &'static str, fields: &'static [Field]) -> Kind {
    Kind { name, fields }
}

/// Every kind; the usual ones come first.
pub(super) const KINDS: [Kind; 19] = [
    kind(
        "put",
        &[Field::Key, Field::Value, Field::IfVersion, Field::TtlMs],
    ),
    kind("get", &[Field::Key, Field::IfNoneMatch]),
    kind("delete", &[Field::Key, Field::IfVersion]),
    kind("store_content", &[Field::Content]),
    kind("get_content", &[Field::Hash]),
    kind("exists", &[Field::Key]),
    kind(
        "patch",
        &[
            Field::Key,
            Field::Merge,
            Field::Patch,
            Field::IfVersion,
            Field::TtlMs,
        ],
    ),
    kind(
        "increment",
        &[Field::Key, Field::By, Field::IfVersion, Field::TtlMs],
    ),
    kind("batch", &[Field::Operations]),
    kind("get_many", &[Field::Keys]),
    kind("put_many", &[Field::Entries, Field::TtlMs]),
    kind("delete_many", &[Field::Keys]),
    kind(
        "list",
        &[
            Field::Prefix,
            Field::Start,
            Field::End,
            Field::Reverse,
            Field::Limit,
            Field::Values,
            Field::Cursor,
        ],
    ),
    kind("delete_prefix", &[Field::Prefix, Field::Limit]),
    kind("changes", &[Field::Since, Field::Prefix, Field::Limit]),
    kind("backup", &[Field::Since, Field::Cursor]),
    kind("stats", &[]),
    kind("watch", &[Field::Prefix, Field::Since]),
    kind("unwatch", &[]),
];
