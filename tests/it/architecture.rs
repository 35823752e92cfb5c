//! Who may import whom: the layers of `src/`, checked on its text.

use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::support::tree::repository;

/// A module and what it must not mention, outside its tests.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("model", &["crate::", "cedar_policy", "axum", "tokio"]),
    ("compile", &["std::fs", "std::io", "crate::bundle", "crate::snapshot", "crate::manifest", "crate::http", "tokio"]),
    ("decide", &["crate::http", "crate::audit", "crate::authn", "crate::bundle", "std::fs", "tokio", "crate::ask"]),
    ("principal", &["crate::http", "crate::audit", "crate::bundle", "crate::decide", "std::fs", "tokio", "crate::ask"]),
    ("mismatch", &["crate::snapshot", "crate::decide", "crate::principal", "std::fs", "tokio"]),
    ("authn", &["cedar_policy", "crate::snapshot", "crate::decide", "crate::http", "crate::principal", "std::fs"]),
    ("manifest", &["crate::snapshot", "crate::bundle", "crate::http", "std::fs", "tokio"]),
    ("schema", &["crate::snapshot", "crate::manifest", "crate::http", "std::fs", "tokio"]),
    ("tree", &["crate::snapshot", "crate::manifest", "crate::http", "tokio", "cedar_policy"]),
    ("bundle", &["crate::snapshot", "crate::manifest", "crate::http", "tokio", "cedar_policy"]),
    ("snapshot", &["crate::http", "crate::authn", "crate::manifest", "crate::audit", "crate::ask", "crate::decide"]),
    ("audit", &["crate::http", "crate::snapshot", "crate::authn"]),
    ("shadow", &["crate::http", "crate::audit", "crate::bundle", "crate::publish", "crate::admin", "std::fs"]),
    ("listen", &["crate::http", "crate::config", "crate::ask", "crate::snapshot"]),
    (
        "directory",
        &["crate::snapshot", "crate::bundle", "crate::http", "crate::admin", "crate::publish", "crate::decide"],
    ),
    ("publish", &["crate::snapshot", "crate::http", "crate::admin", "crate::decide", "crate::ask", "cedar_policy"]),
    ("apply", &["crate::snapshot", "crate::http", "crate::admin", "crate::publish", "std::fs"]),
    ("admin", &["crate::http", "crate::publish", "crate::reload", "crate::cli", "std::fs"]),
    ("workbench", &["crate::http", "crate::cli", "crate::admin", "crate::publish", "crate::reload", "std::env"]),
    ("http", &["std::fs", "crate::bundle", "crate::manifest", "crate::compile", "crate::reload", "crate::cli"]),
];

/// A library and the only modules that may use it.
const CONFINED: &[(&str, &[&str])] = &[
    ("axum", &["http", "listen", "demo", "bench"]),
    ("hyper", &["listen"]),
    ("hyper_util", &["listen"]),
    ("notify", &["snapshot"]),
    ("jsonwebtoken", &["authn"]),
    ("arc_swap", &["snapshot", "authn"]),
    ("clap", &["cli"]),
    ("serde_saphyr", &["manifest", "workbench"]),
    ("prometheus_client", &["telemetry"]),
    ("sqlx", &["directory"]),
    ("schemars", &["config", "directory", "http", "manifest", "workbench"]),
    ("toml", &["config"]),
    ("proptest", &["workbench"]),
    ("cedar_policy_symcc", &["workbench"]),
    ("tempfile", &["bundle", "cli", "bench", "listen", "workbench"]),
    // The bench starts its own binary, whose path only `std::env` knows.
    ("std::env", &["config", "bench"]),
];

#[test]
fn modules_import_only_what_their_layer_allows() {
    let mut broken = Vec::new();
    for (path, module, text) in production_code() {
        for (_, names) in FORBIDDEN.iter().filter(|(layer, _)| *layer == module) {
            let found = names.iter().filter(|name| mentions(&text, name));
            broken.extend(found.map(|name| format!("{}: `{module}` may not use `{name}`", path.display())));
        }
        for (library, homes) in CONFINED {
            if mentions(&text, &format!("{library}::")) && !homes.contains(&module.as_str()) {
                broken.push(format!("{}: `{library}` belongs in {homes:?}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn only_one_file_knows_status_codes() {
    let knowing: Vec<_> = production_code()
        .into_iter()
        .filter(|(_, module, text)| module == "http" && text.contains("StatusCode::"))
        .map(|(path, ..)| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(knowing, ["problem.rs"]);
}

#[test]
fn every_file_says_what_it_is_for_and_is_one_idea() {
    for (path, _, text) in production_code() {
        assert!(text.starts_with("//! "), "{} opens without `//!`", path.display());
        assert!(text.lines().count() <= 400, "{} is too long to be one idea", path.display());
    }
}

#[test]
fn the_product_names_no_resource_type_of_the_sample() {
    for (path, module, text) in production_code() {
        let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for name in ["\"Model\"", "\"McpServer\"", "\"McpTool\"", "\"Workspace\"", "viewModel"] {
            // The demo tells the sample's story, and the bench makes tenants of any size over the sample's schema.
            let is_story =
                module == "cli" && path.ends_with("demo.rs") || path.ends_with("bench/generate/resources.rs");
            assert!(is_story || !code.contains(name), "{} names {name}", path.display());
        }
    }
}

/// Every file of `src/` with its top module and its text, tests cut off.
fn production_code() -> Vec<(PathBuf, String, String)> {
    let src = repository().join("src");
    WalkDir::new(&src)
        .sort_by_file_name()
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.extension().is_some_and(|end| end == "rs") && !is_test(path))
        .map(|path| {
            let relative = path.strip_prefix(&src).unwrap();
            let top = relative.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            // Tests within a file stand at its end, in braces.
            let inline = |name: &str| text.find(&format!("#[cfg(test)]\nmod {name} {{"));
            let end = ["tests", "properties"].into_iter().filter_map(inline).min().unwrap_or(text.len());
            let production = text[..end].to_owned();
            (path, top, production)
        })
        .collect()
}

fn is_test(path: &Path) -> bool {
    let is =
        |part: &std::ffi::OsStr| matches!(part.to_str(), Some("tests.rs" | "properties.rs" | "tests" | "properties"));
    path.iter().any(is)
}

/// Whether code, not a comment, mentions a name at the start of a path.
fn mentions(text: &str, name: &str) -> bool {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| {
        line.match_indices(name).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            before.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_' && letter != ':')
        })
    })
}
