//! Schema files as people split and break them.

use cedar_policy::SchemaFragment;

use super::{DataType, Identity, LoadedSchema, load_schema};
use crate::model::Faults;
use crate::tree::SourceFile;

fn load(files: &[(&str, &str)], identity: Identity) -> Result<LoadedSchema, Faults> {
    let file = |(name, text): &(&str, &str)| SourceFile {
        name: format!("schema/{name}"),
        relative: (*name).to_owned(),
        text: (*text).to_owned(),
    };
    load_schema(&files.iter().map(file).collect::<Vec<_>>(), identity)
}

fn included(files: &[(&str, &str)]) -> LoadedSchema {
    load(files, Identity::Included).unwrap()
}

fn faults(files: &[(&str, &str)]) -> Vec<String> {
    load(files, Identity::Included).unwrap_err().0.iter().map(ToString::to_string).collect()
}

const BOX: &str =
    "entity Box in [Shelf, Tenant] = { size?: Size };\naction look appliesTo { principal: [User], resource: [Box] };\n";
const SHELF: &str = "type Size = Long;\nentity Shelf in [Tenant];\n";

#[test]
fn several_files_are_one_schema() {
    let schema = included(&[("a.cedarschema", BOX), ("deep/b.cedarschema", SHELF)]);
    for known in ["Box", "Shelf", "Tenant", "User", "Team", "ExternalSubject"] {
        assert!(schema.has_type(known), "{known}");
    }
    assert!(!schema.has_type("Crate") && !schema.has_type("not a type") && !schema.has_type(""));
    assert!(schema.may_be_in("Box", "Tenant") && schema.may_be_in("Box", "Shelf") && !schema.may_be_in("Shelf", "Box"));
    assert!(!schema.may_be_in("Crate", "Tenant") && !schema.may_be_in("Box", "Crate"));
    let look = schema.action("look").unwrap();
    assert!(
        schema.action_reaches(&look, "Box")
            && schema.action_reaches(&look, "Shelf")
            && schema.action_reaches(&look, "Tenant")
    );
    assert!(!schema.action_reaches(&look, "Team"));
    assert!(schema.action("fly").is_none() && schema.action("assume").is_some());
}

#[test]
fn the_order_of_files_does_not_matter() {
    let (one, other) = (("a.cedarschema", BOX), ("b.cedarschema", SHELF));
    let (there, back) = (included(&[one, other]), included(&[other, one]));
    assert!(["Box", "Shelf"].iter().all(|known| there.has_type(known) && back.has_type(known)));
}

#[test]
fn the_json_form_joins_the_other() {
    let json = r#"{"": {"entityTypes": {"Shelf": {"memberOfTypes": ["Tenant"]}}, "actions": {}, "commonTypes": {"Size": {"type": "Long"}}}}"#;
    let schema = included(&[("a.cedarschema", BOX), ("b.cedarschema.json", json)]);
    assert!(schema.may_be_in("Box", "Shelf"));
    // What `export` writes of it, Cedar reads again.
    let plain = cedar_policy::Schema::from_cedarschema_str(&schema.text).unwrap().0;
    assert_eq!(plain.entity_types().count(), schema.schema.entity_types().count());
    assert_eq!(plain.actions().count(), schema.schema.actions().count());
    let claims = r#"{"": {"entityTypes": {}, "actions": {}, "commonTypes": {"Claims": {"type": "Record", "attributes": {"acr": {"type": "String", "required": true}}}}}}"#;
    assert_eq!(included(&[("c.json", claims)]).claim_types["acr"], (DataType::Text, true));
}

#[test]
fn typed_claims_are_what_claims_declares() {
    assert!(included(&[("a.cedarschema", "")]).claim_types.is_empty());
    assert!(included(&[("a.cedarschema", "type Claims = {};")]).claim_types.is_empty());
    let schema = included(&[
        (
            "a.cedarschema",
            "type Claims = { acr: String, n?: Long, yes?: Bool, ip?: ipaddr, price?: decimal, since?: datetime, long?: duration,
                             amr?: Set<String>, nested?: Set<Set<Long>>, place?: Place, who?: User, teams?: Set<Team>, either?: {} };",
        ),
        ("b.cedarschema", "type Place = { city: String, more?: { zip: Long, at?: User } };"),
    ]);
    let extension = |name: &str| DataType::Extension(name.into());
    let set = |kind| DataType::Set(Box::new(kind));
    let more = DataType::Record([("zip".to_owned(), (DataType::Number, true))].into());
    let place = [("city".to_owned(), (DataType::Text, true)), ("more".to_owned(), (more, false))];
    let expected = [
        ("acr", DataType::Text, true),
        ("n", DataType::Number, false),
        ("yes", DataType::Boolean, false),
        ("ip", extension("ipaddr"), false),
        ("price", extension("decimal"), false),
        ("since", extension("datetime"), false),
        ("long", extension("duration"), false),
        ("amr", set(DataType::Text), false),
        ("nested", set(set(DataType::Number)), false),
        ("place", DataType::Record(place.into()), false),
        ("either", DataType::Record([].into()), false),
    ];
    // No claim can be an entity: `who` and `teams` are not there.
    assert_eq!(schema.claim_types, expected.map(|(name, kind, required)| (name.to_owned(), (kind, required))).into());
}

#[test]
fn the_identity_part_may_be_left_out() {
    let own = "entity User, Photo; action view appliesTo { principal: User, resource: Photo };";
    let schema = load(&[("a.cedarschema", own)], Identity::LeftOut).unwrap();
    assert!(schema.has_type("User") && schema.has_type("Photo"));
    assert!(!schema.has_type("Tenant") && !schema.has_type("ExternalSubject"));
    assert!(schema.action("assume").is_none() && schema.claim_types.is_empty());
    assert!(!schema.text.contains("Tenant"));
    // Namespaces and types of one's own are as Cedar has them.
    let spaced = load(
        &[(
            "a.cedarschema",
            "namespace Acme { entity User, Photo; action view appliesTo { principal: User, resource: Photo }; }",
        )],
        Identity::LeftOut,
    );
    assert!(spaced.unwrap().has_type("Acme::Photo"));
    assert!(load(&[], Identity::LeftOut).is_ok());
}

#[test]
fn a_schema_that_holds_the_identity_part_itself_is_read_back() {
    for own in ["", "type Claims = { level?: Long };"] {
        let text = format!("{own} entity Box in [Tenant]; action look appliesTo {{ principal: User, resource: Box }};");
        let first = load(&[("a.cedarschema", &text)], Identity::Included).unwrap();
        let again = load(&[("schema.cedarschema", &first.text)], Identity::Included).unwrap();
        assert_eq!(again.schema.entity_types().count(), first.schema.entity_types().count());
        assert_eq!(again.claim_types, first.claim_types);
        let (fragment, _) = SchemaFragment::from_cedarschema_str(&first.text).unwrap();
        assert!(load(&[("s.cedarschema.json", &fragment.to_json_string().unwrap())], Identity::Included).is_ok());
    }
}

#[test]
fn what_the_identity_part_declares_cannot_be_declared_otherwise() {
    for (text, name) in [
        ("\nentity User;", "User"),
        ("entity Box;\nentity  Tenant in [Box];", "Tenant"),
        ("action \"assume\";", "assume"),
    ] {
        let found = faults(&[("a.cedarschema", text)]);
        assert!(found.len() == 1 && found[0].contains(name), "{found:?}");
    }
}

#[test]
fn every_file_that_does_not_parse_is_named_with_line_and_column() {
    let found = faults(&[
        ("a.cedarschema", "entity Box;\nentity Crate = { size: };\n"),
        ("b.cedarschema", SHELF),
        ("c.cedarschema", "entity Jar\n"),
        ("d.cedarschema.json", "{\n  \"\": {\"entityTypes\": {},\n}"),
        ("e.cedarschema.json", "{\"\": {\"entityTypes\": {}, \"actions\": {}, \"colours\": {}}}"),
    ]);
    let places: Vec<_> = found.iter().map(|fault| fault.split(": ").next().unwrap()).collect();
    assert_eq!(
        places,
        [
            "schema/a.cedarschema:2:24",
            "schema/c.cedarschema:1:11",
            "schema/d.cedarschema.json:3:1",
            "schema/e.cedarschema.json:1:49"
        ],
        "{found:#?}"
    );
    assert!(found[3].contains("colours"), "{found:#?}");
}

#[test]
fn what_does_not_fit_together_is_placed_where_it_stands() {
    for (first, second, place, said) in [
        ("entity Jar;", "// a note\nentity Box in [Crate];", "schema/b.cedarschema:2:16", "Crate"),
        ("entity Jar = {\n  size: Size,\n};", "entity Box;", "schema/a.cedarschema:2:9", "Size"),
        (
            "entity Box;",
            "\naction look appliesTo { principal: [User], resource: [Nothing] };",
            "schema/b.cedarschema:2:55",
            "Nothing",
        ),
        ("entity Box;", "action look in [view];", "schema/b.cedarschema:1:17", "view"),
    ] {
        let found = faults(&[("a.cedarschema", first), ("b.cedarschema", second)]);
        assert!(found.len() == 1 && found[0].starts_with(place) && found[0].contains(said), "{place}: {found:#?}");
    }
}

#[test]
fn the_same_type_in_two_files_is_refused() {
    let found = faults(&[("a.cedarschema", "entity Box;"), ("b.cedarschema", "entity Box;")]);
    assert!(found.len() == 1 && found[0].contains("Box"), "{found:#?}");
}
