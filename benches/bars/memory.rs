//! Resident memory of a grant, a user and a resource: the difference between two processes of which one has them.
//!
//! In each pair only that one number differs, the teams included, and what is asked is the server itself right after
//! it loaded: whatever loading left behind counts.

use std::path::Path;

use cedargate::bench::generate::Spec;

use crate::child;
use crate::error::BarError;
use crate::lab::Lab;
use crate::line::{Bar, Line, Quantity};
use crate::rounds::median;

pub fn measure(lab: &Lab) -> Result<Vec<Line>, BarError> {
    let all = lab.scale.large.clone();
    let no_grants = Spec { grants: 0, ..all.clone() };
    let few_users = Spec { users: all.users / PART, ..no_grants.clone() };
    let few_resources = Spec { resources: all.resources / PART, ..no_grants.clone() };
    let whole = resident(lab, &lab.large_tree()?)?;
    let without = resident(lab, &lab.tree("no-grants", &no_grants)?)?;
    let less_users = resident(lab, &lab.tree("few-users", &few_users)?)?;
    let less_resources = resident(lab, &lab.tree("few-resources", &few_resources)?)?;
    let whole_text = format!("the whole server: {:.0} MB", whole / 1e6);
    Ok(vec![
        line("a grant", whole - without, all.grants, 200.0).beside(whole_text),
        line("a user", without - less_users, all.users - few_users.users, 400.0),
        line("a resource", without - less_resources, all.resources - few_resources.resources, 400.0),
    ])
}

fn line(of: &str, more: f64, count: usize, most: f64) -> Line {
    #[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 users")]
    let bytes = Quantity { value: more / count as f64, unit: "B" };
    Line::absolute(format!("memory: {of}, resident ({count} more)"), bytes, Bar::AtMost(most))
}

/// What a server of a tree takes, in bytes.
fn resident(lab: &Lab, tree: &Path) -> Result<f64, BarError> {
    let mut found = Vec::new();
    for _ in 0..lab.scale.starts {
        #[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 bytes")]
        found.push(child::serve(lab, tree)?.resident_bytes as f64);
    }
    Ok(median(found.into_iter()))
}

/// The smaller tree of a pair has a tenth.
const PART: usize = 10;
