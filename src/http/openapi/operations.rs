//! Every route with what it takes and answers.

use serde_json::{Value, json};

use super::reference;

/// One method of one route.
pub(super) struct Operation {
    pub path: String,
    pub method: &'static str,
    pub tag: &'static str,
    pub summary: String,
    /// Schema and example.
    pub body: Option<(Value, Value)>,
    pub is_body_needed: bool,
    /// Name, schema and description.
    pub query: Vec<(&'static str, Value, &'static str)>,
    pub answers: Vec<(u16, Value)>,
    pub problems: Vec<u16>,
    pub is_change: bool,
}

impl Operation {
    fn new(method: &'static str, path: impl Into<String>, tag: &'static str, summary: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            method,
            tag,
            summary: summary.into(),
            body: None,
            is_body_needed: true,
            query: Vec::new(),
            answers: Vec::new(),
            problems: Vec::new(),
            is_change: false,
        }
    }

    /// `postTenantsUsers`
    pub fn id(&self) -> String {
        let words = self.path.split(['/', '-', '{', '}', '.', '_']).filter(|word| !word.is_empty());
        let capital = |word: &str| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
        };
        self.method.to_owned() + &words.map(capital).collect::<String>()
    }

    pub fn security(&self) -> Value {
        match self.tag {
            "running" => json!([]),
            "observing" => json!([{"key": []}]),
            "asking" => json!([{"token": []}, {"key": []}]),
            "tenants" => json!([{"key": []}]),
            _ => json!([{"key": []}, {"token": []}]),
        }
    }

    fn body(mut self, schema: Value, example: Value) -> Self {
        self.body = Some((schema, example));
        self
    }

    fn answer(mut self, status: u16, schema: Value) -> Self {
        self.answers.push((status, schema));
        self
    }

    fn query(mut self, name: &'static str, schema: Value, description: &'static str) -> Self {
        self.query.push((name, schema, description));
        self
    }

    fn problems(mut self, statuses: &[u16]) -> Self {
        self.problems.extend(statuses);
        self
    }

    /// What administering has in common: who may, where.
    fn administers(self) -> Self {
        self.problems(&[400, 401, 403, 404, 408, 409, 413, 429, 503])
    }

    fn pages(self) -> Self {
        let limit = json!({"type": "integer", "minimum": 1, "maximum": 1000});
        self.query("limit", limit, "How many to a page; 100 where it is left out.").query(
            "after",
            json!({"type": "string"}),
            "The `next` of the page before.",
        )
    }

    fn changes(mut self) -> Self {
        self.is_change = true;
        let flag = json!({"type": "boolean"});
        self.problems(&[412])
            .query("dry_run", flag.clone(), "Only say what would come of it, and what it would compile to.")
            .query("cascade", flag, "What refers to something removed goes along.")
    }
}

/// All of them.
pub(super) fn operations() -> Vec<Operation> {
    let mut all = asking();
    all.extend(tenants());
    NOUNS.iter().for_each(|noun| all.extend(of_noun(noun)));
    for (noun, _, _, has_grants, has_tokens) in NOUNS {
        if has_grants {
            all.extend(grants(noun));
        }
        if has_tokens {
            all.extend(tokens(noun));
        }
    }
    all.extend(others());
    all.extend(running());
    all
}

/// Path, schema, example, whether it has grants, whether it has tokens.
type Noun = (&'static str, &'static str, &'static str, bool, bool);

const NOUNS: [Noun; 8] = [
    (
        "identity-providers",
        "IdentityProvider",
        r#"{"name": "okta", "config": {"jwks_uri": "https://acme.okta.com/oauth2/v1/keys", "issuer": "https://acme.okta.com", "audience": "api://gateway"}}"#,
        false,
        false,
    ),
    (
        "external-identities",
        "ExternalIdentity",
        r#"{"name": "partners", "identity_provider": "okta", "claims": {"department": ["engineering", "research"]}}"#,
        true,
        false,
    ),
    ("users", "User", r#"{"email": "jane@acme.com"}"#, true, true),
    ("teams", "Team", r#"{"name": "ml", "members": ["jane@acme.com"]}"#, true, false),
    ("virtual-accounts", "VirtualAccount", r#"{"name": "ci"}"#, true, true),
    ("roles", "Role", r#"{"name": "auditor", "resource_type": "Tenant", "actions": ["viewDirectory"]}"#, false, false),
    ("resources", "Resource", r#"{"resource": "Type::id", "parents": [], "attributes": {}}"#, true, false),
    (
        "collaborators",
        "Collaborator",
        r#"{"resource": "Tenant::acme", "subject": "team:ml", "role": "member"}"#,
        false,
        false,
    ),
];

fn example(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn of_noun((noun, schema, text, ..): &Noun) -> Vec<Operation> {
    let (tag, all, one) = (*noun, format!("/tenants/{{tenant}}/{noun}"), format!("/tenants/{{tenant}}/{noun}/{{id}}"));
    let body = reference(&format!("{schema}Body"));
    let changed = json!({"anyOf": [reference(schema), reference("DryRun")]});
    let mut list = Operation::new("get", &*all, tag, format!("List {noun}.")).pages().administers();
    if *noun == "collaborators" {
        let text = json!({"type": "string"});
        list = list
            .query("resource", text.clone(), "Only on this resource.")
            .query("subject", text.clone(), "Only to this subject.")
            .query("role", text, "Only of roles of this name.");
    }
    let operation = |method, path: &str, summary: String| Operation::new(method, path, tag, summary);
    vec![
        list.answer(200, page(reference(schema))),
        operation("post", &all, format!("Make one of the {noun}."))
            .body(body.clone(), example(text))
            .changes()
            .administers()
            .answer(200, reference("DryRun"))
            .answer(201, reference(schema)),
        operation("get", &one, format!("Read one of the {noun}.")).administers().answer(200, reference(schema)),
        operation("put", &one, format!("Put one of the {noun} in place, whether it is there or not."))
            .body(body, example(text))
            .changes()
            .administers()
            .answer(200, changed.clone())
            .answer(201, reference(schema)),
        operation("patch", &one, format!("Change one of the {noun}, by a JSON merge patch (RFC 7396)."))
            .body(json!({"type": "object"}), json!({}))
            .changes()
            .administers()
            .answer(200, changed.clone()),
        operation("delete", &one, format!("Remove one of the {noun}.")).changes().administers().answer(200, changed),
    ]
}

fn grants(noun: &'static str) -> Vec<Operation> {
    let path = format!("/tenants/{{tenant}}/{noun}/{{id}}/collaborators");
    let (body, example, summary) = if noun == "resources" {
        (reference("GrantOnResource"), json!({"subject": "team:ml", "role": "viewer"}), "who has access to it")
    } else {
        (reference("GrantToSubject"), json!({"resource": "Tenant::acme", "role": "member"}), "what it can reach")
    };
    let role = json!({"type": "string"});
    vec![
        Operation::new("get", &*path, noun, format!("List the grants of one of the {noun}: {summary}."))
            .pages()
            .query("role", role, "Only of roles of this name.")
            .administers()
            .answer(200, page(reference("Collaborator"))),
        Operation::new("post", &*path, noun, format!("Grant: {summary}."))
            .body(body, example)
            .changes()
            .administers()
            .answer(200, reference("DryRun"))
            .answer(201, reference("Collaborator")),
    ]
}

fn tokens(noun: &'static str) -> Vec<Operation> {
    let path = format!("/tenants/{{tenant}}/{noun}/{{id}}/tokens");
    let one = format!("{path}/{{member}}");
    let mut rotate =
        Operation::new("post", format!("{one}/rotate"), noun, "Replace a token; the old one stays good for a while.")
            .body(reference("Rotation"), json!({"grace_seconds": 3600}))
            .administers()
            .answer(201, reference("NewToken"));
    rotate.is_body_needed = false;
    vec![
        Operation::new("get", &*path, noun, "List tokens: never the tokens themselves.")
            .pages()
            .administers()
            .answer(200, page(reference("Token"))),
        Operation::new("post", &*path, noun, "Make a token. The answer is the only one that ever has it.")
            .body(reference("TokenTerms"), json!({"label": "ci", "expires_in_seconds": 86400}))
            .administers()
            .answer(201, reference("NewToken")),
        Operation::new("delete", &*one, noun, "Revoke a token.")
            .changes()
            .administers()
            .answer(200, json!({"anyOf": [reference("Token"), reference("DryRun")]})),
        rotate,
    ]
}

fn others() -> Vec<Operation> {
    let member = "/tenants/{tenant}/teams/{id}/members/{member}";
    let changed = || json!({"anyOf": [reference("Team"), reference("DryRun")]});
    let text = || json!({"type": "string"});
    vec![
        Operation::new("put", member, "teams", "Put a user into a team.")
            .changes()
            .administers()
            .answer(200, changed()),
        Operation::new("delete", member, "teams", "Take a user out of a team.")
            .changes()
            .administers()
            .answer(200, changed()),
        Operation::new(
            "post",
            "/tenants/{tenant}/identity-providers/{id}/refresh",
            "identity-providers",
            "Fetch the provider's keys now; keys that its issuer withdrew end with it.",
        )
        .administers()
        .problems(&[502])
        .answer(200, reference("FetchedKeys")),
        Operation::new("post", "/tenants/{tenant}/batch", "batch", "Make many changes as one, all or none.")
            .body(reference("Batch"), json!({"operations": [{"put": {"type": "user", "email": "jane@acme.com"}}]}))
            .changes()
            .administers()
            .answer(200, json!({"anyOf": [reference("BatchMade"), reference("DryRun")]})),
        Operation::new("get", "/tenants/{tenant}/history", "history", "Who changed what, when and why; newest first.")
            .pages()
            .query("type", text(), "Of facts of this type.")
            .query("id", text(), "Of this one; with `type`.")
            .query("resource", text(), "Of this resource and its grants.")
            .query("subject", text(), "Of this subject, its teams and its grants.")
            .query("actor", text(), "By this key or principal.")
            .query(
                "life",
                json!({"enum": ["present", "all"]}),
                "`all`: of ended tenants of the name too; for admin keys.",
            )
            .administers()
            .answer(200, page(reference("HistoryEntry"))),
    ]
}

fn tenants() -> Vec<Operation> {
    vec![
        Operation::new("get", "/tenants", "tenants", "List tenants.")
            .pages()
            .administers()
            .answer(200, page(reference("Tenant"))),
        Operation::new("post", "/tenants", "tenants", "Make a tenant.")
            .body(reference("TenantBody"), json!({"name": "acme"}))
            .administers()
            .answer(201, reference("Tenant")),
        Operation::new("get", "/tenants/{tenant}", "tenants", "Read a tenant.")
            .administers()
            .answer(200, reference("Tenant")),
        Operation::new("delete", "/tenants/{tenant}", "tenants", "End a tenant with all that it holds.")
            .administers()
            .answer(200, reference("Tenant")),
    ]
}

fn asking() -> Vec<Operation> {
    let question = || json!({"token": "eyJ…", "action": "viewDirectory", "resource": "Tenant::\"acme\""});
    let batch = || json!({"token": "eyJ…", "requests": [{"action": "viewDirectory", "resource": "Tenant::\"acme\""}]});
    let problems = [400, 401, 403, 404, 408, 413, 429, 503];
    let mut all = Vec::new();
    for path in ["/authorize", "/tenants/{tenant}/authorize"] {
        all.push(
            Operation::new("post", path, "asking", "May this principal do this?")
                .query(
                    "deny",
                    json!({"type": "string", "pattern": "^403$"}),
                    "A decision to deny comes with this status, the same answer in its body.",
                )
                .body(reference("Question"), question())
                .problems(&problems)
                .answer(200, reference("Decision"))
                .answer(403, reference("Decision")),
        );
        all.push(
            Operation::new("post", format!("{path}/batch"), "asking", "The same, for many; answered in order.")
                .body(reference("Questions"), batch())
                .problems(&problems)
                .answer(200, reference("Decisions")),
        );
    }
    all
}

fn running() -> Vec<Operation> {
    let any = || json!({"type": "object"});
    let get = |path: &str, summary: &str| Operation::new("get", path, "running", summary);
    let observe = |path: &str, summary: &str| Operation::new("get", path, "observing", summary).problems(&[401, 403]);
    vec![
        get("/tenants/{tenant}/.well-known/jwks.json", "The public keys that sign tokens of our own.")
            .answer(200, any())
            .problems(&[404]),
        get("/live", "Is the server alive?").answer(200, any()),
        get("/ready", "Does every tenant have a snapshot?")
            .query("strict", json!({"enum": ["", "true"]}), "Also: is nothing degraded?")
            .answer(200, any())
            .problems(&[503]),
        observe("/metrics", "Numbers for Prometheus.").answer(200, json!({"type": "string"})),
        observe("/status", "What serves, since when, and what went wrong last.").answer(200, any()),
        get("/openapi.json", "This document.").answer(200, any()),
    ]
}

/// A page of these.
fn page(item: Value) -> Value {
    json!({
        "type": "object",
        "required": ["items"],
        "properties": {
            "items": {"type": "array", "items": item},
            "next": {"type": "string", "description": "The `after` of the next page; absent on the last."},
        },
    })
}
