//! What the process's life does to threads in native code: the interpreter ends, the process forks.
//!
//! An interpreter that ends kills every other thread (a daemon thread in the middle of a call) as soon as it asks for the GIL,
//! by unwinding its stack; native frames on that stack turn this into an abort of the process. So a thread is *inside*
//! from before it asks for the GIL until it is back in Python code, and the interpreter's end first waits until nobody is
//! inside and then lets nobody in, for as long as an end takes.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;

/// How many threads are inside.
static INSIDE: AtomicUsize = AtomicUsize::new(0);
/// Set once, when the interpreter begins to end.
static ENDING: AtomicBool = AtomicBool::new(false);
/// When that was.
static ENDING_SINCE: OnceLock<Instant> = OnceLock::new();
/// How many forks lie between the first process and this one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Longer than any thread stays inside, unless a log handler of the user's hangs; then an abort is better than a hang.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long threads stay out when the interpreter begins to end. Longer than an end takes, unless an exit handler that comes
/// after ours waits for such a thread: then it must go on, or both would wait for ever.
const GRACE: Duration = Duration::from_secs(1);

thread_local! {
    /// Whether this is the thread that ends the interpreter. It alone still may, for other exit handlers make calls.
    static ENDS_HERE: Cell<bool> = const { Cell::new(false) };
}

/// Tells a process from the one that it was forked from.
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Whether the process was forked since then.
pub(crate) fn is_other_process(since: u32) -> bool {
    since != generation()
}

/// This thread is inside.
pub(crate) struct Inside {
    generation: u32,
}

impl Inside {
    /// For a thread that comes from Python code, with the GIL.
    pub(crate) fn new(py: Python<'_>) -> Self {
        Inside::enter().unwrap_or_else(|| py.detach(Inside::enter_late))
    }

    /// For a thread without the GIL, before it asks for it.
    pub(crate) fn from_outside() -> Self {
        Inside::enter().unwrap_or_else(Inside::enter_late)
    }

    fn enter_late() -> Self {
        let since = ENDING_SINCE.get().map_or(GRACE, Instant::elapsed);
        thread::sleep(GRACE.saturating_sub(since));
        INSIDE.fetch_add(1, Ordering::SeqCst);
        Inside { generation: generation() }
    }

    fn enter() -> Option<Self> {
        // Counted first and checked second, while the end is announced first and counted second: one sees the other.
        INSIDE.fetch_add(1, Ordering::SeqCst);
        let inside = Inside { generation: generation() };
        // Dropping it counts the thread out again.
        (!ENDING.load(Ordering::SeqCst) || ENDS_HERE.get()).then_some(inside)
    }

    /// Runs `work` without the GIL, and not inside.
    pub(crate) fn leave<T: Send>(self, py: Python<'_>, work: impl FnOnce() -> T + Send) -> (Self, T) {
        drop(self);
        py.detach(|| {
            let result = work();
            (Inside::from_outside(), result)
        })
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // In a forked child the count began anew.
        if !is_other_process(self.generation) {
            INSIDE.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

#[pyfunction]
fn interpreter_ends(py: Python<'_>) {
    ENDS_HERE.set(true);
    let _ = ENDING_SINCE.set(Instant::now());
    ENDING.store(true, Ordering::SeqCst);
    py.detach(|| {
        let since = Instant::now();
        while INSIDE.load(Ordering::SeqCst) > 0 && since.elapsed() < PATIENCE {
            thread::sleep(Duration::from_micros(100));
        }
    });
}

#[pyfunction]
fn forked() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    // Whoever was inside was a thread of the parent.
    INSIDE.store(0, Ordering::SeqCst);
}

/// The interpreter that this library serves, by its id; one process has one runtime, one set of classes, and one end.
static INTERPRETER: AtomicI64 = AtomicI64::new(-1);

/// Refuses an interpreter beside the one that came first: mod_wsgi makes such, and Python before 3.12 lets them in.
pub(crate) fn refuse_subinterpreters() -> PyResult<()> {
    // SAFETY: the calling thread holds the GIL, as it imports a module, so that there is a current interpreter.
    #[allow(unsafe_code, reason = "PyO3 has no safe way to ask")]
    let this = unsafe { pyo3::ffi::PyInterpreterState_GetID(pyo3::ffi::PyInterpreterState_Get()) };
    match INTERPRETER.compare_exchange(-1, this, Ordering::SeqCst, Ordering::SeqCst) {
        Err(first) if first != this => Err(PyImportError::new_err(
            "celper works in one interpreter of a process; under mod_wsgi set `WSGIApplicationGroup %{GLOBAL}`",
        )),
        _ => Ok(()),
    }
}

/// Has Python say when the interpreter ends and when the process was forked.
pub(crate) fn watch(py: Python<'_>) -> PyResult<()> {
    py.import("atexit")?.call_method1("register", (wrap_pyfunction!(interpreter_ends, py)?,))?;
    let os = py.import("os")?;
    if os.hasattr("register_at_fork")? {
        let hooks = pyo3::types::PyDict::new(py);
        hooks.set_item("after_in_child", wrap_pyfunction!(forked, py)?)?;
        os.call_method("register_at_fork", (), Some(&hooks))?;
    }
    Ok(())
}
