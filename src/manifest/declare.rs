//! First pass: each document becomes a fact of the directory, its own members checked, no reference followed.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::Entity;
use serde_json::{Map, Value, json};
use serde_saphyr::Spanned;

use super::check::Pass;
use super::provider::ProviderDocument;
use super::raw::Document;
use super::roles::read_role;
use super::{DocumentError, Place, field};
use crate::authn::shown_uri;
use crate::compile;
use crate::model::bounds;
use crate::model::{
    Condition, Conditions, Email, EntityRef, ExternalIdentity, ExternalIdentityName, Fault, Faults, IdentityProvider,
    NameError, ProviderName, Resource, Team, TeamName, User, VirtualAccount, VirtualAccountName, claim_text,
};
use crate::{strict_json, vocabulary};

impl Pass<'_> {
    pub(super) fn declare_document(&mut self, document: &Document) {
        match document.raw.kind.value.as_str() {
            "identity-provider" => self.declare_provider(document),
            "external-identity" => self.declare_external_identity(document),
            "user" => self.declare_user(document),
            "team" => self.declare_team(document),
            "virtual-account" => self.declare_virtual_account(document),
            "role" => self.declare_role(document),
            "resource" => self.declare_resource(document),
            "tenant" => fits_only(document, "tenant", &["collaborators"], &mut self.faults),
            other => {
                let place = document.place(&document.raw.kind);
                self.faults.push(place.fault(format!("`{other}` is not a type of manifest: use one of {KINDS}")));
            }
        }
    }

    fn declare_provider(&mut self, document: &Document) {
        let members = ["name", "config", "claims", "email", "users", "external_identities"];
        fits_only(document, "identity-provider", &members, &mut self.faults);
        let Some((name, place)) = self.name(document, ProviderName::parse) else { return };
        if document.raw.config.is_none() {
            self.faults.push(place.fault("an identity provider needs `config` with a `jwks_uri`"));
            return;
        }
        self.place_entity(&EntityRef::new(vocabulary::IDENTITY_PROVIDER, name.as_str()), &place);
        let is_first = self.declare("identity provider", name.as_str(), &place);
        match read_provider(document, &name) {
            Ok(provider) if is_first => {
                if provider.audiences.is_empty() {
                    self.warnings.push(place.fault(format!(
                        "identity provider `{name}` has no `audience`: it takes tokens meant for others"
                    )));
                }
                self.state.identity_providers.insert(name, provider);
            }
            Ok(_) => {}
            Err(wrong) => wrong.into_iter().for_each(|fault| self.faults.push(fault)),
        }
    }

    fn declare_external_identity(&mut self, document: &Document) {
        fits_only(document, "external-identity", &["name", "identity_provider", "claims"], &mut self.faults);
        let Some((name, place)) = self.name(document, ExternalIdentityName::parse) else { return };
        let Some(provider) = &document.raw.identity_provider else {
            self.faults.push(place.fault("an external identity needs `identity_provider`"));
            return;
        };
        let Ok(identity_provider) = ProviderName::parse(&provider.value) else {
            // The second pass says that it refers to nothing.
            return;
        };
        let claims = self.conditions(document);
        self.place_entity(&EntityRef::new(vocabulary::EXTERNAL_IDENTITY, name.as_str()), &place);
        self.places.add(&compile::external_identity_policy_id(&name), &place.file, place.line);
        if self.declare("external identity", name.as_str(), &place) {
            self.state.external_identities.insert(name.clone(), ExternalIdentity { name, identity_provider, claims });
        }
    }

    fn conditions(&mut self, document: &Document) -> Conditions {
        let Some(given) = &document.raw.claims else { return Conditions::new() };
        let mut conditions = Conditions::new();
        for (path, value) in given.value.value.as_object().into_iter().flatten() {
            let place = document.place_of(given, path);
            match field::conditions("claims", std::iter::once((path, value))) {
                Ok(read) => conditions.extend(read),
                Err(error) => self.faults.push(place.fault(error.message)),
            }
            if let Some(message) = conditions.get(path).and_then(|read| field::plain_star(path, read)) {
                self.faults.push(place.fault(message));
            }
        }
        if !given.value.value.is_object() {
            self.faults.push(document.place(given).fault("`claims` must be claim paths with their conditions"));
        }
        if let Err(error) = bounds::check_conditions(&conditions) {
            self.faults.push(document.place(given).fault(error.to_string()));
        }
        conditions
    }

    fn declare_user(&mut self, document: &Document) {
        fits_only(document, "user", &["email", "active"], &mut self.faults);
        let Some(email) = &document.raw.email else {
            self.faults.push(document.place(&document.raw.kind).fault("a user needs `email`"));
            return;
        };
        let place = document.place(email);
        let Some(text) = claim_text(&email.value.value) else {
            self.faults.push(place.fault("`email` must be an address"));
            return;
        };
        let Some(email) = self.parsed(&place, Email::parse(&text)) else { return };
        self.place_entity(&EntityRef::new(vocabulary::USER, email.as_str()), &place);
        if self.declare("user", email.as_str(), &place) {
            let active = document.raw.active.as_ref().is_none_or(|active| active.value);
            self.state.users.insert(email.clone(), User { email, active });
        }
    }

    fn declare_team(&mut self, document: &Document) {
        let members = ["name", "members", "managers", "identity_provider_mapping"];
        fits_only(document, "team", &members, &mut self.faults);
        let Some((name, place)) = self.name(document, TeamName::parse) else { return };
        let members = self.emails(document, document.raw.members.as_ref());
        let managers = self.emails(document, document.raw.managers.as_ref());
        self.place_entity(&EntityRef::new(vocabulary::TEAM, name.as_str()), &place);
        if self.declare("team", name.as_str(), &place) {
            self.state.teams.insert(name.clone(), Team { name, members, managers, mappings: BTreeSet::new() });
        }
    }

    fn emails(&mut self, document: &Document, given: Option<&Spanned<Vec<Spanned<String>>>>) -> BTreeSet<Email> {
        if let Some(list) = given {
            self.check_count(document, list, "addresses", bounds::MAX_TEAM_MEMBERS);
        }
        let given = given.map(|list| list.value.as_slice()).unwrap_or_default();
        given.iter().filter_map(|email| self.parsed(&document.place(email), Email::parse(&email.value))).collect()
    }

    /// No list is longer than a directory holds.
    pub(super) fn check_count<T>(
        &mut self,
        document: &Document,
        list: &Spanned<Vec<T>>,
        what: &'static str,
        limit: usize,
    ) {
        if let Err(error) = bounds::check_count(what, list.value.len(), limit) {
            self.faults.push(document.place(list).fault(error.to_string()));
        }
    }

    fn declare_virtual_account(&mut self, document: &Document) {
        fits_only(document, "virtual-account", &["name", "identity_provider_mapping"], &mut self.faults);
        let Some((name, place)) = self.name(document, VirtualAccountName::parse) else { return };
        self.place_entity(&EntityRef::new(vocabulary::VIRTUAL_ACCOUNT, name.as_str()), &place);
        if self.declare("virtual account", name.as_str(), &place) {
            let account = VirtualAccount { name: name.clone(), mappings: BTreeSet::new() };
            self.state.virtual_accounts.insert(name, account);
        }
    }

    fn declare_role(&mut self, document: &Document) {
        let Some((role, place)) = read_role(document, self.schema, &mut self.faults) else { return };
        let key = (role.resource_type.clone(), role.name.clone());
        let shown = format!("{}/{}", key.0, key.1);
        let is_default = self.state.roles.contains_key(&key) && !self.declared.contains_key(&("role", shown.clone()));
        if is_default {
            let message = format!("role `{}` of `{}` is built in and cannot be changed", key.1, key.0);
            self.faults.push(place.fault(message));
        } else if self.declare("role", &shown, &place) {
            self.places.add(&compile::role_policy_id(&key.0, &key.1), &place.file, place.line);
            self.state.roles.insert(key, role);
        }
    }

    fn declare_resource(&mut self, document: &Document) {
        fits_only(document, "resource", &["resource", "parents", "attributes", "collaborators"], &mut self.faults);
        let Some(written) = &document.raw.resource else {
            self.faults.push(document.place(&document.raw.kind).fault("a resource needs `resource: Type::id`"));
            return;
        };
        let place = document.place(written);
        let Some(entity) = self.entity(&place, &written.value) else { return };
        if vocabulary::OWN_TYPES.contains(&entity.entity_type.as_str()) {
            let message =
                format!("`{}` is not a resource type: it is part of the directory itself", entity.entity_type);
            self.faults.push(place.fault(message));
            return;
        }
        let attributes: BTreeMap<_, _> = document
            .raw
            .attributes
            .as_ref()
            .map(|given| &given.value)
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), value.0.clone()))
            .collect();
        if let Some(list) = &document.raw.parents {
            self.check_count(document, list, "parents", bounds::MAX_PARENTS);
        }
        let mut parents = BTreeSet::new();
        for parent in document.raw.parents.iter().flat_map(|list| &list.value) {
            let parent_place = document.place(parent);
            let Some(parent) = self.entity(&parent_place, &parent.value) else { continue };
            self.check_parent(&entity, &parent, &parent_place);
            parents.insert(parent);
        }
        self.check_attributes(document, &entity, &attributes);
        self.place_entity(&entity, &place);
        if self.declare("resource", &entity.to_string(), &place) {
            self.state.resources.insert(entity.clone(), Resource { entity, parents, attributes });
        }
    }

    fn check_parent(&mut self, entity: &EntityRef, parent: &EntityRef, place: &Place) {
        if !self.schema.may_be_in(&entity.entity_type, &parent.entity_type) {
            let message =
                format!("the schema does not let a `{}` be in a `{}`", entity.entity_type, parent.entity_type);
            self.faults.push(place.fault(message));
        } else if parent.entity_type == vocabulary::TENANT && parent.id != self.tenant.as_str() {
            self.faults.push(place.fault(format!("a resource of `{}` cannot be in {parent}", self.tenant)));
        }
    }

    /// Lets Cedar say whether the attributes fit the schema, so that the fault names the manifest.
    fn check_attributes(&mut self, document: &Document, entity: &EntityRef, attributes: &BTreeMap<String, Value>) {
        let entity_json =
            json!({"uid": {"type": entity.entity_type, "id": entity.id}, "attrs": attributes, "parents": []});
        if let Err(error) = Entity::from_json_value(entity_json, Some(&self.schema.schema)) {
            let place = match (&document.raw.attributes, &document.raw.resource) {
                (Some(given), _) => document.place(given),
                (None, Some(written)) => document.place(written),
                (None, None) => document.place(&document.raw.kind),
            };
            self.faults.push(place.fault(crate::tree::one_line(&error)));
        }
    }

    /// `Type::id` or Cedar's `Type::"id"`, of a type that the schema has.
    pub(super) fn entity(&mut self, place: &Place, text: &str) -> Option<EntityRef> {
        let Some(entity) = read_entity(text) else {
            self.faults.push(place.fault(format!("`{text}` is not an entity: write `Type::id`")));
            return None;
        };
        if let Err(message) = check_entity(&entity, self.schema) {
            self.faults.push(place.fault(message));
            return None;
        }
        Some(entity)
    }

    fn name<T>(&mut self, document: &Document, parse: fn(&str) -> Result<T, NameError>) -> Option<(T, Place)> {
        let Some(name) = &document.raw.name else {
            let kind = &document.raw.kind;
            self.faults.push(document.place(kind).fault(format!("`{}` needs `name`", kind.value)));
            return None;
        };
        let place = document.place(name);
        Some((self.parsed(&place, parse(&name.value))?, place))
    }

    pub(super) fn parsed<T>(&mut self, place: &Place, parsed: Result<T, NameError>) -> Option<T> {
        parsed.map_err(|error| self.faults.push(place.fault(error.to_string()))).ok()
    }
}

/// An entity as manifests write it: `Type::id`, or Cedar's `Type::"id"`.
pub(crate) fn read_entity(text: &str) -> Option<EntityRef> {
    vocabulary::read_entity(text).filter(|entity| vocabulary::uid(entity).is_ok())
}

pub(crate) fn check_entity(entity: &EntityRef, schema: &crate::schema::LoadedSchema) -> Result<(), String> {
    if !schema.has_type(&entity.entity_type) {
        return Err(format!("the schema has no entity type `{}`", entity.entity_type));
    }
    if entity.id.len() > bounds::MAX_TEXT_BYTES {
        return Err(format!("the id of a `{}` is longer than {} bytes", entity.entity_type, bounds::MAX_TEXT_BYTES));
    }
    Ok(())
}

/// Why keys cannot be fetched from an address, as far as its text says. What may be a secret in it is not repeated.
pub(crate) fn uri_refusal(uri: &str) -> Option<String> {
    let url = reqwest::Url::parse(uri).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
    let Some(url) = url else { return Some(format!("`{}` is not an http(s) address", shown_uri(uri))) };
    let has_user = !url.username().is_empty() || url.password().is_some();
    has_user.then(|| format!("`{}` has a user name or password in it: keys are public, and need none", shown_uri(uri)))
}

/// The provider that a document describes, or each field that is wrong, with its place.
fn read_provider(document: &Document, name: &ProviderName) -> Result<IdentityProvider, Vec<Fault>> {
    let raw = &document.raw;
    let mut members = Map::from_iter([("name".to_owned(), json!(name))]);
    let given = [
        ("config", &raw.config),
        ("claims", &raw.claims),
        ("email", &raw.email),
        ("users", &raw.users),
        ("external_identities", &raw.external_identities),
    ];
    members.extend(given.iter().filter_map(|(member, value)| {
        let mut value = value.as_ref()?.value.value.clone();
        if *member == "config" {
            plain_texts(&mut value);
        }
        Some(((*member).to_owned(), value))
    }));
    let value_of = |member: &str| given.iter().find(|(name, _)| *name == member).and_then(|(_, value)| value.as_ref());
    let placed = |field: &str, message: String| {
        let (member, below) = field.split_once('.').unwrap_or((field, ""));
        let place = value_of(member).map(|value| document.place_of(value, below));
        place.unwrap_or_else(|| document.place(&raw.kind)).fault(message)
    };
    let read: ProviderDocument = strict_json::from_value_by_path(Value::Object(members))
        .map_err(|(path, error)| vec![placed(&path, error.to_string())])?;
    let with_place = |error: DocumentError| placed(&error.field, error.message);
    let provider = read.read().map_err(|wrong| wrong.into_iter().map(with_place).collect::<Vec<_>>())?;
    let star = |(path, condition): (&String, &Condition)| {
        Some(placed(&format!("config.required_claims.{path}"), field::plain_star(path, condition)?))
    };
    let stars: Vec<_> = provider.tokens.required_claims.iter().filter_map(star).collect();
    if stars.is_empty() { Ok(provider) } else { Err(stars) }
}

/// What is text whatever it looks like: `audience: 012`.
fn plain_texts(config: &mut Value) {
    for (member, value) in config.as_object_mut().into_iter().flatten() {
        if NOT_TEXTS.contains(&member.as_str()) {
            continue;
        }
        match value {
            Value::Array(many) => {
                many.iter_mut().for_each(|one| *one = claim_text(one).map_or_else(|| one.clone(), Value::from));
            }
            one => *one = claim_text(one).map_or_else(|| one.clone(), Value::from),
        }
    }
}

const NOT_TEXTS: [&str; 3] = ["max_lifetime", "max_age", "required_claims"];

/// A member that belongs to another type of manifest is a fault, like an unknown one.
pub(super) fn fits_only(document: &Document, kind: &str, allowed: &[&str], faults: &mut Faults) {
    let raw = &document.raw;
    macro_rules! given {
        ($($field:ident),*) => { [$((stringify!($field), raw.$field.as_ref().map(|value| document.place(value)))),*] };
    }
    let members = given!(
        name,
        email,
        active,
        config,
        claims,
        users,
        external_identities,
        identity_provider,
        members,
        managers,
        identity_provider_mapping,
        resource_type,
        actions,
        resource,
        parents,
        attributes,
        collaborators
    );
    for (member, place) in members {
        if let Some(place) = place.filter(|_| !allowed.contains(&member)) {
            faults.push(place.fault(format!("`{member}` does not belong in a manifest of type `{kind}`")));
        }
    }
}

const KINDS: &str =
    "`identity-provider`, `external-identity`, `team`, `user`, `virtual-account`, `role`, `resource`, `tenant`";
