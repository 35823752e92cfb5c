//! SHA-256 over several texts, each with its length, so that no two lists of texts run into each other.

use aws_lc_rs::digest::{Context, SHA256, digest};

use crate::model::Generation;

/// Takes texts in, gives their digest out.
pub struct Digester(Context);

impl Default for Digester {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Digester {
    pub fn add(&mut self, text: impl AsRef<[u8]>) {
        let bytes = text.as_ref();
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    pub fn finish(self) -> Generation {
        let mut out = [0; 32];
        out.copy_from_slice(self.0.finish().as_ref());
        Generation(out)
    }
}

/// The SHA-256 of one text.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// The same as files name it: lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Generation(sha256(bytes)).to_string()
}

/// Reads what `sha256_hex` writes.
pub fn read_hex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(digest)
}
