//! How latencies are spread: counts in buckets whose width is below one percent of their value, as a few hundred bytes
//! that can be merged for any window. Sparse, because an hour of one probe has some hundred values, not thousands.

use std::collections::BTreeMap;
use std::time::Duration;

/// Buckets per power of two, as a number of bits: 128 of them, so that a bucket is at most 0.8 % wide.
const FINE: u32 = 7;

/// Latencies, countable and mergeable. Two of them are equal where they count the same values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    counts: BTreeMap<u32, u64>,
    max: u64,
}

impl Spread {
    /// Counts one latency.
    pub fn add(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        *self.counts.entry(bucket(micros)).or_default() += 1;
        self.max = self.max.max(micros);
    }

    /// Counts what another has counted.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.counts {
            *self.counts.entry(*bucket).or_default() += count;
        }
        self.max = self.max.max(other.max);
    }

    /// How many latencies there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The largest, to the microsecond.
    #[must_use]
    pub fn max(&self) -> Option<Duration> {
        (!self.counts.is_empty()).then(|| Duration::from_micros(self.max))
    }

    /// The latency that this share of all (0 to 1) does not exceed, by nearest rank, within half a percent; none where
    /// there are no latencies.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let count = self.count();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank between 1 and the count, which no history brings near 2^52"
        )]
        let rank = ((share.clamp(0.0, 1.0) * count as f64).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        for (bucket, count) in &self.counts {
            seen += count;
            if seen >= rank {
                return Some(Duration::from_micros(middle(*bucket).min(self.max)));
            }
        }
        None
    }

    /// As bytes: the largest value, then for each bucket its distance to the one before and its count.
    #[must_use]
    pub fn encoded(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + self.counts.len() * 3);
        put(&mut bytes, self.max);
        let mut before = 0;
        for (bucket, count) in &self.counts {
            put(&mut bytes, u64::from(bucket - before));
            put(&mut bytes, *count);
            before = *bucket;
        }
        bytes
    }

    /// Adds what [`Spread::encoded`] has written. Bytes that it never writes end the reading.
    pub fn merge_encoded(&mut self, mut bytes: &[u8]) {
        let Some(max) = take(&mut bytes) else { return };
        self.max = self.max.max(max);
        let mut bucket = 0_u32;
        while let (Some(step), Some(count)) = (take(&mut bytes), take(&mut bytes)) {
            bucket = bucket.saturating_add(u32::try_from(step).unwrap_or(u32::MAX));
            *self.counts.entry(bucket).or_default() += count;
        }
    }
}

fn bucket(micros: u64) -> u32 {
    let top = micros.checked_ilog2().unwrap_or(0);
    let shift = top.saturating_sub(FINE);
    // At most 255 after the shift, so that the sum stays small.
    (shift << FINE) + u32::try_from(micros >> shift).unwrap_or(u32::MAX)
}

/// The value in the middle of a bucket.
fn middle(bucket: u32) -> u64 {
    let shift = (bucket >> FINE).saturating_sub(1).min(56);
    let low = u64::from(bucket - (shift << FINE)) << shift;
    low.saturating_add((1 << shift) / 2)
}

/// Writes a number, seven bits a byte, lowest first.
pub(super) fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(low_bits(number) | 0x80);
        number >>= 7;
    }
    bytes.push(low_bits(number));
}

fn low_bits(number: u64) -> u8 {
    number.to_le_bytes()[0] & 0x7f
}

/// Reads a number, and moves on.
pub(super) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_has_no_quantile() {
        let spread = Spread::default();
        assert_eq!((spread.quantile(0.5), spread.max(), spread.count()), (None, None, 0));
    }

    #[test]
    fn nearest_rank_of_few_values() {
        let mut spread = Spread::default();
        for micros in [10, 20, 30, 40] {
            spread.add(Duration::from_micros(micros));
        }
        let at = |share| spread.quantile(share).unwrap().as_micros();
        assert_eq!((at(0.0), at(0.25), at(0.5), at(0.75), at(0.76), at(1.0)), (10, 10, 20, 30, 40, 40));
    }

    #[test]
    fn a_bucket_follows_the_one_before() {
        let mut before = 0;
        for micros in 0..100_000_u64 {
            let now = bucket(micros);
            assert!(now == before || now == before + 1, "{micros}");
            before = now;
        }
        assert!(middle(bucket(u64::MAX)) > u64::MAX / 2);
    }

    proptest! {
        #[test]
        fn quantiles_are_within_half_a_percent_and_bytes_read_back(
            mut values in prop::collection::vec(0..20_000_000_000_u64, 1..300), share in 0.0..=1.0_f64, cut in 0..300_usize,
        ) {
            let (mut left, mut right) = (Spread::default(), Spread::default());
            for (at, value) in values.iter().enumerate() {
                if at < cut { &mut left } else { &mut right }.add(Duration::from_micros(*value));
            }
            let mut whole = left.clone();
            whole.merge_encoded(&right.encoded());
            let mut merged = right.clone();
            merged.merge(&left);
            prop_assert_eq!(&whole, &merged);
            values.sort_unstable();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small")]
            let rank = ((share * values.len() as f64).ceil() as usize).max(1);
            let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap();
            let (exact, told) = (values[rank - 1], micros(whole.quantile(share).unwrap()));
            prop_assert!(exact.abs_diff(told) * 200 <= exact.max(200), "{exact} {told}");
            prop_assert_eq!(micros(whole.max().unwrap()), *values.last().unwrap());
        }

        #[test]
        fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut spread = Spread::default();
            spread.merge_encoded(&bytes);
            let _ = spread.quantile(0.5);
        }
    }
}
