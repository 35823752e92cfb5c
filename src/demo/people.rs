//! Who has a token in the demo: one of each kind of principal that the sample tenant knows.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

/// A name, the provider that signs, the claims.
#[derive(Clone, Debug)]
pub struct DemoPerson {
    pub name: &'static str,
    pub provider: &'static str,
    pub claims: Map<String, Value>,
}

/// Everyone, as of a moment.
pub fn people(now: DateTime<Utc>) -> Vec<DemoPerson> {
    let signed_in = now.timestamp();
    let release = "repo:acme/chat:environment:production";
    [
        (
            "jane",
            "okta",
            json!({"sub": "00u1", "email": "jane@acme.com", "amr": ["pwd", "mfa"], "auth_time": signed_in}),
        ),
        ("lee", "okta", json!({"sub": "00u2", "email": "lee@acme.com", "amr": ["mfa"], "auth_time": signed_in})),
        ("omar", "okta", json!({"sub": "00u3", "email": "omar@acme.com", "amr": ["hwk"], "auth_time": signed_in})),
        (
            "partner",
            "okta",
            json!({
                "sub": "00u9", "email": "pat@partner.example", "department": "research",
                "realm_access": {"roles": ["partner", "viewer"]}
            }),
        ),
        ("stranger", "okta", json!({"sub": "00u8", "email": "temp@agency.example", "department": "sales"})),
        ("auditor", "okta", json!({"sub": "00u7", "organization": {"unit": "internal-audit"}})),
        ("ml-engineer", "okta", json!({"sub": "00u6", "groups": ["ml-engineers"]})),
        ("ci", "okta", json!({"sub": "0oa1", "client_id": "ci-client"})),
        (
            "release",
            "github",
            json!({
                "sub": release, "repository_owner": "acme", "repository": "acme/chat",
                "environment": "production", "ref": "refs/heads/main"
            }),
        ),
        ("expired", "okta", json!({"sub": "00u1", "email": "jane@acme.com", "exp": signed_in - 3600})),
    ]
    .into_iter()
    .map(|(name, provider, claims)| DemoPerson {
        name,
        provider,
        claims: claims.as_object().cloned().unwrap_or_default(),
    })
    .collect()
}
