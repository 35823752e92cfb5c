//! The policies of all files as one: ids that are there once, an index by scope, and the few links that are not of
//! the usual form.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{EntityUid, PolicyId, Validator};
use cedar_policy_core::ast;

use super::depth::Depth;
use super::file::{PolicyFile, WrittenPolicy, WrittenTemplate};
use super::link_shard::{LinkShard, OddLink};
use super::links::validate_link;
use super::premise::Premise;
use super::unlinked::ROLES;
use super::{PolicyNumber, PolicySource, exact};
use crate::model::{Fault, Faults};
use crate::schema::LoadedSchema;
use crate::snapshot::assume::AssumeIndex;
use crate::snapshot::index::ScopeIndex;

/// Policies that are kept as Cedar has them.
#[derive(Debug, Default)]
pub struct WrittenPolicies {
    files: Vec<Arc<PolicyFile>>,
    /// Links of an unusual form, linked.
    linked: Vec<WrittenPolicy>,
    /// Where a policy is: a file and its place there, or among the linked.
    numbers: Vec<Place>,
    by_id: HashMap<PolicyId, u32>,
    templates: HashMap<PolicyId, (u32, u32)>,
    pub index: ScopeIndex,
    pub assume: AssumeIndex,
    /// Of the linked.
    pub(in crate::snapshot) warnings: Vec<Fault>,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    File(u32, u32),
    Linked(u32),
}

impl WrittenPolicies {
    /// Joins files and the odd links of all shards.
    pub(in crate::snapshot) fn join(
        files: Vec<Arc<PolicyFile>>,
        shards: &[Arc<LinkShard>],
        schema: &LoadedSchema,
        validator: &Validator,
        faults: &mut Faults,
    ) -> Self {
        let mut joined = Self { files, ..Self::default() };
        let mut taken: HashMap<PolicyId, String> = HashMap::new();
        let files = joined.files.clone();
        for (number, file) in (0_u32..).zip(&files) {
            for (place, written) in (0_u32..).zip(&file.policies) {
                let id = written.id();
                if take(&mut taken, &id, &written.source, written.column, written.has_id, faults) {
                    joined.add(id, Place::File(number, place));
                }
            }
            for (place, written) in (0_u32..).zip(&file.templates) {
                let id = written.id();
                if take(&mut taken, &id, &written.source, written.column, written.has_id, faults) {
                    joined.templates.insert(id, (number, place));
                }
            }
        }
        let of_files = files.iter().map(|file| (&file.origin.file, &file.links));
        let of_shards = shards.iter().map(|shard| (&shard.origin().file, &shard.odd));
        let mut verdicts = HashMap::new();
        for (file, links) in of_files.chain(of_shards) {
            for link in links {
                joined.link(file, link, (schema, validator), &mut verdicts, &mut taken, faults);
            }
        }
        joined.index = ScopeIndex::of(joined.iter().map(|written| &written.policy), schema);
        joined.assume = AssumeIndex::of(&joined);
        joined
    }

    fn add(&mut self, id: PolicyId, place: Place) {
        // Far fewer than four billion: a policy takes more than a byte of a file.
        self.by_id.insert(id, u32::try_from(self.numbers.len()).unwrap_or(u32::MAX));
        self.numbers.push(place);
    }

    fn link(
        &mut self,
        file: &str,
        odd: &OddLink,
        (schema, validator): (&LoadedSchema, &Validator),
        verdicts: &mut Verdicts,
        taken: &mut HashMap<PolicyId, String>,
        faults: &mut Faults,
    ) {
        let place = Fault { file: file.to_owned(), line: odd.line, column: 1, message: String::new() };
        let id = PolicyId::new(&odd.link_id);
        let source = PolicySource {
            file: file.to_owned(),
            line: odd.line,
            role: odd.template_id.strip_prefix(ROLES).and_then(|role| role.rsplit('/').next()).map(str::to_owned),
            subject: odd.principal.clone(),
        };
        if !take(taken, &id, &source, 1, true, faults) {
            return;
        }
        let linked = self.linked(odd).and_then(|(policy, depth, premise)| {
            let warnings = validate_once(&policy, schema, validator, verdicts)?;
            Ok((policy, depth, premise, warnings))
        });
        match linked {
            Ok((policy, depth, premise, warnings)) => {
                let warning = |message| Fault { message, ..place.clone() };
                self.warnings.extend(warnings.into_iter().map(warning));
                let number = u32::try_from(self.linked.len()).unwrap_or(u32::MAX);
                self.linked.push(WrittenPolicy { policy, source, column: 1, has_id: true, depth, premise });
                self.add(id, Place::Linked(number));
            }
            Err(messages) => {
                messages.into_iter().for_each(|message| faults.push(Fault { message, ..place.clone() }));
            }
        }
    }

    fn linked(&self, odd: &OddLink) -> Result<(ast::Policy, Depth, Premise), Vec<String>> {
        let cannot = |why: &str| vec![format!("`{}` cannot be linked: {why}", odd.template_id)];
        let template =
            self.template(&PolicyId::new(&odd.template_id)).ok_or_else(|| cannot("there is no such template"))?;
        let mut values: HashMap<ast::SlotId, ast::EntityUID> = HashMap::new();
        for (slot, text) in [(ast::SlotId::principal(), &odd.principal), (ast::SlotId::resource(), &odd.resource)] {
            let Some(text) = text else { continue };
            let uid: EntityUid =
                crate::vocabulary::read_uid(text).ok_or_else(|| vec![format!("`{text}` is not an entity")])?;
            values.insert(slot, uid.into());
        }
        let id = ast::PolicyID::from_string(&odd.link_id);
        let policy = ast::Template::link(Arc::clone(&template.template), id, values)
            .map_err(|error| cannot(&crate::tree::one_line(&error)))?;
        Ok((policy, template.depth.clone(), template.premise.clone()))
    }

    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    pub fn get(&self, number: u32) -> Option<&WrittenPolicy> {
        match *self.numbers.get(number as usize)? {
            Place::File(file, place) => self.files.get(file as usize)?.policies.get(place as usize),
            Place::Linked(place) => self.linked.get(place as usize),
        }
    }

    pub fn find(&self, id: &PolicyId) -> Option<PolicyNumber> {
        self.by_id.get(id).map(|number| PolicyNumber::Written(*number))
    }

    pub fn template(&self, id: &PolicyId) -> Option<&WrittenTemplate> {
        let (file, place) = *self.templates.get(id)?;
        self.files.get(file as usize)?.templates.get(place as usize)
    }

    /// In the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &WrittenPolicy> {
        (0..).map_while(|number| self.get(number))
    }

    pub fn templates(&self) -> impl Iterator<Item = &WrittenTemplate> {
        let mut ids: Vec<_> = self.templates.keys().collect();
        ids.sort();
        ids.into_iter().filter_map(|id| self.template(id))
    }

    pub(in crate::snapshot) fn files(&self) -> &[Arc<PolicyFile>] {
        &self.files
    }

    /// No written policy may have a grant's id.
    pub(in crate::snapshot) fn check_ids(&self, policies: &super::Policies, faults: &mut Faults) {
        for (id, place) in self.ids() {
            if let Some(link) = policies.link_with_id(exact(&id)) {
                let message = format!("policy id `{}` is already taken at {place}", exact(&id));
                faults.push(Fault { message, ..link.fault_place() });
            }
        }
    }

    fn ids(&self) -> impl Iterator<Item = (PolicyId, &PolicySource)> {
        let policies = self.iter().map(|written| (written.id(), &written.source));
        policies.chain(self.templates().map(|written| (written.id(), &written.source)))
    }
}

/// What strict validation says of links, by their template and the types of its slots.
type Verdicts = HashMap<(PolicyId, Vec<ast::EntityType>), Result<Vec<String>, Vec<String>>>;

/// Validates a link, once for all of its kind: of types that are not enumerated, only these count.
fn validate_once(
    policy: &ast::Policy,
    schema: &LoadedSchema,
    validator: &Validator,
    verdicts: &mut Verdicts,
) -> Result<Vec<String>, Vec<String>> {
    let slots = [ast::SlotId::principal(), ast::SlotId::resource()];
    let types: Vec<_> =
        slots.iter().filter_map(|slot| policy.env().get(slot)).map(|uid| uid.entity_type().clone()).collect();
    if types.iter().any(|kind| schema.types.number(kind).is_none_or(|number| schema.types.is_enumerated(number))) {
        return validate_link(policy.clone(), validator);
    }
    let kind = (PolicyId::new(policy.template().id()), types);
    verdicts.entry(kind).or_insert_with(|| validate_link(policy.clone(), validator)).clone()
}

/// Takes an id for a policy, or says who has it.
fn take(
    taken: &mut HashMap<PolicyId, String>,
    id: &PolicyId,
    source: &PolicySource,
    column: usize,
    has_id: bool,
    faults: &mut Faults,
) -> bool {
    if let Some(first) = taken.get(id) {
        // Files of one name, below the platform's folder and below a tenant's, come to the same positions.
        let hint = if has_id { "" } else { ": give it an `@id`" };
        let message = format!("policy id `{}` is already taken at {first}{hint}", exact(id));
        faults.push(Fault { file: source.file.clone(), line: source.line, column, message });
        return false;
    }
    taken.insert(id.clone(), source.to_string());
    true
}
