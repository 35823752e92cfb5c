//! Which file is what: decided by where it stands and how its name ends. What is none of these is not read, and said
//! so, but for what stands in every repository.

/// What a file in a tenant's folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `*.cedar`, `*.cedar.json`
    Policies,
    /// `entities.json`, `*.entities.json`, `*.cedarentities.json`
    Entities,
    /// `links.json`, `*.links.json`: links of hand-written templates, as the official command line reads them.
    Links,
    /// `manifests/*.yaml`
    Manifest,
    /// Would be read elsewhere.
    Misplaced(&'static str),
    Other,
}

/// What a file in a tenant's folder is, by its name below that.
pub(super) fn in_tenant(relative: &str) -> Kind {
    let in_manifests = relative.split_once('/').is_some_and(|(folder, _)| folder == super::MANIFESTS);
    match by_name(relative) {
        Kind::Other if in_manifests && is_yaml(relative) => Kind::Manifest,
        Kind::Other => Kind::Other,
        _ if in_manifests => Kind::Misplaced("does not belong in `manifests/`: move it out"),
        kind => kind,
    }
}

/// What a file is wherever it stands.
fn by_name(relative: &str) -> Kind {
    let is = |end: &str| relative.ends_with(end);
    let is_called = |name: &str| relative.rsplit('/').next() == Some(name);
    if is(".cedar") || is(".cedar.json") {
        Kind::Policies
    } else if is_called("entities.json") || is(".entities.json") || is(".cedarentities.json") {
        Kind::Entities
    } else if is_called("links.json") || is(".links.json") {
        Kind::Links
    } else {
        Kind::Other
    }
}

/// Whether a file beside the tenants' folders would be read inside one.
pub(super) fn is_of_tenant(name: &str) -> bool {
    by_name(name) != Kind::Other
}

/// What a file of the schema's folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SchemaKind {
    Schema,
    Roles,
    Other,
}

pub(super) fn in_schema(relative: &str) -> SchemaKind {
    let is = |end: &str| relative.ends_with(end);
    if is(".cedarschema") || is(".json") && !is(EDITORS) {
        SchemaKind::Schema
    } else if is(".roles.yaml") || is(".roles.yml") {
        SchemaKind::Roles
    } else {
        SchemaKind::Other
    }
}

pub(super) fn is_yaml(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with(".yml")
}

/// Whether a case may be in it.
pub(super) fn is_case(name: &str) -> bool {
    is_yaml(name) || name.ends_with(".json")
}

/// Whether nobody expects a file to be read: what stands in every repository, and the schemas of editors.
pub(super) fn is_no_surprise(relative: &str) -> bool {
    let name = relative.rsplit('/').next().unwrap_or_default();
    [".md", EDITORS].iter().any(|end| name.ends_with(end))
        || ["README", "LICENSE", "LICENCE", "NOTICE", "CODEOWNERS"]
            .iter()
            .any(|known| name.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// What a file may have been meant to be, said beside that it is not read.
pub(super) fn hint(relative: &str) -> &'static str {
    let lower = relative.to_ascii_lowercase();
    if lower.ends_with(".cedarschema") || lower.ends_with(".cedarschema.json") {
        ": a schema belongs in the schema folder"
    } else if is_yaml(&lower) {
        ": manifests belong in `manifests/`, cases in `cases/`"
    } else if lower.ends_with(".json") {
        ": entities are read from `*.entities.json`, policies from `*.cedar.json`, links from `*.links.json`"
    } else if lower.contains(".cedar") {
        ": policies are read from `*.cedar`"
    } else {
        ""
    }
}

const EDITORS: &str = ".schema.json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_place_say_what_a_file_is() {
        for (name, kind) in [
            ("night.cedar", Kind::Policies),
            ("a/night.cedar.json", Kind::Policies),
            ("entities.json", Kind::Entities),
            ("a/b.entities.json", Kind::Entities),
            ("b.cedarentities.json", Kind::Entities),
            ("links.json", Kind::Links),
            ("a/b.links.json", Kind::Links),
            ("manifests/a/b.yml", Kind::Manifest),
            ("manifests", Kind::Other),
            ("a/manifests/b.yaml", Kind::Other),
            ("myentities.json", Kind::Other),
            ("night.CEDAR", Kind::Other),
        ] {
            assert_eq!(in_tenant(name), kind, "{name}");
        }
        assert!(matches!(in_tenant("manifests/entities.json"), Kind::Misplaced(_)));
        assert_eq!(in_schema("a.cedarschema.json"), SchemaKind::Schema);
        assert_eq!(in_schema("cases.schema.json"), SchemaKind::Other);
        for name in ["README", "a/README.txt", "notes.md", "LICENSE", "cases.schema.json"] {
            assert!(is_no_surprise(name), "{name}");
        }
        assert!(!is_no_surprise("READMEs.cedar.bak") && !is_no_surprise("entities.jsonx"));
    }
}
