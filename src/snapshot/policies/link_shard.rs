//! One file of grants in, numbers out: of each link its template, principal and resource, as places in the file's own
//! list of names. A grant takes some eighty bytes and refers to nothing outside its shard.

use std::collections::HashMap;

use cedar_policy::{EntityUid, PolicyId};

use super::PolicySource;
use crate::bundle::{BundleError, LinkLine, link_lines};
use crate::compile::collaborator_id;
use crate::model::{Fault, Faults, pair_hash};
use crate::schema::{EntityTypes, LoadedSchema, TypeNumber};
use crate::snapshot::Origin;
use crate::snapshot::hashed::place_of;
use crate::vocabulary;

/// The grants of one file.
#[derive(Debug)]
pub struct LinkShard {
    origin: Origin,
    /// Sorted, in step with `links`.
    hashes: Box<[u64]>,
    links: Box<[CompactLink]>,
    names: Box<[Name]>,
    text: Box<str>,
    templates: Box<[PolicyId]>,
    /// Each template with the types that it is linked to here: to be validated once.
    pub(super) kinds: Box<[LinkKind]>,
    /// Links that are not of the usual form.
    pub(super) odd: Vec<OddLink>,
}

/// A link as numbers.
#[derive(Clone, Copy, Debug)]
struct CompactLink {
    principal: u32,
    resource: u32,
    line: u32,
    template: u16,
}

#[derive(Clone, Copy, Debug)]
struct Name {
    start: u32,
    end: u32,
    number: TypeNumber,
}

/// What a link's validity depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct LinkKind {
    pub template: PolicyId,
    pub principal: TypeNumber,
    pub resource: TypeNumber,
}

/// A link with an id or with slots of its own: kept as it was read, and indexed as a written policy is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OddLink {
    pub line: usize,
    pub template_id: String,
    pub link_id: String,
    pub principal: Option<String>,
    pub resource: Option<String>,
}

/// One grant of a shard.
#[derive(Clone, Copy, Debug)]
pub struct LinkRef<'a> {
    shard: &'a LinkShard,
    link: &'a CompactLink,
}

impl LinkShard {
    /// Reads a file of template links.
    pub(crate) fn read(origin: Origin, text: &str, schema: &LoadedSchema) -> (Self, Faults) {
        let mut builder = Builder::default();
        let mut faults = Faults::default();
        for line in link_lines(&origin.file, text) {
            match line {
                Ok((number, line)) => builder.add(&origin.file, number, &line, schema, &mut faults),
                Err(error) => faults.push(malformed(&origin.file, &error)),
            }
        }
        let shard = builder.finish(origin);
        shard.check_unique(&schema.types, &mut faults);
        (shard, faults)
    }

    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether some links are not of the usual form.
    pub(in crate::snapshot) fn has_odd(&self) -> bool {
        !self.odd.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.hashes) + size_of_val(&*self.links) + size_of_val(&*self.names) + self.text.len()
    }

    pub(super) fn at(&self, place: u32) -> Option<LinkRef<'_>> {
        self.links.get(place as usize).map(|link| LinkRef { shard: self, link })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = LinkRef<'_>> {
        self.links.iter().map(|link| LinkRef { shard: self, link })
    }

    pub(super) fn hashes(&self) -> &[u64] {
        &self.hashes
    }

    /// The links of a principal and a resource, each with its place.
    pub(super) fn links_of<'a>(
        &'a self,
        hash: u64,
        shared_bits: u32,
        principal: (TypeNumber, &'a str),
        resource: (TypeNumber, &'a str),
    ) -> impl Iterator<Item = (u32, LinkRef<'a>)> {
        let first = place_of(&self.hashes, hash, shared_bits);
        let same = self.hashes.iter().skip(first).take_while(move |other| **other == hash);
        let places = (0..).zip(same).filter_map(move |(offset, _): (usize, _)| u32::try_from(first + offset).ok());
        places
            .filter_map(|place| Some((place, self.at(place)?)))
            .filter(move |(_, found)| found.principal_name() == principal && found.resource_name() == resource)
    }

    /// The first link of a kind, to be validated for all of them.
    pub(super) fn of_kind<'a>(&'a self, kind: &'a LinkKind) -> impl Iterator<Item = LinkRef<'a>> {
        self.iter().filter(move |link| {
            *link.template_id() == kind.template
                && link.principal_name().0 == kind.principal
                && link.resource_name().0 == kind.resource
        })
    }

    fn check_unique(&self, types: &EntityTypes, faults: &mut Faults) {
        let mut before: Option<(u64, Vec<&CompactLink>)> = None;
        for (hash, link) in self.hashes.iter().zip(&self.links) {
            match &mut before {
                Some((other, group)) if other == hash => {
                    // Two templates of one role make one id of the same grant.
                    let same = |first: &&&CompactLink| {
                        (first.principal, first.resource) == (link.principal, link.resource)
                            && LinkRef { shard: self, link: first }.role() == LinkRef { shard: self, link }.role()
                    };
                    if let Some(first) = group.iter().find(same) {
                        let (first, second) = (LinkRef { shard: self, link: first }, LinkRef { shard: self, link });
                        let message =
                            format!("policy id `{}` is already taken at {}", second.id(types), first.source(types));
                        faults.push(Fault { message, ..second.fault_place() });
                    }
                    group.push(link);
                }
                _ => before = Some((*hash, vec![link])),
            }
        }
    }

    fn name(&self, place: u32) -> (TypeNumber, &str) {
        let Some(name) = self.names.get(place as usize) else { return (TypeNumber(u16::MAX), "") };
        (name.number, self.text.get(name.start as usize..name.end as usize).unwrap_or_default())
    }
}

impl<'a> LinkRef<'a> {
    pub fn template_id(self) -> &'a PolicyId {
        // INVARIANT: `Builder` numbers templates by their place in this list.
        static NONE: std::sync::LazyLock<PolicyId> = std::sync::LazyLock::new(|| PolicyId::new(""));
        self.shard.templates.get(usize::from(self.link.template)).unwrap_or(&NONE)
    }

    pub fn principal(self, types: &EntityTypes) -> Option<EntityUid> {
        let (number, id) = self.principal_name();
        types.uid(number, id)
    }

    pub fn resource(self, types: &EntityTypes) -> Option<EntityUid> {
        let (number, id) = self.resource_name();
        types.uid(number, id)
    }

    pub fn principal_name(self) -> (TypeNumber, &'a str) {
        self.shard.name(self.link.principal)
    }

    pub fn resource_name(self) -> (TypeNumber, &'a str) {
        self.shard.name(self.link.resource)
    }

    /// The role that is granted.
    pub fn role(self) -> &'a str {
        super::exact(self.template_id()).rsplit('/').next().unwrap_or_default()
    }

    /// The id that the file gives it, which is what it says.
    pub fn id(self, types: &EntityTypes) -> String {
        let entity = |(number, id): (TypeNumber, &str)| crate::model::EntityRef::new(types.name(number), id);
        collaborator_id(&entity(self.resource_name()), self.role(), &entity(self.principal_name()))
    }

    pub fn source(self, types: &EntityTypes) -> PolicySource {
        let place = self.fault_place();
        PolicySource {
            file: place.file,
            line: place.line,
            role: Some(self.role().to_owned()),
            subject: self.principal(types).map(|uid| uid.to_string()),
        }
    }

    pub(super) fn fault_place(self) -> Fault {
        let line = self.link.line as usize;
        Fault { file: self.shard.origin.file.clone(), line, column: 1, message: String::new() }
    }
}

#[derive(Default)]
struct Builder {
    links: Vec<(u64, CompactLink)>,
    names: Vec<Name>,
    text: String,
    /// (type, id) → its place among the names.
    known: HashMap<(TypeNumber, String), (u32, u64)>,
    templates: Vec<PolicyId>,
    kinds: Vec<LinkKind>,
    odd: Vec<OddLink>,
}

impl Builder {
    fn add(&mut self, file: &str, line: usize, link: &LinkLine<'_>, schema: &LoadedSchema, faults: &mut Faults) {
        let mut read = |text: &str| {
            let found = vocabulary::read_ref(text);
            if found.is_none() {
                let message = format!("`{text}` is not an entity: write `Type::\"id\"`");
                faults.push(Fault { file: file.to_owned(), line, column: 1, message });
            }
            found
        };
        let principal = link.args.principal.as_deref().map(&mut read);
        let resource = link.args.resource.as_deref().map(&mut read);
        if matches!(principal, Some(None)) || matches!(resource, Some(None)) {
            return;
        }
        if let (Some(Some(principal)), Some(Some(resource))) = (&principal, &resource)
            && self.add_compact(line, link, principal, resource, &schema.types)
        {
            return;
        }
        let owned = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().map(str::to_owned);
        self.odd.push(OddLink {
            line,
            template_id: link.template_id.to_string(),
            link_id: link.link_id.to_string(),
            principal: owned(&link.args.principal),
            resource: owned(&link.args.resource),
        });
    }

    /// The usual form: both slots, types that the schema has and does not enumerate, and the id that says it all.
    fn add_compact(
        &mut self,
        line: usize,
        link: &LinkLine<'_>,
        principal: &crate::model::EntityRef,
        resource: &crate::model::EntityRef,
        types: &EntityTypes,
    ) -> bool {
        let usual = |name: &str| types.named(name).filter(|number| !types.is_enumerated(*number));
        let (Some(of_principal), Some(of_resource)) = (usual(&principal.entity_type), usual(&resource.entity_type))
        else {
            return false;
        };
        let role = link.template_id.rsplit('/').next().unwrap_or_default();
        if collaborator_id(resource, role, principal) != link.link_id {
            return false;
        }
        let Some(template) = self.template(&link.template_id, of_principal, of_resource) else { return false };
        let (principal, left) = self.name(of_principal, &principal.id, types);
        let (resource, right) = self.name(of_resource, &resource.id, types);
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        self.links.push((pair_hash(left, right), CompactLink { principal, resource, line, template }));
        true
    }

    fn template(&mut self, id: &str, principal: TypeNumber, resource: TypeNumber) -> Option<u16> {
        let place = match self.templates.iter().position(|known| super::exact(known) == id) {
            Some(place) => place,
            None => {
                self.templates.push(PolicyId::new(id));
                self.templates.len() - 1
            }
        };
        let number = u16::try_from(place).ok()?;
        let is_known = |kind: &LinkKind| {
            super::exact(&kind.template) == id && kind.principal == principal && kind.resource == resource
        };
        if !self.kinds.iter().any(is_known) {
            self.kinds.push(LinkKind { template: PolicyId::new(id), principal, resource });
        }
        Some(number)
    }

    fn name(&mut self, number: TypeNumber, id: &str, types: &EntityTypes) -> (u32, u64) {
        if let Some(found) = self.known.get(&(number, id.to_owned())) {
            return *found;
        }
        // A file is far smaller than four gigabytes: `tree` and `bundle` bound it.
        let place = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let start = place(self.text.len());
        self.text.push_str(id);
        self.names.push(Name { start, end: place(self.text.len()), number });
        let found = (place(self.names.len() - 1), types.hash(number, id));
        self.known.insert((number, id.to_owned()), found);
        found
    }

    fn finish(mut self, origin: Origin) -> LinkShard {
        // Stable: of two of one id, the first in the file comes first.
        self.links.sort_by_key(|(hash, _)| *hash);
        LinkShard {
            origin,
            hashes: self.links.iter().map(|(hash, _)| *hash).collect(),
            links: self.links.iter().map(|(_, link)| *link).collect(),
            names: self.names.into(),
            text: self.text.into(),
            templates: self.templates.into(),
            kinds: self.kinds.into(),
            odd: self.odd,
        }
    }
}

fn malformed(file: &str, error: &BundleError) -> Fault {
    Fault::of_file(file, crate::model::with_causes(error))
}
