//! What a request may say of its resource: attributes win, parents add, and nothing changes the principal.

use serde_json::{Value, json};

use super::{ask_keyed, assert_problem};
use crate::support::{Reply, TestServer};

async fn invoke(server: &TestServer, resource: Value, context: Value) -> Reply {
    let question =
        json!({"token": server.partner(), "action": "invokeModel", "resource": resource, "context": context});
    ask_keyed(server, question).await
}

#[tokio::test]
async fn attributes_of_the_request_win_over_the_directorys() {
    let server = TestServer::start().await;
    let context = json!({"tokens_requested": 100});
    let plain = invoke(&server, json!({"type": "Model", "id": "gpt-4o"}), context.clone()).await;
    assert_eq!(plain.body["decision"], "allow");
    let small = json!({"type": "Model", "id": "gpt-4o", "attributes": {"max_tokens": 10}});
    let small = invoke(&server, small, context).await;
    assert_eq!(small.body["policies"][0]["id"], "acme/token-budget");
    // What the request does not name stays what it was.
    let renamed = json!({"type": "Model", "id": "gpt-4o", "attributes": {"family": "other"}});
    let renamed = invoke(&server, renamed, json!({"tokens_requested": 20000})).await;
    assert_eq!(renamed.body["policies"][0]["id"], "acme/token-budget");
}

#[tokio::test]
async fn a_description_is_of_one_request_only() {
    let server = TestServer::start().await;
    let small = json!({"type": "Model", "id": "gpt-4o", "attributes": {"max_tokens": 10}});
    let context = json!({"tokens_requested": 100});
    assert_eq!(invoke(&server, small, context.clone()).await.body["decision"], "deny");
    assert_eq!(invoke(&server, json!("Model::\"gpt-4o\""), context).await.body["decision"], "allow");
}

#[tokio::test]
async fn parents_of_the_request_add_to_the_directorys() {
    let server = TestServer::start().await;
    let omar = server.okta.token(json!({"sub": "00u3", "email": "omar@acme.com"}));
    let embeddings = |parents: Value| json!({"type": "Model", "id": "embeddings", "parents": parents});
    let ask = async |token: &str, action: &str, parents| {
        ask_keyed(&server, json!({"token": token, "action": action, "resource": embeddings(parents)})).await
    };
    // Omar manages the cluster that the workspace is on.
    assert_eq!(ask(&omar, "editModel", json!([])).await.body["decision"], "deny");
    let placed = ask(&omar, "editModel", json!(["Workspace::\"research\""])).await;
    assert_eq!(placed.body["decision"], "allow", "{}", placed.body);
    assert_eq!(placed.body["policies"][0]["id"], "collaborator/Cluster/eu-west/manager/Team/platform");
    // Everyone of Okta's uses the in-house provider's models, and it is still one of those.
    let partner = server.partner();
    let used = ask(&partner, "invokeModel", json!(["Workspace::\"research\""])).await;
    assert_eq!(used.body["policies"][0]["id"], "collaborator/ModelProvider/in-house/user/ExternalIdentity/everyone");
}

#[tokio::test]
async fn a_resource_that_the_directory_does_not_know_is_the_tenants() {
    let server = TestServer::start().await;
    let lee = server.okta.token(json!({"sub": "00u2", "email": "lee@acme.com"}));
    for resource in
        [json!("Model::\"brand-new\""), json!({"type": "Model", "id": "brand-new", "attributes": {"tier": "gold"}})]
    {
        let answer = ask_keyed(&server, json!({"token": lee, "resource": resource})).await;
        assert_eq!(answer.body["decision"], "allow", "{}", answer.body);
        assert_eq!(answer.body["policies"][0]["id"], "collaborator/Tenant/acme/admin/User/lee@acme.com");
        let answer = ask_keyed(&server, json!({"resource": resource})).await;
        assert_eq!(answer.body["decision"], "deny", "{}", answer.body);
    }
}

#[tokio::test]
async fn a_resource_of_another_tenant_is_refused() {
    let server = TestServer::start().await;
    for parents in [json!(["Tenant::\"globex\""]), json!(["Tenant::\"acme\"", "Tenant::\"globex\""])] {
        let resource = json!({"type": "Model", "id": "gpt-4o", "parents": parents});
        assert_problem(&ask_keyed(&server, json!({"resource": resource})).await, 400, "resource-invalid");
    }
    let own = json!({"type": "Model", "id": "gpt-4o", "parents": ["Tenant::\"acme\""]});
    assert_eq!(ask_keyed(&server, json!({"resource": own})).await.body["decision"], "allow");
}

/// People and teams as resources, and a policy by which members of `ml` see each of them.
const PEOPLE_SCHEMA: &str =
    "action viewPerson appliesTo { principal: [User, ExternalSubject], resource: [User, Team] };";
const PEOPLE_POLICY: &str =
    r#"@id("people") permit (principal in Team::"ml", action == Action::"viewPerson", resource);"#;

async fn people_server() -> TestServer {
    let (okta, github) = crate::support::server::issuers().await;
    let tree = crate::support::TestTree::sample(&okta, &github);
    tree.write("schema/people.cedarschema", PEOPLE_SCHEMA);
    tree.write("policies/acme/people.cedar", PEOPLE_POLICY);
    TestServer::over(tree, okta, github, |_| {}).await
}

#[tokio::test]
async fn nothing_in_a_request_changes_the_principal() {
    let server = people_server().await;
    let (sofia, key) = ("User::\"sofia@acme.com\"", [("x-cedargate-key", crate::support::server::CALLER_KEY)]);
    let token = server.okta.token(json!({"sub": "00u4", "email": "sofia@acme.com"}));
    let described = json!({"type": "User", "id": "sofia@acme.com", "parents": ["Team::\"ml\""]});
    for who in [json!({"principal": sofia}), json!({"token": token})] {
        let mut body = json!({"action": "viewPerson", "resource": described});
        body.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
        let reply = server.post_with("/authorize", body.clone(), &key).await;
        assert_problem(&reply, 400, "resource-invalid");
        // Asked about without a description, they are a resource like any other.
        body["resource"] = json!(sofia);
        let reply = server.post_with("/authorize", body, &key).await;
        assert_eq!((reply.status, &reply.body["decision"]), (200, &json!("deny")), "{}", reply.body);
    }
}

#[tokio::test]
async fn nothing_in_a_request_changes_what_the_principal_is_in() {
    let server = people_server().await;
    let described = json!({"type": "Team", "id": "support", "parents": ["Tenant::\"acme\""]});
    let body = json!({"principal": "User::\"sofia@acme.com\"", "action": "viewPerson", "resource": described});
    let reply = server.post_with("/authorize", body, &[("x-cedargate-key", crate::support::server::CALLER_KEY)]).await;
    assert_problem(&reply, 400, "resource-invalid");
}

#[tokio::test]
async fn others_than_the_principal_may_be_described() {
    let server = people_server().await;
    let described = json!({"type": "User", "id": "sofia@acme.com", "parents": ["Team::\"ml\""]});
    let answer = ask_keyed(&server, json!({"action": "viewPerson", "resource": described})).await;
    assert_eq!((answer.status, &answer.body["decision"]), (200, &json!("allow")), "{}", answer.body);
}
