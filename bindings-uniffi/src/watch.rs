//! Watches, and waits for a status: watches of one item. A host that wants to be told of their reads gets them as events, each before
//! the item that it leads to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use celper::bindings::watch::{EndedRead, Reads, WaitInput, WatchHandle, WatchItem, rejected_watch};
use celper::bindings::{Argument, seconds};
use celper::{Client, Error};
use tokio::sync::Notify;

use crate::batch::BatchEvent;
use crate::failure::Failure;
use crate::logs::{LogSink, within};
use crate::output::state_outcome;
use crate::record::to_bytes;
use crate::{NAMES, lock};

/// The most reads that are kept for a host. It is not told of those that end while it takes none.
const MOST_READS: usize = 256;

/// What a watch watches, or what a wait waits for.
#[derive(uniffi::Record)]
pub struct WatchOptions {
    /// The candidates' ids; a wait has one.
    pub candidate_ids: Vec<String>,
    /// The id of the candidates' job position.
    pub job_position_id: String,
    /// The statuses of a wait; a watch has no list.
    pub until: Option<Vec<String>>,
    /// The timeout of a wait, in seconds.
    pub timeout: Option<f64>,
    /// Whether each read is an event, [`BatchEvent::Read`].
    pub observed: bool,
    /// A `traceparent` header for the requests of observed reads.
    pub traceparent: Option<String>,
    /// Up to which level the watch logs; see [`CallInput`](crate::CallInput).
    pub log_level: u8,
}

/// A watch that has started, and what the host has not taken of it.
pub(crate) struct Watch {
    handle: WatchHandle,
    reads: Arc<EndedReads>,
    /// An item for which there are reads to be given before.
    kept: Mutex<Option<Result<Option<WatchItem>, Error>>>,
}

impl Watch {
    pub(crate) fn start(client: Client, options: WatchOptions, sink: Option<LogSink>) -> Result<Self, Error> {
        let WatchOptions { mut candidate_ids, job_position_id, until, timeout, observed, traceparent, log_level: _ } =
            options;
        let reads = Arc::new(EndedReads::default());
        let wanted = observed.then(|| {
            let reads = Arc::clone(&reads);
            Reads { traceparent, ended: Arc::new(move |read| reads.push(read)) }
        });
        let scope = move |poll: &mut dyn FnMut()| within(sink, poll);
        let handle = match until {
            None => WatchHandle::start_observed(client, candidate_ids, job_position_id, scope, wanted)?,
            Some(until) => {
                let timeout = timeout.map(|timeout| seconds(Argument::Timeout, NAMES, timeout)).transpose();
                let timeout = timeout.map_err(rejected_watch)?;
                let candidate_id = candidate_ids.pop().unwrap_or_default();
                let input = WaitInput { candidate_id, job_position_id, until, timeout };
                WatchHandle::start_wait(client, input, scope, wanted)?
            }
        };
        Ok(Watch { handle, reads, kept: Mutex::default() })
    }

    /// The next event. Dropping the future loses nothing.
    pub(crate) async fn next(&self) -> Result<BatchEvent, Error> {
        let kept = lock(&self.kept).take();
        let item = match kept {
            Some(item) => item,
            None => tokio::select! {
                biased;
                read = self.reads.next() => return Ok(read.into()),
                item = self.handle.next() => item,
            },
        };
        // The item's read may have ended after the reads were looked at, and before the item was.
        if let Some(read) = self.reads.pop() {
            *lock(&self.kept) = Some(item);
            return Ok(read.into());
        }
        Ok(item?.map_or(BatchEvent::End, BatchEvent::from))
    }

    /// Ends the watch, and gives the reads that were not taken.
    pub(crate) fn stop(&self) -> Vec<BatchEvent> {
        // Fails in a forked child only, which has no watch.
        let _ = self.handle.stop();
        let item = lock(&self.kept).take();
        drop(item);
        std::iter::from_fn(|| self.reads.pop()).map(BatchEvent::from).collect()
    }
}

/// The reads that have ended and were not taken.
#[derive(Default)]
struct EndedReads {
    queue: Mutex<VecDeque<EndedRead>>,
    added: Notify,
}

impl EndedReads {
    fn push(&self, read: EndedRead) {
        let mut queue = lock(&self.queue);
        if queue.len() < MOST_READS {
            queue.push_back(read);
            drop(queue);
            self.added.notify_one();
        }
    }

    fn pop(&self) -> Option<EndedRead> {
        lock(&self.queue).pop_front()
    }

    async fn next(&self) -> EndedRead {
        loop {
            if let Some(read) = self.pop() {
                return read;
            }
            self.added.notified().await;
        }
    }
}

impl From<EndedRead> for BatchEvent {
    fn from(read: EndedRead) -> Self {
        BatchEvent::Read {
            candidate_id: read.candidate_id,
            job_position_id: read.job_position_id,
            record: to_bytes(&read.record),
            failure: read.error.map(Failure::from),
        }
    }
}

impl From<WatchItem> for BatchEvent {
    fn from(item: WatchItem) -> Self {
        BatchEvent::Watched {
            candidate_id: item.candidate_id,
            outcome: state_outcome(item.result),
            previous_status: item.previous_status.map(|status| status.as_str().to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use celper::bindings::runtime;

    use super::*;

    /// A watch whose first read has ended: nothing listens there.
    fn watch() -> Watch {
        let client = Client::builder().api_key("celp_secret").base_url("http://127.0.0.1:1").build().unwrap();
        let options = WatchOptions {
            candidate_ids: vec!["c1".to_owned()],
            job_position_id: "p".to_owned(),
            until: None,
            timeout: None,
            observed: true,
            traceparent: None,
            log_level: 0,
        };
        let watch = Watch::start(client, options, None).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while lock(&watch.reads.queue).is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        watch
    }

    fn next(watch: &Watch) -> BatchEvent {
        runtime().unwrap().block_on(watch.next()).unwrap()
    }

    #[test]
    fn an_item_waits_for_the_reads_before_it() {
        let watch = watch();
        *lock(&watch.kept) = Some(Ok(None));
        let BatchEvent::Read { candidate_id, failure, record, .. } = next(&watch) else { panic!("not a read") };
        assert_eq!((candidate_id.as_str(), failure.unwrap().kind.as_str()), ("c1", "connection"));
        assert!(!record.is_empty());
        assert!(matches!(next(&watch), BatchEvent::End), "the item is still there");
    }

    #[test]
    fn a_watch_that_is_stopped_gives_the_reads_that_were_not_taken() {
        let watch = watch();
        assert!(matches!(watch.stop().as_slice(), [BatchEvent::Read { .. }]));
        assert!(matches!(next(&watch), BatchEvent::End));
    }
}
