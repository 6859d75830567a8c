//! Values that belong to one process; a forked child creates its own.

use std::mem;
use std::process;
use std::sync::Arc;

use arc_swap::ArcSwapOption;

/// Holds one value per process. A forked child has a copy of its parent's memory but none of its threads, and a lock that
/// another thread held at that moment stays locked: so the child neither uses nor drops the parent's value, and there is
/// no lock here.
pub(crate) struct PerProcess<T>(ArcSwapOption<Owned<T>>);

struct Owned<T> {
    pid: u32,
    value: Arc<T>,
}

impl<T> PerProcess<T> {
    pub(crate) const fn empty() -> Self {
        PerProcess(ArcSwapOption::const_empty())
    }

    /// This process's value; `init` is called when there is none yet. Threads that call this at the same time all get the
    /// same value.
    pub(crate) fn get_or_init<E>(&self, init: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        let pid = process::id();
        let own = |owned: &Option<Arc<Owned<T>>>| {
            owned.as_ref().filter(|owned| owned.pid == pid).map(|owned| Arc::clone(&owned.value))
        };
        if let Some(value) = own(&self.0.load()) {
            return Ok(value);
        }
        let fresh = Arc::new(Owned { pid, value: Arc::new(init()?) });
        loop {
            let current = self.0.load_full();
            if let Some(value) = own(&current) {
                return Ok(value);
            }
            let before = self.0.compare_and_swap(&current, Some(Arc::clone(&fresh)));
            let swapped = before.as_ref().map(Arc::as_ptr) == current.as_ref().map(Arc::as_ptr);
            mem::forget(current);
            if swapped {
                return Ok(Arc::clone(&fresh.value));
            }
        }
    }

    /// Drops this process's value.
    pub(crate) fn clear(&self) {
        let current = self.0.swap(None);
        if current.as_ref().is_some_and(|owned| owned.pid != process::id()) {
            mem::forget(current);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_initialized_once_until_it_is_cleared() {
        let cell = PerProcess::empty();
        let get = |value| cell.get_or_init(|| Ok::<_, ()>(value)).unwrap();
        assert_eq!((*get(1), *get(2)), (1, 1));
        cell.clear();
        assert_eq!(*get(3), 3);
        assert_eq!(PerProcess::<u8>::empty().get_or_init(|| Err("no")), Err("no"));
    }

    #[test]
    fn another_process_value_is_neither_used_nor_dropped() {
        let parents = Arc::new(1);
        let cell = PerProcess(ArcSwapOption::from_pointee(Owned { pid: 0, value: Arc::clone(&parents) }));
        assert_eq!(*cell.get_or_init(|| Ok::<_, ()>(2)).unwrap(), 2);
        assert_eq!(Arc::strong_count(&parents), 2);
        let cell = PerProcess(ArcSwapOption::from_pointee(Owned { pid: 0, value: Arc::clone(&parents) }));
        cell.clear();
        assert_eq!(Arc::strong_count(&parents), 3);
    }

    #[test]
    fn threads_that_race_get_the_same() {
        let cell = PerProcess::empty();
        let barrier = std::sync::Barrier::new(8);
        let race = |value| {
            barrier.wait();
            cell.get_or_init(|| Ok::<_, ()>(value)).unwrap()
        };
        let race = &race;
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|value| scope.spawn(move || race(value))).collect();
            let values: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            assert!(values.iter().all(|value| Arc::ptr_eq(value, &values[0])));
        });
    }
}
