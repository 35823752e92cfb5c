//! Configuration as people write it, in a file and in the environment.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::authn::TrailingSlash;
use crate::authn::{hash_key, new_key};
use crate::decide::ForbidErrors;
use crate::listen::SocketMode;
use crate::model::TenantId;
use crate::schema::Identity;

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::of(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

fn read_text(text: &str, variables: &[(&str, &str)]) -> Result<RawConfig, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cedargate.toml");
    std::fs::write(&path, text).unwrap();
    let prefix = format!("{}/", dir.path().display());
    read(Some(&path), &environment(variables))
        .map_err(|faults| faults.0.iter().map(|fault| fault.to_string().replace(&prefix, "")).collect())
}

fn checked(text: &str) -> Result<Config, Vec<String>> {
    Config::try_from(read_text(text, &[]).unwrap())
        .map_err(|faults| faults.0.into_iter().map(|fault| fault.to_string()).collect())
}

fn of_environment(variables: &[(&str, &str)]) -> Result<RawConfig, Vec<String>> {
    read(None, &environment(variables)).map_err(|faults| faults.0.into_iter().map(|fault| fault.to_string()).collect())
}

#[test]
fn every_setting_has_its_default() {
    for text in [
        "",
        "[http]\n[policies]\n[schema]\n[bundle]\n[tenants]\n[tokens]\n[keys]\n[decisions]\n[callers]\n[audit]\n[watch]\n[log]\n",
    ] {
        let config = checked(text).unwrap();
        let http = &config.http;
        assert_eq!(http.listen.tcp, SocketAddr::from(([127, 0, 0, 1], 8180)));
        assert_eq!(http.listen.unix, None);
        let connections = &http.connections;
        assert_eq!(
            (connections.max_connections, connections.max_header_bytes, connections.max_streams),
            (8192, 32_768, 256)
        );
        assert_eq!(
            (connections.header_timeout, connections.idle_timeout),
            (Duration::from_secs(10), Duration::from_secs(620))
        );
        assert_eq!((http.max_body_bytes, http.max_batch, http.max_in_flight), (262_144, 1000, 4096));
        assert_eq!(
            (http.request_timeout, http.stop_delay, http.drain_timeout),
            (Duration::from_secs(10), Duration::from_millis(500), Duration::from_secs(20))
        );
        assert_eq!(
            (config.layout.dirs.policies.as_path(), config.layout.dirs.schema.as_path()),
            (Path::new("policies"), Path::new("schema"))
        );
        assert_eq!((config.layout.bundle_dir.as_deref(), config.layout.identity), (None, Identity::Included));
        assert_eq!(config.default_tenant, None);
        assert_eq!((config.tokens.leeway, config.tokens.max_bytes), (Duration::from_secs(30), 16_384));
        assert_eq!(config.tokens.trailing_slash, TrailingSlash::Exact);
        let keys = &config.keys;
        assert_eq!(
            (keys.default_refresh, keys.min_refresh, keys.max_refresh),
            (Duration::from_secs(900), Duration::from_secs(60), Duration::from_secs(86_400))
        );
        assert_eq!(
            (keys.unknown_key_interval, keys.max_stale, keys.fetch_timeout),
            (Duration::from_secs(5), Duration::from_secs(3 * 86_400), Duration::from_secs(5))
        );
        assert!(keys.allow_http.is_empty());
        assert_eq!(config.decider.forbid_errors, ForbidErrors::Deny);
        assert_eq!(config.callers.anonymous, WhoMayAsk::WithToken);
        assert_eq!(config.audit.sink, AuditSink::Off);
        assert_eq!(config.audit.settings.queue, 10_000);
        assert_eq!((config.watch.debounce, config.watch.poll), (Duration::from_millis(100), Duration::from_secs(5)));
        assert_eq!((config.log.level.as_str(), config.log.format), ("info", LogFormat::Text));
    }
    // The defaults of the modules themselves are no others.
    let keys = checked("").unwrap().keys;
    assert_eq!(format!("{keys:?}"), format!("{:?}", crate::authn::KeySettings::default()));
}

#[test]
fn what_is_written_is_what_holds() {
    let config = checked(
        "[http]\nbind = \"[::1]:9000\"\nmax_body_bytes = 1\nunix_socket = \"/run/c.sock\"\nunix_socket_mode = \"0600\"\n[policies]\ndir = \"/p\"\n[schema]\ndir = \"s\"\nidentity = false\n[bundle]\ndir = \"/b\"\n\
         [tenants]\ndefault = \"acme\"\n[tokens]\nleeway_seconds = 0\nissuer_trailing_slash = \"ignore\"\n[keys]\nallow_http = [\"idp:8080\"]\n\
         [decisions]\nforbid_errors = \"skip\"\n[callers]\nanonymous = \"nobody\"\n\
         [audit]\nsink = \"file\"\npath = \"d.log\"\nrotate_bytes = 5\nkeep = 0\nwhen_full = \"block\"\nmask = [\"email\"]\n\
         [watch]\ndebounce_milliseconds = 0\npoll_seconds = 0\n[log]\nlevel = \"debug\"\nformat = \"json\"\n",
    )
    .unwrap();
    assert_eq!(config.http.listen.tcp.to_string(), "[::1]:9000");
    assert_eq!(config.http.listen.unix, Some(("/run/c.sock".into(), SocketMode::parse("600").unwrap())));
    assert_eq!(
        (config.layout.identity, config.layout.bundle_dir.as_deref()),
        (Identity::LeftOut, Some(Path::new("/b")))
    );
    assert_eq!(config.layout.bundle_folder(&TenantId::parse("acme").unwrap()), Path::new("/b/acme"));
    assert_eq!(config.default_tenant, Some(TenantId::parse("acme").unwrap()));
    assert_eq!((config.tokens.leeway, config.tokens.trailing_slash), (Duration::ZERO, TrailingSlash::Ignore));
    assert_eq!(config.keys.allow_http, ["idp:8080"]);
    assert_eq!((config.decider.forbid_errors, config.callers.anonymous), (ForbidErrors::Skip, WhoMayAsk::Nobody));
    assert_eq!(config.audit.sink, AuditSink::File { path: "d.log".into(), rotate_bytes: 5, keep: 0 });
    assert_eq!((config.watch.debounce, config.watch.poll), (Duration::from_millis(1), Duration::from_secs(1)));
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn what_the_file_gets_wrong_has_line_and_column() {
    for (text, place, said) in [
        ("[http]\nbind = \"127.0.0.1:1\"\nport = 1\n", "3:1", "unknown field `port`"),
        ("[https]\n", "1:2", "unknown field `https`"),
        ("colour = 1\n", "1:1", "unknown field `colour`"),
        ("[http]\nmax_batch = \"many\"\n", "2:13", "invalid type: string \"many\""),
        ("[http]\nmax_batch = -1\n", "2:13", "invalid value"),
        ("[decisions]\nforbid_errors = \"allow\"\n", "2:17", "unknown variant `allow`"),
        ("[http]\n  bind = \n", "2:10", ""),
        ("[http]\nmax_batch = 1\nmax_batch = 2\n", "3:1", "duplicate key"),
        ("[[callers.keys]]\nname = \"a\"\n", "1:1", "missing field `hash`"),
        ("[[callers.keys]]\nname = \"a\"\nhash = \"x\"\nmay = [\"rule\"]\n", "4:8", "unknown variant `rule`"),
        ("[[callers.keys]]\nname = \"a\"\nhash = \"x\"\nkey = \"x\"\n", "4:1", "unknown field `key`"),
    ] {
        let faults = read_text(text, &[]).unwrap_err();
        let expected = format!("cedargate.toml:{place}: ");
        assert!(
            faults.len() == 1 && faults[0].starts_with(&expected) && faults[0].contains(said),
            "{text}: {faults:?}"
        );
    }
    let missing = read(Some(Path::new("/nowhere/cedargate.toml")), &environment(&[])).unwrap_err();
    assert!(missing.to_string().contains("/nowhere/cedargate.toml: cannot be read"), "{missing}");
}

#[test]
fn a_variable_is_taken_as_the_type_of_its_setting() {
    let raw = of_environment(&[
        ("CEDARGATE_HTTP__BIND", "0.0.0.0:80"),
        ("CEDARGATE_HTTP__MAX_BATCH", "7"),
        ("CEDARGATE_HTTP__UNIX_SOCKET", "/run/c.sock"),
        ("CEDARGATE_HTTP__UNIX_SOCKET_MODE", "666"),
        ("CEDARGATE_SCHEMA__IDENTITY", "false"),
        ("CEDARGATE_KEYS__ALLOW_HTTP", "[\"a\", \"b:80\"]"),
        ("CEDARGATE_TENANTS__DEFAULT", "42"),
        ("CEDARGATE_LOG__LEVEL", "true"),
        ("CEDARGATE_POLICIES__DIR", "\"quoted\""),
        ("CEDARGATE_SCHEMA__DIR", "2026-01-09"),
        ("CEDARGATE_BUNDLE__DIR", "with spaces # and more"),
        ("CEDARGATE_AUDIT__SINK", "stdout"),
        ("CEDARGATE_CALLERS__KEYS", "[{name = \"gateway\", hash = \"x\", may = [\"vouch\"]}]"),
        ("OTHER_HTTP__BIND", "nonsense"),
        ("CEDARGATE_TEST_CEDAR_CLI", "1"),
        ("CEDARGATE_TEST_CASES", "10"),
        ("CEDARGATE_TEST_SOAK", "1"),
        ("CEDARGATE_TEST_BLESS", "1"),
    ])
    .unwrap();
    assert_eq!((raw.http.bind.as_str(), raw.http.max_batch, raw.schema.identity), ("0.0.0.0:80", 7, false));
    assert_eq!(raw.http.unix_socket.as_deref(), Some(Path::new("/run/c.sock")));
    assert_eq!(raw.http.unix_socket_mode, "666");
    assert_eq!(raw.keys.allow_http, ["a", "b:80"]);
    assert_eq!((raw.tenants.default.as_deref(), raw.log.level.as_str()), (Some("42"), "true"));
    assert_eq!(raw.policies.dir.as_deref(), Some(Path::new("quoted")));
    assert_eq!(raw.schema.dir.as_deref(), Some(Path::new("2026-01-09")));
    assert_eq!(raw.bundle.dir.as_deref(), Some(Path::new("with spaces # and more")));
    assert_eq!(raw.audit.sink, RawAuditSink::Stdout);
    assert_eq!(raw.callers.keys[0].name, "gateway");
}

#[test]
fn a_variable_that_names_no_setting_or_does_not_fit_is_refused_by_name() {
    for (name, value, said) in [
        ("CEDARGATE_HTTP__PORT", "1", "unknown field `port`"),
        ("CEDARGATE_HTTPS__BIND", "1", "unknown field `https`"),
        ("CEDARGATE_BIND", "1", "unknown field `bind`"),
        ("CEDARGATE_", "1", ""),
        ("CEDARGATE_HTTP", "1", "invalid type"),
        ("CEDARGATE_HTTP__BIND__PORT", "1", ""),
        ("CEDARGATE_HTTP__MAX_BATCH", "many", "invalid type"),
        ("CEDARGATE_HTTP__MAX_BATCH", "-1", "invalid value"),
        ("CEDARGATE_SCHEMA__IDENTITY", "yes", "invalid type"),
        ("CEDARGATE_AUDIT__SINK", "syslog", "unknown variant `syslog`"),
    ] {
        let faults = of_environment(&[(name, value)]).unwrap_err();
        assert!(
            faults.len() == 1
                && faults[0].starts_with(&format!("environment variable {name}: "))
                && faults[0].contains(said),
            "{faults:?}"
        );
    }
    let both =
        of_environment(&[("CEDARGATE_A", "1"), ("CEDARGATE_HTTP__MAX_BATCH", "3"), ("CEDARGATE_B", "1")]).unwrap_err();
    assert_eq!(both.len(), 2, "{both:?}");
}

#[test]
fn the_environment_wins_over_the_file_and_leaves_the_rest() {
    let text = "[http]\nmax_batch = 1\nmax_in_flight = 2\n[keys]\nallow_http = [\"a\"]\n";
    let raw =
        read_text(text, &[("CEDARGATE_HTTP__MAX_BATCH", "9"), ("CEDARGATE_KEYS__ALLOW_HTTP", "[\"b\"]")]).unwrap();
    assert_eq!((raw.http.max_batch, raw.http.max_in_flight), (9, 2));
    assert_eq!(raw.keys.allow_http, ["b"]);
    // A file at fault is not excused by a variable.
    assert!(read_text("[http]\nmax_batch = \"x\"\n", &[("CEDARGATE_HTTP__MAX_BATCH", "9")]).is_err());
}

#[test]
fn settings_that_contradict_themselves_are_refused_all_at_once() {
    for (text, said) in [
        ("[http]\nbind = \"localhost\"", "`http.bind`: `localhost` is not an address"),
        ("[http]\nmax_body_bytes = 0", "`http.max_body_bytes`: must be more than 0"),
        ("[http]\nmax_batch = 0", "`http.max_batch`: must be more than 0"),
        ("[http]\nmax_in_flight = 0", "`http.max_in_flight`: must be more than 0"),
        ("[http]\nmax_connections = 0", "`http.max_connections`: must be more than 0"),
        ("[http]\nheader_timeout_seconds = 0", "`http.header_timeout_seconds`: must be from 1 to 86400"),
        ("[http]\nidle_timeout_seconds = 86401", "`http.idle_timeout_seconds`: must be from 1 to 86400"),
        ("[http]\nmax_header_bytes = 8191", "`http.max_header_bytes`: must be from 8192 to 1048576"),
        ("[http]\nmax_streams = 0", "`http.max_streams`: must be from 1 to 65536"),
        ("[http]\nbody_timeout_seconds = 0", "`http.body_timeout_seconds`: must be from 1 to 86400"),
        ("[http]\nmax_waiting_bodies = 0", "`http.max_waiting_bodies`: must be from 1 to 65536"),
        ("[http]\nmax_reading_bytes = 1000", "`http.max_reading_bytes`: must be at least the largest body"),
        ("[ops]\nbind = \"localhost:1\"", "`ops.bind`: `localhost:1` is not an address"),
        ("[ops]\nbind = \"127.0.0.1:8180\"", "`ops.bind`: is `http.bind` as well"),
        ("[keys]\nallow_hosts = [\"https://x\"]", "`keys.allow_hosts`: `https://x` is not a host"),
        ("[http]\nunix_socket = \"\"", "`http.unix_socket`: must be the path of a file"),
        ("[http]\nunix_socket_mode = \"rw-rw----\"", "`http.unix_socket_mode`: must be a file's mode in octal"),
        ("[http]\nunix_socket_mode = \"1777\"", "`http.unix_socket_mode`: must be a file's mode in octal"),
        ("[tokens]\nmax_bytes = 0", "`tokens.max_bytes`: must be more than 0"),
        ("[audit]\nqueue = 0", "`audit.queue`: must be more than 0"),
        ("[keys]\nmax_stale_seconds = 86400", "`keys.max_stale_seconds`: must be more than `keys.max_refresh_seconds`"),
        ("[log]\nlevel = \"cedargate=loud\"", "`log.level`: `cedargate=loud` is not a level or a filter"),
        ("[http]\nmax_in_flight = 9000000000000000000", "`http.max_in_flight`: must be at most"),
        ("[audit]\nrotate_bytes = 0", "`audit.rotate_bytes`: must be more than 0"),
        (
            "[keys]\nmin_refresh_seconds = 10\nmax_refresh_seconds = 9",
            "`keys.min_refresh_seconds`: is more than `keys.max_refresh_seconds`",
        ),
        ("[tenants]\ndefault = \"platform\"", "`tenants.default`: `platform` is reserved"),
        ("[tenants]\ndefault = \"a/b\"", "`tenants.default`: `a/b` is not a tenant"),
        ("[audit]\nsink = \"file\"", "`audit.path`: is needed when `audit.sink` is `file`"),
        ("[audit]\npath = \"x\"", "`audit.path`: is only for `audit.sink = \"file\"`"),
        ("[audit]\nsink = \"stdout\"\npath = \"x\"", "`audit.path`: is only for"),
    ] {
        let faults = checked(text).unwrap_err();
        assert!(
            faults.len() == 1 && faults[0].starts_with("configuration: ") && faults[0].contains(said),
            "{text}: {faults:?}"
        );
    }
    let all = checked("[http]\nbind = \"x\"\nmax_batch = 0\n[audit]\nsink = \"file\"\n").unwrap_err();
    assert_eq!(all.len(), 3, "{all:?}");
}

fn key(name: &str, hash: &str) -> RawCallerKey {
    RawCallerKey { name: name.into(), hash: hash.into(), may: vec![Permission::Vouch], tenants: None }
}

fn with_keys(keys: Vec<RawCallerKey>) -> Result<CallerKeys, Vec<String>> {
    let mut raw = RawConfig::default();
    raw.callers.keys = keys;
    Config::try_from(raw)
        .map(|config| config.callers.keys)
        .map_err(|faults| faults.0.into_iter().map(|fault| fault.message).collect())
}

#[test]
fn a_key_is_found_by_its_whole_text_only() {
    let (one, two) = (new_key("caller").unwrap(), new_key("caller").unwrap());
    assert_ne!(one, two);
    let keys = with_keys(vec![
        key("one", &hash_key(&one)),
        key("two", &hash_key(&two).to_uppercase().replace("SHA256", "sha256")),
    ])
    .unwrap();
    assert_eq!(keys.find(&one).unwrap().name, "one");
    assert_eq!(keys.find(&two).unwrap().name, "two");
    for other in [
        String::new(),
        one.split_at(one.len() - 1).0.to_owned(),
        format!("{one} "),
        format!("{one}{one}"),
        one.to_uppercase(),
        hash_key(&one),
        "one".into(),
    ] {
        assert!(keys.find(&other).is_none(), "{other}");
    }
    assert!(CallerKeys::default().find("").is_none());
}

#[test]
fn a_key_counts_for_its_tenants_and_permissions() {
    let acme = TenantId::parse("acme").unwrap();
    let keys = with_keys(vec![
        key("any", &hash_key("a")),
        RawCallerKey { tenants: Some(vec!["acme".into()]), may: vec![], ..key("acme", &hash_key("b")) },
        RawCallerKey { tenants: Some(vec![]), ..key("none", &hash_key("c")) },
    ])
    .unwrap();
    let found = |text: &str| keys.find(text).unwrap();
    let other = TenantId::parse("other").unwrap();
    assert_eq!(
        [found("a").is_for(&acme), found("a").is_for(&other), found("a").may(Permission::Vouch)],
        [true, true, true]
    );
    assert_eq!(
        [found("b").is_for(&acme), found("b").is_for(&other), found("b").may(Permission::Vouch)],
        [true, false, false]
    );
    assert_eq!([found("c").is_for(&acme), found("c").is_for(&other)], [false, false]);
}

#[test]
fn keys_that_do_not_fit_are_refused() {
    let digits = "0".repeat(64);
    for bad in [
        "",
        "sha256:",
        &digits,
        &format!("sha256:{}", "0".repeat(63)),
        &format!("sha256:{digits}0"),
        &format!("sha512:{digits}"),
        &format!("sha256:{}", "g".repeat(64)),
        &format!("sha256:{}", "é".repeat(32)),
        &format!("sha256:+{}", "0".repeat(63)),
    ] {
        let faults = with_keys(vec![key("gateway", bad)]).unwrap_err();
        assert_eq!(
            faults,
            ["`callers.keys`: the hash of `gateway` is not `sha256:` and 64 hexadecimal digits"],
            "{bad}"
        );
    }
    let twice = with_keys(vec![key("a", &hash_key("x")), key("a", &hash_key("y"))]).unwrap_err();
    assert_eq!(twice, ["`callers.keys`: `a` is there twice"]);
    let tenants =
        with_keys(vec![RawCallerKey { tenants: Some(vec!["a/b".into()]), ..key("a", &hash_key("x")) }]).unwrap_err();
    assert!(tenants.len() == 1 && tenants[0].contains("`a/b` is not a tenant"), "{tenants:?}");
}

#[test]
fn a_new_key_has_its_kind_and_a_checksum() {
    let key = new_key("caller").unwrap();
    let secret = key.strip_prefix("cgcaller_").unwrap();
    assert_eq!(secret.len(), 43 + 6);
    assert!(secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    let (body, checksum) = key.split_at(key.len() - 6);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body.as_bytes());
    let expected = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, digest.as_ref());
    assert_eq!(checksum, expected.split_at(6).0);
    assert!(new_key("admin").unwrap().starts_with("cgadmin_"));
    assert_eq!(hash_key("abc"), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn a_candidate_is_a_policies_folder_or_has_one_and_is_not_a_tenant() {
    let config = checked("").unwrap();
    assert!(config.candidate.is_none());
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| format!("{:?}", dir.path().join(name).display().to_string());
    let of = |name: &str, more: &str| {
        let text = format!("[policies]\ncandidate = {}\n[schema]\ndir = \"live-schema\"\n{more}", place(name));
        checked(&text).unwrap().candidate.unwrap()
    };
    let (layout, settings) = of("plain", "");
    assert_eq!(layout.dirs.policies, dir.path().join("plain"));
    assert_eq!(layout.dirs.schema, Path::new("live-schema"));
    assert_eq!((settings.queue, settings.log_per_second), (10_000, 5));
    std::fs::create_dir_all(dir.path().join("tree/policies")).unwrap();
    let (layout, settings) = of("tree", "[shadow]\nqueue = 7\nlog_per_second = 0\n");
    assert_eq!(layout.dirs.policies, dir.path().join("tree/policies"));
    assert_eq!(layout.dirs.schema, Path::new("live-schema"), "it has none of its own");
    assert_eq!((settings.queue, settings.log_per_second), (7, 0));
    std::fs::create_dir_all(dir.path().join("tree/schema")).unwrap();
    assert_eq!(of("tree", "").0.dirs.schema, dir.path().join("tree/schema"));
    for (text, fault) in [
        (
            "policies.candidate = \"policies/next\"",
            "configuration: `policies.candidate`: is in `policies.dir`, and would be a tenant: put it beside that",
        ),
        ("shadow.queue = 0", "configuration: `shadow.queue`: must be more than 0"),
    ] {
        assert_eq!(checked(text).unwrap_err(), [fault]);
    }
}
