//! The promises of the design, each a test by its own sentence.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::{Authorizer, Context, Entities, EntityUid, Request};
use serde_json::{Value, json};

use crate::isolation::TwoTenants;
use crate::support::server::{CALLER_KEY, issuers};
use crate::support::{TestServer, TestTree, eventually};

const RESOURCES: &str = "policies/acme/manifests/resources.yaml";
const VIEWER: &str = "  - {subject: team:ml, role: viewer}\n";
const USER: &str = "  - {subject: team:ml, role: user}\n";

#[tokio::test(flavor = "multi_thread")]
async fn one_request_sees_one_generation() {
    let server = TestServer::start().await;
    let question = json!({"action": "invokeModel", "resource": "Model::\"gpt-4o\""});
    let batch = json!({"token": server.jane(), "requests": vec![question; 50]});
    let seen: Arc<std::sync::Mutex<BTreeMap<String, Value>>> = Arc::default();
    // What the manifest is changed to once a generation was seen; nothing after the third.
    for change in [Some((VIEWER, USER)), Some((USER, "")), None] {
        let before = seen.lock().unwrap().len();
        eventually("another generation answers", || async {
            let reply = server.post("/authorize/batch", batch.clone()).await;
            assert_eq!(reply.status, 200, "{}", reply.body);
            let results = reply.body["results"].as_array().unwrap();
            let part =
                |result: &Value| (result["generation"].clone(), result["revision"].clone(), result["decision"].clone());
            assert!(results.iter().all(|result| part(result) == part(&results[0])), "a torn batch");
            let mut seen = seen.lock().unwrap();
            let generation = results[0]["generation"].as_str().unwrap().to_owned();
            let decision = seen.entry(generation).or_insert_with(|| results[0]["decision"].clone());
            assert_eq!(*decision, results[0]["decision"], "one generation decided in two ways");
            seen.len() > before
        })
        .await;
        if let Some((from, to)) = change {
            // The model is the first to have the line.
            server.tree.edit(RESOURCES, |text| text.replacen(from, to, 1));
        }
    }
    assert_eq!(seen.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_bad_bundle_or_file_never_replaces_a_good_snapshot() {
    let server = TestServer::start().await;
    let good = server.ask(&server.jane(), "viewModel", "Model::\"gpt-4o\"").await;
    for (file, text) in [
        ("policies/acme/bad.cedar", "permit ("),
        ("policies/acme/bad.entities.json", "[{\"uid\": 1}]"),
        ("policies/acme/manifests/bad.yaml", "type: team\nname: [\n"),
        ("policies/platform/bad.cedar", "permit (principal, action, resource) when { principal.nonsense };"),
        ("schema/bad.cedarschema", "entity ;"),
    ] {
        server.tree.write(file, text);
        eventually("the fault is seen", || async { server.status("acme").await["last_reload"]["ok"] == false }).await;
        let fault = &server.status("acme").await["last_reload"]["errors"][0];
        assert!(fault["file"].as_str().unwrap().ends_with(file), "{fault}");
        assert!(fault["line"].as_u64().unwrap() > 0 && fault["column"].as_u64().unwrap() > 0, "{fault}");
        let answer = server.ask(&server.jane(), "viewModel", "Model::\"gpt-4o\"").await;
        assert_eq!(answer.body["decision"], "allow", "{file}: {}", answer.body);
        assert_eq!(answer.body["generation"], good.body["generation"], "{file}");
        server.tree.remove(file);
        eventually("it is repaired", || async { server.status("acme").await["last_reload"]["ok"] == true }).await;
    }
}

#[tokio::test]
async fn a_bundle_with_a_wrong_digest_never_replaces_a_good_snapshot() {
    let mut first = TestServer::start().await;
    first.stop().await;
    let TestServer { tree, okta, github, .. } = first;
    // A node that only has the files.
    std::fs::remove_dir_all(tree.policies().join("acme/manifests")).unwrap();
    let server = TestServer::over(tree, okta, github, |_| {}).await;
    let good = server.ask(&server.jane(), "viewModel", "Model::\"gpt-4o\"").await;
    assert_eq!(good.body["decision"], "allow", "{}", good.body);
    server
        .tree
        .edit("policies/acme/compiled/collaborators.json", |text| text.replace("Team::\\\"ml\\\"", "Team::\\\"x\\\""));
    eventually("the fault is seen", || async { server.status("acme").await["last_reload"]["ok"] == false }).await;
    let answer = server.ask(&server.jane(), "viewModel", "Model::\"gpt-4o\"").await;
    assert_eq!(answer.body["generation"], good.body["generation"]);
    assert_eq!(answer.body["decision"], "allow");
}

#[tokio::test]
async fn deny_is_an_answer_and_an_http_error_never_means_allow() {
    let server = TestServer::start().await;
    let denied = server.ask(&server.jane(), "manageModel", "Model::\"gpt-4o\"").await;
    assert_eq!((denied.status, &denied.body["decision"]), (200, &json!("deny")));
    let lee = server.okta.token(json!({"sub": "00u2", "email": "lee@acme.com"}));
    let allowed = json!({"token": lee, "action": "viewModel", "resource": "Model::\"gpt-4o\""});
    assert_eq!(server.post("/authorize", allowed.clone()).await.body["decision"], "allow");
    // Each is a question that would be allowed, with one thing wrong.
    for with in [
        json!({"token": "x"}),
        json!({"token": null}),
        json!({"tenant": "other"}),
        json!({"action": "view"}),
        json!({"context": []}),
        json!({"unknown": 1}),
        json!({"token": null, "principal": "User::\"lee@acme.com\""}),
        json!({"context": {"user_agent": "x".repeat(300 * 1024)}}),
    ] {
        let mut body = allowed.clone();
        body.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        let reply = server.post("/authorize", body.clone()).await;
        assert!((400..500).contains(&reply.status), "{}: {}", reply.status, reply.body);
        assert!(!reply.body.to_string().contains("allow\""), "{}", reply.body);
        let reply = server.post("/authorize/batch", json!({"requests": [allowed, body]})).await;
        if reply.status == 200 {
            let (first, second) = (&reply.body["results"][0], &reply.body["results"][1]);
            assert_eq!(first["decision"], "allow", "{}", reply.body);
            assert!((400..500).contains(&second["error"]["status"].as_u64().unwrap()), "{second}");
            assert!(!second.to_string().contains("allow\""), "{second}");
        } else {
            assert!((400..500).contains(&reply.status), "{}: {}", reply.status, reply.body);
            assert!(!reply.body.to_string().contains("allow\""), "{}", reply.body);
        }
    }
}

#[tokio::test]
async fn equal_directory_state_compiles_to_equal_bytes() {
    let (okta, github) = issuers().await;
    let (plain, shuffled) = (TestTree::sample(&okta, &github), TestTree::sample(&okta, &github));
    // The same documents, backwards and all in one file.
    let mut documents = Vec::new();
    for file in std::fs::read_dir(shuffled.policies().join("acme/manifests")).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        documents.extend(text.split("\n---\n").map(str::to_owned));
        std::fs::remove_file(path).unwrap();
    }
    documents.sort_by(|one, other| other.cmp(one));
    shuffled.write("policies/acme/manifests/everything.yaml", &documents.join("\n---\n"));
    let one = TestServer::over(plain, okta.clone(), github.clone(), |_| {}).await;
    let other = TestServer::over(shuffled, okta, github, |_| {}).await;
    let compiled = |server: &TestServer| -> BTreeMap<String, String> {
        let folder = std::fs::read_dir(server.tree.policies().join("acme/compiled")).unwrap();
        let files = folder.map(|file| file.unwrap().path());
        files
            .map(|path| (path.file_name().unwrap().to_str().unwrap().into(), std::fs::read_to_string(path).unwrap()))
            .collect()
    };
    let (one, other) = (compiled(&one), compiled(&other));
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    assert!(one.len() >= 6, "{:?}", one.keys());
    for (name, text) in &one {
        assert_eq!(text, &other[name], "{name}");
    }
}

#[tokio::test]
async fn the_request_path_performs_no_io_but_the_one_jwks_refresh() {
    let server = TestServer::start().await;
    let answer = server.ask(&server.jane(), "viewModel", "Model::\"gpt-4o\"").await;
    assert_eq!(answer.body["decision"], "allow");
    let fetched = server.okta.served();
    assert!((1..=2).contains(&fetched), "{fetched}");
    for number in 0..200 {
        let token = server.okta.token(json!({"sub": format!("s{number}")}));
        assert_eq!(server.ask(&token, "viewModel", "Model::\"gpt-4o\"").await.status, 200);
    }
    assert_eq!(server.okta.served(), fetched);
    // Neither the issuer nor the folders are needed to decide with what is known.
    server.okta.go_down();
    std::fs::rename(server.tree.policies(), server.tree.path().join("gone")).unwrap();
    let token = server.okta.token(json!({"sub": "00u1", "email": "jane@acme.com", "jti": "new"}));
    let after = server.ask(&token, "viewModel", "Model::\"gpt-4o\"").await;
    assert_eq!((after.status, &after.body["generation"]), (200, &answer.body["generation"]), "{}", after.body);
    assert_eq!(after.body["decision"], "allow");
}

#[tokio::test]
async fn the_sliced_answer_is_cedars_answer() {
    let server = TestServer::start().await;
    let snapshot = server.tenants.get("acme").unwrap().snapshot().unwrap();
    let policies = snapshot.policies.whole_set();
    let everything = Entities::from_entities(snapshot.entities.iter(), None).unwrap();
    let uids: Vec<EntityUid> = snapshot.entities.iter().map(|entity| entity.uid()).collect();
    let of_types = |kinds: &[String]| -> Vec<EntityUid> {
        uids.iter().filter(|uid| kinds.contains(&uid.type_name().to_string())).cloned().collect()
    };
    let mut asked = 0;
    for action in snapshot.schema.schema.actions() {
        let kinds = snapshot.schema.schema.resources_for_action(action).into_iter().flatten();
        let resources = of_types(&kinds.map(ToString::to_string).collect::<Vec<_>>());
        let pairs: Vec<_> = of_types(&["User".into(), "VirtualAccount".into()])
            .into_iter()
            .flat_map(|principal| resources.iter().map(move |resource| (principal.clone(), resource.clone())))
            .filter(|_| action.id().unescaped() != "assume")
            .collect();
        for pairs in pairs.chunks(100) {
            let requests = pairs.iter().map(|(principal, resource)| {
                json!({"principal": principal.to_string(), "action": action.to_string(), "resource": resource.to_string()})
            });
            let body = json!({"requests": requests.collect::<Vec<_>>()});
            let reply = server.post_with("/authorize/batch", body, &[("x-cedargate-key", CALLER_KEY)]).await;
            assert_eq!(reply.status, 200, "{}", reply.body);
            for ((principal, resource), answer) in pairs.iter().zip(reply.body["results"].as_array().unwrap()) {
                let (principal, resource) = (principal.clone(), resource.clone());
                let request = Request::new(principal, action.clone(), resource, Context::empty(), None).unwrap();
                let cedars = Authorizer::new().is_authorized(&request, &policies, &everything);
                let mut policies: Vec<_> = cedars.diagnostics().reason().map(ToString::to_string).collect();
                policies.sort();
                let ours: Vec<_> = answer["policies"].as_array().unwrap().iter().map(|policy| &policy["id"]).collect();
                assert_eq!(answer["decision"], format!("{:?}", cedars.decision()).to_lowercase(), "{request}");
                assert_eq!(json!(ours), json!(policies), "{request}");
                assert_eq!(answer["errors"].as_array().unwrap().len(), cedars.diagnostics().errors().count());
                asked += 1;
            }
        }
    }
    assert!(asked > 200, "{asked}");
}

#[tokio::test]
async fn ids_compare_as_exact_bytes_on_every_path() {
    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    // Upper case, a composed and a decomposed letter, a space at the end: four models, one granted.
    let ids = ["caf\u{e9}", "cafe\u{301}", "CAF\u{c9}", "caf\u{e9} "];
    let mut manifest = String::new();
    for (index, id) in ids.iter().enumerate() {
        manifest += &format!("---\ntype: resource\nresource: \"Model::{id}\"\n");
        if index == 0 {
            manifest += "collaborators: [{subject: user:jane@acme.com, role: viewer}]\n";
        }
    }
    tree.write("policies/acme/manifests/letters.yaml", &manifest);
    let server = TestServer::over(tree, okta, github, |_| {}).await;
    for (index, id) in ids.iter().enumerate() {
        let expected = if index == 0 { "allow" } else { "deny" };
        for resource in [json!({"type": "Model", "id": id}), json!(format!("Model::\"{id}\""))] {
            let body = json!({"token": server.jane(), "action": "viewModel", "resource": resource});
            let answer = server.post("/authorize", body).await;
            assert_eq!(answer.body["decision"], expected, "{id:?}: {}", answer.body);
        }
    }
    // Two subjects that differ only in case are two.
    for subject in ["00u9", "00U9", "00u9 "] {
        let answer = server.ask(&server.okta.token(json!({"sub": subject})), "viewModel", "Model::\"gpt-4o\"").await;
        assert_eq!(answer.body["principal"], format!("ExternalSubject::\"okta|{subject}\""));
    }
}

#[tokio::test]
async fn nothing_of_one_tenant_is_readable_or_effective_in_another() {
    let secret = "---\ntype: resource\nresource: Model::secret\ncollaborators: [{subject: team:ml, role: viewer}]\n";
    let two = TwoTenants::start(|tree| tree.write("policies/acme/manifests/secret.yaml", secret)).await;
    let jane = |issuer: &crate::support::TestIssuer| issuer.token(json!({"sub": "00u1", "email": "jane@acme.com"}));
    let question = |tenant: &str, token: String| json!({"tenant": tenant, "token": token, "action": "viewModel", "resource": "Model::\"secret\"", "explain": true});
    let key = [("x-cedargate-key", crate::support::server::CALLER_KEY)];
    let acme = two.server.post_with("/authorize", question("acme", jane(&two.server.okta)), &key).await;
    assert_eq!(acme.body["decision"], "allow", "{}", acme.body);
    let globex = two.server.post_with("/authorize", question("globex", jane(&two.globex_okta)), &key).await;
    assert_eq!(globex.body["decision"], "deny", "{}", globex.body);
    assert!(!globex.body.to_string().contains("Model/secret"), "{}", globex.body);
    assert!(!globex.body.to_string().contains("policies/acme"), "{}", globex.body);
}

#[tokio::test]
async fn a_revoked_collaborator_loses_access_at_the_revision_that_revoked_it() {
    let server = TestServer::start().await;
    let before = server.ask(&server.jane(), "viewModel", "Model::\"gpt-4o\"").await;
    assert_eq!((&before.body["decision"], &before.body["revision"]), (&json!("allow"), &json!(1)));
    server.tree.edit(RESOURCES, |text| text.replacen(VIEWER, "", 1));
    eventually("the next revision answers", || async {
        let answer = server.ask(&server.jane(), "viewModel", "Model::\"gpt-4o\"").await;
        let revision = answer.body["revision"].as_u64().unwrap();
        assert_eq!(answer.body["decision"], if revision == 1 { "allow" } else { "deny" }, "{}", answer.body);
        revision == 2
    })
    .await;
}
