//! Lines from and to the runner, and what a process has spent so far.

use std::error::Error;
use std::fs;
use std::io::{self, Write, stdout};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clients::Operation;

/// What the runner asks for.
#[derive(Deserialize)]
pub struct Request {
    /// What each call does.
    #[serde(default)]
    pub operation: Operation,
    /// So many calls at once.
    #[serde(default = "one")]
    pub in_flight: usize,
    /// From so many threads.
    #[serde(default = "one")]
    pub threads: usize,
    /// Through the pacer.
    #[serde(default)]
    pub paced: bool,
    /// So many calls in all.
    pub calls: usize,
}

fn one() -> usize {
    1
}

/// Answers the runner.
#[allow(clippy::print_stdout)]
pub fn write(answer: &Value) {
    println!("{answer}");
    // The runner is gone when this fails, and so is what to do.
    let _ = stdout().flush();
}

/// What this process has spent at one moment.
pub struct Spent {
    wall: Instant,
    cpu: Duration,
    main: Duration,
}

impl Spent {
    /// At this moment, with the calling thread as the main one.
    pub fn now() -> Self {
        Spent { wall: Instant::now(), cpu: clock(ClockId::ProcessCPUTime), main: clock(ClockId::ThreadCPUTime) }
    }

    /// What has been spent since, for each of so many calls.
    ///
    /// # Errors
    ///
    /// When the system does not tell the process's size.
    pub fn answer(&self, calls: usize) -> Result<Value, Box<dyn Error>> {
        let now = Spent::now();
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

/// Lets the system's record of this process's largest size begin again.
///
/// # Errors
///
/// When it cannot.
pub fn forget_peak() -> io::Result<()> {
    fs::write("/proc/self/clear_refs", "5")
}

/// The process's size in memory.
///
/// # Errors
///
/// When the system does not tell it.
pub fn resident_bytes() -> Result<u64, Box<dyn Error>> {
    Ok(status("VmRSS")? * 1_024)
}

fn status(field: &str) -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    Ok(line.and_then(|rest| rest.split_whitespace().next()).ok_or("no such field")?.parse()?)
}
