//! Interpreter shutdown and fork, and what they mean for threads in native code.
//!
//! During shutdown the interpreter kills any other thread (a daemon thread in the middle of a call, for example) that asks for
//! the GIL, by unwinding its stack. Native frames on that stack turn this into an abort of the process. A [`NativeGuard`]
//! therefore covers each thread from before it asks for the GIL until it is back in Python code. An exit handler waits until no
//! guard is left, and then holds back new ones for as long as the shutdown takes.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;

/// How many guards exist.
static GUARDS: AtomicUsize = AtomicUsize::new(0);
/// Set once, when the interpreter begins to shut down.
static SHUTTING_DOWN: AtomicBool = AtomicBool::new(false);
/// When the shutdown began.
static SHUTDOWN_STARTED: OnceLock<Instant> = OnceLock::new();
/// How many forks separate this process from the first one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// How long shutdown waits for guards. No thread holds one this long unless a user's log handler hangs, and then an abort is
/// better than a hang.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(2);
/// How long new guards are held back after shutdown began. Longer than a shutdown takes, unless a later exit handler waits for
/// such a thread: the thread must then continue, or both would wait forever.
const HOLD: Duration = Duration::from_secs(1);

thread_local! {
    /// Whether this thread shuts the interpreter down. Its guards are not held back: other exit handlers make calls.
    static IS_SHUTDOWN_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Identifies this process among those that it was forked from.
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Whether this process was forked after it had `generation`.
pub(crate) fn is_other_process(generation_before: u32) -> bool {
    generation_before != generation()
}

/// Keeps the interpreter from shutting down while a thread is in native code.
pub(crate) struct NativeGuard {
    generation: u32,
}

impl NativeGuard {
    /// For a thread that comes from Python code and holds the GIL.
    pub(crate) fn new(py: Python<'_>) -> Self {
        NativeGuard::try_new().unwrap_or_else(|| py.detach(NativeGuard::new_after_hold))
    }

    /// For a thread that does not hold the GIL, before it asks for it.
    pub(crate) fn without_gil() -> Self {
        NativeGuard::try_new().unwrap_or_else(NativeGuard::new_after_hold)
    }

    fn new_after_hold() -> Self {
        let elapsed = SHUTDOWN_STARTED.get().map_or(HOLD, Instant::elapsed);
        thread::sleep(HOLD.saturating_sub(elapsed));
        GUARDS.fetch_add(1, Ordering::SeqCst);
        NativeGuard { generation: generation() }
    }

    fn try_new() -> Option<Self> {
        // The guard is counted before the flag is read, and shutdown sets the flag before it reads the count: at least one of the
        // two sees the other.
        GUARDS.fetch_add(1, Ordering::SeqCst);
        let guard = NativeGuard { generation: generation() };
        // Dropping the guard decrements the count.
        (!SHUTTING_DOWN.load(Ordering::SeqCst) || IS_SHUTDOWN_THREAD.get()).then_some(guard)
    }

    /// Runs `work` with neither the GIL nor the guard.
    pub(crate) fn release<T: Send>(self, py: Python<'_>, work: impl FnOnce() -> T + Send) -> (Self, T) {
        drop(self);
        py.detach(|| {
            let result = work();
            (NativeGuard::without_gil(), result)
        })
    }
}

impl Drop for NativeGuard {
    fn drop(&mut self) {
        // A forked child resets the count.
        if !is_other_process(self.generation) {
            GUARDS.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

#[pyfunction]
fn before_shutdown(py: Python<'_>) {
    IS_SHUTDOWN_THREAD.set(true);
    let _ = SHUTDOWN_STARTED.set(Instant::now());
    SHUTTING_DOWN.store(true, Ordering::SeqCst);
    py.detach(|| {
        let start = Instant::now();
        while GUARDS.load(Ordering::SeqCst) > 0 && start.elapsed() < SHUTDOWN_WAIT {
            thread::sleep(Duration::from_micros(100));
        }
    });
}

#[pyfunction]
fn after_fork_in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    // The guards belonged to threads of the parent process.
    GUARDS.store(0, Ordering::SeqCst);
}

/// The id of the interpreter that imported this module first. The runtime, the classes and the shutdown hook are per process.
static INTERPRETER: AtomicI64 = AtomicI64::new(-1);

/// Fails in a subinterpreter. mod_wsgi creates subinterpreters, and Python before 3.12 imports this module in them.
pub(crate) fn reject_subinterpreters() -> PyResult<()> {
    // SAFETY: the calling thread holds the GIL because it imports a module, so there is a current interpreter.
    #[allow(unsafe_code, reason = "PyO3 has no safe function for this")]
    let current = unsafe { pyo3::ffi::PyInterpreterState_GetID(pyo3::ffi::PyInterpreterState_Get()) };
    match INTERPRETER.compare_exchange(-1, current, Ordering::SeqCst, Ordering::SeqCst) {
        Err(first) if first != current => Err(PyImportError::new_err(
            "celper cannot be imported in a subinterpreter; under mod_wsgi set `WSGIApplicationGroup %{GLOBAL}`",
        )),
        _ => Ok(()),
    }
}

/// Registers the shutdown and fork hooks.
pub(crate) fn register_hooks(py: Python<'_>) -> PyResult<()> {
    py.import("atexit")?.call_method1("register", (wrap_pyfunction!(before_shutdown, py)?,))?;
    let os = py.import("os")?;
    if os.hasattr("register_at_fork")? {
        let hooks = pyo3::types::PyDict::new(py);
        hooks.set_item("after_in_child", wrap_pyfunction!(after_fork_in_child, py)?)?;
        os.call_method("register_at_fork", (), Some(&hooks))?;
    }
    Ok(())
}
