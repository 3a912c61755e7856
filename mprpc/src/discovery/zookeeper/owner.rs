//! Whose a node is, and what to do with it. Pure: the decision that keeps a provider registered through restarts and
//! expired sessions without ever removing what a living one announced.

/// Which layout a node is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Its name is the provider's address: only one process can listen there, so only one can own it.
    Native,
    /// Its name is a method: every provider of the method wants it.
    Classic,
}

/// What is found where the own node should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No node.
    Nothing,
    /// A node that this session owns.
    Ours,
    /// A node of an earlier session of this process, which the servers have not ended yet.
    OurPast,
    /// A node that no session owns: somebody made it by hand.
    Persistent,
    /// A node of another process's session that holds the own address. For a native node that is always so.
    OtherWithOurAddress,
    /// A node of another process's session, with its address.
    OtherWithItsAddress,
}

impl Found {
    /// From a node's ephemeral owner, 0 for a persistent node, and the sessions of this process.
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

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Make the node.
    Create,
    /// It stands.
    Keep,
    /// Delete what is there and make the own node, in one transaction.
    Replace,
    /// Leave it alone until it goes.
    Wait,
}

/// What to do where the own node should be. `stood` says whether this announcement has stood before.
///
/// A registration is made after the address was bound. So at its beginning another process's node for this address is
/// one whose owner has ended and whose session has not. Once it stood, such a node is of somebody who announces the
/// address now, from another machine or in our place: two that replaced each other would never end.
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
    fn owners_are_told_apart() {
        let by = |owner, ours| Found::by_owner(owner, 7, &[5, 6], ours);
        assert_eq!(by(None, true), Found::Nothing);
        assert_eq!(by(Some(7), true), Found::Ours);
        assert_eq!(by(Some(6), true), Found::OurPast);
        assert_eq!(by(Some(0), true), Found::Persistent);
        assert_eq!(by(Some(8), true), Found::OtherWithOurAddress);
        assert_eq!(by(Some(8), false), Found::OtherWithItsAddress);
    }

    #[test]
    fn every_finding_has_its_step() {
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
