//! Hot reload: whatever happens to the files, no request fails, each batch is of one generation, what is broken
//! never goes live, and what is good does at once.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::support::process::token_for_now;
use crate::support::server::issuers;
use crate::support::{Load, ServerProcess, TestServer, TestTree, eventually, tree};

const JANE: &str = r#"User::"jane@acme.com""#;
const MODEL: &str = r#"Model::"gpt-4o""#;

/// The running binary over the sample, under load. Polling is off: only events bring changes.
struct Running {
    tree: TestTree,
    server: ServerProcess,
    load: Load,
}

impl Running {
    async fn start() -> Self {
        let (okta, github) = issuers().await;
        let tree = TestTree::sample(&okta, &github);
        let server = ServerProcess::start(&tree, "watch.poll_seconds = 3600\n");
        let token = token_for_now(&okta, json!({"sub": "00u1", "email": "jane@acme.com"}));
        let item = json!({"action": "viewModel", "resource": MODEL});
        let body = json!({"tenant": "acme", "token": token, "requests": [item, item]});
        eventually("the keys are fetched", || async {
            server.post("/authorize/batch", &body).await.unwrap().status() == 200
        })
        .await;
        let load = Load::start(&server.url, move || body.clone(), |_| {});
        Self { tree, server, load }
    }

    /// What decides whether Jane may view the model: the decision and the determining policies.
    async fn probe(&self) -> (String, Value) {
        let (status, body) = self.server.vouch(JANE, "viewModel", MODEL).await;
        assert_eq!(status, 200, "{body}");
        (body["decision"].as_str().unwrap().to_owned(), body["policies"].clone())
    }

    /// The answer becomes this, at once.
    async fn turns(&self, decision: &str, id_or_source: &str) {
        let started = Instant::now();
        let what = format!("{decision} by {id_or_source}");
        eventually(&what, || async {
            let (found, policies) = self.probe().await;
            found == decision && policies.to_string().contains(id_or_source)
        })
        .await;
        assert!(started.elapsed() < AT_ONCE, "{what} took {:?}", started.elapsed());
        self.load.flows().await;
    }

    async fn revision(&self) -> u64 {
        self.server.status("acme").await["revision"].as_u64().unwrap()
    }

    /// Breaks a file; sees that it is named and nothing else changes; repairs it.
    async fn survives(&self, name: &str, broken: &str, line: u64) {
        let original = fs::read_to_string(self.tree.path().join(name)).ok();
        let before = self.server.status("acme").await;
        self.tree.write(name, broken);
        eventually(&format!("{name} is seen to be broken"), || async {
            self.server.status("acme").await["last_reload"]["ok"] == false
        })
        .await;
        let status = self.server.status("acme").await;
        let error = &status["last_reload"]["errors"][0];
        assert!(error["file"].as_str().unwrap().ends_with(name), "{error}");
        assert_eq!(error["line"], line, "{error}");
        assert!(error["column"].as_u64().unwrap() >= 1, "{error}");
        for kept in ["generation", "revision", "policies", "links", "entities"] {
            assert_eq!(status[kept], before[kept], "{kept} changed by a broken {name}");
        }
        assert!(self.server.ops_text("/metrics").await.contains("cedargate_last_reload_ok{tenant=\"acme\"} 0"));
        self.load.flows().await;
        match original {
            Some(text) => self.tree.write(name, &text),
            None => self.tree.remove(name),
        }
        eventually(&format!("{name} is seen to be repaired"), || async {
            self.server.status("acme").await["last_reload"]["ok"] == true
        })
        .await;
        assert!(self.server.ops_text("/metrics").await.contains("cedargate_last_reload_ok{tenant=\"acme\"} 1"));
        assert_eq!(self.server.status("acme").await["generation"], before["generation"]);
    }
}

fn forbid(id: &str) -> String {
    format!("@id(\"{id}\")\nforbid (principal, action == Action::\"viewModel\", resource == {MODEL});\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_changing_files_takes_effect_and_no_request_fails() {
    let running = Running::start().await;
    let (tree, acme) = (&running.tree, running.tree.policies().join("acme"));
    running.turns("allow", "collaborator/Model/gpt-4o/viewer/Team/ml").await;
    let revision = running.revision().await;

    tree.write("policies/acme/hot/night.cedar", &forbid("hot/added"));
    running.turns("deny", "hot/added").await;
    tree.write("policies/acme/hot/night.cedar", &forbid("hot/edited"));
    running.turns("deny", "hot/edited").await;
    fs::rename(acme.join("hot/night.cedar"), acme.join("hot/day.cedar")).unwrap();
    running.turns("deny", "hot/day.cedar:1").await;
    tree.write("staged.cedar", &forbid("hot/moved-over"));
    fs::rename(tree.path().join("staged.cedar"), acme.join("hot/day.cedar")).unwrap();
    running.turns("deny", "hot/moved-over").await;
    tree.remove("policies/acme/hot/day.cedar");
    running.turns("allow", "collaborator/").await;
    assert_eq!(running.revision().await, revision, "hand-written files are no change of the directory");

    tree.edit("policies/acme/manifests/resources.yaml", |text| {
        text.replace("subject: team:ml, role: viewer}", "subject: team:ml, role: editor}")
    });
    running.turns("allow", "collaborator/Model/gpt-4o/editor/Team/ml").await;
    assert_eq!(running.revision().await, revision + 1);
    tree.edit("policies/acme/manifests/resources.yaml", |text| {
        text.replace("  - {subject: team:ml, role: editor}\n  - {subject: user:sofia", "  - {subject: user:sofia")
    });
    running.turns("deny", "[]").await;
    assert_eq!(running.revision().await, revision + 2);

    assert_eq!(running.server.vouch(JANE, "pingModel", MODEL).await.0, 400);
    tree.edit("schema/gateway.cedarschema", |text| {
        text + "action pingModel in [view] appliesTo { principal: [User], resource: Model, context: RequestContext };\n"
    });
    eventually("the new action is known", || async { running.server.vouch(JANE, "pingModel", MODEL).await.0 == 200 })
        .await;
    assert!(running.load.finish().await > 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_map_swap_takes_effect_and_no_request_fails() {
    let running = Running::start().await;
    let mounted = running.tree.policies().join("acme/mounted");
    let version = |name: &str, text: &str| {
        running.tree.write(&format!("policies/acme/mounted/{name}/guard.cedar"), text);
        symlink(name, mounted.join("..data_tmp")).unwrap();
        fs::rename(mounted.join("..data_tmp"), mounted.join("..data")).unwrap();
    };
    version("..2026_01_09", &forbid("mounted/first"));
    symlink("..data/guard.cedar", mounted.join("guard.cedar")).unwrap();
    running.turns("deny", "mounted/first").await;
    version("..2026_01_10", &forbid("mounted/other"));
    fs::remove_dir_all(mounted.join("..2026_01_09")).unwrap();
    running.turns("deny", "mounted/other").await;
    version("..2026_01_11", "// nothing is forbidden any more\n");
    running.turns("allow", "collaborator/").await;
    running.load.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_of_any_kind_leaves_the_last_good_snapshot_serving() {
    let running = Running::start().await;
    running.survives("policies/acme/hot/broken.cedar", "// one\npermit (principal, action\n", 2).await;
    running
        .survives(
            "policies/acme/guardrails/hours.cedar",
            "forbid (principal, action, resource)\nwhen { resource.nothing };\n",
            2,
        )
        .await;
    running.survives("policies/acme/manifests/more.yaml", "type: team\nname: new\nmembrs: []\n", 3).await;
    running.survives("policies/acme/hot/people.entities.json", "[\n  {\"uid\": }\n]\n", 2).await;
    running.survives("schema/gateway.cedarschema", "entity Model;\nentity = ;\n", 2).await;
    running.turns("allow", "collaborator/Model/gpt-4o/viewer/Team/ml").await;
    running.load.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_being_written_never_goes_live_half() {
    let mut running = Running::start().await;
    running.tree.write("policies/acme/hot/big.cedar", &forbid("hot/always"));
    running.turns("deny", "hot/always").await;
    let body = json!({"tenant": "acme", "principal": JANE, "requests": [{"action": "viewModel", "resource": MODEL}]});
    let guarded = Load::start(
        &running.server.url,
        move || body.clone(),
        |answer| {
            assert!(answer.to_string().contains("hot/always"), "half a file went live: {answer}");
        },
    );
    std::mem::replace(&mut running.load, guarded).finish().await;
    let path = running.tree.policies().join("acme/hot/big.cedar");
    let whole = running.server.status("acme").await["policies"].as_u64().unwrap();
    // Truncated, then written in pieces as a slow copy does, for longer than any debounce; each piece is valid.
    for (round, pieces) in [2, 3, 80].into_iter().enumerate() {
        let mut file = fs::File::create(&path).unwrap();
        for piece in 0..pieces {
            writeln!(file, "@id(\"hot/{round}/{piece}\")\npermit (principal, action, resource) when {{ false }};")
                .unwrap();
            sleep(Duration::from_millis(40)).await;
        }
        file.write_all(forbid("hot/always").as_bytes()).unwrap();
        drop(file);
        eventually("the whole file is live", || async {
            running.server.status("acme").await["policies"] == whole + pieces
        })
        .await;
        running.load.flows().await;
    }
    running.load.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policies_folder_that_is_moved_away_and_replaced_is_followed() {
    let mut server = TestServer::configured(|raw| raw.watch.poll_seconds = 1).await;
    let policies = server.tree.policies();
    let token = server.okta.token(json!({"sub": "00u1", "email": "jane@acme.com"}));
    let body = json!({"token": token, "requests": [{"action": "viewModel", "resource": MODEL}]});
    let load = Load::start(&server.url, move || body.clone(), |_| {});
    load.flows().await;

    fs::rename(&policies, server.tree.path().join("away")).unwrap();
    eventually("the missing folder is noticed", || async {
        server.ops("/status").await.body["tenants"]["acme"]["last_reload"]["ok"] == false
    })
    .await;
    load.flows().await;
    tree::copy(&server.tree.path().join("away"), &policies);
    server.tree.write("policies/acme/hot/new.cedar", &forbid("hot/replaced"));
    let decided_by = async |id: &str| server.vouch(JANE, "viewModel", MODEL).await.body.to_string().contains(id);
    eventually("the new folder serves", || decided_by("hot/replaced")).await;
    server.tree.write("policies/acme/hot/new.cedar", &forbid("hot/followed"));
    eventually("the new folder is followed", || decided_by("hot/followed")).await;
    load.finish().await;
    server.stop().await;
}

#[tokio::test]
async fn a_tenant_comes_and_goes_with_its_folder() {
    let server = TestServer::start().await;
    let ask = async || {
        let body = json!({"tenant": "globex", "principal": "User::\"a@globex.com\"", "action": "viewModel", "resource": MODEL});
        server.post_with("/authorize", body, &[("x-cedargate-key", crate::support::server::CALLER_KEY)]).await.status
    };
    assert_eq!(ask().await, 404);
    server.tree.write("policies/globex/manifests/people.yaml", "type: user\nemail: a@globex.com\n");
    eventually("the tenant is there", || async { ask().await == 200 }).await;
    fs::remove_dir_all(server.tree.policies().join("globex")).unwrap();
    eventually("the tenant is gone", || async { ask().await == 404 }).await;
    assert_eq!(server.get("/ready").await.status, 200);
    assert!(server.ops("/status").await.body["tenants"].get("globex").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_all_the_time_holds_up_nothing_else() {
    let running = Running::start().await;
    running.tree.write("policies/globex/busy.cedar", "// nothing\n");
    // Beside a tenant's policy, files that nobody reads.
    let busy = ["globex/busy.cedar", "access.log", ".busy.cedar.swp"].map(|name| running.tree.policies().join(name));
    let stop = Arc::new(AtomicBool::new(false));
    let is_over = Arc::clone(&stop);
    let writing = std::thread::spawn(move || {
        let mut rounds = 0;
        while !is_over.load(Ordering::Relaxed) {
            rounds += 1;
            busy.iter().for_each(|path| fs::write(path, format!("// {rounds}\n")).unwrap());
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    running.tree.write("policies/acme/hot/quiet.cedar", &forbid("hot/quiet"));
    running.turns("deny", "hot/quiet").await;
    stop.store(true, Ordering::Relaxed);
    writing.join().unwrap();
    running.load.finish().await;
}

/// How soon a change must be in the answers. Without optimisation Cedar takes its time to validate.
const AT_ONCE: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 1 });

#[tokio::test]
async fn a_guard_rail_in_the_wrong_place_lets_nobody_through_until_it_is_moved() {
    let server = TestServer::with_file("policies/guard.cedar", &forbid("guard")).await;
    let answer = server.vouch(JANE, "viewModel", MODEL).await;
    assert_eq!((answer.status, answer.slug()), (503, "no-snapshot"));
    let told = server.status("acme").await["last_reload"]["errors"].to_string();
    assert!(told.contains("guard.cedar") && told.contains("belongs in a tenant's folder"), "{told}");
    server.tree.remove("policies/guard.cedar");
    eventually("it serves", || async { server.vouch(JANE, "viewModel", MODEL).await.body["decision"] == "allow" })
        .await;
    server.tree.write("policies/guard.cedar", &forbid("guard"));
    eventually("it is told", || async { server.status("acme").await["last_reload"]["ok"] == false }).await;
    assert_eq!(server.vouch(JANE, "viewModel", MODEL).await.body["decision"], "allow", "the last good one serves");
}
