//! The files on disk: written whole, index last, read only when every digest holds.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use proptest::collection::btree_map;
use proptest::prelude::*;

use super::*;
use crate::compile::{Compiled, Link, LinkArgs};
use crate::model::EntityRef;

fn link(id: &str) -> Link {
    let args = LinkArgs { principal: EntityRef::new("User", id), resource: EntityRef::new("Box", id) };
    Link { template_id: "role/Box/viewer".into(), link_id: id.into(), args }
}

fn bundle(links: &[&str], revision: u64) -> Bundle {
    let compiled = Compiled { links: links.iter().map(|id| link(id)).collect(), ..Compiled::default() };
    render(&compiled, Revision(revision)).unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What a renamed-in file gets anew.
fn inodes(dir: &Path) -> BTreeMap<String, u64> {
    names(dir).into_iter().map(|name| (name.clone(), fs::metadata(dir.join(name)).unwrap().ino())).collect()
}

const ALL: [&str; 8] = [
    COLLABORATORS_FILE,
    DEACTIVATED_FILE,
    ENTITIES_FILE,
    EXTERNAL_IDENTITIES_FILE,
    PROVIDERS_FILE,
    ROLES_FILE,
    TOKENS_FILE,
    INDEX_FILE,
];

#[test]
fn a_folder_without_a_bundle_has_none() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(read_bundle(dir.path()).unwrap(), None);
    assert_eq!(read_bundle(&dir.path().join("missing")).unwrap(), None);
}

#[test]
fn publishing_writes_only_what_changed() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("compiled");
    assert_eq!(publish(&folder, &bundle(&["a"], 1)).unwrap(), ALL);
    let first = inodes(&folder);
    assert_eq!(publish(&folder, &bundle(&["a"], 1)).unwrap(), Vec::<String>::new());
    assert_eq!(inodes(&folder), first);
    assert_eq!(publish(&folder, &bundle(&["a", "b"], 2)).unwrap(), [COLLABORATORS_FILE, INDEX_FILE]);
    let second = inodes(&folder);
    for (name, inode) in &first {
        let rewritten = [COLLABORATORS_FILE, INDEX_FILE].contains(&name.as_str());
        assert_eq!(second[name] != *inode, rewritten, "{name}");
    }
    // The same contents at another revision: only the index says so.
    assert_eq!(publish(&folder, &bundle(&["a", "b"], 3)).unwrap(), [INDEX_FILE]);
    assert_eq!(read_bundle(&folder).unwrap().unwrap(), bundle(&["a", "b"], 3));
}

#[test]
fn a_file_that_someone_changed_is_put_right_again() {
    let dir = tempfile::tempdir().unwrap();
    publish(dir.path(), &bundle(&["a"], 1)).unwrap();
    fs::write(dir.path().join(ROLES_FILE), "permit (principal, action, resource);").unwrap();
    assert_eq!(publish(dir.path(), &bundle(&["a"], 1)).unwrap(), [ROLES_FILE]);
    assert_eq!(read_bundle(dir.path()).unwrap().unwrap(), bundle(&["a"], 1));
}

#[test]
fn publishing_takes_away_its_own_leftovers_and_leaves_other_peoples_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    for leftover in [".writing-abc123", "collaborators-07.json", "entities-ff.json"] {
        fs::write(path(leftover), "x").unwrap();
    }
    let others = [
        "README.md",
        "my-collaborators.json",
        "collaborators.json.bak",
        "entities.yaml",
        "roles.cedar.orig",
        ".gitkeep",
    ];
    for other in others {
        fs::write(path(other), "x").unwrap();
    }
    fs::create_dir(path("entities-folder.json")).unwrap();
    publish(dir.path(), &bundle(&["a"], 1)).unwrap();
    let mut expected: Vec<_> = ALL.iter().chain(&others).map(|name| (*name).to_owned()).collect();
    expected.push("entities-folder.json".into());
    expected.sort();
    assert_eq!(names(dir.path()), expected);
    assert!(others.iter().all(|other| fs::read(path(other)).unwrap() == b"x"));
}

#[test]
fn the_index_comes_last() {
    let dir = tempfile::tempdir().unwrap();
    publish(dir.path(), &bundle(&["a"], 1)).unwrap();
    let index = fs::read(dir.path().join(INDEX_FILE)).unwrap();
    // A folder in the place of the last file: nothing can be renamed onto it.
    fs::remove_file(dir.path().join(ROLES_FILE)).unwrap();
    fs::create_dir_all(dir.path().join(ROLES_FILE).join("x")).unwrap();
    let error = publish(dir.path(), &bundle(&["b"], 2)).unwrap_err();
    assert!(error.to_string().contains("roles.cedar` cannot be written"), "{error}");
    assert_eq!(fs::read(dir.path().join(INDEX_FILE)).unwrap(), index);
    // What is half there is not used, and nothing of the attempt is left over.
    assert!(read_bundle(dir.path()).is_err());
    assert!(!names(dir.path()).iter().any(|name| name.starts_with(".writing-")));
    fs::remove_dir_all(dir.path().join(ROLES_FILE)).unwrap();
    publish(dir.path(), &bundle(&["b"], 2)).unwrap();
    assert_eq!(read_bundle(dir.path()).unwrap().unwrap(), bundle(&["b"], 2));
}

#[test]
fn a_bundle_is_called_whole_once_a_reader_finds_all_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("compiled");
    publish(&folder, &bundle(&["a"], 1)).unwrap();
    let next = bundle(&["a", "b"], 2);
    let writer = BundleWriter::start(&folder).unwrap();
    for (name, text) in &next.files {
        writer.put(name, text).unwrap();
    }
    let mut found = None;
    writer.finish(&next.index(), true, || found = read_bundle(&folder).unwrap()).unwrap();
    assert_eq!(found, Some(next));
}

#[test]
fn an_index_that_lost_one_of_its_files_is_no_index() {
    for lost in ALL.iter().filter(|name| **name != INDEX_FILE) {
        let dir = tempfile::tempdir().unwrap();
        publish(dir.path(), &bundle(&["a"], 1)).unwrap();
        let path = dir.path().join(INDEX_FILE);
        let mut index: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        index["files"].as_object_mut().unwrap().remove(*lost).unwrap();
        fs::write(&path, index.to_string()).unwrap();
        let error = read_bundle(dir.path()).unwrap_err();
        assert!(matches!(error, BundleError::Generation), "{lost}: {error}");
        assert!(StoredBundle::open(dir.path()).is_err(), "{lost}");
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let error = publish(&dir.path().join("file/compiled"), &bundle(&[], 1)).unwrap_err();
    assert!(
        error.to_string().contains("file/compiled` cannot be written: mount it writable, or set `bundle.dir`"),
        "{error}"
    );
}

#[test]
fn files_may_be_read_by_others() {
    let dir = tempfile::tempdir().unwrap();
    publish(dir.path(), &bundle(&["a"], 1)).unwrap();
    fs::write(dir.path().join("plain"), "").unwrap();
    let mode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
    for name in ALL {
        // As the process's mask lets any file be, but never more than 0644.
        assert_eq!(mode(name), mode("plain") & 0o644, "{name}");
    }
}

#[test]
fn what_is_tampered_with_or_missing_is_refused() {
    for name in ALL.iter().filter(|name| **name != INDEX_FILE) {
        let dir = tempfile::tempdir().unwrap();
        publish(dir.path(), &bundle(&["a"], 1)).unwrap();
        let path = dir.path().join(name);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text} ")).unwrap();
        assert!(matches!(read_bundle(dir.path()), Err(BundleError::Digest { file }) if file == **name));
        fs::write(&path, text.strip_suffix('\n').unwrap()).unwrap();
        assert!(matches!(read_bundle(dir.path()), Err(BundleError::Digest { file }) if file == **name));
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(read_bundle(dir.path()), Err(BundleError::Io { file, .. }) if file == **name));
        fs::remove_file(&path).unwrap();
        assert!(matches!(read_bundle(dir.path()), Err(BundleError::Io { file, .. }) if file == **name));
        fs::write(&path, &text).unwrap();
        assert_eq!(read_bundle(dir.path()).unwrap().unwrap(), bundle(&["a"], 1));
    }
}

#[test]
fn an_index_that_cedargate_did_not_write_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    publish(dir.path(), &bundle(&["a"], 1)).unwrap();
    let path = dir.path().join(INDEX_FILE);
    let index = fs::read_to_string(&path).unwrap();
    let half = index.len() / 2;
    for broken in [
        String::new(),
        index.split_at(half).0.to_owned(),
        "[]".into(),
        index.replacen('{', "{\"more\": 1,", 1),
        index.replace("\"revision\": 1", "\"revision\": -1"),
    ] {
        fs::write(&path, &broken).unwrap();
        assert!(
            matches!(read_bundle(dir.path()), Err(BundleError::Malformed { file, .. }) if file == INDEX_FILE),
            "{broken}"
        );
    }
    for outside in ["../roles.cedar", "/etc/passwd", "sub/roles.cedar", "..", ".hidden", "a\\b"] {
        let named = index.replace(&format!("\"{ROLES_FILE}\""), &serde_json::to_string(outside).unwrap());
        fs::write(&path, &named).unwrap();
        assert!(
            matches!(read_bundle(dir.path()), Err(BundleError::UnknownFile { file }) if file == outside),
            "{outside}"
        );
    }
}

#[test]
fn generations_are_of_contents_and_not_of_revisions() {
    let index = bundle(&["a"], 1).index();
    assert_eq!(index.generation, bundle(&["a"], 2).index().generation);
    assert_ne!(index.generation, bundle(&["b"], 1).index().generation);
    assert_eq!(index.files[ROLES_FILE], sha256_hex(bundle(&["a"], 1).files[ROLES_FILE].as_bytes()));
    assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/// The links of a bundle that is one file.
fn links(bundle: &Bundle) -> Result<Vec<(usize, String, [String; 2])>, BundleError> {
    link_lines(COLLABORATORS_FILE, &bundle.files[COLLABORATORS_FILE])
        .map(|line| {
            let (number, link) = line?;
            let slots = [link.args.principal, link.args.resource].map(|slot| slot.unwrap_or_default().into_owned());
            Ok((number, link.link_id.into_owned(), slots))
        })
        .collect()
}

#[test]
fn links_know_their_line() {
    let lines: Vec<_> =
        links(&bundle(&["a", "b", "c"], 1)).unwrap().into_iter().map(|(line, id, _)| (line, id)).collect();
    assert_eq!(lines, [(2, "a".to_owned()), (3, "b".to_owned()), (4, "c".to_owned())]);
    assert_eq!(links(&bundle(&[], 1)).unwrap(), []);
    let mut broken = bundle(&["a"], 1);
    broken.files.insert(COLLABORATORS_FILE.into(), "[\n{\"template_id\": 1}\n]\n".into());
    assert!(matches!(links(&broken), Err(BundleError::Malformed { file, .. }) if file == COLLABORATORS_FILE));
}

#[test]
fn a_bundle_that_grows_is_split_and_one_grant_more_rewrites_one_shard() {
    let compiled = |count: usize| Compiled {
        links: (0..count).map(|number| link(&format!("l{number:05}"))).collect(),
        ..Compiled::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("compiled");
    let first = publish(&folder, &render(&compiled(2_000), Revision(1)).unwrap()).unwrap();
    assert_eq!(first.iter().filter(|name| name.starts_with("collaborators-")).count(), 16);
    assert!(!first.contains(&COLLABORATORS_FILE.to_owned()));
    let second = publish(&folder, &render(&compiled(2_001), Revision(2)).unwrap()).unwrap();
    assert_eq!(second.len(), 2, "{second:?}");
    // Few again, they are one file again, and nothing of the shards stays.
    publish(&folder, &render(&compiled(3), Revision(3)).unwrap()).unwrap();
    assert_eq!(
        names(&folder),
        ALL.into_iter().collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    );
    let stored = StoredBundle::open(&folder).unwrap().unwrap();
    assert_eq!(stored.shards(COLLABORATORS_FILE).unwrap().1.len(), 1);
}

#[test]
fn a_bundle_without_all_of_its_shards_is_torn() {
    let compiled =
        Compiled { links: (0..2_000).map(|number| link(&number.to_string())).collect(), ..Compiled::default() };
    let whole = render(&compiled, Revision(1)).unwrap();
    let shards = |bundle: &Bundle| {
        StoredBundle::in_memory(bundle.clone()).shards(COLLABORATORS_FILE).map(|(_, shards)| shards.len())
    };
    assert_eq!(shards(&whole).unwrap(), 16);
    let mut torn = whole.clone();
    torn.files.remove("collaborators-7.json");
    assert!(matches!(shards(&torn), Err(BundleError::Shards { part }) if part == COLLABORATORS_FILE));
    let mut mixed = whole;
    mixed.files.insert(COLLABORATORS_FILE.into(), "[]\n".into());
    assert!(matches!(shards(&mixed), Err(BundleError::Shards { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_was_written_is_read(
        files in btree_map(prop::sample::select(ALL[..5].to_vec()).prop_map(str::to_owned), any::<String>(), 0..5),
        others in btree_map(prop::sample::select(ALL[..5].to_vec()).prop_map(str::to_owned), any::<String>(), 0..5),
        revision in any::<u64>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (Bundle { revision: Revision(1), files, ..Bundle::default() }, Bundle { revision: Revision(revision), files: others, ..Bundle::default() });
        for bundle in [&first, &second, &first] {
            publish(dir.path(), bundle).unwrap();
            let read = read_bundle(dir.path()).unwrap().unwrap();
            prop_assert_eq!(&read, bundle);
        }
    }

    #[test]
    fn links_of_any_characters_are_read_as_rendered(ids in prop::collection::vec(any::<String>(), 0..6)) {
        let links: Vec<_> = ids.iter().map(|id| link(id)).collect();
        let bundle = render(&Compiled { links: links.clone(), ..Compiled::default() }, Revision(1)).unwrap();
        let read: Vec<_> = self::links(&bundle).unwrap().into_iter().map(|(_, id, slots)| (id, slots)).collect();
        let written: Vec<_> = links
            .iter()
            .map(|link| (link.link_id.clone(), [link.args.principal.to_string(), link.args.resource.to_string()]))
            .collect();
        prop_assert_eq!(read, written);
    }
}
