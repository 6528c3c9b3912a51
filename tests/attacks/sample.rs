//! Times of two kinds of request, and how well they could be told apart.

use std::time::Duration;

/// How long a kind of request took, each time.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) times: Vec<Duration>,
}

impl Sample {
    /// Nothing yet.
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, times: Vec::new() }
    }

    /// The middle one.
    pub(crate) fn median(&self) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or_default()
    }

    /// How often somebody who sees one time of each kind, and calls the longer one this kind, is right: 0.5 is a guess. It is
    /// the area under the curve of the best classifier by a threshold, whichever way round.
    #[expect(clippy::cast_precision_loss, reason = "nobody takes that many samples")]
    pub(crate) fn separability(&self, other: &Self) -> f64 {
        let mut wins = 0.0;
        for time in &self.times {
            for against in &other.times {
                wins += match time.cmp(against) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
            }
        }
        let area = wins / (self.times.len() * other.times.len()) as f64;
        area.max(1.0 - area)
    }

    /// What [`Self::separability`] comes to by chance alone, four standard deviations from a guess, and 0.55 at the least.
    #[expect(clippy::cast_precision_loss, reason = "nobody takes that many samples")]
    pub(crate) fn chance(count: usize) -> f64 {
        let count = count as f64;
        4.0f64.mul_add(((2.0 * count + 1.0) / (12.0 * count * count)).sqrt(), 0.5).max(0.55)
    }
}
