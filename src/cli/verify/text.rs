//! Invariants and findings for people at a terminal.

use crate::cli::report::{self, counted};
use crate::model::TenantId;
use crate::workbench::checks::Finding;
use crate::workbench::proof::Proof;
use crate::workbench::scene::{as_case, as_cedar};
use crate::workbench::verify::{Example, Verified, expected};

pub(super) fn say(tenant: &TenantId, verified: &[Verified<'_>], findings: &[Finding]) {
    report::say(tenant.to_string());
    if verified.is_empty() {
        report::say(format!("  no invariants: write some in policies/{tenant}/invariants/*.cedar"));
    }
    for one in verified {
        let verdict = if one.broken_by.is_some() { "BROKEN" } else { "holds " };
        report::say(format!("  {verdict}  @{}(\"{}\")", one.invariant.claim.as_str(), one.invariant.name));
        report::say(format!("          {}", tried(one)));
        if let Some(example) = &one.broken_by {
            report::say(format!("          {}", one.invariant.source));
            say_example(example, &format!("{}: {}", one.invariant.claim.as_str(), one.invariant.name), one);
        } else if one.matched == 0 {
            report::say("          warning: no request was about it: does it say what you mean?");
        }
    }
    findings.iter().for_each(say_finding);
}

fn tried(one: &Verified<'_>) -> String {
    let mut text = format!(
        "{} of {} tried, {} of them about it, {:.1} s",
        counted(one.cases as usize, "request"),
        counted(one.environments, "kind"),
        one.matched,
        one.took.as_secs_f64()
    );
    match &one.proof {
        None => {}
        Some(Proof::Holds { questions, took }) => {
            text.push_str(&format!(
                "; proved for every possible request ({}, {:.1} s)",
                counted(*questions, "question"),
                took.as_secs_f64()
            ));
        }
        Some(Proof::Refuted { took, .. }) => {
            text.push_str(&format!("; refuted by proof ({:.1} s)", took.as_secs_f64()))
        }
        Some(Proof::Unknown { reason, .. }) => text.push_str(&format!("; not proved: {reason}")),
    }
    text
}

fn say_example(example: &Example, name: &str, one: &Verified<'_>) {
    as_cedar(&example.scene).into_iter().for_each(|line| report::say(format!("            {line}")));
    let answer = &example.answer;
    report::say(format!("            answer     {} ({})", answer.decision.as_str(), answer.reason.as_str()));
    for policy in &answer.policies {
        report::say(format!("                       {} by {} at {}", policy.effect, policy.id, policy.source));
    }
    report::say("          as a case:");
    for line in as_case(&example.scene, name, expected(one.invariant.claim)).lines() {
        report::say(format!("            {line}"));
    }
}

fn say_finding(finding: &Finding) {
    let by = finding.other.as_ref().map(|(id, source)| format!(" {id} at {source}")).unwrap_or_default();
    let proved = if finding.is_proved { "" } else { " (in all requests tried)" };
    report::say(format!("  check   {} {}{by}{proved}", finding.policy, finding.kind.says()));
    report::say(format!("          {} at {}", finding.kind.as_str(), finding.source));
    for line in finding.example.iter().flat_map(as_cedar) {
        report::say(format!("            {line}"));
    }
}
