//! Our own command line: `export` and `authorize` of tenant `acme`, of the binary that was built for this test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::cedar::Answer;

/// `cedargate` over a tree.
pub struct Cedargate {
    tree: PathBuf,
}

/// Who a request is about.
#[derive(Clone, Debug, PartialEq)]
pub enum About {
    Named(String),
    Claims { provider: String, claims: Value },
}

impl About {
    pub fn of(request: &Value) -> Self {
        match request.get("principal") {
            Some(principal) => Self::Named(principal.as_str().unwrap().to_owned()),
            None => Self::Claims {
                provider: request["provider"].as_str().unwrap().to_owned(),
                claims: request["claims"].clone(),
            },
        }
    }

    /// The flags that say so; claims go to a file.
    fn flags(&self, command: &mut Command, named_with: Option<&str>) -> Option<tempfile::NamedTempFile> {
        match self {
            Self::Named(principal) => {
                if let Some(flag) = named_with {
                    command.args([flag, principal]);
                }
                None
            }
            Self::Claims { provider, claims } => {
                let file = tempfile::NamedTempFile::new().unwrap();
                fs::write(&file, claims.to_string()).unwrap();
                command.arg("--claims").arg(file.path()).args(["--provider", provider]);
                Some(file)
            }
        }
    }
}

impl Cedargate {
    pub fn over(tree: &Path) -> Self {
        Self { tree: tree.to_owned() }
    }

    /// Writes the four files, with the principal that claims make.
    pub fn export(&self, about: &About, out: &Path) {
        let mut command = self.command("export");
        let _file = about.flags(&mut command, None);
        let output = command.arg("--out").arg(out).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", everything(&output));
    }

    /// The principal, and the answer.
    pub fn authorize(&self, about: &About, request: &Value) -> (String, Answer) {
        let mut command = self.command("authorize");
        let _file = about.flags(&mut command, Some("--principal"));
        command.args(["--action", request["action"].as_str().unwrap()]);
        command.args(["--resource", request["resource"].as_str().unwrap()]);
        if let Some(context) = request.get("context") {
            command.args(["--context", &context.to_string()]);
        }
        let output = command.output().unwrap();
        let reply: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", everything(&output)));
        let decision = reply["decision"].as_str().unwrap_or_else(|| panic!("{request}: {reply}")).to_owned();
        assert_eq!(output.status.code(), Some(if decision == "allow" { 0 } else { 2 }));
        let mut policies: Vec<_> = reply["policies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|policy| policy["id"].as_str().unwrap().to_owned())
            .collect();
        policies.sort();
        assert_eq!(reply["errors"], serde_json::json!([]), "{request}");
        (reply["principal"].as_str().unwrap().to_owned(), Answer { decision, policies })
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cedargate"));
        command.arg(verb).args(["--tenant", "acme", "--json"]);
        command.arg("--policies").arg(self.tree.join("policies"));
        command.arg("--schema").arg(self.tree.join("schema"));
        command
    }
}

fn everything(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
