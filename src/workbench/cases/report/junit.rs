//! A report as JUnit XML, as build servers read it: a test suite a suite, a test case a case.

use std::fmt::Write as _;

use super::{GroupReport, Report, SuiteReport};
use crate::workbench::cases::judge::{CaseReport, Difference};

/// The whole file.
pub fn to_junit(report: &Report) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let (cases, failed) = (report.cases().count(), report.failed());
    // Writing to a string never fails.
    let _ = writeln!(out, "<testsuites name=\"cedargate test\" tests=\"{cases}\" failures=\"{failed}\">");
    for suite in &report.suites {
        let all = || suite.groups.iter().flat_map(|group| &group.cases);
        let (cases, failed) = (all().count(), all().filter(|case| !case.ok).count());
        let (name, file) = (escaped(&suite.name), escaped(&suite.file));
        let _ = writeln!(
            out,
            "  <testsuite name=\"{name}\" file=\"{file}\" tests=\"{cases}\" failures=\"{failed}\" errors=\"0\" \
             skipped=\"0\">"
        );
        for group in &suite.groups {
            group.cases.iter().for_each(|case| write_case(&mut out, suite, group, case));
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn write_case(out: &mut String, suite: &SuiteReport, group: &GroupReport, case: &CaseReport) {
    let class = match group.name.as_ref().filter(|name| **name != case.name) {
        Some(name) => format!("{}.{name}", suite.name),
        None => suite.name.clone(),
    };
    let (name, class, file) = (escaped(&case.name), escaped(&class), escaped(&suite.file));
    let _ = write!(out, "    <testcase name=\"{name}\" classname=\"{class}\" file=\"{file}\" line=\"{}\"", case.line);
    match &case.failure {
        None => out.push_str("/>\n"),
        Some(failure) => {
            let message = failure.differences.first().map(in_short).unwrap_or_default();
            let (message, text) = (escaped(&message), escaped(&failure.to_string()));
            let _ = writeln!(out, ">\n      <failure message=\"{message}\">{text}</failure>\n    </testcase>");
        }
    }
}

fn in_short(difference: &Difference) -> String {
    match difference {
        Difference::Word { of, expected, got } => format!("{of}: expected {expected}, got {got}"),
        Difference::Set { of, missing, unexpected } => {
            let signed = |sign: char, ids: &std::collections::BTreeSet<String>| {
                ids.iter().map(|id| format!(" {sign}{id}")).collect::<String>()
            };
            format!("{of}:{}{}", signed('-', missing), signed('+', unexpected))
        }
    }
}

/// XML 1.0 §2.2: most control characters have no place in a document, not even escaped.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(letter),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_hold_is_escaped_or_replaced() {
        assert_eq!(
            escaped("a<b>&\"c\"\u{0}\u{1b}\n\u{ffff}é"),
            "a&lt;b&gt;&amp;&quot;c&quot;\u{fffd}\u{fffd}\n\u{fffd}é"
        );
    }
}
