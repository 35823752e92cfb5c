//! Cedar texts that people write, made safe to hand on: bounded before Cedar parses them, parsed on a stack that is
//! large enough for what the bounds allow, and with conditions that no later reader has to follow deep.
//!
//! In: a file. Out: Cedar's policies, or every fault with line and column. Each verb and each thread reads texts
//! here and nowhere else, so all of them accept and refuse the same ones.
//!
//! Cedar's parser, validator and evaluator recurse over what they read: without a bound, a text of 300 bytes ends
//! the process. The bounds:
//!
//! | what | at most |
//! |---|---|
//! | brackets and `if`s that are open at one place | [`MAX_NESTING`] |
//! | terms of `&&` and `\|\|` in a policy | [`MAX_TERMS`] |
//! | accesses, arguments and sums in a row | [`MAX_STEPS`] |
//! | depth of a condition, once chains of `&&` and `\|\|` are balanced | [`MAX_DEPTH`] |
//! | bytes of a `like` pattern | [`MAX_PATTERN_BYTES`] |
//! | bytes of a policy | [`MAX_POLICY_BYTES`] |

mod condition;
mod scan;
mod schema_types;
mod stack;

pub use condition::parts;
pub use scan::{Language, scan};
pub use schema_types::check_types;
pub use stack::{THREAD_STACK_BYTES, on_deep_stack, on_deep_thread};

use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::PolicySet;
use cedar_policy_core::ast::{self, Expr};

use crate::model::{Fault, Faults};
use crate::tree::SourceFile;
use condition::shallow;

/// Brackets and `if`s that may be open at one place of a text.
pub const MAX_NESTING: usize = 64;
/// Terms that `&&` and `||` may join in one policy.
pub const MAX_TERMS: usize = 20_000;
/// Accesses, calls and arithmetic in a row: `a.b.c`, `1 + 2 + 3`.
pub const MAX_STEPS: usize = 256;
/// How deep a condition may be.
pub const MAX_DEPTH: usize = 256;
/// Bytes of a pattern of `like`: matching takes pattern times string.
pub const MAX_PATTERN_BYTES: usize = 1_024;
/// Bytes of one policy.
pub const MAX_POLICY_BYTES: usize = 1_024 * 1_024;

/// The policies and templates of a text, as Cedar names them: `policy0`, `policy1`, … in order.
///
/// # Errors
/// What does not parse, and what is beyond a bound.
pub fn parse_policies(file: &SourceFile) -> Result<ast::PolicySet, Faults> {
    scan(&file.text, Language::Policies).map_err(|beyond| file.fault_at(beyond.offset, beyond.message))?;
    on_deep_stack(|| {
        let parsed = PolicySet::from_str(&file.text).map_err(|errors| {
            let mut faults = Faults::default();
            errors.iter().for_each(|error| faults.push(file.fault_of(error)));
            faults
        })?;
        bounded(file, parsed.as_ref())
    })
}

/// Holds policies that were read from another form to the same bounds.
///
/// # Errors
/// What is beyond a bound.
pub fn check_conditions(file: &SourceFile, set: &ast::PolicySet) -> Result<(), Faults> {
    let mut faults = Faults::default();
    for condition in set.all_templates().filter_map(ast::Template::non_scope_constraints) {
        if let Err(beyond) = condition::check(condition) {
            faults.push(file.fault_at(beyond.offset.unwrap_or(0), beyond.message));
        }
    }
    faults.or(())
}

/// The same policies with shallow conditions.
fn bounded(file: &SourceFile, parsed: &ast::PolicySet) -> Result<ast::PolicySet, Faults> {
    let mut faults = Faults::default();
    let mut set = ast::PolicySet::new();
    let mut beyond = |policy: Option<usize>, reason: condition::Beyond| {
        let offset = reason.offset.or(policy).unwrap_or(0);
        faults.push(file.fault_at(offset, reason.message));
    };
    let mut twice = Vec::new();
    for policy in parsed.static_policies() {
        let policy = match policy.non_scope_constraints().map(shallow) {
            None | Some(Ok(None)) => Some(policy.clone()),
            Some(Ok(Some(condition))) => static_policy(policy.template(), condition),
            Some(Err(reason)) => {
                beyond(policy.loc().map(|loc| loc.start()), reason);
                continue;
            }
        };
        // Positions are given once each.
        twice.extend(policy.and_then(|policy| set.add(policy).err()).map(|error| error.to_string()));
    }
    for template in parsed.templates() {
        let template = match template.non_scope_constraints().map(shallow) {
            None | Some(Ok(None)) => template.clone(),
            Some(Ok(Some(condition))) => with_condition(template, condition),
            Some(Err(reason)) => {
                beyond(template.loc().map(|loc| loc.start()), reason);
                continue;
            }
        };
        twice.extend(set.add_template(template).err().map(|error| error.to_string()));
    }
    twice.into_iter().for_each(|message| faults.push(Fault::of_file(&file.name, message)));
    faults.or(set)
}

/// A policy without slots, with another condition.
fn static_policy(template: &ast::Template, condition: Expr) -> Option<ast::Policy> {
    ast::StaticPolicy::try_from(with_condition(template, condition)).ok().map(ast::Policy::from)
}

fn with_condition(template: &ast::Template, condition: Expr) -> ast::Template {
    ast::Template::new_shared(
        template.id().clone(),
        template.loc().cloned(),
        Arc::clone(template.annotations_arc()),
        template.effect(),
        template.principal_constraint().clone(),
        template.action_constraint().clone(),
        template.resource_constraint().clone(),
        Some(Arc::new(condition)),
    )
}

#[cfg(test)]
mod tests;
