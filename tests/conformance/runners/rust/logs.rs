//! Keeps the process's latest log lines, of every crate and level. The harness searches them for secrets.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

/// More lines than one call logs while the other concurrent cases log too.
const CAPACITY: usize = 2_000;

static LINES: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

pub(crate) fn capture() {
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(Buffer).with_ansi(false).init();
}

pub(crate) fn latest() -> String {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().map(String::as_str).collect()
}

struct Buffer;

impl<'a> MakeWriter<'a> for Buffer {
    type Writer = Buffer;

    fn make_writer(&'a self) -> Buffer {
        Buffer
    }
}

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_back(String::from_utf8_lossy(bytes).into_owned());
        if lines.len() > CAPACITY {
            lines.pop_front();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
