//! One watch of a JavaScript environment. Its items are messages of its [`Bridge`](crate::bridge::Bridge).

use std::sync::Arc;

use celper::bindings::watch::{WatchHandle, rejected_watch};
use celper::{Client, Error, bindings};
use napi_derive::napi;

use crate::bridge::Shared;
use crate::outcome::{self, catch_panic};
use crate::scope::Scope;

/// A watch. When JavaScript drops it, it ends.
#[napi]
pub struct NativeWatch {
    id: u32,
    shared: Arc<Shared>,
    /// Why there is none is given when the first item is asked for.
    handle: Result<WatchHandle, Option<Box<Error>>>,
}

impl NativeWatch {
    pub(crate) fn start(scope: Scope, client: Client, candidate_ids: Vec<String>, job_position_id: String) -> Self {
        let (id, shared) = (scope.id, Arc::clone(&scope.shared));
        let handle = catch_panic(|| WatchHandle::start_within(client, candidate_ids, job_position_id, scope.polls()));
        NativeWatch { id, shared, handle: handle.map_err(|error| Some(Box::new(error))) }
    }
}

async fn next_item(id: u32, handle: WatchHandle) -> String {
    let message = match handle.next().await {
        Ok(Some(item)) => catch_panic(|| Ok(outcome::watch_item_json(id, &item))),
        Ok(None) => Ok(outcome::finished_json(id)),
        Err(error) => Err(error),
    };
    message.unwrap_or_else(|error| outcome::error_json(id, &error))
}

#[napi]
impl NativeWatch {
    /// Sends a message with the next item, or that there are no more, or the error that has ended the watch.
    #[napi(catch_unwind)]
    pub fn request_item(&mut self) {
        let id = self.id;
        let handle = match &mut self.handle {
            Ok(handle) => handle.clone(),
            Err(error) => {
                let message =
                    error.take().map_or_else(|| outcome::finished_json(id), |error| outcome::error_json(id, &error));
                return self.shared.push(&message);
            }
        };
        let shared = Arc::clone(&self.shared);
        let spawned = catch_panic(|| {
            bindings::runtime()?.spawn(async move { shared.push(&next_item(id, handle).await) });
            Ok(())
        });
        if let Err(error) = spawned {
            self.shared.push(&outcome::error_json(id, &rejected_watch(error)));
        }
    }

    /// Ends the watch.
    #[napi(catch_unwind)]
    pub fn stop(&self) {
        if let Ok(handle) = &self.handle {
            // Fails in a forked child only, which has no watch.
            let _ = handle.stop();
        }
    }
}

impl Drop for NativeWatch {
    fn drop(&mut self) {
        // Also while an item is waited for, which holds the watch.
        self.stop();
    }
}
