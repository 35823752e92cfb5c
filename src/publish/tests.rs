//! What is on disk is what the whole directory compiles to, however it came about.

mod rewound;

use std::path::Path;
use std::sync::Arc;

use chrono::DateTime;
use tempfile::TempDir;

use super::{Publisher, UnderWay};
use crate::assemble::{Layout, ManifestsAre};
use crate::bundle::{self, Bundle};
use crate::clock::ManualClock;
use crate::compile::compile;
use crate::directory::{
    Author, Changes, Directory, Fact, Kind, Listing, Progress, Rules, SqliteDirectory, Trace, facts_of, read_document,
    state_of,
};
use crate::manifest::DefaultRoles;
use crate::model::{Revision, TenantId};
use crate::schema::{Identity, load_schema};
use crate::tree::{SourceFile, TreeDirs};

/// A directory and the folder that it is published into.
struct World {
    dir: TempDir,
    directory: Arc<SqliteDirectory>,
    tenant: TenantId,
    rules: Rules,
    progress: Progress,
}

impl World {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join("policies")).unwrap();
        let directory = Arc::new(SqliteDirectory::open(&dir.path().join("directory.db")).await.unwrap());
        let tenant = TenantId::parse("acme").unwrap();
        directory.create_tenant(&tenant, Revision(0), &author()).await.unwrap();
        let text = "entity Box in [Box, Tenant] = { label?: String };\n\
                    action look appliesTo { principal: [User, VirtualAccount, ExternalSubject], resource: Box };";
        let file = SourceFile { name: "s.cedarschema".into(), relative: "s.cedarschema".into(), text: text.into() };
        let schema = Arc::new(load_schema(&[file], Identity::Included).unwrap());
        Self {
            dir,
            directory,
            tenant,
            rules: Rules { schema, default_roles: Arc::new(DefaultRoles::new()) },
            progress: Progress::default(),
        }
    }

    fn layout(&self) -> Layout {
        let dirs = TreeDirs { policies: self.dir.path().join("policies"), schema: self.dir.path().join("schema") };
        Layout { manifests: ManifestsAre::AWayIn, ..Layout::of(dirs) }
    }

    fn publisher(&self) -> Publisher {
        Publisher::new(
            self.directory.clone(),
            self.layout(),
            UnderWay::default(),
            self.progress.clone(),
            Arc::new(ManualClock::at(0)),
        )
    }

    async fn apply(&self, changes: Changes) -> Revision {
        let head = self.directory.head(&self.tenant).await.unwrap();
        self.directory.apply(&self.tenant, &changes, head, &author()).await.unwrap()
    }

    /// What the whole directory compiles to.
    async fn fresh(&self) -> Bundle {
        let head = self.directory.head(&self.tenant).await.unwrap();
        let mut facts = Vec::new();
        for kind in Kind::ALL {
            let listing = Listing::of(kind, usize::MAX);
            let listed = self.directory.list(&self.tenant, &listing, head).await.unwrap();
            facts.extend(listed.into_iter().map(|recorded| recorded.fact));
        }
        let state = state_of(facts, &self.rules.default_roles);
        bundle::render(&compile(&self.tenant, &state), head).unwrap()
    }

    #[track_caller]
    fn check(&self, fresh: &Bundle) {
        let folder = self.layout().bundle_folder(&self.tenant);
        let found = bundle::read_bundle(&folder).unwrap().unwrap();
        assert_eq!(found.revision, fresh.revision);
        let names = |bundle: &Bundle| bundle.files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found), names(fresh));
        assert!(found.files == fresh.files, "the files differ");
        let on_disk = std::fs::read_dir(&folder).unwrap().count();
        assert_eq!(on_disk, found.files.len() + 1, "something else is in the folder");
    }
}

fn author() -> Author {
    Author { actor: "test".into(), at: DateTime::default(), reason: None, request_id: None }
}

fn fact(kind: Kind, text: &str) -> Fact {
    read_document(kind, serde_json::from_str(text).unwrap()).unwrap()
}

fn put(facts: impl IntoIterator<Item = Fact>) -> Changes {
    facts.into_iter().map(|fact| (fact.key(), Some(fact))).collect()
}

fn user(number: usize, active: bool) -> Fact {
    fact(Kind::User, &format!(r#"{{"email": "u{number}@acme.com", "active": {active}}}"#))
}

fn grant(number: usize, subject: &str) -> Fact {
    let text = format!(r#"{{"resource": "Box::b{number}", "subject": "{subject}", "role": "viewer"}}"#);
    fact(Kind::Collaborator, &text)
}

fn crate_of(number: usize) -> Fact {
    fact(Kind::Resource, &format!(r#"{{"resource": "Box::b{number}", "attributes": {{"label": "x"}}}}"#))
}

fn role(actions: &str) -> Fact {
    fact(Kind::Role, &format!(r#"{{"name": "viewer", "resource_type": "Box", "actions": {actions}}}"#))
}

const OKTA: &str = r#"{"name": "okta", "config": {"jwks_uri": "https://x/keys"}, "claims": {"teams": "groups"}}"#;

/// A tenant of some size with something of everything.
fn everything(size: usize) -> Changes {
    let team = r#"{"name": "ml", "members": ["u1@acme.com"],
                   "identity_provider_mapping": [{"identity_provider": "okta", "value": "ml"}]}"#;
    let mut facts = vec![
        fact(Kind::IdentityProvider, OKTA),
        fact(Kind::ExternalIdentity, r#"{"name": "partners", "identity_provider": "okta", "claims": {"a": "b"}}"#),
        fact(Kind::Team, team),
        fact(Kind::VirtualAccount, r#"{"name": "ci"}"#),
        role(r#"["look"]"#),
    ];
    facts.extend((0..size).map(|number| user(number, number % 7 != 3)));
    facts.extend((0..size).map(crate_of));
    facts.extend((0..size).map(|number| grant(number, &format!("user:u{}@acme.com", number % 100))));
    facts.extend((0..size).map(|number| grant(number, "team:ml")));
    put(facts)
}

fn files(folder: &Path) -> Vec<(String, std::time::SystemTime)> {
    let entry = |entry: std::fs::DirEntry| {
        (entry.file_name().to_string_lossy().into_owned(), entry.metadata().unwrap().modified().unwrap())
    };
    let mut found: Vec<_> = std::fs::read_dir(folder).unwrap().map(|found| entry(found.unwrap())).collect();
    found.sort();
    found
}

#[tokio::test]
async fn each_kind_of_change_writes_the_files_that_the_whole_would_compile_to() {
    let world = World::new().await;
    let mut publisher = world.publisher();
    publisher.publish_all(&world.rules).await;
    world.check(&world.fresh().await);
    world.apply(everything(1_500)).await;
    publisher.publish_all(&world.rules).await;
    world.check(&world.fresh().await);

    let team = |text: &str| put([fact(Kind::Team, text)]);
    let removed = |fact: Fact| Changes::from([(fact.key(), None)]);
    let steps = [
        put([grant(7, "virtual-account:ci")]),
        removed(grant(7, "virtual-account:ci")),
        put([user(5, false)]),
        put([user(3, true)]),
        put([user(9_999, true)]),
        // Made while switched off, and taken away so.
        put([user(10_000, false)]),
        Changes::from([(user(10_000, false).key(), None)]),
        team(r#"{"name": "ml", "members": ["u2@acme.com", "u3@acme.com"]}"#),
        team(r#"{"name": "ml", "members": [], "managers": ["u2@acme.com"]}"#),
        team(r#"{"name": "new", "members": ["u2@acme.com"]}"#),
        put([role(r#"["*"]"#)]),
        put([fact(
            Kind::ExternalIdentity,
            r#"{"name": "partners", "identity_provider": "okta", "claims": {"a": "c"}}"#,
        )]),
        put([fact(Kind::IdentityProvider, &OKTA.replace("keys", "jwks"))]),
        put([fact(
            Kind::VirtualAccount,
            r#"{"name": "ci", "identity_provider_mapping": [{"identity_provider": "okta", "value": "ci"}]}"#,
        )]),
        put([fact(Kind::Resource, r#"{"resource": "Box::b1", "parents": ["Box::b2"], "attributes": {"label": "y"}}"#)]),
        // Smaller than a split: the parts come together again.
        (200..1_500)
            .flat_map(|number| [crate_of(number), grant(number, "team:ml")])
            .map(|fact| (fact.key(), None))
            .collect(),
    ];
    for (number, step) in steps.into_iter().enumerate() {
        world.apply(step).await;
        publisher.publish_all(&world.rules).await;
        let fresh = world.fresh().await;
        println!("step {number}");
        world.check(&fresh);
    }
}

#[tokio::test]
async fn one_grant_among_thousands_writes_one_file_and_the_index() {
    let world = World::new().await;
    let mut publisher = world.publisher();
    world.apply(everything(3_000)).await;
    publisher.publish_all(&world.rules).await;
    let folder = world.layout().bundle_folder(&world.tenant);
    let before = files(&folder);
    world.apply(put([grant(7, "virtual-account:ci")])).await;
    publisher.publish_all(&world.rules).await;
    let after = files(&folder);
    let changed: Vec<_> = after.iter().filter(|file| !before.contains(file)).map(|(name, _)| name.clone()).collect();
    assert_eq!(changed.len(), 2, "{changed:?}");
    assert!(changed.contains(&"bundle.json".to_owned()));
}

#[tokio::test]
async fn a_bundle_that_was_torn_lost_or_left_behind_is_made_whole_by_the_next_start() {
    let world = World::new().await;
    world.apply(everything(1_500)).await;
    world.publisher().publish_all(&world.rules).await;
    let folder = world.layout().bundle_folder(&world.tenant);
    let damages: [fn(&Path); 5] = [
        |folder| std::fs::write(folder.join("roles.cedar"), "").unwrap(),
        |folder| std::fs::remove_file(folder.join("bundle.json")).unwrap(),
        |folder| std::fs::remove_file(folder.join("collaborators-3.json")).unwrap(),
        |folder| std::fs::remove_dir_all(folder).unwrap(),
        |folder| std::fs::write(folder.join(".writing-x"), "half").unwrap(),
    ];
    for damage in damages {
        damage(&folder);
        // The directory goes on while nobody publishes.
        world.apply(put([grant(0, "virtual-account:ci")])).await;
        world.apply(Changes::from([(grant(0, "virtual-account:ci").key(), None)])).await;
        world.publisher().publish_all(&world.rules).await;
        world.check(&world.fresh().await);
    }
}

#[tokio::test]
async fn a_bundle_that_a_reader_finds_torn_is_made_whole_while_the_server_runs() {
    let world = World::new().await;
    world.apply(everything(1_500)).await;
    let mut publisher = world.publisher();
    publisher.publish_all(&world.rules).await;
    let folder = world.layout().bundle_folder(&world.tenant);
    std::fs::write(folder.join("collaborators-3.json"), "[]\n").unwrap();
    publisher.publish_all(&world.rules).await;
    assert!(bundle::read_bundle(&folder).is_err(), "nobody has told yet");
    publisher.under_way.suspect(&world.tenant);
    publisher.publish_all(&world.rules).await;
    world.check(&world.fresh().await);
}

#[tokio::test]
async fn other_default_roles_are_compiled_into_every_tenant() {
    let world = World::new().await;
    let mut publisher = world.publisher();
    publisher.publish_all(&world.rules).await;
    let Fact::Role(viewer) = role(r#"["look"]"#) else { panic!("not a role") };
    let default_roles = Arc::new(DefaultRoles::from([(("Box".to_owned(), viewer.name.clone()), viewer)]));
    let world = World { rules: Rules { default_roles, ..world.rules }, ..world };
    publisher.publish_all(&world.rules).await;
    world.check(&world.fresh().await);
    let folder = world.layout().bundle_folder(&world.tenant);
    assert!(std::fs::read_to_string(folder.join("roles.cedar")).unwrap().contains("role/Box/viewer"));
}

#[tokio::test]
async fn a_tenant_that_ends_takes_its_bundle_with_it_and_leaves_what_people_wrote() {
    let world = World::new().await;
    let mut publisher = world.publisher();
    publisher.publish_all(&world.rules).await;
    let folder = world.layout().dirs.policies.join("acme");
    assert!(folder.join("compiled/bundle.json").is_file());
    world.directory.delete_tenant(&world.tenant, &author()).await.unwrap();
    publisher.publish_all(&world.rules).await;
    assert!(!folder.exists());
}

#[test]
fn facts_and_states_are_two_forms_of_the_same() {
    let facts: Vec<_> = everything(3).into_values().flatten().collect();
    let roles = DefaultRoles::new();
    let mut back: Vec<_> = facts_of(state_of(facts.clone(), &roles), &roles).collect();
    back.sort_by_key(Fact::key);
    let mut facts = facts;
    facts.sort_by_key(Fact::key);
    assert_eq!(back, facts);
}
