//! Second pass: every name that a document mentions must be declared somewhere.

use super::Place;
use super::check::{OpenParent, Pass};
use super::declare::read_entity;
use super::raw::{Document, RawCollaborator, RawMapping};
use crate::compile;
use crate::model::bounds;
use crate::model::{
    Collaborator, Email, EntityRef, ExternalIdentityName, ProviderName, RoleName, Subject, TeamMapping, TeamName, User,
    VirtualAccountName,
};
use crate::vocabulary;

impl Pass<'_> {
    pub(super) fn refer_document(&mut self, document: &Document) {
        match document.raw.kind.value.as_str() {
            "external-identity" => {
                if let Some(provider) = &document.raw.identity_provider {
                    self.provider(&document.place(provider), &provider.value);
                }
            }
            "team" => self.refer_team(document),
            "virtual-account" => self.refer_virtual_account(document),
            "resource" => self.refer_resource(document),
            "tenant" => {
                let tenant = vocabulary::tenant(self.tenant);
                self.refer_collaborators(document, &tenant);
            }
            _ => {}
        }
    }

    /// Membership declares a person: an email in a team is a user unless a manifest says otherwise.
    fn refer_team(&mut self, document: &Document) {
        let lists = [&document.raw.members, &document.raw.managers];
        for email in lists.into_iter().flatten().flat_map(|list| &list.value) {
            let Ok(parsed) = Email::parse(&email.value) else { continue };
            if !self.state.users.contains_key(&parsed) {
                // No address in the message: warnings are shown to whoever may look at `/status`.
                let message = "this member has no `type: user`: counted as an active user";
                let place = document.place(email);
                self.place_entity(&EntityRef::new(vocabulary::USER, parsed.as_str()), &place);
                self.warnings.push(place.fault(message));
                self.state.users.insert(parsed.clone(), User { email: parsed, active: true });
            }
        }
        let mappings = self.mappings(document);
        let team = document.raw.name.as_ref().and_then(|name| self.state.teams.get_mut(name.value.as_str()));
        if let Some(team) = team {
            team.mappings.extend(mappings);
        }
    }

    fn refer_virtual_account(&mut self, document: &Document) {
        let mappings = self.mappings(document);
        let name = document.raw.name.as_ref();
        for mapping in &mappings {
            // One value stands for one account: a token must never be two.
            let shown = format!("{} of {}", mapping.value, mapping.identity_provider);
            let place = document.place(name.unwrap_or(&document.raw.kind));
            self.declare("the virtual account for", &shown, &place);
        }
        if let Some(account) = name.and_then(|name| self.state.virtual_accounts.get_mut(name.value.as_str())) {
            account.mappings.extend(mappings);
        }
    }

    fn mappings(&mut self, document: &Document) -> Vec<TeamMapping> {
        let given = document.raw.identity_provider_mapping.as_ref();
        if let Some(list) = given {
            self.check_count(document, list, "mappings", bounds::MAX_MAPPINGS);
        }
        let given = given.map(|list| list.value.as_slice()).unwrap_or_default();
        given.iter().filter_map(|mapping| self.mapping(document, &mapping.value)).collect()
    }

    fn mapping(&mut self, document: &Document, raw: &RawMapping) -> Option<TeamMapping> {
        if raw.value.value.is_empty() {
            self.faults.push(document.place(&raw.value).fault("a mapped value may not be empty"));
            return None;
        }
        if let Err(error) = bounds::check_text("mapped value", &raw.value.value) {
            self.faults.push(document.place(&raw.value).fault(error.to_string()));
        }
        let identity_provider = self.provider(&document.place(&raw.identity_provider), &raw.identity_provider.value)?;
        Some(TeamMapping { identity_provider, value: raw.value.value.clone() })
    }

    fn provider(&mut self, place: &Place, name: &str) -> Option<ProviderName> {
        let found = self.state.identity_providers.get_key_value(name).map(|(name, _)| name.clone());
        if found.is_none() {
            self.faults.push(place.fault(format!("identity provider `{name}` is not declared")));
        }
        found
    }

    fn refer_resource(&mut self, document: &Document) {
        let Some(written) = &document.raw.resource else { return };
        let Some(entity) = read_entity(&written.value).filter(|entity| self.state.resources.contains_key(entity))
        else {
            return;
        };
        for parent in document.raw.parents.iter().flat_map(|list| &list.value) {
            let Some(found) = read_entity(&parent.value) else { continue };
            if !self.state.resources.contains_key(&found) && found != vocabulary::tenant(self.tenant) {
                let message = format!("parent `{}` is not declared as a resource", parent.value);
                let fault = document.place(parent).fault(message);
                self.open_parents.push(OpenParent { parent: found, fault });
            }
        }
        self.refer_collaborators(document, &entity);
    }

    fn refer_collaborators(&mut self, document: &Document, resource: &EntityRef) {
        if document.raw.collaborators.is_some() {
            self.written_out.insert(resource.clone());
        }
        for collaborator in document.raw.collaborators.iter().flat_map(|list| &list.value) {
            let RawCollaborator { subject, role } = &collaborator.value;
            let found_subject = self.subject(&document.place(subject), &subject.value);
            let found_role = self.role(&document.place(role), &role.value, resource);
            let (Some(subject), Some(role)) = (found_subject, found_role) else { continue };
            let granted = Collaborator { resource: resource.clone(), role, subject };
            let place = document.place(collaborator);
            self.places.add(&compile::collaborator_policy_id(&granted), &place.file, place.line);
            if !self.state.collaborators.insert(granted) {
                self.faults.push(document.place(collaborator).fault("this role is already granted to this subject"));
            }
        }
    }

    fn role(&mut self, place: &Place, name: &str, resource: &EntityRef) -> Option<RoleName> {
        let role = self.parsed(place, RoleName::parse(name))?;
        if self.state.roles.contains_key(&(resource.entity_type.clone(), role.clone())) {
            return Some(role);
        }
        self.faults.push(place.fault(format!("role `{role}` is not declared for `{}`", resource.entity_type)));
        None
    }

    fn subject(&mut self, place: &Place, text: &str) -> Option<Subject> {
        let Some((kind, name)) = text.split_once(':') else {
            let message = format!("`{text}` is not a subject: write {SUBJECT_FORMS}");
            self.faults.push(place.fault(message));
            return None;
        };
        let (subject, declared) = match kind {
            "user" => {
                let email = self.parsed(place, Email::parse(name))?;
                let declared = self.state.users.contains_key(&email) || self.is_team_member(&email);
                (Subject::User(email), declared)
            }
            "team" => {
                let team = self.parsed(place, TeamName::parse(name))?;
                let declared = self.state.teams.contains_key(&team);
                (Subject::Team(team), declared)
            }
            "virtual-account" => {
                let account = self.parsed(place, VirtualAccountName::parse(name))?;
                let declared = self.state.virtual_accounts.contains_key(&account);
                (Subject::VirtualAccount(account), declared)
            }
            "external-identity" => {
                let identity = self.parsed(place, ExternalIdentityName::parse(name))?;
                let declared = self.state.external_identities.contains_key(&identity);
                (Subject::ExternalIdentity(identity), declared)
            }
            other => {
                self.faults.push(place.fault(format!("`{other}` is not a kind of subject: write {SUBJECT_FORMS}")));
                return None;
            }
        };
        if !declared {
            self.faults.push(place.fault(format!("{} `{name}` is not declared", kind.replace('-', " "))));
            return None;
        }
        Some(subject)
    }

    fn is_team_member(&self, email: &Email) -> bool {
        self.state.teams.values().any(|team| team.members.contains(email) || team.managers.contains(email))
    }
}

const SUBJECT_FORMS: &str = "`user:EMAIL`, `team:NAME`, `virtual-account:NAME` or `external-identity:NAME`";
