//! What is no component, or not the one that is wanted, is refused.

use kv_componentize::{Error, Interfaces, componentize, inspect};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

/// The shortest module: it imports and exports nothing.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

#[test]
fn what_is_no_module_makes_no_component() {
    for bytes in [&b""[..], b"not wasm", &MODULE[..7], b"\0asm\x01\0\0\0\xff"] {
        assert!(
            matches!(componentize(bytes), Err(Error::Module(_))),
            "{bytes:?}"
        );
    }
}

#[test]
fn a_core_module_is_no_component() {
    assert!(matches!(inspect(MODULE), Err(Error::Invalid(_))));
    assert!(matches!(inspect(b"not wasm"), Err(Error::Invalid(_))));
    let component = componentize(MODULE).unwrap();
    let cut = &component[..component.len() - 1];
    assert!(matches!(inspect(cut), Err(Error::Invalid(_))));
}

#[test]
fn imports_must_be_allowed_and_exports_wanted() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let interfaces = Interfaces {
        imports: BTreeMap::from([
            ("a:files/types".to_owned(), names(&["read"])),
            ("a:clock/wall".to_owned(), Vec::new()),
        ]),
        exports: BTreeMap::from([("a:b/actor".to_owned(), names(&["init"]))]),
    };
    let check = |imports: &[&str], types: &[&str], exports: &[&str]| {
        let [imports, types, exports]: [Vec<String>; 3] =
            [names(imports), names(types), names(exports)];
        interfaces.check(&imports, &types, &exports)
    };
    let actor = ["a:b/actor"];
    assert_eq!(check(&["a:files/types"], &["a:clock/wall"], &actor), Ok(()));
    assert_eq!(
        check(&["a:files/types"], &[], &actor),
        Err(Error::Import("a:clock/wall".to_owned()))
    );
    assert_eq!(
        check(&[], &["a:clock/wall", "a:files/types"], &actor),
        Err(Error::Import("a:files/types#read".to_owned()))
    );
    for exports in [&[][..], &["a:b/other"], &["a:b/actor", "a:b/other"]] {
        assert!(
            matches!(
                check(&["a:files/types"], &["a:clock/wall"], exports),
                Err(Error::Exports { .. })
            ),
            "{exports:?}"
        );
    }
}

#[test]
fn a_component_is_written_when_it_is_good_and_has_changed() {
    let directory = tempfile::tempdir().unwrap();
    let [module, component] = ["module.wasm", "component.wasm"].map(|n| directory.path().join(n));
    let run = |options: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_kv-componentize"))
            .args([&module, &component])
            .args(options)
            .output()
            .unwrap()
    };
    fs::write(&module, MODULE).unwrap();
    let refused = run(&["--export", "a:b/actor"]);
    assert!(!refused.status.success());
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(message.contains("a:b/actor"), "{message}");
    assert!(!component.exists());

    assert!(run(&[]).status.success());
    inspect(&fs::read(&component).unwrap()).unwrap();
    let written = fs::metadata(&component).unwrap();
    assert!(run(&[]).status.success());
    let kept = fs::metadata(&component).unwrap();
    assert_eq!(written.modified().unwrap(), kept.modified().unwrap());

    fs::write(&component, "of before").unwrap();
    assert!(run(&[]).status.success());
    inspect(&fs::read(&component).unwrap()).unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
}
