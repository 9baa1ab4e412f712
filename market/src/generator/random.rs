//! Random numbers that are the same on every machine and in every version.

/// The generator xoshiro256++, seeded through SplitMix64.
///
/// Sources: D. Blackman, S. Vigna, "Scrambled Linear Pseudorandom Number Generators", ACM
/// Transactions on Mathematical Software 47 (2021); G. Steele, D. Lea, C. Flood, "Fast Splittable
/// Pseudorandom Number Generators", OOPSLA 2014.
#[derive(Clone, Debug)]
pub(super) struct Random {
    state: [u64; 4],
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        let mut counter = seed;
        let state = std::array::from_fn(|_| {
            counter = counter.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = counter;
            mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^ mixed >> 31
        });
        Random { state }
    }

    pub(super) fn next(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// Uniform in `0..bound`; 0 for a bound of 0. (The bias of this multiplication is below
    /// `bound / 2^64`.)
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// True once in `odds` times.
    pub(super) fn one_in(&mut self, odds: u64) -> bool {
        self.below(odds) == 0
    }

    /// Uniform in (0, 1].
    pub(super) fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Exponentially distributed with this mean.
    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -natural_logarithm(self.unit()) * mean
    }
}

const LOGARITHM_TERMS: usize = 11;
const DECAY_TERMS: usize = 15;

/// 1/n at place n: multiplying is faster than dividing.
const RECIPROCALS: [f64; 2 * LOGARITHM_TERMS] = {
    let mut reciprocals = [0.0; 2 * LOGARITHM_TERMS];
    let mut number = 1;
    while number < reciprocals.len() {
        reciprocals[number] = 1.0 / number as f64;
        number += 1;
    }
    reciprocals
};

/// ln x for positive, normal x. Only additions, multiplications and divisions, which IEEE 754
/// rounds the same everywhere; the standard library's may differ between systems.
pub(super) fn natural_logarithm(x: f64) -> f64 {
    let bits = x.to_bits();
    let exponent = (bits >> 52) as i32 - 1023;
    let mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    // ln m = 2 artanh((m − 1) / (m + 1)), with the argument at most 1/3.
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    let mut sum = 0.0;
    for term in (0..LOGARITHM_TERMS).rev() {
        sum = sum * square + RECIPROCALS[2 * term + 1];
    }
    2.0 * ratio * sum + f64::from(exponent) * std::f64::consts::LN_2
}

/// e^−x for x from 0 up; 0 from 700 on. As portable as [`natural_logarithm`].
pub(super) fn decay(x: f64) -> f64 {
    if x >= 700.0 {
        return 0.0;
    }
    // e^−x = (e^−r)^1 · 2^−k with r below ln 2.
    let halvings = (x / std::f64::consts::LN_2) as u64;
    let rest = x - halvings as f64 * std::f64::consts::LN_2;
    let mut sum = 1.0;
    for term in (1..DECAY_TERMS).rev() {
        sum = 1.0 - sum * rest * RECIPROCALS[term];
    }
    sum * f64::from_bits((1023 - halvings) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_xoshiro256_plus_plus() {
        // The test vector that the algorithm's implementations share, from the state 1, 2, 3, 4.
        let mut random = Random {
            state: [1, 2, 3, 4],
        };
        for expected in [
            41_943_041,
            58_720_359,
            3_588_806_011_781_223,
            3_591_011_842_654_386,
        ] {
            assert_eq!(random.next(), expected);
        }
    }

    #[test]
    fn logarithm_and_decay_are_right() {
        let mut random = Random::new(1);
        for _ in 0..10_000 {
            let x = random.unit();
            assert!((natural_logarithm(x) - x.ln()).abs() < 1e-10, "ln {x}");
            let y = x * 50.0;
            assert!((decay(y) - (-y).exp()).abs() < 1e-12, "exp -{y}");
        }
        assert_eq!(decay(1e9), 0.0);
        assert_eq!(decay(0.0), 1.0);
    }

    #[test]
    fn numbers_are_spread_evenly() {
        let mut random = Random::new(2);
        let mut counts = [0; 10];
        let mut sum = 0.0;
        for _ in 0..100_000 {
            counts[random.below(10) as usize] += 1;
            sum += random.exponential(3.0);
        }
        assert!(
            counts.iter().all(|count| (9_600..10_400).contains(count)),
            "{counts:?}"
        );
        assert!((sum / 100_000.0 - 3.0).abs() < 0.05);
        assert_eq!(random.below(0), 0);
    }
}
