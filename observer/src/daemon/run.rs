//! `observer run`: the daemon.
//!
//! One thread observes: it reads the rings, runs the pipeline and writes records. Another answers on the listener and
//! waits for signals. They share the counters, and a channel of orders.

mod books;
mod capture;
pub mod control;
mod desk;
mod load;
pub mod looking;
mod obey;
mod opening;
mod reload;
mod respond;
mod secrets;
mod signals;
pub mod taps;
mod watch;

pub use desk::Desk;
pub use opening::{retention, unpin};

use std::io::IsTerminal;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tokio::sync::oneshot;

use super::config::{CaptureMode, Config};
use super::failure::Failure;
use super::{cli, doctor, rules, statistics};
use crate::export::history::History;
use crate::export::live::Live;
use crate::export::web::{Deed, Hosts, Site};
use crate::export::{State, metrics};
use crate::identity::Discovery;
use crate::identity::spelling::SpellingKey;
use crate::kernel::attach::Mode;
use crate::kernel::pins::Pins;
use crate::kernel::{self, Kernel};
use crate::usage::{Call, Counters};
use capture::Capture;
use respond::Responder;

/// What there is to say to those who ask too late.
const STOPPING: &str = "the daemon is stopping";

/// What the observing thread is told.
pub enum Order {
    /// Follow these rules from now on.
    Reload(Box<reload::NewRules>),
    /// Open the file of records again: it was rotated away.
    ReopenRecords,
    /// Hand everything that was seen so far to the ledger, and say in which batch it is.
    Commit(oneshot::Sender<Result<u64, kernel::KernelError>>),
    /// As [`Order::Commit`], and baselines too.
    CommitAll(oneshot::Sender<Result<u64, kernel::KernelError>>),
    /// Do something about an incident, and say whether there is one of that id.
    Incident(String, Deed, oneshot::Sender<bool>),
    /// Look for places where keys travel, and say whether nobody else does.
    Discover(Box<Discovery>, oneshot::Sender<bool>),
    /// Look no more, and hand over what was found.
    EndDiscovery(oneshot::Sender<Option<Box<Discovery>>>),
    /// Hand over the last exchanges of somebody.
    Exchanges(taps::Filter, oneshot::Sender<Vec<Call>>),
    /// Shut somebody off, limit them, or take that back.
    Respond(respond::Asked),
    /// Stop.
    Stop,
}

/// Observes this host until it is told to stop.
///
/// # Errors
/// When it cannot start, or observing becomes impossible.
pub fn run(arguments: &cli::Run) -> Result<(), Failure> {
    let lacking = doctor::lacking();
    if !lacking.is_empty() {
        let why = format_args!(
            "needs {} (run it as root: sudo observer run)",
            lacking.join(", ")
        );
        return Err(Failure::support("observing", why));
    }
    // No core file and no debugger of another user may show a key.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let level = if arguments.kernel_log {
        "info,observer_ebpf=trace"
    } else {
        "info"
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| level.into()),
        )
        .init();
    let mut config = rules::load_config(arguments.config.as_deref())?;
    overrule(&mut config, arguments);

    let listener = TcpListener::bind(config.metrics.listen)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|error| {
            Failure::input(
                format_args!("listening on {}", config.metrics.listen),
                error,
            )
        })?;
    let control = control::listen(&config.control.socket).map_err(|error| {
        Failure::input(
            format_args!("listening on {}", config.control.socket.display()),
            error,
        )
    })?;
    let mut opened = opening::open(&config)?;
    let records = opened
        .records(&config, arguments.records.as_deref())
        .map_err(|error| Failure::input("records", error))?;
    let fingerprinter = rules::fingerprinter(&config)?;
    let settings = kernel_settings(
        &config,
        arguments.kernel_log,
        opened.pins.take(),
        fingerprinter.spelling(),
    );
    let mut kernel = Kernel::start(settings).map_err(no_kernel)?;
    let addresses = kernel.own_addresses();
    let mut pipeline = rules::pipeline(&config, fingerprinter.clone(), addresses.clone(), true)?;
    let status = opened.writer.watch();
    let watch = opened.watch(&rules::targets(&config)?, pipeline.registry());
    let responder = Responder::new(
        &mut kernel,
        &mut pipeline,
        opened.responses(),
        &config,
        &fingerprinter,
    )
    .map_err(|error| Failure::support("starting to observe", error))?;
    let books = opened.books(&mut kernel, &mut pipeline);
    let counters = Counters::new(config.metrics.max_series, capture::utc_now());
    let state = Arc::new(State::new(counters, capture::utc_now));
    let registry = metrics::registry(Arc::clone(&state), statistics::build_info())
        .map_err(|error| Failure::input("metrics", error))?;

    let socket = config.control.socket.clone();
    let limit = config.capture.cpu_limit;
    let (ledger, listen) = (config.ledger.path.clone(), config.metrics.listen);
    let own = rustix::system::uname();
    let hosts = Hosts::new(&own.nodename().to_string_lossy(), &config.metrics.hosts);
    let (orders, received) = mpsc::channel();
    let mut capture = Capture::new(
        kernel,
        pipeline,
        records,
        Arc::clone(&state),
        received,
        books,
        load::Load::new(limit),
        watch,
        responder,
    )?;
    if arguments.kernel_log {
        capture.show_kernel_log();
    }
    let reloader = reload::Reloader::new(arguments.clone(), config, addresses);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::support("starting the runtime", error))?;
    let watcher = orders.clone();
    let context = runtime.enter();
    let control = tokio::net::UnixListener::from_std(control)
        .map_err(|error| Failure::support("starting the control socket", error))?;
    let desk = Desk {
        orders: orders.clone(),
        gone: STOPPING,
        status: Arc::new(status),
        state: Arc::clone(&state),
        live: Arc::new(Live::new(Arc::clone(&state))),
        history: Arc::new(History::new(Some(ledger), Arc::clone(&state))),
        sessions: Arc::default(),
        listen,
    };
    let site = Site {
        state,
        registry,
        live: Arc::clone(&desk.live),
        history: Arc::clone(&desk.history),
        hosts: Arc::new(hosts),
        sessions: Arc::clone(&desk.sessions),
        desk: Some(Arc::new(desk.clone())),
    };
    runtime.spawn(control::serve(control, desk));
    runtime.spawn(signals::serve(listener, site, reloader, orders));
    let observing = thread::Builder::new()
        .name("observe".to_owned())
        .spawn(move || capture.run())
        .map_err(|error| Failure::support("starting a thread", error))?;
    let result = observing.join();
    drop(watcher);
    drop(context);
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    let _ = std::fs::remove_file(&socket);
    match result {
        Ok(result) => result.map_err(|error| Failure::support("observing", error)),
        Err(_) => Err(Failure::support(
            "observing",
            "stopped unexpectedly (report this, please)",
        )),
    }
}

/// The command line overrules the file.
fn overrule(config: &mut Config, arguments: &cli::Run) {
    if !arguments.interfaces.is_empty() {
        config.capture.interfaces.clone_from(&arguments.interfaces);
    }
    if let Some(listen) = arguments.listen {
        config.metrics.listen = listen;
    }
}

fn kernel_settings(
    config: &Config,
    log: bool,
    pins: Option<Pins>,
    spelling: SpellingKey,
) -> kernel::Settings {
    kernel::Settings {
        keys_except: config.tls.except.clone(),
        pins,
        interfaces: config.capture.interfaces.clone(),
        mode: mode(config.capture.mode),
        object: kernel::object::Settings {
            tls: config.tls.enabled,
            tls_ports: config.tls.ports.clone(),
            ring_bytes: config.capture.ring_bytes.0,
            ports: config.capture.ports.clone(),
            spelling,
            log,
        },
    }
}

/// The configuration's word for a mode, in the kernel's terms.
pub fn mode(mode: CaptureMode) -> Mode {
    match mode {
        CaptureMode::Auto => Mode::Auto,
        CaptureMode::Xdp => Mode::Xdp,
        CaptureMode::XdpGeneric => Mode::XdpGeneric,
        CaptureMode::Tcx => Mode::Tc,
    }
}

fn no_kernel(error: kernel::KernelError) -> Failure {
    if error.is_privilege() {
        return Failure::support(
            "the kernel refused",
            format_args!(
                "{error} (run as root, or give the process CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON)"
            ),
        );
    }
    Failure::support("starting to observe", error)
}
