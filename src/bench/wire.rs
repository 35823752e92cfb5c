//! HTTP/1.1 as cheaply as it can be asked: requests are bytes made beforehand, of an answer only the status and the
//! length are read. The load shares the machine with the server, so what it costs matters.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Why a request got no answer that counts.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error("the server cannot be reached")]
    Io(#[from] std::io::Error),
    #[error("the server closed the connection")]
    Closed,
    #[error("an answer has no length")]
    NoLength,
    #[error("a request was answered `{status}`: {body}")]
    Refused { status: String, body: String },
    #[error("the threads of the load ended early")]
    Thread,
    #[error(transparent)]
    Histogram(#[from] hdrhistogram::CreationError),
}

/// A connection that is kept alive.
pub struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn open(address: SocketAddr) -> Result<Self, WireError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: Vec::with_capacity(ANSWER_BYTES) })
    }

    /// Sends a request and waits for all of its answer, which must be 200; its body.
    ///
    /// # Errors
    /// When there is none, or another.
    pub async fn ask(&mut self, request: &[u8]) -> Result<&[u8], WireError> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        let mut end_of_head = None;
        let (start, end) = loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err(WireError::Closed);
            }
            if end_of_head.is_none() {
                end_of_head = find(&self.answer, END_OF_HEAD).map(|at| at + END_OF_HEAD.len());
            }
            let Some(start) = end_of_head else { continue };
            let length = content_length(self.answer.get(..start).unwrap_or_default()).ok_or(WireError::NoLength)?;
            if self.answer.len() >= start + length {
                break (start, start + length);
            }
        };
        let body = self.answer.get(start..end).unwrap_or_default();
        if self.answer.starts_with(OK) {
            return Ok(body);
        }
        let status = self.answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Err(WireError::Refused { status: text(status), body: text(body) })
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    let at = find(head, LENGTH)? + LENGTH.len();
    let digits = head.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0')))
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

const OK: &[u8] = b"HTTP/1.1 200";
const END_OF_HEAD: &[u8] = b"\r\n\r\n";
/// As hyper writes it.
const LENGTH: &[u8] = b"\r\ncontent-length: ";
const ANSWER_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_an_answer_is_read() {
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: a\r\ncontent-length: 1234\r\ndate: x\r\n\r\n";
        assert_eq!(content_length(head), Some(1234));
        assert_eq!(content_length(b"HTTP/1.1 200 OK\r\n\r\n"), None);
    }
}
