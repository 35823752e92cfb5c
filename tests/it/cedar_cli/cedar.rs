//! The official `cedar`: what it is given, and its answer read back from what it prints.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cedargate::vocabulary::read_uid;
use serde_json::Value;

/// Where it is.
pub struct Cedar(pub PathBuf);

/// A decision with the ids of its determining policies, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub decision: String,
    pub policies: Vec<String>,
}

impl Answer {
    /// With ids as `cedar` prints them: escaped.
    pub fn printed(&self) -> Self {
        let mut policies: Vec<_> = self.policies.iter().map(|id| id.escape_debug().to_string()).collect();
        policies.sort();
        Self { decision: self.decision.clone(), policies }
    }
}

impl Cedar {
    /// `cedar validate`: the policies fit the schema.
    pub fn validate(&self, exported: &Path) {
        let output = self.command("validate", exported).output().expect("cedar runs");
        assert!(output.status.success(), "cedar validate: {}", everything(&output));
    }

    /// `cedar authorize --verbose` over an export, which also checks entities and request against the schema.
    pub fn authorize(&self, exported: &Path, principal: &str, request: &Value) -> Answer {
        let mut command = self.command("authorize", exported);
        command.arg("--verbose").arg("--entities").arg(exported.join("entities.json"));
        command.args(["--principal", principal]);
        command.args(["--action", &format!("Action::\"{}\"", request["action"].as_str().unwrap())]);
        // `cedar` takes an entity only as it prints it itself.
        let resource = read_uid(request["resource"].as_str().unwrap()).unwrap();
        command.args(["--resource", &resource.to_string()]);
        if let Some(context) = request.get("context") {
            let file = exported.join("context.json");
            fs::write(&file, context.to_string()).unwrap();
            command.arg("--context").arg(file);
        }
        let output = command.output().expect("cedar runs");
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        read(&text).unwrap_or_else(|| panic!("cedar authorize, {request}: {}", everything(&output)))
    }

    fn command(&self, verb: &str, exported: &Path) -> Command {
        let mut command = Command::new(&self.0);
        command.arg(verb).args(["--error-format", "plain"]);
        command.arg("--schema").arg(exported.join("schema.cedarschema"));
        command.arg("--policies").arg(exported.join("policies.cedar"));
        command.arg("--template-linked").arg(exported.join("links.json"));
        command
    }
}

/// `ALLOW` or `DENY`; then, after a note, either the ids indented by two spaces or that there are none.
/// Anything else, such as an error in a policy, is no answer.
fn read(text: &str) -> Option<Answer> {
    let (decision, rest) = text.trim_start().split_once("\n\n")?;
    let decision = match decision {
        "ALLOW" => "allow",
        "DENY" => "deny",
        _ => return None,
    };
    let rest = rest.trim_end();
    let mut policies: Vec<_> = if rest == "note: no policies applied to this request" {
        Vec::new()
    } else {
        let listed = rest.strip_prefix("note: this decision was due to the following policies:\n  ")?;
        listed.split("\n  ").map(str::to_owned).collect()
    };
    policies.sort();
    Some(Answer { decision: decision.to_owned(), policies })
}

fn everything(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
