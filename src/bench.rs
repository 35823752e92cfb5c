//! x
pub mod generate;
mod random;
