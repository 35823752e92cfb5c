//! The strategies and assertions as a user's own tests call them.

use proptest::prelude::*;

use super::*;

fn acme() -> Tenant {
    Tenant::load("policies", "schema", "acme").unwrap()
}

#[test]
fn what_holds_is_not_complained_about_and_what_does_not_is_shown() {
    let acme = acme();
    let outsiders = r#"permit (principal is ExternalSubject, action == Action::"manageModel", resource);"#;
    assert!(acme.find_allowed(outsiders).unwrap().is_none());
    let users = r#"permit (principal is User, action == Action::"manageModel", resource);"#;
    let broken = acme.find_allowed(users).unwrap().unwrap();
    assert_eq!(acme.answer(&broken.scene).unwrap(), broken.answer);
    assert!(broken.to_string().contains("Action::\"manageModel\""), "{broken}");
    assert!(acme.find_denied(users).unwrap().unwrap().to_string().contains("always"));
}

#[test]
fn a_policy_that_is_none_is_a_fault_with_its_place() {
    let fault = acme().find_allowed("permit (principal, action == Action::\"fly\", resource);").unwrap_err();
    assert!(fault.0[0].message.contains("fly"), "{fault}");
}

#[test]
#[should_panic(expected = "this should never be allowed")]
fn assert_never_panics_with_the_smallest_request() {
    crate::assert_never!(acme(), r#"permit (principal is User, action == Action::"viewModel", resource);"#);
}

#[test]
fn requests_and_entities_fit_the_schema() {
    let acme = acme();
    proptest!(ProptestConfig::with_cases(200), |(scene in any_request(acme.schema()))| {
        // A schema alone does not say which tenant it is of.
        prop_assume!(scene.resource.entity_type != "Tenant");
        let fits = acme.answer(&scene);
        prop_assert!(fits.is_ok() || scene.entities.values().any(|entity| !entity.parents.is_empty()), "{fits:?} {scene:?}");
    });
    proptest!(ProptestConfig::with_cases(100), |(entities in any_entities(acme.schema()))| {
        for entity in entities {
            let read = cedar_policy::Entity::from_json_value(entity.clone(), Some(&acme.schema().schema));
            prop_assert!(read.is_ok(), "{entity}: {read:?}");
        }
    });
}

#[test]
fn claims_stand_for_somebody() {
    let acme = acme();
    let okta = acme.provider("okta").unwrap();
    proptest!(ProptestConfig::with_cases(200), |(claims in any_claims(okta))| {
        let principal = acme.principal(okta, claims.clone());
        prop_assert!(principal.is_ok(), "{claims:?}: {principal:?}");
        prop_assert!(principal.unwrap().external_identities.contains(&"everyone".to_owned()) || claims.contains_key("client_id"));
    });
}
