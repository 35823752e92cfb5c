//! `key`: a new caller key, shown once, and the hash that the configuration keeps; or the admin keys of a database.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::database::{failed, open_database};
use super::report::Trouble;
use super::{Common, Ending, report};
use crate::admin::{AdminKeys, FirstKey};
use crate::authn::{hash_key, new_key};
use crate::clock::{Clock, SystemClock};
use crate::directory::{KeptAdminKey, Secrets, SqliteDirectory};
use crate::model::{Fault, did_you_mean};

#[derive(Debug, Args)]
pub(super) struct Key {
    #[command(flatten)]
    common: Common,
    /// A key that may administer every tenant of a database, which keeps its hash; a running server takes it at once
    #[arg(long)]
    admin: bool,
    /// What a new admin key is called [default: admin-1, admin-2, …]
    #[arg(long, value_name = "NAME", requires = "admin")]
    name: Option<String>,
    /// The names of the admin keys
    #[arg(long, requires = "admin", conflicts_with_all = ["name", "revoke"])]
    list: bool,
    /// End an admin key
    #[arg(long, value_name = "NAME", requires = "admin", conflicts_with = "name")]
    revoke: Option<String>,
    /// The database [default: as configured, else `cedargate.db` beside the policies folder]
    #[arg(long, value_name = "FILE", requires = "admin")]
    database: Option<PathBuf>,
}

impl Key {
    pub(super) fn run(self) -> Ending {
        if self.admin { super::in_runtime(self.common.json, self.administer()) } else { self.caller() }
    }

    fn caller(self) -> Ending {
        let key = match new_key("caller") {
            Ok(key) => key,
            Err(error) => return report::failure(self.common.json, &error),
        };
        let hash = hash_key(&key);
        if self.common.json {
            report::say_json(&json!({"key": key, "hash": hash}));
        } else {
            report::say(format!("key:  {key}"));
            report::say(format!("hash: {hash}"));
            report::say("\nThe key is shown this once. In the configuration:\n");
            report::say(format!("[[callers.keys]]\nname = \"gateway\"\nhash = \"{hash}\"\nmay = [\"vouch\"]"));
        }
        Ending::Ok
    }

    async fn administer(self) -> Result<Ending, Trouble> {
        let json = self.common.json;
        let (directory, _) = open_database(&self.common, self.database.as_ref()).await?;
        let known = directory.admin_keys().await.map_err(failed)?;
        let ending = match &self.revoke {
            Some(name) => revoke(json, &directory, &known, name).await,
            None if self.list => {
                list(json, &known);
                Ok(Ending::Ok)
            }
            None => make(json, &directory, &known, self.name).await,
        };
        directory.close().await;
        ending
    }
}

async fn make(
    json: bool,
    directory: &SqliteDirectory,
    known: &[KeptAdminKey],
    name: Option<String>,
) -> Result<Ending, Trouble> {
    let is_taken = |name: &str| known.iter().any(|key| key.name == name);
    let free = || (1..).map(|number: usize| format!("admin-{number}")).find(|name| !is_taken(name));
    let name = name.or_else(free).unwrap_or_default();
    let letters = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.chars().all(letters) {
        let message =
            format!("`{name}` is not a name of a key: use at most {MAX_NAME_BYTES} letters, digits, `-`, `_` and `.`");
        return Err(Trouble::Invalid(Fault::of_file("--name", message).into()));
    }
    if is_taken(&name) {
        let message = format!("there is an admin key `{name}` already: end it with `--revoke {name}`, or name another");
        return Err(Trouble::Invalid(Fault::of_file("--name", message).into()));
    }
    let (FirstKey(key), kept) = AdminKeys::generate(&name).map_err(failed)?;
    directory.add_admin_key(&kept, SystemClock.now()).await.map_err(failed)?;
    if json {
        report::say_json(&json!({"name": name, "admin_key": key}));
    } else {
        report::say(format!("admin key `{name}`, shown this once: {key}"));
    }
    Ok(Ending::Ok)
}

fn list(json: bool, known: &[KeptAdminKey]) {
    if json {
        let keys: Vec<_> = known.iter().map(|key| json!({"name": key.name})).collect();
        report::say_json(&json!({"keys": keys}));
        return;
    }
    known.iter().for_each(|key| report::say(&key.name));
    if known.is_empty() {
        report::say("there is no admin key: `cedargate key --admin` makes one");
    }
}

async fn revoke(
    json: bool,
    directory: &SqliteDirectory,
    known: &[KeptAdminKey],
    name: &str,
) -> Result<Ending, Trouble> {
    if !directory.remove_admin_key(name).await.map_err(failed)? {
        let meant = did_you_mean(name, known.iter().map(|key| key.name.as_str()));
        let message = format!("there is no admin key `{name}`{meant}");
        return Err(Trouble::Invalid(Fault::of_file("--revoke", message).into()));
    }
    if json {
        report::say_json(&json!({"revoked": name}));
    } else {
        report::say(format!("admin key `{name}` is none any more"));
    }
    Ok(Ending::Ok)
}

const MAX_NAME_BYTES: usize = 64;
