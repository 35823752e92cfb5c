//! SHA-256, as files name it.

use aws_lc_rs::digest::{SHA256, digest};

/// Lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
