//! The fuzz targets of `tests/fuzz/` over their seeds, and over what mutations make of these.
//!
//! Ten thousand cases, more of those that are quick; `CEDARGATE_TEST_CASES` multiplies them. The input of a case that
//! ends the whole process, as a stack that is too small does, is in `tmp/fuzz-TARGET` of cargo's target folder.

#[path = "../fuzz/targets/lib.rs"]
mod targets;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::tree::repository;

#[test]
fn policy_text() {
    run("policy_text", 2_000, targets::policy_text);
}

#[test]
fn manifests() {
    run("manifests", 1_000, targets::manifests);
}

#[test]
fn claims() {
    run("claims", 1_900, targets::claims);
}

#[test]
fn token() {
    run("token", 1_900, targets::token);
}

#[test]
fn http_body() {
    run("http_body", 1_700, targets::http_body);
}

#[test]
fn bundle() {
    run("bundle", 1_500, targets::bundle);
}

#[test]
fn cargo_fuzz_has_a_file_and_seeds_for_each_target_and_no_others() {
    let exported = fs::read_to_string(folder("targets").join("lib.rs")).unwrap();
    let package = fs::read_to_string(folder("Cargo.toml")).unwrap();
    let targets: BTreeSet<_> = exported
        .lines()
        .filter_map(|line| line.strip_prefix("pub use ")?.strip_suffix(';')?.rsplit("::").next())
        .map(str::to_owned)
        .collect();
    assert_eq!(targets.len(), 6);
    let stems = |name: &str| BTreeSet::from_iter(files(&folder(name)).iter().map(|path| stem(path)));
    assert_eq!(stems("fuzz_targets"), targets);
    assert_eq!(stems("dictionaries"), targets);
    assert_eq!(stems("seeds"), targets);
    for target in &targets {
        let text = fs::read_to_string(folder("fuzz_targets").join(format!("{target}.rs"))).unwrap();
        assert!(text.contains(&format!("cedargate_fuzz::{target}(bytes)")), "{text}");
        assert!(package.contains(&format!("name = \"{target}\"\npath = \"fuzz_targets/{target}.rs\"")), "{target}");
    }
}

/// Runs a target over its seeds, then over what becomes of them.
fn run(name: &str, cases: u32, target: fn(&[u8])) {
    let seeds: Vec<_> = files(&folder("seeds").join(name)).iter().map(|path| fs::read(path).unwrap()).collect();
    let words = words(&fs::read_to_string(folder("dictionaries").join(format!("{name}.dict"))).unwrap());
    let last = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}"));
    let case = |input: &Input| {
        fs::write(&last, &input.0).unwrap();
        target(&input.0);
    };
    seeds.iter().for_each(|seed| case(&Input(seed.clone())));
    let config = Config { cases: cases * times(), failure_persistence: None, ..Config::default() };
    let mutations = prop::collection::vec(any::<Mutation>(), 1..6);
    let inputs = (0..seeds.len(), mutations).prop_map(|(seed, mutations)| {
        let start = seeds[seed].clone();
        Input(mutations.iter().fold(start, |bytes, mutation| mutated(bytes, mutation, &seeds, &words)))
    });
    let ran = TestRunner::new(config).run(&inputs, |input| {
        case(&input);
        Ok(())
    });
    ran.unwrap();
}

/// What a target is given, shown so that it can be put into a file: `printf` takes it.
struct Input(Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "b\"{}\"", self.0.escape_ascii())
    }
}

/// What is done, where, to how much, and with which of several.
type Mutation = (u8, u16, u16, u16);

/// A text after one mutation.
fn mutated(mut bytes: Vec<u8>, (kind, at, length, choice): &Mutation, seeds: &[Vec<u8>], words: &[Vec<u8>]) -> Vec<u8> {
    let place = |length: usize, at: u16| (usize::from(at) * (length + 1)) >> 16;
    let from = place(bytes.len(), *at);
    let short = (from + usize::from(*length) % 12).min(bytes.len());
    let long = from + place(bytes.len() - from, *length);
    let pick = |all: &[Vec<u8>]| all[usize::from(*choice) % all.len()].clone();
    match kind % 10 {
        0 | 1 => {
            if let Some(byte) = bytes.get_mut(from) {
                *byte ^= 1 << (choice % 8);
            }
        }
        2 => drop(bytes.splice(from..short, [*choice as u8])),
        3 | 4 => drop(bytes.splice(from..from, pick(words))),
        5 => drop(bytes.splice(from..short, pick(words))),
        6 => drop(bytes.drain(from..short)),
        7 => {
            let (times, part) = (TIMES[usize::from(*choice) % TIMES.len()], bytes[from..short].to_vec());
            drop(bytes.splice(from..from, part.repeat(times)));
        }
        // Two runs, as of brackets, around what stands between.
        8 => {
            let (open, close) = BRACKETS[usize::from(*choice) % BRACKETS.len()];
            let times = TIMES[usize::from(*length) % TIMES.len()];
            drop(bytes.splice(long..long, close.repeat(times).into_bytes()));
            drop(bytes.splice(from..from, open.repeat(times).into_bytes()));
        }
        _ if choice % 3 == 0 => bytes.truncate(from),
        _ => {
            let other = pick(seeds);
            let start = place(other.len(), *length);
            drop(bytes.splice(from..long, other[start..].iter().copied()));
        }
    }
    bytes.truncate(MOST_BYTES);
    bytes
}

/// The words of a dictionary as libFuzzer reads it: one a line, in quotes.
fn words(dictionary: &str) -> Vec<Vec<u8>> {
    let quoted = |line: &str| line.split_once('"')?.1.strip_suffix('"').map(unescaped);
    let words: Vec<_> = dictionary.lines().filter(|line| !line.starts_with('#')).filter_map(quoted).collect();
    assert!(!words.is_empty(), "a dictionary without words");
    words
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut parts = text.split('\\');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    while let Some(part) = parts.next() {
        match part.strip_prefix('x') {
            Some(hexadecimal) => {
                bytes.push(u8::from_str_radix(&hexadecimal[..2], 16).unwrap());
                bytes.extend(hexadecimal[2..].bytes());
            }
            // A backslash for itself, and what is behind it.
            None if part.is_empty() => bytes.extend([b"\\", parts.next().unwrap_or_default().as_bytes()].concat()),
            None => bytes.extend(part.bytes()),
        }
    }
    bytes
}

fn folder(name: &str) -> PathBuf {
    repository().join("tests/fuzz").join(name)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

/// How many times the usual cases are tried.
#[expect(clippy::disallowed_methods, reason = "a switch of the tests, and no setting")]
fn times() -> u32 {
    std::env::var("CEDARGATE_TEST_CASES").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

/// Longer texts show nothing new, and take their time in an unoptimised build.
const MOST_BYTES: usize = 16 * 1024;
const TIMES: [usize; 6] = [1, 2, 16, 65, 300, 2_000];
const BRACKETS: [(&str, &str); 10] = [
    ("(", ")"),
    ("[", "]"),
    ("{", "}"),
    ("{\"a\":", "}"),
    ("{a: ", "}"),
    ("!", ""),
    ("- ", ""),
    ("if true then ", " else false"),
    ("<<", ">>"),
    ("\"", "\""),
];
