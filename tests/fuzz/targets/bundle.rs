//! A bundle on disk of which one file was changed. It is refused, with a fault that names the file, or it is what was
//! written: never another directory that serves as if it were that one.
//!
//! The first byte of an input chooses the file, the second what is done to it, the next two where; the rest is the text
//! for it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use cedargate::assemble::{Layout, check_directory};
use cedargate::bundle::{self, Bundle, INDEX_FILE};
use cedargate::compile::compile;
use cedargate::digest::{sha256, sha256_hex};
use cedargate::model::{Email, Revision, Token, TokenId, TokenOwner};
use cedargate::snapshot::{Snapshot, entities_text, links_text, policies_text};
use cedargate::tree::PolicyFolder;
use tempfile::TempDir;

use super::ground::{GROUND, NOW, acme, assemble, file, sorted};

pub fn bundle(bytes: &[u8]) {
    // One folder for all, so one case at a time.
    let stage = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let [file, how, high, low, text @ ..] = bytes else { return };
    let (name, good) = &stage.files[usize::from(*file) % stage.files.len()];
    let bad = changed(good, *how, usize::from(u16::from_be_bytes([*high, *low])), text);
    let path = stage.folder.join(name);
    fs::write(&path, &bad).unwrap();
    let found = stage.assemble();
    fs::write(&path, good).unwrap();
    match found {
        Ok(snapshot) => assert_eq!(says(&snapshot), stage.says, "`{name}` was changed, and another directory serves"),
        Err(faults) => {
            assert!(bad != *good, "the bundle as it was written is refused: {faults:?}");
            // An index that was changed may say of any file that it is another.
            let names_it = faults.iter().any(|fault| fault.contains(name.as_str()) || fault.contains(INDEX_FILE));
            assert!(names_it || name == INDEX_FILE, "no fault names `{name}`: {faults:?}");
        }
    }
}

/// The bytes of a file after what was done to it.
fn changed(good: &[u8], how: u8, at: usize, text: &[u8]) -> Vec<u8> {
    let at = at % (good.len() + 1);
    let (before, after) = good.split_at(at);
    match how % 5 {
        0 => text.to_vec(),
        // The text over what stood there.
        1 => [before, text, after.get(text.len()..).unwrap_or_default()].concat(),
        // The text between.
        2 => [before, text, after].concat(),
        // As many bytes fewer as the text has.
        3 => [before, after.get(text.len()..).unwrap_or_default()].concat(),
        _ => before.to_vec(),
    }
}

/// A good bundle, and what it says.
struct Stage {
    _dir: TempDir,
    folder: PathBuf,
    layout: Layout,
    files: Vec<(String, Vec<u8>)>,
    says: Vec<String>,
}

static STAGE: LazyLock<Mutex<Stage>> = LazyLock::new(|| Mutex::new(Stage::new()));

impl Stage {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let mut layout = GROUND.layout.clone();
        layout.bundle_dir = Some(dir.path().to_owned());
        let folder = layout.bundle_folder(&acme());
        bundle::publish(&folder, &good_bundle()).unwrap();
        let files = read(&folder);
        let mut stage = Self { _dir: dir, folder, layout, files, says: Vec::new() };
        stage.says = says(&stage.assemble().unwrap());
        stage
    }

    fn assemble(&self) -> Result<Snapshot, Vec<String>> {
        let none = PolicyFolder::default();
        let assembled = assemble(&self.layout, &none, &none, None);
        assembled
            .map(|assembled| assembled.snapshot)
            .map_err(|faults| faults.0.iter().map(ToString::to_string).collect())
    }
}

/// One of each thing, a deactivated user and a token too.
fn good_bundle() -> Bundle {
    let manifests = vec![file("manifests/all.yaml", include_str!("../seeds/manifests/one-of-each.yaml"))];
    let folder = PolicyFolder { manifests, has_manifests: true, ..PolicyFolder::default() };
    let mut state = check_directory(&GROUND.shared, &acme(), &folder).unwrap().state;
    let gone = Email::parse(GONE).unwrap();
    state.users.get_mut(&gone).unwrap().active = false;
    let owner = TokenOwner::User(Email::parse("jane@acme.com").unwrap());
    let (id, hash) = (TokenId::parse("fuzz").unwrap(), sha256_hex(OWN_TOKEN));
    let token = Token {
        id: id.clone(),
        owner,
        label: String::new(),
        hash,
        created_at: NOW,
        expires_at: Some(NOW + 3600),
        rotate_every: None,
        audience: None,
        replaced_by: None,
    };
    state.tokens.insert(id, token);
    bundle::render(&compile(&acme(), &state), Revision(7)).unwrap()
}

/// Everything that a snapshot answers by.
fn says(snapshot: &Snapshot) -> Vec<String> {
    let entities = sorted(&serde_json::from_str(&entities_text(snapshot, None).unwrap()).unwrap()).to_string();
    let token = format!("{:?}", snapshot.sign_ins.token(&sha256(OWN_TOKEN)));
    let gone = snapshot.sign_ins.is_deactivated(&Email::parse(GONE).unwrap()).to_string();
    vec![policies_text(snapshot), links_text(snapshot), entities, format!("{:?}", snapshot.providers), token, gone]
}

/// Every file in a folder.
fn read(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    });
    BTreeMap::from_iter(files).into_iter().collect()
}

const OWN_TOKEN: &[u8] = b"a token of our own";
const GONE: &str = "omar@acme.com";
