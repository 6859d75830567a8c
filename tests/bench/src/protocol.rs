//! The runner's JSON lines, and this process's CPU time and memory.

use std::error::Error;
use std::fs;
use std::io::{self, Write, stdout};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clients::Operation;

/// A request from the runner.
#[derive(Deserialize)]
pub struct Request {
    /// What each call does.
    #[serde(default)]
    pub operation: Operation,
    /// The number of concurrent calls.
    #[serde(default = "one")]
    pub in_flight: usize,
    /// The number of calling threads.
    #[serde(default = "one")]
    pub threads: usize,
    /// Whether pacing is on.
    #[serde(default)]
    pub paced: bool,
    /// The total number of calls.
    pub calls: usize,
}

fn one() -> usize {
    1
}

/// Writes a line to the runner.
#[allow(clippy::print_stdout)]
pub fn write(message: &Value) {
    println!("{message}");
    // Fails only if the runner has ended; then there is nothing left to do.
    let _ = stdout().flush();
}

/// The process's clock and CPU times at one moment.
pub struct Usage {
    wall: Instant,
    cpu: Duration,
    main: Duration,
}

impl Usage {
    /// Reads the current times. The calling thread counts as the main thread.
    pub fn now() -> Self {
        Usage { wall: Instant::now(), cpu: clock(ClockId::ProcessCPUTime), main: clock(ClockId::ThreadCPUTime) }
    }

    /// The times since then, divided by a number of calls.
    ///
    /// # Errors
    ///
    /// If the process's peak size cannot be read.
    pub fn per_call(&self, calls: usize) -> Result<Value, Box<dyn Error>> {
        let now = Usage::now();
        let each = |time: Duration| time.as_secs_f64() * 1e6 / calls as f64;
        Ok(json!({
            "calls": calls,
            "wall_us": each(now.wall - self.wall),
            "cpu_us": each(now.cpu - self.cpu),
            "main_cpu_us": each(now.main - self.main),
            "peak_kb": status("VmHWM")?,
        }))
    }
}

fn clock(id: ClockId) -> Duration {
    let now = clock_gettime(id);
    let seconds = Duration::from_secs(u64::try_from(now.tv_sec).unwrap_or_default());
    seconds + Duration::from_nanos(u64::try_from(now.tv_nsec).unwrap_or_default())
}

/// Resets the kernel's record of this process's peak size.
///
/// # Errors
///
/// If the kernel does not allow it.
pub fn reset_peak() -> io::Result<()> {
    fs::write("/proc/self/clear_refs", "5")
}

/// The process's resident memory.
///
/// # Errors
///
/// If it cannot be read.
pub fn resident_bytes() -> Result<u64, Box<dyn Error>> {
    Ok(status("VmRSS")? * 1_024)
}

fn status(field: &str) -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    Ok(line.and_then(|rest| rest.split_whitespace().next()).ok_or("no such field")?.parse()?)
}
