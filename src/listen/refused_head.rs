//! Heads that cannot be read: what hyper answers to them by itself in, the same with a problem as its body out.
//!
//! hyper refuses such a head before any service of ours sees a request, with a bare status and the end of the
//! connection. Its answer is known by that: every answer of ours has a request id, and a body where it is an error.

/// What a peer is told whose head cannot be read, by the status that hyper gave it.
#[derive(Clone, Copy, Debug)]
pub struct RefusedHead(pub fn(u16) -> RefusalText);

/// A problem as text.
#[derive(Clone, Debug)]
pub struct RefusalText {
    pub request_id: String,
    pub content_type: &'static str,
    pub body: String,
}

/// An answer that stands in for a bare one, as far as it has been written.
#[derive(Debug)]
pub(super) struct Refusal {
    text: Vec<u8>,
    written: usize,
}

impl Refusal {
    /// What to write instead of these bytes, if they are a bare refusal of hyper's.
    pub(super) fn instead_of(bytes: &[u8], words: RefusedHead) -> Option<Self> {
        if bytes.get(..9) != Some(b"HTTP/1.1 ") || bytes.get(9) != Some(&b'4') {
            return None;
        }
        let head = std::str::from_utf8(bytes).ok()?.strip_suffix("\r\n\r\n")?;
        let (line, headers) = head.split_once("\r\n")?;
        let has = |name: &str| headers.lines().any(|header| header.to_ascii_lowercase().starts_with(name));
        if has("x-request-id:") || has("content-type:") || !has("content-length: 0") {
            return None;
        }
        let status = line.get(9..12)?.parse().ok()?;
        let RefusalText { request_id, content_type, body } = (words.0)(status);
        let length = body.len();
        let text = format!(
            "{line}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\
             x-request-id: {request_id}\r\n\r\n{body}"
        );
        Some(Self { text: text.into_bytes(), written: 0 })
    }

    /// What is still to be written.
    pub(super) fn rest(&self) -> &[u8] {
        self.text.get(self.written..).unwrap_or_default()
    }

    pub(super) fn wrote(&mut self, count: usize) {
        self.written += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: RefusedHead = RefusedHead(|status| RefusalText {
        request_id: "id".into(),
        content_type: "application/problem+json",
        body: format!("{{\"status\":{status}}}"),
    });

    #[test]
    fn a_bare_refusal_gets_a_body_and_nothing_else_is_touched() {
        let bare = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let refusal = Refusal::instead_of(bare, WORDS).unwrap();
        let text = std::str::from_utf8(refusal.rest()).unwrap();
        assert!(text.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{text}");
        assert!(
            text.ends_with("content-length: 14\r\nconnection: close\r\nx-request-id: id\r\n\r\n{\"status\":431}"),
            "{text}"
        );
        for ours in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nx-request-id: a\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-type: a/b\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n",
            "HTTP/1.1 4",
            "{}",
            "",
        ] {
            assert!(Refusal::instead_of(ours.as_bytes(), WORDS).is_none(), "{ours}");
        }
    }
}
