//! A token never seen, of one of ten thousand external identities of its provider: a customer each.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use cedargate::bench::generate::{PROVIDER, directory, sample_roles, write_directory};
use cedargate::bench::shown;
use cedargate::decide::{AccessQuery, ActionName, ResourceQuery};
use cedargate::model::{Condition, EntityRef, ExternalIdentity, NameError, SigningAlgorithm};
use serde_json::{Map, Value, json};

use crate::error::BarError;
use crate::lab::Lab;
use crate::line::{Bar, Line, milliseconds};
use crate::scale::spec;
use crate::unseen::{BareCheck, Unseen, costs};
use crate::world::{Server, raw_config};

pub fn measure(lab: &Lab) -> Result<Vec<Line>, BarError> {
    let server = Server::start(raw_config(&tree(lab)?), lab)?;
    let algorithm = SigningAlgorithm::ES256;
    let count = lab.scale.identities;
    let mut minted = 0;
    let mint = || (0..lab.scale.tokens).map(|at| unseen(lab, customer(at, count), &mut minted)).collect();
    let is_right =
        |at: usize, found: &cedargate::ask::Answered| found.external_identities == [name(customer(at, count))];
    let found = costs(lab, &server, &BareCheck::of(lab, algorithm)?, mint, is_right)?;
    server.stop(lab)?;
    let beyond = milliseconds((found.asked - found.bare) / 1000.0);
    let what =
        format!("token never seen, one of {count} external identities: to the answer, beyond the signature (CPU)");
    Ok(vec![Line::absolute(what, beyond, Bar::AtMost(1.0)).beside(format!(
        "all of it {} µs, `jsonwebtoken::decode` (ES256) {} µs, our verifying {} µs, making the principal {} µs",
        shown(found.asked),
        shown(found.bare),
        shown(found.verified),
        shown(found.resolved)
    ))])
}

/// A small tenant with so many customers.
fn tree(lab: &Lab) -> Result<PathBuf, BarError> {
    let place = lab.place("identities");
    fs::create_dir_all(&place).map_err(BarError::file(&place))?;
    let mut state = directory(&spec(1_000, 200, 100), &lab.trusted(), sample_roles()?)?;
    for number in 0..lab.scale.identities {
        let identity = identity(number)?;
        state.external_identities.insert(identity.name.clone(), identity);
    }
    write_directory(&place, &state)?;
    Ok(place)
}

fn identity(number: usize) -> Result<ExternalIdentity, NameError> {
    Ok(ExternalIdentity {
        name: name(number).try_into()?,
        identity_provider: PROVIDER.to_owned().try_into()?,
        claims: BTreeMap::from([(CLAIM.to_owned(), Condition::is(name(number)))]),
    })
}

/// Which customer the token at this place of a round is of: all over.
fn customer(at: usize, count: usize) -> usize {
    at * 7919 % count
}

fn name(number: usize) -> String {
    format!("{CLAIM}-{number}")
}

fn unseen(lab: &Lab, customer: usize, minted: &mut usize) -> Result<Unseen, BarError> {
    *minted += 1;
    let claims: [(_, Value); 2] = [("sub", json!(format!("someone-{minted}"))), (CLAIM, json!(name(customer)))];
    let claims: Map<_, _> = claims.into_iter().map(|(claim, value)| (claim.to_owned(), value)).collect();
    let minted = lab.issuer.mint(claims, SigningAlgorithm::ES256);
    let resource = ResourceQuery::named(EntityRef::new("Model", "model-0"));
    let query = AccessQuery { action: ActionName("viewModel".to_owned()), resource, context: None, explain: false };
    Ok(Unseen { token: minted.map_err(cedargate::demo::IssuerError::from)?, query })
}

const CLAIM: &str = "customer";
