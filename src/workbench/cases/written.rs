//! A case file as it is written. The comments here are what editors show of each member.
//!
//! In: one YAML document. Out: a [`WrittenSuite`], every value with its place; nothing is looked up yet.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::shape::{Entries, OneOrMany, Placed, ShortOrFull};
use crate::decide::{Decision, Reason};
use crate::manifest::{AsWritten, Members};

/// Decision cases of one tenant, run by `cedargate test` with the server's own decider. A file may hold several such
/// documents.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Cases")]
pub struct WrittenSuite {
    /// Says that this document holds cases.
    #[serde(rename = "type")]
    #[schemars(with = "KindText")]
    pub kind: Placed<String>,
    /// What the suite is called in reports; the file's name where left out.
    pub name: Option<String>,
    /// Whose policies decide; only needed outside a tenant's own `cases/` folder.
    pub tenant: Option<Placed<String>>,
    /// What time it is for tokens, as `2026-11-01T12:00:00Z`; the moment of the run where left out. Policies see the
    /// time that a context has.
    pub now: Option<Placed<String>>,
    /// Identity provider → a file with its JSON Web Key Set, beside this one. Tokens of a provider that is not named
    /// here are verified with keys fetched from it.
    #[serde(default)]
    pub keys: Entries<String>,
    /// Names for who asks: an entity as `User::jane@acme.com`, or whoever claims or a token stand for.
    #[serde(default)]
    pub principals: Entries<WrittenPrincipal>,
    /// Names for what is asked about: an entity as `Model::gpt-4o`, or one that the request describes.
    #[serde(default)]
    pub resources: Entries<WrittenResource>,
    /// Names for contexts, in Cedar's JSON: `{ip: 10.1.2.3, time: 2026-11-01T23:00:00Z}`.
    #[serde(default)]
    pub contexts: Entries<Members>,
    /// Entities that stand in for those of the directory, or add to them, in every case: Cedar's entity JSON.
    #[serde(default)]
    #[schemars(with = "Vec<EntityJson>")]
    pub entities: Vec<Placed<AsWritten>>,
    /// Single questions, each with its answer.
    #[serde(default)]
    pub cases: Vec<Placed<WrittenCase>>,
    /// Tables of who may do what, complete: what a table does not allow is denied.
    #[serde(default)]
    pub matrices: Vec<Placed<WrittenMatrix>>,
    /// These and only these: everyone who may, everything that somebody may do, or all that it may be done to.
    #[serde(default)]
    pub lists: Vec<Placed<WrittenList>>,
}

/// Somebody, in short or in full.
pub type WrittenPrincipal = ShortOrFull<String, Vouched>;

/// Someone whom an identity provider vouches for: by claims, or by a signed token.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Vouched")]
pub struct Vouched {
    /// The identity provider by its name; with `claims` it is needed.
    pub provider: Option<Placed<String>>,
    /// What a verified token of the provider would claim: whose it is and which external identities match is found
    /// out as for a token.
    pub claims: Option<Placed<Members>>,
    /// A signed token: verified as the server would, at the suite's `now`.
    pub token: Option<Placed<String>>,
}

/// Something, in short or in full.
pub type WrittenResource = ShortOrFull<String, Described>;

/// A resource with what the request says of it, over what the directory knows.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Described")]
pub struct Described {
    /// The entity's type, as the schema has it.
    #[serde(rename = "type")]
    pub kind: String,
    pub id: String,
    /// They win over the directory's; entities and extension values as Cedar's entity JSON has them.
    #[serde(default)]
    pub attributes: Members,
    /// They count beside the directory's: `Workspace::research`.
    #[serde(default)]
    pub parents: Vec<Placed<String>>,
}

/// Names, contexts, or both.
pub type WrittenContext = OneOrMany<ShortOrFull<String, Members>>;

/// One question with its answer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Case")]
pub struct WrittenCase {
    /// What the case shows, in a few words.
    pub name: Option<String>,
    /// Who asks: a name of `principals`; an entity, exactly as the directory knows it, as `User::jane@acme.com` or
    /// `User::"jane@acme.com"`; or whoever claims or a token stand for.
    pub principal: Placed<WrittenPrincipal>,
    /// What they want to do: an action of the schema.
    pub action: Placed<String>,
    /// What they want to do it to: a name of `resources`; an entity, as `Model::gpt-4o` or `Model::"gpt-4o"`; or one
    /// that the request describes.
    pub resource: Placed<WrittenResource>,
    /// What else is known of the request: a name of `contexts`, a context in Cedar's JSON, or a list of both, of which
    /// later ones win.
    pub context: Option<Placed<WrittenContext>>,
    /// Entities for this case alone; they win over the suite's.
    #[serde(default)]
    #[schemars(with = "Vec<EntityJson>")]
    pub entities: Vec<Placed<AsWritten>>,
    /// What the answer must be.
    pub expect: Placed<ShortOrFull<WrittenDecision, WrittenExpectation>>,
    /// Why it must be so; shown when it is not.
    pub why: Option<String>,
}

/// What an answer must be; what is left out may be anything.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Expectation")]
pub struct WrittenExpectation {
    pub decision: Option<WrittenDecision>,
    #[schemars(with = "Option<ReasonText>")]
    pub reason: Option<Reason>,
    /// The ids of the determining policies: these and no others.
    pub policies: Option<Vec<String>>,
    /// The external identities that the principal is in: these and no others.
    pub external_identities: Option<Vec<String>>,
    /// The ids of the policies that cannot be evaluated: these and no others.
    pub errors: Option<Vec<String>>,
    /// The principal's token stands for nobody, for this reason: `token-expired`, `token-audience`, ...
    pub refused: Option<String>,
}

/// `allow` or `deny`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "Decision", inline)]
pub enum WrittenDecision {
    Allow,
    Deny,
}

impl From<WrittenDecision> for Decision {
    fn from(written: WrittenDecision) -> Self {
        match written {
            WrittenDecision::Allow => Self::Allow,
            WrittenDecision::Deny => Self::Deny,
        }
    }
}

/// A table: a row a principal, a column a resource, in each place the actions that are allowed. Every other action of
/// the table must be denied there.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Matrix")]
pub struct WrittenMatrix {
    pub name: Option<String>,
    /// The actions that the table is about; where left out, all that apply to its principals and resources.
    pub actions: Option<Vec<Placed<String>>>,
    /// Principals beside those of the rows: all is denied to them.
    #[serde(default)]
    pub principals: Vec<Placed<String>>,
    /// Resources beside those of the columns: all is denied on them.
    #[serde(default)]
    pub resources: Vec<Placed<String>>,
    /// What else is known of each request, as in a case.
    pub context: Option<Placed<WrittenContext>>,
    /// Entities for this table alone; they win over the suite's.
    #[serde(default)]
    #[schemars(with = "Vec<EntityJson>")]
    pub entities: Vec<Placed<AsWritten>>,
    /// Principal → resource → the actions that are allowed, or `all`; names or entities.
    pub allow: Entries<Entries<Allowed>>,
    /// Why it must be so; shown when it is not.
    pub why: Option<String>,
}

/// A list of actions, or `all`.
pub type Allowed = OneOrMany<String>;

/// Whatever is left out of `principal`, `action` and `resource` is what `only` lists, completely: those listed are
/// allowed, and everyone or everything else that there is is denied. Who there is: every entity of the directory that
/// may ask, and this suite's `principals`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "List")]
pub struct WrittenList {
    pub name: Option<String>,
    /// Who asks, as in a case; where left out, `only` lists principals.
    pub principal: Option<Placed<WrittenPrincipal>>,
    /// An action of the schema; where left out, `only` lists actions.
    pub action: Option<Placed<String>>,
    /// As in a case; where left out, `only` lists resources.
    pub resource: Option<Placed<WrittenResource>>,
    /// What else is known of each request, as in a case.
    pub context: Option<Placed<WrittenContext>>,
    /// Entities for this list alone; they win over the suite's.
    #[serde(default)]
    #[schemars(with = "Vec<EntityJson>")]
    pub entities: Vec<Placed<AsWritten>>,
    /// Names or entities; actions where the action is left out.
    pub only: Vec<Placed<String>>,
    /// Why it must be so; shown when it is not.
    pub why: Option<String>,
}

#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[expect(dead_code, reason = "says in the JSON Schema what the plain type is")]
enum KindText {
    Cases,
}

#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
#[expect(dead_code, reason = "says in the JSON Schema what the plain type is")]
enum ReasonText {
    Permitted,
    Forbidden,
    NotPermitted,
    PolicyError,
}

/// An entity in Cedar's JSON.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Entity")]
#[expect(dead_code, reason = "says in the JSON Schema what Cedar reads")]
struct EntityJson {
    /// `{type: User, id: jane@acme.com}`
    uid: Map<String, Value>,
    #[serde(default)]
    attrs: Map<String, Value>,
    #[serde(default)]
    parents: Vec<Map<String, Value>>,
    #[serde(default)]
    tags: Map<String, Value>,
}
