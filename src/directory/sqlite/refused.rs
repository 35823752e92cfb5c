//! What SQLite refuses, as a directory's errors: whose fault it is, and whether trying again may help.

use sqlx::error::DatabaseError;

use crate::directory::store::StoreError;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error().and_then(code) {
            Some(SQLITE_FULL | SQLITE_IOERR) => Self::Disk(Box::new(error)),
            Some(SQLITE_CONSTRAINT) => Self::Constraint(Box::new(error)),
            _ => Self::Database(Box::new(error)),
        }
    }
}

/// The first of SQLite's result codes: what follows in the upper bits tells one cause from another.
fn code(error: &(dyn DatabaseError + 'static)) -> Option<u32> {
    error.code()?.parse::<u32>().ok().map(|code| code & 0xff)
}

/// <https://sqlite.org/rescode.html#ioerr>: also of a quota, and of files that may not grow.
const SQLITE_IOERR: u32 = 10;
/// <https://sqlite.org/rescode.html#full>
const SQLITE_FULL: u32 = 13;
/// <https://sqlite.org/rescode.html#constraint>
const SQLITE_CONSTRAINT: u32 = 19;
