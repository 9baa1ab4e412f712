//! The CRC32C of two pieces together, from that of each.
//!
//! A CRC is a remainder of polynomials over GF(2): appending n bytes multiplies what came before
//! by x^8n. With that the payload's CRC can be computed before the header in front of it is known.
//! `crc32c::crc32c_combine` gives the same, a hundred times slower (0.1 ms), and this is in the part
//! of closing blocks that cannot be done for several at once.

/// The Castagnoli polynomial, reflected: bit 31 stands for x^0.
const POLYNOMIAL: u32 = 0x82F6_3B78;

const ONE: u32 = 1 << 31;

/// x^(2^n) modulo the polynomial, up to the length of 2^32 bytes.
const POWERS: [u32; 35] = {
    let mut powers = [ONE >> 1; 35];
    let mut n = 1;
    while n < powers.len() {
        powers[n] = multiply(powers[n - 1], powers[n - 1]);
        n += 1;
    }
    powers
};

/// The product of two polynomials modulo the polynomial.
const fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    let mut bit = ONE;
    while bit != 0 {
        // Without branches: what they depend on is as good as random.
        product ^= b & (((a & bit) != 0) as u32).wrapping_neg();
        b = (b >> 1) ^ (POLYNOMIAL & (b & 1).wrapping_neg());
        bit >>= 1;
    }
    product
}

/// The CRC of a piece with this `first` CRC followed by one of `length` bytes with this `second`.
pub(crate) fn combine(first: u32, second: u32, length: u32) -> u32 {
    let mut product = first;
    for (bit, power) in POWERS[3..].iter().enumerate() {
        if length >> bit == 0 {
            break;
        }
        if length >> bit & 1 != 0 {
            product = multiply(*power, product);
        }
    }
    product ^ second
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_pieces_give_the_crc_of_the_whole() {
        let data: Vec<u8> = (0..200_000_usize).map(|at| (at * 31 / 7) as u8).collect();
        for length in [0, 1, 3, 8, 64, 1_000, 4_096, 65_535, 65_536, 199_000] {
            for front in [0, 1, 192, 777] {
                let (whole, back) = (&data[..front + length], &data[front..front + length]);
                let combined = combine(
                    crc32c::crc32c(&data[..front]),
                    crc32c::crc32c(back),
                    length as u32,
                );
                assert_eq!(combined, crc32c::crc32c(whole), "{front} {length}");
            }
        }
    }
}
