//! Trees in the shape of Cedar's own corpus and examples, as they are: actions among the entities, ids as they come,
//! schemas in JSON, policies in JSON, links in the official form. Command line and running server answer as Cedar's own
//! authorizer does, in decision, determining policies and errors.

use std::collections::BTreeSet;

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Decision, Entities, EntityUid, PolicyId, PolicySet, Request, Schema,
    SlotId,
};
use serde_json::{Value, json};

use crate::cli::cedargate;
use crate::support::server::{CALLER_KEY, issuers};
use crate::support::{TestServer, TestTree};

/// One tree: its schema in Cedar's language, policies, links, entities as the official tools take them.
struct Example {
    schema: &'static str,
    policies: &'static str,
    links: fn() -> Value,
    entities: fn() -> Value,
    contexts: &'static [&'static str],
}

const PHOTOS: Example = Example {
    schema: "
        namespace PhotoFlash {
            entity User in [UserGroup] { department: String, jobLevel: Long };
            entity UserGroup;
            entity Album in [Album] { private: Bool, account: Account };
            entity Account { owner: User, admins?: Set<User> };
            entity Photo in [Album] { private: Bool, account: Account };
            action Read; action Write in [Read];
            action viewPhoto, \"list photos\" in [Read] appliesTo { principal: User, resource: [Photo, Album],
                context: { authenticated: Bool, ip?: ipaddr } };
            action editPhoto in [Write] appliesTo { principal: User, resource: Photo, context: { authenticated: Bool, ip?: ipaddr } };
        }",
    policies: "
        permit (principal == PhotoFlash::User::\"alice\", action == PhotoFlash::Action::\"viewPhoto\", resource == PhotoFlash::Photo::\"VacationPhoto94.jpg\");
        permit (principal in PhotoFlash::UserGroup::\"it's \\\"friends\\\"\", action in PhotoFlash::Action::\"Read\", resource in PhotoFlash::Album::\"vacation/trip\") when { !resource.private };
        @id(\"private stays private\")
        forbid (principal, action, resource) when { resource.private } unless { resource.account.owner == principal };
        forbid (principal, action, resource) when { context has ip && !context.ip.isInRange(ip(\"10.0.0.0/8\")) };
        permit (principal, action, resource) when { principal.jobLevel + 9223372036854775807 > 0 };
        @id(\"shared\")
        permit (principal == ?principal, action in PhotoFlash::Action::\"Read\", resource in ?resource);",
    links: || {
        json!([{"template_id": "shared", "link_id": "bob sees it", "args": {
            "?principal": "PhotoFlash::User::\"bob\"", "?resource": "PhotoFlash::Album::\"vacation/trip\""}}])
    },
    entities: || {
        let account = json!({"__entity": {"type": "PhotoFlash::Account", "id": "a"}});
        let action = |id: &str, parents: &[&str]| {
            let parents: Vec<_> = parents.iter().map(|id| json!({"type": "PhotoFlash::Action", "id": id})).collect();
            json!({"uid": {"type": "PhotoFlash::Action", "id": id}, "attrs": {}, "parents": parents})
        };
        let user = |id: &str, level: i64, groups: Value| {
            json!({"uid": {"type": "PhotoFlash::User", "id": id}, "attrs": {"department": "x", "jobLevel": level}, "parents": groups})
        };
        let friends = json!([{"__entity": {"type": "PhotoFlash::UserGroup", "id": "it's \"friends\""}}]);
        let photo = |id: &str, is_private: bool| {
            json!({"uid": {"__entity": {"type": "PhotoFlash::Photo", "id": id}}, "attrs": {"private": is_private, "account": account},
                   "parents": [{"type": "PhotoFlash::Album", "id": "vacation/trip"}]})
        };
        json!([
            user("alice", 5, json!([])), user("bob", -1, json!([])), user("carol", 0, friends),
            {"uid": {"type": "PhotoFlash::UserGroup", "id": "it's \"friends\""}, "attrs": {}, "parents": []},
            {"uid": {"type": "PhotoFlash::Account", "id": "a"}, "attrs": {"owner": {"__entity": {"type": "PhotoFlash::User", "id": "alice"}}}, "parents": []},
            {"uid": {"type": "PhotoFlash::Album", "id": "vacation/trip"}, "attrs": {"private": false, "account": account}, "parents": []},
            photo("VacationPhoto94.jpg", false), photo("secret \u{1F332}\n.jpg", true),
            action("Read", &[]), action("Write", &["Read"]), action("viewPhoto", &["Read"]), action("list photos", &["Read"]),
            action("editPhoto", &["Write", "Read"]),
        ])
    },
    contexts: &[
        r#"{"authenticated": true}"#,
        r#"{"authenticated": false, "ip": {"__extn": {"fn": "ip", "arg": "10.1.2.3"}}}"#,
        r#"{"authenticated": true, "ip": {"__extn": {"fn": "ip", "arg": "192.168.0.1"}}}"#,
    ],
};

const TINY: Example = Example {
    schema: "
        entity User enum [\"one\", \"two\"];
        entity Doc in [Doc] tags Set<String>;
        action view, edit appliesTo { principal: User, resource: Doc, context: {} };",
    policies: "
        permit (principal, action == Action::\"view\", resource) when { resource.hasTag(\"open\") && resource.getTag(\"open\").contains(\"yes\") };
        permit (principal == User::\"two\", action, resource in Doc::\"root\");
        forbid (principal == User::\"one\", action == Action::\"edit\", resource);",
    links: || json!([]),
    entities: || {
        json!([
            {"uid": {"type": "Doc", "id": "root"}, "attrs": {}, "parents": []},
            {"uid": {"type": "Doc", "id": "a"}, "attrs": {}, "parents": [{"type": "Doc", "id": "root"}], "tags": {"open": ["yes"]}},
            {"uid": {"type": "Doc", "id": ""}, "attrs": {}, "parents": []},
            {"uid": {"type": "Action", "id": "view"}, "attrs": {}, "parents": []},
            {"uid": {"type": "Action", "id": "edit"}, "attrs": {}, "parents": []},
        ])
    },
    contexts: &["{}"],
};

/// Decision, ids of determining policies, ids of those that failed.
type Outcome = (bool, BTreeSet<String>, BTreeSet<String>);

/// A question: principal, action, resource, context.
type Question = [String; 4];

impl Example {
    /// As the official command line has it: each policy under its `@id`, or its place.
    fn policy_set(&self, file: &str) -> PolicySet {
        let parsed: PolicySet = self.policies.parse().unwrap();
        let mut set = PolicySet::new();
        let id = |own: &PolicyId, annotated: Option<&str>| {
            let place = own.to_string().replace("policy", "");
            PolicyId::new(annotated.map_or_else(|| format!("{file}#{place}"), str::to_owned))
        };
        for policy in parsed.policies() {
            set.add(policy.new_id(id(policy.id(), policy.annotation("id")))).unwrap();
        }
        for template in parsed.templates() {
            set.add_template(template.new_id(id(template.id(), template.annotation("id")))).unwrap();
        }
        for link in (self.links)().as_array().unwrap() {
            let text = |name: &str| PolicyId::new(link[name].as_str().unwrap());
            let slots = [("?principal", SlotId::principal()), ("?resource", SlotId::resource())];
            let slots =
                slots.into_iter().map(|(name, slot)| (slot, link["args"][name].as_str().unwrap().parse().unwrap()));
            set.link(text("template_id"), text("link_id"), slots.collect()).unwrap();
        }
        set
    }

    fn schema(&self) -> Schema {
        Schema::from_cedarschema_str(self.schema).unwrap().0
    }

    /// Every question that the schema lets be asked about the entities that there are.
    fn questions(&self) -> Vec<Question> {
        let schema = self.schema();
        let entities = Entities::from_json_value((self.entities)(), Some(&schema)).unwrap();
        let mut uids: BTreeSet<EntityUid> = entities.iter().map(|entity| entity.uid()).collect();
        if self.schema.contains("enum") {
            uids.extend(["User::\"one\"", "User::\"two\""].map(|uid| uid.parse().unwrap()));
        }
        let mut questions = Vec::new();
        for environment in schema.request_envs() {
            let of = |kind: &cedar_policy::EntityTypeName| {
                uids.iter().filter(|uid| uid.type_name() == kind).cloned().collect::<Vec<_>>()
            };
            for principal in of(environment.principal()) {
                for resource in of(environment.resource()) {
                    for context in self.contexts {
                        let texts = [principal.to_string(), environment.action().to_string(), resource.to_string()];
                        let [principal, action, resource] = texts;
                        questions.push([principal, action, resource, (*context).to_owned()]);
                    }
                }
            }
        }
        questions
    }

    fn cedars_answer(&self, policies: &PolicySet, [principal, action, resource, context]: &Question) -> Outcome {
        let schema = self.schema();
        let entities = Entities::from_json_value((self.entities)(), Some(&schema)).unwrap();
        let action: EntityUid = action.parse().unwrap();
        let context = Context::from_json_str(context, Some((&schema, &action))).unwrap();
        let (principal, resource) = (principal.parse().unwrap(), resource.parse().unwrap());
        let request = Request::new(principal, action, resource, context, Some(&schema)).unwrap();
        let response = Authorizer::new().is_authorized(&request, policies, &entities);
        let id = |id: &PolicyId| AsRef::<str>::as_ref(id).to_owned();
        let failed = |error: &AuthorizationError| {
            let AuthorizationError::PolicyEvaluationError(error) = error;
            id(error.policy_id())
        };
        (
            response.decision() == Decision::Allow,
            response.diagnostics().reason().map(id).collect(),
            response.diagnostics().errors().map(failed).collect(),
        )
    }

    /// Writes the tree, in text or in JSON; the name of its file of policies.
    fn write(&self, tree: &TestTree, as_json: bool) -> &'static str {
        for name in ["gateway.cedarschema", "gateway.roles.yaml"] {
            tree.remove(&format!("schema/{name}"));
        }
        tree.write("policies/acme/all/entities.json", &(self.entities)().to_string());
        tree.write("policies/acme/all/x.links.json", &serde_json::to_string_pretty(&(self.links)()).unwrap());
        tree.write(
            "cedargate.toml",
            "directory = \"files\"\n[schema]\nidentity = false\n[decisions]\nforbid_errors = \"skip\"\n",
        );
        if as_json {
            let (fragment, _) = cedar_policy::SchemaFragment::from_cedarschema_str(self.schema).unwrap();
            tree.write("schema/s.cedarschema.json", &fragment.to_json_string().unwrap());
            let mut unlinked = self.policy_set("all/p.cedar.json");
            for link in (self.links)().as_array().unwrap() {
                unlinked.unlink(PolicyId::new(link["link_id"].as_str().unwrap())).unwrap();
            }
            tree.write("policies/acme/all/p.cedar.json", &unlinked.to_json().unwrap().to_string());
            return "all/p.cedar.json";
        }
        tree.write("schema/s.cedarschema", self.schema);
        tree.write("policies/acme/all/p.cedar", self.policies);
        "all/p.cedar"
    }
}

fn outcome(answer: &Value) -> Outcome {
    let ids = |name: &str| {
        let all = answer[name].as_array().unwrap_or_else(|| panic!("{answer}"));
        all.iter().map(|policy| policy["id"].as_str().unwrap().to_owned()).collect()
    };
    (answer["decision"] == "allow", ids("policies"), ids("errors"))
}

async fn holds(example: &Example, as_json: bool) {
    let (okta, github) = issuers().await;
    let tree = TestTree::new();
    let file = example.write(&tree, as_json);
    let policies = example.policy_set(file);
    let checked = cedargate(tree.path(), &["check", "--config", "cedargate.toml", "--json"]);
    assert_eq!((checked.code, &checked.json()["warnings"]), (0, &json!([])), "{}", checked.stdout);
    let server = TestServer::over(tree, okta, github, |raw| {
        raw.schema.identity = false;
        raw.directory = Some(cedargate::config::RawDirectory::Files);
        raw.decisions = toml_skip();
    })
    .await;
    let mut allowed = 0;
    let questions = example.questions();
    for (number, question) in questions.iter().enumerate() {
        let expected = example.cedars_answer(&policies, question);
        let [principal, action, resource, context] = question;
        let asked = json!({"tenant": "acme", "principal": principal, "action": action, "resource": resource,
                           "context": serde_json::from_str::<Value>(context).unwrap()});
        let reply = server.post_with("/authorize", asked, &[("x-cedargate-key", CALLER_KEY)]).await;
        assert_eq!((reply.status, outcome(&reply.body)), (200, expected.clone()), "{question:?}: {}", reply.body);
        // A process a question takes its time: every seventh.
        if number % 7 == 0 {
            let ran = cedargate(
                server.tree.path(),
                &[
                    "authorize",
                    "--config",
                    "cedargate.toml",
                    "--json",
                    "--tenant",
                    "acme",
                    "--principal",
                    principal,
                    "--action",
                    action,
                    "--resource",
                    resource,
                    "--context",
                    context,
                ],
            );
            assert_eq!(outcome(&ran.json()), expected, "{question:?}: {}", ran.stdout);
        }
        allowed += usize::from(expected.0);
    }
    assert!(allowed > 2 && allowed < questions.len(), "{allowed} of {}", questions.len());
}

fn toml_skip() -> cedargate::config::RawDecisions {
    cedargate::config::RawDecisions { forbid_errors: cedargate::config::RawForbidErrors::Skip, ..Default::default() }
}

#[tokio::test]
async fn a_tree_of_cedars_examples_answers_as_cedar_does() {
    holds(&PHOTOS, false).await;
}

#[tokio::test]
async fn the_same_tree_in_cedars_json_answers_as_cedar_does() {
    holds(&PHOTOS, true).await;
}

#[tokio::test]
async fn enumerated_types_and_tags_answer_as_cedar_does() {
    holds(&TINY, false).await;
    holds(&TINY, true).await;
}
