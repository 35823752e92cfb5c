//! What is said while measuring, and the table at the end: Markdown, as the README has it.

use std::error::Error;
use std::io::Write;
use std::path::Path;

use cedargate::bench::Machine;
use cedargate::model::with_causes;
use serde_json::json;

use crate::error::BarError;
use crate::line::Line;
use crate::options::Name;

/// What is being done now.
pub fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "… {text}");
}

/// What went wrong.
pub fn complain(error: &(dyn Error + 'static)) {
    let _ = writeln!(std::io::stderr(), "bars: {}", with_causes(error));
}

/// The whole table.
pub fn print(lines: &[(Name, Line)], is_quick: bool) {
    let mut out = std::io::stdout().lock();
    for text in [String::new(), machine(), String::new()].into_iter().chain(rows(lines, is_quick)) {
        let _ = writeln!(out, "{text}");
    }
}

fn rows(lines: &[(Name, Line)], is_quick: bool) -> Vec<String> {
    let mut rows = vec!["| what | measured | bar | |".to_owned(), "|---|---|---|---|".to_owned()];
    rows.extend(lines.iter().map(|(_, line)| {
        format!("| {} | {} | {} | {} |", line.what, line.measured.text(), line.bar_text(), verdict(line, is_quick))
    }));
    let beside = lines.iter().flat_map(|(name, line)| line.beside.iter().map(move |text| format!("- {name}: {text}")));
    rows.push(String::new());
    rows.extend(beside);
    if is_quick {
        rows.push("\nThis was `--quick`: much too small to be a result.".to_owned());
    }
    rows
}

fn verdict(line: &Line, is_quick: bool) -> &'static str {
    match (is_quick, line.is_met()) {
        (true, _) => "no result",
        (false, true) => "met",
        (false, false) => "missed",
    }
}

fn machine() -> String {
    let Machine { cpu, cores, memory_bytes, os, version, build } = Machine::this();
    let memory = memory_bytes.map_or(String::new(), |bytes| format!(", {} GiB", bytes >> 30));
    format!("cedargate {version} ({build}) on {cpu}, {cores} cores{memory}, {os}")
}

/// The same for machines.
pub fn write_json(file: &Path, lines: &[(Name, Line)], is_quick: bool) -> Result<(), BarError> {
    let one = |(name, line): &(Name, Line)| json!({"name": name.to_string(), "line": line.json()});
    let all = json!({
        "machine": Machine::this(), "is_result": !is_quick, "lines": lines.iter().map(one).collect::<Vec<_>>(),
    });
    std::fs::write(file, serde_json::to_string_pretty(&all)? + "\n").map_err(BarError::file(file))
}
