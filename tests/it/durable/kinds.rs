//! Kill -9 at random moments of every kind of change: what was acknowledged is so after the next start, tenants that
//! were deleted and made again included, and what was not is whole or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::{PATIENT, started, stop};
use crate::killed::lives;
use crate::support::server::CALLER_KEY;
use crate::support::{ServerProcess, TestTree, eventually};

/// Kills of the long form.
const LIVES: usize = 200;

/// What is acknowledged, and what was asked for last: that may be so or not.
#[derive(Clone, Debug, Default)]
struct World {
    is_there: bool,
    /// User → whether they are active and whether they have a grant.
    users: BTreeMap<String, (bool, bool)>,
    revision: u64,
    asked: Option<Change>,
}

#[derive(Clone, Debug, PartialEq)]
enum Change {
    Make,
    Delete,
    /// A new user with a grant.
    Join(String),
    Revoke(String),
    Grant(String),
    Switch(String, bool),
}

impl World {
    /// The next change, by a number that says which.
    fn next(&self, number: usize) -> Change {
        if !self.is_there {
            return Change::Make;
        }
        let some = self.users.iter().nth(number * 7 % self.users.len().max(1));
        match (number % 11, some) {
            (10, _) if self.users.len() > 3 => Change::Delete,
            (3 | 7, Some((user, (_, true)))) => Change::Revoke(user.clone()),
            (3 | 7, Some((user, (_, false)))) => Change::Grant(user.clone()),
            (5 | 8, Some((user, (is_active, _)))) => Change::Switch(user.clone(), !is_active),
            _ => Change::Join(format!("u{number}@acme.com")),
        }
    }

    fn make(&mut self, change: &Change) {
        match change {
            Change::Make => self.is_there = true,
            Change::Delete => (self.is_there, self.users) = (false, BTreeMap::new()),
            Change::Join(user) => {
                self.users.insert(user.clone(), (true, true));
            }
            Change::Revoke(user) => self.change(user, |(_, has)| *has = false),
            Change::Grant(user) => self.change(user, |(_, has)| *has = true),
            Change::Switch(user, active) => self.change(user, |(is, _)| *is = *active),
        }
    }

    fn change(&mut self, user: &str, change: impl FnOnce(&mut (bool, bool))) {
        if let Some(one) = self.users.get_mut(user) {
            change(one);
        }
    }
}

fn grant(user: &str) -> Value {
    json!({"type": "collaborator", "resource": "Model::m", "subject": format!("user:{user}"), "role": "viewer"})
}

/// Asks for a change; its revision, if the answer came.
async fn ask(server: &ServerProcess, change: &Change) -> Option<u64> {
    let batch = |operations: Value| ("/tenants/acme/batch".to_owned(), json!({"operations": operations}));
    let (path, body) = match change {
        Change::Make => ("/tenants".to_owned(), json!({"name": "acme"})),
        Change::Delete => {
            let delete = server.client.delete(format!("{}/tenants/acme", server.url));
            let response = delete.header("x-cedargate-key", CALLER_KEY).send().await.ok()?;
            assert_eq!(response.status(), 200);
            return response.json::<Value>().await.ok()?["revision"].as_u64();
        }
        Change::Join(user) => batch(json!([
            {"put": {"type": "resource", "resource": "Model::m"}},
            {"create": {"type": "user", "email": user}},
            {"create": grant(user)},
        ])),
        Change::Revoke(user) => {
            let id = json!({"resource": "Model::m", "subject": format!("user:{user}"), "role": "viewer"});
            batch(json!([{"remove": {"type": "collaborator", "id": collaborator(server, &id).await?}}]))
        }
        Change::Grant(user) => batch(json!([{"create": grant(user)}])),
        Change::Switch(user, active) => batch(json!([{"put": {"type": "user", "email": user, "active": active}}])),
    };
    let response = server.post(&path, &body).await.ok()?;
    let status = response.status().as_u16();
    let answer = response.json::<Value>().await.ok()?;
    assert!(matches!(status, 200 | 201), "{change:?}: {answer}");
    answer["revision"].as_u64()
}

async fn collaborator(server: &ServerProcess, wanted: &Value) -> Option<String> {
    let subject = wanted["subject"].as_str()?;
    let url = format!("{}/tenants/acme/collaborators?subject={subject}", server.url);
    let response = server.client.get(url).header("x-cedargate-key", CALLER_KEY).send().await.ok()?;
    let body = response.json::<Value>().await.ok()?;
    body["items"][0]["id"].as_str().map(str::to_owned)
}

/// Asks for changes one after the other until nobody answers any more.
async fn write(server: Arc<ServerProcess>, world: Arc<Mutex<World>>, life: usize) {
    for number in 0.. {
        let change = {
            let mut world = world.lock().unwrap();
            let change = world.next(life * 1_000 + number);
            world.asked = Some(change.clone());
            change
        };
        let Some(revision) = ask(&server, &change).await else { return };
        let mut world = world.lock().unwrap();
        world.make(&change);
        (world.revision, world.asked) = (revision, None);
    }
}

/// The directory's head, and what each user is answered at it; `None` where there is no tenant.
async fn seen(server: &ServerProcess, users: &BTreeSet<String>) -> Option<(u64, BTreeMap<String, bool>)> {
    let head = server.client.get(format!("{}/tenants/acme", server.url)).header("x-cedargate-key", CALLER_KEY);
    let head = head.send().await.unwrap();
    if head.status() == 404 {
        let body = json!({"principal": "User::\"u@acme.com\"", "action": "viewModel", "resource": "Model::\"m\""});
        assert_eq!(
            server.post("/tenants/acme/authorize", &body).await.unwrap().status(),
            404,
            "a deleted tenant answers"
        );
        return None;
    }
    let head = head.json::<Value>().await.unwrap()["revision"].as_u64().unwrap();
    let mut answers = BTreeMap::new();
    for user in users {
        let body = json!({
            "principal": format!("User::\"{user}\""), "action": "viewModel", "resource": "Model::\"m\"",
            "at_least": head,
        });
        let response = server.post("/tenants/acme/authorize", &body).await.unwrap();
        let (status, body) = (response.status(), response.json::<Value>().await.unwrap());
        assert_eq!(status, 200, "{user}: {body}");
        answers.insert(user.clone(), body["decision"] == "allow");
    }
    Some((head, answers))
}

/// What they must be answered.
fn expected(world: &World, users: &BTreeSet<String>) -> Option<BTreeMap<String, bool>> {
    let may = |user: &String| world.users.get(user).is_some_and(|(is_active, has)| *is_active && *has);
    world.is_there.then(|| users.iter().map(|user| (user.clone(), may(user))).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_acknowledged_is_so_after_a_kill_at_any_moment() {
    let tree = TestTree::new();
    let world = Arc::new(Mutex::new(World::default()));
    let (mut ever, mut changes) = (BTreeSet::new(), 0);
    for life in 0..=lives(LIVES) {
        let server = Arc::new(started(&tree, PATIENT).await);
        let mut known = world.lock().unwrap().clone();
        let may_be_so = known.asked.take();
        ever.extend(known.users.keys().cloned());
        if let Some(Change::Join(user)) = &may_be_so {
            ever.insert(user.clone());
        }
        let seen = seen(&server, &ever).await;
        let also = {
            let mut also = known.clone();
            may_be_so.iter().for_each(|change| also.make(change));
            also
        };
        // Some changes show in no answer, such as a grant to somebody who is switched off: the head tells of each.
        let (head, answers) = seen.unzip();
        let is_made = match head {
            Some(head) => head > known.revision,
            None => may_be_so == Some(Change::Delete),
        };
        let mut now = if is_made { also } else { known };
        now.revision = head.unwrap_or(now.revision);
        assert_eq!(answers, expected(&now, &ever), "life {life}: {is_made}\n{now:?}\n{may_be_so:?}");
        // The tenant of today is the one to go on from.
        *world.lock().unwrap() = now;
        if life == lives(LIVES) {
            drop(server);
            break;
        }
        let writing = tokio::spawn(write(Arc::clone(&server), Arc::clone(&world), life));
        let before = world.lock().unwrap().revision;
        eventually("something is written", || async { world.lock().unwrap().revision != before }).await;
        tokio::time::sleep(Duration::from_millis(37 * (life as u64 % 17))).await;
        server.signal("KILL");
        writing.await.unwrap();
        changes += 1;
    }
    assert!(changes >= lives(LIVES));
    stop(started(&tree, PATIENT).await).await;
}
