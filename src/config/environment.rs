//! The environment as configuration: `CEDARGATE_HTTP__BIND` is `http.bind`.

use toml::{Table, Value};

use super::RawConfig;
use crate::model::{Fault, Faults};

/// The variables that are meant for us, by name.
#[derive(Clone, Debug, Default)]
pub struct Environment(Vec<(String, String)>);

impl Environment {
    /// The process's own environment.
    pub fn of_process() -> Self {
        Self::of(
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    /// Any variables; those of others are passed over.
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let ours = variables
            .into_iter()
            .filter(|(name, _)| name.starts_with(PREFIX) && !TEST_SWITCHES.contains(&name.as_str()));
        Self(ours.collect())
    }

    /// Lays the variables over a table, one at a time, so that a fault names its variable.
    pub(super) fn overlay(&self, table: &mut Table) -> Result<(), Faults> {
        let mut faults = Faults::default();
        for (name, value) in &self.0 {
            let path: Vec<_> =
                name.strip_prefix(PREFIX).unwrap_or(name).split(SEPARATOR).map(str::to_ascii_lowercase).collect();
            // A value that reads as TOML is that (`true`, `30`, `["a"]`); anything else is a string.
            let candidates = [read_value(value), Some(Value::String(value.clone()))];
            let mut problem = None;
            let accepted = candidates.into_iter().flatten().find_map(|value| {
                let mut attempt = table.clone();
                insert(&mut attempt, &path, value)?;
                match RawConfig::from_table(attempt.clone()) {
                    Ok(_) => Some(attempt),
                    Err(found) => {
                        problem.get_or_insert(found);
                        None
                    }
                }
            });
            match (accepted, problem) {
                (Some(attempt), _) => *table = attempt,
                (None, problem) => {
                    let reason = problem.and_then(|found| found.0.first().map(|fault| fault.message.clone()));
                    let message = reason.unwrap_or_else(|| "does not name a setting".to_owned());
                    faults.push(Fault::of_file(format!("environment variable {name}"), message));
                }
            }
        }
        faults.or(())
    }
}

/// The SMT solver that the process's environment names, in the variable that its users know.
pub fn solver_of_process() -> Option<std::path::PathBuf> {
    std::env::var_os("CVC5").filter(|path| !path.is_empty()).map(Into::into)
}

fn read_value(text: &str) -> Option<Value> {
    format!("value = {text}").parse::<Table>().ok()?.remove("value")
}

fn insert(table: &mut Table, path: &[String], value: Value) -> Option<()> {
    let (last, sections) = path.split_last()?;
    let mut at = table;
    for section in sections {
        at = at.entry(section.clone()).or_insert_with(|| Value::Table(Table::new())).as_table_mut()?;
    }
    at.insert(last.clone(), value);
    Some(())
}

const PREFIX: &str = "CEDARGATE_";
const SEPARATOR: &str = "__";
/// Variables that switch tests on, not settings.
const TEST_SWITCHES: [&str; 7] = [
    "CEDARGATE_TEST_OIDC_PROVIDER",
    "CEDARGATE_TEST_CEDAR_CLI",
    "CEDARGATE_TEST_SCHEMATHESIS",
    "CEDARGATE_TEST_CASES",
    "CEDARGATE_TEST_CVC5",
    "CEDARGATE_TEST_SOAK",
    "CEDARGATE_TEST_BLESS",
];
