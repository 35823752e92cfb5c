//! Facts in, documents out.

use std::collections::BTreeSet;

use super::naming::{resource_id, shown_subject};
use super::*;
use crate::directory::fact::Fact;
use crate::model::TeamMapping;
use crate::model::facts::RoleActions;

/// A fact as a document.
pub fn document_of(fact: &Fact) -> Document {
    match fact.clone() {
        Fact::IdentityProvider(provider) => Document::IdentityProvider(Box::new((*provider).into())),
        Fact::ExternalIdentity(identity) => Document::ExternalIdentity(ExternalIdentityDocument {
            name: identity.name.into(),
            identity_provider: identity.identity_provider.into(),
            claims: identity.claims.into_iter().map(|(path, condition)| (path, condition.written())).collect(),
        }),
        Fact::User(user) => Document::User(UserDocument { email: user.email.into(), active: user.active }),
        Fact::Team(team) => Document::Team(TeamDocument {
            name: team.name.into(),
            members: team.members.into_iter().map(Into::into).collect(),
            managers: team.managers.into_iter().map(Into::into).collect(),
            identity_provider_mapping: mapping_documents(team.mappings),
        }),
        Fact::VirtualAccount(account) => Document::VirtualAccount(VirtualAccountDocument {
            name: account.name.into(),
            identity_provider_mapping: mapping_documents(account.mappings),
        }),
        Fact::Role(role) => Document::Role(RoleDocument {
            name: role.name.into(),
            resource_type: role.resource_type,
            actions: match role.actions {
                RoleActions::Every => vec![EVERY_ACTION.to_owned()],
                RoleActions::These(actions) => actions.into_iter().collect(),
            },
        }),
        Fact::Resource(resource) => Document::Resource(ResourceDocument {
            resource: resource_id(&resource.entity),
            parents: resource.parents.iter().map(resource_id).collect(),
            attributes: resource.attributes.into_iter().collect(),
        }),
        Fact::Collaborator(grant) => Document::Collaborator(CollaboratorDocument {
            resource: resource_id(&grant.resource),
            subject: shown_subject(&grant.subject),
            role: grant.role.into(),
        }),
        Fact::Token(token) => Document::Token(TokenDocument {
            token_id: token.id.into(),
            owner: shown_subject(&token.owner.subject()),
            label: token.label,
            hash: token.hash,
            created_at: token.created_at,
            expires_at: token.expires_at,
            rotate_every: token.rotate_every,
            audience: token.audience,
            replaced_by: token.replaced_by.map(Into::into),
        }),
    }
}

fn mapping_documents(mappings: BTreeSet<TeamMapping>) -> Vec<MappingDocument> {
    let document = |mapping: TeamMapping| MappingDocument {
        identity_provider: mapping.identity_provider.into(),
        value: mapping.value,
    };
    mappings.into_iter().map(document).collect()
}
