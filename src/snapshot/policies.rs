//! All policies of a tenant: those written as text, and grants as links of their templates.
//!
//! A policy's id is its `@id`, else `<path below its folder>#<position>`; the same id twice is a fault that names
//! both places. Written policies are kept as Cedar has them; a million links are kept as numbers, and become Cedar
//! policies when a slice wants them.

mod cost;
mod depth;
mod file;
mod known;
mod link_shard;
mod links;
mod links_file;
mod parse;
mod premise;
mod unlinked;
mod written;

pub use depth::Depth;
pub use file::{PolicyFile, WrittenPolicy, read_policies};
pub use link_shard::{LinkRef, LinkShard};
pub use links::LinkStore;
pub use premise::{Premise, attribute_names};
pub use unlinked::unlinked_templates;
pub use written::WrittenPolicies;

use std::sync::Arc;

use cedar_policy::{EntityUid, Policy, PolicyId, PolicySet, Template};
use cedar_policy_core::ast;

use crate::compile::GrantId;
use crate::model::DeclaredPlaces;
use crate::schema::LoadedSchema;

/// Where a policy stands, and for a grant, whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySource {
    pub file: String,
    pub line: usize,
    /// A grant's role and subject.
    pub role: Option<String>,
    pub subject: Option<String>,
}

impl std::fmt::Display for PolicySource {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}", self.file, self.line)
    }
}

/// All policies of a tenant.
#[derive(Debug)]
pub struct Policies {
    pub schema: Arc<LoadedSchema>,
    pub written: Arc<WrittenPolicies>,
    pub links: LinkStore,
    /// Where manifests declare what was compiled of them, if that is what was.
    pub declared: Arc<DeclaredPlaces>,
}

/// A policy of a snapshot: where it is to be found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyNumber {
    Written(u32),
    Link { shard: u32, place: u32 },
}

impl Policies {
    /// How many policies there are, links among them.
    pub fn len(&self) -> usize {
        self.written.len() + self.links.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of a policy by its id.
    pub fn find(&self, id: &PolicyId) -> Option<PolicyNumber> {
        self.written.find(id).or_else(|| self.links.find(&self.schema, exact(id)))
    }

    /// A policy by its id.
    pub fn get(&self, id: &PolicyId) -> Option<Policy> {
        self.policy(self.find(id)?).map(Policy::from)
    }

    /// A policy as Cedar has it; a link is linked for it.
    pub fn policy(&self, number: PolicyNumber) -> Option<ast::Policy> {
        match number {
            PolicyNumber::Written(number) => self.written.get(number).map(|written| written.policy.clone()),
            PolicyNumber::Link { .. } => self.link_policy(self.links.get(number)?),
        }
    }

    /// A link as a Cedar policy.
    pub fn link_policy(&self, link: LinkRef<'_>) -> Option<ast::Policy> {
        let template = self.written.template(link.template_id())?;
        let types = &self.schema.types;
        let values = [
            (ast::SlotId::principal(), link.principal(types)?.into()),
            (ast::SlotId::resource(), link.resource(types)?.into()),
        ];
        let id = ast::PolicyID::from_string(link.id(types));
        ast::Template::link(Arc::clone(&template.template), id, values.into()).ok()
    }

    /// Where a policy stands.
    pub fn source(&self, number: PolicyNumber) -> Option<PolicySource> {
        match number {
            PolicyNumber::Written(number) => self.written.get(number).map(|written| written.source.clone()),
            PolicyNumber::Link { .. } => self.links.get(number).map(|link| link.source(&self.schema.types)),
        }
    }

    /// Where a policy is to be changed: in the manifests where it was compiled of them, else where it stands.
    pub fn told_source(&self, id: &PolicyId, source: PolicySource) -> PolicySource {
        match self.declared.get(exact(id)) {
            Some((file, line)) => PolicySource { file: file.to_owned(), line, ..source },
            None => source,
        }
    }

    /// Everything as one Cedar policy set: for those who want all of it, never for a request.
    pub fn whole_set(&self) -> PolicySet {
        let mut set = ast::PolicySet::new();
        for template in self.written.templates() {
            // Ids are unique: two of one id are a fault, and no snapshot has one.
            let _ = set.add_template(template.template.as_ref().clone());
        }
        for written in self.written.iter() {
            let _ = set.add(written.policy.clone());
        }
        for link in self.links.iter() {
            if let Some(policy) = self.link_policy(link) {
                let _ = set.add(policy);
            }
        }
        PolicySet::from(set)
    }

    /// Every id with its place, templates included.
    pub fn sources(&self) -> impl Iterator<Item = (PolicyId, PolicySource)> {
        let written = self.written.iter().map(|written| (written.id(), written.source.clone()));
        let templates = self.written.templates().map(|template| (template.id(), template.source.clone()));
        let types = &self.schema.types;
        let links = self.links.iter().map(|link| (PolicyId::new(link.id(types)), link.source(types)));
        written.chain(templates).chain(links)
    }

    /// The templates as Cedar has them.
    pub fn templates(&self) -> impl Iterator<Item = Template> {
        self.written.templates().map(|template| Template::from(template.template.as_ref().clone()))
    }

    /// The link that an id is the id of, though it may be a written policy's as well.
    pub(super) fn link_with_id(&self, id: &str) -> Option<LinkRef<'_>> {
        self.links.get(self.links.find(&self.schema, id)?)
    }
}

/// What a grant's id says of it, as entities of a schema.
fn grant_of(schema: &LoadedSchema, id: &str) -> Option<(GrantId, EntityUid, EntityUid)> {
    let grant = GrantId::read(id)?;
    let (principal, resource) = (schema.types.uid_of(&grant.subject)?, schema.types.uid_of(&grant.resource)?);
    Some((grant, principal, resource))
}

/// An id as it is; Cedar's `Display` escapes it for messages.
pub fn exact(id: &PolicyId) -> &str {
    id.as_ref()
}

/// The policies of a file as Cedar has them, under the ids that its parser gives.
///
/// # Errors
/// Every fault of the file.
pub fn parse_policies(file: &crate::tree::SourceFile) -> Result<PolicySet, crate::model::Faults> {
    parse::parse(file).map(|parsed| parsed.set)
}

#[cfg(test)]
mod tests;
