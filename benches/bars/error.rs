//! Why a line could not be measured.

use std::io;
use std::path::PathBuf;

use cedargate::app::AppError;
use cedargate::ask::AskError;
use cedargate::bench::generate::{GenerateError, SpecError};
use cedargate::bench::{BenchError, WireError};
use cedargate::demo::IssuerError;
use cedargate::model::{Faults, NameError};

#[derive(Debug, thiserror::Error)]
pub enum BarError {
    #[error(transparent)]
    Bench(#[from] BenchError),
    #[error(transparent)]
    App(#[from] AppError),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Generate(#[from] GenerateError),
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    #[error(transparent)]
    Faults(#[from] Faults),
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("`{path}` cannot be read or written", path = .path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("JSON that is not what it should be")]
    Json(#[from] serde_json::Error),
    #[error("a child of this process failed: {0}")]
    Child(String),
    #[error("the system gives no runtime or thread")]
    Runtime(#[source] io::Error),
    #[error("the provider's keys cannot be fetched")]
    Keys(#[from] reqwest::Error),
    #[error("the bare check refuses a token")]
    Bare(#[from] jsonwebtoken::errors::Error),
    #[error("a wrong answer: {0}")]
    Wrong(String),
    #[error("the system does not say {0}")]
    Unknown(&'static str),
}

impl BarError {
    /// For reading or writing this file.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
