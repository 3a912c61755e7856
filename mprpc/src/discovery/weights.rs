//! What becomes of the weight of a provider that an operator changes from outside: takes it out of service, puts it back, or
//! gives it more or fewer calls. Pure.
//!
//! The weight is a part of the provider's own entry, so it goes with the provider. The provider takes note of it, and writes it
//! again if it has to make its entry anew. A provider that starts again begins with its own weight.

use crate::endpoint::Endpoint;

/// What becomes of the weight of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightChange {
    /// Takes the provider out of service: callers send it no new calls. The weight that it had is remembered.
    Drain,
    /// Gives a drained provider its weight back. Changes nothing for other providers.
    Undrain,
    /// Sets the weight. 0 takes the provider out of service.
    Set(u32),
}

/// The weight in an entry, and the weight that it had before it was drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Weights {
    pub(super) weight: u32,
    pub(super) undrained: Option<u32>,
}

impl WeightChange {
    pub(super) fn apply(self, before: Weights) -> Weights {
        match self {
            WeightChange::Drain if before.weight > 0 => Weights { weight: 0, undrained: Some(before.weight) },
            WeightChange::Undrain if before.weight == 0 => {
                Weights { weight: before.undrained.unwrap_or(Endpoint::WEIGHT_DEFAULT), undrained: None }
            }
            WeightChange::Drain | WeightChange::Undrain => before,
            WeightChange::Set(weight) => Weights { weight, undrained: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drained_provider_gets_its_weight_back() {
        let weights = |weight, undrained| Weights { weight, undrained };
        for (before, change, after) in [
            (weights(70, None), WeightChange::Drain, weights(0, Some(70))),
            (weights(0, Some(70)), WeightChange::Drain, weights(0, Some(70))),
            (weights(0, Some(70)), WeightChange::Undrain, weights(70, None)),
            (weights(0, None), WeightChange::Undrain, weights(100, None)),
            (weights(70, None), WeightChange::Undrain, weights(70, None)),
            (weights(0, Some(70)), WeightChange::Set(5), weights(5, None)),
            (weights(70, None), WeightChange::Set(0), weights(0, None)),
        ] {
            assert_eq!(change.apply(before), after, "{before:?} {change:?}");
        }
    }
}
