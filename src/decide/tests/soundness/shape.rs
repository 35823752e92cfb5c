//! A random schema: types in themselves and in each other, attributes of every kind, tags, actions in groups.

use std::fmt::Write;

use cedar_policy::{EntityId, EntityTypeName, EntityUid};

use super::genes::Genes;

/// What a schema declares, the identity part included where it is.
pub struct Shape {
    pub has_identity: bool,
    pub types: Vec<EntityType>,
    pub actions: Vec<Action>,
    /// As a Cedar schema, without the identity part.
    pub text: String,
}

pub struct EntityType {
    pub name: String,
    pub parents: Vec<usize>,
    pub attributes: Vec<Attribute>,
    pub tags: Option<Kind>,
    /// Only its first ids exist.
    pub is_enumerated: bool,
    /// Declared by the tenant's schema, not by the identity part.
    pub is_own: bool,
    /// Files may declare entities of it.
    pub has_entities: bool,
}

#[derive(Clone)]
pub struct Attribute {
    pub name: &'static str,
    pub kind: Kind,
    pub is_optional: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Long,
    Text,
    Bool,
    Entity(usize),
    Entities(usize),
    /// `{n: Long, deep?: Entity}`
    Record(usize),
    Address,
    Price,
    Words,
}

pub struct Action {
    /// `Action::"a0"`
    pub uid: String,
    pub groups: Vec<usize>,
    pub principals: Vec<usize>,
    pub resources: Vec<usize>,
    pub context: Vec<Attribute>,
}

/// Ids with all that ids may hold; the last is of no entity that is declared.
pub const IDS: [&str; 6] = ["a", "b", "c/d", "e \"f\" %2F", "A", "nobody"];
pub const DECLARED: usize = IDS.len() - 1;
/// Users are known by their email.
const USERS: [&str; 6] = ["a@a", "b@a", "c/d@a", "e%2f@a", "o'f@a", "nobody@a"];
/// An enumerated type has so many of them.
const ENUMERATED: usize = 2;

const OWN: [&str; 4] = ["Box", "N::Part", "Shelf", "N::Hall"];

impl Shape {
    pub fn of(has_identity: bool, numbers: &[u16]) -> Self {
        let mut genes = Genes::of(numbers);
        let own = 1 + genes.pick(OWN.len());
        let enumerated = genes.once_in(3);
        let mut types: Vec<EntityType> = OWN[..own].iter().map(|name| EntityType::own(name)).collect();
        if enumerated {
            types.push(EntityType { is_enumerated: true, has_entities: false, ..EntityType::own("Colour") });
        }
        let declared = types.len();
        if has_identity {
            types.extend(identity_types(declared));
        }
        let mut shape = Self { has_identity, types, actions: Vec::new(), text: String::new() };
        for number in 0..own {
            shape.fill(number, own, &mut genes);
        }
        shape.add_actions(own, &mut genes);
        shape.text = shape.written();
        shape
    }

    fn fill(&mut self, number: usize, own: usize, genes: &mut Genes<'_>) {
        let mut parents = genes.some_of(&(0..own).collect::<Vec<_>>(), 3);
        if self.has_identity {
            parents.extend(genes.some_of(&[self.named("Tenant"), self.named("Team")], 2));
        }
        let all: Vec<usize> = (0..self.types.len()).collect();
        let mut attributes = Vec::new();
        for name in ["level", "next", "owner", "inner", "peers", "name", "flag", "address", "price", "words"] {
            let is_optional = match genes.pick(4) {
                0 => continue,
                1 => false,
                _ => true,
            };
            let mut entity = || *genes.choose(&all);
            let kind = match name {
                "level" => Kind::Long,
                "next" | "owner" => Kind::Entity(entity()),
                "inner" => Kind::Record(entity()),
                "peers" => Kind::Entities(entity()),
                "name" => Kind::Text,
                "flag" => Kind::Bool,
                "address" => Kind::Address,
                "price" => Kind::Price,
                _ => Kind::Words,
            };
            attributes.push(Attribute { name, kind, is_optional });
        }
        let tags = match genes.pick(5) {
            0 | 1 => None,
            2 => Some(Kind::Entity(*genes.choose(&all))),
            3 => Some(Kind::Long),
            _ => Some(Kind::Entities(*genes.choose(&all))),
        };
        let filled = &mut self.types[number];
        (filled.parents, filled.attributes, filled.tags) = (parents, attributes, tags);
    }

    fn add_actions(&mut self, own: usize, genes: &mut Genes<'_>) {
        let mut principals: Vec<usize> = (0..own).collect();
        let mut resources = principals.clone();
        if self.has_identity {
            let people = ["User", "ExternalSubject", "VirtualAccount"].map(|name| self.named(name));
            // People first: they ask most often.
            principals.splice(0..0, people);
            resources.extend(["Team", "Tenant"].map(|name| self.named(name)));
        }
        resources.extend(self.types.iter().position(|found| found.is_enumerated));
        let all: Vec<usize> = (0..self.types.len()).collect();
        for number in 0..GROUPS + 1 + genes.pick(4) {
            let before: Vec<usize> = (0..number).collect();
            let mut action = Action {
                uid: format!("Action::\"{}{number}\"", if number < GROUPS { "g" } else { "a" }),
                groups: genes.some_of(&before, 3),
                principals: Vec::new(),
                resources: Vec::new(),
                context: Vec::new(),
            };
            if number >= GROUPS {
                action.principals = genes.some_of(&principals, 2);
                action.resources = genes.some_of(&resources, 2);
                if action.principals.is_empty() {
                    action.principals.push(principals[0]);
                }
                if action.resources.is_empty() {
                    action.resources.push(resources[0]);
                }
                let mut about = || *genes.choose(&all);
                let offered = [
                    ("about", Kind::Entity(about())),
                    ("list", Kind::Entities(about())),
                    ("inner", Kind::Record(about())),
                    ("level", Kind::Long),
                ];
                for (name, kind) in genes.some_of(&offered, 2) {
                    action.context.push(Attribute { name, kind, is_optional: !genes.once_in(4) });
                }
            }
            self.actions.push(action);
        }
    }

    pub fn named(&self, name: &str) -> usize {
        self.types.iter().position(|found| found.name == name).unwrap()
    }

    /// The types that one of this type may have among its ancestors.
    pub fn above(&self, number: usize) -> Vec<usize> {
        let mut found = self.types[number].parents.clone();
        let mut next = 0;
        while let Some(at) = found.get(next).copied() {
            let more: Vec<_> =
                self.types[at].parents.iter().filter(|parent| !found.contains(parent)).copied().collect();
            found.extend(more);
            next += 1;
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    pub fn is_in_tenant(&self, number: usize) -> bool {
        self.has_identity && self.above(number).contains(&self.named("Tenant"))
    }

    /// The id of an entity of a type by its number; what there is only one of has one.
    pub fn id(&self, kind: usize, number: usize) -> &'static str {
        match self.types[kind].name.as_str() {
            "Tenant" => "acme",
            "IdentityProvider" => "okta",
            "ExternalIdentity" => ["everyone", "some"][number % 2],
            "User" => USERS[number],
            _ if self.types[kind].is_enumerated => IDS[number % ENUMERATED],
            _ => IDS[number],
        }
    }

    /// `Box::"a"`, as policies write it.
    pub fn uid(&self, kind: usize, number: usize) -> String {
        format!("{}::\"{}\"", self.types[kind].name, self.id(kind, number).replace('"', "\\\""))
    }

    pub fn entity_uid(&self, kind: usize, number: usize) -> EntityUid {
        let name = self.types[kind].name.parse::<EntityTypeName>().unwrap();
        EntityUid::from_type_name_and_id(name, EntityId::new(self.id(kind, number)))
    }

    /// Actions that someone can ask for.
    pub fn asked(&self) -> Vec<usize> {
        (GROUPS..self.actions.len()).collect()
    }

    /// An action's groups and all that these are in.
    pub fn groups_of(&self, action: usize) -> Vec<usize> {
        let mut found = self.actions[action].groups.clone();
        let mut next = 0;
        while let Some(at) = found.get(next).copied() {
            found.extend(self.actions[at].groups.clone());
            next += 1;
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn written(&self) -> String {
        let (mut text, mut inner) = (String::new(), String::new());
        for found in self.types.iter().filter(|found| found.is_own) {
            let (out, name) = match found.name.strip_prefix("N::") {
                Some(name) => (&mut inner, name),
                None => (&mut text, found.name.as_str()),
            };
            if found.is_enumerated {
                writeln!(out, "entity {name} enum {:?};", &IDS[..ENUMERATED]).unwrap();
                continue;
            }
            let parents = self.names(&found.parents);
            write!(out, "entity {name} in [{parents}] = {{ {} }}", self.members(&found.attributes)).unwrap();
            if let Some(tags) = found.tags {
                write!(out, " tags {}", self.kind(tags)).unwrap();
            }
            out.push_str(";\n");
        }
        for action in &self.actions {
            let bare = action.uid.trim_start_matches("Action::");
            let groups: Vec<_> = action.groups.iter().map(|group| self.actions[*group].uid.as_str()).collect();
            write!(text, "action {bare}").unwrap();
            if !groups.is_empty() {
                write!(text, " in [{}]", groups.join(", ")).unwrap();
            }
            if !action.principals.is_empty() {
                let (principals, resources) = (self.names(&action.principals), self.names(&action.resources));
                let context = self.members(&action.context);
                write!(
                    text,
                    " appliesTo {{ principal: [{principals}], resource: [{resources}], context: {{ {context} }} }}"
                )
                .unwrap();
            }
            text.push_str(";\n");
        }
        if inner.is_empty() { text } else { format!("{text}namespace N {{\n{inner}}}\n") }
    }

    fn names(&self, types: &[usize]) -> String {
        types.iter().map(|found| self.types[*found].name.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn members(&self, attributes: &[Attribute]) -> String {
        let member = |found: &Attribute| {
            format!("{}{}: {}", found.name, if found.is_optional { "?" } else { "" }, self.kind(found.kind))
        };
        attributes.iter().map(member).collect::<Vec<_>>().join(", ")
    }

    fn kind(&self, kind: Kind) -> String {
        match kind {
            Kind::Long => "Long".into(),
            Kind::Text => "String".into(),
            Kind::Bool => "Bool".into(),
            Kind::Entity(of) => self.types[of].name.clone(),
            Kind::Entities(of) => format!("Set<{}>", self.types[of].name),
            Kind::Record(of) => format!("{{ n: Long, deep?: {} }}", self.types[of].name),
            Kind::Address => "ipaddr".into(),
            Kind::Price => "decimal".into(),
            Kind::Words => "Set<String>".into(),
        }
    }
}

impl EntityType {
    fn own(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            parents: Vec::new(),
            attributes: Vec::new(),
            tags: None,
            is_enumerated: false,
            is_own: true,
            has_entities: true,
        }
    }
}

/// As `vocabulary/identity.cedarschema` has them; `first` is the number of the first.
fn identity_types(first: usize) -> Vec<EntityType> {
    let [tenant, provider, identity, team] = [0, 1, 2, 3].map(|place| first + place);
    let of = |name: &str, parents: &[usize], attributes: Vec<Attribute>| EntityType {
        parents: parents.to_vec(),
        tags: (!attributes.is_empty()).then_some(Kind::Words),
        attributes,
        is_own: false,
        has_entities: ["Team", "User", "VirtualAccount"].contains(&name),
        ..EntityType::own(name)
    };
    let attribute = |name, kind, is_optional| Attribute { name, kind, is_optional };
    let known = vec![attribute("email", Kind::Text, true), attribute("provider", Kind::Entity(provider), true)];
    let subject = vec![
        attribute("provider", Kind::Entity(provider), false),
        attribute("subject", Kind::Text, false),
        attribute("email", Kind::Text, true),
    ];
    vec![
        of("Tenant", &[], vec![]),
        of("IdentityProvider", &[], vec![]),
        of("ExternalIdentity", &[tenant], vec![]),
        of("Team", &[tenant], vec![]),
        of("User", &[team, identity, tenant], known.clone()),
        of("VirtualAccount", &[team, tenant], known),
        of("ExternalSubject", &[identity, team, tenant], subject),
    ]
}

/// The first actions are groups, which nobody asks for.
const GROUPS: usize = 3;
