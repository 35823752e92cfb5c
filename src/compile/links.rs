//! A collaborator becomes a template link of its role.

use super::{Link, LinkArgs, ids};
use crate::model::{DirectoryState, Subject};
use crate::vocabulary;

/// The links of all collaborators, sorted by id. A deactivated user's grants are not compiled: even a policy
/// set that still names the user gives them nothing.
pub fn template_links(state: &DirectoryState) -> Vec<Link> {
    let is_effective = |subject: &Subject| match subject {
        Subject::User(email) => state.users.get(email).is_some_and(|user| user.active),
        Subject::Team(_) | Subject::VirtualAccount(_) | Subject::ExternalIdentity(_) => true,
    };
    let mut links: Vec<_> = state
        .collaborators
        .iter()
        .filter(|grant| is_effective(&grant.subject))
        .map(|grant| Link {
            template_id: ids::role(&grant.resource.entity_type, &grant.role),
            link_id: ids::collaborator(grant),
            args: LinkArgs { principal: vocabulary::subject(&grant.subject), resource: grant.resource.clone() },
        })
        .collect();
    links.sort_by(|left, right| left.link_id.cmp(&right.link_id));
    links
}
