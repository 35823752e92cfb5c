//! A tenant that was deleted, and files that say otherwise.

use std::fs;

use super::{PATIENT, allowed, asked, compiled, copy, delete, denied, make, started, stop};
use crate::support::{TestTree, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_was_deleted_serves_nobody_from_the_answer_on() {
    let tree = TestTree::new();
    let mut lives = 0;
    while lives < super::super::killed::lives(super::super::killed::LIVES) {
        let server = started(&tree, PATIENT).await;
        let revision = make(&server, true).await;
        assert_eq!(asked(&server, Some(revision)).await, allowed());
        assert_eq!(delete(&server).await, 200);
        // At once, or after a moment in which whatever follows the answer is under way.
        if lives % 2 == 0 {
            let (status, decision) = asked(&server, None).await;
            assert!(matches!(status, 404 | 503) && decision.is_none(), "{status}");
        }
        tokio::time::sleep(std::time::Duration::from_millis(lives as u64 % 7)).await;
        server.signal("KILL");
        drop(server);
        let server = started(&tree, PATIENT).await;
        assert_eq!(asked(&server, None).await, (404, None), "life {lives}");
        assert!(!compiled(&tree).exists());
        lives += 1;
        stop(server).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_files_of_a_deleted_tenant_come_back_and_serve_nobody() {
    let tree = TestTree::new();
    let kept = tree.path().join("kept");
    let server = started(&tree, PATIENT).await;
    let revision = make(&server, true).await;
    assert_eq!(asked(&server, Some(revision)).await, allowed());
    copy(&compiled(&tree), &kept);
    assert_eq!(delete(&server).await, 200);
    eventually("its folder is gone", || async { !tree.policies().join("acme").exists() }).await;
    // While the server runs.
    copy(&kept, &compiled(&tree));
    for _ in 0..20 {
        let (status, decision) = asked(&server, None).await;
        assert!(matches!(status, 404 | 503) && decision.is_none(), "{status}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    stop(server).await;
    // As on a node that was down when it happened.
    fs::remove_dir_all(tree.policies().join("acme")).unwrap();
    copy(&kept, &compiled(&tree));
    let server = started(&tree, PATIENT).await;
    assert_eq!(asked(&server, None).await, (404, None));
    assert!(!tree.policies().join("acme").exists());
    // The next of its name has nothing of it.
    let revision = make(&server, false).await;
    assert_eq!(asked(&server, Some(revision)).await, denied());
}
