//! A tenant's `.cedar` file. Within its time and on a small stack it is either refused, each fault with this file and a
//! line, or it serves: then a question is decided, and no policy is given up for being too deep.

use std::sync::LazyLock;

use cedargate::decide::{AccessQuery, ActionName, Decider, ResourceQuery};
use cedargate::model::EntityRef;
use cedargate::principal::Principal;
use cedargate::snapshot::Snapshot;
use cedargate::tree::PolicyFolder;
use serde_json::json;

use super::ground::{GROUND, file, on_small_thread};

pub fn policy_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    LazyLock::force(&BEFORE);
    on_small_thread(move || judge(text));
}

fn judge(text: String) {
    let file = file("guardrails/fuzz.cedar", text);
    let folder = PolicyFolder { policies: vec![file.clone()], ..PolicyFolder::default() };
    match GROUND.assemble(&folder, Some(&BEFORE)) {
        Ok(assembled) => decides(&assembled.snapshot),
        Err(faults) => {
            assert!(!faults.0.is_empty(), "refused without a fault");
            for fault in &faults.0 {
                assert!(fault.file == file.name && fault.line > 0, "a fault without its place: {fault}");
                assert!(!fault.message.contains('\n'), "a fault of several lines: {fault}");
            }
        }
    }
}

fn decides(snapshot: &Snapshot) {
    let jane = Principal::named(r#"User::"jane@acme.com""#.parse().unwrap());
    for (action, explain) in [("viewModel", false), ("invokeModel", true)] {
        let query = AccessQuery {
            action: ActionName(action.into()),
            resource: ResourceQuery::named(EntityRef::new("Model", "gpt-4o")),
            context: Some(json!({"ip": {"__extn": {"fn": "ip", "arg": "10.0.0.1"}}})),
            explain,
        };
        let answer = Decider::default().decide(snapshot, &jane, &query).unwrap();
        let deep = answer.errors.iter().find(|error| error.message.contains("recursion"));
        assert!(deep.is_none(), "a policy that serves is too deep to decide: {deep:?}");
    }
}

/// What serves before: the platform's files are shared with it.
static BEFORE: LazyLock<Snapshot> = LazyLock::new(|| GROUND.assemble(&PolicyFolder::default(), None).unwrap().snapshot);
