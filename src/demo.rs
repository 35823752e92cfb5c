//! The demo: an identity provider of our own and the sample tenant, so that the whole story runs with no set-up.
//!
//! In: a folder. Out: the sample's tree in it, trusting issuers on loopback that sign whatever they are asked to.

mod issuer;
mod people;
mod sample;

pub use issuer::{DemoIssuer, DemoIssuers, IssuerError};
pub use people::{DemoPerson, people};
pub use sample::{SAMPLE_TENANT, SampleError, sample_files, write_sample};
