//! Numbers in an expression: exact decimals.

use crate::limits::MAX_NUMBER_DIGITS;

/// A number as written: `mantissa` times ten to the power `-decimals`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Number {
    mantissa: i128,
    decimals: u32,
    double: f64,
    single: f32,
}

/// Where a number lies among the integers of a scaled field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// The greatest integer that is not above the number; cut to what an `i128` holds, which is
    /// far outside every field.
    pub(crate) floor: i128,
    /// Whether the number is that integer.
    pub(crate) exact: bool,
}

/// Why a word is not a number: what is wrong and what to do.
pub(crate) type NumberFault = (&'static str, &'static str);

impl Number {
    /// The number that `word` writes: `12`, `-0.5`, `1_000_000`, `0xF003`.
    pub(crate) fn parse(word: &str) -> Result<Self, NumberFault> {
        const NOT_A_NUMBER: NumberFault = (
            "this is not a number",
            "numbers are like 12, -0.5, 1_000_000 or 0xF003; text goes in double quotes",
        );
        let (negative, digits) = match word.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, word),
        };
        if let Some(digits) = digits.strip_prefix("0x") {
            let digits = digits.replace('_', "");
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(NOT_A_NUMBER);
            }
            let magnitude = i128::from_str_radix(&digits, 16).map_err(|_| {
                (
                    "this number is too large",
                    "fields have at most 64 bits: 16 hexadecimal digits",
                )
            })?;
            let mantissa = if negative { -magnitude } else { magnitude };
            return Ok(Number {
                mantissa,
                decimals: 0,
                double: mantissa as f64,
                single: mantissa as f32,
            });
        }
        let (whole, fraction) = match digits.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (digits, None),
        };
        let part = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_digit())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte == b'_')
        };
        if !part(whole) || !fraction.is_none_or(part) {
            let exponent = part(whole.trim_end_matches(['e', 'E']))
                || digits
                    .bytes()
                    .next()
                    .is_some_and(|byte| byte.is_ascii_digit())
                    && digits.bytes().all(|byte| {
                        byte.is_ascii_digit() || matches!(byte, b'e' | b'E' | b'.' | b'_')
                    })
                    && digits.contains(['e', 'E']);
            return Err(if exponent {
                (
                    "numbers have no exponent here",
                    "write the number out, such as 1_000_000 for 1e6",
                )
            } else {
                NOT_A_NUMBER
            });
        }
        let mut all = whole.replace('_', "");
        let mut decimals = 0;
        let mut plain = all.clone();
        if let Some(fraction) = fraction {
            let fraction = fraction.replace('_', "");
            decimals = fraction.len() as u32;
            plain.push('.');
            plain.push_str(&fraction);
            all.push_str(&fraction);
        }
        const TOO_LONG: NumberFault = (
            "this number has more than 38 digits",
            "no field tells such numbers apart: write fewer digits",
        );
        let significant = all.trim_start_matches('0');
        if significant.len() > MAX_NUMBER_DIGITS {
            return Err(TOO_LONG);
        }
        let magnitude = match significant {
            "" => 0,
            digits => digits.parse::<i128>().map_err(|_| TOO_LONG)?,
        };
        let (double, single) = match (plain.parse::<f64>(), plain.parse::<f32>()) {
            (Ok(double), Ok(single)) => (double, single),
            _ => return Err(NOT_A_NUMBER),
        };
        Ok(Number {
            mantissa: if negative { -magnitude } else { magnitude },
            decimals,
            double: if negative { -double } else { double },
            single: if negative { -single } else { single },
        })
    }

    /// Where the number lies among integers that count in units of ten to the power `scale`.
    pub(crate) fn place(&self, scale: i8) -> Place {
        if self.mantissa == 0 {
            return Place {
                floor: 0,
                exact: true,
            };
        }
        let shift = -i64::from(self.decimals) - i64::from(scale);
        let power = 10_i128.checked_pow(shift.unsigned_abs() as u32);
        let negative = self.mantissa < 0;
        if shift >= 0 {
            let floor = power
                .and_then(|power| self.mantissa.checked_mul(power))
                .unwrap_or(if negative { i128::MIN } else { i128::MAX });
            return Place { floor, exact: true };
        }
        match power {
            Some(power) => Place {
                floor: self.mantissa.div_euclid(power),
                exact: self.mantissa.rem_euclid(power) == 0,
            },
            // The number is less than one unit from zero.
            None => Place {
                floor: if negative { -1 } else { 0 },
                exact: false,
            },
        }
    }

    /// The nearest 64-bit floating point number.
    pub(crate) fn double(&self) -> f64 {
        self.double
    }

    /// The nearest 32-bit floating point number.
    pub(crate) fn single(&self) -> f32 {
        self.single
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(word: &str, scale: i8) -> (i128, bool) {
        let place = Number::parse(word).expect(word).place(scale);
        (place.floor, place.exact)
    }

    #[test]
    fn decimals_land_on_the_raw_integer() {
        assert_eq!(place("585.00", -4), (5_850_000, true));
        assert_eq!(place("585", -4), (5_850_000, true));
        assert_eq!(place("-0.0001", -4), (-1, true));
        assert_eq!(place("1_200", 2), (12, true));
        assert_eq!(place("0x10", 0), (16, true));
        assert_eq!(place("-0x10", 0), (-16, true));
        assert_eq!(place("0.0000", 5), (0, true));
    }

    #[test]
    fn numbers_between_integers_round_down_and_say_so() {
        assert_eq!(place("0.00015", -4), (1, false));
        assert_eq!(place("-0.00015", -4), (-2, false));
        assert_eq!(place("1250", 2), (12, false));
        assert_eq!(place("-1250", 2), (-13, false));
    }

    #[test]
    fn extreme_scales_neither_panic_nor_wrap() {
        assert_eq!(place("1", i8::MIN), (i128::MAX, true));
        assert_eq!(place("-1", i8::MIN), (i128::MIN, true));
        assert_eq!(place("1", i8::MAX), (0, false));
        assert_eq!(place("-1", i8::MAX), (-1, false));
        let most = "9".repeat(MAX_NUMBER_DIGITS);
        assert_eq!(place(&most, 0).0.to_string(), most);
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        for word in [
            "", "-", "5x", "1.2.3", "5.", ".5", "0x", "0xZ", "0x-1", "1._5", "_1", "--1",
        ] {
            assert!(Number::parse(word).is_err(), "{word}");
        }
        assert!(Number::parse(&"9".repeat(MAX_NUMBER_DIGITS + 1)).is_err());
        assert!(Number::parse(&"f".repeat(32)).is_err());
        assert!(Number::parse(&format!("0x{}", "f".repeat(32))).is_err());
    }

    #[test]
    fn an_exponent_is_named_as_such() {
        for word in ["1e6", "1e", "1.5E3"] {
            let fault = Number::parse(word).expect_err(word);
            assert_eq!(fault.0, "numbers have no exponent here", "{word}");
        }
    }

    #[test]
    fn leading_zeros_are_not_digits() {
        assert_eq!(place(&format!("{}7", "0".repeat(100)), 0), (7, true));
    }
}
