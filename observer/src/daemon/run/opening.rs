//! Opening ledger, journal and pins at the start, and finding out what the process before left.

use std::path::{Path, PathBuf};

use super::super::config::Config;
use super::super::failure::Failure;
use super::super::reading;
use super::books::Books;
use super::respond::Kept;
use super::watch::Watch;
use crate::awareness::{Awareness, Incident};
use crate::export::notify::{Notifier, Targets};
use crate::export::records::{self, RecordSink, RecordsError};
use crate::identity::Registry;
use crate::kernel::pins::{self, Pins};
use crate::kernel::{Kernel, LEASE};
use crate::pipeline::Pipeline;
use crate::route::{Learned, Saved};
use crate::store::{self, Journal, Retention, StoreError, Writer};
use crate::usage::batch::BaselineRow;

/// Of the CPU time that the daemon may use, compressing old records takes this part at most.
const COMPRESSING: f64 = 5.0;

/// What was opened.
pub struct Opened {
    /// Where maps and links are pinned, until the kernel side takes it.
    pub pins: Option<Pins>,
    /// The ledger's writer.
    pub writer: Writer,
    journal: Option<Journal>,
    path: PathBuf,
    ledger: String,
    routes: Vec<Saved<Learned>>,
    baselines: Vec<BaselineRow>,
    incidents: Vec<Incident>,
    responses: Kept,
}

/// Opens everything. What cannot be opened is said, and observing goes on without it.
///
/// # Errors
/// When the ledger is a later version's, or no thread can be started.
pub fn open(config: &Config) -> Result<Opened, Failure> {
    let path = journal_path(config);
    let journal = Journal::read(&path).unwrap_or_else(|error| {
        tracing::error!("journal: {error}; what it held is lost");
        None
    });
    let known = journal.as_ref().map(|journal| journal.mark.ledger.clone());
    let file = &config.ledger.path;
    let opened = store::open(file, known.as_deref()).or_else(|error| {
        if !error.is_corruption() {
            return Err(error);
        }
        let aside = store::set_aside(file)?;
        tracing::error!(
            "ledger: {error}; set aside as {}, a new one is begun",
            aside.display()
        );
        store::open(file, known.as_deref())
    });
    let ledger = match opened {
        Ok(ledger) => Some(ledger),
        Err(error @ StoreError::Later { .. }) => return Err(Failure::input("ledger", error)),
        Err(error) => {
            tracing::error!("ledger: {error}; usage is kept in memory until it can be opened");
            None
        }
    };
    let id = ledger.as_ref().and_then(|ledger| store::id(ledger).ok());
    let routes = ledger
        .as_ref()
        .and_then(|ledger| store::routes(ledger).ok());
    let baselines = ledger
        .as_ref()
        .and_then(|ledger| store::baselines(ledger).ok());
    let incidents = ledger
        .as_ref()
        .and_then(|ledger| store::standing(ledger).ok())
        .unwrap_or_default();
    let responses = Kept {
        actions: ledger
            .as_ref()
            .and_then(|ledger| store::actions(ledger, None).ok())
            .unwrap_or_default(),
        spellings: ledger
            .as_ref()
            .and_then(|ledger| store::spellings(ledger).ok())
            .unwrap_or_default(),
    };
    let writer = Writer::start(file, ledger, retention(config))
        .map_err(|error| Failure::support("starting a thread", error))?;
    let id = id.or(known);
    let pins = match &id {
        Some(id) => Pins::open(id, config.capture.ring_bytes.0),
        None => Err(std::io::Error::other("the ledger has no id yet")),
    };
    let pins = pins
        .inspect_err(|error| {
            tracing::warn!(
                "nothing is pinned at /sys/fs/bpf/observer: {error}; what passes while no daemon runs is not seen \
                 (mount -t bpf bpf /sys/fs/bpf)"
            );
        })
        .ok();
    let ours = journal.filter(|journal| Some(&journal.mark.ledger) == id.as_ref());
    if let Some(mark) = ours
        .as_ref()
        .and_then(|journal| journal.mark.records.as_ref())
        && let Err(error) = records::cut_back(mark)
    {
        tracing::error!(
            "records: {}: {error}; some may stand there twice",
            mark.path.display()
        );
    }
    Ok(Opened {
        pins,
        writer,
        journal: ours,
        path,
        ledger: id.unwrap_or_default(),
        routes: routes.unwrap_or_default(),
        baselines: baselines.unwrap_or_default(),
        // What another version wrote, and this one does not know, stays in the ledger as it is.
        incidents: incidents
            .iter()
            .filter_map(|body| serde_json::from_str(body).ok())
            .collect(),
        responses,
    })
}

impl Opened {
    /// Where records go: to what the command line names, else to the folder of the configuration, else nowhere.
    ///
    /// # Errors
    /// When a file that was named cannot be opened, or no thread can be started.
    pub fn records(
        &self,
        config: &Config,
        named: Option<&Path>,
    ) -> Result<Option<RecordSink>, RecordsError> {
        if let Some(path) = named {
            return RecordSink::open(path).map(Some);
        }
        let records = &config.records;
        if records.path.as_os_str().is_empty() {
            return Ok(None);
        }
        let settings = records::Settings {
            path: records.path.clone(),
            keep: records.keep.0,
            max_bytes: records.max_bytes.0,
            file_bytes: records.file_bytes.0.min(records.max_bytes.0 / 4),
            share: config.capture.cpu_limit / COMPRESSING,
        };
        let journal = self.journal.as_ref();
        let mark = journal.and_then(|journal| journal.mark.records.as_ref());
        RecordSink::folder(settings, mark, reading::now() * 1_000_000_000).map(Some)
    }

    /// Awareness, with what it knew before.
    pub fn watch(&mut self, targets: &Targets, registry: &Registry) -> Watch {
        let mut awareness = Awareness::new(registry);
        let baselines = std::mem::take(&mut self.baselines);
        let incidents = std::mem::take(&mut self.incidents);
        awareness.restore(baselines, incidents, reading::now());
        Watch::new(awareness, Notifier::start(targets))
    }

    /// Actions in force, and how credentials are spelled.
    pub fn responses(&mut self) -> Kept {
        std::mem::take(&mut self.responses)
    }

    /// Opens the books, with what the process before left where that is still good.
    pub fn books(self, kernel: &mut Kernel, pipeline: &mut Pipeline) -> Books {
        let pinned = kernel
            .pins()
            .map(|pins| (pins.folder().to_owned(), pins.adopted()));
        let why = match kernel.pins() {
            None => "nothing could be pinned in the kernel",
            Some(pins) if pins.replaced() => {
                "another version, or another ring_bytes, took over from the one before"
            }
            Some(_) => "nothing was left in the kernel, as after a reboot",
        };
        let folder = pinned.as_ref().map(|(folder, _)| folder.clone());
        pipeline.restore_routes(self.routes);
        let status = self.writer.status();
        let next = status.batch + 1;
        let now = reading::now();
        let mut books = Books::new(
            self.writer,
            folder.as_ref().map(|_| self.path),
            self.ledger,
            folder.clone().unwrap_or_default(),
            next,
        );
        let adopted = pinned.as_ref().is_some_and(|(_, adopted)| *adopted);
        if let Some(seen) = status.seen.filter(|_| !adopted) {
            books.gap(seen, now, why);
        }
        if let Some(journal) = self.journal {
            if adopted && kernel.had_rested() {
                let rested = journal.mark.time / 1_000_000_000 + LEASE.as_secs();
                books.gap(
                    rested,
                    now,
                    "no daemon ran for longer than the kernel side waits",
                );
            }
            let holds =
                pinned.is_some_and(|(folder, adopted)| adopted && folder == journal.mark.pins);
            if holds {
                tracing::info!("going on where the process before stopped");
            }
            books.resume(journal, kernel.rings(), pipeline, holds);
        }
        books
    }
}

/// How long the configuration keeps what.
pub fn retention(config: &Config) -> Retention {
    Retention {
        minutes: config.ledger.keep_minutes.0.as_secs(),
        quarters: config.ledger.keep_quarters.0.as_secs(),
        days: config.ledger.keep_days.0.as_secs(),
        max_bytes: config.ledger.max_bytes.0,
    }
}

/// The journal lies beside the control socket, and has its name: two daemons have two.
pub fn journal_path(config: &Config) -> PathBuf {
    config.control.socket.with_extension("journal")
}

/// `observer unpin`: removes what is pinned for the ledger, and the journal. Returns the number of folders.
///
/// # Errors
/// While a daemon runs, and when something cannot be removed.
pub fn unpin(config: &Config) -> Result<usize, Failure> {
    let socket = &config.control.socket;
    if std::os::unix::net::UnixStream::connect(socket).is_ok() {
        return Err(Failure::input(
            "unpin",
            format_args!(
                "an observer is running on {} (stop it first)",
                socket.display()
            ),
        ));
    }
    let (ledger, journal) = (&config.ledger.path, journal_path(config));
    let Some(id) = ledger_id(ledger, &journal) else {
        // Who may not look does not know that there is none.
        let absent = |path: &Path| matches!(path.try_exists(), Ok(false));
        if absent(ledger) && absent(&journal) {
            return Ok(0);
        }
        let why = format!(
            "{} cannot be read, whose name is on what is pinned (repeat it as root)",
            ledger.display()
        );
        return Err(Failure::support("unpin", why));
    };
    let removed = pins::remove(&id).map_err(|error| Failure::support("unpin", error))?;
    Journal::remove(&journal_path(config)).map_err(|error| Failure::input("journal", error))?;
    Ok(removed)
}

fn ledger_id(ledger: &Path, journal: &Path) -> Option<String> {
    let of_ledger = store::open_to_read(ledger)
        .ok()
        .and_then(|ledger| store::id(&ledger).ok());
    of_ledger.or_else(|| Some(Journal::read(journal).ok()??.mark.ledger))
}
