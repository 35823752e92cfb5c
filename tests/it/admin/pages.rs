//! Lists in pages: everything is on one of them, once.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Acme;
use crate::support::AdminClient;

/// Every item of a list, by pages of this size, in the order given.
pub async fn all(admin: &AdminClient, path: &str, limit: usize) -> Vec<Value> {
    let (mut items, mut after) = (Vec::new(), String::new());
    let sign = if path.contains('?') { '&' } else { '?' };
    loop {
        let page = admin.get(&format!("{path}{sign}limit={limit}{after}")).await.ok();
        assert!(page.items().len() <= limit, "{path}: {}", page.body);
        items.extend(page.items().iter().cloned());
        let Some(next) = page.body["next"].as_str() else { return items };
        assert_eq!(page.items().len(), limit, "{path}: a page before the last is full");
        after = format!("&after={next}");
    }
}

fn ids(items: &[Value]) -> Vec<String> {
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

async fn many() -> Acme {
    let acme = Acme::start().await;
    let facts = (0..7).flat_map(|number| {
        [
            json!({"type": "user", "email": format!("u{number}@acme.com")}),
            json!({"type": "team", "name": format!("team-{number}"), "members": [format!("u{number}@acme.com")]}),
            json!({"type": "virtual-account", "name": format!("va-{number}")}),
            json!({"type": "external-identity", "name": format!("ei-{number}"), "identity_provider": "okta"}),
            json!({"type": "identity-provider", "name": format!("idp-{number}"), "config": {"jwks_uri": "https://x"}}),
            json!({"type": "role", "name": format!("r{number}"), "resource_type": "Model", "actions": ["viewModel"]}),
            json!({"type": "resource", "resource": format!("Model::m{number}")}),
            super::grant(&format!("Model::m{number}"), "team:ml", "user"),
            super::grant("Model::claude", &format!("team:team-{number}"), "user"),
        ]
    });
    let operations: Vec<_> = facts.map(|fact| json!({"create": fact})).collect();
    acme.admin.post("/batch", json!({"operations": operations})).await.ok();
    acme
}

#[tokio::test]
async fn every_list_gives_everything_once() {
    let acme = many().await;
    for path in [
        "/users",
        "/teams",
        "/virtual-accounts",
        "/external-identities",
        "/identity-providers",
        "/roles",
        "/resources",
        "/collaborators",
        "/collaborators?subject=team:ml",
        "/resources/Model::claude/collaborators",
        "/teams/ml/collaborators",
    ] {
        let whole = ids(&all(&acme.admin, path, 1000).await);
        assert!(whole.len() >= 7, "{path}: {whole:?}");
        assert_eq!(whole.iter().collect::<BTreeSet<_>>().len(), whole.len(), "{path}: {whole:?}");
        for limit in [1, 2, 3, whole.len(), whole.len() - 1] {
            assert_eq!(ids(&all(&acme.admin, path, limit).await), whole, "{path} by {limit}");
        }
    }
}

#[tokio::test]
async fn a_page_goes_on_where_the_one_before_ended_though_others_came_and_went() {
    let acme = many().await;
    let first = acme.admin.get("/users?limit=3").await.ok();
    let next = first.body["next"].as_str().unwrap();
    acme.admin.post("/users", json!({"email": "aaa@acme.com"})).await.ok();
    let last = first.items()[2]["id"].as_str().unwrap();
    acme.admin.delete(&format!("/users/{last}?cascade=true")).await.ok();
    let second = acme.admin.get(&format!("/users?limit=100&after={next}")).await.ok();
    let seen: Vec<_> = ids(first.items()).into_iter().chain(ids(second.items())).collect();
    let distinct: BTreeSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), distinct.len()), (11, 11), "{seen:?}");
}

#[tokio::test]
async fn roles_are_listed_with_those_that_every_tenant_has() {
    let acme = many().await;
    let roles = all(&acme.admin, "/roles", 4).await;
    let named = |id: &str| roles.iter().find(|role| role["id"] == id).unwrap_or_else(|| panic!("{id} is missing"));
    assert_eq!(named("Tenant:admin")["built_in"], true);
    assert_eq!(named("Tenant:admin")["actions"], json!(["*"]));
    assert_eq!(named("Model:r3")["built_in"], false);
    assert_eq!(named("Model:tester")["built_in"], false);
}

#[tokio::test]
async fn tokens_and_the_history_are_listed_in_pages_too() {
    let acme = Acme::start().await;
    for number in 0..5 {
        acme.admin.post("/virtual-accounts/ci/tokens", json!({"label": format!("t{number}")})).await.ok();
    }
    let path = "/virtual-accounts/ci/tokens";
    let whole = ids(&all(&acme.admin, path, 1000).await);
    assert_eq!(whole.len(), 5);
    for limit in [1, 2, 4, 5] {
        assert_eq!(ids(&all(&acme.admin, path, limit).await), whole);
        let history = all(&acme.admin, "/history", limit).await;
        assert_eq!(history, all(&acme.admin, "/history", 1000).await);
        assert_eq!(history.len(), 14 + 5);
    }
}
