//! Who may do what, as a table: every caller tries every request, and only those named with it succeed.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use super::{ADMIN_KEY, Acme, GLOBEX_KEY, grant, provider};
use crate::support::AdminClient;

/// Letter, email and tenant role of those who sign in.
const PEOPLE: &[(char, &str, &str)] = &[
    ('A', "ada@acme.com", "admin"),
    ('M', "mia@acme.com", "member"),
    ('I', "ida@acme.com", "identities"),
    ('P', "pia@acme.com", "people"),
    ('O', "oli@acme.com", "roles"),
    ('C', "cal@acme.com", "collaborators"),
    ('S', "sam@acme.com", "resources"),
    ('V', "vic@acme.com", "viewer"),
];

/// Roles on the tenant with one action each.
const ROLES: &[(&str, &str)] = &[
    ("identities", "manageIdentities"),
    ("people", "manageMembers"),
    ("roles", "manageRoles"),
    ("collaborators", "manageCollaborators"),
    ("resources", "manageResources"),
    ("viewer", "viewDirectory"),
];

/// Method, path, who may, body. `K` is the server's operator, `G` a key of another tenant, `R` manages
/// `Workspace::research`, `T` manages team `ml`, `X` is known by a token alone, `N` shows nothing.
const TABLE: &str = r#"
GET / KAV -
GET /identity-providers KAV -
GET /external-identities KAV -
GET /users KAV -
GET /teams KAV -
GET /virtual-accounts KAV -
GET /roles KAV -
GET /resources KAV -
GET /collaborators KAV -
GET /history KAV -
GET /users/jane@acme.com KAV -
GET /users/none@acme.com/tokens KAV -
GET /teams/ml KAV -
GET /teams/ml/collaborators KAV -
GET /resources/Model::gpt-4o KAV -
GET /resources/Model::gpt-4o/collaborators KAV -
GET /collaborators/{viewer} KAV -
GET /virtual-accounts/ci/tokens KAV -

POST /users KAP {"email": "new@acme.com"}
PUT /users/new@acme.com KAP {}
PUT /users/zoe@acme.com KAP {}
PATCH /users/zoe@acme.com KAP {"active": false}
PATCH /users/dora@acme.com KA {"active": true}
PUT /users/dora@acme.com KA {}
DELETE /users/zoe@acme.com KAP -
DELETE /users/jane@acme.com?cascade=true KAP -
DELETE /users/ada@acme.com?cascade=true KA -

POST /teams KAP {"name": "new"}
POST /teams KAP {"name": "new", "members": ["pia@acme.com"], "managers": ["pia@acme.com"]}
POST /teams KA {"name": "new", "identity_provider_mapping": [{"identity_provider": "okta", "value": "x"}]}
PUT /teams/plain/members/pia@acme.com KAP -
PUT /teams/ml/members/zoe@acme.com KAT -
DELETE /teams/ml/members/jane@acme.com KAPT -
PATCH /teams/ml KAPT {"members": []}
PATCH /teams/ml KAT {"members": ["jane@acme.com", "lee@acme.com"]}
PUT /teams/ml KAT {"members": ["zoe@acme.com"], "managers": ["lee@acme.com"]}
PATCH /teams/ml KAP {"managers": []}
PATCH /teams/ml KA {"managers": ["lee@acme.com", "pia@acme.com"]}
PATCH /teams/ml KA {"identity_provider_mapping": [{"identity_provider": "okta", "value": "x"}]}
DELETE /teams/plain KAP -
DELETE /teams/ml?cascade=true KA -

POST /virtual-accounts KAI {"name": "new"}
POST /virtual-accounts KAI {"name": "new", "identity_provider_mapping": [{"identity_provider": "okta", "value": "x"}]}
PATCH /virtual-accounts/ci KAI {"identity_provider_mapping": [{"identity_provider": "okta", "value": "x"}]}
PATCH /virtual-accounts/robot KA {"identity_provider_mapping": [{"identity_provider": "okta", "value": "x"}]}
DELETE /virtual-accounts/ci KAI -
DELETE /virtual-accounts/robot?cascade=true KA -

POST /external-identities KAI {"name": "new", "identity_provider": "okta"}
PATCH /external-identities/partner KAI {"claims": {"unit": "x"}}
PATCH /external-identities/granted KA {"claims": {"unit": "x"}}
DELETE /external-identities/partner KAI -
DELETE /external-identities/granted?cascade=true KA -

POST /identity-providers KA {"name": "new", "config": {"jwks_uri": "https://new"}}
PATCH /identity-providers/spare KA {"config": {"jwks_uri": "https://new"}}
PATCH /identity-providers/spare KA {"claims": {"teams": "roles"}}
POST /identity-providers/spare/refresh! KAI -
DELETE /identity-providers/spare KAI -

POST /roles KA {"name": "new", "resource_type": "Model", "actions": ["viewModel"]}
POST /roles KA {"name": "new", "resource_type": "Tenant", "actions": ["*"]}
POST /roles KAO {"name": "new", "resource_type": "Tenant", "actions": ["manageRoles"]}
PATCH /roles/Model:tester KAO {"actions": ["viewModel"]}
PATCH /roles/Model:tester KA {"actions": ["viewModel", "invokeModel", "manageModel"]}
DELETE /roles/Model:tester KAO -

POST /resources KAS {"resource": "Model::new"}
POST /resources KAS {"resource": "Model::new", "parents": ["Workspace::research"]}
POST /resources KAS {"resource": "Model::new", "parents": ["Workspace::research", "Workspace::other"]}
PATCH /resources/Model::gpt-4o KAR {"attributes": {"tier": "gold"}}
PATCH /resources/Workspace::research KAR {"attributes": {"environment": "x"}}
PATCH /resources/Model::gpt-4o KA {"parents": ["Workspace::other"]}
PATCH /resources/Model::claude KA {"parents": ["Workspace::research"]}
DELETE /resources/Model::claude KAS -
DELETE /resources/Model::inner KASR -
DELETE /resources/Model::gpt-4o?cascade=true KAR -

POST /collaborators KAR {"resource": "Model::gpt-4o", "subject": "user:zoe@acme.com", "role": "viewer"}
POST /collaborators KAR {"resource": "Workspace::research", "subject": "team:ml", "role": "manager"}
POST /resources/Model::gpt-4o/collaborators KAR {"subject": "user:zoe@acme.com", "role": "manager"}
POST /users/zoe@acme.com/collaborators KAR {"resource": "Model::gpt-4o", "role": "user"}
POST /collaborators KA {"resource": "Model::claude", "subject": "user:max@acme.com", "role": "viewer"}
POST /collaborators KAC {"resource": "Tenant::acme", "subject": "user:zoe@acme.com", "role": "collaborators"}
POST /collaborators KA {"resource": "Tenant::acme", "subject": "user:zoe@acme.com", "role": "member"}
POST /collaborators KA {"resource": "Tenant::acme", "subject": "user:zoe@acme.com", "role": "admin"}
PATCH /collaborators/{viewer} KAR {"role": "editor"}
DELETE /collaborators/{viewer} KACR -

POST /virtual-accounts/ci/tokens! KAI {}
POST /virtual-accounts/robot/tokens! KA {}
POST /users/ada@acme.com/tokens! KA {}
POST /users/jane@acme.com/tokens! K {}
POST /users/pia@acme.com/tokens! KP {}
DELETE /virtual-accounts/ci/tokens/{va} KAI -
DELETE /users/jane@acme.com/tokens/{user} KAP -

POST /batch KAV {"operations": []}
POST /batch KAP {"operations": [{"create": {"type": "user", "email": "n@acme.com"}}]}
POST /batch KA {"operations": [{"create": {"type": "user", "email": "n@acme.com"}}, {"remove": {"type": "role", "id": "Model:tester"}}]}
"#;

fn facts(acme: &Acme) -> Vec<Value> {
    let names = ["mia", "ida", "pia", "oli", "cal", "sam", "vic", "max"];
    let users = names.map(|name| json!({"type": "user", "email": format!("{name}@acme.com")}));
    let role = |(name, action): &(&str, &str)| json!({"type": "role", "name": name, "resource_type": "Tenant", "actions": [action]});
    let granted = |(_, email, role): &(char, &str, &str)| grant("Tenant::acme", &format!("user:{email}"), role);
    let mut facts: Vec<_> = users.into_iter().chain(ROLES.iter().map(role)).collect();
    // Ada has hers already.
    facts.extend(PEOPLE.iter().skip(1).map(granted));
    facts.extend([
        json!({"type": "user", "email": "dora@acme.com", "active": false}),
        json!({"type": "team", "name": "plain"}),
        json!({"type": "virtual-account", "name": "robot"}),
        json!({"type": "external-identity", "name": "granted", "identity_provider": "okta", "claims": {"a": "b"}}),
        provider("spare", &acme.server.github),
        json!({"type": "resource", "resource": "Workspace::other"}),
        json!({"type": "resource", "resource": "Model::inner", "parents": ["Workspace::research"]}),
        grant("Workspace::research", "user:max@acme.com", "manager"),
        grant("Model::gpt-4o", "user:dora@acme.com", "viewer"),
        grant("Model::gpt-4o", "virtual-account:robot", "viewer"),
        grant("Model::gpt-4o", "external-identity:granted", "viewer"),
    ]);
    facts
}

fn callers(acme: &Acme) -> BTreeMap<char, AdminClient> {
    let person = |(letter, email, _): &(char, &str, &str)| (*letter, acme.person(email));
    let outsider = acme.server.okta.token(json!({"sub": "guest", "department": "research"}));
    let mut callers: BTreeMap<_, _> = PEOPLE.iter().map(person).collect();
    callers.extend([
        ('K', AdminClient::with_key(&acme.server, "acme", ADMIN_KEY)),
        ('G', AdminClient::with_key(&acme.server, "acme", GLOBEX_KEY)),
        ('R', acme.person("max@acme.com")),
        ('T', acme.person("lee@acme.com")),
        ('X', acme.bearer(&outsider)),
        ('N', AdminClient::nobody(&acme.server, "acme")),
    ]);
    callers
}

/// The tenant of the table, and what its placeholders stand for.
async fn of_the_table() -> (Acme, [(&'static str, String); 3]) {
    let acme = Acme::start().await;
    let operations: Vec<_> = facts(&acme).into_iter().map(|fact| json!({"create": fact})).collect();
    acme.admin.post("/batch", json!({"operations": operations})).await.ok();
    let viewer = acme.admin.get("/collaborators?subject=team:ml").await.ok().items()[0]["id"].clone();
    let va = acme.admin.post("/virtual-accounts/ci/tokens", json!({})).await.ok().body["id"].clone();
    let user = acme.admin.post("/users/jane@acme.com/tokens", json!({})).await.ok().body["id"].clone();
    let text = |value: Value| value.as_str().unwrap().to_owned();
    (acme, [("{viewer}", text(viewer)), ("{va}", text(va)), ("{user}", text(user))])
}

#[tokio::test]
async fn who_may_and_nobody_else() {
    let (acme, names) = of_the_table().await;
    let callers = callers(&acme);
    let mut wrong = Vec::new();
    for line in TABLE.lines().filter(|line| !line.is_empty()) {
        let [method, path, who, body] = line.splitn(4, ' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let body = (body != "-").then(|| serde_json::from_str::<Value>(body).unwrap());
        let path = names.iter().fold(path.to_owned(), |path, (name, id)| path.replace(name, id));
        let path = match path.strip_suffix('!') {
            Some(path) => path.to_owned(),
            None if path == "/" => String::new(),
            None if method == "GET" => path,
            None => format!("{path}{}dry_run=true", if path.contains('?') { '&' } else { '?' }),
        };
        for (letter, caller) in &callers {
            let reply = caller.send(method.parse::<Method>().unwrap(), &path, body.clone()).await;
            let expected = match letter {
                letter if who.contains(*letter) => "2xx".to_owned(),
                'N' => "401 token-missing".to_owned(),
                _ => "403 caller-may-not".to_owned(),
            };
            let found =
                if reply.status < 300 { "2xx".to_owned() } else { format!("{} {}", reply.status, reply.slug()) };
            if found != expected {
                wrong.push(format!("{letter}: {line}: {found} instead of {expected}: {}", reply.body["detail"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn tenants_are_nobodys_but_the_operators() {
    let (acme, _) = of_the_table().await;
    for (letter, caller) in callers(&acme) {
        let (status, slug) = match letter {
            'K' => continue,
            'N' => (401, "token-missing"),
            _ => (403, "caller-may-not"),
        };
        caller.get("//tenants").await.is(status, slug);
        caller.post("//tenants", json!({"name": "new"})).await.is(status, slug);
        caller.delete("").await.is(status, slug);
    }
    acme.admin.get("").await.ok();
}

#[tokio::test]
async fn who_may_not_is_not_told_what_is_there() {
    let (acme, _) = of_the_table().await;
    for who in [acme.person("mia@acme.com"), acme.person("nobody@acme.com")] {
        for (there, not_there) in [
            ("/users/jane@acme.com", "/users/none@acme.com"),
            ("/teams/ml", "/teams/none"),
            ("/roles/Model:tester", "/roles/Model:none"),
            ("/roles/tester", "/roles/none"),
            ("/resources/Model::gpt-4o", "/resources/Model::none"),
            ("/identity-providers/okta", "/identity-providers/none"),
        ] {
            for body in [json!({}), json!({"colour": "red"}), json!({"name": "x"})] {
                for method in [Method::GET, Method::PATCH, Method::PUT, Method::DELETE] {
                    let one = who.send(method.clone(), there, Some(body.clone())).await;
                    let other = who.send(method.clone(), not_there, Some(body.clone())).await;
                    assert_eq!(one.status, other.status, "{method} {there} {body}: {} {}", one.body, other.body);
                    let said = other.body["detail"].to_string().replace("none", "");
                    for name in ["jane", "ml", "tester", "gpt-4o", "okta"] {
                        assert!(!said.contains(&format!("`{name}`")), "{method} {there}: {said}");
                    }
                }
            }
        }
    }
}
