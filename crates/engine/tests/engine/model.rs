//! Random events against a plain map, reopened in between.

use crate::common::*;
use kv_engine::files::memory::MemoryFiles;
use kv_engine::{Options, Outcome};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Batch(Vec<Action>),
    Reopen,
}

#[derive(Clone, Debug)]
enum Action {
    Put(String, String),
    Get(String),
    Delete(String),
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof!["[a-e]", "\\PC{0,3}", "[\\x00-\\x1f\"\\\\]{1,2}"]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<u64>().prop_map(|number| number.to_string()),
        "\\PC{0,40}".prop_map(|text| quoted(&text)),
        prop::collection::vec(any::<i8>(), 0..9)
            .prop_map(|list| format!("{list:?}").replace(' ', "")),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let action = prop_oneof![
        3 => (key(), value()).prop_map(|(key, value)| Action::Put(key, value)),
        2 => key().prop_map(Action::Get),
        1 => key().prop_map(Action::Delete),
    ];
    prop_oneof![
        9 => prop::collection::vec(action, 1..8).prop_map(Step::Batch),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_store_is_a_map(
        steps in prop::collection::vec(step(), 1..40),
        cache_bytes_max in prop_oneof![Just(0_usize), Just(2000), Just(1 << 20)],
        segment_bytes_max in prop_oneof![Just(1_u64), Just(600), Just(1 << 20)],
        checkpoint_interval_bytes in prop_oneof![Just(1_u64), Just(900), Just(1 << 20)],
    ) {
        let options = Options { cache_bytes_max, segment_bytes_max, checkpoint_interval_bytes, segments_open_max: 2 };
        let files = MemoryFiles::default();
        let (mut store, _) = open_with(&files, options);
        let mut model: BTreeMap<String, (String, u64)> = BTreeMap::new();
        let mut version = 0;
        for step in steps {
            let Step::Batch(actions) = step else {
                let (reopened, report) = open_with(&files, options);
                prop_assert_eq!((report.keys, report.version), (model.len(), version));
                prop_assert!(report.torn.is_empty());
                store = reopened;
                continue;
            };
            let mut events = Vec::new();
            let mut expected = Vec::new();
            for action in actions {
                match action {
                    Action::Put(key, value) => {
                        version += 1;
                        events.push(put_event(&key, &value));
                        expected.push(format!(r#"{{"status":"ok","key":{},"version":{version}}}"#, quoted(&key)));
                        model.insert(key, (value, version));
                    }
                    Action::Get(key) => {
                        events.push(get_event(&key));
                        expected.push(model.get(&key).map_or_else(String::new, |(value, version)| {
                            format!(r#"{{"status":"ok","key":{},"value":{value},"version":{version}}}"#, quoted(&key))
                        }));
                    }
                    Action::Delete(key) => {
                        events.push(format!(r#"{{"type":"delete","key":{}}}"#, quoted(&key)));
                        let deleted = if model.remove(&key).is_some() {
                            version += 1;
                            format!(r#"true,"version":{version}"#)
                        } else {
                            "false".to_owned()
                        };
                        expected.push(format!(r#"{{"status":"ok","key":{},"deleted":{deleted}}}"#, quoted(&key)));
                    }
                }
            }
            let events: Vec<&str> = events.iter().map(String::as_str).collect();
            let (replies, outcome) = say_all(&mut store, &events);
            prop_assert_eq!(outcome, Outcome::Serving);
            for (reply, expected) in replies.iter().zip(&expected) {
                if expected.is_empty() {
                    prop_assert_eq!(code_in(reply), "not_found");
                } else {
                    prop_assert_eq!(reply, expected);
                }
            }
        }
    }
}
