//! Batches: the host feeds rows and takes items; the core's [`BatchHandle`] decides everything else. A watch or a wait is a
//! batch without rows.
//!
//! There is one asynchronous function, [`NativeBatch::wait`], because each that is exported makes the libraries in apps larger.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use celper::bindings::batch::{self, BatchHandle, BatchRowItem};
use celper::bindings::rejected_call;
use celper::{BatchProgress, Client, Error};

use crate::call::{CallInput, NativeClient};
use crate::failure::Failure;
use crate::lock;
use crate::logs::{LogSink, within};
use crate::output::{Outcome, item_outcome};
use crate::watch::{Watch, WatchOptions};

/// The options of a batch.
#[derive(uniffi::Record)]
pub struct BatchOptions {
    /// The batch's name, from which the idempotency keys are derived.
    pub batch_id: Option<String>,
    /// The journal's path.
    pub journal: Option<String>,
    /// How many rows there are, for the progress.
    pub total: Option<u64>,
    /// Up to which level the batch logs; see [`CallInput`].
    pub log_level: u8,
}

/// What the host waits for.
#[derive(Clone, Copy, uniffi::Enum)]
pub enum BatchWait {
    /// The batch is started, once: [`BatchEvent::Ready`] or [`BatchEvent::Failed`].
    Start,
    /// Rows are wanted: [`BatchEvent::WantsRows`].
    Rows,
    /// A row has ended: [`BatchEvent::Item`], [`BatchEvent::End`] or [`BatchEvent::Failed`].
    Item,
    /// Either of both, for a host that does not feed and take at the same time.
    RowsOrItem,
    /// Nothing is under way any more, after [`NativeBatch::stop`]: [`BatchEvent::Ready`].
    Finished,
}

/// What has happened.
#[allow(clippy::large_enum_variant, reason = "serialized at once")]
#[derive(uniffi::Enum)]
pub enum BatchEvent {
    /// The batch is started, or finished.
    Ready,
    /// Rows are wanted.
    WantsRows {
        /// How many; 0: none any more.
        count: u32,
    },
    /// A row has ended.
    Item {
        /// The row's index.
        index: u64,
        /// Its result or error.
        outcome: Outcome,
        /// The key under which an action was sent.
        idempotency_key: Option<String>,
        /// The result is an earlier run's.
        resumed: bool,
        /// Nothing was sent, because the batch was ended.
        not_attempted: bool,
        /// The result is the candidate's state, which shows that the action took place.
        already_done: bool,
    },
    /// A read of a watch or a wait has ended, of which the host wants to be told.
    Read {
        /// The candidate's id.
        candidate_id: String,
        /// The id of the candidate's job position.
        job_position_id: String,
        /// What the read did: the bytes of a [`RecordData`](crate::RecordData).
        record: Vec<u8>,
        /// The error.
        failure: Option<Failure>,
    },
    /// A candidate was read for the first time, has changed, or is no longer watched; or it has a status that was waited for.
    Watched {
        /// The candidate's id.
        candidate_id: String,
        /// Its state, or the error for which it is no longer watched.
        outcome: Outcome,
        /// The status before.
        previous_status: Option<String>,
    },
    /// There are no more items.
    End,
    /// The batch could not be started, or a fault of the core ended it.
    Failed {
        /// The error.
        failure: Failure,
    },
}

/// How far a batch is; times are in seconds.
#[derive(Default, uniffi::Record)]
pub struct BatchCounts {
    /// The batch's name, once it is started: the host's, or the journal's. Here, as another function would be larger.
    pub batch_id: Option<String>,
    /// Rows that have ended.
    pub done: u64,
    /// Rows with a result.
    pub succeeded: u64,
    /// Rows with an error.
    pub failed: u64,
    /// Rows that were not attempted.
    pub not_attempted: u64,
    /// Rows whose result is an earlier run's.
    pub resumed: u64,
    /// Rows that were sent and have not ended.
    pub in_flight: u64,
    /// The number of all rows.
    pub total: Option<u64>,
    /// The time until all are done.
    pub eta: Option<f64>,
    /// The time until the next row is sent, when the rate limit lets none through now.
    pub rate_limit_wait: Option<f64>,
}

/// A batch that the host feeds, a watch or a wait. Dropping a batch starts nothing more, and lets what is under way finish.
#[derive(uniffi::Object)]
pub struct NativeBatch {
    client: Client,
    sink: Option<LogSink>,
    total: Option<u64>,
    state: Mutex<State>,
}

struct State {
    /// Taken when it is started.
    start: Option<Start>,
    started: Option<Started>,
    is_stopped: bool,
}

enum Start {
    Batch(batch::BatchOptions),
    Watch(WatchOptions),
}

#[derive(Clone)]
enum Started {
    Batch(BatchHandle),
    Watch(Arc<Watch>),
}

#[uniffi::export]
impl NativeClient {
    /// A batch, which [`BatchWait::Start`] starts.
    pub fn batch(&self, options: BatchOptions) -> Arc<NativeBatch> {
        let BatchOptions { batch_id, journal, total, log_level } = options;
        let options = batch::BatchOptions { batch_id, journal: journal.map(Into::into), total };
        self.not_started(Start::Batch(options), total, log_level)
    }

    /// A watch or a wait, which [`BatchWait::Start`] starts; [`BatchWait::Item`] gives [`BatchEvent::Watched`] and
    /// [`BatchEvent::Read`], and what a wait fails with as [`BatchEvent::Failed`].
    pub fn watch(&self, options: WatchOptions) -> Arc<NativeBatch> {
        let log_level = options.log_level;
        self.not_started(Start::Watch(options), None, log_level)
    }
}

impl NativeClient {
    fn not_started(&self, start: Start, total: Option<u64>, log_level: u8) -> Arc<NativeBatch> {
        let sink = self.logs().to_level(log_level);
        let state = State { start: Some(start), started: None, is_stopped: false };
        Arc::new(NativeBatch { client: self.client().clone(), sink, total, state: Mutex::new(state) })
    }
}

#[uniffi::export]
impl NativeBatch {
    /// Waits for an event.
    pub async fn wait(&self, wait: BatchWait) -> BatchEvent {
        self.event(wait).await.unwrap_or_else(|error| BatchEvent::Failed { failure: error.into() })
    }

    /// Adds a row, or one that the host has `refused` for this reason. False: the batch takes no more.
    pub fn push(&self, row: CallInput, refused: Option<String>) -> bool {
        let row = row.into_operation_input().and_then(|input| match refused {
            Some(reason) => Err(rejected_call(&input, Error::invalid_argument(reason))),
            None => Ok(input),
        });
        self.batch().is_some_and(|batch| batch.push(row).unwrap_or_default())
    }

    /// There are no further rows. With an `error`, without a full stop, the host's source failed.
    pub fn end_rows(&self, error: Option<String>) {
        // Only a forked process gets errors.
        if let Some(batch) = self.batch() {
            let _ = match error {
                Some(message) => batch.fail_rows(&message),
                None => batch.end_rows(),
            };
        }
    }

    /// How far the batch is.
    pub fn progress(&self) -> BatchCounts {
        let counts = self.batch().and_then(|batch| {
            let batch_id = batch.batch_id().ok()?.map(ToOwned::to_owned);
            Some(counts(batch.progress().ok()?, batch_id))
        });
        counts.unwrap_or_else(|| BatchCounts { total: self.total, ..BatchCounts::default() })
    }

    /// Starts nothing more. What is under way finishes and gives the last items; with `cancel` it is dropped. A watch or a wait ends,
    /// and gives the reads that were not taken.
    pub fn stop(&self, cancel: bool) -> Vec<BatchEvent> {
        self.lock().is_stopped = true;
        let _ = match self.started() {
            Some(Started::Batch(batch)) if cancel => batch.cancel(),
            Some(Started::Batch(batch)) => batch.stop(),
            Some(Started::Watch(watch)) => return watch.stop(),
            None => Ok(()),
        };
        Vec::new()
    }
}

impl NativeBatch {
    async fn event(&self, wait: BatchWait) -> Result<BatchEvent, Error> {
        if matches!(wait, BatchWait::Start) {
            self.start().await?;
            return Ok(BatchEvent::Ready);
        }
        let batch = match self.started() {
            Some(Started::Batch(batch)) => batch,
            Some(Started::Watch(watch)) => return watch.next().await,
            None => return Ok(BatchEvent::End),
        };
        Ok(match wait {
            BatchWait::Start | BatchWait::Finished => {
                batch.finished().await?;
                BatchEvent::Ready
            }
            BatchWait::Rows => {
                BatchEvent::WantsRows { count: u32::try_from(batch.wants_rows().await?).unwrap_or(u32::MAX) }
            }
            BatchWait::Item => batch.next().await?.map_or(BatchEvent::End, BatchEvent::from),
            BatchWait::RowsOrItem => match batch.next_event().await? {
                batch::BatchEvent::WantsRow => BatchEvent::WantsRows { count: 1 },
                batch::BatchEvent::Item(item) => (*item).into(),
                _ => BatchEvent::End,
            },
        })
    }

    async fn start(&self) -> Result<(), Error> {
        let start = {
            let mut state = self.lock();
            let start = state.start.take().ok_or_else(batch::started_batch)?;
            if state.is_stopped {
                return Ok(());
            }
            start
        };
        let (client, sink) = (self.client.clone(), self.sink);
        let started = match start {
            Start::Batch(options) => {
                let scope = move |poll: &mut dyn FnMut()| within(sink, poll);
                Started::Batch(BatchHandle::start_within(client, options, scope).await?)
            }
            Start::Watch(options) => Started::Watch(Arc::new(Watch::start(client, options, sink)?)),
        };
        let mut state = self.lock();
        if state.is_stopped {
            match &started {
                Started::Batch(batch) => batch.stop()?,
                Started::Watch(watch) => drop(watch.stop()),
            }
        }
        state.started = Some(started);
        Ok(())
    }

    /// The batch or watch; `None` if it was not started, or stopped before.
    fn started(&self) -> Option<Started> {
        self.lock().started.clone()
    }

    fn batch(&self) -> Option<BatchHandle> {
        match self.started()? {
            Started::Batch(batch) => Some(batch),
            Started::Watch(_) => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl From<BatchRowItem> for BatchEvent {
    fn from(item: BatchRowItem) -> Self {
        BatchEvent::Item {
            index: item.index,
            outcome: item_outcome(item.result),
            idempotency_key: item.idempotency_key,
            resumed: item.resumed,
            not_attempted: item.not_attempted,
            already_done: item.already_done,
        }
    }
}

fn counts(progress: BatchProgress, batch_id: Option<String>) -> BatchCounts {
    let seconds = |duration: Duration| duration.as_secs_f64();
    BatchCounts {
        batch_id,
        done: progress.done,
        succeeded: progress.succeeded,
        failed: progress.failed,
        not_attempted: progress.not_attempted,
        resumed: progress.resumed,
        in_flight: progress.in_flight,
        total: progress.total,
        eta: progress.eta.map(seconds),
        rate_limit_wait: progress.rate_limit_wait.map(seconds),
    }
}
