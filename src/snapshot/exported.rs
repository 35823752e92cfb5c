//! A snapshot in, the texts out that the official `cedar` command line takes; a tree made of them answers alike.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cedar_policy::{Entities, Entity, EntityUid, Policy, PolicyId};
use cedar_policy_core::ast;
use serde_json::{Value, json};

use super::{Snapshot, exact};
use crate::model::{Fault, Faults};

/// Every policy and template as written, each under the id that answers give it.
pub fn policies_text(snapshot: &Snapshot) -> String {
    let mut policies: Vec<(String, String)> = Vec::new();
    for written in snapshot.policies.written.iter().filter(|written| written.policy.is_static()) {
        let core = &written.policy;
        let text = core.loc().and_then(|loc| loc.snippet()).map_or_else(|| core.to_string(), str::to_owned);
        policies.push(identified(&written.id(), written.has_id, &text));
    }
    for template in snapshot.policies.templates() {
        let core: &ast::Template = template.as_ref();
        let written = core.loc().and_then(|loc| loc.snippet()).map_or_else(|| core.to_string(), str::to_owned);
        policies.push(identified(template.id(), template.annotation("id").is_some(), &written));
    }
    policies.sort();
    policies.into_iter().map(|(_, text)| text + "\n\n").collect()
}

fn identified(id: &PolicyId, has_id: bool, written: &str) -> (String, String) {
    let id = exact(id);
    let text = if has_id { written.to_owned() } else { format!("@id(\"{}\")\n{written}", id.escape_debug()) };
    (id.to_owned(), text)
}

/// Every link, in the form that the official command line reads with `--template-linked`.
pub fn links_text(snapshot: &Snapshot) -> String {
    let policies = &snapshot.policies;
    let odd = policies.written.iter().map(|written| written.policy.clone());
    let usual = policies.links.iter().filter_map(|link| policies.link_policy(link));
    let mut links: Vec<(String, Value)> = odd
        .chain(usual)
        .map(Policy::from)
        .filter_map(|policy| {
            let values = policy.template_links()?;
            // In one order, so that equal snapshots give equal texts.
            let args: BTreeMap<_, _> =
                values.into_iter().map(|(slot, uid)| (slot.to_string(), uid.to_string())).collect();
            let (template, id) = (exact(policy.template_id()?), exact(policy.id()));
            let link = json!({"template_id": template, "link_id": id, "args": args});
            Some((id.to_owned(), link))
        })
        .collect();
    links.sort_by(|left, right| left.0.cmp(&right.0));
    let lines: Vec<_> = links.into_iter().map(|(_, link)| link.to_string()).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

fn parents_of(entity: &Entity) -> BTreeSet<EntityUid> {
    let core: &ast::Entity = entity.as_ref();
    core.parents().map(|parent| EntityUid::from(parent.clone())).collect()
}

/// Every entity and action in Cedar's entity JSON; a principal that is given stands in for the one of its name.
///
/// # Errors
/// When Cedar does not take them together.
pub fn entities_text(snapshot: &Snapshot, principal: Option<&Entity>) -> Result<String, Faults> {
    let failed = |error: &dyn std::fmt::Display| Faults::from(Fault::of_file("entities.json", error.to_string()));
    let others = snapshot.entities.iter().filter(|entity| principal.is_none_or(|own| own.uid() != entity.uid()));
    let all: Vec<_> = others.chain(principal.cloned()).collect();
    // Cedar writes all ancestors as parents: an entity between them would count no more.
    let parents: HashMap<_, _> = all.iter().map(|entity| (entity.uid(), parents_of(entity))).collect();
    let entities = Entities::from_entities(all, None).map_err(|error| failed(&error))?;
    let mut lines = Vec::new();
    for entity in entities.iter() {
        let mut json = entity.to_json_value().map_err(|error| failed(&error))?;
        let uid = |uid: &EntityUid| json!({"type": uid.type_name().to_string(), "id": uid.id().unescaped()});
        let own = parents.get(&entity.uid()).into_iter().flatten().map(uid).collect();
        json.as_object_mut().map(|members| members.insert("parents".to_owned(), Value::Array(own)));
        lines.push((entity.uid(), json.to_string()));
    }
    lines.sort();
    let lines: Vec<_> = lines.into_iter().map(|(_, line)| line).collect();
    Ok(format!("[\n{}\n]\n", lines.join(",\n")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::test_tenant::TestTenant;

    #[test]
    fn the_slots_of_every_link_are_in_one_order() {
        let grants: String = (0..50).map(|number| format!("  - {{subject: team:t{number}, role: viewer}}\n")).collect();
        let teams: String = (0..50).map(|number| format!("---\ntype: team\nname: t{number}\n")).collect();
        let tenant =
            TestTenant::over("entity Box in [Tenant]; action look appliesTo { principal: [User], resource: Box };")
                .default_roles("{type: role, name: viewer, resource_type: Box, actions: [look]}")
                .manifest("m.yaml", &format!("type: resource\nresource: Box::b\ncollaborators:\n{grants}{teams}"));
        let text = links_text(&tenant.snapshot().unwrap());
        let lines: Vec<_> = text.lines().filter(|line| line.contains("template_id")).collect();
        assert_eq!(lines.len(), 50);
        assert!(lines.iter().all(|line| line.find("?principal") < line.find("?resource")), "{text}");
    }
}
