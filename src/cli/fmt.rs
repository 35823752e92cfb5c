//! `fmt`: the Cedar formatter over the tree's hand-written policies.

use std::fs;
use std::path::{Path, PathBuf};

use cedar_policy_formatter::{Config, policies_str_to_pretty};
use clap::Args;
use serde_json::json;
use walkdir::WalkDir;

use super::report::Trouble;
use super::{Common, Ending, report};
use crate::cedar_text::{on_deep_stack, parse_policies};
use crate::model::{Fault, Faults};
use crate::tree::SourceFile;

#[derive(Debug, Args)]
pub(super) struct Fmt {
    #[command(flatten)]
    common: Common,
    /// Only say which files are not formatted
    #[arg(long)]
    check: bool,
    /// Files or folders [default: the policy tree]
    paths: Vec<PathBuf>,
}

impl Fmt {
    pub(super) fn run(self) -> Ending {
        match self.format() {
            Ok(changed) => self.say(&changed),
            Err(trouble) => trouble.end(self.common.json),
        }
    }

    fn say(&self, changed: &[String]) -> Ending {
        if self.common.json {
            report::say_json(&json!({"ok": !self.check || changed.is_empty(), "changed": changed}));
        } else {
            let verb = if self.check { "not formatted" } else { "formatted" };
            changed.iter().for_each(|file| report::say(format!("{verb}: {file}")));
        }
        if self.check && !changed.is_empty() { Ending::Difference } else { Ending::Ok }
    }

    fn format(&self) -> Result<Vec<String>, Trouble> {
        let roots =
            if self.paths.is_empty() { vec![self.common.config()?.layout.dirs.policies] } else { self.paths.clone() };
        let mut changed = Vec::new();
        let mut faults = Faults::default();
        for path in roots.iter().flat_map(|root| policy_files(root)) {
            match self.format_file(&path) {
                Ok(true) => changed.push(path.to_string_lossy().into_owned()),
                Ok(false) => {}
                Err(Trouble::Invalid(found)) => faults.extend(found),
                Err(failed) => return Err(failed),
            }
        }
        Ok(faults.or(changed)?)
    }

    fn format_file(&self, path: &Path) -> Result<bool, Trouble> {
        let name = path.to_string_lossy().into_owned();
        let io = |error: std::io::Error| Trouble::Failed(format!("{name}: {error}"));
        let text = fs::read_to_string(path).map_err(io)?;
        // The formatter says only that a text does not parse; Cedar itself says where.
        let file = SourceFile { name: name.clone(), relative: name.clone(), text };
        parse_policies(&file)?;
        let text = file.text;
        let pretty = on_deep_stack(|| policies_str_to_pretty(&text, &Config::default()))
            .map_err(|error| Faults::from(Fault::of_file(&name, format!("cannot be formatted: {error}"))))?;
        if pretty == text {
            return Ok(false);
        }
        if !self.check {
            fs::write(path, pretty).map_err(io)?;
        }
        Ok(true)
    }
}

/// Hand-written policies below a path; what cedargate compiles is not for people to format.
fn policy_files(root: &Path) -> Vec<PathBuf> {
    let is_compiled = |entry: &walkdir::DirEntry| entry.depth() > 0 && entry.file_name() == crate::bundle::FOLDER;
    WalkDir::new(root)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| !is_compiled(entry))
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file() && entry.path().extension().is_some_and(|end| end == "cedar"))
        .map(walkdir::DirEntry::into_path)
        .collect()
}
