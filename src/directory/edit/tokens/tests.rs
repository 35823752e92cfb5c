//! Tokens end for good with their owner, and with the token that took their place.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::directory::contract::sample::{acme, author};
use crate::directory::{Directory, MemoryDirectory, Rules, read_document};
use crate::manifest::DefaultRoles;
use crate::schema::{Identity, load_schema};

struct World {
    directory: MemoryDirectory,
    rules: Rules,
}

impl World {
    async fn new() -> Self {
        let directory = MemoryDirectory::default();
        directory.create_tenant(&acme(), Revision(0), &author("key:root")).await.unwrap();
        let schema = Arc::new(load_schema(&[], Identity::Included).unwrap());
        let world = Self { directory, rules: Rules { schema, default_roles: Arc::new(DefaultRoles::new()) } };
        world.edit(vec![Operation::Create(user("ann", true)), Operation::Create(user("bob", true))]).await.unwrap();
        world
    }

    async fn edit(&self, operations: Vec<Operation>) -> Result<(), EditError> {
        let tenant = acme();
        let editor = Editor { directory: &self.directory, rules: &self.rules, tenant: &tenant };
        let planned = editor.plan(&Edit { operations, cascade: true }).await?;
        self.directory.apply(&tenant, &planned.to_changes(), planned.at, &author("key:root")).await?;
        Ok(())
    }

    /// The ids of all tokens that there are.
    async fn tokens(&self) -> Vec<String> {
        let head = self.directory.head(&acme()).await.unwrap();
        let listing = crate::directory::Listing::of(Kind::Token, 1000);
        let found = self.directory.list(&acme(), &listing, head).await.unwrap();
        found.into_iter().map(|recorded| recorded.fact.key().id).collect()
    }
}

fn user(name: &str, active: bool) -> Fact {
    read_document(Kind::User, json!({"email": format!("{name}@acme.com"), "active": active})).unwrap()
}

fn user_key(name: &str) -> FactKey {
    FactKey::new(Kind::User, format!("{name}@acme.com"))
}

fn token(id: &str, owner: &str, replaced_by: Option<&str>) -> Fact {
    let mut document = json!({
        "token_id": id, "owner": format!("user:{owner}@acme.com"), "label": "",
        "hash": crate::digest::sha256_hex(id.as_bytes()), "created_at": 0,
    });
    if let Some(by) = replaced_by {
        document["replaced_by"] = Value::from(by);
        document["expires_at"] = Value::from(60);
    }
    read_document(Kind::Token, document).unwrap()
}

fn token_key(id: &str) -> FactKey {
    FactKey::new(Kind::Token, id)
}

#[tokio::test]
async fn however_a_user_is_switched_off_their_tokens_do_not_come_back() {
    let off_and_on = [
        vec![vec![Operation::Put(user("ann", false))], vec![Operation::Put(user("ann", true))]],
        vec![vec![Operation::Replace(user("ann", false)), Operation::Replace(user("ann", true))]],
        vec![vec![Operation::Remove(user_key("ann")), Operation::Create(user("ann", true))]],
        vec![vec![Operation::Remove(user_key("ann"))], vec![Operation::Create(user("ann", true))]],
    ];
    for edits in off_and_on {
        let world = World::new().await;
        let made = ["ta", "tb"].map(|id| Operation::Create(token(id, "ann", None)));
        world.edit(made.into()).await.unwrap();
        world.edit(vec![Operation::Create(token("other", "bob", None))]).await.unwrap();
        for edit in edits.clone() {
            world.edit(edit).await.unwrap();
        }
        assert_eq!(world.tokens().await, ["other"], "{edits:?}");
    }
}

#[tokio::test]
async fn nobody_makes_a_token_for_a_user_who_is_off() {
    let world = World::new().await;
    world.edit(vec![Operation::Put(user("ann", false))]).await.unwrap();
    let refused = world.edit(vec![Operation::Create(token("ta", "ann", None))]).await.unwrap_err();
    assert!(refused.to_string().contains("user `ann@acme.com` is deactivated"), "{refused}");
    // Whoever switches them on may do so in one edit.
    world.edit(vec![Operation::Put(user("ann", true)), Operation::Create(token("ta", "ann", None))]).await.unwrap();
    let off = vec![Operation::Create(token("tb", "ann", None)), Operation::Put(user("ann", false))];
    assert!(world.edit(off).await.is_err());
    assert_eq!(world.tokens().await, ["ta"]);
}

#[tokio::test]
async fn a_revoked_token_takes_along_those_whose_place_it_took_and_no_later_one() {
    for (revoked, left) in [("tc", vec!["other"]), ("tb", vec!["other", "tc"]), ("ta", vec!["other", "tb", "tc"])] {
        let world = World::new().await;
        let rotated = [("ta", Some("tb")), ("tb", Some("tc")), ("tc", None), ("other", None)];
        let made = rotated.map(|(id, by)| Operation::Create(token(id, "ann", by)));
        world.edit(made.into()).await.unwrap();
        world.edit(vec![Operation::Remove(token_key(revoked))]).await.unwrap();
        assert_eq!(world.tokens().await, left, "without {revoked}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Switch(bool, bool),
    Remove(bool),
    Make(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<(bool, bool)>().prop_map(|(who, on)| Step::Switch(who, on)),
        any::<bool>().prop_map(Step::Remove),
        any::<bool>().prop_map(Step::Make),
    ]
}

mod properties {
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// Edits of several steps each, as batches and manifests are.
        #[test]
        fn no_token_outlives_a_moment_in_which_its_owner_was_off(
            batches in proptest::collection::vec(proptest::collection::vec(step(), 1..4), 1..12)
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let world = World::new().await;
                let name = |who: bool| if who { "ann" } else { "bob" };
                let mut dead: BTreeSet<String> = BTreeSet::new();
                for (number, batch) in batches.into_iter().enumerate() {
                    let before = world.tokens().await;
                    let of = |who: bool| before.iter().filter(move |id| id.starts_with(name(who))).cloned();
                    let (mut operations, mut ending) = (Vec::new(), BTreeSet::new());
                    for (place, step) in batch.into_iter().enumerate() {
                        match step {
                            Step::Switch(who, on) => {
                                operations.push(Operation::Put(user(name(who), on)));
                                if !on {
                                    ending.extend(of(who));
                                }
                            }
                            Step::Remove(who) => {
                                operations.push(Operation::Put(user(name(who), true)));
                                operations.push(Operation::Remove(user_key(name(who))));
                                ending.extend(of(who));
                            }
                            Step::Make(who) => {
                                let id = format!("{}-{number}-{place}", name(who));
                                operations.push(Operation::Create(token(&id, name(who), None)));
                            }
                        }
                    }
                    if world.edit(operations).await.is_ok() {
                        dead.extend(ending);
                    }
                    let now = world.tokens().await;
                    assert!(now.iter().all(|id| !dead.contains(id)), "{dead:?}: {now:?}");
                }
            });
        }
    }
}
