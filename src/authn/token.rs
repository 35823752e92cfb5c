//! A compact JWS taken apart, nothing believed yet.
//!
//! In: text from a stranger. Out: its header, claims, signed bytes and signature. Refused here: what is too long,
//! not three parts of strict base64url, ambiguous JSON, encrypted, or has critical headers. Headers that bring
//! their own keys (`jku`, `jwk`, `x5u`, `x5c`) are never looked at.

#[cfg(test)]
mod tests;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::algorithm;
use super::claims::{Claims, ClaimsError, parse_object};
use crate::model::SigningAlgorithm;

/// Why a text is not a token that could be checked.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the token has {length} bytes, more than the {limit} that are read")]
    TooLong { length: usize, limit: usize },
    #[error("the token does not have the three parts of a signed token")]
    Parts,
    #[error("the token's {part} is not base64url without padding")]
    Base64 { part: &'static str },
    #[error("the token's {part} {fault}")]
    Json { part: &'static str, fault: ClaimsError },
    #[error("the token is encrypted: send a signed token")]
    Encrypted,
    #[error("the token's header has no `alg` of type string")]
    NoAlgorithm,
    #[error("the token's header has a `kid` that is not a string")]
    KeyIdNotAString,
    #[error("the token's header has a `typ` that is not a string")]
    TypeNotAString,
    #[error("the token's header has `crit`: no critical header is supported")]
    Critical,
    #[error("the token's signature is empty")]
    Unsigned,
    #[error("the token is signed with `{algorithm}`: use an asymmetric algorithm such as RS256, ES256 or EdDSA")]
    Algorithm { algorithm: String },
}

/// The parts of a token whose signature nobody has checked.
#[derive(Debug)]
pub struct UnverifiedToken<'a> {
    pub header: Header,
    pub claims: Claims,
    /// What the signature is over: the first two parts with their dot.
    pub signed: &'a str,
    /// Base64url, known to decode.
    pub signature: &'a str,
}

/// What of the header is looked at.
#[derive(Debug)]
pub struct Header {
    /// As the token says, supported or not.
    pub algorithm: String,
    pub key_id: Option<String>,
    /// `typ`, in lower case and without `application/` (RFC 7515 §4.1.9).
    pub token_type: Option<String>,
}

impl Header {
    /// # Errors
    /// When the algorithm is `none`, symmetric, or not one we know.
    pub fn signing_algorithm(&self) -> Result<SigningAlgorithm, TokenError> {
        algorithm::parse(&self.algorithm)
            .ok_or_else(|| TokenError::Algorithm { algorithm: super::verify::shown(&self.algorithm) })
    }
}

impl<'a> UnverifiedToken<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// When the shape is not that of a signed token within the bounds. An unsupported algorithm is not a
    /// question of shape: `none` comes with an empty signature, and is to be told what is wrong with it.
    pub fn parse(text: &'a str, max_bytes: usize) -> Result<Self, TokenError> {
        if text.len() > max_bytes {
            return Err(TokenError::TooLong { length: text.len(), limit: max_bytes });
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenError::Parts)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Parts)?;
        if header.is_empty() || payload.is_empty() || payload.contains('.') {
            return Err(TokenError::Parts);
        }
        let header = parse_header(&decode("header", header)?)?;
        let claims =
            Claims::parse(&decode("payload", payload)?).map_err(|fault| TokenError::Json { part: "payload", fault })?;
        decode("signature", signature)?;
        if signature.is_empty() && algorithm::parse(&header.algorithm).is_some() {
            return Err(TokenError::Unsigned);
        }
        Ok(Self { header, claims, signed, signature })
    }
}

fn decode(part: &'static str, text: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Base64 { part })
}

fn parse_header(json: &[u8]) -> Result<Header, TokenError> {
    let mut members = parse_object(json).map_err(|fault| TokenError::Json { part: "header", fault })?;
    if members.contains_key("enc") {
        return Err(TokenError::Encrypted);
    }
    // RFC 7515 §4.1.11: whoever does not understand a critical header must refuse the token.
    if members.contains_key("crit") {
        return Err(TokenError::Critical);
    }
    let Some(Value::String(algorithm)) = members.remove("alg") else {
        return Err(TokenError::NoAlgorithm);
    };
    let key_id = match members.remove("kid") {
        None | Some(Value::Null) => None,
        Some(Value::String(key_id)) => Some(key_id),
        Some(_) => return Err(TokenError::KeyIdNotAString),
    };
    let token_type = match members.remove("typ") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => {
            let lower = text.to_ascii_lowercase();
            Some(lower.strip_prefix("application/").unwrap_or(&lower).to_owned())
        }
        Some(_) => return Err(TokenError::TypeNotAString),
    };
    Ok(Header { algorithm, key_id, token_type })
}
