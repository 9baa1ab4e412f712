//! The clock that stamps messages.

use crate::doctor::finding::{Finding, Severity};
use crate::doctor::host::Host;
use crate::doctor::scope::Scope;

const SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// The time-stamp counter runs evenly, and the kernel trusts it.
pub fn time_stamp_counter(host: &Host, _: &Scope) -> Vec<Finding> {
    if !cfg!(target_arch = "x86_64") {
        return Vec::new();
    }
    let flags = host.processor_flags();
    let missing: Vec<&str> = ["constant_tsc", "nonstop_tsc"]
        .into_iter()
        .filter(|wanted| !flags.iter().any(|flag| flag == wanted))
        .collect();
    let source = host.read(SOURCE).unwrap_or_else(|| "unknown".to_owned());
    vec![
        Finding::judged("tsc-flags", missing.is_empty(), Severity::Warning)
            .found(if missing.is_empty() {
                "constant_tsc nonstop_tsc".to_owned()
            } else {
                format!("without {}", missing.join(" "))
            })
            .expected("constant_tsc nonstop_tsc")
            .why("a counter whose rate changes is no clock: stamps then cost a clock_gettime each, about 20 ns")
            .remedy("a processor with an invariant counter; in a virtual machine, a CPU model that passes it through"),
        Finding::judged("clocksource", source == "tsc", Severity::Warning)
            .found(source.as_str())
            .expected("tsc")
            .why("with another source clock_gettime may be a system call (hpet, acpi_pm: a microsecond), and the kernel may have found the counter wrong")
            .remedy(format!("echo tsc > {SOURCE} (as root), tsc=reliable on the kernel's command line; dmesg | grep -i tsc says why it was left")),
    ]
}
