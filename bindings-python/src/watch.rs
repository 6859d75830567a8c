//! Watches: their items for a thread, for a task of an event loop, or for a greenlet, as in [`batch`](crate::batch).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use celper::bindings::Argument;
use celper::bindings::watch::{Reads, WatchHandle, WatchItem as CoreItem, rejected_watch};
use celper::{Client, OperationOutput};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{IntoPyObjectExt, PyTraverseError, PyVisit};

use crate::arguments::{ArgumentError, any_texts, text};
use crate::batch::{BatchWait, Consumer, Scope, Work, work};
use crate::bridge::lock;
use crate::errors;
use crate::lifetime::NativeGuard;
use crate::results::{self, Status, plain, record, repr, values};

/// A watch. Dropping it ends the watch.
#[pyclass(frozen, module = "celper._celper")]
pub(crate) struct Watch {
    handle: WatchHandle,
    consumer: Py<Consumer>,
    /// Items that could not be handed over because of an interrupt. They are the next ones.
    kept: Arc<Mutex<VecDeque<CoreItem>>>,
}

/// The candidates and their job position.
pub(crate) fn input(
    candidate_ids: &Bound<'_, PyAny>,
    job_position_id: &Bound<'_, PyAny>,
) -> Result<(Vec<String>, String), ArgumentError> {
    let ids = any_texts(Argument::CandidateIds, "an iterable of candidate ids", candidate_ids);
    let convert = || Ok((ids?, text(Argument::JobPositionId, job_position_id)?));
    convert().map_err(|error: ArgumentError| error.map(rejected_watch))
}

pub(crate) fn start(
    py: Python<'_>,
    client: Client,
    (candidate_ids, job_position_id): (Vec<String>, String),
    (consumer, scope): (Py<Consumer>, Option<Scope>),
    reads: Option<Reads>,
) -> PyResult<Watch> {
    let started = match scope {
        Some(scope) => WatchHandle::start_observed(client, candidate_ids, job_position_id, scope, reads),
        None => WatchHandle::start(client, candidate_ids, job_position_id),
    };
    started
        .map(|handle| Watch { handle, consumer, kept: Arc::default() })
        .map_err(|error| errors::to_py_err(py, &error))
}

#[pymethods]
impl Watch {
    /// Waits for the next item; `None` at the end.
    fn next_item(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let consumer = slf.get().consumer.bind(slf.py());
        let kept = Arc::clone(&slf.get().kept);
        let item = slf.get().item(move |py, item| {
            // A signal that came while this thread waited would interrupt it as soon as it has the item, and lose that.
            if let Err(interrupt) = py.check_signals() {
                lock(&kept).push_back(item);
                return Err(interrupt);
            }
            to_python(py, item)
        });
        let item = Consumer::wait(consumer, item)?;
        Consumer::tell_reads(consumer)?;
        if item.is_none(slf.py()) {
            Consumer::serve(consumer)?;
        }
        Ok(item)
    }

    /// Waits on the event loop for the next item; `None` at the end.
    fn next(&self, py: Python<'_>) -> PyResult<BatchWait> {
        let consumer = self.consumer.clone_ref(py);
        let item = self.item(move |py, item| {
            Consumer::tell_reads(consumer.bind(py))?;
            to_python(py, item)
        });
        BatchWait::on_running_loop(py, self.handle.check(), item)
    }

    /// Ends the watch.
    fn stop(&self, py: Python<'_>) -> PyResult<()> {
        self.handle.stop().map_err(|error| errors::to_py_err(py, &error))?;
        Consumer::tell_reads(self.consumer.bind(py))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.consumer)
    }
}

impl Watch {
    fn item(&self, convert: impl FnOnce(Python<'_>, CoreItem) -> PyResult<Py<PyAny>> + Send + 'static) -> Work {
        let (handle, kept) = (self.handle.clone(), Arc::clone(&self.kept));
        let next = async move {
            let kept = lock(&kept).pop_front();
            if kept.is_some() { Ok(kept) } else { handle.next().await }
        };
        work(next, |py, item| item.map_or_else(|| Ok(py.None()), |item| convert(py, item)))
    }
}

fn to_python(py: Python<'_>, item: CoreItem) -> PyResult<Py<PyAny>> {
    let (state, error) = match item.result {
        Ok(state) => (Some(results::to_python(py, OperationOutput::CandidateState(state))?.unbind()), None),
        Err(error) => (None, Some(errors::to_exception(py, &error)?.unbind())),
    };
    let previous_status = item.previous_status.map(|status| Status::from_core(py, &status)).transpose()?;
    WatchItem { candidate_id: item.candidate_id, state, error, previous_status }.into_py_any(py)
}

record! {
    /// A candidate's state, or the ``error`` for which the candidate is no longer watched.
    ///
    ///     for item in watch:
    ///         print(item.candidate_id, item.error or item.state.status)
    WatchItem {
        /// The candidate's id.
        candidate_id: String,
        /// The candidate's state now; ``None`` if there is an ``error``.
        state: Option<Py<PyAny>>,
        /// The error that ended watching this candidate, such as a ``NotFoundError``; ``None`` if there is a ``state``.
        error: Option<Py<PyAny>>,
        /// The candidate's status before; ``None`` in the candidate's first item.
        previous_status: Option<Status>,
    }

    #[new]
    #[pyo3(signature = (*, candidate_id, state = None, error = None, previous_status = None))]
    fn new(
        candidate_id: String,
        state: Option<Py<PyAny>>,
        error: Option<Py<PyAny>>,
        previous_status: Option<Status>,
    ) -> Self {
        WatchItem { candidate_id, state, error, previous_status }
    }

    /// An error that was raised refers to its frames, and these may refer to the item.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.state)?;
        visit.call(&self.error)
    }
}
