//! What manifests said is taken back when they do not say it any more, whatever became of the server in between.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::clock::ManualClock;
use crate::directory::{Changes, History, Kind, Listing, Lives, SqliteDirectory, read_document, state_of};
use crate::manifest::DefaultRoles;
use crate::schema::{Identity, load_schema};

/// A database, and a server's applier over it.
struct World {
    folder: TempDir,
    tenant: TenantId,
    rules: watch::Sender<Option<Arc<Rules>>>,
    wanted: watch::Sender<Wanted>,
    applier: Applier,
}

impl World {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let schema = Arc::new(load_schema(&[], Identity::Included).unwrap());
        let rules = Rules { schema, default_roles: Arc::new(DefaultRoles::new()) };
        let (rules, wanted) = (watch::Sender::new(Some(Arc::new(rules))), watch::Sender::new(Wanted::new()));
        let applier = applier(&folder, &rules, &wanted).await;
        Self { folder, tenant: TenantId::parse("acme").unwrap(), rules, wanted, applier }
    }

    /// Nothing but the file is left, as after a kill.
    async fn restart(&mut self) {
        self.applier = applier(&self.folder, &self.rules, &self.wanted).await;
    }

    /// Writes manifests, or takes their folder away.
    fn say(&self, facts: Option<Vec<Fact>>) {
        let state = facts.map(|facts| Arc::new(state_of(facts, &DefaultRoles::new())));
        self.wanted.send_modify(|wanted| {
            wanted.insert(self.tenant.clone(), state);
        });
    }

    async fn change(&self, changes: Changes) {
        let directory = &self.applier.directory;
        let head = directory.head(&self.tenant).await.unwrap();
        directory.apply(&self.tenant, &changes, head, &author("key:operator")).await.unwrap();
    }

    async fn keys(&self) -> BTreeSet<FactKey> {
        let directory = &self.applier.directory;
        let Ok(head) = directory.head(&self.tenant).await else { return BTreeSet::new() };
        let mut keys = BTreeSet::new();
        for kind in Kind::ALL {
            let found = directory.list(&self.tenant, &Listing::of(kind, 1000), head).await.unwrap();
            keys.extend(found.iter().map(|recorded| recorded.fact.key()));
        }
        keys
    }
}

async fn applier(
    folder: &TempDir,
    rules: &watch::Sender<Option<Arc<Rules>>>,
    wanted: &watch::Sender<Wanted>,
) -> Applier {
    Applier {
        directory: Arc::new(SqliteDirectory::open(&folder.path().join("directory.db")).await.unwrap()),
        rules: rules.subscribe(),
        wanted: wanted.subscribe(),
        wake: Arc::default(),
        clock: Arc::new(ManualClock::at(0)),
        applied: Wanted::new(),
        kept: BTreeMap::new(),
    }
}

fn author(actor: &str) -> Author {
    Author { actor: actor.to_owned(), at: chrono::DateTime::default(), reason: None, request_id: None }
}

fn user(number: u8) -> Fact {
    read_document(Kind::User, json!({"email": format!("u{number}@acme.com")})).unwrap()
}

fn users(numbers: &BTreeSet<u8>) -> BTreeSet<FactKey> {
    numbers.iter().map(|number| user(*number).key()).collect()
}

#[tokio::test]
async fn what_manifests_lost_while_nobody_looked_is_taken_back_with_a_line_of_the_history() {
    let mut world = World::new().await;
    world.say(Some(vec![user(1), user(2)]));
    world.applier.apply_all().await;
    world.change([(user(3).key(), Some(user(3)))].into()).await;
    for (said, left) in [(Some(vec![user(1)]), BTreeSet::from([1, 3])), (None, BTreeSet::from([3]))] {
        world.restart().await;
        world.say(said);
        world.applier.apply_all().await;
        assert_eq!(world.keys().await, users(&left));
    }
    let history = History {
        kind: None,
        about: vec![user(2).key()],
        actor: None,
        before: None,
        lives: Lives::default(),
        limit: 10,
    };
    let lines = world.applier.directory.history(&world.tenant, &history).await.unwrap();
    assert_eq!((lines.len(), &*lines[0].author.actor), (2, "manifests"));
    assert_eq!(lines[0].change.after, None);
}

#[tokio::test]
async fn a_tenant_without_manifests_is_not_made() {
    let mut world = World::new().await;
    world.say(None);
    world.applier.apply_all().await;
    assert!(world.applier.directory.tenants().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_others_use_stays_and_keeps_nothing_else() {
    let mut world = World::new().await;
    let team = |members: &[u8]| {
        let members: Vec<_> = members.iter().map(|number| format!("u{number}@acme.com")).collect();
        read_document(Kind::Team, json!({"name": "ml", "members": members})).unwrap()
    };
    world.say(Some(vec![user(1), user(2)]));
    world.applier.apply_all().await;
    // Over HTTP, someone puts a user of the manifests into a team.
    world.change([(team(&[1]).key(), Some(team(&[1])))].into()).await;
    world.say(Some(Vec::new()));
    world.applier.apply_all().await;
    assert_eq!(world.keys().await, BTreeSet::from([user(1).key(), team(&[]).key()]));
    let head = world.applier.directory.head(&world.tenant).await.unwrap();
    world.restart().await;
    world.applier.apply_all().await;
    assert_eq!(world.applier.directory.head(&world.tenant).await.unwrap(), head, "asked again, it writes nothing");
    // Out of the team, it goes by itself.
    world.change([(team(&[]).key(), Some(team(&[])))].into()).await;
    world.applier.apply_all().await;
    assert_eq!(world.keys().await, BTreeSet::from([team(&[]).key()]));
}

#[derive(Clone, Debug)]
enum Step {
    Say(Option<BTreeSet<u8>>),
    Put(u8),
    Remove(u8),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => proptest::option::weighted(0.8, proptest::collection::btree_set(0..6_u8, 0..5)).prop_map(Step::Say),
        2 => (0..6_u8).prop_map(Step::Put),
        1 => (0..6_u8).prop_map(Step::Remove),
        2 => Just(Step::Restart),
    ]
}

mod properties {
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        #[test]
        fn the_directory_is_what_manifests_say_and_what_only_others_made(
            steps in proptest::collection::vec(step(), 1..12)
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut world = World::new().await;
                let (mut there, mut said, mut says) = (BTreeSet::new(), BTreeSet::new(), None);
                world.say(Some(Vec::new()));
                world.applier.apply_all().await;
                for step in steps {
                    match step {
                        Step::Say(numbers) => {
                            says.clone_from(&numbers);
                            world.say(numbers.map(|numbers| numbers.into_iter().map(user).collect()));
                            // Half of the edits come while no server runs.
                            if there.len() % 2 == 0 {
                                world.restart().await;
                            }
                        }
                        Step::Put(number) => {
                            world.change([(user(number).key(), Some(user(number)))].into()).await;
                            there.insert(number);
                            continue;
                        }
                        Step::Remove(number) => {
                            world.change([(user(number).key(), None)].into()).await;
                            there.remove(&number);
                            continue;
                        }
                        Step::Restart => world.restart().await,
                    }
                    // What is applied already is not looked at again before the next edit or start.
                    let state = world.wanted.borrow().get(&world.tenant).cloned().unwrap();
                    if world.applier.applied.get(&world.tenant) != Some(&state) {
                        let now = says.clone().unwrap_or_default();
                        there = there.difference(&said).chain(&now).copied().collect();
                        said = now;
                    }
                    world.applier.apply_all().await;
                    assert_eq!(world.keys().await, users(&there));
                }
            });
        }
    }
}
