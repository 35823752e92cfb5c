//! What is refused, with its status and slug; and that a refused change changes nothing.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Acme, provider};
use crate::support::AdminClient;

/// Status, slug, method, path and body of what is refused.
const REFUSED: &str = r#"
# Not what is written here.
400 malformed-request POST /users []
400 malformed-request POST /users {}
400 malformed-request POST /users ["a@b.c", true]
400 malformed-request POST /identity-providers {"name": "p", "config": ["https://x/jwks"]}
400 malformed-request POST /identity-providers {"name": "p", "config": {"jwks_uri": "https://x"}, "claims": ["sub"]}
400 malformed-request POST /teams {"name": "t", "identity_provider_mapping": [["okta", "x"]]}
400 malformed-request POST /users {"email": "x"}
400 malformed-request POST /users {"email": "a@b.c", "colour": "red"}
400 malformed-request POST /users {"email": "a@b.c", "active": "yes"}
400 malformed-request POST /users {"email": "a@b.c", "type": "team"}
400 malformed-request POST /users?colour=red {"email": "a@b.c"}
400 malformed-request POST /users?cascade=perhaps {"email": "a@b.c"}
400 malformed-request POST /teams {"name": "a b"}
400 malformed-request PATCH /teams/ml {"members": "jane@acme.com"}
400 malformed-request PATCH /teams/ml {"colour": "red"}
400 malformed-request PATCH /teams/ml {"name": null}
400 malformed-request POST /roles {"name": "r", "resource_type": "Model", "actions": []}
400 malformed-request POST /resources {"resource": "gpt"}
400 malformed-request POST /external-identities {"name": "e", "identity_provider": "okta", "claims": {"a": {}}}
400 malformed-request POST /identity-providers {"name": "p", "config": {"jwks_uri": "ftp://x"}}
400 malformed-request POST /identity-providers {"name": "p", "config": {"jwks_uri": "https://x", "algorithms": ["HS256"]}}
400 malformed-request POST /collaborators {"resource": "Model::gpt-4o", "subject": "jane@acme.com", "role": "viewer"}
400 malformed-request POST /teams/ml/collaborators {"resource": "Model::gpt-4o", "subject": "team:other", "role": "user"}
# It fits neither the schema nor itself.
400 does-not-fit POST /roles {"name": "r", "resource_type": "Nonsense", "actions": ["viewModel"]}
400 does-not-fit POST /roles {"name": "r", "resource_type": "Model", "actions": ["flyModel"]}
400 does-not-fit POST /roles {"name": "r", "resource_type": "Model", "actions": ["callTool"]}
400 does-not-fit POST /resources {"resource": "Nonsense::x"}
400 does-not-fit POST /resources {"resource": "User::jane@acme.com"}
400 does-not-fit POST /resources {"resource": "Tenant::other"}
400 does-not-fit POST /resources {"resource": "Model::x", "attributes": {"tier": 1}}
400 does-not-fit POST /resources {"resource": "Model::x", "attributes": {"colour": "red"}}
400 does-not-fit POST /resources {"resource": "Workspace::x", "parents": ["Model::gpt-4o"]}
# It speaks of what is not there.
400 reference-unknown POST /teams {"name": "t", "members": ["nobody@acme.com"]}
400 reference-unknown POST /teams {"name": "t", "identity_provider_mapping": [{"identity_provider": "none", "value": "x"}]}
400 reference-unknown POST /external-identities {"name": "e", "identity_provider": "none"}
400 reference-unknown POST /resources {"resource": "Model::x", "parents": ["Workspace::none"]}
400 reference-unknown POST /collaborators {"resource": "Model::none", "subject": "team:ml", "role": "viewer"}
400 reference-unknown POST /collaborators {"resource": "Model::gpt-4o", "subject": "team:none", "role": "viewer"}
400 reference-unknown POST /collaborators {"resource": "Model::gpt-4o", "subject": "team:ml", "role": "none"}
400 reference-unknown POST /collaborators {"resource": "Tenant::globex", "subject": "team:ml", "role": "member"}
400 reference-unknown POST /resources/Model::none/collaborators {"subject": "team:ml", "role": "viewer"}
# There is nothing.
404 object-unknown GET /teams/none -
404 object-unknown GET /resources/nonsense -
404 object-unknown DELETE /users/none@acme.com -
404 object-unknown DELETE /users/nonsense -
404 object-unknown PATCH /virtual-accounts/none {}
404 object-unknown DELETE /collaborators/none -
404 not-found GET /nonsense -
405 method-not-allowed DELETE /users -
405 method-not-allowed POST /users/jane@acme.com {}
405 method-not-allowed DELETE /history -
405 method-not-allowed GET /batch -
405 method-not-allowed PUT /collaborators {}
405 method-not-allowed DELETE /users/jane@acme.com/collaborators -
# It is in the way of something.
409 exists POST /users {"email": "JANE@acme.com"}
409 exists POST /teams {"name": "ml"}
409 in-use DELETE /users/jane@acme.com -
409 in-use DELETE /identity-providers/okta -
409 in-use DELETE /resources/Workspace::research -
409 built-in DELETE /roles/Model:viewer -
409 built-in PATCH /roles/Model:viewer {"actions": ["invokeModel"]}
409 built-in PUT /roles/Tenant:admin {"actions": ["viewModel"]}
409 built-in POST /roles {"name": "viewer", "resource_type": "Model", "actions": ["viewModel"]}
# Of many operations, the one that is wrong.
409 exists POST /batch {"operations": [{"create": {"type": "user", "email": "n@acme.com"}},{"create": {"type": "team", "name": "ml"}}]}
404 object-unknown POST /batch {"operations": [{"remove": {"type": "user", "id": "none@acme.com"}}]}
409 mapped-twice POST /batch {"operations": [{"put": {"type": "virtual-account", "name": "a", "identity_provider_mapping": [{"identity_provider": "okta", "value": "x"}]}},{"put": {"type": "virtual-account", "name": "b", "identity_provider_mapping": [{"identity_provider": "okta", "value": "x"}]}}]}
400 malformed-request POST /batch {"operations": [{"create": {"type": "nonsense"}}]}
400 malformed-request POST /batch {"operations": [{"create": {"type": "token", "token_id": "t", "owner": "virtual-account:ci", "hash": "00", "created_at": 0}}]}
400 malformed-request POST /batch {"operations": [{"destroy": {}}]}
400 malformed-request POST /batch {}
"#;

#[tokio::test]
async fn a_change_that_cannot_be_is_refused_and_nothing_happens() {
    let acme = Acme::start().await;
    let head = acme.head().await;
    for line in REFUSED.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let [status, slug, method, path, body] = line.splitn(5, ' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let (status, method) = (status.parse::<u16>().unwrap(), method.parse::<Method>().unwrap());
        let body: Value = if body == "-" { Value::Null } else { serde_json::from_str(body).unwrap() };
        let reply = acme.admin.send(method.clone(), path, Some(body.clone())).await;
        assert_eq!((reply.status, reply.slug()), (status, slug), "{method} {path} {body}: {}", reply.body);
        assert_eq!(reply.header("content-type"), "application/problem+json", "{method} {path}");
        let dry = format!("{path}{}dry_run=true", if path.contains('?') { '&' } else { '?' });
        let dry = acme.admin.send(method.clone(), &dry, Some(body)).await;
        assert_eq!((dry.status, dry.slug()), (status, slug), "{method} {path}: {}", dry.body);
    }
    assert_eq!(acme.head().await, head);
}

#[tokio::test]
async fn a_page_of_nonsense_is_refused() {
    let acme = Acme::start().await;
    let admin = &acme.admin;
    for noun in ["users", "roles", "collaborators", "history", "virtual-accounts/ci/tokens", "teams/ml/collaborators"] {
        for query in ["limit=0", "limit=1001", "limit=-1", "limit=many", "after=x", "after=bm9uc2Vuc2U", "colour=red"] {
            let reply = admin.get(&format!("/{noun}?{query}")).await;
            assert_eq!((reply.status, reply.slug()), (400, "malformed-request"), "{noun} {query}: {}", reply.body);
        }
    }
    for path in [
        "/users?role=viewer",
        "/collaborators?resource=gpt",
        "/collaborators?subject=jane",
        "/history?id=ml",
        "/history?resource=gpt",
        "/history?subject=jane",
        "/history?type=nonsense",
        "/history?type=user&id=x",
    ] {
        admin.get(path).await.is(400, "malformed-request");
    }
}

#[tokio::test]
async fn bytes_that_are_not_json_are_refused() {
    let acme = Acme::start().await;
    let admin = &acme.admin;
    for body in ["", "{", "null", r#"{"email": "a@b.c", "email": "b@b.c"}"#] {
        admin.send_bytes(Method::POST, "/users", Some(body.to_owned())).await.is(400, "malformed-request");
    }
    let twice = r#"{"operations": [{"create": {"type": "user", "email": "a@b.c", "email": "b@b.c"}}]}"#;
    admin.send_bytes(Method::POST, "/batch", Some(twice.to_owned())).await.is(400, "malformed-request");
    let long = json!({"email": "a@b.c", "x": "y".repeat(300 * 1024)}).to_string();
    admin.send_bytes(Method::POST, "/users", Some(long)).await.is(413, "too-large");
}

#[tokio::test]
async fn a_batch_may_be_larger_than_other_bodies_but_not_too_large() {
    let acme = Acme::configured(|raw| raw.http.max_batch_body_bytes = 400 * 1024).await;
    let admin = &acme.admin;
    let users = |count: usize| {
        let user =
            |number: usize| json!({"create": {"type": "user", "email": format!("{number}-{}@x", "y".repeat(200))}});
        json!({"operations": (0..count).map(user).collect::<Vec<_>>()})
    };
    assert!(users(1200).to_string().len() > 256 * 1024);
    admin.post("/batch", users(1200)).await.ok();
    admin.post("/batch", users(2000)).await.is(413, "too-large");
}

#[tokio::test]
async fn one_value_of_a_provider_stands_for_one_virtual_account() {
    let acme = Acme::start().await;
    let admin = &acme.admin;
    let mapping = json!({"identity_provider_mapping": [{"identity_provider": "okta", "value": "ci-client"}]});
    admin.patch("/virtual-accounts/ci", mapping.clone()).await.ok();
    admin.put("/virtual-accounts/deploy", mapping.clone()).await.is(409, "mapped-twice");
    admin.put("/virtual-accounts/ci", mapping).await.ok();
}

#[tokio::test]
async fn nothing_contains_itself() {
    let acme = Acme::start().await;
    let admin = &acme.admin;
    admin.post("/resources", json!({"resource": "Cluster::one"})).await.ok();
    admin.patch("/resources/Workspace::research", json!({"parents": ["Cluster::one"]})).await.ok();
    let circle = json!({"parents": ["Workspace::research"]});
    admin.patch("/resources/Workspace::research", circle).await.is(400, "does-not-fit");
}

#[tokio::test]
async fn a_change_of_what_another_has_changed_is_refused() {
    let acme = Acme::start().await;
    let admin = &acme.admin;
    let seen = admin.get("/teams/ml").await.ok();
    let still = admin.and("if-match", seen.header("etag"));
    // Others may change: it is about this one.
    admin.patch("/users/zoe@acme.com", json!({"active": false})).await.ok();
    let patched = still.patch("/teams/ml", json!({"members": []})).await.ok();
    still.patch("/teams/ml", json!({"members": ["jane@acme.com"]})).await.is(412, "revision-mismatch");
    still.put("/teams/ml", json!({})).await.is(412, "revision-mismatch");
    still.delete("/teams/ml/members/lee@acme.com").await.is(412, "revision-mismatch");
    still.delete("/teams/ml?cascade=true").await.is(412, "revision-mismatch");
    still.delete("/teams/ml?cascade=true&dry_run=true").await.is(412, "revision-mismatch");
    assert_eq!(admin.get("/teams/ml").await.body["revision"], patched.revision());
    for nonsense in ["x", "\"\"", "\"-1\""] {
        admin.and("if-match", nonsense).delete("/teams/ml?cascade=true").await.is(412, "revision-mismatch");
    }
    let user = json!({"operations": [{"create": {"type": "user", "email": "n@acme.com"}}]});
    still.post("/batch", user.clone()).await.is(412, "revision-mismatch");
    admin.and("if-match", patched.header("etag")).post("/batch", user).await.ok();
    admin.and("if-match", &format!("W/{}", patched.header("etag"))).patch("/teams/ml", json!({})).await.ok();
    admin.and("if-match", "*").delete("/teams/ml?cascade=true").await.ok();
}

#[tokio::test]
async fn who_shows_nothing_or_nonsense_is_asked_who_they_are() {
    let acme = Acme::start().await;
    let nobody = AdminClient::nobody(&acme.server, "acme");
    let routes = [
        (Method::GET, "", Value::Null),
        (Method::GET, "/users", Value::Null),
        (Method::GET, "/users/jane@acme.com", Value::Null),
        (Method::GET, "/history", Value::Null),
        (Method::POST, "/users", json!({"email": "n@acme.com"})),
        (Method::PUT, "/teams/ml", json!({})),
        (Method::PATCH, "/teams/ml", json!({"members": []})),
        (Method::PATCH, "/teams/ml", json!({"colour": "red"})),
        (Method::PATCH, "/teams/none", json!({})),
        (Method::DELETE, "/teams/none", Value::Null),
        (Method::POST, "/teams", json!({"name": "ml"})),
        (Method::PUT, "/teams/ml/members/zoe@acme.com", Value::Null),
        (Method::PUT, "/teams/none/members/zoe@acme.com", Value::Null),
        (Method::POST, "/virtual-accounts/ci/tokens", json!({})),
        (Method::DELETE, "/virtual-accounts/ci/tokens/none", Value::Null),
        (Method::POST, "/batch", json!({"operations": []})),
    ];
    let expired = acme.server.okta.token(json!({"sub": "ada", "email": "ada@acme.com", "exp": 1}));
    for (method, path, body) in routes {
        for (who, slug) in [
            (nobody.clone(), "token-missing"),
            (nobody.and("authorization", "Bearer"), "token-missing"),
            (acme.bearer("nonsense"), "token-malformed"),
            (acme.bearer(&expired), "token-expired"),
        ] {
            let reply = who.send(method.clone(), path, Some(body.clone())).await;
            assert_eq!((reply.status, reply.slug()), (401, slug), "{method} {path}: {}", reply.body);
            assert!(reply.header("www-authenticate").starts_with("Bearer"), "{method} {path}");
        }
    }
    nobody.and("authorization", "Basic eDp5").get("/users").await.is(400, "malformed-request");
    AdminClient::with_key(&acme.server, "acme", "cgadmin_wrong").get("/users").await.is(403, "caller-key-unknown");
    let twice = json!({"name": "okta", "config": provider("okta", &acme.server.okta)["config"]});
    acme.admin.post("/identity-providers", twice).await.is(409, "exists");
}

#[tokio::test]
async fn no_second_provider_is_told_to_find_users_by_address() {
    let acme = Acme::start().await;
    let mut second = provider("second", &acme.server.github);
    second["users"] = json!("either");
    let refused = acme.admin.post("/identity-providers", second.clone()).await;
    assert_eq!((refused.status, refused.slug()), (400, "does-not-fit"), "{}", refused.body);
    second["users"] = json!("subject");
    acme.admin.post("/identity-providers", second).await.ok();
    acme.admin.patch("/identity-providers/second", json!({"users": "address"})).await.is(400, "does-not-fit");
    // Both at once: one takes over from the other.
    let operations = [("okta", &acme.server.okta, "subject"), ("second", &acme.server.github, "either")];
    let operations = operations.map(|(name, issuer, users)| {
        let mut document = provider(name, issuer);
        document["users"] = json!(users);
        json!({"put": document})
    });
    let swapped = acme.admin.post("/batch", json!({"operations": operations})).await;
    assert!(swapped.status == 200, "{}", swapped.body);
}

#[tokio::test]
async fn what_the_loader_refuses_is_refused_at_the_door_and_the_tenant_goes_on() {
    let acme = Acme::start().await;
    let admin = &acme.admin;
    let hand = json!([
        {"uid": {"type": "Model", "id": "hand"}, "attrs": {}, "parents": []},
        {"uid": {"type": "Team", "id": "hand"}, "attrs": {}, "parents": []},
        {"uid": {"type": "User", "id": "hand@acme.com"}, "attrs": {"email": "hand@acme.com"}, "parents": []},
    ]);
    acme.server.tree.write("policies/acme/hand.entities.json", &hand.to_string());
    let clash = "@id(\"role/Model/clash\")\npermit (principal, action, resource == Model::\"x\");\n\
                 @id(\"external-identity/clash\")\npermit (principal, action, resource == Model::\"x\");\n\
                 @id(\"clash\")\npermit (principal, action, resource == Model::\"x\");\n";
    super::written(&acme, "clash", clash).await;
    let identity = json!({"name": "clash", "identity_provider": "okta", "claims": {"a": "b"}});
    for (path, body, place) in [
        ("/resources", json!({"resource": "Model::hand"}), "hand.entities.json:1"),
        ("/teams", json!({"name": "hand"}), "hand.entities.json:1"),
        ("/users", json!({"email": "hand@acme.com"}), "hand.entities.json:1"),
        ("/users", json!({"email": "hand@acme.com", "active": false}), "hand.entities.json:1"),
        ("/roles", json!({"name": "clash", "resource_type": "Model", "actions": ["viewModel"]}), "clash.cedar:1"),
        ("/external-identities", identity, "clash.cedar:3"),
    ] {
        let refused = admin.post(path, body.clone()).await;
        refused.is(409, "conflict");
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.contains(place), "{path} {body}: {detail}");
    }
    for body in [
        json!({"resource": "Model::a", "parents": ["Tenant::other"]}),
        json!({"resource": "Model::a", "parents": ["Tenant::acme", "Tenant::other"]}),
        json!({"resource": "Model::a", "attributes": {"tier": 1}}),
        json!({"resource": "Model::a", "attributes": {"unknown": 1}}),
        json!({"resource": "Tenant::other"}),
        json!({"resource": "Model::a", "parents": ["Model::a"]}),
    ] {
        assert_eq!(admin.post("/resources", body.clone()).await.status, 400, "{body}");
        let batch = json!({"operations": [{"create": {"type": "user", "email": "n@acme.com"}}, {"create": {
            "type": "resource", "resource": body["resource"], "parents": body.get("parents").unwrap_or(&json!([])),
            "attributes": body.get("attributes").unwrap_or(&json!({})),
        }}]});
        assert_eq!(admin.post("/batch", batch).await.status, 400, "{body}");
    }
    // The tenant takes changes as before.
    let at = admin.post("/users", json!({"email": "after@acme.com"})).await.ok().revision();
    let answer = acme.vouch("User::\"after@acme.com\"", "viewModel", super::MODEL, at).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn more_than_a_directory_holds_is_refused_with_the_bound() {
    let acme = Acme::start().await;
    let many = |count: usize| -> Vec<String> { (0..count).map(|number| format!("v{number}")).collect() };
    let claims: serde_json::Map<_, _> = many(257).into_iter().map(|path| (path, json!("x"))).collect();
    let identity = |claims: Value| json!({"name": "evil", "identity_provider": "okta", "claims": claims});
    let emails: Vec<_> = (0..100_001).map(|number| format!("u{number}@x.io")).collect();
    for (path, body, bound) in [
        ("/external-identities", identity(Value::Object(claims)), "256 conditions"),
        ("/external-identities", identity(json!({"a": many(1025)})), "1024 values"),
        ("/external-identities", identity(json!({"a": "x".repeat(1025)})), "1024 bytes"),
        ("/external-identities", identity(json!({"a".repeat(1025): "x"})), "1024 bytes"),
        ("/roles", json!({"name": "r", "resource_type": "Model", "actions": many(1025)}), "1024 actions"),
        ("/teams", json!({"name": "t", "members": emails}), "100000"),
        ("/resources", json!({"resource": format!("Model::{}", "x".repeat(1025))}), "1024 bytes"),
    ] {
        let refused = acme.admin.post(path, body).await;
        if refused.status == 413 {
            // Over the bound of a body already.
            continue;
        }
        assert_eq!(refused.status, 400, "{path}: {}", refused.body);
        assert!(refused.body["detail"].as_str().unwrap().contains(bound), "{path}: {}", refused.body);
    }
}
