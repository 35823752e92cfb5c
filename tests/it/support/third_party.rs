//! Programs of others that a test needs and a fresh clone does not have: the environment says where they are.

use std::io::Write;
use std::path::PathBuf;

/// Where the program is. Without it the test ends here, and says so past the test runner's capture.
pub fn place_of(variable: &str, what: &str) -> Option<PathBuf> {
    let place = std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    if place.is_none() {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        let _ = writeln!(std::io::stderr(), "{test}: skipped, since {variable} does not say where {what} is");
    }
    place
}
