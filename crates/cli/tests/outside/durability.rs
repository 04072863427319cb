//! The tests that docs/durability.md names are there.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_test_that_the_document_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let document = fs::read_to_string(root.join("docs/durability.md")).unwrap();
    let files = rust_files(&root.join("crates"));
    let mut count = 0;
    for reference in document.split('(').skip(1) {
        let Some((file, name)) = reference
            .split_once(')')
            .and_then(|(inside, _)| inside.split_once(".rs "))
        else {
            continue;
        };
        let file = format!("{file}.rs");
        let named = files.iter().filter(|path| path.ends_with(&file));
        let function = format!("fn {name}(");
        let found = named.into_iter().any(|path| {
            let source = fs::read_to_string(path).unwrap();
            let has_tests = source.contains("#[test]");
            has_tests && source.contains(&function)
        });
        assert!(found, "no test {name} in any {file}");
        count += 1;
    }
    assert!(count > 30, "only {count} are named");
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else {
            files.push(path);
        }
    }
    files
}
