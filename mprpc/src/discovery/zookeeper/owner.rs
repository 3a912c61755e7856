//! Decides from the owner of a node what to do with the node. Pure.
//!
//! The decision keeps a provider registered through restarts and expired sessions, and never removes the announcement
//! of a live provider.

/// The layout that a node belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// The node is named after the provider's address. Only one process can listen at an address, so only one can own
    /// the node.
    Native,
    /// The node is named after a method. Every provider of the method wants to own it.
    Classic,
}

/// What exists at the path of a provider's own node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No node.
    Nothing,
    /// A node that this session owns.
    Ours,
    /// A node of an earlier session of this process, which the servers have not ended yet.
    OurPast,
    /// A persistent node, which no session owns: somebody created it by hand.
    Persistent,
    /// A node of another process's session that holds this provider's address. This is the case for every native node
    /// of another process.
    OtherWithOurAddress,
    /// A node of another process's session that holds another address.
    OtherWithItsAddress,
}

impl Found {
    /// Classifies a node by its ephemeral owner (0 for a persistent node) and the sessions of this process.
    pub(super) fn by_owner(owner: Option<i64>, session: i64, past: &[i64], holds_our_address: bool) -> Found {
        match owner {
            None => Found::Nothing,
            Some(owner) if owner == session => Found::Ours,
            Some(owner) if past.contains(&owner) => Found::OurPast,
            Some(0) => Found::Persistent,
            Some(_) if holds_our_address => Found::OtherWithOurAddress,
            Some(_) => Found::OtherWithItsAddress,
        }
    }
}

/// The next step for a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Create the node.
    Create,
    /// Keep the node as it is.
    Keep,
    /// Delete the existing node and create the own node, in one transaction.
    Replace,
    /// Leave the node alone until it goes away.
    Wait,
}

/// Decides the next step at the path of a provider's own node. `stood` says whether this announcement was in place
/// before.
///
/// A registration begins after the address was bound. So a node of another process for this address is then a remnant:
/// its owner has ended, but its session has not. Once the announcement was in place, such a node belongs to a process
/// that announces the address now, from another machine or in place of this one. Two processes that replace each
/// other's node would never stop.
pub(super) fn decide(layout: Layout, found: Found, stood: bool) -> Step {
    match found {
        Found::Nothing => Step::Create,
        Found::Ours => Step::Keep,
        Found::OurPast => Step::Replace,
        Found::Persistent if layout == Layout::Native => Step::Replace,
        Found::OtherWithOurAddress if !stood => Step::Replace,
        Found::Persistent | Found::OtherWithOurAddress | Found::OtherWithItsAddress => Step::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_nodes_are_classified_by_owner() {
        let by = |owner, ours| Found::by_owner(owner, 7, &[5, 6], ours);
        assert_eq!(by(None, true), Found::Nothing);
        assert_eq!(by(Some(7), true), Found::Ours);
        assert_eq!(by(Some(6), true), Found::OurPast);
        assert_eq!(by(Some(0), true), Found::Persistent);
        assert_eq!(by(Some(8), true), Found::OtherWithOurAddress);
        assert_eq!(by(Some(8), false), Found::OtherWithItsAddress);
    }

    #[test]
    fn every_found_node_has_its_step() {
        use Found::*;
        use Layout::{Classic, Native};
        for (found, native_new, native_stood, classic_new, classic_stood) in [
            (Nothing, Step::Create, Step::Create, Step::Create, Step::Create),
            (Ours, Step::Keep, Step::Keep, Step::Keep, Step::Keep),
            (OurPast, Step::Replace, Step::Replace, Step::Replace, Step::Replace),
            (Persistent, Step::Replace, Step::Replace, Step::Wait, Step::Wait),
            (OtherWithOurAddress, Step::Replace, Step::Wait, Step::Replace, Step::Wait),
            (OtherWithItsAddress, Step::Wait, Step::Wait, Step::Wait, Step::Wait),
        ] {
            assert_eq!(decide(Native, found, false), native_new, "{found:?}");
            assert_eq!(decide(Native, found, true), native_stood, "{found:?}");
            assert_eq!(decide(Classic, found, false), classic_new, "{found:?}");
            assert_eq!(decide(Classic, found, true), classic_stood, "{found:?}");
        }
    }
}
