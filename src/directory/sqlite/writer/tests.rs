//! The queue and the disk: what waits together is written together, and what goes wrong once is over when it is over.

use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::directory::contract::sample::{acme, author, putting, tenant, user, user_key};
use crate::directory::{Changes, Directory, SqliteDirectory};
use crate::model::Revision;

async fn directory(folder: &TempDir, most_waiting: usize) -> SqliteDirectory {
    let directory = SqliteDirectory::open_with(&folder.path().join("directory.db"), most_waiting).await.unwrap();
    directory.create_tenant(&acme(), Revision(0), &author("key:root")).await.unwrap();
    directory
}

async fn pragma(directory: &SqliteDirectory, statement: String) {
    let statement = Arc::new(statement);
    let made = directory.writer.make(move |write| {
        let statement = Arc::clone(&statement);
        Box::pin(async move {
            sqlx::query(sqlx::AssertSqlSafe(statement.to_string())).execute(write).await?;
            Ok(())
        })
    });
    made.await.unwrap();
}

async fn put(directory: &SqliteDirectory, changes: &Changes) -> Result<Revision, StoreError> {
    let head = directory.head(&acme()).await.unwrap();
    directory.apply(&acme(), changes, head, &author("key:root")).await
}

/// More than fits in what a test leaves of the disk.
fn large() -> Changes {
    putting((0..4000).map(|number| user(&format!("user-with-a-long-address-{number}@acme.com"))))
}

#[tokio::test]
async fn a_full_disk_refuses_what_does_not_fit_and_is_forgotten_when_there_is_space() {
    let folder = TempDir::new().unwrap();
    let directory = directory(&folder, 100).await;
    for round in 0..3 {
        pragma(&directory, "PRAGMA max_page_count = 60".to_owned()).await;
        let before = directory.head(&acme()).await.unwrap();
        let full = put(&directory, &large()).await;
        assert!(matches!(full, Err(StoreError::Disk(_))), "{full:?}");
        assert_eq!(directory.head(&acme()).await.unwrap(), before);
        // The limit went with the connection: there is space again.
        let one = put(&directory, &putting([user(&format!("u{round}@acme.com"))])).await;
        assert_eq!(one.unwrap(), before.next());
    }
    put(&directory, &large()).await.unwrap();
}

#[tokio::test]
async fn a_change_that_does_not_fit_on_the_disk_takes_no_other_with_it() {
    let folder = TempDir::new().unwrap();
    let directory = directory(&folder, 100).await;
    let other = tenant("other");
    directory.create_tenant(&other, Revision(0), &author("key:root")).await.unwrap();
    let (all, one) = (large(), putting([user("zoe@acme.com")]));
    // All three are in the queue before the writer has its turn.
    let (root, head) = (author("key:root"), Revision(1));
    let limit = pragma(&directory, "PRAGMA max_page_count = 60".to_owned());
    let acme = acme();
    let (large, small) = (directory.apply(&acme, &all, head, &root), directory.apply(&other, &one, head, &root));
    let ((), large, small) = tokio::join!(limit, large, small);
    assert_eq!(small.unwrap(), head.next());
    let found = directory.read(&other, &[user_key("zoe@acme.com")], head.next()).await.unwrap();
    assert_eq!(found.len(), 1);
    assert!(matches!(large, Err(StoreError::Disk(_))), "{large:?}");
    assert_eq!(directory.head(&acme).await.unwrap(), head);
}

#[tokio::test]
async fn each_of_those_that_are_written_together_is_judged_by_itself() {
    let folder = TempDir::new().unwrap();
    let directory = directory(&folder, 1000).await;
    let tenants: Vec<_> = (0..20).map(|number| tenant(&format!("t{number}"))).collect();
    for tenant in &tenants {
        directory.create_tenant(tenant, Revision(0), &author("key:root")).await.unwrap();
    }
    let mut writers = tokio::task::JoinSet::new();
    for (number, tenant) in tenants.into_iter().enumerate() {
        let directory = directory.clone();
        writers.spawn(async move {
            let changes = putting([user(&format!("u{number}@acme.com"))]);
            // Every third is judged by a revision that is not there.
            let expected = if number % 3 == 0 { Revision(7) } else { Revision(1) };
            let made = directory.apply(&tenant, &changes, expected, &author("key:root")).await;
            match made {
                Err(StoreError::Moved { found, .. }) => assert!(number % 3 == 0 && found == Revision(1)),
                made => assert!(number % 3 != 0 && made.unwrap() == Revision(2)),
            }
            assert_eq!(directory.head(&tenant).await.unwrap(), Revision(if number % 3 == 0 { 1 } else { 2 }));
        });
    }
    writers.join_all().await;
}

#[tokio::test]
async fn more_than_may_wait_are_refused_at_once_and_the_others_are_written() {
    let folder = TempDir::new().unwrap();
    let directory = directory(&folder, 4).await;
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..40 {
        let directory = directory.clone();
        writers.spawn(async move {
            directory.create_tenant(&tenant(&format!("t{number}")), Revision(0), &author("key:root")).await
        });
    }
    let ended = writers.join_all().await;
    let (made, refused): (Vec<_>, Vec<_>) = ended.into_iter().partition(Result::is_ok);
    assert!(made.len() >= 4 && !refused.is_empty(), "{} of 40", made.len());
    assert!(refused.into_iter().all(|refused| matches!(refused, Err(StoreError::TooManyWaiting))));
    assert_eq!(directory.tenants().await.unwrap().len(), made.len() + 1);
}

#[tokio::test]
async fn what_a_closed_writer_is_asked_is_refused() {
    let folder = TempDir::new().unwrap();
    let directory = directory(&folder, 100).await;
    directory.close().await;
    let late = directory.create_tenant(&tenant("late"), Revision(0), &author("key:root")).await;
    assert!(matches!(late, Err(StoreError::Database(_))), "{late:?}");
    let log = folder.path().join("directory.db-wal");
    assert!(!log.exists() || log.metadata().unwrap().len() == 0);
}
