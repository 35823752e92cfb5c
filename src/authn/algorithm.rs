//! The names of the signature algorithms, and what `jsonwebtoken` calls them.
//!
//! In: the `alg` of a token or of a key. Out: one of the ten asymmetric algorithms, or none: symmetric ones,
//! `none` and everything unknown have no value here, so no later step can be talked into using them.

use jsonwebtoken::Algorithm;

use crate::model::SigningAlgorithm;

/// Every algorithm that is ever accepted.
pub const ALL: [SigningAlgorithm; 10] = [
    SigningAlgorithm::RS256,
    SigningAlgorithm::RS384,
    SigningAlgorithm::RS512,
    SigningAlgorithm::PS256,
    SigningAlgorithm::PS384,
    SigningAlgorithm::PS512,
    SigningAlgorithm::ES256,
    SigningAlgorithm::ES384,
    SigningAlgorithm::ES512,
    SigningAlgorithm::EdDSA,
];

/// Those that RSA keys verify.
pub(super) const OF_RSA: &[SigningAlgorithm] = &[
    SigningAlgorithm::RS256,
    SigningAlgorithm::RS384,
    SigningAlgorithm::RS512,
    SigningAlgorithm::PS256,
    SigningAlgorithm::PS384,
    SigningAlgorithm::PS512,
];

/// The JOSE name, as RFC 7518 and RFC 8037 register it.
pub fn name(algorithm: SigningAlgorithm) -> &'static str {
    match algorithm {
        SigningAlgorithm::RS256 => "RS256",
        SigningAlgorithm::RS384 => "RS384",
        SigningAlgorithm::RS512 => "RS512",
        SigningAlgorithm::PS256 => "PS256",
        SigningAlgorithm::PS384 => "PS384",
        SigningAlgorithm::PS512 => "PS512",
        SigningAlgorithm::ES256 => "ES256",
        SigningAlgorithm::ES384 => "ES384",
        SigningAlgorithm::ES512 => "ES512",
        SigningAlgorithm::EdDSA => "EdDSA",
    }
}

/// The algorithm of a JOSE name, compared as exact bytes.
pub fn parse(text: &str) -> Option<SigningAlgorithm> {
    // RFC 9864's name for the only curve that `EdDSA` stands for here. Its names for the other algorithms, `ESP256`
    // and the like, say nothing that the old ones do not, and no issuer uses them.
    if text == "Ed25519" {
        return Some(SigningAlgorithm::EdDSA);
    }
    ALL.into_iter().find(|algorithm| name(*algorithm) == text)
}

/// What the library calls it, of those that the library has.
pub(super) fn of_library(algorithm: SigningAlgorithm) -> Option<Algorithm> {
    Some(match algorithm {
        SigningAlgorithm::ES512 => return None,
        SigningAlgorithm::RS256 => Algorithm::RS256,
        SigningAlgorithm::RS384 => Algorithm::RS384,
        SigningAlgorithm::RS512 => Algorithm::RS512,
        SigningAlgorithm::PS256 => Algorithm::PS256,
        SigningAlgorithm::PS384 => Algorithm::PS384,
        SigningAlgorithm::PS512 => Algorithm::PS512,
        SigningAlgorithm::ES256 => Algorithm::ES256,
        SigningAlgorithm::ES384 => Algorithm::ES384,
        SigningAlgorithm::EdDSA => Algorithm::EdDSA,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symmetric_unsecured_and_unknown_algorithms_have_no_value() {
        for text in [
            "none", "None", "HS256", "HS384", "HS512", "ES256K", "ESP256", "ESP512", "Ed448", "ed25519", "rs256", "",
            "RSA-OAEP",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("Ed25519"), Some(SigningAlgorithm::EdDSA));
        for algorithm in ALL {
            assert_eq!(parse(name(algorithm)), Some(algorithm));
        }
    }
}
