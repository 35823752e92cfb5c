//! A progress bar: one line on standard error, drawn over itself, and nothing at all where that is no terminal.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use crate::workbench::replay::Progress;

/// Draws how far a replay is.
pub(super) struct Bar {
    is_shown: bool,
    started: Instant,
    drawn: Option<Instant>,
}

impl Bar {
    pub fn on_terminal() -> Self {
        Self { is_shown: stderr().is_terminal(), started: Instant::now(), drawn: None }
    }

    /// Draws, if it is time to.
    pub fn show(&mut self, progress: Progress) {
        if !self.is_shown || self.drawn.is_some_and(|drawn| drawn.elapsed() < BETWEEN) {
            return;
        }
        self.drawn = Some(Instant::now());
        let _ = write!(stderr(), "\r\x1b[K{}", line(progress, self.started.elapsed()));
        let _ = stderr().flush();
    }

    /// Leaves the line as it was before.
    pub fn clear(&mut self) {
        if self.drawn.take().is_some() {
            let _ = write!(stderr(), "\r\x1b[K");
            let _ = stderr().flush();
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
fn line(progress: Progress, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64().max(0.001);
    let rate = format!("{} lines, {:.0} lines/s", progress.lines, progress.lines as f64 / seconds);
    let Some(all) = progress.all_bytes.filter(|all| *all > 0) else { return rate };
    let done = (progress.bytes as f64 / all as f64).clamp(0.0, 1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to the bar's width")]
    let full = (done * WIDTH as f64) as usize;
    let bar = format!("[{}{}]", "#".repeat(full), ".".repeat(WIDTH - full));
    let left = if done > 0.0 { seconds * (1.0 - done) / done } else { 0.0 };
    format!("{bar} {:3.0} %  {rate}, {} left", done * 100.0, clock(left))
}

fn clock(seconds: f64) -> String {
    let left = Duration::from_secs_f64(seconds.clamp(0.0, A_YEAR)).as_secs();
    match (left / 3600, left / 60 % 60, left % 60) {
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

const BETWEEN: Duration = Duration::from_millis(100);
const WIDTH: usize = 30;
const A_YEAR: f64 = 31_536_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_tells_part_rate_and_time_left() {
        let progress = Progress { lines: 5000, bytes: 250, all_bytes: Some(1000) };
        let drawn = line(progress, Duration::from_secs(10));
        assert_eq!(drawn, "[#######.......................]  25 %  5000 lines, 500 lines/s, 0:30 left");
        let more = Progress { bytes: 2000, ..progress };
        assert!(line(more, Duration::from_secs(1)).contains("100 %"), "a log that grew meanwhile");
        let unknown = Progress { all_bytes: None, ..progress };
        assert_eq!(line(unknown, Duration::from_secs(10)), "5000 lines, 500 lines/s");
        assert_eq!(clock(3_725.0), "1:02:05");
    }
}
