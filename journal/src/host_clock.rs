//! What the host says about its clock.

use crate::format::{CLOCK_BREACH, CLOCK_SYNCHRONISED, ClockRecord};
use selvedge_fabric::clock::Calibration;
use selvedge_fabric::shared::text::cut_text;
use std::path::Path;
use std::process::Command;
use zerocopy::FromZeros;

/// Where chronyd says that it runs.
const CHRONY_PIDS: [&str; 2] = ["/run/chrony/chronyd.pid", "/run/chronyd.pid"];

/// Asks the host about its clock, and chrony where it runs. Makes system calls, and starts a
/// process where chrony runs: not for the thread that reads the stream.
pub(crate) fn sample(now: u64, bound_ns: u64, calibration: Option<Calibration>) -> ClockRecord {
    let mut record = ClockRecord::new_zeroed();
    record.at = now;
    record.bound_ns = bound_ns;
    if let Some(calibration) = calibration {
        record.base_ticks = calibration.base_ticks;
        record.base_ns = calibration.base_ns;
        record.ns_per_tick_2_32 = calibration.ns_per_tick_2_32;
    }
    ask_kernel(&mut record);
    if CHRONY_PIDS.iter().any(|path| Path::new(path).exists()) {
        ask_chrony(&mut record);
    }
    if bound_ns > 0 && (record.maximum_error_ns > bound_ns || !synchronised(&record)) {
        record.flags |= CLOCK_BREACH;
    }
    record
}

fn synchronised(record: &ClockRecord) -> bool {
    record.flags & CLOCK_SYNCHRONISED != 0
}

fn ask_kernel(record: &mut ClockRecord) {
    // SAFETY: a struct of integers, for which zero is a value.
    let mut answer: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: modes 0 only reads; the pointer is to a whole timex that lives through the call.
    let state = unsafe { libc::adjtimex(&raw mut answer) };
    if state < 0 {
        return;
    }
    let unit = if answer.status & libc::STA_NANO != 0 {
        1
    } else {
        1000
    };
    record.offset_ns = answer.offset * unit;
    record.estimated_error_ns = (answer.esterror.max(0) as u64).saturating_mul(1000);
    record.maximum_error_ns = (answer.maxerror.max(0) as u64).saturating_mul(1000);
    // Parts in 10^6 times 2^16.
    record.frequency_ppb = ((i128::from(answer.freq) * 1000) >> 16) as i64;
    record.status = answer.status as u32;
    record.state = state as u32;
    record.tai_offset = answer.tai;
    if answer.status & libc::STA_UNSYNC == 0 {
        record.flags |= CLOCK_SYNCHRONISED;
    }
    set_source(record, "kernel");
}

/// `chronyc -c tracking`: reference id, name, stratum, time, system time offset, last offset, RMS
/// offset, frequency, residual frequency, skew, root delay, root dispersion, interval, leap.
fn ask_chrony(record: &mut ClockRecord) {
    let output = Command::new("chronyc").args(["-c", "tracking"]).output();
    if let Ok(output) = output
        && output.status.success()
    {
        take_chrony(record, &String::from_utf8_lossy(&output.stdout));
    }
}

fn take_chrony(record: &mut ClockRecord, answer: &str) {
    let fields: Vec<&str> = answer.trim().split(',').collect();
    let seconds = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok());
    let (Some(offset), Some(delay), Some(dispersion)) = (seconds(4), seconds(10), seconds(11))
    else {
        return;
    };
    record.offset_ns = (offset * 1e9).round() as i64;
    // The bound that chrony's documentation gives.
    let bound = offset.abs() + dispersion + delay / 2.0;
    record.maximum_error_ns = (bound * 1e9).round() as u64;
    if let Some(rms) = seconds(6) {
        record.estimated_error_ns = (rms.abs() * 1e9) as u64;
    }
    let name = fields.get(1).copied().unwrap_or_default();
    set_source(record, &format!("chrony {name}"));
    if fields
        .last()
        .is_some_and(|leap| *leap == "Not synchronised")
    {
        record.flags &= !CLOCK_SYNCHRONISED;
    }
}

fn set_source(record: &mut ClockRecord, text: &str) {
    record.source = [0; 32];
    let text = cut_text(text, record.source.len()).as_bytes();
    if let Some(place) = record.source.get_mut(..text.len()) {
        place.copy_from_slice(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_answers_and_a_bound_of_nothing_is_breached() {
        let record = sample(5, 1, None);
        assert_eq!(record.at, 5);
        assert!(!record.source_text().is_empty());
        assert_ne!(record.flags & CLOCK_BREACH, 0);
        assert_eq!(sample(5, 0, None).flags & CLOCK_BREACH, 0);
    }

    #[test]
    fn what_chrony_says_counts() {
        let mut record = ClockRecord::new_zeroed();
        take_chrony(
            &mut record,
            "A9FEA97B,169.254.169.123,4,1700000000.0,0.000010,0.000001,0.000020,-1.0,0.1,0.2,0.000300,0.000040,16.1,Normal\n",
        );
        assert_eq!(record.offset_ns, 10_000);
        assert_eq!(record.maximum_error_ns, 200_000);
        assert_eq!(record.source_text(), "chrony 169.254.169.123");
        let before = record;
        take_chrony(&mut record, "rubbish");
        assert_eq!(record, before);
    }
}
