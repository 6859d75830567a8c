//! One pacer for all clients of the same budget in this process.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use super::RateLimits;
use super::options::{Budget, StoreOptions};
use super::pacer::{Member, Pacer};
use crate::process::PerProcess;

/// The pacers of this process.
#[derive(Default)]
struct Registry {
    pacers: Mutex<HashMap<(Budget, StoreOptions), Arc<Pacer>>>,
}

static REGISTRY: PerProcess<Registry> = PerProcess::empty();

/// The pacer of this budget. Clients with different limits share the strictest of them.
///
/// A pacer that no client uses any more is kept as long as it has state, so that a program that makes a client for each call
/// is paced as well.
pub(crate) fn shared(budget: &Budget, store: &StoreOptions, limits: RateLimits) -> Member {
    let Ok(registry) = REGISTRY.get_or_init(|| Ok::<_, Infallible>(Registry::default()));
    let mut pacers = registry.pacers.lock().unwrap_or_else(PoisonError::into_inner);
    pacers.retain(|_, pacer| Arc::strong_count(pacer) > 1 || !pacer.is_idle());
    let pacer = pacers
        .entry((budget.clone(), store.clone()))
        .or_insert_with(|| Arc::new(Pacer::with_store(limits, store.open(budget), store.when_down)));
    pacer.join(limits)
}

/// A pacer for one client and its clones.
pub(crate) fn unshared(limits: RateLimits) -> Member {
    Arc::new(Pacer::with_store(limits, None, super::WhenStoreDown::Share)).join(limits)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::argument::NameStyle;
    use crate::operation::Category;

    fn join(key: &str, limits: RateLimits) -> Member {
        let process = StoreOptions::parse(Some("process"), None, NameStyle::Snake).unwrap();
        shared(&Budget::of_key("https://registry.test", key), &process, limits)
    }

    #[tokio::test]
    async fn clients_of_one_budget_share_a_pacer_as_long_as_it_has_state() {
        let limits = RateLimits::default();
        let one = join("a", limits);
        let same = |pacer: &Arc<Pacer>| Arc::ptr_eq(pacer, &join("a", limits));
        assert!(same(&one));
        assert!(!Arc::ptr_eq(&one, &join("b", limits)));

        // Without a client and with an empty log it is removed.
        let weak = Arc::downgrade(&one);
        drop(one);
        let two = join("a", limits);
        assert!(weak.upgrade().is_none());

        // With a request in its log it is kept.
        let deadline = tokio::time::Instant::now() + Duration::from_secs(1);
        two.acquire(Category::Reads, two.ticket(), Duration::ZERO, deadline, |_| ()).await.unwrap().mark_sent();
        let weak = Arc::downgrade(&two);
        drop(two);
        assert!(same(&weak.upgrade().unwrap()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_limits_are_those_of_the_clients_that_live() {
        let limits = RateLimits { reads: 2, ..RateLimits::default() };
        let one = join("limits", limits);
        let strict = join("limits", RateLimits { reads: 1, ..limits });
        let soon = tokio::time::Instant::now() + Duration::from_millis(1);
        let granted = async || {
            let permit = one.acquire(Category::Reads, one.ticket(), Duration::ZERO, soon, |_| ()).await;
            permit.map(std::mem::forget).is_ok()
        };
        assert!(granted().await && !granted().await);
        drop(strict);
        assert!(granted().await && !granted().await);
    }
}
