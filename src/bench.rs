//! The bench: tenants of any size to measure.

pub mod generate;
mod random;
