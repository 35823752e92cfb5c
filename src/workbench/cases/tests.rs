//! Cases over a small tree: what passes, what fails and says why, and what cannot be run.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::authn::mint::{SigningKey, jwks};
use crate::model::SigningAlgorithm;

/// The sample's tree in a folder of its own, with these case files.
fn run_files(files: &[(&str, &str)]) -> Result<Report, Vec<String>> {
    let dir = TempDir::new().unwrap();
    for (name, text) in crate::demo::sample_files().filter(|(name, _)| !name.contains("/cases/")) {
        write(&dir, name, text);
    }
    for (name, text) in files {
        write(&dir, &format!("policies/acme/cases/{name}"), text);
    }
    let runner = Runner { covers: true, ..Runner::over(dir.path().join("policies"), dir.path().join("schema")) };
    let base = format!("{}/policies/acme/cases/", dir.path().display());
    let told = |fault: &crate::model::Fault| fault.to_string().replace(&base, "");
    let report = runner.run(&Selection::default(), now());
    report.map_err(|faults| faults.0.iter().map(told).collect())
}

fn write(dir: &TempDir, name: &str, text: &str) {
    let path = dir.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn run(text: &str) -> Result<Report, Vec<String>> {
    run_files(&[("test.yaml", text)])
}

fn now() -> DateTime<Utc> {
    "2026-11-01T12:00:00Z".parse().unwrap()
}

/// How each case ended.
fn outcomes(report: &Report) -> Vec<(String, bool)> {
    report.cases().map(|case| (case.name.clone(), case.ok)).collect()
}

/// What differs in the only case of each of these files, in one run.
#[track_caller]
fn assert_differences(expected: &[(String, Vec<Difference>)]) {
    let names: Vec<_> = (0..expected.len()).map(|number| format!("{number:02}.yaml")).collect();
    let files: Vec<_> = names.iter().zip(expected).map(|(name, (text, _))| (name.as_str(), text.as_str())).collect();
    let report = run_files(&files).unwrap();
    assert_eq!(report.cases().count(), expected.len());
    for (case, (text, expected)) in report.cases().zip(expected) {
        let found = case.failure.as_ref().map(|failure| failure.differences.clone()).unwrap_or_default();
        assert_eq!(found, *expected, "{text}");
    }
}

fn set<const N: usize>(ids: [&str; N]) -> std::collections::BTreeSet<String> {
    ids.into_iter().map(str::to_owned).collect()
}

fn word(of: &'static str, expected: &str, got: &str) -> Difference {
    Difference::Word { of, expected: expected.into(), got: got.into() }
}

/// One case with these members.
fn case(members: &str) -> String {
    format!(
        "type: cases\nprincipals:\n  jane: User::jane@acme.com\n  partner: {{provider: okta, claims: {{sub: p1, \
         department: engineering, realm_access: {{roles: [partner]}}}}}}\ncases:\n  - {members}\n"
    )
}

#[test]
fn every_part_of_an_answer_is_compared() {
    let night = "time: 2026-11-01T23:00:00Z";
    let cases = [
        ("{principal: jane, action: viewModel, resource: Model::gpt-4o, expect: allow}".to_owned(), vec![]),
        (
            "{principal: jane, action: viewModel, resource: Model::gpt-4o, expect: deny}".to_owned(),
            vec![word("decision", "deny", "allow")],
        ),
        (
            format!(
                "{{principal: partner, action: invokeModel, resource: Model::gpt-4o, context: {{{night}}}, expect: \
                 {{decision: allow, reason: permitted, policies: [a, b], external_identities: [everyone, c], errors: \
                 [d]}}}}"
            ),
            vec![
                word("decision", "allow", "deny"),
                word("reason", "permitted", "forbidden"),
                Difference::Set {
                    of: "policies",
                    missing: set(["a", "b"]),
                    unexpected: set(["acme/gold-models-at-night"]),
                },
                Difference::Set {
                    of: "external_identities",
                    missing: set(["c"]),
                    unexpected: set(["partner-integration"]),
                },
                Difference::Set { of: "errors", missing: set(["d"]), unexpected: set([]) },
            ],
        ),
        (
            format!(
                "{{principal: partner, action: invokeModel, resource: Model::gpt-4o, context: {{{night}}}, expect: \
                 {{reason: forbidden, policies: [acme/gold-models-at-night], errors: [], external_identities: \
                 [partner-integration, everyone]}}}}"
            ),
            vec![],
        ),
    ];
    assert_differences(&cases.map(|(members, expected)| (case(&members), expected)));
}

#[test]
fn entities_stand_in_for_the_directorys_and_those_of_a_case_for_those_of_its_suite() {
    let text = "
type: cases
entities: [{uid: {type: Model, id: gpt-4o}, attrs: {tier: silver}}]
cases:
  - name: as the suite says, nobody's
    principal: VirtualAccount::ci
    action: invokeModel
    resource: Model::gpt-4o
    context: {tokens_requested: 999999}
    expect: {decision: allow}
  - name: as the case says
    principal: VirtualAccount::ci
    action: invokeModel
    resource: Model::gpt-4o
    context: {tokens_requested: 11}
    entities: [{uid: {type: Model, id: gpt-4o}, attrs: {max_tokens: 10}}]
    expect: {decision: deny, policies: [acme/token-budget]}
  - name: as a counterexample of the search is printed
    principal: ExternalSubject::\"x\"
    action: viewModel
    resource: Model::\"m\"
    context: {}
    entities: [{uid: {type: ExternalSubject, id: x}, attrs: {provider: {__entity: {type: IdentityProvider, id: \
                okta}}, subject: s}, parents: [{type: Team, id: ml}]}, {uid: {type: Model, id: m}, attrs: {}, \
                parents: [{type: ModelProvider, id: in-house}]}]
    expect: allow
";
    let report = run(text).unwrap();
    assert!(report.is_ok(), "{report}");
    assert_eq!(report.warnings, []);
}

#[test]
fn a_resource_is_what_the_directory_knows_with_what_the_request_says() {
    let text = "
type: cases
resources:
  new: {type: Model, id: new, attributes: {tier: gold}, parents: [ModelProvider::in-house]}
contexts: {night: {time: 2026-11-01T23:00:00Z}, office: {ip: 10.0.0.1}}
cases:
  - {principal: User::jane@acme.com, action: invokeModel, resource: new, expect: allow}
  - {principal: User::jane@acme.com, action: invokeModel, resource: new, context: night, expect: deny}
  - {principal: User::jane@acme.com, action: invokeModel, resource: new, context: [night, office], expect: allow}
  - {principal: User::jane@acme.com, action: invokeModel, resource: new, context: [night, office, {ip: 9.9.9.9}], \
     expect: deny}
";
    let report = run(text).unwrap();
    assert!(report.is_ok(), "{report}");
}

#[test]
fn a_table_is_complete() {
    let table = |allow: &str| {
        format!("type: cases\nmatrices:\n  - name: t\n    actions: [viewModel, invokeModel]\n    allow: {allow}\n")
    };
    let rows = "{User::jane@acme.com: {Model::gpt-4o: viewModel}, User::lee@acme.com: {Model::llama-3-70b: all}}";
    let report = run_files(&[
        ("0.yaml", &table("{User::jane@acme.com: {Model::gpt-4o: [viewModel], Model::llama-3-70b: all}}")),
        // What is not in it is denied.
        ("1.yaml", &table("{User::jane@acme.com: {Model::gpt-4o: [viewModel], Model::llama-3-70b: []}}")),
        // A row without a column is denied there as well.
        ("2.yaml", &table(rows)),
        // Without `actions`, the table is about all that apply.
        ("3.yaml", "type: cases\nmatrices:\n  - allow: {User::lee@acme.com: {Model::gpt-4o: all}}\n"),
    ])
    .unwrap();
    let cases = |suite: usize| report.suites[suite].groups.iter().flat_map(|group| &group.cases);
    let counts = |suite| (cases(suite).count(), cases(suite).filter(|case| !case.ok).count());
    assert_eq!([0, 1, 2, 3].map(counts), [(4, 0), (4, 2), (8, 4), (4, 0)], "{report}");
    let failed: Vec<_> = cases(1).filter(|case| !case.ok).map(|case| case.name.as_str()).collect();
    assert_eq!(
        failed,
        ["User::jane@acme.com viewModel Model::llama-3-70b", "User::jane@acme.com invokeModel Model::llama-3-70b"]
    );
}

#[test]
fn a_list_names_everyone_who_may_and_nobody_else() {
    let list = |members: &str| format!("type: cases\nprincipals: {{lee: User::lee@acme.com}}\nlists:\n  - {members}\n");
    let managers = |only: &str| list(&format!("{{action: manageModel, resource: Model::gpt-4o, only: [{only}]}}"));
    let lists = [
        (managers("lee, User::omar@acme.com"), set([]), set([])),
        (managers("User::lee@acme.com, User::omar@acme.com"), set([]), set([])),
        (managers("lee"), set([]), set(["User::omar@acme.com"])),
        (managers("lee, User::omar@acme.com, VirtualAccount::ci"), set(["VirtualAccount::ci"]), set([])),
        (
            list("{principal: lee, action: manageServer, only: [McpServer::github]}"),
            set([]),
            set(["McpServer::warehouse"]),
        ),
        (
            list("{principal: lee, resource: Model::gpt-4o, only: [viewModel, editModel, invokeModel]}"),
            set([]),
            set(["manageModel"]),
        ),
    ];
    assert_differences(&lists.map(|(text, missing, unexpected)| {
        let is_right = missing.is_empty() && unexpected.is_empty();
        let found = Difference::Set { of: "only", missing, unexpected };
        (text, if is_right { vec![] } else { vec![found] })
    }));
}

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(SigningAlgorithm::ES256, "k").unwrap());

fn token(changes: Value) -> String {
    let mut claims = json!({
        "iss": "https://acme.okta.com", "aud": "api://gateway", "sub": "00u1", "email": "jane@acme.com",
        "iat": now().timestamp(), "exp": now().timestamp() + 600,
    });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    KEY.sign(&claims).unwrap()
}

#[test]
fn a_token_is_judged_by_the_suites_keys_and_at_the_suites_time() {
    let keys = jwks([&*KEY]).to_string();
    let (good, forged) = (token(json!({})), token(json!({"aud": "api://other"})));
    let text = |now: &str, token: &str, expect: &str| {
        format!(
            "type: cases\nkeys: {{okta: keys/jwks.json}}\nnow: {now}\ncases:\n  - {{principal: {{token: {token}}}, \
             action: viewModel, resource: Model::gpt-4o, expect: {expect}}}\n"
        )
    };
    let tokens = [
        ("2026-11-01T12:00:00Z", &good, "allow", vec![]),
        ("2026-11-01T13:00:00Z", &good, "allow", vec![word("token", "allow", "token-expired")]),
        ("2026-11-01T13:00:00Z", &good, "{refused: token-expired}", vec![]),
        ("2026-11-01T12:00:00Z", &good, "{refused: token-expired}", vec![word("token", "token-expired", "accepted")]),
        ("2026-11-01T12:00:00Z", &forged, "deny", vec![word("token", "deny", "token-audience")]),
    ];
    let texts = tokens.clone().map(|(now, token, expect, _)| text(now, token, expect));
    let names = ["0.yaml", "1.yaml", "2.yaml", "3.yaml", "4.yaml"];
    let files = names.into_iter().zip(texts.iter().map(String::as_str)).chain([("keys/jwks.json", keys.as_str())]);
    let report = run_files(&files.collect::<Vec<_>>()).unwrap();
    for (case, (now, _, expect, expected)) in report.cases().zip(tokens) {
        let found = case.failure.as_ref().map(|failure| failure.differences.clone()).unwrap_or_default();
        assert_eq!(found, expected, "{now} {expect}");
    }
}

#[test]
fn what_cannot_be_asked_is_a_fault_with_its_place() {
    let lines = |members: &str| case(&format!("name: x\n    {members}"));
    let one = |changes: &[(&str, &str)]| {
        let mut members = vec![
            ("principal", "jane"),
            ("action", "viewModel"),
            ("resource", "Model::gpt-4o"),
            ("context", "{}"),
            ("expect", "allow"),
        ];
        for (name, value) in changes {
            members.retain(|(other, _)| other != name);
            members.push((name, value));
        }
        let text: Vec<_> = members.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        lines(&text.join("\n    "))
    };
    let wrong = [
        (one(&[("principal", "jnae")]), "test.yaml:11:16: `jnae` is no principal of this suite (jane, partner) and no"),
        (one(&[("principal", "Usr::jane")]), "test.yaml:11:16: the schema has no entity type `Usr`"),
        (one(&[("principal", "{provider: okta}")]), "test.yaml:11:16: say who by `claims` or by `token`"),
        (one(&[("principal", "{claims: {sub: a}}")]), "test.yaml:11:16: claims need their `provider`"),
        (one(&[("principal", "{provider: otka, claims: {sub: a}}")]), "test.yaml:11:27: there is no identity provider"),
        (one(&[("principal", "{provider: okta, claims: {}}")]), "test.yaml:11:41: "),
        (one(&[("action", "veiwModel")]), "test.yaml:11:13: `veiwModel` is not an action of the schema"),
        (one(&[("action", "viewPrompt")]), "test.yaml:6:5: action `viewPrompt` does not apply to a `Model`"),
        (one(&[("resource", "gpt")]), "test.yaml:11:15: `gpt` is no resource of this suite and no entity"),
        (one(&[("context", "{weather: 1}")]), "test.yaml:11:14: the context does not fit the schema"),
        (one(&[("context", "night")]), "test.yaml:11:14: `night` is no context of this suite"),
        (one(&[("expect", "{}")]), "test.yaml:11:13: expects nothing"),
        (one(&[("expect", "{refused: a, decision: deny}")]), "test.yaml:11:13: a refused token has no answer"),
        (one(&[("entities", "[{uid: {type: Modl, id: a}}]")]), "test.yaml:12:16: "),
        ("type: cases\nnow: yesterday\ncases: []\n".to_owned(), "test.yaml:2:6: `yesterday` is not a time"),
        ("type: cases\nkeys: {okta: gone.json}\n".to_owned(), "test.yaml:2:14: `gone.json` cannot be read"),
        (
            "type: cases\nprincipals: {a: {provider: otka, claims: {}}}\n".to_owned(),
            "test.yaml:2:28: there is no identity provider `otka`; there are: github, okta",
        ),
        (
            "type: cases\nlists:\n  - {principal: User::jane@acme.com, only: []}\n".to_owned(),
            "test.yaml:3:5: leave out one of",
        ),
        (
            "type: cases\nlists:\n  - {action: viewModel, resource: Model::a, only: [User::x]}\n".to_owned(),
            "test.yaml:3:52: `User::x` is not among the principals that there are for this action",
        ),
        (
            "type: cases\nmatrices:\n  - {actions: [viewPrompt], allow: {User::a: {Model::a: []}}}\n".to_owned(),
            "`viewPrompt` applies to nothing in this table",
        ),
        (
            "type: cases\nmatrices:\n  - {allow: {User::a: {Model::a: [viewPrompt]}}}\n".to_owned(),
            "test.yaml:3:34: `viewPrompt` is not among the table's actions for this place",
        ),
    ];
    let named: Vec<_> =
        (0..).zip(&wrong).map(|(number, (text, says))| (format!("{number:02}_test.yaml"), text, *says)).collect();
    let files: Vec<_> = named.iter().map(|(name, text, _)| (name.as_str(), text.as_str())).collect();
    let faults = run_files(&files).map(|report| report.to_string()).unwrap_err();
    for (name, text, says) in &named {
        let says = says.replace("test.yaml", name);
        let is_told = |fault: &String| fault.starts_with(name.as_str()) && fault.contains(&says);
        assert!(faults.iter().any(is_told), "{faults:#?} does not say {says}\n{text}");
    }
    assert_eq!(faults.len(), named.len(), "{faults:#?}");
}

#[test]
fn a_suite_without_cases_and_one_of_no_tenant_are_faults() {
    let faults = |text| run(text).map(|report| report.to_string()).unwrap_err();
    assert!(faults("type: cases\n")[0].contains("there are no cases"));
    assert_eq!(faults("type: cases\ntenant: other\n"), ["test.yaml:2:9: there is no tenant `other`"]);
}

#[test]
fn whoever_nobody_knows_is_worth_a_warning() {
    let report =
        run(&case("{principal: User::jnae@acme.com, action: viewModel, resource: Model::gtp-4o, expect: deny}"))
            .unwrap();
    let warnings: Vec<_> = report.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(
        warnings,
        [
            "nobody knows User::\"jnae@acme.com\" (did you mean `User::\"jane@acme.com\"`?)",
            "nobody knows Model::\"gtp-4o\" (did you mean `Model::\"gpt-4o\"`?)"
        ]
    );
}

#[test]
fn a_missed_allow_says_what_was_false_and_a_missed_deny_who_gave_it() {
    let report =
        run(&case("{principal: jane, action: invokeModel, resource: Model::gpt-4o, expect: allow, why: she pays}"))
            .unwrap();
    let text = report.to_string();
    for says in [
        "why it must be so: she pays",
        "decision: expected allow, got deny",
        "jane (User::\"jane@acme.com\") invokeModel Model::\"gpt-4o\"",
        "no permit by collaborator/Model/gpt-4o/user/VirtualAccount/ci at ",
        "false: principal in VirtualAccount::\"ci\"",
        "1 case, 0 passed, 1 failed",
    ] {
        assert!(text.contains(says), "{text} does not say {says}");
    }
    assert!(!text.contains("no forbid"), "{text}");
    let report =
        run(&case("{principal: jane, action: viewModel, resource: Model::gpt-4o, expect: deny}")).unwrap().to_string();
    assert!(report.contains("permit by collaborator/Model/gpt-4o/viewer/Team/ml at "), "{report}");
}

#[test]
fn an_expected_policy_that_did_not_match_says_what_of_it_was_false() {
    let text = run(&case(
        "{principal: partner, action: invokeModel, resource: Model::gpt-4o, context: {tokens_requested: 5}, expect: \
         {policies: [acme/token-budget]}}",
    ))
    .unwrap()
    .to_string();
    assert!(text.contains("no forbid by acme/token-budget at "), "{text}");
    assert!(text.contains("false: context.tokens_requested > resource.max_tokens"), "{text}");
}

#[test]
fn coverage_tells_both_outcomes_of_each_part_that_was_come_to() {
    let text = |context: &str| {
        format!(
            "type: cases\ncases:\n  - {{principal: VirtualAccount::ci, action: invokeModel, resource: Model::gpt-4o, \
             context: {context}, expect: {{errors: []}}}}\n"
        )
    };
    let unexercised = |context: &str| -> Vec<(String, Option<bool>)> {
        let coverage = run(&text(context)).unwrap().coverage.unwrap();
        let budget = coverage.unexercised.into_iter().filter(|thing| thing.id == "acme/token-budget");
        budget.map(|thing| (thing.text.unwrap_or_else(|| "match".to_owned()), thing.never)).collect()
    };
    let (has, limit, more) =
        ("context has tokens_requested", "resource has max_tokens", "context.tokens_requested > resource.max_tokens");
    let told = |list: &[(&str, Option<bool>)]| -> Vec<(String, Option<bool>)> {
        list.iter().map(|(text, never)| ((*text).to_owned(), *never)).collect()
    };
    // What stands after a part that is false was not come to.
    assert_eq!(
        unexercised("{}"),
        told(&[
            ("match", None),
            (has, Some(true)),
            (limit, Some(false)),
            (limit, Some(true)),
            (more, Some(false)),
            (more, Some(true)),
        ])
    );
    assert_eq!(
        unexercised("{tokens_requested: 1}"),
        told(&[("match", None), (has, Some(false)), (limit, Some(false)), (more, Some(true))])
    );
    assert_eq!(
        unexercised("{tokens_requested: 99999}"),
        told(&[(has, Some(false)), (limit, Some(false)), (more, Some(false))])
    );
}

#[test]
fn what_stands_after_an_or_that_is_true_was_not_come_to() {
    let text = "
type: cases
principals: {partner: {provider: okta, claims: {sub: p, department: research, realm_access: {roles: partner}}}}
cases:
  - {principal: partner, action: invokeModel, resource: Model::gpt-4o, context: {time: 2026-11-01T23:00:00Z}, \
     expect: deny}
";
    let coverage = run(text).unwrap().coverage.unwrap();
    let of_hours = coverage.unexercised.iter().filter(|thing| thing.id == "acme/gold-models-at-night");
    let never: Vec<_> = of_hours.map(|thing| (thing.text.as_deref().unwrap(), thing.never.unwrap())).collect();
    let (evening, morning) = ("context.time.toTime() >= duration(\"22h\")", "context.time.toTime() < duration(\"6h\")");
    for expected in [(evening, false), (morning, false), (morning, true)] {
        assert!(never.contains(&expected), "{never:#?}");
    }
    assert!(!never.contains(&(evening, true)), "{never:#?}");
}

#[test]
fn the_official_format_is_read() {
    let text = json!([
        {
            "name": "reads", "decision": "allow", "num_errors": 0,
            "reason": ["collaborator/Model/gpt-4o/viewer/Team/ml"],
            "request": {
                "principal": "User::\"new@acme.com\"", "action": "Action::\"viewModel\"",
                "resource": "Model::\"gpt-4o\"", "context": {},
            },
            "entities": [
                {"uid": {"type": "User", "id": "new@acme.com"}, "attrs": {}, "parents": [{"type": "Team", "id": "ml"}]},
                {"uid": {"type": "Action", "id": "viewModel"}, "attrs": {}, "parents": []},
            ],
        },
        {
            "decision": "deny", "num_errors": 1, "reason": ["a"], "entities": "beside.json",
            "request": {
                "principal": "User::\"jane@acme.com\"", "action": "Action::\"viewModel\"",
                "resource": "Model::\"gpt-4o\"", "context": {},
            },
        },
    ])
    .to_string();
    let report = run_files(&[("official.json", &text), ("beside.json", "[]")]).unwrap();
    assert_eq!(outcomes(&report), [("reads".to_owned(), true), ("case 2".to_owned(), false)], "{report}");
    let failure = report.cases().nth(1).unwrap().failure.clone().unwrap();
    assert_eq!(
        failure.differences,
        [
            word("decision", "deny", "allow"),
            word("errors", "1", "0"),
            Difference::Set { of: "policies", missing: set(["a"]), unexpected: set([]) },
        ]
    );
    let outside = text.replace("beside.json", "../manifests/tenant.yaml");
    let faults = run_files(&[("official.json", &outside)]).map(|report| report.to_string()).unwrap_err();
    assert!(faults[0].contains("is outside of the folder of its cases"), "{faults:?}");
}
