//! A queue that is fair between flows: start-time fair queueing. Knows no calls, no threads and no clock.
//!
//! Each flow has its own first-in, first-out queue and a start tag, in virtual time. The flow with the lowest tag is served
//! next. Its tag then grows by the cost of the served item, divided by the weight of the flow. So flows that always have
//! items waiting share the service in proportion to their weights. A flow that uses less than its share waits for at most
//! one item of each other flow.
//!
//! Source: Goyal, Vin, Cheng, "Start-time fair queuing", SIGCOMM 1996.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::hash::Hash;

/// A queue of items of many flows.
pub(super) struct FairQueue<K, F, T> {
    flows: HashMap<K, Flow<F, T>>,
    /// The flows that have items, by their start tags.
    ready: BinaryHeap<Reverse<(u64, K)>>,
    /// The start tag of the flow that was served last; while the queue is empty, the highest tag of all.
    virtual_time: u64,
    highest_tag: u64,
    len: usize,
}

/// One flow: its items, and the state that the user of the queue keeps for the flow.
pub(super) struct Flow<F, T> {
    pub(super) state: F,
    items: VecDeque<T>,
    start_tag: u64,
    weight: u64,
}

impl<F, T> Flow<F, T> {
    /// The item that is served next.
    pub(super) fn front(&self) -> Option<&T> {
        self.items.front()
    }
}

/// Idle flows are forgotten once the queue keeps so many more idle flows than busy ones.
const IDLE_FLOWS_KEPT: usize = 64;

impl<K: Copy + Ord + Hash, F: Default, T> FairQueue<K, F, T> {
    pub(super) fn new() -> FairQueue<K, F, T> {
        FairQueue { flows: HashMap::new(), ready: BinaryHeap::new(), virtual_time: 0, highest_tag: 0, len: 0 }
    }

    /// The number of items in all flows.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns the flow of this key, a new and empty one if there is none. `weight` is at least 1.
    pub(super) fn flow(&mut self, key: K, weight: u64) -> &mut Flow<F, T> {
        let virtual_time = self.virtual_time;
        self.flows.entry(key).or_insert_with(|| Flow {
            state: F::default(),
            items: VecDeque::new(),
            start_tag: virtual_time,
            weight,
        })
    }

    /// Appends an item to a flow.
    pub(super) fn push(&mut self, key: K, weight: u64, item: T) {
        let virtual_time = self.virtual_time;
        let flow = self.flow(key, weight);
        flow.items.push_back(item);
        if flow.items.len() == 1 {
            // A flow cannot save up the share that it did not use while idle.
            flow.start_tag = flow.start_tag.max(virtual_time);
            let start_tag = flow.start_tag;
            self.ready.push(Reverse((start_tag, key)));
        }
        self.len += 1;
    }

    /// Takes the next item. The tag of its flow grows by `cost` divided by the weight, at least by 1.
    pub(super) fn pop(&mut self, cost: impl FnOnce(&mut F, &T) -> u64) -> Option<T> {
        let Reverse((start_tag, key)) = self.ready.pop()?;
        let flow = self.flows.get_mut(&key).expect("a flow that is ready is kept");
        let item = flow.items.pop_front().expect("a flow that is ready has items");
        let cost = cost(&mut flow.state, &item);
        self.virtual_time = start_tag;
        flow.start_tag = start_tag + (cost / flow.weight).max(1);
        self.highest_tag = self.highest_tag.max(flow.start_tag);
        if !flow.items.is_empty() {
            self.ready.push(Reverse((flow.start_tag, key)));
        }
        self.len -= 1;
        if self.len == 0 {
            self.virtual_time = self.highest_tag;
        }
        if self.flows.len() > 2 * self.ready.len() + IDLE_FLOWS_KEPT {
            self.forget_idle_flows();
        }
        Some(item)
    }

    /// Forgets flows without items whose tag is not ahead of the virtual time. A flow that is ahead stays, or a caller that
    /// makes one call at a time would not be charged.
    fn forget_idle_flows(&mut self) {
        let virtual_time = self.virtual_time;
        self.flows.retain(|_, flow| !flow.items.is_empty() || flow.start_tag > virtual_time);
        self.flows.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Queue = FairQueue<u32, (), u32>;

    fn pop(queue: &mut Queue) -> Option<u32> {
        queue.pop(|(), _| 1000)
    }

    #[test]
    fn one_flow_is_first_in_first_out() {
        let mut queue = Queue::new();
        (0..5).for_each(|item| queue.push(1, 1, item));
        assert_eq!(queue.len(), 5);
        assert_eq!((0..5).map_while(|_| pop(&mut queue)).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!((pop(&mut queue), queue.len()), (None, 0));
    }

    #[test]
    fn flood_of_one_flow_delays_another_by_one_item() {
        let mut queue = Queue::new();
        (0..1000).for_each(|_| queue.push(1, 1, 1));
        (0..100).for_each(|_| assert!(pop(&mut queue).is_some()));
        queue.push(2, 1, 2);
        assert!((0..2).any(|_| pop(&mut queue) == Some(2)));
    }

    #[test]
    fn busy_flows_share_by_weight_and_cost() {
        let mut queue = Queue::new();
        for _ in 0..1000 {
            queue.push(1, 8, 1);
            queue.push(2, 1, 2);
            queue.push(3, 1, 3);
        }
        let mut served = [0u32; 4];
        for _ in 0..1000 {
            let item = queue.pop(|(), item| if *item == 3 { 2000 } else { 1000 }).unwrap();
            served[item as usize] += 1;
        }
        let [_, heavy, light, dear] = served;
        assert!((7..=9).contains(&(heavy / light)), "{served:?}");
        assert!((light as i32 - 2 * dear as i32).abs() <= 2, "{served:?}");
    }

    #[test]
    fn flow_with_one_item_at_a_time_is_charged_too() {
        let mut queue = Queue::new();
        (0..100).for_each(|_| queue.push(1, 1, 1));
        let mut served = 0;
        for _ in 0..100 {
            queue.push(2, 1, 2);
            while pop(&mut queue) != Some(2) {
                served += 1;
            }
        }
        assert!((98..=100).contains(&served), "{served}");
    }

    #[test]
    fn idle_flows_are_forgotten() {
        let mut queue = Queue::new();
        for key in 0..10_000 {
            queue.push(key, 1, key);
            pop(&mut queue);
        }
        assert!(queue.flows.len() <= 2 * IDLE_FLOWS_KEPT, "{}", queue.flows.len());
    }
}
