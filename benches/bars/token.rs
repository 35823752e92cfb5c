//! `POST /authorize` with a token never seen, against the bare check of its signature, in CPU time.

use std::sync::Arc;

use cedargate::bench::{Answered, Order, Proof, Running, Target, shown};
use cedargate::model::SigningAlgorithm;
use serde_json::{Map, json};

use crate::error::BarError;
use crate::lab::Lab;
use crate::line::{Bar, Line, microseconds};
use crate::rounds::{Series, median};
use crate::unseen::{BareCheck, Costs, Unseen, costs};
use crate::world::{Server, World, raw_config};

pub fn measure(lab: &Lab) -> Result<Vec<Line>, BarError> {
    [SigningAlgorithm::ES256, SigningAlgorithm::RS256].into_iter().map(|algorithm| line(lab, algorithm)).collect()
}

fn line(lab: &Lab, algorithm: SigningAlgorithm) -> Result<Line, BarError> {
    let world = lab.large()?;
    let answered = Series::drawn(world, lab.scale.tokens)?.answered(lab.scale.tokens)?;
    // One of its own: caches full of tokens that nobody shows again are nobody else's matter.
    let server = Server::start(raw_config(&lab.large_tree()?), lab)?;
    let mut minted = 0;
    let mint = || tokens(world, &answered, algorithm, &mut minted, lab.scale.tokens);
    let expected = |at: usize| answered.get(at % answered.len()).map(|one| one.answer.decision);
    let is_right = |at: usize, found: &cedargate::ask::Answered| Some(found.answer.decision) == expected(at);
    let Costs { asked, verified, resolved, again, bare } =
        costs(lab, &server, &BareCheck::of(lab, algorithm)?, mint, is_right)?;
    let (served, handled) = over_http(lab, (world, &server), &answered, algorithm, &mut minted)?;
    server.stop(lab)?;
    let what = format!("{algorithm:?} token never seen: token → answer, in process / `jsonwebtoken::decode` (CPU)");
    Ok(Line::ratio(what, microseconds(asked), microseconds(bare), Bar::AtMost(1.5))
        .beside(format!(
            "{algorithm:?} in process: verifying takes {} µs of it, making the principal {} µs; asked again, {} µs",
            shown(verified),
            shown(resolved),
            shown(again)
        ))
        .beside(format!(
            "{algorithm:?} over HTTP, CPU of the server a request: {} µs, the bare handler {} µs, so {} × the bare check \
             beyond the handler",
            shown(served),
            shown(handled),
            shown((served - handled) / bare)
        )))
}

/// So many tokens, of the same people in the same order, each with an id of its own.
fn tokens(
    world: &World,
    answered: &[Answered],
    algorithm: SigningAlgorithm,
    minted: &mut usize,
    count: usize,
) -> Result<Vec<Unseen>, BarError> {
    let one = |one: &Answered| {
        *minted += 1;
        let id = Map::from_iter([("jti".to_owned(), json!(format!("{algorithm:?}-{minted}")))]);
        let token = world.people.token(&one.asked.who, id, algorithm)?;
        Ok(Unseen { token, query: one.asked.query.clone() })
    };
    answered.iter().cycle().take(count).map(one).collect()
}

/// CPU time of the server for each request with such a token, and of the bare handler: microseconds.
fn over_http(
    lab: &Lab,
    (world, server): (&World, &Server),
    answered: &[Answered],
    algorithm: SigningAlgorithm,
    minted: &mut usize,
) -> Result<(f64, f64), BarError> {
    let bare = lab.wait(Running::bare(vec![b' '; ANSWER_BYTES].into()))?;
    let (mut served, mut handled) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let unseen = tokens(world, answered, algorithm, minted, lab.scale.http_tokens)?;
        let pairs = unseen.iter().zip(answered.iter().cycle());
        let requests = pairs.map(|(unseen, one)| Proof::Token(&unseen.token).request(&one.asked)).collect();
        let requests: Arc<Vec<_>> = Arc::new(requests);
        for (running, order, times) in
            [(&bare, Order::Again, &mut handled), (&server.running, Order::Once, &mut served)]
        {
            let (requests, connections) = (Arc::clone(&requests), lab.scale.connections);
            let target = Target { address: running.address, requests, order, connections };
            times.extend(target.closed_loop(lab.scale.unseen_time)?.server_microseconds());
        }
    }
    lab.wait(bare.stop())?;
    Ok((median(served.into_iter()), median(handled.into_iter())))
}

const ROUNDS: usize = 3;
/// About as many as cedargate answers with.
const ANSWER_BYTES: usize = 400;
