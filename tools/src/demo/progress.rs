//! Showing that something happens.

use super::options::DemoArgs;
use indicatif::{ProgressBar, ProgressStyle};
use selvedge_fabric::Fabric;
use std::time::Duration;

/// The progress of the day, as seen from the stream.
pub struct DayProgress {
    bar: ProgressBar,
    fabric: Fabric,
}

impl DayProgress {
    /// A bar for a made-up session, whose length is known; a counter for a file. Nothing with
    /// `--json`.
    pub fn new(args: &DemoArgs, fabric: &Fabric) -> Self {
        let bar = if args.json {
            ProgressBar::hidden()
        } else if args.itch.is_some() {
            let bar = ProgressBar::new_spinner();
            set_style(
                &bar,
                "{spinner} playing the day  {human_pos} frames sequenced  {per_sec}  {elapsed}",
            );
            bar
        } else {
            let bar = ProgressBar::new(args.messages);
            set_style(
                &bar,
                "playing the day  [{bar:40}] {human_pos} frames  {per_sec}  {elapsed}",
            );
            bar
        };
        DayProgress {
            bar,
            fabric: fabric.clone(),
        }
    }

    /// Shows how far the stream has come.
    pub fn update(&self) {
        let frames = self
            .fabric
            .bank(self.fabric.epoch().load())
            .map_or(0, |bank| bank.published().saturating_sub(1));
        self.bar.set_position(frames);
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn set_style(bar: &ProgressBar, template: &str) {
    // The templates are constants; one that did not parse would leave the default style.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

/// Shows a spinner while `work` runs, unless `quiet`.
pub fn while_waiting<T>(quiet: bool, what: &'static str, work: impl FnOnce() -> T) -> T {
    let bar = if quiet {
        ProgressBar::hidden()
    } else {
        ProgressBar::new_spinner()
    };
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(100));
    let result = work();
    bar.finish_and_clear();
    result
}
