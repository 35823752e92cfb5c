//! Every check over every backend: in memory, in SQLite, in SQLite reopened for each call, and of files.

mod reopened;

use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Executor};
use tempfile::TempDir;

use self::reopened::Reopened;
use super::sample::{SAMPLED, acme, author, putting, sample, settle, team, tenant, user, user_key};
use super::scene::{Scene, facts, whole};
use crate::directory::{Changes, Directory, MemoryDirectory, SqliteDirectory, StoreError};
use crate::model::Revision;

macro_rules! run {
    ($open:path; $($file:ident::$check:ident,)*) => {
        $(
            #[tokio::test]
            async fn $check() {
                let (_folder, directory) = $open().await;
                crate::directory::contract::$file::$check(&directory).await;
            }
        )*
    };
}

mod memory {
    with_every_check!(run, super::in_memory);
    with_every_reading_check!(run, super::settled_in_memory);
}

mod sqlite {
    with_every_check!(run, super::in_sqlite);
    with_every_reading_check!(run, super::settled_in_sqlite);
}

mod sqlite_reopened {
    with_every_check!(run, super::in_sqlite_reopened);
    with_every_reading_check!(run, super::settled_in_sqlite_reopened);
}

mod files {
    with_every_reading_check!(run, super::of_files);
}

async fn in_memory() -> ((), MemoryDirectory) {
    ((), MemoryDirectory::default())
}

async fn settled_in_memory() -> ((), MemoryDirectory) {
    let (_, directory) = in_memory().await;
    settle(&directory).await;
    ((), directory)
}

async fn in_sqlite() -> (TempDir, SqliteDirectory) {
    let folder = TempDir::new().unwrap();
    let directory = open(&folder).await;
    (folder, directory)
}

async fn settled_in_sqlite() -> (TempDir, SqliteDirectory) {
    let (folder, directory) = in_sqlite().await;
    settle(&directory).await;
    (folder, directory)
}

async fn in_sqlite_reopened() -> (TempDir, Reopened) {
    let folder = TempDir::new().unwrap();
    let directory = Reopened::at(folder.path().join(FILE));
    (folder, directory)
}

async fn settled_in_sqlite_reopened() -> (TempDir, Reopened) {
    let (folder, directory) = in_sqlite_reopened().await;
    settle(&directory).await;
    (folder, directory)
}

async fn of_files() -> ((), MemoryDirectory) {
    ((), MemoryDirectory::of_files(acme(), sample(), SAMPLED))
}

async fn open(folder: &TempDir) -> SqliteDirectory {
    SqliteDirectory::open(&folder.path().join(FILE)).await.unwrap()
}

const FILE: &str = "directory.db";

#[tokio::test]
async fn files_take_no_writes_and_have_no_history() {
    let (_, directory) = of_files().await;
    let author = author("key:root");
    let refusals = [
        directory.create_tenant(&tenant("other"), Revision(0), &author).await,
        directory.create_tenant(&acme(), Revision(0), &author).await,
        directory.delete_tenant(&acme(), &author).await,
        directory.delete_tenant(&tenant("other"), &author).await,
        directory.apply(&acme(), &putting([user("new@acme.com")]), SAMPLED, &author).await,
        directory.apply(&acme(), &putting([user("new@acme.com")]), Revision(1), &author).await,
        directory.apply(&acme(), &Changes::new(), SAMPLED, &author).await,
    ];
    for refusal in refusals {
        assert!(matches!(refusal, Err(StoreError::ReadOnly)), "{refusal:?}");
    }
    let scene = Scene { directory: &directory, tenant: acme() };
    assert_eq!(scene.history(&whole()).await, []);
    assert_eq!((scene.head().await, scene.all(SAMPLED).await.len()), (SAMPLED, sample().len()));
}

#[tokio::test]
async fn two_handles_on_one_file_see_each_others_writes() {
    let (folder, here) = in_sqlite().await;
    let there = open(&folder).await;
    let ours = Scene::new(&here, "acme").await;
    let theirs = Scene { directory: &there, tenant: acme() };
    for round in 0..5 {
        let (one, other) = if round % 2 == 0 { (&ours, &theirs) } else { (&theirs, &ours) };
        let at = one.put([user(&format!("u{round}@acme.com")), team("ml", &[&format!("u{round}@acme.com")])]).await;
        assert_eq!(other.head().await, at);
        assert_eq!(other.all(at).await, one.all(at).await);
        let stale = other.directory.apply(&acme(), &Changes::new(), Revision(at.0 - 1), &author("key:late")).await;
        assert!(matches!(stale, Err(StoreError::Moved { found, .. }) if found == at), "{stale:?}");
    }
    there.delete_tenant(&acme(), &author("key:root")).await.unwrap();
    assert!(here.tenants().await.unwrap().is_empty());
    assert!(matches!(here.head(&acme()).await, Err(StoreError::NoSuchTenant(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_writes_from_several_handles_one_wins_at_each_revision() {
    let (folder, first) = in_sqlite().await;
    let scene = Scene::new(&first, "acme").await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4 {
        let directory = open(&folder).await;
        writers.spawn(async move {
            let mut won = Vec::new();
            for round in 0..20 {
                let changes = putting([user(&format!("u{writer}-{round}@acme.com"))]);
                let head = directory.head(&acme()).await.unwrap();
                match directory.apply(&acme(), &changes, head, &author("key:root")).await {
                    Ok(revision) => won.push((revision, changes)),
                    Err(StoreError::Moved { expected, found }) => assert!(expected == head && found > head),
                    Err(other) => panic!("{other:?}"),
                }
            }
            won
        });
    }
    let mut won: Vec<_> = writers.join_all().await.into_iter().flatten().collect();
    won.sort_by_key(|(revision, _)| *revision);
    assert_eq!(scene.head().await, Revision(1 + won.len() as u64));
    for (number, (revision, changes)) in won.iter().enumerate() {
        assert_eq!(*revision, Revision(2 + number as u64));
        let changed = scene.changed(Revision(revision.0 - 1), *revision).await;
        assert_eq!(changed.into_iter().map(|change| (change.key, change.after)).collect::<Changes>(), *changes);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_file_may_be_opened_by_many_at_once() {
    for _ in 0..5 {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(FILE);
        let mut openers = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let path = path.clone();
            openers.spawn(async move { SqliteDirectory::open(&path).await.map(drop) });
        }
        for opened in openers.join_all().await {
            opened.unwrap();
        }
    }
}

#[tokio::test]
async fn opening_waits_for_who_writes_to_a_file_of_another_mode() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(FILE);
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut other = options.journal_mode(SqliteJournalMode::Delete).connect().await.unwrap();
    other.execute("CREATE TABLE theirs (number INTEGER); BEGIN IMMEDIATE").await.unwrap();
    let (opened, ()) = tokio::join!(SqliteDirectory::open(&path), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        other.execute("COMMIT").await.unwrap();
    });
    Scene::new(&opened.unwrap(), "acme").await.put([user("ann@acme.com")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_nobody_waits_for_is_made_whole_or_not_at_all() {
    let (_folder, directory) = in_sqlite().await;
    let scene = Scene::new(&directory, "acme").await;
    for round in 0..40_u32 {
        let head = scene.head().await;
        let email = |half: char| format!("{half}{round}@acme.com");
        let changes = putting(['a', 'b'].map(|half| user(&email(half))));
        let author = author("key:hasty");
        let write = directory.apply(&scene.tenant, &changes, head, &author);
        let _ = tokio::time::timeout(Duration::from_micros(u64::from(round) * 50), write).await;
        // What comes after it may write, and finds all of it or none.
        let next = putting([user(&email('c'))]);
        let now = loop {
            match directory.apply(&scene.tenant, &next, scene.head().await, &author).await {
                Err(StoreError::Moved { .. }) => {}
                answer => break answer.unwrap(),
            }
        };
        let [first, second] = [email('a'), email('b')].map(|email| user_key(&email));
        let is_made = scene.read(&first, now).await.is_some();
        assert_eq!(scene.read(&second, now).await.is_some(), is_made);
        assert_eq!(now, if is_made { head.next().next() } else { head.next() });
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(FILE);
    let text = "not a database ".repeat(500);
    std::fs::write(&path, &text).unwrap();
    assert!(matches!(SqliteDirectory::open(&path).await, Err(StoreError::Database(_))));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    let nowhere = folder.path().join("missing").join(FILE);
    assert!(matches!(SqliteDirectory::open(&nowhere).await, Err(StoreError::Database(_))));
}

#[tokio::test]
async fn a_closed_directory_is_in_its_file_alone() {
    let (folder, directory) = settled_in_sqlite().await;
    directory.close().await;
    assert!(matches!(directory.head(&acme()).await, Err(StoreError::Database(_))));
    let elsewhere = TempDir::new().unwrap();
    std::fs::copy(folder.path().join(FILE), elsewhere.path().join(FILE)).unwrap();
    let copy = open(&elsewhere).await;
    let scene = Scene { directory: &copy, tenant: acme() };
    assert_eq!(facts(scene.all(SAMPLED).await).len(), sample().len());
}
