//! What a password hash may cost: what the settings choose, and what a stored hash may demand of us.

use argon2::Params;

/// Stored parameters beyond these are refused: a row that somebody planted must not take the machine's memory.
const MAX_MEMORY_KIB: u32 = 128 * 1024;
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 8;
/// The least that the settings may choose: the cheapest of OWASP's equivalents for Argon2id, 7 MiB with five passes.
const MIN_MEMORY_KIB: u32 = 7 * 1024;
const MIN_WORK: u32 = MIN_MEMORY_KIB * 5;

/// What one hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for HashCost {
    /// The OWASP recommendation for Argon2id: 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 }
    }
}

impl HashCost {
    /// A cost that an operator chose, or what is wrong with it and by which setting.
    pub(crate) fn chosen(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, (&'static str, String)> {
        let within = |name, value, least, most: u32, what| {
            if (least..=most).contains(&value) { Ok(()) } else { Err((name, format!("expected {what} from {least} to {most}"))) }
        };
        within("AUTH_PASSWORD_HASH_MEMORY", memory_kib, MIN_MEMORY_KIB, MAX_MEMORY_KIB, "a number of KiB")?;
        within("AUTH_PASSWORD_HASH_PASSES", passes, 1, MAX_PASSES, "a number")?;
        within("AUTH_PASSWORD_HASH_LANES", lanes, 1, MAX_LANES, "a number")?;
        if memory_kib * passes < MIN_WORK {
            let message = format!("too cheap: memory times passes must be {MIN_WORK} KiB or more");
            return Err(("AUTH_PASSWORD_HASH_PASSES", message));
        }
        Ok(Self { memory_kib, passes, lanes })
    }

    /// Argon2's parameters, if the cost is within what any hash may cost.
    pub(super) fn params(self) -> Option<Params> {
        let is_bounded = self.memory_kib <= MAX_MEMORY_KIB && self.passes <= MAX_PASSES && self.lanes <= MAX_LANES;
        is_bounded.then(|| Params::new(self.memory_kib, self.passes, self.lanes, None).ok()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_costs_that_owasp_names_can_be_chosen_and_cheaper_ones_cannot() {
        for (memory, passes) in [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)] {
            assert!(HashCost::chosen(memory, passes, 1).is_ok(), "{memory} {passes}");
        }
        let refused = |memory, passes, lanes| HashCost::chosen(memory, passes, lanes).unwrap_err().0;
        assert_eq!(refused(7_167, 16, 1), "AUTH_PASSWORD_HASH_MEMORY");
        assert_eq!(refused(131_073, 1, 1), "AUTH_PASSWORD_HASH_MEMORY");
        assert_eq!(refused(19_456, 1, 1), "AUTH_PASSWORD_HASH_PASSES");
        assert_eq!(refused(19_456, 17, 1), "AUTH_PASSWORD_HASH_PASSES");
        assert_eq!(refused(19_456, 2, 9), "AUTH_PASSWORD_HASH_LANES");
    }
}
