//! Values that belong to one process, and are made anew in a forked child.

use std::mem;
use std::process;
use std::sync::Arc;

use arc_swap::ArcSwapOption;

/// Holds one value per process. A forked child has a copy of its parent's memory but none of its threads, and locks that
/// one of them may have held at that moment: so the parent's value is neither used nor dropped there, and there is no lock
/// here either.
pub(crate) struct PerProcess<T>(ArcSwapOption<Made<T>>);

struct Made<T> {
    pid: u32,
    value: Arc<T>,
}

impl<T> PerProcess<T> {
    pub(crate) const fn empty() -> Self {
        PerProcess(ArcSwapOption::const_empty())
    }

    /// This process's value; `make` is called when there is none yet. Of several threads that make one at once, all get
    /// the same.
    pub(crate) fn get_or_make<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        let pid = process::id();
        let own = |made: &Option<Arc<Made<T>>>| {
            made.as_ref().filter(|made| made.pid == pid).map(|made| Arc::clone(&made.value))
        };
        if let Some(value) = own(&self.0.load()) {
            return Ok(value);
        }
        let fresh = Arc::new(Made { pid, value: Arc::new(make()?) });
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

    /// Lets go of this process's value.
    pub(crate) fn clear(&self) {
        let current = self.0.swap(None);
        if current.as_ref().is_some_and(|made| made.pid != process::id()) {
            mem::forget(current);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_made_once_until_it_is_cleared() {
        let cell = PerProcess::empty();
        let get = |value| cell.get_or_make(|| Ok::<_, ()>(value)).unwrap();
        assert_eq!((*get(1), *get(2)), (1, 1));
        cell.clear();
        assert_eq!(*get(3), 3);
        assert_eq!(PerProcess::<u8>::empty().get_or_make(|| Err("no")), Err("no"));
    }

    #[test]
    fn what_another_process_made_is_neither_used_nor_dropped() {
        let parents = Arc::new(1);
        let cell = PerProcess(ArcSwapOption::from_pointee(Made { pid: 0, value: Arc::clone(&parents) }));
        assert_eq!(*cell.get_or_make(|| Ok::<_, ()>(2)).unwrap(), 2);
        assert_eq!(Arc::strong_count(&parents), 2);
        let cell = PerProcess(ArcSwapOption::from_pointee(Made { pid: 0, value: Arc::clone(&parents) }));
        cell.clear();
        assert_eq!(Arc::strong_count(&parents), 3);
    }

    #[test]
    fn threads_that_race_get_the_same() {
        let cell = PerProcess::empty();
        let barrier = std::sync::Barrier::new(8);
        let race = |value| {
            barrier.wait();
            cell.get_or_make(|| Ok::<_, ()>(value)).unwrap()
        };
        let race = &race;
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|value| scope.spawn(move || race(value))).collect();
            let values: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            assert!(values.iter().all(|value| Arc::ptr_eq(value, &values[0])));
        });
    }
}
