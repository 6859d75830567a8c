//! Keeps the process's latest log lines, of every crate and level, to be searched for secrets.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

/// More than what a call under way beside sixteen others logs.
const KEPT: usize = 2_000;

static LINES: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

pub(crate) fn keep_all() {
    let everything =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(Keeper).with_ansi(false);
    everything.init();
}

pub(crate) fn latest() -> String {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().map(String::as_str).collect()
}

struct Keeper;

impl<'a> MakeWriter<'a> for Keeper {
    type Writer = Keeper;

    fn make_writer(&'a self) -> Keeper {
        Keeper
    }
}

impl io::Write for Keeper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_back(String::from_utf8_lossy(bytes).into_owned());
        if lines.len() > KEPT {
            lines.pop_front();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
