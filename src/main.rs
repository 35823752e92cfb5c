//! Parses the arguments, runs the verb and turns the result into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    cedargate::cli::run()
}
