//! `WeakMap`: a map whose values other owners keep alive. Dead entries leave the map later, at a constant amortized
//! cost.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};

/// A map from keys to values that it does not own. A value is found while another owner holds it.
pub(super) struct WeakMap<K, V> {
    values: HashMap<K, Weak<V>>,
    /// The number of entries at which `insert` removes the dead ones. The number doubles with the live entries, so
    /// removal looks at each entry about twice, however large the map is.
    full_at: usize,
}

impl<K, V> Default for WeakMap<K, V> {
    fn default() -> WeakMap<K, V> {
        WeakMap { values: HashMap::new(), full_at: FULL_AT_FIRST }
    }
}

impl<K: Eq + Hash, V> WeakMap<K, V> {
    /// Returns the value of a key if the value is still alive.
    pub(super) fn find<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
    {
        self.values.get(key)?.upgrade()
    }

    /// The values that are still alive, with their keys.
    pub(super) fn live(&self) -> impl Iterator<Item = (&K, Arc<V>)> {
        self.values.iter().filter_map(|(key, value)| Some((key, value.upgrade()?)))
    }

    /// Adds a value and replaces the previous value of the key.
    pub(super) fn insert(&mut self, key: K, value: &Arc<V>) {
        if self.values.len() >= self.full_at {
            self.values.retain(|_, value| value.strong_count() > 0);
            self.full_at = FULL_AT_FIRST.max(2 * self.values.len());
        }
        self.values.insert(key, Arc::downgrade(value));
    }
}

const FULL_AT_FIRST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_values_are_not_found_and_do_not_accumulate() {
        let mut map = WeakMap::default();
        let kept: Vec<Arc<usize>> = (0..100).map(Arc::new).collect();
        for value in &kept {
            map.insert(**value, value);
        }
        for gone in 100..10_000 {
            map.insert(gone, &Arc::new(gone));
        }
        assert!(map.values.len() <= 200, "{} are kept for 100", map.values.len());
        assert!(kept.iter().all(|value| map.find(&**value).is_some_and(|found| Arc::ptr_eq(&found, value))));
        assert!(map.find(&9_999).is_none());
        map.insert(5, &kept[6]);
        assert_eq!(map.find(&5).as_deref(), Some(&6));
    }
}
