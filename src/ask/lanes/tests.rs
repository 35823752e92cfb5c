//! Slow work moves apart and holds up nobody else; quick work stays where it is asked.

use std::thread;

use super::*;

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

/// Keeps the processor busy for this thread.
fn work_for(milliseconds: u64) -> String {
    let before = own_time();
    while own_time().saturating_sub(before) < Duration::from_millis(milliseconds) {}
    thread::current().name().unwrap_or_default().to_owned()
}

async fn put_apart(lanes: &Lanes, tenant: &TenantId) {
    for _ in 0..2 {
        lanes.run(tenant, || work_for(150)).await.unwrap();
    }
    assert!(lanes.lane(tenant).unwrap().is_apart());
}

#[tokio::test]
async fn a_tenant_whose_work_is_slow_is_worked_for_apart_and_others_are_not() {
    let lanes = Lanes::start().unwrap();
    let (slow, quick) = (tenant("slow"), tenant("quick"));
    assert!(lanes.lane(&slow).is_none());
    put_apart(&lanes, &slow).await;
    let here = thread::current().name().unwrap_or_default().to_owned();
    let name = || thread::current().name().unwrap_or_default().to_owned();
    assert!(lanes.run(&slow, name).await.unwrap().0.starts_with("apart-"));
    assert_eq!(lanes.run(&quick, name).await.unwrap().0, here);
}

/// What waits for the processor is not what works it: a busy machine puts nobody apart.
#[tokio::test]
async fn waiting_is_not_working() {
    let lanes = Lanes::start().unwrap();
    let idle = tenant("idle");
    for _ in 0..4 {
        lanes.run(&idle, || thread::sleep(Duration::from_millis(120))).await.unwrap();
    }
    assert!(!lanes.lane(&idle).unwrap().is_apart());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn work_apart_holds_no_worker_and_is_bounded() {
    let lanes = Lanes::start().unwrap();
    let slow = tenant("slow");
    put_apart(&lanes, &slow).await;
    let begun = Instant::now();
    let all: Vec<_> = (0..MOST_WAITING + 10)
        .map(|_| {
            let (lanes, slow) = (lanes.clone(), slow.clone());
            tokio::spawn(async move { lanes.run(&slow, || work_for(5_000)).await.map(|_| ()) })
        })
        .collect();
    // The only worker is free all the while.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let lane = lanes.lane(&slow).unwrap();
    while lane.waiting.load(Ordering::Acquire) < MOST_WAITING {
        tokio::task::yield_now().await;
    }
    assert_eq!(lanes.run(&slow, || ()).await, Err(LaneError::Crowded(slow.clone())));
    // Whoever gives up makes room.
    for one in all {
        one.abort();
        let _ = one.await;
    }
    while lane.waiting.load(Ordering::Acquire) > lanes.0.of_one_tenant {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_panic_apart_ends_one_question_and_no_thread() {
    let lanes = Lanes::start().unwrap();
    let slow = tenant("slow");
    for _ in 0..8 {
        // On a busy machine it would be long ago, and the tenant back where others are.
        put_apart(&lanes, &slow).await;
        assert_eq!(lanes.run(&slow, || panic!("at the disco")).await.map(|((), _)| ()), Err(LaneError::Failed));
    }
    assert_eq!(lanes.run(&slow, || 7).await.unwrap().0, 7);
}
