//! A tenant that could not be published: tried again soon, then less often, so that it takes no other's time.

use std::time::{Duration, Instant};

/// How often it failed, and when it is its turn again.
#[derive(Clone, Debug, Default)]
pub(super) struct Failing {
    pub said: String,
    times: u32,
    again: Option<Instant>,
}

impl Failing {
    /// Notes a failure; whether it is another than the last one.
    pub fn is_news(&mut self, said: String) -> bool {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.times.min(MOST_DOUBLINGS));
        self.times = self.times.saturating_add(1);
        self.again = Instant::now().checked_add(pause);
        let is_news = self.said != said;
        self.said = said;
        is_news
    }

    pub fn must_wait(&self) -> bool {
        self.again.is_some_and(|again| Instant::now() < again)
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Up to 1.6 seconds: what waits for space on a disk is on it soon after there is some.
const MOST_DOUBLINGS: u32 = 4;
