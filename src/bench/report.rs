//! What was measured: as JSON, in a shape that is promised, and as a table for people.

use serde::Serialize;

use super::machine::Machine;

/// Everything that the bench says.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub sizes: Sizes,
    pub results: Vec<Measured>,
    /// What else people should know; not part of the JSON.
    #[serde(skip)]
    pub notes: Vec<String>,
}

/// The tenant that was measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sizes {
    pub grants: usize,
    pub users: usize,
    pub resources: usize,
    /// What plain Cedar would look at for each request.
    pub policies: usize,
}

/// One number.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    pub name: String,
    pub value: f64,
    pub unit: &'static str,
}

impl Measured {
    pub(super) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit }
    }
}

impl Report {
    /// A result's value.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.results.iter().find(|measured| measured.name == name).map(|measured| measured.value)
    }

    /// The table, a line each.
    pub fn lines(&self) -> Vec<String> {
        let Machine { cpu, cores, memory_bytes, os, version, build } = &self.machine;
        let memory = memory_bytes.map_or(String::new(), |bytes| format!(", {} GiB", bytes >> 30));
        let Sizes { grants, users, resources, policies } = self.sizes;
        let mut lines = vec![
            format!("cedargate {version} ({build}) on {cpu}, {cores} cores{memory}, {os}"),
            format!("{grants} grants, {users} users, {resources} resources, {policies} policies"),
        ];
        lines.extend(self.notes.iter().cloned());
        lines.push(String::new());
        let ratios: Vec<_> = RATIOS.iter().filter_map(|ratio| self.ratio(ratio)).collect();
        let names = self.results.iter().map(|it| it.name.as_str()).chain(ratios.iter().map(|(name, _)| name.as_str()));
        let width = names.map(str::len).max().unwrap_or(0);
        let line = |name: &str, value: f64, unit: &str| format!("{name:<width$}  {:>14}  {unit}", shown(value));
        lines.extend(self.results.iter().map(|it| line(&it.name, it.value, it.unit)));
        lines.push(String::new());
        lines.extend(ratios.iter().map(|(name, value)| line(name, *value, "x")));
        lines
    }

    fn ratio(&self, (above, below): &(&str, &str)) -> Option<(String, f64)> {
        let below_value = self.value(below).filter(|value| *value > 0.0)?;
        let name = |name: &str| name.trim_end_matches("_p50").to_owned();
        Some((format!("{} / {}", name(above), name(below)), self.value(above)? / below_value))
    }
}

/// What is worth comparing.
const RATIOS: [(&str, &str); 6] = [
    ("decide_warm_p50", "cedar_minimal_p50"),
    ("decide_cold_p50", "cedar_minimal_p50"),
    ("cedar_full_p50", "decide_cold_p50"),
    ("http_rps", "bare_rps"),
    ("http_log_rps", "bare_log_rps"),
    ("http_cpu", "bare_cpu"),
];

/// Three digits or more, and thousands apart.
pub fn shown(value: f64) -> String {
    if value > 0.0 && value < 0.1 {
        return format!("{value:.5}");
    }
    if value < 10.0 {
        return format!("{value:.2}");
    }
    if value < 1000.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_people() {
        for (value, expected) in [
            (0.0, "0.00"),
            (0.00123, "0.00123"),
            (2.345, "2.35"),
            (45.67, "45.7"),
            (1000.0, "1,000"),
            (1_234_567.8, "1,234,568"),
        ] {
            assert_eq!(shown(value), expected);
        }
    }

    #[test]
    fn a_ratio_stands_only_where_both_were_measured() {
        let machine = Machine::this();
        let sizes = Sizes { grants: 1, users: 2, resources: 3, policies: 4 };
        let results = vec![
            Measured::new("decide_warm_p50", 4.0, "us"),
            Measured::new("cedar_minimal_p50", 2.0, "us"),
            Measured::new("http_rps", 1.0, "1/s"),
        ];
        let report = Report { machine, sizes, results, notes: vec!["a note".into()] };
        let lines = report.lines();
        assert_eq!(lines[1..3], ["1 grants, 2 users, 3 resources, 4 policies", "a note"]);
        assert_eq!(lines.last().unwrap(), "decide_warm / cedar_minimal            2.00  x");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["results"][0], serde_json::json!({"name": "decide_warm_p50", "value": 4.0, "unit": "us"}));
        assert_eq!(json.as_object().unwrap().len(), 3);
    }
}
