//! The end of a connection whose peer may still be sending: its answer is kept from being lost.
//!
//! A socket that is closed with bytes unread is reset, and a reset takes the answer with it that is on its way. So the
//! sending side is closed alone, and what still comes is read and thrown away, for a while and up to a bound.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Where hyper's stream is to be found once hyper has let go of it.
pub(super) struct Left<S>(Arc<Mutex<Option<S>>>);

impl<S> Clone for Left<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Default for Left<S> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<S> Left<S> {
    pub(super) fn put(&self, stream: S) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
    }

    pub(super) fn take(&self) -> Option<S> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Closes for sending, and reads what comes until the peer closes too.
pub(super) async fn linger(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let reading = async {
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut thrown_away = vec![0; 16 * 1024];
        let mut total = 0;
        while total < MOST_BYTES {
            match stream.read(&mut thrown_away).await {
                Ok(0) | Err(_) => return,
                Ok(count) => total += count,
            }
        }
    };
    let _ = tokio::time::timeout(PATIENCE, reading).await;
}

const PATIENCE: Duration = Duration::from_secs(2);
/// More than a peer sends before it sees an answer.
const MOST_BYTES: usize = 8 * 1024 * 1024;
