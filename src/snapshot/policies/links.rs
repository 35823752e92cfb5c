//! All grants of a tenant: found by principal and resource, whatever their number.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{PolicyId, PolicySet, ValidationMode, Validator};
use cedar_policy_core::ast;

use super::known::known_kind;
use super::link_shard::{LinkKind, LinkRef, LinkShard};
use super::written::WrittenPolicies;
use super::{PolicyNumber, exact, grant_of};
use crate::bundle::Sharding;
use crate::cedar_text::on_deep_stack;
use crate::model::{Fault, Faults, pair_hash};
use crate::schema::{LoadedSchema, TypeNumber, id_of};
use crate::snapshot::Located;
use crate::snapshot::hashed::HashFilter;

/// The grants of a tenant, in shards by the hash of principal and resource, as their files are.
#[derive(Debug, Default)]
pub struct LinkStore {
    sharding: Sharding,
    shards: Vec<Arc<LinkShard>>,
    len: usize,
    /// Of the pairs that have a grant: most pairs of a request have none.
    filter: HashFilter,
    verdicts: Arc<Verdicts>,
}

impl LinkStore {
    pub(in crate::snapshot) fn new(sharding: Sharding, shards: Vec<Arc<LinkShard>>) -> Self {
        let len = shards.iter().map(|shard| shard.len()).sum();
        let filter = HashFilter::of(len, shards.iter().flat_map(|shard| shard.hashes()));
        Self { sharding, shards, len, filter, verdicts: Arc::default() }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn shards(&self) -> &[Arc<LinkShard>] {
        &self.shards
    }

    pub fn sharding(&self) -> Sharding {
        self.sharding
    }

    /// How many bytes the grants take.
    pub fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| shard.bytes()).sum()
    }

    pub fn iter(&self) -> impl Iterator<Item = LinkRef<'_>> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    pub fn get(&self, number: PolicyNumber) -> Option<LinkRef<'_>> {
        let PolicyNumber::Link { shard, place } = number else { return None };
        self.shards.get(shard as usize)?.at(place)
    }

    /// The grants to a principal, or to something it is in, on a resource, or on something it is in.
    pub(in crate::snapshot) fn candidates<'a>(
        &'a self,
        principals: &'a [Located],
        resources: &'a [Located],
    ) -> impl Iterator<Item = (PolicyNumber, LinkRef<'a>)> {
        let pairs =
            principals.iter().flat_map(move |principal| resources.iter().map(move |resource| (principal, resource)));
        let hashed = pairs.map(|(principal, resource)| (pair_hash(principal.hash, resource.hash), principal, resource));
        hashed.filter(|(hash, ..)| self.filter.may_contain(*hash)).flat_map(move |(hash, principal, resource)| {
            self.links_of(hash, (principal.number, id_of(&principal.uid)), (resource.number, id_of(&resource.uid)))
        })
    }

    fn links_of<'a>(
        &'a self,
        hash: u64,
        principal: (TypeNumber, &'a str),
        resource: (TypeNumber, &'a str),
    ) -> impl Iterator<Item = (PolicyNumber, LinkRef<'a>)> {
        let number = self.sharding.shard_of(hash);
        let found = self.shards.get(number).into_iter();
        found.flat_map(move |shard| {
            shard.links_of(hash, self.sharding.shared_bits(), principal, resource).filter_map(move |(place, link)| {
                Some((PolicyNumber::Link { shard: u32::try_from(number).ok()?, place }, link))
            })
        })
    }

    /// The number of the grant with this id.
    pub(super) fn find(&self, schema: &LoadedSchema, id: &str) -> Option<PolicyNumber> {
        if self.is_empty() {
            return None;
        }
        let (grant, principal, resource) = grant_of(schema, id)?;
        let ((left_type, left), (right_type, right)) =
            (schema.types.locate(&principal)?, schema.types.locate(&resource)?);
        let hash = pair_hash(left, right);
        let mut links = self.links_of(hash, (left_type, id_of(&principal)), (right_type, id_of(&resource)));
        let found = links.find(|(_, link)| link.role() == grant.role)?;
        (found.1.id(&schema.types) == id).then_some(found.0)
    }

    /// A shard holds what its number says: the same link is never looked for elsewhere.
    pub(in crate::snapshot) fn check_places(&self, is_new: impl Fn(usize, &LinkShard) -> bool, faults: &mut Faults) {
        for (number, shard) in self.shards.iter().enumerate().filter(|(number, shard)| is_new(*number, shard)) {
            if shard.hashes().iter().any(|hash| self.sharding.shard_of(*hash) != number) {
                let message = "holds a grant that belongs in another shard: compile the bundle again";
                faults.push(Fault::of_file(&shard.origin().file, message));
            }
        }
    }

    /// Every template with the types that it is linked to, validated once for all links of the kind. What was found
    /// `before` over the same templates and the same schema still holds.
    pub(in crate::snapshot) fn validate(
        &mut self,
        written: &WrittenPolicies,
        schema: &LoadedSchema,
        before: Option<&Self>,
        faults: &mut Faults,
    ) -> Vec<Fault> {
        let known = before.map(|before| Arc::clone(&before.verdicts)).unwrap_or_default();
        let shared: HashSet<_> = before.iter().flat_map(|before| &before.shards).map(Arc::as_ptr).collect();
        let mut verdicts = Verdicts::default();
        // Where nothing was said of any kind, only new files can bring kinds of which something is to be said.
        let is_silent = known.values().all(Vec::is_empty);
        let all = self.shards.iter().filter(|shard| !(is_silent && shared.contains(&Arc::as_ptr(shard))));
        for (shard, kind) in all.flat_map(|shard| shard.kinds.iter().map(move |kind| (shard, kind))) {
            if verdicts.contains_key(kind) {
                continue;
            }
            let Some(first) = shard.of_kind(kind).next() else { continue };
            let verdict = known.get(kind).cloned().map_or_else(|| validate_kind(first, written, schema), Ok);
            match verdict {
                Ok(warnings) => {
                    verdicts.insert(kind.clone(), warnings);
                }
                Err(messages) => {
                    verdicts.insert(kind.clone(), Vec::new());
                    for link in self.shards.iter().flat_map(|shard| shard.of_kind(kind)).take(MOST_FAULTS) {
                        let fault = |message: &String| Fault { message: message.clone(), ..link.fault_place() };
                        messages.iter().for_each(|message| faults.push(fault(message)));
                    }
                }
            }
        }
        let mut warnings = Vec::new();
        for (kind, messages) in verdicts.iter().filter(|(_, messages)| !messages.is_empty()) {
            if let Some(first) = self.shards.iter().find_map(|shard| shard.of_kind(kind).next()) {
                let warning = |message: &String| Fault { message: message.clone(), ..first.fault_place() };
                warnings.extend(messages.iter().map(warning));
            }
        }
        if is_silent {
            verdicts.extend(known.iter().map(|(kind, warnings)| (kind.clone(), warnings.clone())));
        }
        self.verdicts = Arc::new(verdicts);
        warnings
    }
}

/// What Cedar warns of, of each kind of link.
type Verdicts = HashMap<LinkKind, Vec<String>>;

/// What Cedar says of a link, for all of its kind: its warnings, or why it cannot be.
fn validate_kind(
    link: LinkRef<'_>,
    written: &WrittenPolicies,
    schema: &LoadedSchema,
) -> Result<Vec<String>, Vec<String>> {
    let id = link.template_id();
    let cannot = |why: &str| vec![format!("`{}` cannot be linked: {why}", exact(id))];
    let Some(template) = written.template(id) else { return Err(cannot("there is no such template")) };
    let (Some(principal), Some(resource)) = (link.principal(&schema.types), link.resource(&schema.types)) else {
        return Err(cannot("its entities are of no type of the schema"));
    };
    let values = [(ast::SlotId::principal(), principal.into()), (ast::SlotId::resource(), resource.into())];
    let link_id = ast::PolicyID::from_string(link.id(&schema.types));
    let policy = ast::Template::link(Arc::clone(&template.template), link_id, values.into())
        .map_err(|error| cannot(&crate::tree::one_line(&error)))?;
    let validate = || validate_link(policy, &schema.validator);
    known_kind(schema, &template.file_digest, (id, link.principal_name().0, link.resource_name().0), validate)
}

/// Strict validation of one link.
pub(super) fn validate_link(policy: ast::Policy, validator: &Validator) -> Result<Vec<String>, Vec<String>> {
    let id = PolicyId::new(policy.id());
    let mut set = ast::PolicySet::new();
    if let Err(error) = set.add(policy) {
        return Err(vec![error.to_string()]);
    }
    let result = on_deep_stack(|| validator.validate(&PolicySet::from(set), ValidationMode::Strict));
    let errors: Vec<_> = result
        .validation_errors()
        .filter(|error| *error.policy_id() == id)
        .map(|error| crate::tree::one_line(error))
        .collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    let warnings = result.validation_warnings().filter(|warning| *warning.policy_id() == id);
    Ok(warnings.map(|warning| crate::tree::one_line(warning)).collect())
}

/// So many links of one kind are named when the kind cannot be.
const MOST_FAULTS: usize = 100;
