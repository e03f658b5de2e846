//! What was replayed, on the page and for `observer top`, until somebody interrupts it.
//!
//! Usage goes into a ledger of its own, in a folder that is gone afterwards.

use std::fs::{self, DirBuilder};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};

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

/// Exchanges of a batch.
const CALLS: u32 = 10_000;

/// However long ago it was captured, it stays.
const ALL: Retention = Retention {
    minutes: u64::MAX >> 2,
    quarters: u64::MAX >> 2,
    days: u64::MAX >> 2,
    max_bytes: u64::MAX >> 2,
};

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
        let failed = |error: &dyn std::fmt::Display| Failure::input("the replay's ledger", error);
        DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(|error| failed(&error))?;
        let folder = Folder(folder);
        let path = folder.0.join("ledger.sqlite");
        let opened = store::open(&path, None).map_err(|error| failed(&error))?;
        let writer = Writer::start(&path, Some(opened), ALL).map_err(|error| failed(&error))?;
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
        self.calls = 0;
        self.number += 1;
        let rows = std::mem::take(&mut self.batch).rows();
        self.writer.write(self.number, Arc::new(rows));
    }
}

/// Shows a state on `listen`, and on the configuration's control socket where nobody else has it.
///
/// # Errors
/// When it cannot listen.
pub fn show(
    listen: SocketAddr,
    config: &Config,
    state: &Arc<State>,
    clock: impl Fn() -> u64 + Send + Sync + 'static,
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
    state.set_readiness(Ok(()));
    let failed = |error: &dyn std::fmt::Display| {
        Failure::input(format_args!("listening on {listen}"), error)
    };
    let listener = TcpListener::bind(listen)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|error| failed(&error))?;
    let address = listener.local_addr().map_err(|error| failed(&error))?;
    let registry = metrics::registry(Arc::clone(state), statistics::build_info())
        .map_err(|error| Failure::input("metrics", error))?;
    // Nobody takes orders.
    let (orders, _) = mpsc::channel();
    let desk = Desk {
        orders,
        gone: "this is a replay, and no daemon",
        status: Arc::new(status),
        live: Arc::new(Live::new(Arc::clone(state))),
        history: Arc::new(History::new(Some(path), clock)),
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
    let socket = &config.control.socket;
    let control = control::listen(socket);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::support("starting the runtime", error))?;
    let shown = runtime.block_on(async {
        match control.and_then(tokio::net::UnixListener::from_std) {
            Ok(control) => drop(tokio::spawn(control::serve(control, desk))),
            Err(error) => eprintln!(
                "observer: {}: {error} (the page is there, `observer top` is not)",
                socket.display()
            ),
        }
        eprintln!("observer: the replay is on http://{address}/ until it is interrupted");
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let interrupted = async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        let listener = tokio::net::TcpListener::from_std(listener)?;
        tokio::select! {
            served = serve(listener, site, std::future::pending()) => served,
            () = interrupted => Ok(()),
        }
    });
    let _ = fs::remove_file(socket);
    shown.map_err(|error| failed(&error))
}
