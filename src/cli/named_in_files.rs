//! What manifests take away though a file that somebody wrote names it.
//!
//! In: the tree, and changes. Out: each removed thing that a policy or an entities file names, with the place. Whoever
//! is called so next would be the one that the file means.

use cedar_policy::{Entity, EntityUid};
use cedar_policy_core::ast;
use serde_json::Value;

use crate::directory::{Change, Fact, FactKey, Kind};
use crate::model::{EntityRef, TenantId};
use crate::schema::LoadedSchema;
use crate::snapshot::{exact, named_in, reach, read_policies};
use crate::tree::{PolicyFolder, Tree};
use crate::vocabulary::{EXTERNAL_IDENTITY, IDENTITY_PROVIDER, TEAM, USER, VIRTUAL_ACCOUNT};

/// A removed thing, and one file that names it.
pub(super) struct NamedInFile {
    pub key: FactKey,
    /// `policies/acme/a.cedar:12`
    pub place: String,
    what: String,
}

impl NamedInFile {
    pub(super) fn in_use(&self) -> String {
        format!("{} names {}, which goes: change that first, or ask for `--cascade`", self.what, self.key)
    }
}

/// Every place that names something that changes remove.
pub(super) fn named_in_files(
    tree: &Tree,
    tenant: &TenantId,
    schema: &LoadedSchema,
    changes: &[Change],
) -> Vec<NamedInFile> {
    let removed = changes.iter().filter(|change| change.after.is_none());
    let removed: Vec<(&FactKey, EntityUid)> =
        removed.filter_map(|change| Some((&change.key, schema.types.uid_of(&entity(change)?)?))).collect();
    if removed.is_empty() {
        return Vec::new();
    }
    let own = tree.tenants.as_ref().and_then(|tenants| tenants.get(tenant)).and_then(|folder| folder.as_ref().ok());
    let folders: Vec<&PolicyFolder> = std::iter::once(&tree.platform).chain(own).collect();
    let mut found = Vec::new();
    let mut note = |named: &[EntityUid], place: &str, what: &str| {
        let of_these = removed.iter().filter(|(_, uid)| named.contains(uid));
        found.extend(of_these.map(|(key, _)| NamedInFile {
            key: (*key).clone(),
            place: place.to_owned(),
            what: what.to_owned(),
        }));
    };
    for file in folders.iter().flat_map(|folder| &folder.policies) {
        let (policies, templates, _) = read_policies(file, schema);
        for written in &policies {
            let named = named_by(
                written.policy.template(),
                &written.policy.principal_constraint(),
                &written.policy.resource_constraint(),
            );
            note(&named, &written.source.to_string(), &format!("policy `{}`", exact(&written.id())));
        }
        for written in &templates {
            let template = &written.template;
            let named = named_by(template, template.principal_constraint(), template.resource_constraint());
            note(&named, &written.source.to_string(), &format!("template `{}`", exact(&written.id())));
        }
    }
    for file in folders.iter().flat_map(|folder| &folder.entities) {
        for value in serde_json::from_str::<Vec<Value>>(&file.text).unwrap_or_default() {
            let Ok(entity) = Entity::from_json_value(value, Some(&schema.schema)) else { continue };
            note(&reach(entity.as_ref()), &file.name, &format!("{}", entity.uid()));
        }
    }
    found
}

fn named_by(
    template: &ast::Template,
    principal: &ast::PrincipalConstraint,
    resource: &ast::ResourceConstraint,
) -> Vec<EntityUid> {
    let condition = template.non_scope_constraints().into_iter().flat_map(named_in);
    let scopes = [principal.as_inner(), resource.as_inner()];
    condition.chain(scopes.into_iter().filter_map(crate::snapshot::scope_entity)).collect()
}

fn entity(change: &Change) -> Option<EntityRef> {
    let kind = match change.key.kind {
        Kind::IdentityProvider => IDENTITY_PROVIDER,
        Kind::ExternalIdentity => EXTERNAL_IDENTITY,
        Kind::User => USER,
        Kind::Team => TEAM,
        Kind::VirtualAccount => VIRTUAL_ACCOUNT,
        Kind::Resource => {
            let Some(Fact::Resource(resource)) = &change.before else { return None };
            return Some(resource.entity.clone());
        }
        Kind::Role | Kind::Collaborator | Kind::Token => return None,
    };
    Some(EntityRef::new(kind, change.key.id.as_str()))
}
