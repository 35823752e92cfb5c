//! The backends held against each other: whatever happens to a directory in SQLite and to one in memory, both answer
//! the same, then and ever after.

mod asked;
mod happened;

use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;

use self::asked::{Asked, asked};
use self::happened::{Happened, happened};
use crate::directory::{MemoryDirectory, SqliteDirectory};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sqlite_is_what_memory_is(happened in vec(happened(), 1..12), asked in vec(asked(), 4..10)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(hold_against_each_other(&happened, &asked))?;
    }
}

async fn hold_against_each_other(happened: &[Happened], asked: &[Asked]) -> Result<(), TestCaseError> {
    let folder = TempDir::new().unwrap();
    let sqlite = SqliteDirectory::open(&folder.path().join("directory.db")).await.unwrap();
    let memory = MemoryDirectory::default();
    for (moment, happened) in happened.iter().enumerate() {
        let (in_memory, in_sqlite) = (happened.to(&memory, moment).await, happened.to(&sqlite, moment).await);
        prop_assert_eq!(in_memory, in_sqlite, "{:?}", happened);
    }
    for asked in asked {
        let (of_memory, of_sqlite) = (asked.of(&memory).await, asked.of(&sqlite).await);
        prop_assert_eq!(of_memory, of_sqlite, "{:?}", asked);
    }
    sqlite.close().await;
    Ok(())
}
