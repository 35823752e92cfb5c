//! A file of a tenant's `manifests/`. It is refused, each fault with this file, or it is a directory: then it compiles,
//! serves, and is the same directory again after it was written as manifests and read back.

use std::sync::LazyLock;

use cedargate::assemble::check_directory;
use cedargate::compile::compile;
use cedargate::directory::{facts_of, manifests_of};
use cedargate::model::DirectoryState;
use cedargate::tree::{PolicyFolder, SourceFile};

use super::ground::{GROUND, acme, assemble, file, on_small_thread};

pub fn manifests(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    LazyLock::force(&GROUND);
    on_small_thread(move || judge(text));
}

fn judge(text: String) {
    let folder = folder(vec![file(FILE, text)]);
    let checked = match check_directory(&GROUND.shared, &acme(), &folder) {
        Ok(checked) => checked,
        Err(faults) => {
            assert!(!faults.0.is_empty(), "refused without a fault");
            for fault in &faults.0 {
                assert!(fault.file == folder.manifests[0].name, "a fault of another file: {fault}");
                assert!(fault.line > 0, "a fault without a line: {fault}");
                assert!(!fault.message.contains('\n'), "a fault of several lines: {fault}");
            }
            return;
        }
    };
    if let Err(faults) = assemble(&GROUND.layout, &PolicyFolder::default(), &folder, None) {
        panic!("manifests without a fault do not serve: {:?}", faults.0);
    }
    let again = read_again(&checked.state);
    assert_eq!(again, checked.state, "another directory when written and read again");
    assert_eq!(compile(&acme(), &again), compile(&acme(), &checked.state));
}

/// The state that its own manifests say.
fn read_again(state: &DirectoryState) -> DirectoryState {
    let written = manifests_of(&acme(), facts_of(state.clone(), &GROUND.shared.default_roles)).unwrap();
    let files = written.iter().map(|(name, text)| file(&format!("manifests/{name}"), text.clone())).collect();
    match check_directory(&GROUND.shared, &acme(), &folder(files)) {
        Ok(checked) => checked.state,
        Err(faults) => panic!("manifests that were written are refused: {:?}\n{written:#?}", faults.0),
    }
}

fn folder(manifests: Vec<SourceFile>) -> PolicyFolder {
    PolicyFolder { manifests, has_manifests: true, ..PolicyFolder::default() }
}

const FILE: &str = "manifests/fuzz.yaml";
