//! cedargate: an authorization server on [Cedar](https://www.cedarpolicy.com).
//!
//! Two stories run through the code, and files on disk are where they meet.
//!
//! **A question is asked.** Nothing here does I/O but the one fetch of a signing key not seen before:
//!
//! | step | module | what happens |
//! |---|---|---|
//! | 0 | [`listen`] | a connection is taken and bounded: TCP or a Unix socket, HTTP/1.1 or HTTP/2 |
//! | 1 | [`http`] | a request is read, bounded and its caller known; problems leave as RFC 9457 |
//! | 2 | [`ask`] | the story in one place: one snapshot is taken and kept to the end |
//! | 3 | [`authn`] | the token is verified against its provider's keys |
//! | 4 | [`principal`] | what it proves becomes a Cedar entity: attributes, tags, parents |
//! | 5 | [`decide`] | Cedar decides over the policies and the entities in reach |
//! | 6 | [`audit`] | one line is kept of it, enough to decide it again |
//! | 7 | [`shadow`] | a candidate decides it as well, if there is one, and nobody waits for that |
//!
//! **The rules change.** A running request never notices; the next one sees all of the change or nothing. People
//! change files, or the directory in a database, which becomes files too; what decides is always read from files:
//!
//! | step | module | what happens |
//! |---|---|---|
//! | 1 | [`admin`], [`apply`] | someone who may wants the directory to be another; or its manifests say so |
//! | 2 | [`directory`] | the change is judged, made as one revision, and kept with its history |
//! | 3 | [`publish`] | what changed is compiled and written as the tenant's bundle |
//! | 4 | [`tree`], [`cedar_text`] | the folders are read: schema, policies, entities, manifests; Cedar texts within bounds |
//! | 5 | [`schema`], [`manifest`] | texts become one checked schema and, of manifests, one checked directory |
//! | 6 | [`compile`] | a directory becomes templates, links, assume policies, entities; pure |
//! | 7 | [`snapshot`] | everything together is validated and indexed, or refused with every fault |
//! | 8 | [`bundle`] | what was compiled is written, whole files only, the index last |
//! | 9 | [`reload`] | watches, runs 4–8 for each tenant ([`assemble`]) and swaps the snapshot in |
//!
//! Around them: [`cli`] has one verb a file, [`app`] puts a server together and takes it down, [`config`] says how,
//! [`demo`] brings a sample to try it on, [`bench`] says how fast it all is, [`workbench`] what a change of policies
//! does before it ships. [`model`] holds the plain facts and
//! names, [`vocabulary`] the Cedar names that are ours, [`mismatch`] says why a policy does not match, [`strict_json`]
//! reads JSON from strangers, [`clock`] tells the time, [`telemetry`] logs and counts.
//!
//! Where does a change go? A new claim rule: `principal/`. Another thing in directories: `model/facts.rs`,
//! `directory/fact.rs` and `document/`, `manifest/`, `compile/`. Who may change it: `admin/needs.rs`. A route: `http/router.rs` shows them all. A status code: `http/problem.rs`, nowhere else. Which module
//! may import which is checked by `tests/it/architecture.rs`.

pub mod listen;

pub mod http;

pub mod ask;

pub mod authn;

pub mod principal;

pub mod decide;
pub mod mismatch;

pub mod audit;

pub mod shadow;

pub mod admin;
pub mod apply;

pub mod directory;

pub mod publish;

pub mod tree;

pub mod cedar_text;

pub mod schema;

pub mod manifest;

pub mod compile;

pub mod snapshot;

pub mod bundle;

pub mod assemble;
pub mod reload;

pub mod app;
pub mod bench;
pub mod cli;
pub mod config;
pub mod demo;
pub mod workbench;

pub mod clock;
pub mod digest;
pub mod model;
pub mod strict_json;
pub mod telemetry;
pub mod vocabulary;
