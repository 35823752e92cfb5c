//! Keys and tokens of our own: `cg`, a kind, an underscore, 256 random bits and a checksum; only their hash is kept.
//!
//! A key is as random as a hash is long, so a plain SHA-256 of it cannot be guessed backwards.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Why no key could be made.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct KeyError;

/// A new key of a kind: `cgcaller_…`.
///
/// # Errors
/// When the system has no randomness to give.
pub fn new_key(kind: &str) -> Result<String, KeyError> {
    let mut secret = [0; 32];
    rand::fill(&mut secret).map_err(|_| KeyError)?;
    let body = format!("cg{kind}_{}", URL_SAFE_NO_PAD.encode(secret));
    let checksum = checksum(&body);
    Ok(format!("{body}{checksum}"))
}

/// Whether a text is of the form of our keys and tokens, whosever it is.
pub fn is_of_our_form(text: &str) -> bool {
    text.len() <= MAX_KEY_BYTES
        && text
            .strip_prefix("cg")
            .and_then(|rest| rest.split_once('_'))
            .is_some_and(|(kind, _)| !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_lowercase()))
}

/// Whether the checksum at the end of a key holds: one that was cut or mistyped is not worth looking for.
pub fn is_whole(key: &str) -> bool {
    let split = key.len().checked_sub(CHECKSUM_LETTERS).and_then(|at| key.split_at_checked(at));
    split.is_some_and(|(body, given)| checksum(body) == given)
}

/// Six letters that a scanner can check without asking us.
fn checksum(body: &str) -> String {
    let all = URL_SAFE_NO_PAD.encode(digest(&SHA256, body.as_bytes()));
    all.chars().take(CHECKSUM_LETTERS).collect()
}

const CHECKSUM_LETTERS: usize = 6;
const MAX_KEY_BYTES: usize = 128;

/// What the configuration keeps of a key.
pub fn hash_key(key: &str) -> String {
    format!("sha256:{}", crate::digest::sha256_hex(key.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_what_it_is_and_whether_it_is_whole() {
        let key = new_key("va").unwrap();
        assert!(key.starts_with("cgva_") && is_of_our_form(&key) && is_whole(&key), "{key}");
        for at in 0..key.len() {
            let cut = key.get(..at).unwrap();
            assert!(!is_whole(cut), "{cut}");
            let mut other = key.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            assert!(!is_whole(&String::from_utf8(other).unwrap()), "{at}");
        }
        for text in ["eyJhbGciOi.x.y", "cg_x", "cgVA_x", "va_x", "", "cg"] {
            assert!(!is_of_our_form(text), "{text}");
        }
    }

    #[test]
    fn no_two_keys_are_alike() {
        assert_ne!(new_key("va").unwrap(), new_key("va").unwrap());
    }
}
