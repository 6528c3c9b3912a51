//! RSA keys that anybody with the public half can factor: those of a chip's library that made its primes by a formula
//! (ROCA, CVE-2017-15361).
//!
//! Each prime was `k·M + (65537^a mod M)`, where `M` is the product of the first primes. So the modulus is a power of 65537
//! modulo every one of them; of other moduli fewer than one in a hundred million is.

const GENERATOR: u32 = 65537;
/// The odd primes up to 167: they divide the `M` of every length from 2048 bits on.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127,
    131, 137, 139, 149, 151, 157, 163, 167,
];

/// Whether this modulus, big-endian, bears the mark of that library.
pub(super) fn is_predictable(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|&prime| is_power_of_generator(remainder(modulus, prime), prime))
}

fn remainder(number: &[u8], divisor: u32) -> u32 {
    number.iter().fold(0, |rest, byte| (rest << 8 | u32::from(*byte)) % divisor)
}

fn is_power_of_generator(number: u32, prime: u32) -> bool {
    let mut power = 1;
    for _ in 1..prime {
        if power == number {
            return true;
        }
        power = power * (GENERATOR % prime) % prime;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_token::testing::SigningKey;

    #[test]
    fn keys_of_other_makers_are_not_taken_for_these() {
        assert!([0, 1].map(|pair| SigningKey::new("", pair).modulus()).iter().all(|modulus| !is_predictable(modulus)));
    }

    #[test]
    fn powers_of_the_generator_are_recognised_and_others_are_not() {
        let powers: Vec<u32> = (0..13).filter(|&number| is_power_of_generator(number, 13)).collect();
        assert_eq!(powers, [1, 3, 4, 9, 10, 12]);
        assert!(is_predictable(&GENERATOR.to_be_bytes()) && is_predictable(&[1]) && !is_predictable(&[0]));
    }
}
