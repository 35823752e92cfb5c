//! Cold start: from before the process exists to the first answer of `GET /ready`, which says that every tenant serves.

use crate::child;
use crate::error::BarError;
use crate::lab::Lab;
use crate::line::{Bar, Line, Quantity};
use crate::rounds::median;

pub fn measure(lab: &Lab) -> Result<Vec<Line>, BarError> {
    let tree = lab.large_tree()?;
    let grants = lab.scale.large.grants;
    let mut times = Vec::new();
    for _ in 0..lab.scale.starts {
        let seen = child::serve(lab, &tree)?;
        if seen.grants != grants {
            return Err(BarError::Wrong(format!("{} grants of {grants} were loaded", seen.grants)));
        }
        times.push(seen.ready_after.as_secs_f64());
    }
    let seconds = Quantity { value: median(times.into_iter()), unit: "s" };
    let what = format!("cold start at {grants} grants: process started → ready");
    Ok(vec![Line::absolute(what, seconds, Bar::AtMost(10.0)).beside("its files are in the system's cache")])
}
