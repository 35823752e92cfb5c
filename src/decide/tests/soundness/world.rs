//! A random tenant twice: as the engine reads it from files, and as Cedar has it, made of the same texts without any
//! part of the engine.

use std::collections::{BTreeMap, HashSet};

use cedar_policy::{Entity, EntityUid, Policy, PolicyId, PolicySet, SchemaFragment, Template};
use serde_json::{Value, json};

use super::facts::{self, Declared};
use super::policies::{FILES, Linked, ROLES, Written};
use super::shape::{IDS, Shape};
use super::{Case, Counts};
use crate::assemble::test_tenant::TestTenant;
use crate::bundle::{Bundle, Sharding};
use crate::model::{EntityRef, Revision, entity_hash, pair_hash};
use crate::snapshot::{Snapshot, entities_text, links_text, policies_text};

pub struct World {
    pub shape: Shape,
    pub snapshot: Snapshot,
    /// Every policy, template and link.
    pub policies: PolicySet,
    /// Every entity that is declared, in its tenant.
    pub declared: BTreeMap<EntityUid, Value>,
    pub entities: Vec<Entity>,
}

/// What becomes of policies that strict validation refuses: they are left out.
struct Texts {
    written: Vec<Written>,
    links: Vec<Linked>,
}

impl World {
    pub fn of(case: &Case, counts: &mut Counts) -> Result<Self, String> {
        let shape = Shape::of(case.has_identity, &case.schema);
        let tenant = if shape.has_identity { TestTenant::over(&shape.text) } else { TestTenant::plain(&shape.text) };
        let entities = facts::declared(&shape, &case.entities);
        let mut texts = Texts::of(&shape, case, |_| true);
        counts.written += texts.written.len();
        let build = |texts: &Texts| texts.files(&shape, tenant.clone(), &entities, case.split).snapshot();
        let snapshot = match build(&texts) {
            Ok(snapshot) => snapshot,
            Err(_) => {
                texts = Texts::of(&shape, case, |written| written.is_valid(&tenant.schema.validator));
                build(&texts).map_err(|faults| format!("{faults:#?}\n{}", shape.text))?
            }
        };
        counts.kept += texts.written.len();
        counts.links += texts.links.len();
        let policies = texts.as_cedar_has_them(&shape);
        let of = |declared: &Declared| facts::in_tenant(&shape, declared.kind, declared.json.clone());
        let read = |declared| Entity::from_json_value(of(declared), Some(&tenant.schema.schema)).unwrap();
        let parsed = entities.iter().map(read).collect();
        let declared = entities.iter().map(|found| (shape.entity_uid(found.kind, found.number), of(found))).collect();
        Ok(Self { snapshot, policies, declared, entities: parsed, shape })
    }

    /// The tenant again, of nothing but what `export` writes.
    pub fn exported(&self, as_json: bool) -> Result<Snapshot, String> {
        let (schema, policies) = (self.snapshot.schema.text.clone(), policies_text(&self.snapshot));
        let entities = entities_text(&self.snapshot, None).map_err(|faults| faults.to_string())?;
        let links = links_text(&self.snapshot);
        let tenant = if as_json {
            let (fragment, _) = SchemaFragment::from_cedarschema_str(&schema).map_err(|error| error.to_string())?;
            let (schema, set) = (fragment.to_json_string().unwrap(), policies.parse::<PolicySet>().unwrap());
            let tenant = TestTenant::of_schema_file("s.cedarschema.json", &schema, self.snapshot.schema.identity);
            tenant.policy("policies.cedar.json", &set.to_json().unwrap().to_string())
        } else {
            TestTenant::of_schema_file("schema.cedarschema", &schema, self.snapshot.schema.identity)
                .policy("policies.cedar", &policies)
        };
        let tenant = tenant.links("links.json", &links).entities("entities.json", &entities);
        tenant.snapshot().map_err(|faults| format!("{faults:#?}\n{schema}\n{policies}\n{links}"))
    }
}

impl Texts {
    fn of(shape: &Shape, case: &Case, keep: impl Fn(&Written) -> bool) -> Self {
        let policies = case.policies.iter().map(|numbers| (numbers, false));
        let templates = case.templates.iter().map(|numbers| (numbers, true));
        let mut written: Vec<Written> = policies
            .chain(templates)
            .enumerate()
            .map(|(index, (numbers, is_template))| Written::of(shape, numbers, index, is_template))
            .filter(keep)
            .collect();
        // Stable: in each file they keep their order.
        written.sort_by_key(|written| written.file);
        let mut texts = Self { written, links: Vec::new() };
        let templates: Vec<_> = texts.by_id().filter(|(_, written)| written.is_template()).collect();
        let templates: Vec<_> = templates.into_iter().map(|(id, written)| (id, written.clone())).collect();
        let mut taken = HashSet::new();
        let links = case.links.iter().enumerate();
        let links = links.filter_map(|(index, numbers)| Linked::of(shape, numbers, index, &templates));
        texts.links = links.filter(|link| taken.insert(link.id.clone())).collect();
        texts
    }

    /// Each with its id: what has none is known by its place in its file.
    fn by_id(&self) -> impl Iterator<Item = (String, &Written)> {
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        self.written.iter().map(move |written| {
            let place = places.entry(written.file).or_default();
            let id = written.id.clone().unwrap_or_else(|| format!("{}#{place}", written.file));
            *place += 1;
            (id, written)
        })
    }

    fn as_cedar_has_them(&self, shape: &Shape) -> PolicySet {
        let mut set = PolicySet::new();
        for (id, written) in self.by_id() {
            let id = Some(PolicyId::new(id));
            if written.is_template() {
                set.add_template(Template::parse(id, &written.text).unwrap()).unwrap();
            } else {
                set.add(Policy::parse(id, &written.text).unwrap()).unwrap();
            }
        }
        self.links.iter().for_each(|link| link.link(shape, &mut set));
        if shape.has_identity {
            for (name, text) in ASSUMED {
                set.add(Policy::parse(Some(PolicyId::new(name)), text).unwrap()).unwrap();
            }
        }
        set
    }

    fn files(&self, shape: &Shape, mut tenant: TestTenant, entities: &[Declared], split: (bool, bool)) -> TestTenant {
        for name in &FILES[..3] {
            let own = self.written.iter().filter(|written| written.file == *name);
            let text: String = own.map(Written::with_id).collect();
            tenant = if *name == "platform.cedar" {
                tenant.platform_policy(name, &text)
            } else {
                tenant.policy(name, &text)
            };
        }
        for place in 0..2 {
            let own: Vec<_> = entities.iter().filter(|found| found.place == place).map(|found| &found.json).collect();
            tenant = tenant.entities(&format!("{place}.entities.json"), &json!(own).to_string());
        }
        let roles = self.written.iter().filter(|written| written.file == ROLES).map(Written::with_id).collect();
        let mut files = BTreeMap::from([("roles.cedar".to_owned(), roles)]);
        if shape.has_identity {
            let assumed = ASSUMED.map(|(name, text)| format!("@id(\"{name}\") {text}\n")).concat();
            files.insert("external-identities.cedar".to_owned(), assumed);
            files.insert("providers.json".to_owned(), lines(&[provider()]));
        }
        let named =
            |kind: usize, number: usize| EntityRef::new(shape.types[kind].name.as_str(), shape.id(kind, number));
        let pair = |link: &Linked| {
            let hash =
                |slot: Option<(usize, usize)>| slot.map_or(0, |(kind, number)| entity_hash(&named(kind, number)));
            pair_hash(hash(link.principal), hash(link.resource))
        };
        let links = self.links.iter().map(|link| (pair(link), link.line(shape)));
        let compiled = entities.iter().filter(|found| found.place == 2);
        let compiled = compiled.map(|found| (entity_hash(&named(found.kind, found.number)), found.json.clone()));
        files.extend(sharded("collaborators.json", split.0, links.collect()));
        files.extend(sharded("entities.json", split.1, compiled.collect()));
        tenant.bundle(Bundle { revision: Revision(1), hand_written: true, files })
    }
}

fn sharded(part: &str, is_split: bool, items: Vec<(u64, Value)>) -> Vec<(String, String)> {
    let sharding = Sharding::for_items(if is_split { 2_000 } else { 0 });
    let mut shards = vec![Vec::new(); sharding.count()];
    for (hash, item) in items {
        shards[sharding.shard_of(hash)].push(item);
    }
    shards.iter().enumerate().map(|(number, items)| (sharding.file(part, number), lines(items))).collect()
}

fn lines(items: &[Value]) -> String {
    format!("[\n{}\n]\n", items.iter().map(Value::to_string).collect::<Vec<_>>().join(",\n"))
}

fn provider() -> Value {
    json!({
        "name": "okta", "jwks_uri": "https://x/keys", "claims": {"unique_id": "sub", "email": "email", "teams": "unit"},
        "team_mappings": {"y": [IDS[0]]},
        "identities": [{"name": "everyone", "conditions": 0}, {"name": "some", "conditions": 1}],
    })
}

/// The external identities' policies.
const ASSUMED: [(&str, &str); 2] = [
    (
        "external-identity/everyone",
        "permit (principal is ExternalSubject, action == Action::\"assume\", resource == ExternalIdentity::\"everyone\")
         when { principal.provider == IdentityProvider::\"okta\" };",
    ),
    (
        "external-identity/some",
        "permit (principal is ExternalSubject, action == Action::\"assume\", resource == ExternalIdentity::\"some\")
         when { principal.provider == IdentityProvider::\"okta\" && principal.hasTag(\"unit\") && principal.getTag(\"unit\").contains(\"x\") };",
    ),
];
