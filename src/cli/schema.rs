//! `schema infer`: a schema to begin with, proposed from the policies and entities of a tree that has none.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::report::Trouble;
use super::{Common, Ending, report};
use crate::model::{Fault, Faults};
use crate::schema::{Identity, LoadedSchema, Proposal, infer_schema, load_schema};
use crate::snapshot::{parse_policies, read_policies};
use crate::tree::{SourceFile, read_tree};

#[derive(Debug, Subcommand)]
pub(super) enum Schema {
    /// Propose a schema that the tree's policies and entities fit, with what in it is a guess
    Infer(Infer),
}

#[derive(Debug, Args)]
pub(super) struct Infer {
    #[command(flatten)]
    common: Common,
}

impl Schema {
    pub(super) fn run(self) -> Ending {
        let Self::Infer(infer) = self;
        let as_json = infer.common.json;
        match infer.propose() {
            Ok((proposal, rest)) => {
                if as_json {
                    let Proposal { text, guesses } = proposal;
                    report::say_json(&json!({"ok": true, "schema": text, "guesses": guesses, "faults": rest.0}));
                } else {
                    report::say(proposal.text.trim_end());
                    rest.0.iter().for_each(|fault| report::complain(format!("does not fit it yet: {fault}")));
                }
                Ending::Ok
            }
            Err(trouble) => trouble.end(as_json),
        }
    }
}

impl Infer {
    /// The proposal, and what of the tree does not fit it.
    fn propose(&self) -> Result<(Proposal, Faults), Trouble> {
        let config = self.common.config()?;
        let identity = config.layout.identity;
        let tree = read_tree(&config.layout.dirs);
        let Some(tenants) = &tree.tenants else { return Err(tree.faults.into()) };
        let (mut faults, mut policies, mut entities) = (Faults::default(), Vec::new(), Vec::new());
        let mut files: Vec<&SourceFile> = tree.platform.policies.iter().collect();
        for folder in tenants.values() {
            match folder {
                Ok(folder) => {
                    files.extend(&folder.policies);
                    folder.entities.iter().for_each(|file| read_entities(file, &mut entities, &mut faults));
                }
                Err(found) => faults.extend(found.clone()),
            }
        }
        for file in &files {
            match parse_policies(file) {
                Ok(set) => {
                    let written = set.policies().map(cedar_policy::Policy::to_json);
                    let all = written.chain(set.templates().map(cedar_policy::Template::to_json));
                    policies.extend(all.filter_map(Result::ok));
                }
                Err(found) => faults.extend(found),
            }
        }
        if policies.is_empty() && entities.is_empty() {
            let dir = config.layout.dirs.policies.to_string_lossy().into_owned();
            faults.push(Fault::of_file(dir, "holds no policies and no entities: there is nothing to go by"));
        }
        faults.or(())?;
        let proposal = infer_schema(&policies, &entities, identity).map_err(Trouble::Failed)?;
        let rest = match load(&proposal, identity) {
            Ok(schema) => Faults(files.iter().flat_map(|file| read_policies(file, &schema).2.0).collect()),
            Err(faults) => faults,
        };
        Ok((proposal, rest))
    }
}

fn load(proposal: &Proposal, identity: Identity) -> Result<LoadedSchema, Faults> {
    let name = "proposed.cedarschema".to_owned();
    load_schema(&[SourceFile { relative: name.clone(), name, text: proposal.text.clone() }], identity)
}

fn read_entities(file: &SourceFile, entities: &mut Vec<Value>, faults: &mut Faults) {
    match serde_json::from_str::<Vec<Value>>(&file.text) {
        Ok(found) => entities.extend(found),
        Err(error) => {
            let (line, column) = (error.line().max(1), error.column().max(1));
            faults.push(Fault { file: file.name.clone(), line, column, message: error.to_string() });
        }
    }
}
