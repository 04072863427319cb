//! Which events there are, and the fields of each beside `type` and `id`.

use super::fields::{Field, FieldSet};

/// A kind of event.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) verb: Verb,
    pub(super) name: &'static str,
    pub(super) fields: &'static [Field],
    /// The fields that it takes, `type` and `id` among them.
    pub(super) taken: FieldSet,
}

/// What an event is to do, in the order of [`KINDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Put,
    Get,
    Delete,
    StoreContent,
    GetContent,
    Exists,
    Patch,
    Increment,
    Batch,
    GetMany,
    PutMany,
    DeleteMany,
    List,
    DeletePrefix,
    Changes,
    Backup,
    Stats,
    Watch,
    Unwatch,
}

impl Kind {
    /// The kind of a name.
    pub(super) fn of(name: &str) -> Option<&'static Self> {
        let verb = match name {
            "put" => Verb::Put,
            "get" => Verb::Get,
            "delete" => Verb::Delete,
            "store_content" => Verb::StoreContent,
            "get_content" => Verb::GetContent,
            "exists" => Verb::Exists,
            "patch" => Verb::Patch,
            "increment" => Verb::Increment,
            "batch" => Verb::Batch,
            "get_many" => Verb::GetMany,
            "put_many" => Verb::PutMany,
            "delete_many" => Verb::DeleteMany,
            "list" => Verb::List,
            "delete_prefix" => Verb::DeletePrefix,
            "changes" => Verb::Changes,
            "backup" => Verb::Backup,
            "stats" => Verb::Stats,
            "watch" => Verb::Watch,
            "unwatch" => Verb::Unwatch,
            _ => return None,
        };
        Some(&KINDS[verb as usize])
    }
}

const fn kind(verb: Verb, name: &'static str, fields: &'static [Field]) -> Kind {
    let mut taken = FieldSet::NONE.with(Field::Type).with(Field::Id);
    let mut rest = fields;
    while let [field, behind @ ..] = rest {
        taken = taken.with(*field);
        rest = behind;
    }
    Kind {
        verb,
        name,
        fields,
        taken,
    }
}

/// Every kind; the usual ones come first.
pub(super) static KINDS: [Kind; 19] = [
    kind(
        Verb::Put,
        "put",
        &[Field::Key, Field::Value, Field::IfVersion, Field::TtlMs],
    ),
    kind(Verb::Get, "get", &[Field::Key, Field::IfNoneMatch]),
    kind(Verb::Delete, "delete", &[Field::Key, Field::IfVersion]),
    kind(Verb::StoreContent, "store_content", &[Field::Content]),
    kind(Verb::GetContent, "get_content", &[Field::Hash]),
    kind(Verb::Exists, "exists", &[Field::Key]),
    kind(
        Verb::Patch,
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
        Verb::Increment,
        "increment",
        &[Field::Key, Field::By, Field::IfVersion, Field::TtlMs],
    ),
    kind(Verb::Batch, "batch", &[Field::Operations]),
    kind(Verb::GetMany, "get_many", &[Field::Keys]),
    kind(Verb::PutMany, "put_many", &[Field::Entries, Field::TtlMs]),
    kind(Verb::DeleteMany, "delete_many", &[Field::Keys]),
    kind(
        Verb::List,
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
    kind(
        Verb::DeletePrefix,
        "delete_prefix",
        &[Field::Prefix, Field::Limit],
    ),
    kind(
        Verb::Changes,
        "changes",
        &[Field::Since, Field::Prefix, Field::Limit],
    ),
    kind(Verb::Backup, "backup", &[Field::Since, Field::Cursor]),
    kind(Verb::Stats, "stats", &[]),
    kind(Verb::Watch, "watch", &[Field::Prefix, Field::Since]),
    kind(Verb::Unwatch, "unwatch", &[]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name() {
        for (position, kind) in KINDS.iter().enumerate() {
            assert_eq!(kind.verb as usize, position);
            assert_eq!(Kind::of(kind.name).map(|kind| kind.verb), Some(kind.verb));
        }
        assert!(Kind::of("pu").is_none());
    }
}
