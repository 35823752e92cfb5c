//! A replay's report for people.

use crate::decide::Change;
use crate::workbench::replay::{Difference, Placed, Report, Side};

/// Line by line.
pub(super) fn lines(report: &Report, is_strict: bool) -> Vec<String> {
    let mut lines: Vec<String> = report.differences.iter().flat_map(difference).collect();
    if report.differences_left_out > 0 {
        let count = report.differences_left_out;
        lines.push(format!("{count} more answer(s) changed in other ways: --examples N shows more of them"));
        lines.push(String::new());
    }
    let mut total = |name: &str, count: u64, note: &str| {
        lines.push(format!("{name:<16}{count:>12}{}{note}", if note.is_empty() { "" } else { "  " }));
    };
    total("lines", report.lines, "");
    if report.of_other_tenants > 0 {
        total("other tenants", report.of_other_tenants, "passed over");
    }
    total("decided", report.decided, "");
    total("  same", report.same, "");
    total("  newly allowed", report.newly_allowed, "");
    total("  newly denied", report.newly_denied, "");
    let note = if is_strict || report.other_reason == 0 { "" } else { "the same decision: --strict shows them" };
    total("  other reason", report.other_reason, note);
    let not_decided: u64 = report.not_decided.iter().map(|undecided| undecided.count).sum();
    total("not decided", not_decided, "");
    for undecided in &report.not_decided {
        lines.push(format!("  {:<14}{:>12}", undecided.kind, undecided.count));
        lines.extend(
            undecided.examples.iter().map(|fault| format!("    {}:{}: {}", fault.file, fault.line, fault.message)),
        );
    }
    if report.masked > 0 {
        lines.push(format!(
            "{} line(s) are of principals with masked values. Those that a policy could have read one for are not decided.",
            report.masked
        ));
    }
    lines
}

fn difference(difference: &Difference) -> Vec<String> {
    let (kind, example) = (&difference.kind, &difference.example);
    let change = match kind.change {
        Change::NewlyAllowed => "newly allowed",
        Change::NewlyDenied => "newly denied",
        Change::OtherReason => "other reason",
    };
    let (action, who, what) = (&kind.action, &kind.principal_type, &kind.resource_type);
    vec![
        format!("{change}: {} × {action} by {who} on {what} in {}", difference.count, kind.tenant),
        format!("  before: {}", side(&example.before)),
        format!("  now:    {}", side(&example.now)),
        format!("  such as {}:{} {} {}", example.file, example.line, example.time, example.decision_id),
        format!("    {} on {}", example.principal, example.resource),
        String::new(),
    ]
}

fn side(side: &Side) -> String {
    let placed = |policy: &Placed| match &policy.source {
        Some(source) => format!("{} ({source})", policy.id),
        None => format!("{} (gone)", policy.id),
    };
    let policies: Vec<_> = side.policies.iter().map(placed).collect();
    let by = if policies.is_empty() { String::new() } else { format!(" by {}", policies.join(", ")) };
    format!("{}{by}", side.reason.as_str())
}
