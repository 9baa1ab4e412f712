//! Integers with a scale, as text.

use std::fmt;

/// `integer` times ten to the power `scale`, shown exactly and with all its decimals: `585.0000`.
///
/// ```
/// use selvedge_query::Decimal;
///
/// assert_eq!(Decimal { integer: 5_850_000, scale: -4 }.to_string(), "585.0000");
/// assert_eq!(Decimal { integer: -1, scale: -2 }.to_string(), "-0.01");
/// assert_eq!(Decimal { integer: 12, scale: 2 }.to_string(), "1200");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Decimal {
    /// The integer.
    pub integer: i128,
    /// The power of ten it is multiplied with.
    pub scale: i8,
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scale >= 0 {
            write!(f, "{}", self.integer)?;
            let zeros = if self.integer == 0 { 0 } else { self.scale };
            return (0..zeros).try_for_each(|_| f.write_str("0"));
        }
        let places = u32::from(self.scale.unsigned_abs());
        let magnitude = self.integer.unsigned_abs();
        let (whole, fraction) = match 10_u128.checked_pow(places) {
            Some(unit) => (magnitude / unit, magnitude % unit),
            // Every 128-bit integer is below ten to the power 39.
            None => (0, magnitude),
        };
        let sign = if self.integer < 0 { "-" } else { "" };
        write!(
            f,
            "{sign}{whole}.{fraction:0width$}",
            width = places as usize
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(integer: i128, scale: i8) -> String {
        Decimal { integer, scale }.to_string()
    }

    #[test]
    fn scaled_integers_are_decimals() {
        assert_eq!(shown(5_850_000, -4), "585.0000");
        assert_eq!(shown(-1, -4), "-0.0001");
        assert_eq!(shown(12, 2), "1200");
        assert_eq!(shown(0, 2), "0");
        assert_eq!(shown(0, -2), "0.00");
        assert_eq!(shown(7, 0), "7");
        assert_eq!(shown(-7, 0), "-7");
    }

    #[test]
    fn extreme_scales() {
        assert_eq!(shown(-3, 127), format!("-3{}", "0".repeat(127)));
        assert_eq!(shown(3, -128), format!("0.{}3", "0".repeat(127)));
        assert_eq!(
            shown(i128::MIN, -38),
            "-1.70141183460469231731687303715884105728"
        );
        assert_eq!(
            shown(i128::MAX, -39),
            "0.170141183460469231731687303715884105727"
        );
    }

    proptest! {
        #[test]
        fn the_digits_are_those_of_the_integer(integer in any::<i128>(), scale in -128_i8..=0) {
            let text = shown(integer, scale);
            let places = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            prop_assert_eq!(places, usize::from(scale.unsigned_abs()));
            let digits: String = text.chars().filter(|c| c.is_ascii_digit()).collect();
            let digits = digits.trim_start_matches('0');
            let expected = if integer == 0 { String::new() } else { integer.unsigned_abs().to_string() };
            prop_assert_eq!(digits, expected);
            prop_assert_eq!(text.starts_with('-'), integer < 0);
        }
    }
}
