//! The store of one machine: a small file that the processes of one user share, under a file lock.
//!
//! A step reads the file, changes the log and writes it, in 10 to 30 µs. A file that is missing, damaged or of another format is
//! replaced, and each process enters its own slots again.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use super::shared_log::SharedLog;
use super::store::{RateLimitStore, Reply, Step, StepDone, StoreError};
use crate::digest::name_of;

/// Changes with the file's layout, and is part of its name: versions of the SDK with another layout use another file.
const LAYOUT: &str = "celper-rate-limits-1";

/// The first bytes of the file; the last of them changes with the layout as well.
const MAGIC: &[u8; 8] = b"celper\0\x01";

/// The length of the header.
const HEADER: usize = 24;

/// A larger file is not ours.
const MAX_LENGTH: u64 = 4 * 1024 * 1024;

/// How often a lock is tried, and the wait between two tries. A step takes less than that.
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_WAIT: Duration = Duration::from_micros(50);

/// Files that were not used for this long are removed.
const UNUSED: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug)]
pub(super) struct MachineFile {
    path: PathBuf,
    /// Kept between steps, so that a step allocates next to nothing.
    buffers: Mutex<Buffers>,
}

#[derive(Debug, Default)]
struct Buffers {
    bytes: Vec<u8>,
    log: SharedLog,
}

impl MachineFile {
    /// The file for the budget with this name; its folder is made if it does not exist.
    pub(super) fn new(budget: &str) -> io::Result<Self> {
        let folder = system::folder()?;
        remove_unused(&folder);
        let name = name_of(&[LAYOUT, &system::boot_id(), budget]);
        MachineFile::at(folder.join(name))
    }

    fn at(path: PathBuf) -> io::Result<Self> {
        let file = MachineFile { path, buffers: Mutex::default() };
        file.open()?;
        Ok(file)
    }

    fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        system::private_file(&mut options);
        match options.open(&self.path) {
            // The folder may have been removed, as old files in the temporary folder are.
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.is_in(&system::folder()?) => {
                options.open(&self.path)
            }
            opened => opened,
        }
    }

    fn is_in(&self, folder: &Path) -> bool {
        self.path.parent() == Some(folder)
    }

    fn locked(&self) -> Result<(File, Metadata), StoreError> {
        for _ in 0..LOCK_ATTEMPTS {
            // Opened for each step: the file may have been replaced, and a forked child must not share its parent's lock.
            let file = self.open().map_err(|error| self.unavailable(&error))?;
            match file.try_lock() {
                Ok(()) => {
                    let metadata = file.metadata().map_err(|error| self.unavailable(&error))?;
                    if !metadata.is_file() {
                        let error = io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file");
                        return Err(self.unavailable(&error));
                    }
                    // Otherwise it was removed before it was locked.
                    if system::is_linked(&metadata) {
                        return Ok((file, metadata));
                    }
                }
                Err(TryLockError::WouldBlock) => sleep(LOCK_WAIT),
                Err(TryLockError::Error(error)) => return Err(self.unavailable(&error)),
            }
        }
        Err(StoreError::Busy)
    }

    fn unavailable(&self, error: &io::Error) -> StoreError {
        StoreError::Unavailable(format!("{}: {error}", self.path.display()))
    }

    fn step_now(&self, step: &Step) -> Result<Reply, StoreError> {
        let (file, metadata) = self.locked()?;
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let Buffers { bytes, log } = &mut *buffers;
        // Few system calls: each costs more than the work on the log.
        let length = usize::try_from(metadata.len()).ok().filter(|_| metadata.len() <= MAX_LENGTH);
        bytes.resize(length.unwrap_or(0), 0);
        let read = system::read_at_start(&file, bytes).map_err(|error| self.unavailable(&error))?;
        bytes.truncate(read);
        if decode(bytes, log).is_none() {
            *log = SharedLog::new(step.new_epoch);
        }
        let reply = log.step(system::now_millis(), step);
        encode(log, bytes);
        let emptied = if length.is_none() { file.set_len(0) } else { Ok(()) };
        let written = emptied.and_then(|()| system::write_at_start(&file, bytes));
        written.map_err(|error| self.unavailable(&error))?;
        Ok(reply)
    }
}

impl RateLimitStore for MachineFile {
    fn step(&self, step: Step, done: StepDone) {
        done(self.step_now(&step));
    }

    fn location(&self) -> String {
        self.path.display().to_string()
    }
}

/// The header (what the file is, how many words follow, and their checksum), and the log's words.
fn encode(log: &SharedLog, bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.extend_from_slice(&[0; HEADER]);
    log.append_to(bytes);
    let Some((header, body)) = bytes.split_first_chunk_mut::<HEADER>() else { return };
    let count = u64::try_from(body.len() / 8).unwrap_or(u64::MAX);
    let (parts, _) = header.as_chunks_mut::<8>();
    parts.iter_mut().zip([*MAGIC, count.to_le_bytes(), checksum(body)]).for_each(|(part, value)| *part = value);
}

/// `None` for a file that is not whole or not ours.
fn decode(bytes: &[u8], log: &mut SharedLog) -> Option<()> {
    let (magic, bytes) = bytes.split_first_chunk::<8>()?;
    let (count, bytes) = bytes.split_first_chunk::<8>()?;
    let (expected, bytes) = bytes.split_first_chunk::<8>()?;
    // A shorter log leaves the rest of a longer one behind it.
    let body = bytes.get(..usize::try_from(u64::from_le_bytes(*count)).ok()?.checked_mul(8)?)?;
    if magic != MAGIC || *expected != checksum(body) {
        return None;
    }
    log.read_from(body)
}

fn checksum(body: &[u8]) -> [u8; 8] {
    let digest = ring::digest::digest(&ring::digest::SHA256, body);
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}

fn remove_unused(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let age = modified.ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
        if age.is_some_and(|age| age > UNUSED) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(unix)]
mod system {
    use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};

    use rustix::fs::OFlags;
    use rustix::process::geteuid;
    use rustix::time::{ClockId, clock_gettime};

    use super::{DirBuilder, File, Metadata, OpenOptions, Path, PathBuf, fs, io};

    /// The time since the machine's start: the clock is the same for all its processes and cannot be set.
    pub(super) fn now_millis() -> u64 {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let clock = ClockId::Boottime;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let clock = ClockId::Monotonic;
        let now = clock_gettime(clock);
        let millis = now.tv_sec.saturating_mul(1_000).saturating_add(now.tv_nsec / 1_000_000);
        u64::try_from(millis).unwrap_or(0)
    }

    /// Identifies the clock. It is another one after each start of the machine, and on another machine that shares the folder.
    pub(super) fn boot_id() -> String {
        fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
    }

    /// In the user's runtime folder, if there is one, because that does not depend on `TMPDIR`.
    pub(super) fn folder() -> io::Result<PathBuf> {
        let user = geteuid().as_raw();
        let runtime = PathBuf::from(format!("/run/user/{user}"));
        let (parent, name) = if owned(&runtime, user).is_ok() {
            (runtime, "celper".to_owned())
        } else {
            (std::env::temp_dir(), format!("celper-{user}"))
        };
        let folder = parent.join(name);
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => owned(&folder, user)?,
        }
        Ok(folder)
    }

    /// Checks that no other user can write into a folder: every user can make folders and links in the temporary folder.
    fn owned(folder: &Path, user: u32) -> io::Result<()> {
        let metadata = fs::symlink_metadata(folder)?;
        let private = metadata.permissions().mode() & 0o077 == 0;
        if metadata.is_dir() && metadata.uid() == user && private {
            return Ok(());
        }
        let message = format!("{} is not a private folder of this user", folder.display());
        Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
    }

    pub(super) fn private_file(options: &mut OpenOptions) {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options.mode(0o600).custom_flags(i32::try_from(flags.bits()).unwrap_or(0));
    }

    pub(super) fn is_linked(metadata: &Metadata) -> bool {
        metadata.nlink() > 0
    }

    pub(super) fn read_at_start(file: &File, bytes: &mut [u8]) -> io::Result<usize> {
        file.read_at(bytes, 0)
    }

    pub(super) fn write_at_start(file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all_at(bytes, 0)
    }
}

#[cfg(not(unix))]
mod system {
    use std::io::{Read, Seek, SeekFrom, Write};

    use super::{DirBuilder, File, Metadata, OpenOptions, PathBuf, SystemTime, io};

    /// The system's time of day: a clock that is set back makes waits longer by as much, at most by a lease.
    pub(super) fn now_millis() -> u64 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn boot_id() -> String {
        String::new()
    }

    /// Windows gives each user a temporary folder that others cannot read.
    pub(super) fn folder() -> io::Result<PathBuf> {
        let folder = std::env::temp_dir().join("celper");
        DirBuilder::new().recursive(true).create(&folder)?;
        Ok(folder)
    }

    pub(super) fn private_file(_: &mut OpenOptions) {}

    /// A file that is open cannot be removed there.
    pub(super) fn is_linked(_: &Metadata) -> bool {
        true
    }

    pub(super) fn read_at_start(mut file: &File, bytes: &mut [u8]) -> io::Result<usize> {
        file.read(bytes)
    }

    pub(super) fn write_at_start(mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.seek(SeekFrom::Start(0))?;
        file.write_all(bytes)
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::sync::mpsc;

    use super::*;
    use crate::pacing::RateLimits;
    use crate::pacing::store::ByCategory;

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let folder = std::env::temp_dir().join(format!("celper-test-{:x}", crate::pacing::random_u64()));
            fs::create_dir(&folder).unwrap();
            Folder(folder)
        }

        fn file(&self) -> MachineFile {
            MachineFile::at(self.0.join("log")).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// Asks for one action, of which there are two.
    fn step(number: u64) -> Step {
        let limits = RateLimits::default();
        Step {
            process: 7,
            capacity: ByCategory { reads: limits.reads, actions: 2 },
            total: limits.total,
            window: limits.window,
            known_epoch: None,
            new_epoch: number,
            updates: Vec::new(),
            ask: ByCategory { reads: Vec::new(), actions: vec![number] },
            lease: limits.window,
            holds: ByCategory::default(),
        }
    }

    fn granted(file: &MachineFile, number: u64) -> bool {
        file.step_now(&step(number)).unwrap().granted.actions == [number]
    }

    #[test]
    fn a_log_is_kept_between_steps_and_begun_again_when_it_is_torn_foreign_or_gone() {
        let folder = Folder::new();
        let file = folder.file();
        assert!(granted(&file, 1) && granted(&file, 2) && !granted(&file, 3));
        assert!(granted(&file, 1), "a repeated step gets what the first one got");
        let whole = fs::read(&file.path).unwrap();
        let mut flipped = whole.clone();
        flipped[50] ^= 1;
        let huge = vec![b' '; usize::try_from(MAX_LENGTH).unwrap() + 1];
        let garbage =
            [&b""[..], b"\n", b"celper\0\x02\0\0\0\0", b"\xff\xfe", &whole[..whole.len() / 2], &flipped, &huge];
        for (at, content) in garbage.into_iter().enumerate() {
            fs::write(&file.path, content).unwrap();
            let granted = [4, 5, 6].map(|number| granted(&file, number));
            assert_eq!(granted, [true, true, false], "{at}");
        }
        fs::remove_file(&file.path).unwrap();
        assert!(granted(&file, 7) && granted(&file, 8) && !granted(&file, 9));
    }

    #[test]
    fn the_file_is_private_and_no_link_is_followed() {
        let folder = Folder::new();
        let file = folder.file();
        assert_eq!(fs::metadata(&file.path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_file(&file.path).unwrap();
        let other = folder.0.join("other");
        fs::write(&other, "precious").unwrap();
        symlink(&other, &file.path).unwrap();
        assert!(matches!(file.step_now(&step(1)), Err(StoreError::Unavailable(_))));
        assert_eq!(fs::read(&other).unwrap(), b"precious");
        fs::remove_file(&file.path).unwrap();
        fs::create_dir(&file.path).unwrap();
        assert!(matches!(file.step_now(&step(1)), Err(StoreError::Unavailable(_))));
        assert!(MachineFile::at(folder.0.join("missing").join("log")).is_err());
    }

    #[test]
    fn a_held_lock_does_not_block_for_long() {
        let folder = Folder::new();
        let file = folder.file();
        let holder = file.open().unwrap();
        holder.lock().unwrap();
        let (sender, receiver) = mpsc::channel();
        file.step(step(1), Box::new(move |result| sender.send(result).unwrap()));
        assert!(matches!(receiver.try_recv(), Ok(Err(StoreError::Busy))));
        drop(holder);
        assert!(granted(&file, 1));
    }

    #[test]
    fn unused_files_are_removed_after_a_day() {
        let folder = Folder::new();
        let old = folder.0.join("old");
        fs::write(&old, "").unwrap();
        let before = SystemTime::now() - UNUSED - Duration::from_secs(60);
        File::options().write(true).open(&old).unwrap().set_modified(before).unwrap();
        let file = folder.file();
        remove_unused(&folder.0);
        assert!(!old.exists() && file.path.exists());
    }

    #[test]
    fn concurrent_threads_never_get_more_than_there_is() {
        let folder = Folder::new();
        let count = |numbers: std::ops::Range<u64>| -> usize {
            let file = folder.file();
            let ask = |number| loop {
                match file.step_now(&step(number)) {
                    Err(StoreError::Busy) => {}
                    reply => return reply.unwrap().granted.actions.len(),
                }
            };
            numbers.map(ask).sum()
        };
        let count = &count;
        let all: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|at| scope.spawn(move || count(at * 50..at * 50 + 50))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(all, 2);
    }
}
