//! The one writer of a database: changes wait in a queue, and all that wait are written as one transaction.
//!
//! In: changes, each a function over a connection. Out: for each of them what it came to, told once the disk has it: one
//! wait for the disk is enough for all that were waiting. Each change is made whole or not at all and is judged by
//! itself: one that is refused takes no other with it. A connection on which something else went wrong is never used
//! again, so that a full disk is forgotten as soon as there is space.

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::write::prepare;
use crate::directory::store::{Answer, StoreError};
use crate::model::with_causes;

/// Where changes wait for the writer.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
}

#[derive(Debug)]
enum Message {
    Change(Box<dyn Waiting>),
    /// Everything before it is written; then the file has all of it, and the connection ends.
    Close(oneshot::Sender<()>),
}

impl Writer {
    /// Starts one with a connection of its own. It ends when it is closed, or nobody can send it anything more.
    ///
    /// Errors: that the database cannot be opened.
    pub(super) async fn start(options: SqliteConnectOptions, most_waiting: usize) -> Result<Self, StoreError> {
        let (queue, messages) = mpsc::channel(most_waiting.max(1));
        let connection = Some(connect(&options).await?);
        tokio::spawn(Writing { options, connection }.follow(messages));
        Ok(Self { queue })
    }

    /// Has a change made. It may be made more than once, if the transaction that it was in came to nothing; what it
    /// came to is told when it is on disk.
    ///
    /// Errors: those of the change, `TooManyWaiting`, or that the database does not answer.
    pub(super) async fn make<T, F>(&self, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut SqliteConnection) -> Answer<'c, T> + Send + Sync + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let waiting = Message::Change(Box::new(One { change, made: None, answer }));
        self.queue.try_send(waiting).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::TooManyWaiting,
            TrySendError::Closed(_) => closed(),
        })?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Writes what waits, brings all of it into the file itself, and ends.
    pub(super) async fn close(&self) {
        let (done, is_done) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            let _ = is_done.await;
        }
    }
}

async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection, StoreError> {
    let mut connection = options.connect().await?;
    prepare(&mut connection).await?;
    Ok(connection)
}

fn closed() -> StoreError {
    StoreError::Database(Box::new(sqlx::Error::PoolClosed))
}

/// A change in the queue.
trait Waiting: Send {
    /// Whether somebody still waits for it. What was asked for in vain, as by a request whose time ran out, is not made.
    fn is_wanted(&self) -> bool;

    /// Makes it. An error is one of the connection, and none of the change.
    fn make<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> Answer<'a, Outcome>;

    /// Tells what it came to, or that nothing did.
    fn answer(self: Box<Self>, ended: Result<(), StoreError>);
}

impl std::fmt::Debug for dyn Waiting {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Waiting")
    }
}

enum Outcome {
    Made,
    /// What it wrote before it was refused must not stay.
    Refused,
}

struct One<T, F> {
    change: F,
    made: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Waiting for One<T, F>
where
    T: Send,
    F: for<'c> Fn(&'c mut SqliteConnection) -> Answer<'c, T> + Send + Sync,
{
    fn is_wanted(&self) -> bool {
        !self.answer.is_closed()
    }

    fn make<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> Answer<'a, Outcome> {
        Box::pin(async move {
            let made = (self.change)(connection).await;
            let outcome = match &made {
                Ok(_) => Outcome::Made,
                Err(error) if error.is_of_the_change() => Outcome::Refused,
                Err(_) => return made.map(|_| Outcome::Made),
            };
            self.made = Some(made);
            Ok(outcome)
        })
    }

    fn answer(self: Box<Self>, ended: Result<(), StoreError>) {
        let Self { made, answer, .. } = *self;
        let _ = answer.send(ended.and_then(|()| made.unwrap_or_else(|| Err(closed()))));
    }
}

/// The task that writes.
struct Writing {
    options: SqliteConnectOptions,
    /// None after something went wrong on it.
    connection: Option<SqliteConnection>,
}

impl Writing {
    async fn follow(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut taken = Vec::new();
        while messages.recv_many(&mut taken, MOST_AT_ONCE).await > 0 {
            let mut together = Vec::new();
            for message in taken.drain(..) {
                match message {
                    Message::Change(change) => together.push(change),
                    Message::Close(done) => {
                        self.write(std::mem::take(&mut together)).await;
                        self.close().await;
                        drop(messages);
                        let _ = done.send(());
                        return;
                    }
                }
            }
            self.write(together).await;
        }
        self.close().await;
    }

    async fn write(&mut self, changes: Vec<Box<dyn Waiting>>) {
        let mut changes: Vec<_> = changes.into_iter().filter(|change| change.is_wanted()).collect();
        match self.in_one_transaction(&mut changes).await {
            Ok(()) => changes.into_iter().for_each(|change| change.answer(Ok(()))),
            // One change that does not fit on the disk is no reason against those that do.
            Err(Failure::Within(_)) if changes.len() > 1 => {
                for mut change in changes {
                    let ended = self.in_one_transaction(std::slice::from_mut(&mut change)).await;
                    change.answer(ended.map_err(Failure::into_error));
                }
            }
            Err(failure) => {
                let error = failure.into_error();
                changes.into_iter().for_each(|change| change.answer(Err(alike(&error))));
            }
        }
    }

    async fn in_one_transaction(&mut self, changes: &mut [Box<dyn Waiting>]) -> Result<(), Failure> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.options).await.map_err(Failure::Before)?,
        };
        match transact(&mut connection, changes).await {
            Ok(()) => {
                self.connection = Some(connection);
                Ok(())
            }
            Err(failure) => {
                tracing::debug!(error = %with_causes(failure.error()), "a write failed: its connection is given up");
                let _ = connection.close_hard().await;
                Err(failure)
            }
        }
    }

    async fn close(self) {
        let Some(mut connection) = self.connection else { return };
        // Whoever copies the file alone has everything.
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await {
            tracing::warn!(%error, "the database's log could not be brought into its file: copy both");
        }
        let _ = connection.close().await;
    }
}

/// Why a transaction came to nothing.
enum Failure {
    /// Before any change was tried: another process has the file, or it cannot be opened.
    Before(StoreError),
    /// In a change, or when all were to be kept.
    Within(StoreError),
}

impl Failure {
    fn error(&self) -> &StoreError {
        match self {
            Self::Before(error) | Self::Within(error) => error,
        }
    }

    fn into_error(self) -> StoreError {
        match self {
            Self::Before(error) | Self::Within(error) => error,
        }
    }
}

/// The same for another that waited.
fn alike(error: &StoreError) -> StoreError {
    match error {
        StoreError::Disk(source) => StoreError::Disk(source.to_string().into()),
        StoreError::Database(source) => StoreError::Database(source.to_string().into()),
        other => StoreError::Database(other.to_string().into()),
    }
}

/// Makes all of them in one transaction that no other write comes into.
async fn transact(connection: &mut SqliteConnection, changes: &mut [Box<dyn Waiting>]) -> Result<(), Failure> {
    // At once, not at the first write: what is read is what will be written over.
    run(connection, "BEGIN IMMEDIATE").await.map_err(Failure::Before)?;
    make_each(connection, changes).await.map_err(Failure::Within)
}

async fn make_each(connection: &mut SqliteConnection, changes: &mut [Box<dyn Waiting>]) -> Result<(), StoreError> {
    if let [only] = changes {
        let made = only.make(connection).await?;
        return run(connection, if matches!(made, Outcome::Made) { "COMMIT" } else { "ROLLBACK" }).await;
    }
    for change in changes {
        run(connection, "SAVEPOINT change").await?;
        if matches!(change.make(connection).await?, Outcome::Refused) {
            run(connection, "ROLLBACK TO change").await?;
        }
        run(connection, "RELEASE change").await?;
    }
    run(connection, "COMMIT").await
}

async fn run(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), StoreError> {
    sqlx::query(statement).execute(connection).await?;
    Ok(())
}

/// The most changes in one transaction: whoever waits for the first of them waits for all.
const MOST_AT_ONCE: usize = 256;

#[cfg(test)]
mod tests;
