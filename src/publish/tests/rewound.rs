//! Histories that fork: backups put back, numbers given out again, tenants that end and come again.

use std::fs;
use std::path::PathBuf;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

impl World {
    fn database(&self) -> PathBuf {
        self.dir.path().join("directory.db")
    }

    /// Copies the database, as a backup is made: without a connection that has some of it elsewhere.
    async fn backup(&mut self, name: &str) {
        self.directory.close().await;
        fs::copy(self.database(), self.dir.path().join(name)).unwrap();
        self.reopen().await;
    }

    async fn restore(&mut self, name: &str) {
        self.directory.close().await;
        fs::copy(self.dir.path().join(name), self.database()).unwrap();
        self.reopen().await;
    }

    async fn reopen(&mut self) {
        self.directory = Arc::new(SqliteDirectory::open(&self.database()).await.unwrap());
    }

    async fn publish(&self, publisher: &mut Publisher) {
        publisher.take_away_ended().await;
        publisher.publish_all(&self.rules).await;
    }
}

#[tokio::test]
async fn a_number_that_a_restored_directory_gives_out_again_is_not_taken_for_the_first() {
    let mut world = World::new().await;
    world.apply(put([user(1, true), user(2, true), crate_of(1), role(r#"["look"]"#)])).await;
    world.backup("backup").await;
    assert_eq!(world.apply(put([grant(1, "user:u1@acme.com")])).await, Revision(3));
    world.publisher().publish_all(&world.rules).await;
    assert_eq!(world.progress.rewound(), 0);
    world.restore("backup").await;
    assert_eq!(world.apply(put([user(3, true)])).await, Revision(3));
    world.publisher().publish_all(&world.rules).await;
    world.check(&world.fresh().await);
    assert_eq!(world.progress.rewound(), 1);
    // More changes than before: every number that the bundle had is passed.
    world.apply(put([grant(1, "user:u2@acme.com")])).await;
    world.publisher().publish_all(&world.rules).await;
    world.restore("backup").await;
    for number in 10..20 {
        world.apply(put([user(number, true)])).await;
    }
    world.publisher().publish_all(&world.rules).await;
    world.check(&world.fresh().await);
    // Fewer: the number goes back.
    world.restore("backup").await;
    world.publisher().publish_all(&world.rules).await;
    world.check(&world.fresh().await);
    assert_eq!(world.progress.rewound(), 3);
    world.publisher().publish_all(&world.rules).await;
    assert_eq!(world.progress.rewound(), 3);
}

#[tokio::test]
async fn a_bundle_of_before_there_were_chains_is_compiled_anew() {
    let world = World::new().await;
    world.apply(everything(3)).await;
    world.publisher().publish_all(&world.rules).await;
    let path = world.layout().bundle_folder(&world.tenant).join("bundle.json");
    let mut index: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let of = index.as_object_mut().unwrap().remove("database").unwrap();
    index["inputs"] = of["inputs"].clone();
    fs::write(&path, index.to_string()).unwrap();
    world.check(&world.fresh().await);
    world.publisher().publish_all(&world.rules).await;
    let index: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!((index["database"]["inputs"].clone(), index.get("inputs")), (of["inputs"].clone(), None));
    assert_eq!(world.progress.rewound(), 0, "an upgrade is no other history");
}

#[tokio::test]
async fn a_bundle_of_a_tenant_that_the_directory_never_had_is_left_for_people_to_look_at() {
    let world = World::new().await;
    world.publisher().publish_all(&world.rules).await;
    let folder = world.layout().bundle_folder(&TenantId::parse("globex").unwrap());
    fs::create_dir_all(&folder).unwrap();
    for name in fs::read_dir(world.layout().bundle_folder(&world.tenant)).unwrap() {
        let path = name.unwrap().path();
        fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
    world.publish(&mut world.publisher()).await;
    assert!(folder.join("bundle.json").exists());
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Change(usize),
    Backup,
    Restore,
    /// A new process, and what the last one may have left.
    Crash(usize),
    Publish,
    End,
    Make,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..12_usize).prop_map(Step::Change),
        1 => Just(Step::Backup),
        2 => Just(Step::Restore),
        2 => (0..4_usize).prop_map(Step::Crash),
        3 => Just(Step::Publish),
        1 => Just(Step::End),
        1 => Just(Step::Make),
    ]
}

/// Puts or takes one of a few facts that depend on each other.
fn some_change(number: usize) -> Changes {
    let fact = match number % 6 {
        0 => user(1, number > 6),
        1 => user(2, true),
        2 => grant(1, "user:u1@acme.com"),
        3 => grant(1, "team:ml"),
        4 => fact(Kind::Team, r#"{"name": "ml", "members": ["u1@acme.com", "u2@acme.com"]}"#),
        _ => role(r#"["look"]"#),
    };
    Changes::from([(fact.key(), Some(fact).filter(|_| number < 9))])
}

/// What a crash may leave on disk.
fn damage(folder: &Path, how: usize) {
    let _ = match how {
        0 => fs::write(folder.join("collaborators.json"), "[]\n"),
        1 => fs::remove_file(folder.join("bundle.json")),
        2 => fs::write(folder.join("roles.cedar"), "").and_then(|()| fs::write(folder.join(".writing-x"), "half")),
        _ => Ok(()),
    };
}

async fn run(steps: &[Step]) {
    let mut world = World::new().await;
    let mut publisher = world.publisher();
    world.backup("backup").await;
    let mut is_stale = true;
    for step in steps {
        // A process has one database for as long as it lives.
        if std::mem::take(&mut is_stale) {
            publisher = world.publisher();
        }
        let is_there = world.directory.head(&world.tenant).await.is_ok();
        match step {
            Step::Change(number) if is_there => {
                world.apply(some_change(*number)).await;
            }
            Step::Backup => {
                world.backup("backup").await;
                is_stale = true;
            }
            Step::Restore => {
                world.restore("backup").await;
                is_stale = true;
            }
            Step::Crash(how) => {
                damage(&world.layout().bundle_folder(&world.tenant), *how);
                is_stale = true;
            }
            Step::Publish => world.publish(&mut publisher).await,
            Step::End if is_there => {
                world.directory.delete_tenant(&world.tenant, &author()).await.unwrap();
            }
            Step::Make if !is_there => {
                world.directory.create_tenant(&world.tenant, Revision(0), &author()).await.unwrap();
            }
            Step::Change(_) | Step::End | Step::Make => {}
        }
    }
    world.publish(&mut world.publisher()).await;
    let folder = world.layout().bundle_folder(&world.tenant);
    match world.directory.trace(&world.tenant, Revision(0)).await.unwrap() {
        Trace::Live(_) => world.check(&world.fresh().await),
        Trace::Ended => assert!(!folder.exists(), "{steps:?}"),
        Trace::Unknown => panic!("the first backup had the tenant"),
    }
    world.directory.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_happens_the_bundle_is_what_the_directory_compiles_to(steps in vec(step(), 1..24)) {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(run(&steps));
    }
}
