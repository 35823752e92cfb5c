//! A steady load: tasks that ask one batch after another, and fail the test when one of them fails or mixes
//! generations.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinHandle;

use super::eventually;
use super::server::CALLER_KEY;

pub struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    /// Asks for as long as it is not finished; every answer also goes through `check`.
    pub fn start(
        url: &str,
        body: impl Fn() -> Value + Clone + Send + 'static,
        check: impl Fn(&Value) + Clone + Send + 'static,
    ) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let tasks = (0..TASKS).map(|_| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            let (body, check, url) = (body.clone(), check.clone(), format!("{url}/authorize/batch"));
            tokio::spawn(async move {
                let client = reqwest::Client::new();
                while !stop.load(Ordering::SeqCst) {
                    let request = client.post(&url).header("x-cedargate-key", CALLER_KEY).json(&body());
                    let response = request.send().await.unwrap();
                    let status = response.status();
                    let answer: Value = response.json().await.unwrap();
                    assert_eq!(status, 200, "{answer}");
                    let results = answer["results"].as_array().unwrap();
                    let generation = &results[0]["generation"];
                    assert!(results.iter().all(|result| result["generation"] == *generation), "{answer}");
                    check(&answer);
                    answered.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(PAUSE).await;
                }
            })
        });
        Self { tasks: tasks.collect(), stop, answered }
    }

    /// Waits until every task has most likely been answered anew.
    pub async fn flows(&self) {
        let before = self.answered.load(Ordering::SeqCst);
        let enough = before + 2 * TASKS;
        eventually("the load is answered", || async {
            assert!(self.tasks.iter().all(|task| !task.is_finished()), "a request of the load failed");
            self.answered.load(Ordering::SeqCst) >= enough
        })
        .await;
    }

    /// Ends it; how many batches were answered, each of them well.
    pub async fn finish(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.answered.load(Ordering::SeqCst)
    }
}

const TASKS: u64 = 2;
/// Between two requests of a task, so that the load leaves the server time to reload.
const PAUSE: Duration = Duration::from_millis(40);
