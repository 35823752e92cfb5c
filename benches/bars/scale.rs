//! How large everything is: as the bars say, or just large enough to see that it works.

use std::time::Duration;

use cedargate::bench::generate::Spec;

/// Sizes and times.
#[derive(Clone, Debug)]
pub struct Scale {
    pub large: Spec,
    /// The largest that plain Cedar is asked to decide over whole.
    pub middle: Spec,
    pub small: Spec,
    /// Small tenants, a seed each, and rounds with each of them.
    pub seeds: u64,
    pub rounds: usize,
    /// Requests of a round.
    pub requests: usize,
    pub connections: usize,
    /// Asking over HTTP, each of two servers.
    pub time: Duration,
    /// Tokens of a round.
    pub tokens: usize,
    /// Tokens of a round over HTTP: more than are asked for in `unseen_time`.
    pub http_tokens: usize,
    pub unseen_time: Duration,
    /// Grants that are added one after another under each load.
    pub changes: usize,
    pub identities: usize,
    /// Starts of a process, of which the median counts.
    pub starts: usize,
    pub few_policies: usize,
    pub many_policies: usize,
}

impl Scale {
    /// As the bars say.
    pub fn full() -> Self {
        Self {
            large: spec(1_000_000, 200_000, 100_000),
            middle: spec(10_000, 2_000, 1_000),
            // Among so many that no more policies are about a request than at a million grants.
            small: spec(100, 2_000, 1_000),
            seeds: 5,
            rounds: 4,
            requests: 100,
            connections: 32,
            time: Duration::from_secs(8),
            tokens: 500,
            http_tokens: 5_000,
            unseen_time: Duration::from_millis(500),
            changes: 10,
            identities: 10_000,
            starts: 3,
            few_policies: 100,
            many_policies: 100_000,
        }
    }

    /// Too small to mean anything.
    pub fn quick() -> Self {
        Self {
            large: spec(20_000, 4_000, 2_000),
            middle: spec(500, 100, 50),
            seeds: 1,
            rounds: 2,
            time: Duration::from_millis(400),
            tokens: 50,
            http_tokens: 400,
            unseen_time: Duration::from_millis(50),
            changes: 3,
            identities: 200,
            starts: 1,
            many_policies: 1_000,
            ..Self::full()
        }
    }
}

/// A tenant with as many people to a team as all of them have.
pub fn spec(grants: usize, users: usize, resources: usize) -> Spec {
    Spec { grants, users, resources, teams: (users / PEOPLE_OF_A_TEAM).max(1), seed: 1 }
}

const PEOPLE_OF_A_TEAM: usize = 50;
