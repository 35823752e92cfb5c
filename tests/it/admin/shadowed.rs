//! A candidate for a tenant that a database directs: its own policies over the directory that serves.

use std::fs;

use reqwest::Method;
use serde_json::Value;

use super::{Acme, MODEL};
use crate::support::eventually;

async fn count(acme: &Acme, name: &str) -> u64 {
    let metrics = acme.server.ops("/metrics").await.body.as_str().unwrap().to_owned();
    let found = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    found.unwrap_or_default()
}

async fn compared(acme: &Acme, outcome: &str) -> u64 {
    count(acme, &format!("cedargate_shadow_decisions_total{{tenant=\"acme\",outcome=\"{outcome}\"}}")).await
}

async fn candidate(acme: &Acme) -> Value {
    acme.server.ops("/status").await.body["candidate"]["tenants"]["acme"].clone()
}

#[tokio::test]
async fn a_candidate_has_the_directory_that_serves_and_its_changes_are_no_differences() {
    let acme = Acme::configured(|raw| {
        let candidate = raw.policies.dir.as_ref().unwrap().with_file_name("candidate");
        fs::create_dir_all(candidate.join("acme")).unwrap();
        raw.policies.candidate = Some(candidate);
    })
    .await;
    let zoe = acme.token("zoe@acme.com");
    let member = "/teams/ml/members/zoe@acme.com";
    let mut asked = 0;
    for round in 0..6 {
        let (method, decision) = if round % 2 == 0 { (Method::PUT, "allow") } else { (Method::DELETE, "deny") };
        let revision = acme.admin.send(method, member, None).await.ok().revision();
        let answer = acme.ask(&zoe, "viewModel", MODEL, revision).await.ok();
        assert_eq!(answer.body["decision"], decision, "{}", answer.body);
        asked += 1;
        if round % 3 == 2 {
            // The candidate catches up, and what is asked then is compared.
            eventually("the candidate has the revision", || async { candidate(&acme).await["revision"] == revision })
                .await;
            let before = compared(&acme, "same").await;
            acme.ask(&zoe, "viewModel", MODEL, revision).await.ok();
            asked += 1;
            eventually("it is compared", || async { compared(&acme, "same").await > before }).await;
        }
    }
    let behind = "cedargate_shadow_dropped_total{tenant=\"acme\",why=\"other_revision\"}";
    eventually("all are compared, or not for a reason", || async {
        compared(&acme, "same").await + count(&acme, behind).await == asked
    })
    .await;
    for outcome in ["newly_allowed", "newly_denied", "other_reason", "error"] {
        assert_eq!(compared(&acme, outcome).await, 0, "{outcome}");
    }

    // One that stays behind: what the directory's change makes different is nothing of its doing.
    acme.server.tree.write("candidate/acme/broken.cedar", "permit (\n");
    eventually("the fault is seen", || async { candidate(&acme).await["last_reload"]["ok"] == false }).await;
    let dropped = count(&acme, behind).await;
    let revision = acme.admin.put(member, Value::Null).await.ok().revision();
    assert_eq!(acme.ask(&zoe, "viewModel", MODEL, revision).await.ok().body["decision"], "allow");
    eventually("it is not compared", || async { count(&acme, behind).await == dropped + 1 }).await;
    assert_eq!(compared(&acme, "newly_denied").await, 0);
    acme.server.tree.remove("candidate/acme/broken.cedar");
    eventually("the candidate has the revision", || async { candidate(&acme).await["revision"] == revision }).await;

    // A policy of its own is one.
    let jane = acme.token("jane@acme.com");
    let generation = candidate(&acme).await["generation"].clone();
    acme.server.tree.write("candidate/acme/all.cedar", "forbid (principal, action, resource);\n");
    eventually("it is loaded", || async { candidate(&acme).await["generation"] != generation }).await;
    assert_eq!(acme.ask(&jane, "viewModel", MODEL, 1).await.ok().body["decision"], "allow");
    eventually("it is counted", || async { compared(&acme, "newly_denied").await == 1 }).await;
    // The live bundle is as it was, and nobody published beside the candidate.
    assert!(!acme.server.tree.path().join("candidate/acme/compiled").exists());
    assert_eq!(acme.server.status("acme").await["last_reload"]["ok"], true);
}
