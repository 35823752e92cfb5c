//! Cedar texts and template links in, one policy set out, in which each policy has an honest id and a place.
//!
//! A policy's id is its `@id`, else `<path below its folder>#<position>`; the same id twice is a fault that names
//! both places.

use std::collections::{BTreeSet, HashMap};
use std::str::FromStr;

use cedar_policy::{EntityUid, Policy, PolicyId, PolicySet, SlotId, Template};
use cedar_policy_core::ast;

use super::AssumePolicies;
use super::entities::named_in;
use crate::compile::Link;
use crate::model::{Fault, Faults, Lines};
use crate::tree::SourceFile;

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
#[derive(Debug, Default)]
pub struct LoadedPolicies {
    pub set: PolicySet,
    /// Those that say who is a member of an external identity.
    pub assume: AssumePolicies,
    pub sources: HashMap<PolicyId, PolicySource>,
    /// Entities that conditions name: their data may be read whatever the request is about.
    pub literals: BTreeSet<EntityUid>,
    pub links: usize,
}

impl LoadedPolicies {
    /// Adds the policies and templates of a file.
    pub(super) fn add_file(&mut self, file: &SourceFile, faults: &mut Faults) {
        let parsed = match PolicySet::from_str(&file.text) {
            Ok(parsed) => parsed,
            Err(errors) => {
                errors.iter().for_each(|error| faults.push(file.fault_of(error)));
                return;
            }
        };
        let lines = Lines::of(&file.text);
        let place = |offset: usize| {
            let (line, column) = lines.position(offset);
            Fault { file: file.name.clone(), line, column, message: String::new() }
        };
        for policy in parsed.policies() {
            let place = place(AsRef::<ast::Policy>::as_ref(policy).loc().map_or(0, |loc| loc.start()));
            if let Some(id) = self.claim_id(file, policy.id(), policy.annotation("id"), place, faults) {
                self.add_policy(policy.new_id(id), file, faults);
            }
        }
        for template in parsed.templates() {
            let place = place(AsRef::<ast::Template>::as_ref(template).loc().map_or(0, |loc| loc.start()));
            if let Some(id) = self.claim_id(file, template.id(), template.annotation("id"), place, faults) {
                self.add_template(&template.new_id(id), file, faults);
            }
        }
    }

    fn claim_id(
        &mut self,
        file: &SourceFile,
        position: &PolicyId,
        annotated: Option<&str>,
        place: Fault,
        faults: &mut Faults,
    ) -> Option<PolicyId> {
        let position: &str = position.as_ref();
        // INVARIANT: Cedar's parser names the policies of a text `policy0`, `policy1`, … in order.
        let position = position.strip_prefix("policy").unwrap_or(position);
        let id = annotated.map_or_else(|| format!("{}#{position}", file.relative), str::to_owned);
        if id.is_empty() {
            faults.push(Fault { message: "`@id` may not be empty".to_owned(), ..place });
            return None;
        }
        let id = PolicyId::new(id);
        let source = PolicySource { file: place.file.clone(), line: place.line, role: None, subject: None };
        // Files of one name, below the platform's folder and below a tenant's, come to the same positions.
        let hint = if annotated.is_none() { ": give it an `@id`" } else { "" };
        self.take_id(id, source, place, hint, faults)
    }

    fn take_id(
        &mut self,
        id: PolicyId,
        source: PolicySource,
        place: Fault,
        hint: &str,
        faults: &mut Faults,
    ) -> Option<PolicyId> {
        if let Some(first) = self.sources.get(&id) {
            let message = format!("policy id `{}` is already taken at {first}{hint}", exact(&id));
            faults.push(Fault { message, ..place });
            return None;
        }
        self.sources.insert(id.clone(), source);
        Some(id)
    }

    fn add_policy(&mut self, policy: Policy, file: &SourceFile, faults: &mut Faults) {
        self.note_literals(AsRef::<ast::Policy>::as_ref(&policy).non_scope_constraints());
        if let Err(error) = self.set.add(policy) {
            faults.push(file.fault_of(&error));
        }
    }

    fn add_template(&mut self, template: &Template, file: &SourceFile, faults: &mut Faults) {
        self.note_literals(AsRef::<ast::Template>::as_ref(template).non_scope_constraints());
        if let Err(error) = self.set.add_template(template.clone()) {
            faults.push(file.fault_of(&error));
        }
    }

    fn note_literals(&mut self, condition: Option<&ast::Expr>) {
        self.literals.extend(condition.into_iter().flat_map(named_in));
    }

    /// To be called once all files are in.
    pub(super) fn sort_out_assuming(&mut self, faults: &mut Faults) {
        match AssumePolicies::of(&self.set) {
            Ok(assume) => self.assume = assume,
            Err(error) => faults.push(Fault::of_file("policies", error.to_string())),
        }
    }

    /// Adds a grant.
    pub(super) fn add_link(&mut self, file: &str, line: usize, link: &Link, faults: &mut Faults) {
        let place = Fault { file: file.to_owned(), line, column: 1, message: String::new() };
        let source = PolicySource {
            file: file.to_owned(),
            line,
            role: link.template_id.rsplit('/').next().map(str::to_owned),
            subject: Some(link.args.principal.clone()),
        };
        let id = PolicyId::new(&link.link_id);
        let Some(id) = self.take_id(id, source, place.clone(), "", faults) else { return };
        match self.link(link, id) {
            Ok(()) => self.links += 1,
            Err(message) => faults.push(Fault { message, ..place }),
        }
    }

    fn link(&mut self, link: &Link, id: PolicyId) -> Result<(), String> {
        let uid = |text: &str| text.parse::<EntityUid>().map_err(|error| format!("`{text}` is not an entity: {error}"));
        let values = HashMap::from([
            (SlotId::principal(), uid(&link.args.principal)?),
            (SlotId::resource(), uid(&link.args.resource)?),
        ]);
        self.set
            .link(PolicyId::new(&link.template_id), id, values)
            .map_err(|error| format!("`{}` cannot be linked: {}", link.template_id, crate::tree::one_line(&error)))
    }
}

/// An id as it is; Cedar's `Display` escapes it for messages.
pub fn exact(id: &PolicyId) -> &str {
    id.as_ref()
}
