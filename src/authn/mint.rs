//! A provider's other half: fresh signing keys, their public JWKs, and tokens signed with them.
//!
//! For `demo`, benches and tests, and for tokens of our own that others verify. Claims and headers are signed as they are given, wrong ones
//! too: that is what negative tests are made of.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::algorithm;
use crate::model::{SigningAlgorithm, TenantId};

/// Why there is no key or no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    #[error("a key for {} could not be generated", algorithm::name(*.algorithm))]
    Generate { algorithm: SigningAlgorithm },
    #[error("a token could not be signed with {}", algorithm::name(*.algorithm))]
    Sign { algorithm: SigningAlgorithm },
}

/// What tokens of our own that are signed name as their issuer: below where this server is to be found, if that is known.
pub fn own_issuer(base: Option<&str>, tenant: &TenantId) -> String {
    match base {
        Some(base) => format!("{}/tenants/{tenant}", base.trim_end_matches('/')),
        None => format!("urn:cedargate:{tenant}"),
    }
}

/// A private key with its name.
pub struct SigningKey {
    key_id: String,
    algorithm: SigningAlgorithm,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Elliptic(EcdsaKeyPair, &'static str),
    Edwards(Ed25519KeyPair),
}

impl SigningKey {
    /// A fresh key; RSA keys have 2048 bits and take a moment.
    ///
    /// # Errors
    /// When the machine yields no key.
    pub fn generate(algorithm: SigningAlgorithm, key_id: &str) -> Result<Self, MintError> {
        let rsa = |encoding| RsaKeyPair::generate(KeySize::Rsa2048).map(|pair| Pair::Rsa(pair, encoding));
        let elliptic = |curve: &'static EcdsaSigningAlgorithm, name| {
            EcdsaKeyPair::generate(curve).map(|pair| Pair::Elliptic(pair, name))
        };
        let pair = match algorithm {
            SigningAlgorithm::RS256 => rsa(&RSA_PKCS1_SHA256),
            SigningAlgorithm::RS384 => rsa(&RSA_PKCS1_SHA384),
            SigningAlgorithm::RS512 => rsa(&RSA_PKCS1_SHA512),
            SigningAlgorithm::PS256 => rsa(&RSA_PSS_SHA256),
            SigningAlgorithm::PS384 => rsa(&RSA_PSS_SHA384),
            SigningAlgorithm::PS512 => rsa(&RSA_PSS_SHA512),
            SigningAlgorithm::ES256 => elliptic(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256"),
            SigningAlgorithm::ES384 => elliptic(&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384"),
            SigningAlgorithm::ES512 => elliptic(&ECDSA_P521_SHA512_FIXED_SIGNING, "P-521"),
            SigningAlgorithm::EdDSA => Ed25519KeyPair::generate().map(Pair::Edwards),
        };
        let pair = pair.map_err(|_| MintError::Generate { algorithm })?;
        Ok(Self { key_id: key_id.to_owned(), algorithm, pair })
    }

    /// A fresh ES256 key, and the form in which it is kept (PKCS #8).
    ///
    /// # Errors
    /// When the machine yields no key.
    pub fn generate_kept(key_id: &str) -> Result<(Self, Vec<u8>), MintError> {
        let algorithm = SigningAlgorithm::ES256;
        let kept = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let kept = kept.map_err(|_| MintError::Generate { algorithm })?.as_ref().to_vec();
        Ok((Self::of_kept(key_id, &kept)?, kept))
    }

    /// A key as it was kept.
    ///
    /// # Errors
    /// When it is none.
    pub fn of_kept(key_id: &str, kept: &[u8]) -> Result<Self, MintError> {
        let algorithm = SigningAlgorithm::ES256;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, kept);
        let pair = pair.map_err(|_| MintError::Generate { algorithm })?;
        Ok(Self { key_id: key_id.to_owned(), algorithm, pair: Pair::Elliptic(pair, "P-256") })
    }

    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    pub fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// The public key, as a JWK set lists it.
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair, _) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "n": encode(&public.n), "e": encode(&public.e)})
            }
            Pair::Elliptic(pair, curve) => {
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at(point.len() / 2);
                json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)})
            }
            Pair::Edwards(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())}),
        };
        if let Some(members) = jwk.as_object_mut() {
            members.insert("kid".into(), self.key_id.clone().into());
            members.insert("use".into(), "sig".into());
            members.insert("alg".into(), algorithm::name(self.algorithm).into());
        }
        jwk
    }

    /// A token with the usual header.
    ///
    /// # Errors
    /// When signing fails.
    pub fn sign(&self, claims: &Value) -> Result<String, MintError> {
        let header = json!({"alg": algorithm::name(self.algorithm), "kid": self.key_id, "typ": "JWT"});
        self.sign_with_header(&header, claims)
    }

    /// A token with any header; the signature is this key's own, whatever `alg` says.
    ///
    /// # Errors
    /// When signing fails.
    pub fn sign_with_header(&self, header: &Value, claims: &Value) -> Result<String, MintError> {
        self.sign_bytes(header.to_string().as_bytes(), claims.to_string().as_bytes())
    }

    /// A token with exactly these bytes as header and payload.
    ///
    /// # Errors
    /// When signing fails.
    pub fn sign_bytes(&self, header: &[u8], payload: &[u8]) -> Result<String, MintError> {
        let message = format!("{}.{}", encode(header), encode(payload));
        let signature =
            self.signature(message.as_bytes()).map_err(|_| MintError::Sign { algorithm: self.algorithm })?;
        Ok(format!("{message}.{}", encode(&signature)))
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature)?;
                Ok(signature)
            }
            Pair::Elliptic(pair, _) => Ok(pair.sign(&random, message)?.as_ref().to_vec()),
            Pair::Edwards(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}

/// A JWK set of these keys.
pub fn jwks<'a>(keys: impl IntoIterator<Item = &'a SigningKey>) -> Value {
    json!({"keys": keys.into_iter().map(SigningKey::jwk).collect::<Vec<_>>()})
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
