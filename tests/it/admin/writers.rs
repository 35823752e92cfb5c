//! Many who change one tenant at once: each is taken, in order, and none over what it has not seen.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::Acme;
use crate::support::AdminClient;

/// Runs some writers at once, each with users of its own; the revisions that they were answered.
async fn write(admin: &AdminClient, writers: usize, each: usize) -> BTreeSet<u64> {
    let revisions = Arc::new(Mutex::new(BTreeSet::new()));
    let mut writing = tokio::task::JoinSet::new();
    for writer in 0..writers {
        let (admin, revisions) = (admin.clone(), Arc::clone(&revisions));
        writing.spawn(async move {
            for number in 0..each {
                let user = json!({"type": "user", "email": format!("w{writer}-{number}@acme.com")});
                let made = admin.put(&format!("/users/w{writer}-{number}@acme.com"), user).await;
                assert!(revisions.lock().unwrap().insert(made.ok().revision()), "two changes are one revision");
            }
        });
    }
    writing.join_all().await;
    let revisions = revisions.lock().unwrap();
    revisions.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_write_to_one_tenant_at_once_none_is_refused() {
    let acme = Acme::start().await;
    for writers in [8, 16, 64] {
        let before = acme.head().await;
        let revisions = write(&acme.admin, writers, 10).await;
        assert_eq!(revisions.len(), writers * 10);
        assert!(revisions.iter().all(|revision| *revision > before));
        assert_eq!(revisions.last().copied(), Some(acme.head().await));
        for writer in 0..writers {
            acme.admin.delete(&format!("/users/w{writer}-9@acme.com")).await.ok();
            for number in 0..9 {
                acme.admin.delete(&format!("/users/w{writer}-{number}@acme.com")).await.ok();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn beyond_the_bound_a_writer_is_told_to_try_again() {
    let acme = Acme::configured(|raw| raw.database.max_waiting_writes = 1).await;
    let mut writing = tokio::task::JoinSet::new();
    for number in 0..32 {
        let admin = acme.admin.clone();
        writing.spawn(async move { admin.post("/users", json!({"email": format!("u{number}@acme.com")})).await });
    }
    let (mut made, mut refused) = (0, 0);
    for reply in writing.join_all().await {
        if reply.status == 503 {
            reply.is(503, "busy");
            assert_eq!(reply.header("retry-after"), "1");
            refused += 1;
        } else {
            reply.ok();
            made += 1;
        }
    }
    assert!(made > 0 && refused > 0, "{made} made, {refused} refused");
}
