//! Hand-written templates that no link makes a policy: they decide nothing, which their author may not know.

use std::collections::HashSet;

use cedar_policy::PolicyId;

use super::{Policies, exact};
use crate::model::Fault;
use crate::tree::SourceFile;

/// A warning for each template of some files that nothing links.
pub fn unlinked_templates(policies: &Policies, files: &[SourceFile]) -> Vec<Fault> {
    let files: HashSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let written = policies.written.iter().filter(|written| !written.policy.is_static());
    let mut linked: HashSet<PolicyId> = written.map(|written| PolicyId::new(written.policy.template().id())).collect();
    let kinds = policies.links.shards().iter().flat_map(|shard| &shard.kinds);
    linked.extend(kinds.map(|kind| kind.template.clone()));
    let of_files = policies.written.templates().filter(|template| files.contains(template.source.file.as_str()));
    // A role without grants is no mistake, and an exported tree has its roles as written templates.
    let of_people = of_files.filter(|template| !exact(&template.id()).starts_with(ROLES));
    let warning = |template: &super::file::WrittenTemplate| Fault {
        file: template.source.file.clone(),
        line: template.source.line,
        column: template.column,
        message: format!(
            "template `{}` decides nothing: no link fills its slots; write one into a `*.links.json` file",
            exact(&template.id())
        ),
    };
    of_people.filter(|template| !linked.contains(&template.id())).map(warning).collect()
}

/// The ids of compiled roles begin so.
pub(super) const ROLES: &str = "role/";
