//! `key`: a new caller key, shown once, and the hash that the configuration keeps.

use clap::Args;
use serde_json::json;

use super::{Ending, report};
use crate::authn::{hash_key, new_key};

#[derive(Debug, Args)]
pub(super) struct Key {
    #[arg(long)]
    json: bool,
}

impl Key {
    pub(super) fn run(self) -> Ending {
        let key = match new_key("caller") {
            Ok(key) => key,
            Err(error) => return report::failure(self.json, &error),
        };
        let hash = hash_key(&key);
        if self.json {
            report::say_json(&json!({"key": key, "hash": hash}));
        } else {
            report::say(format!("key:  {key}"));
            report::say(format!("hash: {hash}"));
            report::say("\nThe key is shown this once. In the configuration:\n");
            report::say(format!("[[callers.keys]]\nname = \"gateway\"\nhash = \"{hash}\"\nmay = [\"vouch\"]"));
        }
        Ending::Ok
    }
}
