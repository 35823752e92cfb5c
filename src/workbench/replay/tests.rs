//! Logs as text, over a tenant in memory: what is counted, and that threads and batches change none of it.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::inputs::Source;
use super::*;
use crate::assemble::test_tenant::TestTenant;
use crate::decide::{Change, Decider};

const SCHEMA: &str = "entity Doc in [Tenant] = { owner?: String };\n\
    action read, write appliesTo { principal: [User, ExternalSubject], resource: Doc, context: { hour?: Long } };\n";

fn tenants(policies: &str) -> BTreeMap<TenantId, Snapshot> {
    let snapshot = TestTenant::over(SCHEMA).policy("own.cedar", policies).snapshot().unwrap();
    BTreeMap::from([(TenantId::parse("acme").unwrap(), snapshot)])
}

fn record(number: u64, principal: &Value, action: &str, context: &Value) -> String {
    let time = "2026-01-09T10:00:00.000000Z";
    let resource = json!({"type": "Doc", "id": format!("d{}", number % 7), "attributes": {}, "parents": []});
    json!({
        "time": time, "decision_id": format!("{number:026}"), "tenant": "acme", "principal": principal,
        "request": {"action": action, "resource": resource, "context": context},
        "decision": "deny", "reason": "not_permitted", "policies": [],
    })
    .to_string()
}

fn user(name: &str) -> Value {
    json!({"uid": format!("User::\"{name}\""), "attributes": {}, "parents": [{"type": "Tenant", "id": "acme"}], "tags": {}})
}

/// A log of so many lines, of a hundred people, some lines of which are none.
fn log(dir: &Path, lines: u64) -> Input {
    let line = |number: u64| match number % 50 {
        17 => "nonsense".to_owned(),
        18 => record(number, &user("ann"), "fly", &Value::Null),
        _ => {
            let action = if number.is_multiple_of(3) { "write" } else { "read" };
            record(number, &user(&format!("user{}", number % 101)), action, &json!({"hour": number % 24}))
        }
    };
    let path = dir.join("log");
    fs::write(&path, (0..lines).map(|number| line(number) + "\n").collect::<String>()).unwrap();
    Input::File(path)
}

fn replay(workers: usize) -> Replay {
    Replay {
        decider: Decider::default(),
        principals: PrincipalsFrom::Log,
        tenant: None,
        is_strict: false,
        examples: 5,
        workers,
    }
}

#[test]
fn the_report_is_the_same_whatever_the_number_of_threads() {
    let dir = TempDir::new().unwrap();
    let logs = [log(dir.path(), 6000)];
    let size = fs::metadata(dir.path().join("log")).unwrap().len();
    let tenants = tenants(
        "permit (principal, action == Action::\"read\", resource) when { context has hour && context.hour < 12 };\n\
         permit (principal == User::\"user7\", action, resource == Doc::\"d3\");\n",
    );
    let mut progress = Vec::new();
    let alone = replay(1).run(&logs, &tenants, |now| progress.push(now)).unwrap();
    assert_eq!((alone.lines, alone.decided), (6000, 5760));
    assert_eq!(alone.same + alone.newly_allowed, alone.decided);
    assert!(alone.newly_allowed > 1000, "{alone:?}");
    assert!(progress.len() > 3, "several batches: {progress:?}");
    let last = progress.last().unwrap();
    assert_eq!((last.lines, last.bytes, last.all_bytes), (6000, size, Some(size)));
    let kinds: Vec<_> = alone.not_decided.iter().map(|found| (found.kind, found.count, found.examples.len())).collect();
    assert_eq!(kinds, [("not-json", 120, 5), ("unknown-action", 120, 5)]);
    assert_eq!(alone.not_decided[0].examples[0].line, 18);
    let (first, second) = (&alone.differences[0], &alone.differences[1]);
    assert!(first.count > second.count, "the largest first");
    assert_eq!(first.kind.change, Change::NewlyAllowed);
    assert_eq!(first.kind.policies_now, ["own.cedar#0"]);
    // The first such line of the log, not the first that a thread came to.
    assert_eq!(first.example.line, 2, "{first:?}");
    assert_eq!(first.example.now.policies[0].source.as_deref(), Some("policies/acme/own.cedar:1"));
    for workers in [2, 5] {
        assert_eq!(replay(workers).run(&logs, &tenants, |_| {}).unwrap(), alone, "{workers} workers");
    }
}

#[test]
fn batches_are_whole_lines_in_order_and_a_line_too_long_is_passed_over() {
    let dir = TempDir::new().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let long = "x".repeat(17 * 1024 * 1024);
    fs::write(&one, format!("first\n{long}\nthird")).unwrap();
    fs::write(&two, "other\n".repeat(100_000)).unwrap();
    let inputs = [Input::File(one.clone()), Input::File(two)];
    let mut source = Source::open(&inputs).unwrap();
    let all = source.all_bytes().unwrap();
    let (mut lines, mut bytes, mut number) = (Vec::new(), 0, 0);
    while let Some(batch) = source.next_batch().unwrap() {
        assert_eq!(batch.number, number);
        number += 1;
        bytes += batch.bytes;
        let whole = batch.text.strip_suffix(b"\n").unwrap_or(&batch.text);
        for (line, text) in (batch.first_line..).zip(whole.split(|byte| *byte == b'\n')) {
            let text = String::from_utf8(text.to_vec()).unwrap();
            lines.push((batch.input, line, if batch.too_long.contains(&line) { "too long".to_owned() } else { text }));
        }
    }
    assert_eq!(bytes, all);
    let line = |input, number, text: &str| (input, number, text.to_owned());
    assert_eq!(lines[..4], [line(0, 1, "first"), line(0, 2, "too long"), line(0, 3, "third"), line(1, 1, "other")]);
    assert_eq!(lines.last().unwrap(), &line(1, 100_000, "other"));
    assert_eq!(lines.len(), 100_003);

    let report = replay(2).run(&inputs[..1], &tenants(""), |_| {}).unwrap();
    let kinds: Vec<_> = report.not_decided.iter().map(|found| (found.kind, found.examples[0].line)).collect();
    assert_eq!(kinds, [("not-json", 1), ("too-long", 2)]);
    assert!(report.is_invalid());
}

#[test]
fn what_cannot_be_opened_is_told_before_anything_is_read() {
    let dir = TempDir::new().unwrap();
    let good = log(dir.path(), 10);
    for (bad, message) in [(dir.path().join("gone"), "cannot be read"), (dir.path().to_owned(), "is a folder")] {
        let mut seen = 0;
        let fault = replay(1).run(&[good.clone(), Input::File(bad)], &tenants(""), |_| seen += 1).unwrap_err();
        assert!(fault.message.contains(message), "{fault}");
        assert_eq!(seen, 0);
    }
}

#[test]
fn someone_whom_nobody_knew_is_decided_as_nobody_knew_them() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("log");
    fs::write(&path, record(1, &json!({"uid": "User::\"bob\""}), "read", &Value::Null)).unwrap();
    let known =
        "[{\"uid\": {\"type\": \"User\", \"id\": \"bob\"}, \"attrs\": {\"email\": \"bob@acme.com\"}, \"parents\": []}]";
    let policy = "permit (principal, action, resource) when { principal has email };\n";
    let tenant = TestTenant::over(SCHEMA).policy("own.cedar", policy).entities("bob.entities.json", known);
    let tenants = BTreeMap::from([(TenantId::parse("acme").unwrap(), tenant.snapshot().unwrap())]);
    let as_logged = replay(1).run(&[Input::File(path.clone())], &tenants, |_| {}).unwrap();
    assert_eq!((as_logged.same, as_logged.newly_allowed), (1, 0));
    let now = Replay { principals: PrincipalsFrom::Directory, ..replay(1) };
    let now = now.run(&[Input::File(path)], &tenants, |_| {}).unwrap();
    assert_eq!((now.same, now.newly_allowed), (0, 1));
}

#[test]
fn a_masked_value_counts_only_where_a_policy_of_the_request_reads_it() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("log");
    let masked = json!({
        "uid": "User::\"ann\"", "attributes": {"email": "***"},
        "parents": [{"type": "Tenant", "id": "acme"}], "tags": {"level": "***"},
    });
    let lines = ["read", "write"].map(|action| record(1, &masked, action, &Value::Null) + "\n");
    fs::write(&path, lines.concat()).unwrap();
    let decided = |policy: &str| {
        let report = replay(1).run(&[Input::File(path.clone())], &tenants(policy), |_| {}).unwrap();
        assert_eq!(report.masked, 2);
        let masked = report.not_decided.iter().find(|found| found.kind == "masked").map_or(0, |found| found.count);
        (report.decided, masked)
    };
    let of = |scope: &str, condition: &str| format!("permit (principal, {scope}, resource) when {{ {condition} }};\n");
    assert_eq!(decided(&of("action", "resource has owner")), (2, 0));
    assert_eq!(decided(&of("action", "principal has email")), (0, 2));
    assert_eq!(decided(&of("action", "principal has claims.email || resource has owner")), (0, 2));
    assert_eq!(decided(&of("action == Action::\"write\"", "principal has email")), (1, 1));
    assert_eq!(decided(&of("action", "principal.hasTag(\"level\")")), (0, 2));
    assert_eq!(decided(&of("action", "principal.hasTag(\"other\")")), (2, 0));
    let computed = "resource has owner && principal.hasTag(resource.owner)";
    assert_eq!(decided(&of("action", computed)), (0, 2), "whatever the tag's name will be");
}
