//! Tokens of our own: made, used, replaced, ended.

use serde_json::{Value, json};

use super::{ADMIN_KEY, Acme, MODEL, grant, provider};
use crate::support::{AdminClient, Reply, START};

pub const CI: &str = "/virtual-accounts/ci/tokens";
pub const JANE: &str = "/users/jane@acme.com/tokens";

/// With what `ci` may see.
pub async fn with_ci() -> Acme {
    let acme = Acme::start().await;
    acme.admin.post("/collaborators", grant("Model::gpt-4o", "virtual-account:ci", "viewer")).await.ok();
    acme
}

/// A new token: itself, where it is, and its revision.
pub async fn made(acme: &Acme, path: &str, body: Value) -> (String, String, u64) {
    let made = acme.admin.post(path, body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let place = format!("{path}/{}", made.body["id"].as_str().unwrap());
    assert_eq!(made.header("location"), format!("/tenants/acme{place}"));
    (secret(&made), place, made.revision())
}

fn secret(made: &Reply) -> String {
    made.body["token"].as_str().unwrap().to_owned()
}

async fn view(acme: &Acme, token: &str, at_least: u64) -> Reply {
    acme.ask(token, "viewModel", MODEL, at_least).await
}

#[tokio::test]
async fn a_token_of_ours_stands_for_its_owner() {
    let acme = with_ci().await;
    for (path, kind, principal) in
        [(CI, "cgva_", "VirtualAccount::\"ci\""), (JANE, "cguser_", "User::\"jane@acme.com\"")]
    {
        let (token, _, revision) = made(&acme, path, json!({"label": "for tests"})).await;
        assert!(token.starts_with(kind), "{kind}");
        let answer = view(&acme, &token, revision).await.ok();
        assert_eq!((&answer.body["principal"], &answer.body["decision"]), (&json!(principal), &json!("allow")));
        // In the header as well, alone and in a batch.
        let header = [("authorization", &*format!("Bearer {token}"))];
        let body = json!({"action": "viewModel", "resource": MODEL});
        let answer = acme.server.post_with("/authorize", body.clone(), &header).await.ok();
        assert_eq!((&answer.body["principal"], &answer.body["decision"]), (&json!(principal), &json!("allow")));
        let batch = acme.server.post_with("/authorize/batch", json!({"requests": [body]}), &header).await.ok();
        assert_eq!(batch.body["results"][0]["decision"], "allow");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_good_as_soon_as_it_is_made() {
    let acme = with_ci().await;
    acme.ask(&acme.token("jane@acme.com"), "viewModel", MODEL, acme.head().await).await.ok();
    let body = |token: &str| json!({"token": token, "action": "viewModel", "resource": MODEL});
    for terms in [json!({}), json!({"audience": "https://api.acme.com"}), json!({}), json!({"label": "again"})] {
        // Without `at_least`: whoever has just made a token does not know what that is.
        let (token, ..) = made(&acme, CI, terms).await;
        let alone = acme.server.post("/tenants/acme/authorize", body(&token));
        let batch = json!({"token": token, "requests": [{"action": "viewModel", "resource": MODEL}]});
        let batch = acme.server.post("/tenants/acme/authorize/batch", batch);
        let (alone, batch) = tokio::join!(alone, batch);
        assert_eq!(alone.ok().body["decision"], "allow");
        assert_eq!(batch.ok().body["results"][0]["decision"], "allow");
    }
    // One that is nothing is told so, while changes are under way as well.
    let nothing = cedargate::authn::new_key("va").unwrap();
    acme.admin.post("/users", json!({"email": "max@acme.com"})).await.ok();
    acme.server.post("/tenants/acme/authorize", body(&nothing)).await.is(401, "token-revoked");
}

#[tokio::test]
async fn a_token_whose_revision_does_not_come_is_told_to_try_again() {
    let acme = Acme::configured(|raw| raw.http.at_least_timeout_milliseconds = 300).await;
    let made = acme.admin.post(CI, json!({})).await.ok();
    let serving = crate::support::eventually("it serves", || async {
        let snapshot = acme.server.tenants.get("acme").and_then(|handle| handle.snapshot());
        snapshot.is_some_and(|snapshot| snapshot.revision.0 >= made.revision())
    });
    serving.await;
    // While the disk takes no files, no revision comes to serve.
    let compiled = acme.server.tree.policies().join("acme/compiled");
    std::fs::remove_dir_all(&compiled).unwrap();
    std::fs::write(&compiled, "a file in the folder's place").unwrap();
    let late = secret(&acme.admin.post(CI, json!({})).await.ok());
    let body = json!({"token": late, "action": "viewModel", "resource": MODEL});
    let answer = acme.server.post("/tenants/acme/authorize", body).await;
    answer.is(503, "revision-not-live");
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test]
async fn whoever_administers_may_do_so_with_a_token_of_ours() {
    let acme = with_ci().await;
    acme.admin.post("/collaborators", grant("Tenant::acme", "virtual-account:ci", "admin")).await.ok();
    let (token, ..) = made(&acme, CI, json!({})).await;
    let ci = acme.bearer(&token);
    ci.post("/users", json!({"email": "n@acme.com"})).await.ok();
    assert_eq!(acme.admin.get("/history?limit=1").await.items()[0]["actor"], "VirtualAccount::\"ci\"");
    // It is not for the header of keys.
    AdminClient::with_key(&acme.server, "acme", &token).get("/users").await.is(403, "caller-key-unknown");
}

#[tokio::test]
async fn a_token_that_was_mistyped_or_is_unknown_is_refused() {
    let acme = with_ci().await;
    let (token, _, revision) = made(&acme, CI, json!({})).await;
    view(&acme, &token, revision).await.ok();
    let middle = token.len() / 2;
    let other = if token.as_bytes()[middle] == b'A' { 'B' } else { 'A' };
    let mistyped = format!("{}{other}{}", &token[..middle], &token[middle + 1..]);
    for wrong in
        [&token[..token.len() - 1], &format!("{token}A"), &mistyped, &token.replace("cgva_", "cguser_"), "cgva_x"]
    {
        view(&acme, wrong, 0).await.is(401, "token-malformed");
        acme.bearer(wrong).get("/users").await.is(401, "token-malformed");
    }
    let stranger = cedargate::authn::new_key("va").unwrap();
    let refused = view(&acme, &stranger, 0).await;
    refused.is(401, "token-revoked");
    assert!(refused.header("www-authenticate").starts_with("Bearer"));
    acme.bearer(&stranger).get("/users").await.is(401, "token-revoked");
}

#[tokio::test]
async fn a_token_is_good_until_the_second_it_expires() {
    let acme = with_ci().await;
    let body = json!({"label": "an hour", "expires_in_seconds": 3600});
    let (token, place, revision) = made(&acme, CI, body).await;
    let listed = acme.admin.get(CI).await.ok().items()[0].clone();
    let expected = json!({
        "type": "token", "id": place.rsplit('/').next(), "token_id": place.rsplit('/').next(),
        "owner": "virtual-account:ci", "label": "an hour", "created_at": START, "expires_at": START + 3600,
        "revision": revision, "last_used_at": null,
    });
    assert_eq!(listed, expected);
    acme.server.clock.advance(3599);
    view(&acme, &token, revision).await.ok();
    acme.server.clock.advance(1);
    view(&acme, &token, 0).await.is(401, "token-expired");
    acme.bearer(&token).get("/users").await.is(401, "token-expired");
    acme.bearer(&token).post(&format!("{place}/rotate"), json!({})).await.is(401, "token-expired");
}

#[tokio::test]
async fn a_token_that_is_replaced_stays_good_for_its_grace() {
    let acme = with_ci().await;
    let (old, place, _) = made(&acme, CI, json!({"label": "l", "rotate_every_seconds": 7200})).await;
    let rotated = acme.admin.post(&format!("{place}/rotate"), json!({"grace_seconds": 60})).await;
    assert_eq!((rotated.status, &rotated.body["label"]), (201, &json!("l")), "{}", rotated.body);
    assert_eq!(rotated.header("location"), format!("/tenants/acme{CI}/{}", rotated.body["id"].as_str().unwrap()));
    let new = secret(&rotated);
    for token in [&old, &new] {
        assert_eq!(view(&acme, token, rotated.revision()).await.ok().body["decision"], "allow");
    }
    // Once: whoever finds the old one gets no other for it.
    acme.admin.post(&format!("{place}/rotate"), json!({})).await.is(403, "caller-may-not");
    acme.bearer(&old).post(&format!("{place}/rotate"), json!({})).await.is(403, "caller-may-not");
    let listed = acme.admin.get(CI).await.ok();
    let of_old = listed.items().iter().find(|one| one["replaced_by"] == rotated.body["id"]).unwrap();
    assert_eq!(of_old["expires_at"], START + 60);
    acme.server.clock.advance(60);
    view(&acme, &old, 0).await.is(401, "token-expired");
    view(&acme, &new, 0).await.ok();
    // The new one is as good as the old one was made for.
    assert_eq!(rotated.body["expires_at"], START + 7200);
    acme.server.clock.advance(7140);
    view(&acme, &new, 0).await.is(401, "token-expired");
}

#[tokio::test]
async fn a_replacement_with_no_grace_ends_the_old_one_at_once() {
    let acme = with_ci().await;
    let (old, place, _) = made(&acme, CI, json!({})).await;
    let rotated = acme.admin.post(&format!("{place}/rotate"), json!({"grace_seconds": 0})).await.ok();
    view(&acme, &old, rotated.revision()).await.is(401, "token-expired");
    // Grace makes nothing last longer than it would have.
    let (_, place, _) = made(&acme, CI, json!({"expires_in_seconds": 10})).await;
    acme.admin.post(&format!("{place}/rotate"), json!({"grace_seconds": 1000})).await.ok();
    let listed = acme.admin.get(CI).await.ok();
    let ends = listed.items().iter().filter(|one| one["id"] == place.rsplit('/').next().unwrap());
    assert_eq!(ends.map(|one| one["expires_at"].clone()).collect::<Vec<_>>(), [json!(START + 10)]);
}

#[tokio::test]
async fn whoever_holds_a_token_may_replace_it_and_no_other() {
    let acme = with_ci().await;
    let (own, place, _) = made(&acme, CI, json!({})).await;
    let (_, others, _) = made(&acme, CI, json!({})).await;
    let (_, janes, _) = made(&acme, JANE, json!({})).await;
    acme.bearer(&own).post(&format!("{others}/rotate"), json!({})).await.is(403, "caller-may-not");
    acme.bearer(&own).post(&format!("{janes}/rotate"), json!({})).await.is(403, "caller-may-not");
    let rotated = acme.bearer(&own).post(&format!("{place}/rotate"), json!({})).await.ok();
    let history = acme.admin.get("/history?limit=1").await.ok();
    assert_eq!(history.items()[0]["actor"], "VirtualAccount::\"ci\"");
    let new = secret(&rotated);
    assert_eq!(view(&acme, &new, rotated.revision()).await.ok().body["decision"], "allow");
    // One that is to end ends, unless it is to be replaced again and again.
    let (ending, place, _) = made(&acme, CI, json!({"expires_in_seconds": 100})).await;
    acme.bearer(&ending).post(&format!("{place}/rotate"), json!({})).await.is(403, "caller-may-not");
    let (again, place, _) = made(&acme, CI, json!({"rotate_every_seconds": 100})).await;
    acme.bearer(&again).post(&format!("{place}/rotate"), json!({})).await.ok();
    // A token is where its owner is.
    let id = rotated.body["id"].as_str().unwrap();
    acme.admin.post(&format!("{JANE}/{id}/rotate"), json!({})).await.is(404, "object-unknown");
    acme.admin.delete(&format!("{JANE}/{id}")).await.is(404, "object-unknown");
    acme.bearer(&own).delete(&format!("{CI}/{id}")).await.is(403, "caller-may-not");
}

#[tokio::test]
async fn a_users_token_makes_no_other_and_nobody_makes_one_for_them() {
    let acme = with_ci().await;
    let jane = acme.person("jane@acme.com");
    let made_by_jane = jane.post(JANE, json!({"label": "laptop"})).await.ok();
    let own = acme.bearer(&secret(&made_by_jane));
    own.post(JANE, json!({})).await.is(403, "caller-may-not");
    acme.person("lee@acme.com").post(JANE, json!({})).await.is(403, "caller-may-not");
    acme.person("ada@acme.com").post(JANE, json!({})).await.is(403, "caller-may-not");
    // Whoever has all that the account has may make it another token, also with a token.
    acme.admin.post("/collaborators", grant("Tenant::acme", "user:jane@acme.com", "admin")).await.ok();
    own.post(JANE, json!({})).await.is(403, "caller-may-not");
    own.post(CI, json!({})).await.ok();
    own.delete(&format!("{JANE}/{}", made_by_jane.body["id"].as_str().unwrap())).await.ok();
}

#[tokio::test]
async fn a_revoked_token_is_nothing_at_its_revision() {
    let acme = with_ci().await;
    for path in [CI, JANE] {
        let (token, place, revision) = made(&acme, path, json!({})).await;
        view(&acme, &token, revision).await.ok();
        let revoked = acme.admin.delete(&place).await.ok();
        view(&acme, &token, revoked.revision()).await.is(401, "token-revoked");
        acme.bearer(&token).get("/users").await.is(401, "token-revoked");
        acme.admin.delete(&place).await.is(404, "object-unknown");
        acme.admin.post(&format!("{place}/rotate"), json!({})).await.is(404, "object-unknown");
    }
    // The owner may end their own.
    let (token, place, _) = made(&acme, JANE, json!({})).await;
    acme.person("lee@acme.com").delete(&place).await.is(403, "caller-may-not");
    let revoked = acme.person("jane@acme.com").delete(&place).await.ok();
    view(&acme, &token, revoked.revision()).await.is(401, "token-revoked");
}

#[tokio::test]
async fn a_revoked_token_takes_along_the_one_that_it_replaced() {
    let acme = with_ci().await;
    let (old, place, _) = made(&acme, CI, json!({})).await;
    let rotated = acme.admin.post(&format!("{place}/rotate"), json!({"grace_seconds": 3600})).await.ok();
    view(&acme, &old, rotated.revision()).await.ok();
    let new = format!("{CI}/{}", rotated.body["id"].as_str().unwrap());
    let revoked = acme.admin.delete(&new).await.ok().revision();
    for token in [&old, &secret(&rotated)] {
        view(&acme, token, revoked).await.is(401, "token-revoked");
    }
}

#[tokio::test]
async fn tokens_end_with_their_owner() {
    let acme = with_ci().await;
    let (token, _, revision) = made(&acme, JANE, json!({})).await;
    view(&acme, &token, revision).await.ok();
    let off = acme.admin.patch("/users/jane@acme.com", json!({"active": false})).await.ok().revision();
    view(&acme, &token, off).await.is(401, "token-revoked");
    let on = acme.admin.patch("/users/jane@acme.com", json!({"active": true})).await.ok().revision();
    // For good: switched on again, they have the tokens that they make then.
    view(&acme, &token, on).await.is(401, "token-revoked");
    let (token, _, revision) = made(&acme, JANE, json!({})).await;
    assert_eq!(view(&acme, &token, revision).await.ok().body["decision"], "allow");
    let gone = acme.admin.delete("/users/jane@acme.com?cascade=true").await.ok().revision();
    view(&acme, &token, gone).await.is(401, "token-revoked");
    // One who comes by the same name does not have them.
    let again = acme.admin.post("/users", json!({"email": "jane@acme.com"})).await.ok().revision();
    view(&acme, &token, again).await.is(401, "token-revoked");

    let (token, _, revision) = made(&acme, CI, json!({})).await;
    view(&acme, &token, revision).await.ok();
    let gone = acme.admin.delete("/virtual-accounts/ci?cascade=true").await.ok().revision();
    view(&acme, &token, gone).await.is(401, "token-revoked");
}

#[tokio::test]
async fn when_a_token_was_last_used_is_shown() {
    let mut acme = with_ci().await;
    let (token, _, revision) = made(&acme, CI, json!({})).await;
    assert_eq!(acme.admin.get(CI).await.items()[0]["last_used_at"], Value::Null);
    view(&acme, &token, revision).await.ok();
    acme.server.clock.advance(100);
    assert_eq!(acme.admin.get(CI).await.items()[0]["last_used_at"], START);
    view(&acme, &token, revision).await.ok();
    assert_eq!(acme.admin.get(CI).await.items()[0]["last_used_at"], START + 100);
    // It outlives a change of something else.
    let changed = acme.admin.post("/users", json!({"email": "n@acme.com"})).await.ok().revision();
    acme.vouch("User::\"jane@acme.com\"", "viewModel", MODEL, changed).await.ok();
    assert_eq!(acme.admin.get(CI).await.items()[0]["last_used_at"], START + 100);
    // And the server.
    acme.server.stop().await;
    let crate::support::TestServer { tree, okta, github, .. } = acme.server;
    let server = crate::support::TestServer::over(tree, okta, github, super::with_keys).await;
    let again = AdminClient::with_key(&server, "acme", ADMIN_KEY);
    assert_eq!(again.get(CI).await.items()[0]["last_used_at"], START + 100);
}

#[tokio::test]
async fn a_token_of_one_tenant_is_nothing_in_another() {
    let acme = with_ci().await;
    let globex = AdminClient::with_key(&acme.server, "globex", ADMIN_KEY);
    globex.post("//tenants", json!({"name": "globex"})).await.ok();
    globex.post("/virtual-accounts", json!({"name": "ci"})).await.ok();
    globex.post("/resources", json!({"resource": "Model::gpt-4o"})).await.ok();
    let there = globex.post("/collaborators", grant("Tenant::globex", "virtual-account:ci", "admin")).await.ok();
    let (token, place, _) = made(&acme, CI, json!({})).await;
    let body = json!({"token": token, "action": "viewModel", "resource": MODEL, "at_least": there.revision()});
    acme.server.post("/tenants/globex/authorize", body).await.is(401, "token-revoked");
    acme.bearer(&token).of("globex").get("/users").await.is(401, "token-revoked");
    globex.delete(&place).await.is(404, "object-unknown");
    assert!(globex.get(CI).await.ok().items().is_empty());
}

#[tokio::test]
async fn what_a_token_cannot_be_is_refused() {
    let acme = with_ci().await;
    let head = acme.head().await;
    for body in [
        json!({"expires_in_seconds": 0}),
        json!({"expires_in_seconds": -1}),
        json!({"rotate_every_seconds": 0}),
        json!({"expires_in_seconds": 1_000_000_000}),
        json!({"expires_in_seconds": "1h"}),
        json!({"label": "x".repeat(201)}),
        json!({"colour": "red"}),
        json!([]),
    ] {
        acme.admin.post(CI, body).await.is(400, "malformed-request");
    }
    acme.admin.post("/virtual-accounts/none/tokens", json!({})).await.is(400, "reference-unknown");
    acme.admin.post("/users/none@acme.com/tokens", json!({})).await.is(400, "reference-unknown");
    acme.admin.post("/users/nonsense/tokens", json!({})).await.is(404, "object-unknown");
    acme.admin.post("/teams/ml/tokens", json!({})).await.is(404, "not-found");
    acme.admin.post(&format!("{CI}/none/rotate"), json!({})).await.is(404, "object-unknown");
    acme.admin.get(&format!("{CI}/none")).await.is(405, "method-not-allowed");
    assert_eq!(acme.head().await, head);
    let (_, place, _) = made(&acme, CI, json!({})).await;
    for body in [json!({"grace_seconds": -1}), json!({"grace_seconds": "x"}), json!({"label": "x"})] {
        acme.admin.post(&format!("{place}/rotate"), body).await.is(400, "malformed-request");
    }
    let provider = provider("p", &acme.server.github);
    let batch =
        json!({"operations": [{"create": provider}, {"remove": {"type": "token", "id": place.rsplit('/').next()}}]});
    acme.admin.post("/batch", batch).await.ok();
    assert!(acme.admin.get(CI).await.ok().items().is_empty());
}
