//! `observer replay`: capture files through the same pipeline.

mod show;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};

use super::cli;
use super::failure::Failure;
use super::keylog;
use super::playback::{Played, TICK, Viewer, play};
use super::{rules, statistics};
use crate::awareness::Awareness;
use crate::export::records::RecordSink;
use crate::export::{State, metrics};
use crate::pipeline::Pipeline;
use crate::tls::Handshake;
use crate::usage::{Call, Counters};

/// Where exchanges go.
struct Outputs<'a> {
    counters: MutexGuard<'a, Counters>,
    /// The time of the newest packet: nanoseconds since 1970 in UTC.
    now: Arc<AtomicU64>,
    awareness: Awareness,
    records: Option<RecordSink>,
    ledger: Option<show::Ledger>,
    exchanges: u64,
    uncertain: u64,
}

impl Viewer for Outputs<'_> {
    fn packet(&mut self, time: u64) {
        if self.now.load(Ordering::Relaxed) == 0 {
            self.counters.begin(time);
        }
        self.now.fetch_max(time, Ordering::Relaxed);
    }

    fn call(&mut self, call: &Call) {
        self.exchanges += 1;
        self.uncertain += u64::from(call.uncertain.is_some());
        self.counters.record(call, call.end());
        self.awareness.tick(call.end() / TICK, 1.0);
        self.awareness.observe(call);
        if let Some(records) = &mut self.records {
            records.write(call);
        }
        if let Some(ledger) = &mut self.ledger {
            ledger.add(call);
        }
    }

    fn handshake(&mut self, handshake: &Handshake) {
        self.awareness.observe_handshake(handshake);
    }
}

/// Replays capture files.
///
/// # Errors
/// When a file cannot be read or an output not be written.
pub fn replay(arguments: &cli::Replay) -> Result<(), Failure> {
    let config = rules::load_config(arguments.config.as_deref())?;
    let mut pipeline = rules::pipeline(
        &config,
        rules::replay_fingerprinter(&config)?,
        Vec::new(),
        false,
    )?;
    if let Some(path) = &arguments.keylog {
        keylog::learn(path, &mut pipeline)?;
    }
    let records = match &arguments.records {
        Some(path) => {
            Some(RecordSink::open(path).map_err(|error| Failure::input("records", error))?)
        }
        None => None,
    };
    let (stage, ledger) = match arguments.listen {
        None => (None, None),
        Some(listen) => {
            let ledger = show::Ledger::new()?;
            let stage = show::Stage::new(listen, arguments.socket.as_deref(), &ledger)?;
            (Some(stage), Some(ledger))
        }
    };
    let now = Arc::new(AtomicU64::new(0));
    let (clock, newest) = (Arc::clone(&now), Arc::clone(&now));
    let state = Arc::new(State::new(
        Counters::new(config.metrics.max_series, 0),
        move || clock.load(Ordering::Relaxed),
    ));
    let mut seen = Outputs {
        counters: state.counters(),
        now,
        awareness: Awareness::new(pipeline.registry()),
        records,
        ledger,
        exchanges: 0,
        uncertain: 0,
    };
    let tls = arguments.keylog.is_some();
    let played = play(&arguments.captures, tls, &mut pipeline, &mut seen)?;
    let Outputs {
        counters,
        awareness,
        mut records,
        ledger,
        exchanges,
        uncertain,
        ..
    } = seen;
    drop(counters);
    if let Some(records) = &mut records {
        records.flush();
        if records.errors() > 0 {
            return Err(Failure::input(
                "records",
                "could not be written (is the disk full?)",
            ));
        }
    }
    state.set_capture(statistics::of_pipeline(&pipeline, records.as_ref()));
    let mut view = awareness.view();
    view.places = Some(awareness.places(newest.load(Ordering::Relaxed)));
    let incidents: Vec<String> = (view.open.iter())
        .map(|incident| {
            format!(
                "{} {}: {}",
                incident.severity.name(),
                incident.rule.name(),
                incident.statement
            )
        })
        .collect();
    state.set_awareness(view);
    if let Some(path) = &arguments.metrics {
        write_metrics(path, &state)?;
    }
    if arguments.summary {
        print_summary(&played, (exchanges, uncertain), &pipeline, &incidents)?;
    }
    if let Some((stage, ledger)) = stage.zip(ledger) {
        stage.show(&config, &state, ledger)?;
    }
    Ok(())
}

fn write_metrics(path: &Path, state: &Arc<State>) -> Result<(), Failure> {
    let failed = |error: prometheus::Error| Failure::input("metrics", error);
    let registry =
        metrics::registry(Arc::clone(state), statistics::build_info()).map_err(failed)?;
    let text = metrics::render(&registry).map_err(failed)?;
    if path == Path::new("-") {
        return super::print(&text);
    }
    fs::write(path, text).map_err(|error| Failure::input(path.display(), error))
}

fn print_summary(
    played: &Played,
    (exchanges, uncertain): (u64, u64),
    pipeline: &Pipeline,
    incidents: &[String],
) -> Result<(), Failure> {
    let counts = pipeline.counts();
    let mut text = format!(
        "packets              {}\nexchanges            {}\n  not certain        {}\nbytes never seen     {}\n",
        played.packets, exchanges, uncertain, counts.missing_bytes
    );
    text.push_str(&format!(
        "IP fragments         {}\ntruncated headers    {}\n",
        played.tracking.fragments, played.tracking.truncated
    ));
    for ((port, _, reason), count) in &counts.opaque {
        text.push_str(&format!(
            "connections not read {count} on port {port}: {reason}\n"
        ));
    }
    for ((version, result), count) in &counts.handshakes {
        text.push_str(&format!(
            "TLS handshakes       {count} of version {version}: {result}\n"
        ));
    }
    for incident in incidents {
        text.push_str(&format!("incident             {incident}\n"));
    }
    super::print(&text)
}
