//! `export`: a tenant as the four files that the official `cedar` command line takes. Both must answer alike.

use std::fs;
use std::path::PathBuf;

use cedar_policy::Entity;
use clap::Args;
use serde_json::json;

use super::report::Trouble;
use super::source::Source;
use super::{Common, Ending, report};
use crate::model::{Fault, Faults};
use crate::principal::resolve;
use crate::snapshot::{entities_text, links_text, policies_text};

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
