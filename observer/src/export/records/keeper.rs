//! The thread that compresses files that are closed, and removes those that are too old or too many.
//!
//! Invariant: it touches neither the file that is being written nor any after which none was begun safely. It is told of a
//! file before that file has its name, and asks what it was told after it has looked: so what it sees is closed. It takes a small share of a
//! core, at the lowest priority: what it does can wait. What it cannot do is counted and tried again.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::process::setpriority_process;
use rustix::time::{ClockId, clock_gettime};

use super::folder::Settings;
use super::names::{Entry, Form, HOUR, Name, list};

/// How often it looks at what is too old.
const LOOK: Duration = Duration::from_secs(600);
/// Read and compressed at a time. Bytes.
const CHUNK: usize = 64 * 1024;
/// Of 200 MB of records it leaves a thirteenth, at 170 MB a second; level 3 leaves a tenth more, and level 6 takes 1.4 times as
/// long for 2 % less.
const LEVEL: Compression = Compression::new(5);
/// Lowest priority (sched(7)).
const NICE: i32 = 19;

/// The thread. It ends with this.
#[derive(Debug)]
pub struct Keeper {
    current: Option<Sender<Name>>,
    thread: Option<JoinHandle<()>>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    failed: AtomicU64,
    removed: AtomicU64,
}

impl Keeper {
    /// Starts it. It does nothing before it is told of a current file.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn start(settings: Settings) -> io::Result<Self> {
        let (current, told) = mpsc::channel();
        let counts = Arc::new(Counts::default());
        let work = Work {
            settings,
            told,
            current: Name { hour: 0, part: 0 },
            counts: Arc::clone(&counts),
        };
        let thread = thread::Builder::new()
            .name("records".to_owned())
            .spawn(move || work.run())?;
        Ok(Self {
            current: Some(current),
            thread: Some(thread),
            counts,
        })
    }

    /// Says which file is being written from now on, safely: those before it are closed for good.
    pub fn current(&self, name: Name) {
        if let Some(current) = &self.current {
            // A thread that is gone does nothing; nothing depends on it.
            let _ = current.send(name);
        }
    }

    /// What failed, and how many files went early: reason and count.
    pub fn dropped(&self) -> [(&'static str, u64); 2] {
        [
            ("keeping_failed", self.counts.failed.load(Ordering::Relaxed)),
            (
                "file_removed_early",
                self.counts.removed.load(Ordering::Relaxed),
            ),
        ]
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.current = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Whether it goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    On,
    Stop,
}

struct Work {
    settings: Settings,
    told: Receiver<Name>,
    current: Name,
    counts: Arc<Counts>,
}

impl Work {
    fn run(mut self) {
        // On Linux this is of the calling thread only. Where it is refused, the share of a core holds all the same.
        let _ = setpriority_process(None, NICE);
        let Ok(current) = self.told.recv() else {
            return;
        };
        self.current = current;
        for entry in self.closed() {
            if entry.form == Form::Unfinished {
                self.remove(&entry.path);
            }
        }
        loop {
            self.sweep();
            for entry in self.closed() {
                if entry.form == Form::Plain && self.compress(&entry) == Next::Stop {
                    return;
                }
            }
            match self.told.recv_timeout(LOOK) {
                Ok(name) => self.current = name,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Removes what is empty, what is too old, and the oldest of what is too much.
    fn sweep(&mut self) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let too_old = now.saturating_sub(self.settings.keep.as_secs());
        // The current file grows on into what is left.
        let most = self
            .settings
            .max_bytes
            .saturating_sub(self.settings.file_bytes);
        let closed = self.closed();
        let mut bytes: u64 = closed.iter().map(|entry| entry.bytes).sum();
        for entry in closed {
            let early = bytes > most;
            let empty = entry.form == Form::Plain && entry.bytes == 0;
            let old = (entry.name.hour + 1) * HOUR <= too_old;
            if early || empty || old {
                bytes -= entry.bytes;
                self.remove(&entry.path);
                let removed = u64::from(early && !empty && !old);
                self.counts.removed.fetch_add(removed, Ordering::Relaxed);
            }
        }
    }

    fn compress(&mut self, entry: &Entry) -> Next {
        if !entry.path.exists() {
            return Next::On;
        }
        let to = entry.name.path(&self.settings.path, Form::Compressed);
        if is_whole(&to, entry.bytes) {
            self.remove(&entry.path);
            return Next::On;
        }
        let half = entry.name.path(&self.settings.path, Form::Unfinished);
        let result = self.deflate(&entry.path, &half);
        let result = result.and_then(|next| {
            // It went meanwhile: by age, by size, or by somebody's hand.
            if next == Next::Stop || !entry.path.exists() {
                fs::remove_file(&half)?;
                return Ok(next);
            }
            fs::rename(&half, &to)?;
            File::open(&self.settings.path)?.sync_all()?;
            fs::remove_file(&entry.path)?;
            Ok(next)
        });
        result.unwrap_or_else(|_| {
            self.counts.failed.fetch_add(1, Ordering::Relaxed);
            let _ = fs::remove_file(&half);
            Next::On
        })
    }

    /// Compresses a file into another one, on disk when this returns.
    fn deflate(&mut self, from: &Path, to: &Path) -> io::Result<Next> {
        let mut from = File::open(from)?;
        let to = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o640)
            .open(to)?;
        to.set_permissions(Permissions::from_mode(0o640))?;
        let mut encoder = GzEncoder::new(to, LEVEL);
        let mut chunk = vec![0; CHUNK];
        let pace = Pace::new(self.settings.share);
        loop {
            let read = from.read(&mut chunk)?;
            if read == 0 {
                break;
            }
            encoder.write_all(chunk.get(..read).unwrap_or_default())?;
            match self.told.recv_timeout(pace.rest()) {
                Ok(name) => {
                    self.current = name;
                    // Files may come faster than they are compressed: the oldest go meanwhile.
                    self.sweep();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(Next::Stop),
            }
        }
        encoder.finish()?.sync_all()?;
        Ok(Next::On)
    }

    /// The files that nobody writes to any more, by name.
    fn closed(&mut self) -> Vec<Entry> {
        let mut entries = list(&self.settings.path).unwrap_or_else(|error| {
            // Without a folder there is nothing to keep.
            let failed = u64::from(error.kind() != io::ErrorKind::NotFound);
            self.counts.failed.fetch_add(failed, Ordering::Relaxed);
            Vec::new()
        });
        self.current = self.told.try_iter().last().unwrap_or(self.current);
        entries.retain(|entry| entry.form != Form::Begun && entry.name != self.current);
        entries
    }

    fn remove(&self, path: &Path) {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

/// Whether a compressed file holds so many bytes: it got its name when it was whole, and its original had no time to go.
fn is_whole(path: &Path, bytes: u64) -> bool {
    let size = || {
        let mut file = File::open(path)?;
        // RFC 1952 section 2.3.1: the length modulo 2^32 stands at the end.
        file.seek(SeekFrom::End(-4))?;
        let mut size = [0; 4];
        file.read_exact(&mut size)?;
        Ok::<_, io::Error>(u32::from_le_bytes(size))
    };
    size().is_ok_and(|size| u64::from(size) == bytes & 0xffff_ffff)
}

/// Holds the thread to a share of a core.
struct Pace {
    share: f64,
    begun: Instant,
    used: Duration,
}

impl Pace {
    fn new(share: f64) -> Self {
        Self {
            share,
            begun: Instant::now(),
            used: used(),
        }
    }

    /// How long to rest now.
    fn rest(&self) -> Duration {
        let wanted = used()
            .saturating_sub(self.used)
            .div_f64(self.share.max(0.001));
        wanted.saturating_sub(self.begun.elapsed())
    }
}

/// CPU time of this thread.
fn used() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
