//! `export`: a tenant as the four files that the official `cedar` command line takes. Both must answer alike.

use std::fs;
use std::path::PathBuf;

use cedar_policy::{Entities, Entity, Policy, PolicyId};
use cedar_policy_core::ast;
use clap::Args;
use serde_json::{Value, json};

use super::report::Trouble;
use super::source::Source;
use super::{Common, Ending, report};
use crate::model::{Fault, Faults};
use crate::principal::resolve;
use crate::snapshot::{Snapshot, exact};

#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    common: Common,
    #[arg(long)]
    tenant: String,
    /// Folder to write to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Also write the principal that these claims make
    #[arg(long, value_name = "FILE", requires = "provider")]
    claims: Option<PathBuf>,
    /// The identity provider whose claims they are
    #[arg(long, requires = "claims")]
    provider: Option<String>,
}

impl Export {
    pub(super) fn run(self) -> Ending {
        match self.export() {
            Ok(principal) => {
                let principal = principal.map(|entity| entity.uid().to_string());
                if self.common.json {
                    report::say_json(&json!({"ok": true, "out": self.out, "files": FILES, "principal": principal}));
                } else {
                    FILES.iter().for_each(|file| report::say(self.out.join(file).to_string_lossy()));
                    principal.iter().for_each(|uid| report::say(format!("principal: {uid}")));
                }
                Ending::Ok
            }
            Err(trouble) => trouble.end(self.common.json),
        }
    }

    fn export(&self) -> Result<Option<Entity>, Trouble> {
        let source = Source::read(&self.common, &self.tenant)?;
        let principal = match (&self.claims, &self.provider) {
            (Some(claims), Some(provider)) => {
                let token = source.trusted_claims(claims, provider)?;
                let resolved = resolve(&token, &source.snapshot);
                resolved
                    .map_err(|error| Faults::from(Fault::of_file("--claims", error.to_string())))?
                    .entity
                    .map(|entity| entity.entity())
            }
            _ => None,
        };
        let texts = [
            source.snapshot.schema.text.clone(),
            policies_text(&source.snapshot),
            links_text(&source.snapshot),
            entities_text(&source.snapshot, principal.as_ref())?,
        ];
        let failed = |path: &PathBuf, error: &std::io::Error| {
            Trouble::Failed(format!("{} cannot be written: {error}", path.display()))
        };
        fs::create_dir_all(&self.out).map_err(|error| failed(&self.out, &error))?;
        for (file, text) in FILES.iter().zip(texts) {
            let path = self.out.join(file);
            fs::write(&path, text).map_err(|error| failed(&path, &error))?;
        }
        Ok(principal)
    }
}

const FILES: [&str; 4] = ["schema.cedarschema", "policies.cedar", "links.json", "entities.json"];

/// Every policy and template as written, each under the id that answers give it.
fn policies_text(snapshot: &Snapshot) -> String {
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

fn links_text(snapshot: &Snapshot) -> String {
    let policies = &snapshot.policies;
    let odd = policies.written.iter().map(|written| written.policy.clone());
    let usual = policies.links.iter().filter_map(|link| policies.link_policy(link));
    let mut links: Vec<(String, Value)> = odd
        .chain(usual)
        .map(Policy::from)
        .filter_map(|policy| {
            let values = policy.template_links()?;
            let args: serde_json::Map<_, _> =
                values.into_iter().map(|(slot, uid)| (slot.to_string(), Value::from(uid.to_string()))).collect();
            let (template, id) = (exact(policy.template_id()?), exact(policy.id()));
            let link = json!({"template_id": template, "link_id": id, "args": args});
            Some((id.to_owned(), link))
        })
        .collect();
    links.sort_by(|left, right| left.0.cmp(&right.0));
    let lines: Vec<_> = links.into_iter().map(|(_, link)| link.to_string()).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

fn entities_text(snapshot: &Snapshot, principal: Option<&Entity>) -> Result<String, Faults> {
    let failed = |error: &dyn std::fmt::Display| Faults::from(Fault::of_file("entities.json", error.to_string()));
    let others = snapshot.entities.iter().filter(|entity| principal.is_none_or(|own| own.uid() != entity.uid()));
    let all = others.chain(principal.cloned());
    let entities = Entities::from_entities(all, None).map_err(|error| failed(&error))?;
    let mut bytes = Vec::new();
    entities.write_to_json(&mut bytes).map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}
