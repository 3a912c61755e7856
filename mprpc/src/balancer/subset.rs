//! Subsets: a caller of a large fleet uses only some of its endpoints, so that there are fewer connections.

use super::hash::hash_of;
use crate::endpoint::Endpoint;

/// The `max` endpoints with the highest hash of caller and address (rendezvous hashing). If an endpoint comes or goes, at most
/// one other changes. Different callers use different endpoints, so each endpoint gets about the same number of callers.
///
/// Source: gRPC's proposal A68, <https://github.com/grpc/proposal/blob/master/A68-random-subsetting.md>.
pub(crate) fn subset(endpoints: Vec<&Endpoint>, max: Option<usize>, caller: u64) -> Vec<&Endpoint> {
    let Some(max) = max.filter(|max| *max < endpoints.len()) else { return endpoints };
    let rank =
        |endpoint: &Endpoint| hash_of([caller.to_le_bytes().as_slice(), endpoint.to_string().as_bytes()].concat());
    let mut ranked: Vec<_> = endpoints.into_iter().map(|endpoint| (rank(endpoint), endpoint)).collect();
    ranked.sort_unstable_by_key(|(rank, _)| *rank);
    ranked.into_iter().rev().take(max).map(|(_, endpoint)| endpoint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subset_is_stable_and_subsets_of_many_callers_cover_the_fleet_evenly() {
        let all: Vec<Endpoint> =
            (0..100).map(|index| Endpoint::new(format!("10.0.0.{index}:1").parse().unwrap())).collect();
        let mut callers = vec![0u32; all.len()];
        for caller in 0..1_000 {
            let chosen = subset(all.iter().collect(), Some(20), caller);
            assert_eq!(chosen.len(), 20);
            for endpoint in &chosen {
                callers[all.iter().position(|other| other == *endpoint).unwrap()] += 1;
            }
            // One endpoint leaves: the others stay.
            let rest: Vec<&Endpoint> = all.iter().filter(|endpoint| *endpoint != chosen[0]).collect();
            let later = subset(rest, Some(20), caller);
            assert_eq!(later.iter().filter(|endpoint| chosen.contains(endpoint)).count(), 19);
        }
        assert!(callers.iter().all(|count| (150..250).contains(count)), "{callers:?}");
        assert_eq!(subset(all.iter().collect(), None, 1).len(), 100);
        assert_eq!(subset(all.iter().collect(), Some(200), 1).len(), 100);
    }
}
