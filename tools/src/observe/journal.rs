//! How far the journal has come and what its disk has left: from the positions that it shares.

use super::state::{JournalAlarm, JournalState};
use crate::topology::JournalPlan;
use selvedge_fabric::Fabric;
use selvedge_fabric::host::process::ProcessIdentity;
use selvedge_journal::JournalView;
use selvedge_journal::staging::StagingView;
use std::path::PathBuf;

/// Looks at a fabric's journal again and again.
#[derive(Default)]
pub struct JournalWatch {
    view: Option<JournalView>,
    /// Mapped only when a frame has left the ring before it was durable; of which journal.
    staging: Option<(ProcessIdentity, StagingView)>,
}

impl std::fmt::Debug for JournalWatch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("JournalWatch")
    }
}

impl JournalWatch {
    /// The journal now; `next` is the sequence published next. `None` where there never was one
    /// and none is planned.
    pub fn look(
        &mut self,
        fabric: &Fabric,
        next: u64,
        plan: Option<&JournalPlan>,
    ) -> Option<JournalState> {
        if self.view.is_none() {
            self.view = JournalView::attach(fabric).ok();
        }
        let Some(view) = self.view.clone() else {
            return plan.map(|plan| absent(plan, next));
        };
        let positions = view.positions();
        let process = positions.process();
        let (recorded, durable) = (view.recorded(), view.durable());
        let alarm = view.alarm();
        let directory = positions
            .directory()
            .or_else(|| plan.map(|plan| plan.directory.value.clone()));
        let left = consumer_left(fabric, process);
        let state = match (process.is_alive() && !left, alarm.state.stopped()) {
            (true, true) => "stopped",
            (true, false) => "recording",
            (false, _) if left => "ended",
            (false, _) => "dead",
        };
        let keep_free = positions
            .reserve_bytes()
            .max(plan.map_or(0, |plan| plan.keep_free));
        Some(JournalState {
            state,
            pid: process.pid,
            recorded,
            durable,
            recorded_lag: (next - 1).saturating_sub(recorded),
            durable_lag: (next - 1).saturating_sub(durable),
            recorded_lag_s: self.waited(fabric, &view, recorded, next),
            durable_lag_s: self.waited(fabric, &view, durable, next),
            alarm: JournalAlarm {
                state: alarm.state.name(),
                stopped: alarm.state.stopped(),
                since_ns: (alarm.since != 0).then_some(alarm.since),
                errno: alarm.errno,
                count: alarm.count,
            },
            held_back: positions.held_back(),
            gaps: positions.gaps().2,
            free_bytes: directory.as_ref().and_then(free_bytes),
            keep_free_bytes: keep_free,
            directory: directory.map(|directory| directory.display().to_string()),
        })
    }

    /// For how many seconds the oldest frame after `position` has waited; null where it is in
    /// neither the ring nor staging.
    fn waited(
        &mut self,
        fabric: &Fabric,
        view: &JournalView,
        position: u64,
        next: u64,
    ) -> Option<f64> {
        if position + 1 >= next {
            return Some(0.0);
        }
        let header = fabric
            .peek(position + 1)
            .or_else(|| self.staged(view)?.peek(position + 1));
        // It may have come so far meanwhile.
        let Some(header) = header else {
            return (view.durable() > position).then_some(0.0);
        };
        Some(fabric.now_ns().saturating_sub(header.timestamp()) as f64 / 1e9)
    }

    fn staged(&mut self, view: &JournalView) -> Option<&StagingView> {
        let process = view.positions().process();
        // A journal that starts makes a new file.
        if self
            .staging
            .as_ref()
            .is_none_or(|(of_process, _)| *of_process != process)
        {
            let staging = StagingView::open(view.staging_path()).ok()?;
            self.staging = Some((process, staging));
        }
        self.staging.as_ref().map(|(_, staging)| staging)
    }
}

/// A journal that is planned and was never there: everything is still to be recorded.
fn absent(plan: &JournalPlan, next: u64) -> JournalState {
    JournalState {
        state: "absent",
        pid: 0,
        recorded: 0,
        durable: 0,
        recorded_lag: next - 1,
        durable_lag: next - 1,
        recorded_lag_s: None,
        durable_lag_s: None,
        alarm: JournalAlarm::CLEAR,
        held_back: 0,
        gaps: 0,
        free_bytes: free_bytes(&plan.directory.value),
        keep_free_bytes: plan.keep_free,
        directory: Some(plan.directory.value.display().to_string()),
    }
}

/// Whether the journal with this process has left the stream in order.
fn consumer_left(fabric: &Fabric, process: ProcessIdentity) -> bool {
    use selvedge_fabric::memory::Access;
    use selvedge_fabric::shared::cursor::CursorFile;
    let path = fabric.paths().consumer(selvedge_journal::JOURNAL_CONSUMER);
    CursorFile::open(&path, Access::Read)
        .is_ok_and(|file| file.holder().0 == process && file.detached())
}

fn free_bytes(directory: &PathBuf) -> Option<u64> {
    let status = nix::sys::statvfs::statvfs(directory).ok()?;
    Some(status.blocks_available() as u64 * status.fragment_size() as u64)
}
