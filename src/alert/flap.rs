//! Something that comes and goes all the time is told once, and once more when it has settled: the share of changes in
//! the last twenty looks, the newest weighing most, as Icinga counts it.

use serde::{Deserialize, Serialize};

/// So many looks are remembered.
const SLOTS: u32 = 20;
/// Above this share of changes it is flapping.
const BEGINS: f64 = 0.30;
/// Below this one it has settled.
const ENDS: f64 = 0.25;

/// What the last looks said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Flap {
    /// A bit for each look, the newest lowest: whether it differed from the one before.
    changes: u32,
    was_firing: bool,
    pub is_flapping: bool,
}

impl Flap {
    /// Takes in a look; gives whether flapping began or ended with it.
    pub fn look(&mut self, firing: bool) -> bool {
        let changed = firing != self.was_firing;
        self.was_firing = firing;
        self.changes = (self.changes << 1 | u32::from(changed)) & ((1 << SLOTS) - 1);
        if !changed && !self.is_flapping {
            return false;
        }
        let share = self.share();
        let is_flapping = if self.is_flapping { share >= ENDS } else { share > BEGINS };
        std::mem::replace(&mut self.is_flapping, is_flapping) != is_flapping
    }

    /// Weighted from 0.8 for the oldest look to 1.2 for the newest.
    fn share(self) -> f64 {
        let weighed = (0..SLOTS).filter(|age| self.changes >> age & 1 == 1).map(|age| 1.2 - 0.02 * f64::from(age));
        weighed.sum::<f64>() / f64::from(SLOTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_above_thirty_and_ends_below_twenty_five_in_a_hundred() {
        let mut flap = Flap::default();
        let begun: Vec<usize> = (0..40).filter(|look| flap.look(look % 2 == 0)).collect();
        // Six changes in the newest slots weigh 0.2 × 1.15 + …: more than 30 % only with the sixth.
        assert_eq!(begun, [5]);
        let ended: Vec<usize> = (0..40).filter(|_| flap.look(false)).collect();
        assert_eq!(ended.len(), 1);
        assert!((14..=17).contains(&ended[0]), "{ended:?}");
    }

    #[test]
    fn an_alert_that_comes_and_goes_once_does_not_flap() {
        let mut flap = Flap::default();
        assert!((0..100).all(|look| !flap.look((40..60).contains(&look))));
    }
}
