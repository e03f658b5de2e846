//! What was replayed, on the page and for `observer top`, until somebody interrupts it.
//!
//! Usage goes into a ledger of its own, in a folder that is gone afterwards.

use std::fs::{self, DirBuilder};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::super::config::Config;
use super::super::failure::Failure;
use super::super::run::{Desk, control};
use super::super::statistics;
use crate::export::history::History;
use crate::export::live::Live;
use crate::export::web::{Hosts, Site, serve};
use crate::export::{State, metrics};
use crate::store::{self, Retention, Writer};
use crate::usage::Call;
use crate::usage::batch::Batch;

/// Exchanges of a batch, and batches that may wait to be written.
const CALLS: u32 = 10_000;
const WAITING: u64 = 8;

/// A folder that is gone with this value.
struct Folder(PathBuf);

/// The ledger of a replay.
pub struct Ledger {
    writer: Writer,
    batch: Batch,
    calls: u32,
    number: u64,
    path: PathBuf,
    folder: Folder,
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Ledger {
    /// An empty one.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn new() -> Result<Self, Failure> {
        let name = format!("observer-replay-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(failed)?;
        let folder = Folder(folder);
        let path = folder.0.join("ledger.sqlite");
        let opened = store::open(&path, None).map_err(failed)?;
        let writer = Writer::start(&path, Some(opened), Retention::ALL).map_err(failed)?;
        Ok(Self {
            writer,
            batch: Batch::default(),
            calls: 0,
            number: 0,
            path,
            folder,
        })
    }

    /// Takes one exchange.
    pub fn add(&mut self, call: &Call) {
        self.batch.add(call);
        self.calls += 1;
        if self.calls == CALLS {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        // A capture is read faster than a ledger is written.
        while self.number > self.writer.status().batch + WAITING
            && self.writer.status().trouble.is_none()
        {
            thread::sleep(Duration::from_millis(5));
        }
        self.calls = 0;
        self.number += 1;
        let rows = std::mem::take(&mut self.batch).rows();
        self.writer.write(self.number, Arc::new(rows));
    }
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::input("the replay's ledger", error)
}

/// Where a replay is shown.
pub struct Stage {
    runtime: Runtime,
    listener: TcpListener,
    control: Option<UnixListener>,
}

impl Stage {
    /// Listens, before anything is played: and ends the process when it is interrupted meanwhile, the ledger's folder included.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn new(
        listen: SocketAddr,
        socket: Option<&Path>,
        ledger: &Ledger,
    ) -> Result<Self, Failure> {
        let refused =
            |error: io::Error| Failure::input(format_args!("listening on {listen}"), error);
        let listener = TcpListener::bind(listen).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let control = match socket {
            None => None,
            Some(path) => {
                let control = control::listen(path);
                let refused = |error| Failure::input(path.display(), error);
                Some(control.map_err(refused)?)
            }
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| Failure::support("starting the runtime", error))?;
        let (folder, bound) = (ledger.folder.0.clone(), socket.map(Path::to_owned));
        runtime.spawn(async move {
            let signals = (
                signal(SignalKind::interrupt()),
                signal(SignalKind::terminate()),
            );
            if let (Ok(mut interrupt), Ok(mut terminate)) = signals {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                drop(Folder(folder));
                if let Some(socket) = bound {
                    let _ = fs::remove_file(socket);
                }
                std::process::exit(0);
            }
        });
        Ok(Self {
            runtime,
            listener,
            control,
        })
    }

    /// Shows a state until the process is interrupted.
    ///
    /// # Errors
    /// When the ledger could not be written, or nobody can be answered.
    pub fn show(
        self,
        config: &Config,
        state: &Arc<State>,
        mut ledger: Ledger,
    ) -> Result<(), Failure> {
        ledger.hand_over();
        let Ledger {
            writer,
            path,
            folder: _folder,
            ..
        } = ledger;
        let status = writer.watch();
        writer.finish();
        if let Some(trouble) = status().trouble {
            return Err(failed(trouble));
        }
        state.set_readiness(Ok(()));
        let refused = |error: io::Error| Failure::input("listening", error);
        let address = self.listener.local_addr().map_err(refused)?;
        let registry = metrics::registry(Arc::clone(state), statistics::build_info())
            .map_err(|error| Failure::input("metrics", error))?;
        // Nobody takes orders.
        let (orders, _) = mpsc::channel();
        let desk = Desk {
            orders,
            gone: "this is a replay, and no daemon",
            status: Arc::new(status),
            live: Arc::new(Live::new(Arc::clone(state))),
            history: Arc::new(History::new(Some(path), Arc::clone(state))),
            sessions: Arc::default(),
            listen: address,
            state: Arc::clone(state),
        };
        let site = Site {
            state: Arc::clone(state),
            registry,
            live: Arc::clone(&desk.live),
            history: Arc::clone(&desk.history),
            hosts: Arc::new(Hosts::new("", &config.metrics.hosts)),
            sessions: Arc::clone(&desk.sessions),
            desk: None,
        };
        let shown = self.runtime.block_on(async {
            if let Some(control) = self.control {
                let control = tokio::net::UnixListener::from_std(control)?;
                tokio::spawn(control::serve(control, desk));
            }
            let listener = tokio::net::TcpListener::from_std(self.listener)?;
            eprintln!("observer: the replay is on http://{address}/ until it is interrupted");
            serve(listener, site, std::future::pending()).await
        });
        shown.map_err(refused)
    }
}
