//! UTC times: as text, and as text in an expression.

use std::fmt;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Nanoseconds of a UTC day.
pub(crate) const NANOS_PER_DAY: u64 = 86_400 * NANOS_PER_SECOND;

/// Nanoseconds since 1970-01-01 in UTC, shown as `2012-06-21T09:30:00.500000000Z`: always with
/// nine decimals, so that columns line up and text sorts as time does.
///
/// ```
/// use selvedge_query::UtcTime;
///
/// assert_eq!(UtcTime(1_340_271_000_500_000_000).to_string(), "2012-06-21T09:30:00.500000000Z");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UtcTime(pub u64);

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date(self.0 / NANOS_PER_DAY);
        let within = self.0 % NANOS_PER_DAY;
        let seconds = within / NANOS_PER_SECOND;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:09}Z",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60,
            within % NANOS_PER_SECOND
        )
    }
}

impl UtcTime {
    /// The time that `text` writes, as in an expression: a date, a date and a time of day, or a
    /// time of day alone, which is on the day of `day`. `None` where it writes none.
    pub fn parse(text: &str, day: UtcTime) -> Option<UtcTime> {
        match TimeLiteral::parse(text)? {
            TimeLiteral::Instant(time) => Some(UtcTime(time)),
            TimeLiteral::OfDay(time) => (day.0 / NANOS_PER_DAY * NANOS_PER_DAY)
                .checked_add(time)
                .map(UtcTime),
        }
    }
}

/// A time in an expression.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TimeLiteral {
    /// Nanoseconds since 1970.
    Instant(u64),
    /// Nanoseconds since midnight, on any day.
    OfDay(u64),
}

impl TimeLiteral {
    /// The time that `text` writes: a date, a date and a time of day, or a time of day.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('Z').unwrap_or(text);
        let Some((date, clock)) = text.split_once(['T', ' ']) else {
            return if text.contains('-') {
                day(text)?
                    .checked_mul(NANOS_PER_DAY)
                    .map(TimeLiteral::Instant)
            } else {
                time_of_day(text).map(TimeLiteral::OfDay)
            };
        };
        day(date)?
            .checked_mul(NANOS_PER_DAY)?
            .checked_add(time_of_day(clock)?)
            .map(TimeLiteral::Instant)
    }
}

/// `text` as a number, where it is exactly `count` digits.
fn digits(text: &str, count: usize) -> Option<u64> {
    if text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

/// Days since 1970-01-01 of `YYYY-MM-DD`.
fn day(text: &str) -> Option<u64> {
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let (year, month, day) = (digits(year, 4)?, digits(month, 2)?, digits(day, 2)?);
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let month_days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if year < 1970 || day == 0 || day > month_days {
        return None;
    }
    Some(day_number(year, month, day) - EPOCH)
}

/// Day number of 1970-01-01.
const EPOCH: u64 = day_number(1970, 1, 1);

/// Days since the first of March of the year 0: years begin in March, so that a leap day is the
/// last of its year.
const fn day_number(year: u64, month: u64, day: u64) -> u64 {
    let march_year = if month > 2 { year } else { year - 1 };
    let march_month = (month + 9) % 12;
    march_year * 365 + march_year / 4 - march_year / 100
        + march_year / 400
        + (march_month * 153 + 2) / 5
        + day
        - 1
}

/// Year, month and day of a number of days since 1970.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + EPOCH;
    // 146,097 days are 400 years.
    let era = days / 146_097;
    let within = days % 146_097;
    let year = (within - within / 1_460 + within / 36_524 - within / 146_096) / 365;
    let of_year = within - (365 * year + year / 4 - year / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = (march_month + 2) % 12 + 1;
    (era * 400 + year + u64::from(month <= 2), month, day)
}

/// Nanoseconds since midnight of `HH:MM`, `HH:MM:SS` or `HH:MM:SS.f`.
fn time_of_day(text: &str) -> Option<u64> {
    let (hours, rest) = text.split_once(':')?;
    let (minutes, seconds) = match rest.split_once(':') {
        Some((minutes, seconds)) => (minutes, seconds),
        None => (rest, "00"),
    };
    let (seconds, nanos) = match seconds.split_once('.') {
        Some((seconds, fraction)) => {
            let places = fraction.len();
            if places == 0 || places > 9 {
                return None;
            }
            (
                seconds,
                digits(fraction, places)? * 10_u64.pow(9 - places as u32),
            )
        }
        None => (seconds, 0),
    };
    let (hours, minutes, seconds) = (digits(hours, 2)?, digits(minutes, 2)?, digits(seconds, 2)?);
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    Some((hours * 3600 + minutes * 60 + seconds) * NANOS_PER_SECOND + nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_instants() {
        let known = [
            ("1970-01-01", 0),
            ("2000-02-29T00:00:00Z", 951_782_400),
            ("2012-06-21T09:30:00.5Z", 1_340_271_000),
            ("2012-06-21 09:30", 1_340_271_000),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
        ];
        for (text, seconds) in known {
            let half = if text.contains('.') { 500_000_000 } else { 0 };
            assert_eq!(
                TimeLiteral::parse(text),
                Some(TimeLiteral::Instant(seconds * NANOS_PER_SECOND + half)),
                "{text}"
            );
        }
        assert_eq!(
            TimeLiteral::parse("09:30:00.000000001"),
            Some(TimeLiteral::OfDay(34_200 * NANOS_PER_SECOND + 1))
        );
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "Z",
            "T",
            "12",
            "9:30",
            "24:00",
            "09:60",
            "09:30:60",
            "09:30:00.",
            "1969-12-31",
            "2011-02-29",
            "2100-02-29",
            "2012-13-01",
            "2012-00-01",
            "2012-01-00",
            "2012-6-21",
            "2012-06-21T",
            "2012-06-21T09:30:00+02:00",
            "09:30:00.0000000001",
            "+9:30",
            "3000-01-01",
            "09:30:00.-1",
        ] {
            assert_eq!(TimeLiteral::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_last_nanosecond_is_still_a_time() {
        assert_eq!(
            UtcTime(u64::MAX).to_string(),
            "2554-07-21T23:34:33.709551615Z"
        );
        assert_eq!(
            TimeLiteral::parse("2554-07-21T23:34:33.709551615Z"),
            Some(TimeLiteral::Instant(u64::MAX))
        );
        assert_eq!(TimeLiteral::parse("2554-07-21T23:34:33.709551616Z"), None);
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let last = u64::MAX / NANOS_PER_DAY;
        let mut previous = (1969, 12, 31);
        for number in 0..=last {
            let now = date(number);
            let follows = if now.2 != 1 {
                now == (previous.0, previous.1, previous.2 + 1)
            } else if now.1 != 1 {
                now.0 == previous.0 && now.1 == previous.1 + 1 && previous.2 >= 28
            } else {
                now == (previous.0 + 1, 1, 1) && previous.1 == 12 && previous.2 == 31
            };
            assert!(follows, "{previous:?} then {now:?}");
            let text = format!("{:04}-{:02}-{:02}", now.0, now.1, now.2);
            assert_eq!(day(&text), Some(number), "{text}");
            previous = now;
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_read_back(nanos in any::<u64>()) {
            prop_assert_eq!(
                TimeLiteral::parse(&UtcTime(nanos).to_string()),
                Some(TimeLiteral::Instant(nanos))
            );
        }

        #[test]
        fn any_text_is_harmless(text in "[0-9TZ:. +-]{0,32}|.*") {
            let _ = TimeLiteral::parse(&text);
        }
    }
}
