//! Which state of the world an answer came from: a tenant's revision, a snapshot's generation.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// Counts the changes of one tenant's directory; 0 is "never compiled".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// The SHA-256 of everything a snapshot was built from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub [u8; 32]);

impl Generation {
    /// Every answer says it, so it is not put together digit by digit through a formatter.
    fn hex(self) -> [u8; 64] {
        let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' + half - 10 };
        let mut hex = [0; 64];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
        }
        hex
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(std::str::from_utf8(&self.hex()).unwrap_or_default())
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Generation({self})")
    }
}

impl Serialize for Generation {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Which history a revision is of: the digest of all that led to it. Two histories may give the same number out, as
/// after a backup was put back, and never the same chain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chain(pub [u8; 32]);

impl Chain {
    /// Its first twelve digits, for people and for clients that pass it on.
    pub fn short(self) -> String {
        self.to_string().chars().take(12).collect()
    }

    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut chain = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (place, byte) in chain.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(place * 2..place * 2 + 2)?, 16).ok()?;
        }
        Some(Self(chain))
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        Generation(self.0).fmt(out)
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Chain({self})")
    }
}

impl Serialize for Chain {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Chain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("a chain is 64 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_read_as_it_is_written() {
        let mut bytes = [7; 32];
        bytes[..2].copy_from_slice(&[0x0f, 0xa0]);
        let json = serde_json::to_string(&Chain(bytes)).unwrap();
        assert!(json.starts_with("\"0fa00707"), "{json}");
        assert_eq!(serde_json::from_str::<Chain>(&json).unwrap(), Chain(bytes));
        assert_eq!(Chain(bytes).short(), "0fa007070707");
        for wrong in ["\"\"", "\"0f\"", "7", &json.replace("0f", "0g"), &json.replace("0f", "é")] {
            assert!(serde_json::from_str::<Chain>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_generation_is_written_in_lower_case_hexadecimal() {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&[0x00, 0x9a, 0xbc, 0xff]);
        assert_eq!(Generation(bytes).to_string(), format!("009abcff{}", "0".repeat(56)));
    }
}
