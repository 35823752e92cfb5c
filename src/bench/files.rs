//! A tenant's files as plain Cedar sees them: policies, templates, links and entities, without the engine's index.
//!
//! In: the tree and the bundle on disk. Out: what requests are drawn from, and what plain Cedar decides over. Read
//! beside the snapshot on purpose: an answer is checked against a second reading of the same files.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cedar_policy::{Entities, Entity, EntityUid, Policy, PolicyId, Template};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::assemble::Layout;
use crate::bundle::{self, Bundle, BundleError};
use crate::model::{EntityRef, Fault, Faults, TenantId, with_causes};
use crate::schema::{Identity, LoadedSchema};
use crate::snapshot::parse_policies;
use crate::snapshot::place_in_tenant;
use crate::tree::{SourceFile, one_line, read_tree};
use crate::vocabulary;

/// A template link, its slots as text.
pub struct Link {
    pub template_id: String,
    pub link_id: String,
    pub principal: String,
    pub resource: String,
}

/// Everything that a tenant's files say.
pub struct TenantFiles {
    pub schema: Arc<LoadedSchema>,
    /// The schema's actions and their groups.
    pub actions: Entities,
    pub policies: BTreeMap<String, Policy>,
    pub templates: BTreeMap<String, Template>,
    /// Sorted by id.
    pub links: Vec<Link>,
    /// In the files' order, so that the same files give the same requests.
    pub by_type: BTreeMap<String, Vec<EntityRef>>,
    /// What is directly in something.
    pub inside: HashMap<EntityRef, Vec<EntityRef>>,
    /// Cedar's JSON of each.
    texts: HashMap<EntityRef, String>,
    /// Where entities are placed that do not say their tenant.
    tenant: Option<EntityUid>,
}

impl TenantFiles {
    /// Reads the files of a tenant that has loaded.
    ///
    /// # Errors
    /// When they changed since then.
    pub fn read(layout: &Layout, tenant: &TenantId, schema: &Arc<LoadedSchema>) -> Result<Self, Faults> {
        let fault = |message: String| Faults::from(Fault::of_file(tenant.as_str(), message));
        let tree = read_tree(&layout.dirs);
        let folder = tree.tenants.as_ref().and_then(|tenants| tenants.get(tenant));
        let folder =
            folder.ok_or_else(|| fault("has no folder any more".to_owned()))?.as_ref().map_err(Clone::clone)?;
        let kept = bundle::read_bundle(&layout.bundle_folder(tenant));
        let kept = kept.map_err(|error| fault(with_causes(&error)))?.unwrap_or_default();
        let tenant_uid = vocabulary::uid(&vocabulary::tenant(tenant)).map_err(|error| fault(error.to_string()))?;
        let mut links = links_of(&kept).map_err(|error| fault(with_causes(&error)))?;
        links.sort_by(|left, right| left.link_id.cmp(&right.link_id));
        let mut files = Self {
            schema: Arc::clone(schema),
            actions: schema.schema.action_entities().map_err(|error| fault(one_line(&error)))?,
            policies: BTreeMap::new(),
            templates: BTreeMap::new(),
            links,
            by_type: BTreeMap::new(),
            inside: HashMap::new(),
            texts: HashMap::new(),
            tenant: Some(tenant_uid).filter(|_| schema.identity == Identity::Included),
        };
        let policies = of_bundle(&kept, |name| name.ends_with(".cedar"));
        for file in tree.platform.policies.iter().chain(&folder.policies).chain(&policies) {
            files.add_policies(file)?;
        }
        let entities = of_bundle(&kept, |name| name.starts_with(bundle::ENTITIES_FILE.trim_end_matches(".json")));
        for file in entities.iter().chain(&folder.entities) {
            files.add_entities(file)?;
        }
        files.note_named();
        Ok(files)
    }

    fn add_policies(&mut self, file: &SourceFile) -> Result<(), Faults> {
        let parsed = parse_policies(file)?;
        for policy in parsed.policies() {
            let id = id_of(file, policy.id(), policy.annotation("id"));
            self.policies.insert(id.clone(), policy.new_id(PolicyId::new(id)));
        }
        for template in parsed.templates() {
            let id = id_of(file, template.id(), template.annotation("id"));
            self.templates.insert(id.clone(), template.new_id(PolicyId::new(id)));
        }
        Ok(())
    }

    fn add_entities(&mut self, file: &SourceFile) -> Result<(), Faults> {
        let fault = |error: serde_json::Error| Faults::from(Fault::of_file(&file.name, error.to_string()));
        let items: Vec<&RawValue> = serde_json::from_str(&file.text).map_err(fault)?;
        for item in items {
            let head: Head = serde_json::from_str(item.get()).map_err(fault)?;
            let uid = EntityRef::from(head.uid);
            for parent in head.parents {
                self.inside.entry(parent.into()).or_default().push(uid.clone());
            }
            self.by_type.entry(uid.entity_type.clone()).or_default().push(uid.clone());
            self.texts.insert(uid, item.get().to_owned());
        }
        Ok(())
    }

    /// What only policies name: plain Cedar decides about that, too.
    fn note_named(&mut self) {
        let mut named: Vec<_> = self.policies.values().flat_map(Policy::entity_literals).collect();
        named.sort();
        named.dedup();
        for entity in named.iter().map(vocabulary::entity_ref).filter(|entity| !self.texts.contains_key(entity)) {
            self.by_type.entry(entity.entity_type.clone()).or_default().push(entity);
        }
    }

    /// Whether a file declares it.
    pub(super) fn declares(&self, entity: &EntityRef) -> bool {
        self.texts.contains_key(entity)
    }

    /// An entity as declared, in its tenant.
    pub(super) fn entity(&self, uid: &EntityUid) -> Option<Entity> {
        if let Some(action) = self.actions.get(uid) {
            return Some(action.clone());
        }
        let text = self.texts.get(&vocabulary::entity_ref(uid))?;
        let entity = Entity::from_json_str(text, Some(&self.schema.schema)).ok()?;
        match &self.tenant {
            Some(tenant) if entity.uid() != *tenant => place_in_tenant(entity, tenant, &self.schema).ok(),
            _ => Some(entity),
        }
    }

    /// Every entity that a file declares.
    pub(super) fn entities(&self) -> impl Iterator<Item = Entity> {
        self.texts.keys().filter_map(|entity| self.entity(&vocabulary::uid(entity).ok()?))
    }

    pub(super) fn link(&self, id: &str) -> Option<&Link> {
        let at = self.links.binary_search_by(|link| link.link_id.as_str().cmp(id)).ok()?;
        self.links.get(at)
    }

    /// How many entities there are of these types.
    pub fn count<'a>(&self, types: impl IntoIterator<Item = &'a String>) -> usize {
        let declared = |entities: &Vec<EntityRef>| entities.iter().filter(|entity| self.declares(entity)).count();
        types.into_iter().filter_map(|kind| self.by_type.get(kind)).map(declared).sum()
    }
}

/// The part of an entity that says where it is.
#[derive(Deserialize)]
struct Head {
    uid: Uid,
    #[serde(default)]
    parents: Vec<Uid>,
}

/// Both of Cedar's spellings.
#[derive(Deserialize)]
#[serde(untagged)]
enum Uid {
    Plain(EntityRef),
    Escaped {
        #[serde(rename = "__entity")]
        entity: EntityRef,
    },
}

impl From<Uid> for EntityRef {
    fn from(uid: Uid) -> Self {
        match uid {
            Uid::Plain(entity) | Uid::Escaped { entity } => entity,
        }
    }
}

/// Some of the bundle's files, named as the snapshot names them.
fn of_bundle(bundle: &Bundle, is_wanted: impl Fn(&str) -> bool) -> Vec<SourceFile> {
    let files = bundle.files.iter().filter(|(name, _)| is_wanted(name));
    files
        .map(|(name, text)| {
            let relative = format!("{}/{name}", bundle::FOLDER);
            SourceFile { name: relative.clone(), relative, text: text.clone() }
        })
        .collect()
}

/// The id that answers give a policy: its `@id`, else its place.
fn id_of(file: &SourceFile, position: &PolicyId, annotated: Option<&str>) -> String {
    let position: &str = position.as_ref();
    let position = position.strip_prefix("policy").unwrap_or(position);
    annotated.map_or_else(|| format!("{}#{position}", file.relative), str::to_owned)
}

fn links_of(bundle: &Bundle) -> Result<Vec<Link>, BundleError> {
    let is_shard = |name: &str| bundle::Sharding::read(bundle::COLLABORATORS_FILE, name).is_some();
    let mut links = Vec::new();
    for (name, text) in bundle.files.iter().filter(|(name, _)| is_shard(name)) {
        for line in bundle::link_lines(name, text) {
            let (_, line) = line?;
            let slot = |text: Option<std::borrow::Cow<'_, str>>| text.unwrap_or_default().into_owned();
            links.push(Link {
                template_id: line.template_id.into_owned(),
                link_id: line.link_id.into_owned(),
                principal: slot(line.args.principal),
                resource: slot(line.args.resource),
            });
        }
    }
    Ok(links)
}
