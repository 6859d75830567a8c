//! Which budget a client shares, and through which store.

use std::fmt;

use super::store::Store;
use crate::argument::{Argument, NameStyle};
use crate::digest::name_of;
use crate::error::Error;

/// A budget that clients share.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Budget(String);

impl Budget {
    /// Shared by all clients with this key.
    pub(crate) fn of_key(base_url: &str, key: &str) -> Self {
        Budget(name_of(&[base_url, "key", key]))
    }

    /// Shared by all clients with this name, whatever their keys.
    pub(crate) fn named(base_url: &str, name: &str) -> Self {
        Budget(name_of(&[base_url, "name", name]))
    }

    #[cfg(any(feature = "machine", feature = "redis"))]
    pub(super) fn name(&self) -> &str {
        &self.0
    }
}

/// What happens to calls while the store cannot be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum WhenStoreDown {
    /// Each process uses its share of the limits.
    #[default]
    Share,
    /// They fail.
    Fail,
}

/// Where the log of the windows is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
enum StoreKind {
    #[cfg_attr(not(feature = "machine"), default)]
    Process,
    #[cfg(feature = "machine")]
    #[default]
    Machine,
    #[cfg(feature = "redis")]
    Redis(super::redis_store::RedisUrl),
}

/// The validated options about the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StoreOptions {
    kind: StoreKind,
    pub(crate) when_down: WhenStoreDown,
}

impl StoreOptions {
    pub(crate) fn parse(store: Option<&str>, when_down: Option<&str>, names: NameStyle) -> Result<Self, Error> {
        let kind = match store {
            Some(store) => StoreKind::parse(store, names)?,
            None => StoreKind::default(),
        };
        let when_down = match when_down {
            None | Some("share") => WhenStoreDown::Share,
            Some("fail") => WhenStoreDown::Fail,
            Some(_) => {
                let name = Argument::RateLimitStoreDown.name(names);
                return Err(Error::invalid_argument(format!("{name} must be \"share\" or \"fail\"")));
            }
        };
        Ok(StoreOptions { kind, when_down })
    }

    /// The store, or `None` where the process keeps the log itself. Nothing is connected yet.
    pub(super) fn open(&self, budget: &Budget) -> Option<Store> {
        match &self.kind {
            StoreKind::Process => {
                let _ = budget;
                None
            }
            #[cfg(feature = "machine")]
            StoreKind::Machine => match super::machine::MachineFile::new(budget.name()) {
                Ok(file) => Some(std::sync::Arc::new(file)),
                Err(error) => {
                    report_no_file(&error);
                    None
                }
            },
            #[cfg(feature = "redis")]
            StoreKind::Redis(url) => {
                Some(std::sync::Arc::new(super::redis_store::RedisStore::new(url.clone(), budget.name())))
            }
        }
    }
}

/// Logs the error once per process.
#[cfg(feature = "machine")]
fn report_no_file(error: &std::io::Error) {
    static REPORTED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    if !REPORTED.swap(true, std::sync::atomic::Ordering::Relaxed) {
        tracing::info!(
            target: "celper", error = %error,
            "no file for the machine's rate limits: this process paces its requests by itself (rate limit store \"process\")"
        );
    }
}

impl StoreKind {
    fn parse(store: &str, names: NameStyle) -> Result<Self, Error> {
        let name = Argument::RateLimitStore.name(names);
        match store {
            "process" => Ok(StoreKind::Process),
            #[cfg(feature = "machine")]
            "machine" => Ok(StoreKind::Machine),
            #[cfg(feature = "redis")]
            url if url.starts_with("redis://") || url.starts_with("rediss://") => {
                super::redis_store::RedisUrl::parse(url, name).map(StoreKind::Redis)
            }
            #[cfg(not(feature = "redis"))]
            url if url.starts_with("redis://") || url.starts_with("rediss://") => Err(Error::invalid_argument(
                format!("{name}: this build of the SDK has no Redis; in Rust, turn on the feature `redis`"),
            )),
            // The value may be a URL with a password: it is not repeated.
            _ => Err(Error::invalid_argument(format!(
                "{name} must be \"machine\", \"process\", or a redis:// or rediss:// URL"
            ))),
        }
    }
}

/// The store as an option shows it: without credentials.
impl fmt::Display for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            StoreKind::Process => f.write_str("process"),
            #[cfg(feature = "machine")]
            StoreKind::Machine => f.write_str("machine"),
            #[cfg(feature = "redis")]
            StoreKind::Redis(url) => f.write_str(&url.redacted()),
        }
    }
}
