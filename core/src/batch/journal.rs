//! The journal of a batch: a file that records what was sent and how it ended, also when the process ends at any moment.
//!
//! The line that an action is about to be sent is on the disk before the action is sent; lines that are written at about the
//! same time share one `fsync`. The line that a request has ended is written at once, and reaches the disk with the next
//! `fsync`. If it is lost in a power failure, the request counts as under way.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::keys::RequestId;
use super::record::{FORMAT, Header, Line, RecordedState, VERSION, to_line};
use crate::argument::{Argument, NameStyle};
use crate::error::Error;
use crate::request::new_idempotency_key;

/// The longest line that is read. No line that is written is longer.
const MAX_LINE: u64 = 8 * 1024 * 1024;

/// How long a journal is waited for that another batch has locked, and how often that is tried.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);
const LOCK_INTERVAL: Duration = Duration::from_millis(10);

/// An open journal.
pub(super) struct Journal {
    pub(super) batch_id: String,
    writer: Arc<Writer>,
    index: HashMap<RequestId, Position>,
    done_ahead: u64,
}

/// Where the last line of a request begins, and whether the request is done.
#[derive(Clone, Copy, Debug)]
struct Position(u64);

impl Position {
    const DONE: u64 = 1 << 63;

    fn new(offset: u64, done: bool) -> Self {
        Position(offset | if done { Position::DONE } else { 0 })
    }

    fn offset(self) -> u64 {
        self.0 & !Position::DONE
    }

    fn is_done(self) -> bool {
        self.0 & Position::DONE != 0
    }
}

/// What opening a journal needs to know.
pub(super) struct Opening {
    pub(super) path: PathBuf,
    pub(super) batch_id: Option<String>,
    pub(super) base_url: String,
    pub(super) names: NameStyle,
}

impl Journal {
    /// Opens a journal, or creates it.
    pub(super) async fn open(opening: Opening) -> Result<Self, Error> {
        let opened = blocking(move || opening.open()).await;
        opened.unwrap_or_else(|| Err(Error::invalid_argument("the runtime ended while the journal was opened")))
    }

    /// What is known of a request from earlier runs. Each request is asked for once.
    pub(super) async fn take_state(&mut self, id: RequestId) -> Result<Option<RecordedState>, Error> {
        let Some(position) = self.index.remove(&id) else { return Ok(None) };
        if position.is_done() {
            self.done_ahead = self.done_ahead.saturating_sub(1);
        }
        let writer = Arc::clone(&self.writer);
        let read = blocking(move || writer.read_state(position.offset())).await;
        read.unwrap_or_else(|| Err(Error::invalid_argument("the runtime ended while the journal was read"))).map(Some)
    }

    /// How many requests are done that were not asked for yet.
    pub(super) fn done_ahead(&self) -> u64 {
        self.done_ahead
    }

    /// Brings everything to the disk and lets others open the journal. Nothing is being written any more.
    pub(super) async fn close(self) {
        let writer = self.writer;
        let close = move || {
            let file = writer.file();
            let _ = file.sync_data();
            let _ = file.unlock();
        };
        let _ = blocking(close).await;
    }

    pub(super) fn writer(&self) -> &Arc<Writer> {
        &self.writer
    }
}

impl Opening {
    fn open(self) -> Result<Journal, Error> {
        let path = self.path.as_path();
        let refused = |error: io::Error| self.refused(&format!("cannot be opened: {error}"));
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(self.refused("is not a regular file; pass the path of a file that the batch may create"));
        }
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        // It names candidates.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(refused)?;
        self.lock(&file)?;
        // Unlocks the file when what follows fails.
        let writer = Writer::new(file, path.to_owned());
        let mut file = writer.file();
        let mut contents = Contents { batch_id: String::new(), index: HashMap::new(), done: 0 };
        let length = self.read(&mut BufReader::new(&mut *file), &mut contents)?;
        let cut = |file: &File| file.set_len(length).and_then(|()| file.sync_data());
        if file.metadata().map_err(refused)?.len() != length {
            cut(&file).map_err(|error| self.refused(&format!("cannot be written: {error}")))?;
        }
        if length == 0 {
            contents.batch_id = match &self.batch_id {
                Some(id) => id.clone(),
                None => new_idempotency_key()?,
            };
            self.begin(&mut file, &contents.batch_id)
                .map_err(|error| self.refused(&format!("cannot be written: {error}")))?;
        }
        drop(file);
        let Contents { batch_id, index, done } = contents;
        Ok(Journal { batch_id, writer: Arc::new(writer), index, done_ahead: done })
    }

    /// Waits a little: a batch that was cancelled a moment ago may still be closing the file.
    fn lock(&self, file: &File) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_TIMEOUT => thread::sleep(LOCK_INTERVAL),
                Err(TryLockError::WouldBlock) => {
                    let problem = "is in use by another batch; wait until that has ended, or use another file";
                    return Err(self.refused(problem));
                }
                // A file system without locks.
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => return Ok(()),
                Err(TryLockError::Error(error)) => return Err(self.refused(&format!("cannot be locked: {error}"))),
            }
        }
    }

    fn begin(&self, file: &mut File, batch_id: &str) -> io::Result<()> {
        let header = Header {
            format: FORMAT.into(),
            version: VERSION,
            batch_id: batch_id.into(),
            base_url: self.base_url.as_str().into(),
        };
        file.write_all(&to_line(&header))?;
        file.sync_all()?;
        // A new file can be lost with its folder's entry. Not every system can open a folder.
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        #[cfg(unix)]
        File::open(folder)?.sync_all()?;
        #[cfg(not(unix))]
        let _ = folder;
        Ok(())
    }

    /// Reads a journal, and returns the length of its valid part. A last line that a crash cut off does not count.
    fn read(&self, reader: &mut impl BufRead, contents: &mut Contents) -> Result<u64, Error> {
        let failed = |error: io::Error| self.refused(&format!("cannot be read: {error}"));
        let mut buffer = Vec::new();
        let complete = read_line(reader, &mut buffer).map_err(failed)?;
        if !complete {
            let start = header_start();
            let begun = buffer.starts_with(start.as_bytes()) || start.as_bytes().starts_with(&buffer);
            // A power failure can leave zeros.
            return if begun || buffer.iter().all(|byte| *byte == 0) { Ok(0) } else { Err(self.not_a_journal()) };
        }
        contents.batch_id = self.check_header(&buffer)?;
        let mut length = buffer.len() as u64;
        for number in 2u64.. {
            if !read_line(reader, &mut buffer).map_err(failed)? {
                break;
            }
            let line = Line::parse(&buffer);
            let Some((line, id)) = line.and_then(|line| line.id().map(|id| (line, id))) else {
                // A power failure can also leave zeros in the middle of data that was not yet on the disk.
                if buffer.contains(&0) {
                    break;
                }
                return Err(self.refused(&format!(
                    "is damaged in line {number}; restore it from a copy, or remove it: within 24 hours the {} alone keeps \
                     a batch from acting twice",
                    Argument::BatchId.name(self.names)
                )));
            };
            let done = line.event == super::record::Event::Done;
            let before = contents.index.insert(id, Position::new(length, done));
            contents.done += u64::from(done);
            contents.done -= u64::from(before.is_some_and(Position::is_done));
            length += buffer.len() as u64;
        }
        Ok(length)
    }

    /// The batch id of a journal that may be continued.
    fn check_header(&self, line: &[u8]) -> Result<String, Error> {
        let header: Option<Header<'_>> = serde_json::from_slice(line).ok();
        let Some(header) = header.filter(|header| header.format == FORMAT) else {
            let is_other_version = line.starts_with(header_start().as_bytes());
            return Err(if is_other_version { self.other_version() } else { self.not_a_journal() });
        };
        if header.version != VERSION {
            return Err(self.other_version());
        }
        let name = Argument::BatchId.name(self.names);
        if let Some(id) = self.batch_id.as_deref().filter(|id| *id != header.batch_id) {
            return Err(self.refused(&format!(
                "belongs to the batch {:?}, and {name} is {id:?}; use another file for another batch",
                header.batch_id
            )));
        }
        if header.base_url != self.base_url {
            return Err(self.refused(&format!(
                "belongs to a batch at {}, and this client's {} is {}; use another file",
                header.base_url,
                Argument::BaseUrl.name(self.names),
                self.base_url
            )));
        }
        Ok(header.batch_id.into_owned())
    }

    fn not_a_journal(&self) -> Error {
        self.refused("exists and is not a journal of a batch; pass the path of another file")
    }

    fn other_version(&self) -> Error {
        self.refused(
            "was written by another version of the SDK; continue the batch with that version, or use another file",
        )
    }

    fn refused(&self, problem: &str) -> Error {
        Error::invalid_argument(format!("{} {} {problem}", Argument::Journal.name(self.names), self.path.display()))
    }
}

struct Contents {
    batch_id: String,
    index: HashMap<RequestId, Position>,
    done: u64,
}

/// How the first line of a journal of any version begins.
fn header_start() -> String {
    format!("{{\"format\":\"{FORMAT}\"")
}

/// Runs work on a thread that may block. `None`: the runtime has ended.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, done) = oneshot::channel();
    start_blocking(Box::new(move || {
        let _ = sender.send(work());
    }));
    done.await.ok()
}

/// Boxed, so that the runtime's part is compiled once.
fn start_blocking(work: Box<dyn FnOnce() + Send>) {
    drop(spawn_blocking(work));
}

/// Reads a line with its end; false when there is none, or only its beginning.
fn read_line(reader: &mut impl BufRead, buffer: &mut Vec<u8>) -> io::Result<bool> {
    buffer.clear();
    let mut limited = reader.take(MAX_LINE);
    limited.read_until(b'\n', buffer)?;
    if buffer.len() as u64 == MAX_LINE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is longer than 8 MiB"));
    }
    Ok(buffer.last() == Some(&b'\n'))
}

/// Appends lines, on a thread that may block.
pub(super) struct Writer {
    file: Mutex<File>,
    path: PathBuf,
    queue: Mutex<Queue>,
}

/// The faults of a simulated disk, by the journal's path.
#[cfg(test)]
pub(super) mod faults {
    use std::collections::HashMap;
    use std::path::PathBuf;
    use std::sync::{LazyLock, Mutex};

    /// How many more bytes fit.
    pub(in crate::batch) static SPACE: LazyLock<Mutex<HashMap<PathBuf, usize>>> = LazyLock::new(Mutex::default);
    /// The length that is certainly on the disk.
    pub(in crate::batch) static SYNCED: LazyLock<Mutex<HashMap<PathBuf, u64>>> = LazyLock::new(Mutex::default);
}

#[derive(Default)]
struct Queue {
    lines: Vec<u8>,
    sync: bool,
    waiting: Vec<oneshot::Sender<()>>,
    is_flushing: bool,
    /// Why nothing can be written any more: a line after one that was written in part would damage the journal.
    failure: Option<String>,
}

impl Writer {
    fn new(file: File, path: PathBuf) -> Self {
        Writer { file: Mutex::new(file), path, queue: Mutex::default() }
    }

    fn file(&self) -> MutexGuard<'_, File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a line; with `sync` it is on the disk afterwards.
    ///
    /// # Errors
    ///
    /// When this line or an earlier one could not be written. Then no further line can be.
    pub(super) async fn append(self: &Arc<Self>, line: &Line<'_>, sync: bool) -> Result<(), Error> {
        let (sender, written) = oneshot::channel();
        let start_flush = {
            let mut queue = self.queue();
            if let Some(failure) = &queue.failure {
                return Err(self.failed(failure));
            }
            queue.lines.append(&mut line.to_bytes());
            queue.sync |= sync;
            queue.waiting.push(sender);
            !std::mem::replace(&mut queue.is_flushing, true)
        };
        if start_flush {
            let writer = Arc::clone(self);
            start_blocking(Box::new(move || writer.flush()));
        }
        match written.await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.failed(self.queue().failure.as_deref().unwrap_or("the runtime has ended"))),
        }
    }

    /// Writes lines until the queue is empty. Lines that are queued meanwhile are written together.
    fn flush(&self) {
        loop {
            let (lines, sync, waiting) = {
                let mut queue = self.queue();
                if queue.lines.is_empty() {
                    queue.is_flushing = false;
                    return;
                }
                (std::mem::take(&mut queue.lines), std::mem::take(&mut queue.sync), std::mem::take(&mut queue.waiting))
            };
            if let Err(error) = self.write(&lines, sync) {
                let mut queue = self.queue();
                queue.failure = Some(error.to_string());
                queue.lines.clear();
                // The receivers learn of the failure from their dropped senders.
                queue.waiting.clear();
                return;
            }
            waiting.into_iter().for_each(|sender| {
                let _ = sender.send(());
            });
        }
    }

    fn write(&self, lines: &[u8], sync: bool) -> io::Result<()> {
        let mut file = self.file();
        let length = file.metadata()?.len();
        let written = self.write_all(&mut file, lines);
        if written.is_err() {
            // Best effort: the next run ignores a line that is cut off.
            let _ = file.set_len(length);
        }
        written?;
        if sync {
            file.sync_data()?;
            #[cfg(test)]
            faults::SYNCED.lock().unwrap().insert(self.path.clone(), length + lines.len() as u64);
        }
        Ok(())
    }

    fn write_all(&self, file: &mut File, lines: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        if let Some(space) = faults::SPACE.lock().unwrap().get_mut(&self.path) {
            let fits = lines.len().min(*space);
            *space -= fits;
            if fits < lines.len() {
                file.write_all(&lines[..fits])?;
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        file.write_all(lines)
    }

    fn read_state(&self, offset: u64) -> Result<RecordedState, Error> {
        let mut buffer = Vec::new();
        let mut file = self.file();
        let read =
            file.seek(SeekFrom::Start(offset)).and_then(|_| read_line(&mut BufReader::new(&mut *file), &mut buffer));
        let state = match read {
            Ok(_) => Line::parse(&buffer).and_then(|line| line.state()),
            Err(error) => return Err(self.failed(&error.to_string())),
        };
        state.ok_or_else(|| self.failed("it was changed by another program"))
    }

    fn failed(&self, problem: &str) -> Error {
        let path = self.path.display();
        Error::invalid_argument(format!(
            "the journal {path} cannot be continued ({problem}); the batch has ended, and nothing was sent that is not in it"
        ))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Closing the file does not unlock it when a forked child has a copy of it. A child never gets here: it has none of
        // the tasks that own the journal.
        let _ = self.file().unlock();
    }
}
