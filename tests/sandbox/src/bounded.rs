//! Keeps what the sandbox stores within a number of bytes.

use std::collections::VecDeque;

use serde_json::{Map, Value};

/// The entries of a B-tree node, which is allocated as a whole.
const NODE_ENTRIES: usize = 11;

/// A queue that drops its oldest items beyond a number of items or bytes.
#[derive(Debug)]
pub(crate) struct BoundedQueue<T> {
    /// Each item with its size in bytes.
    items: VecDeque<(usize, T)>,
    bytes: usize,
    max_items: usize,
    max_bytes: usize,
}

impl<T> BoundedQueue<T> {
    pub(crate) fn new(max_items: usize, max_bytes: usize) -> Self {
        Self { items: VecDeque::new(), bytes: 0, max_items, max_bytes }
    }

    pub(crate) fn push(&mut self, size: usize, item: T) {
        self.items.push_back((size, item));
        self.bytes += size;
        while self.items.len() > self.max_items || self.bytes > self.max_bytes {
            let Some((dropped, _)) = self.items.pop_front() else { break };
            self.bytes -= dropped;
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter().map(|(_, item)| item)
    }

    /// Removes all items and returns how many there were.
    pub(crate) fn clear(&mut self) -> usize {
        self.bytes = 0;
        std::mem::take(&mut self.items).len()
    }
}

/// A number of bytes that may not be exceeded, for what a test sets up and the sandbox must not drop on its own.
#[derive(Debug)]
pub(crate) struct Budget {
    what: &'static str,
    max: usize,
    used: usize,
}

#[derive(Debug, thiserror::Error)]
#[error("the sandbox keeps at most {max} bytes of {what}: POST reset first, or use smaller ones")]
pub(crate) struct BudgetExceeded {
    what: &'static str,
    max: usize,
}

impl Budget {
    pub(crate) fn new(what: &'static str, max: usize) -> Self {
        Self { what, max, used: 0 }
    }

    /// Counts `new` bytes in place of `old` ones.
    pub(crate) fn replace(&mut self, old: usize, new: usize) -> Result<(), BudgetExceeded> {
        let used = self.used.saturating_sub(old).saturating_add(new);
        // What shrinks is always accepted.
        if used > self.max && new > old {
            return Err(BudgetExceeded { what: self.what, max: self.max });
        }
        self.used = used;
        Ok(())
    }

    pub(crate) fn release(&mut self, size: usize) {
        self.used = self.used.saturating_sub(size);
    }
}

/// An estimate of the memory of a JSON object beyond the `Map` itself.
pub(crate) fn map_size(fields: &Map<String, Value>) -> usize {
    let nodes = fields.len().div_ceil(NODE_ENTRIES / 2) * NODE_ENTRIES * (size_of::<String>() + size_of::<Value>());
    nodes + fields.iter().map(|(name, value)| name.len() + content_size(value)).sum::<usize>()
}

fn content_size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| size_of::<Value>() + content_size(item)).sum(),
        Value::Object(fields) => map_size(fields),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_the_oldest_beyond_either_bound() {
        let mut queue = BoundedQueue::new(3, 100);
        for item in 0..5 {
            queue.push(10, item);
        }
        assert_eq!(queue.iter().copied().collect::<Vec<_>>(), [2, 3, 4]);
        queue.push(85, 5);
        assert_eq!(queue.iter().copied().collect::<Vec<_>>(), [4, 5]);
        queue.push(101, 6);
        assert_eq!(queue.clear(), 0);
        queue.push(100, 7);
        assert_eq!(queue.clear(), 1);
        queue.push(100, 8);
        assert_eq!(queue.clear(), 1);
    }

    #[test]
    fn a_budget_counts_replaced_and_released_bytes() {
        let mut budget = Budget::new("things", 100);
        budget.replace(0, 60).unwrap();
        assert!(budget.replace(0, 41).is_err());
        budget.replace(60, 100).unwrap();
        budget.release(50);
        budget.replace(0, 50).unwrap();
        assert!(budget.replace(0, 1).is_err());
        budget.replace(1, 0).unwrap();
    }
}
