//! A hash that is the same on every machine and in every version, for what must not change with a restart.

/// The hash of some texts, in their order: FNV-1a, then mixed so that every bit of it depends on every byte.
#[must_use]
pub fn identity<'a>(parts: impl IntoIterator<Item = &'a str>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut eat = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    for part in parts {
        part.bytes().for_each(&mut eat);
        // No byte of a text: "a", "bc" and "ab", "c" differ.
        eat(0xff);
    }
    mix(hash)
}

/// Spreads what differs a little over all bits (the last steps of `SplitMix64`).
#[must_use]
pub fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A fraction from 0 to below 1.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
pub fn fraction(value: u64) -> f64 {
    (mix(value) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_for_ever() {
        assert_eq!(identity(["smoke", "weather"]), identity(["smoke", "weather"]));
        assert_ne!(identity(["a", "bc"]), identity(["ab", "c"]));
        assert_ne!(identity(["a"]), identity(["a", ""]));
        // Another figure here would move every probe of every fleet at its next upgrade.
        assert_eq!(identity(["smoke", "weather"]), 3_102_809_094_280_397_006);
    }

    #[test]
    fn fractions_are_spread() {
        let mean = (0..1000).map(fraction).sum::<f64>() / 1000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
        assert!((0..1000).map(fraction).all(|fraction| (0.0..1.0).contains(&fraction)));
    }
}
