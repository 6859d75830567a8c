//! One pacer for all clients of the same base URL and key in this process.

use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use super::RateLimits;
use super::pacer::Pacer;
use crate::process::PerProcess;

/// The pacers of this process, by base URL and a hash of the key: the registry must not hold secrets.
#[derive(Default)]
struct Registry {
    hasher: RandomState,
    pacers: Mutex<HashMap<(String, u64), Arc<Pacer>>>,
}

static REGISTRY: PerProcess<Registry> = PerProcess::empty();

/// The pacer of this base URL and key. Clients with different limits share the strictest of them.
///
/// A pacer that no client uses any more is kept as long as it has state, so that a program that makes a client for each call
/// is paced as well.
pub(crate) fn shared(base_url: &str, key: &str, limits: RateLimits) -> Arc<Pacer> {
    let Ok(registry) = REGISTRY.get_or_init(|| Ok::<_, Infallible>(Registry::default()));
    let name = (base_url.to_owned(), registry.hasher.hash_one(key));
    let mut pacers = registry.pacers.lock().unwrap_or_else(PoisonError::into_inner);
    pacers.retain(|_, pacer| Arc::strong_count(pacer) > 1 || !pacer.is_idle());
    let pacer = pacers.entry(name).or_insert_with(|| Arc::new(Pacer::new(limits)));
    pacer.tighten(limits);
    Arc::clone(pacer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::Category;

    #[tokio::test]
    async fn clients_of_one_base_url_and_key_share_a_pacer_as_long_as_it_has_state() {
        let limits = RateLimits::default();
        let one = shared("https://registry.test", "a", limits);
        let same = |pacer: &Arc<Pacer>| Arc::ptr_eq(pacer, &shared("https://registry.test", "a", limits));
        assert!(same(&one));
        assert!(!Arc::ptr_eq(&one, &shared("https://registry.test", "b", limits)));
        assert!(!Arc::ptr_eq(&one, &shared("https://other.test", "a", limits)));

        // Without a client and with an empty log it is removed.
        let weak = Arc::downgrade(&one);
        drop(one);
        let two = shared("https://registry.test", "a", limits);
        assert!(weak.upgrade().is_none());

        // With a request in its log it is kept.
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(1);
        two.acquire(Category::Reads, two.ticket(), deadline, |_| ()).await.unwrap().mark_sent();
        let weak = Arc::downgrade(&two);
        drop(two);
        assert!(same(&weak.upgrade().unwrap()));
    }
}
