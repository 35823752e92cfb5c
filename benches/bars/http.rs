//! `POST /authorize` with known tokens, requests a second: cedargate in turns with the bare axum handler.

use cedargate::bench::{Rounds, Running, shown};
use cedargate::config::{RawAuditSink, RawConfig, RawWhenFull};

use crate::error::BarError;
use crate::lab::Lab;
use crate::line::{Bar, Line, Quantity};
use crate::rounds::{Series, median};
use crate::world::{Server, raw_config};

pub fn measure(lab: &Lab) -> Result<Vec<Line>, BarError> {
    let world = lab.large()?;
    let answered = Series::drawn(world, REQUESTS)?.answered(REQUESTS)?;
    let scale = &lab.scale;
    let rounds = Rounds::start(&world.server.running, &world.people, answered, scale.connections, scale.time);
    let rounds = lab.wait(rounds)?;
    let what = format!("`POST /authorize`, known token, {} grants / bare axum handler", scale.large.grants);
    let plain = compare(lab, &rounds, &world.server.running, what, 0.6)?;
    let logging = Server::start(with_log(lab)?, lab)?;
    lab.wait(rounds.check(&logging.running))?;
    let logged =
        compare(lab, &rounds, &logging.running, "the same with the decision log (file) / bare".to_owned(), 0.5)?;
    logging.stop(lab)?;
    lab.wait(rounds.stop())?;
    Ok(vec![plain, logged])
}

fn compare(lab: &Lab, rounds: &Rounds, server: &Running, what: String, bar: f64) -> Result<Line, BarError> {
    let turns = lab.wait(rounds.in_turns(server))?;
    let rate = |value| Quantity { value, unit: "req/s" };
    let over = rate(median(turns.iter().map(|(ours, _)| ours.per_second())));
    let under = rate(median(turns.iter().map(|(_, bare)| bare.per_second())));
    let ours = median(turns.iter().filter_map(|(ours, _)| ours.server_microseconds()));
    let bare = median(turns.iter().filter_map(|(_, bare)| bare.server_microseconds()));
    let beside = format!("CPU of the server a request: {} µs, bare {} µs", shown(ours), shown(bare));
    Ok(Line::ratio(what, over, under, Bar::AtLeast(bar)).beside(beside))
}

/// A server of the same tree whose every answer waits until it is in the log.
fn with_log(lab: &Lab) -> Result<RawConfig, BarError> {
    let mut raw = raw_config(&lab.large_tree()?);
    raw.audit.sink = RawAuditSink::File;
    raw.audit.path = Some(lab.place("decisions.jsonl"));
    raw.audit.keep = 1;
    raw.audit.when_full = RawWhenFull::Block;
    Ok(raw)
}

/// Different ones; as many tokens at most.
const REQUESTS: usize = 1000;
