//! Equal seeds make equal tenants, of exactly the size that was asked for.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::model::{DirectoryState, Subject};

fn trusted() -> Trusted {
    Trusted {
        provider: "okta".into(),
        issuer: "https://x".into(),
        jwks_uri: "https://x/k".into(),
        audience: "a".into(),
    }
}

fn made(spec: &str, roles: &DefaultRoles) -> DirectoryState {
    directory(&spec.parse().unwrap(), &trusted(), roles.clone()).unwrap()
}

fn counts(state: &DirectoryState) -> [usize; 4] {
    [state.collaborators.len(), state.users.len(), state.resources.len(), state.teams.len()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_tenant_is_exactly_as_large_as_asked_and_the_same_for_the_same_seed(
        (users, resources, grants) in (1..60_usize, 5..60_usize).prop_flat_map(|(users, resources)| {
            (Just(users), Just(resources), 0..=users * resources)
        }),
        teams in 1..9_usize,
        seed in any::<u64>(),
    ) {
        let roles = sample_roles().unwrap();
        let spec = |seed: u64| format!("grants={grants},users={users},resources={resources},teams={teams},seed={seed}");
        let state = made(&spec(seed), &roles);
        prop_assert_eq!(counts(&state), [grants, users, resources, teams]);
        prop_assert_eq!(&made(&spec(seed), &roles), &state);
        if grants > 100 {
            prop_assert_ne!(&made(&spec(seed.wrapping_add(1)), &roles), &state);
        }
    }
}

#[test]
fn everything_that_is_named_is_there_and_the_grants_are_of_every_kind() {
    let roles = sample_roles().unwrap();
    let state = made("grants=20000,users=500,resources=2000", &roles);
    let mut kinds = BTreeSet::new();
    for grant in &state.collaborators {
        let (kind, is_there) = match &grant.subject {
            Subject::User(email) => ("user", state.users.contains_key(email)),
            Subject::Team(name) => ("team", state.teams.contains_key(name)),
            Subject::ExternalIdentity(name) => ("outsider", state.external_identities.contains_key(name)),
            Subject::VirtualAccount(name) => ("account", state.virtual_accounts.contains_key(name)),
        };
        assert!(is_there && state.resources.contains_key(&grant.resource), "{grant:?}");
        assert!(roles.contains_key(&(grant.resource.entity_type.clone(), grant.role.clone())), "{grant:?}");
        kinds.insert((kind, grant.resource.entity_type.clone()));
    }
    assert_eq!(kinds.len(), 3 * 5, "{kinds:?}");
    for resource in state.resources.values() {
        assert!(resource.parents.iter().all(|parent| state.resources.contains_key(parent)), "{resource:?}");
    }
    let memberships: usize = state.teams.values().map(|team| team.members.len()).sum();
    assert!((900..1500).contains(&memberships), "{memberships}");
}

#[test]
fn equal_seeds_give_equal_bytes_on_disk() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let spec: Spec = "grants=300,users=50,resources=40,seed=3".parse().unwrap();
    let digests = |dir: &Path| {
        write_tree(dir, &spec, &trusted()).unwrap();
        fs::read_to_string(dir.join("policies/bench/compiled/bundle.json")).unwrap()
    };
    assert_eq!(digests(one.path()), digests(other.path()));
    assert!(matches!(write_tree(one.path(), &spec, &trusted()), Err(GenerateError::NotEmpty { .. })));
}
