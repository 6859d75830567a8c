//! What the process's life does to threads in native code: the interpreter ends, the process forks.
//!
//! An interpreter that ends kills every other thread (a daemon thread in the middle of a call) as soon as it asks for the GIL,
//! by unwinding its stack; native frames on that stack turn this into an abort of the process. So a thread is *inside*
//! from before it asks for the GIL until it is back in Python code, and the interpreter's end first waits until nobody is
//! inside and then lets nobody in.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// How many threads are inside.
static INSIDE: AtomicUsize = AtomicUsize::new(0);
/// Set once, when the interpreter begins to end.
static ENDING: AtomicBool = AtomicBool::new(false);
/// How many forks lie between the first process and this one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Longer than any thread stays inside, unless a log handler of the user's hangs; then an abort is better than a hang.
const PATIENCE: Duration = Duration::from_secs(2);

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
        if let Some(inside) = Inside::enter() {
            return inside;
        }
        py.detach(|| halt())
    }

    /// For a thread of the runtime's, before it asks for the GIL; none when the interpreter has begun to end.
    pub(crate) fn from_outside() -> Option<Self> {
        Inside::enter()
    }

    fn enter() -> Option<Self> {
        // Counted first and checked second, while the end is announced first and counted second: one sees the other.
        INSIDE.fetch_add(1, Ordering::SeqCst);
        let inside = Inside { generation: generation() };
        // Dropping it counts the thread out again.
        (!ENDING.load(Ordering::SeqCst) || ENDS_HERE.get()).then_some(inside)
    }

    /// Runs `work` without the GIL, and not inside. Does not return when the interpreter has begun to end meanwhile.
    pub(crate) fn leave<T: Send>(self, py: Python<'_>, work: impl FnOnce() -> T + Send) -> (Self, T) {
        drop(self);
        py.detach(|| {
            let result = work();
            (Inside::enter().unwrap_or_else(|| halt()), result)
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

/// Keeps a daemon thread from the GIL until the process is gone.
fn halt() -> ! {
    loop {
        thread::park();
    }
}

#[pyfunction]
fn interpreter_ends(py: Python<'_>) {
    ENDS_HERE.set(true);
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
