//! How far a scan is, on stderr, for people only.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use portolan_core::Progress;

use crate::console;

/// A bar that shows nothing where stderr is no terminal.
pub(crate) struct Bar {
    bar: ProgressBar,
    /// Whether anything has been shown yet.
    begun: bool,
}

impl Bar {
    /// An empty bar; never shown unless `wanted`.
    pub(crate) fn new(wanted: bool) -> Self {
        let shown = wanted
            && io::stderr().is_terminal()
            && std::env::var_os("TERM").is_none_or(|t| t != "dumb");
        let target = if shown {
            ProgressDrawTarget::stderr_with_hz(8)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let colour = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        let filled = if colour { "{bar:24.cyan}" } else { "{bar:24}" };
        if let Ok(style) =
            ProgressStyle::with_template(&format!("{filled} {{percent:>3}}% {{msg}}"))
        {
            bar.set_style(style);
        }
        Self { bar, begun: false }
    }

    /// Shows `progress`.
    pub(crate) fn show(&mut self, progress: &Progress) {
        if self.bar.is_hidden() {
            return;
        }
        self.begun = true;
        self.bar.set_length(progress.planned);
        self.bar.set_position(progress.done);
        self.bar.set_message(words(progress));
    }

    /// Runs `write` with the bar out of the way of what it writes.
    pub(crate) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        if self.begun { self.bar.suspend(write) } else { write() }
    }

    /// Says a warning above the bar.
    pub(crate) fn warn(&self, message: &str) {
        self.aside(|| console::warn(message));
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        if self.begun {
            self.bar.finish_and_clear();
        }
    }
}

/// `pass 1 of 3, 9,870/s, 12 open, 340 replies, 4 s left`.
fn words(progress: &Progress) -> String {
    let seconds = progress.elapsed.as_secs_f64().max(0.001);
    #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
    let (sent, done) = (progress.sent as f64, progress.done as f64);
    let mut text = format!(
        "pass {} of {}, {:.0}/s, {} open, {} replies",
        u16::from(progress.pass) + 1,
        progress.passes.max(1),
        sent / seconds,
        progress.open,
        progress.replies
    );
    if progress.kernel_drops > 0 {
        // Writing to a String can't fail.
        let _ = write!(text, ", {} dropped", progress.kernel_drops);
    }
    // The first pass is the long one; the time that later ones take depends on its answers.
    if progress.pass == 0 && done > 0.0 && progress.planned > progress.done {
        #[expect(clippy::cast_precision_loss, reason = "an estimate for people to read")]
        let rest = (progress.planned - progress.done) as f64;
        let left = Duration::try_from_secs_f64(seconds / done * rest).unwrap_or(Duration::MAX);
        // Writing to a String can't fail.
        let _ = write!(text, ", {} s left", left.as_secs());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_put_in_words() {
        let progress = Progress {
            passes: 3,
            done: 1_000,
            planned: 3_000,
            sent: 1_000,
            replies: 7,
            open: 2,
            elapsed: Duration::from_secs(2),
            ..Progress::default()
        };
        assert_eq!(words(&progress), "pass 1 of 3, 500/s, 2 open, 7 replies, 4 s left");
        let dropping = Progress { kernel_drops: 5, ..progress };
        assert!(words(&dropping).contains("7 replies, 5 dropped, 4 s"));
    }
}
