//! The folder of hourly files: which of them is being written, and when the next one is begun.
//!
//! Invariant: a file is begun under a name of its own, and gets its final name only once a journal holds a mark of it; until
//! then it is as if it were not there. So after a kill at any moment nothing has to be guessed: the marked file is cut back,
//! and what was begun and not marked goes.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::keeper::Keeper;
use super::mark::{RecordsMark, identity};
use super::names::{Form, HOUR, LAST_PART, Name, list};

/// Nanoseconds of an hour.
const HOUR_NANOSECONDS: u64 = HOUR * 1_000_000_000;
/// Time without a record after which the clock alone begins a file: just after the hour's change, what comes may still belong
/// to the hour before. Nanoseconds.
const QUIET: u64 = 10_000_000_000;

/// Where hourly files lie and how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The folder.
    pub path: PathBuf,
    /// Files whose hour ended longer ago go.
    pub keep: Duration,
    /// Bytes of all files together past which the oldest go early.
    pub max_bytes: u64,
    /// Bytes past which a file is followed by another one of the same hour.
    pub file_bytes: u64,
    /// Cores that compressing may use.
    pub share: f64,
}

/// The folder.
#[derive(Debug)]
pub struct Folder {
    settings: Settings,
    open: Option<Open>,
    keeper: Keeper,
    /// Beginning a file failed; not tried again before the next second.
    stuck: bool,
    /// When there was a record last, nanoseconds since 1970 in UTC.
    busy: u64,
}

#[derive(Debug)]
struct Open {
    file: File,
    name: Name,
    /// No journal holds a mark of it yet.
    begun: bool,
}

impl Folder {
    /// Opens the folder, made with mode 0750 where there is none, and goes on with the marked file, or the last one of this
    /// hour, or a new one. What cannot be opened is tried again every second. `now`: nanoseconds since 1970 in UTC.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn open(settings: Settings, mark: Option<&RecordsMark>, now: u64) -> io::Result<Self> {
        let mark = mark.filter(|mark| mark.path.parent() == Some(&settings.path));
        settle(&settings.path, mark);
        let keeper = Keeper::start(settings.clone())?;
        let mut folder = Self {
            settings,
            open: None,
            keeper,
            stuck: false,
            busy: now,
        };
        folder.open = folder.going_on(mark, now / HOUR_NANOSECONDS);
        match &folder.open {
            Some(open) => folder.keeper.current(open.name),
            None => drop(folder.begin(now / HOUR_NANOSECONDS)),
        }
        Ok(folder)
    }

    /// The file that is being written, and how far: `None` while none can be.
    pub fn mark(&self, torn: usize) -> Option<RecordsMark> {
        let open = self.open.as_ref()?;
        let path = open.name.path(&self.settings.path, Form::Plain);
        RecordsMark::of(path, &open.file, torn).ok()
    }

    /// The file that is being written.
    pub fn file(&mut self) -> Option<&mut File> {
        self.open.as_mut().map(|open| &mut open.file)
    }

    /// The hour of a record, where it begins another file. `end`: of the exchange, nanoseconds since 1970 in UTC.
    pub fn turns_at(&self, end: u64) -> Option<u64> {
        let open = self.open.as_ref().filter(|open| !open.begun)?;
        let hour = end / HOUR_NANOSECONDS;
        (hour > open.name.hour && !self.stuck).then_some(hour)
    }

    /// The hour of the file that is to be begun now, where one is: the hour has passed without a record, the clock was set
    /// back, or the file is long.
    pub fn is_due(&self, now: u64) -> Option<u64> {
        let open = self
            .open
            .as_ref()
            .filter(|open| !open.begun && !self.stuck)?;
        let (hour, before) = (now / HOUR_NANOSECONDS, open.name.hour);
        let passed = hour > before && now.saturating_sub(self.busy) >= QUIET;
        if passed || hour + 1 < before {
            return Some(hour);
        }
        let long = |bytes| bytes >= self.settings.file_bytes;
        let is_long = open
            .file
            .metadata()
            .is_ok_and(|metadata| long(metadata.len()));
        is_long.then(|| hour.max(before))
    }

    /// Begins a file. When that fails the one before stays in use.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn begin(&mut self, hour: u64) -> io::Result<()> {
        let begun = self.free_name(hour).and_then(|name| {
            let path = name.path(&self.settings.path, Form::Begun);
            let file = OpenOptions::new()
                .append(true)
                .create_new(true)
                .mode(0o640)
                .open(path)?;
            // Whatever the umask says: others may be meant to read it.
            file.set_permissions(Permissions::from_mode(0o640))?;
            Ok((name, file))
        });
        self.stuck = begun.is_err();
        let (name, file) = begun?;
        self.open = Some(Open {
            file,
            name,
            begun: true,
        });
        Ok(())
    }

    /// Leaves the next file for later: the one before has not taken all that belongs to it.
    pub fn wait(&mut self) {
        self.stuck = true;
    }

    /// Says that a journal holds the last mark: a begun file gets its name, and those before it may be compressed.
    ///
    /// # Errors
    /// When it cannot get its name; tried again with the next mark.
    pub fn committed(&mut self) -> io::Result<()> {
        let Some(open) = self.open.as_mut().filter(|open| open.begun) else {
            return Ok(());
        };
        // Before it has its name: whoever sees it knows that it is not closed.
        self.keeper.current(open.name);
        let [from, to] =
            [Form::Begun, Form::Plain].map(|form| open.name.path(&self.settings.path, form));
        match fs::rename(from, to) {
            Ok(()) => {
                open.begun = false;
                Ok(())
            }
            Err(error) => {
                // Somebody removed it, or all of the folder.
                if error.kind() == io::ErrorKind::NotFound {
                    self.open = None;
                }
                Err(error)
            }
        }
    }

    /// What is done every second. `wrote`: whether there were records since the last time.
    ///
    /// # Errors
    /// When no file can be begun where none is open.
    pub fn tick(&mut self, now: u64, wrote: bool) -> io::Result<()> {
        self.stuck = false;
        if wrote || now < self.busy {
            self.busy = now;
        }
        if self.open.is_none() {
            return self.begin(now / HOUR_NANOSECONDS);
        }
        Ok(())
    }

    /// Opens the file anew where it was moved away.
    ///
    /// # Errors
    /// When that fails; the old one stays in use.
    pub fn reopen(&mut self) -> io::Result<bool> {
        let Some(open) = self.open.as_mut().filter(|open| !open.begun) else {
            return Ok(false);
        };
        let path = open.name.path(&self.settings.path, Form::Plain);
        let ours = identity(&open.file.metadata()?);
        if fs::metadata(&path).is_ok_and(|metadata| identity(&metadata) == ours) {
            return Ok(false);
        }
        make(&self.settings.path)?;
        open.file = append(&path)?;
        Ok(true)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.settings.path
    }

    /// What went wrong with closed files, and files that went early: reason and count.
    pub fn dropped(&self) -> [(&'static str, u64); 2] {
        self.keeper.dropped()
    }

    fn going_on(&self, mark: Option<&RecordsMark>, hour: u64) -> Option<Open> {
        let entries = list(&self.settings.path).unwrap_or_default();
        let mut plain = entries.iter().filter(|entry| entry.form == Form::Plain);
        let marked = |path: &Path| mark.is_some_and(|mark| mark.path == path && mark.is_at(path));
        let entry = plain
            .clone()
            .find(|entry| marked(&entry.path))
            .or_else(|| plain.rfind(|entry| entry.name.hour == hour))?;
        // Compressed already: what was meant to go is not written to.
        if entry
            .name
            .path(&self.settings.path, Form::Compressed)
            .exists()
        {
            return None;
        }
        Some(Open {
            file: append(&entry.path).ok()?,
            name: entry.name,
            begun: false,
        })
    }

    fn free_name(&self, hour: u64) -> io::Result<Name> {
        make(&self.settings.path)?;
        let entries = list(&self.settings.path)?;
        let taken = entries.iter().filter(|entry| entry.name.hour == hour);
        let part = taken
            .map(|entry| entry.name.part + 1)
            .max()
            .unwrap_or_default();
        if part > LAST_PART {
            return Err(io::Error::other("too many files in one hour"));
        }
        Ok(Name { hour, part })
    }
}

/// Ends what the process before had begun: what no mark knows goes, because it is written again; without any mark it stays.
fn settle(folder: &Path, mark: Option<&RecordsMark>) {
    for entry in list(folder).unwrap_or_default() {
        if entry.form == Form::Begun {
            // What cannot be moved now stays as it is: it is read all the same.
            let _ = match mark {
                Some(_) => fs::remove_file(&entry.path),
                None => fs::rename(&entry.path, entry.name.path(folder, Form::Plain)),
            };
        }
    }
}

fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o750).create(folder)?;
    fs::set_permissions(folder, Permissions::from_mode(0o750))
}

/// Opens a file to append to. A line that a power cut left unfinished is ended, so that only that one is damaged.
fn append(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .append(true)
        .read(true)
        .create(true)
        .mode(0o640)
        .open(path)?;
    let length = file.metadata()?.len();
    let mut last = [b'\n'];
    if length > 0 {
        file.read_exact_at(&mut last, length - 1)?;
    } else {
        file.set_permissions(Permissions::from_mode(0o640))?;
    }
    if last != [b'\n'] {
        file.write_all(b"\n")?;
    }
    Ok(file)
}
