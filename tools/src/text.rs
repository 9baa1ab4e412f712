//! Numbers for people: few digits, aligned columns.

/// A count in at most six characters from a hundred thousand on.
pub fn count(value: u64) -> String {
    scaled(value as f64, value < 100_000)
}

/// A rate.
pub fn rate(value: f64) -> String {
    scaled(value, value < 10_000.0)
}

fn scaled(value: f64, plain: bool) -> String {
    if plain {
        return format!("{value:.0}");
    }
    for (limit, divisor, unit) in [(1e6, 1e3, "k"), (1e9, 1e6, "M"), (1e12, 1e9, "G")] {
        if value < limit {
            return format!("{:.1}{unit}", value / divisor);
        }
    }
    format!("{:.1}T", value / 1e12)
}

/// Seconds since something happened.
pub fn age(seconds: Option<f64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(seconds) if seconds < 10.0 => format!("{seconds:.1}s"),
        Some(seconds) if seconds < 600.0 => format!("{seconds:.0}s"),
        Some(seconds) => format!("{:.0}m", seconds / 60.0),
    }
}

/// A duration in seconds with a unit that fits; `?` where it is not known.
pub fn seconds(seconds: Option<f64>) -> String {
    match seconds {
        None => "?".to_owned(),
        Some(seconds) => duration((seconds * 1e9) as u64),
    }
}

/// Nanoseconds in three digits and a unit: at most six characters below 1000 s.
pub fn duration(ns: u64) -> String {
    // Rounded first, so that 999.6 us is 1.00 ms and not 1000 us.
    for (limit, divisor, unit) in [
        (999.5, 1.0, "ns"),
        (999.5e3, 1e3, "us"),
        (999.5e6, 1e6, "ms"),
        (f64::INFINITY, 1e9, "s"),
    ] {
        let value = ns as f64;
        if value < limit {
            let scaled = value / divisor;
            let digits = match scaled {
                _ if unit == "ns" => 0,
                scaled if scaled < 9.995 => 2,
                scaled if scaled < 99.95 => 1,
                _ => 0,
            };
            return format!("{scaled:.digits$}{unit}");
        }
    }
    String::new()
}

/// A share, in at most five characters.
pub fn percent(percent: f64) -> String {
    match percent {
        percent if percent < 9.95 => format!("{percent:.1}%"),
        percent => format!("{percent:.0}%"),
    }
}

/// Bytes with a unit that fits.
pub fn bytes(bytes: u64) -> String {
    for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes >> shift >= 1 {
            return format!("{:.1} {unit}", bytes as f64 / (1u64 << shift) as f64);
        }
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_columns() {
        assert_eq!(count(99_999), "99999");
        assert_eq!(count(1_234_567), "1.2M");
        assert_eq!(rate(12_345.0), "12.3k");
        assert_eq!(age(Some(3.26)), "3.3s");
        assert_eq!(age(Some(7200.0)), "120m");
        assert_eq!(age(None), "-");
        assert_eq!(bytes(3 << 20), "3.0 MiB");
        assert_eq!(bytes(12), "12 B");
        assert_eq!(duration(999), "999ns");
        assert_eq!(duration(1_234), "1.23us");
        assert_eq!(duration(999_600), "1.00ms");
        assert_eq!(duration(99_960_000), "100ms");
        assert_eq!(duration(137_000_000_000), "137s");
        assert_eq!(seconds(Some(0.0125)), "12.5ms");
        assert_eq!(seconds(None), "?");
        assert_eq!(
            (percent(0.0), percent(9.96), percent(100.0)),
            ("0.0%".into(), "10%".into(), "100%".into())
        );
    }
}
