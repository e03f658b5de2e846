//! The daemon itself: what it wrote down, what it costs, and whether it answers.

use super::super::panel::{Column, Levels, Panel, Target, Unit, labels};
use super::super::query::{in_step, largest, rate, series, sum};
use super::SCRAPES;

pub fn ledger() -> Vec<Panel> {
    let batches = sum("result", &rate("ledger_batches_total", ""));
    let early = sum("instance", &in_step("ledger_rows_deleted_early_total", ""));
    vec![
        Panel::heading("Ledger", "What survives restarts, and what bills are made from."),
        Panel::series(
            "Batches by result",
            "Batches of usage a second that were written, and attempts that failed. Worry about any that failed: a full disk, or a damaged \
             file.",
        )
        .unit(Unit::PerSecond)
        .ask(batches, "{{result}}"),
        Panel::series(
            "Batches that wait",
            "Batches of usage in memory until the ledger can be written. More than a few that grow are lost if the daemon ends now.",
        )
        .levels(Levels::From(10.0))
        .ask(
            largest("instance", &series("ledger_batches_waiting", "")),
            "{{instance}}",
        ),
        Panel::series(
            "Time spent on writing",
            "Share of one core that writing to the ledger takes. Worry when it climbs with the same traffic: the disk is slow.",
        )
        .unit(Unit::Share)
        .ask(
            sum("instance", &rate("ledger_writing_seconds_total", "")),
            "{{instance}}",
        ),
        Panel::series(
            "Size",
            "Size of the ledger's file, which `[ledger] max_bytes` bounds. Worry when it comes near: then the oldest rows go early.",
        )
        .wide(12)
        .unit(Unit::Bytes)
        .ask(
            largest("instance", &series("ledger_size_bytes", "")),
            "{{instance}}",
        ),
        Panel::series(
            "Rows deleted early",
            "Windows that were deleted before their time as the ledger had reached its size. Raise `[ledger] max_bytes`, or keep less.",
        )
        .wide(12)
        .barred()
        .ask(format!("{early} > 0"), "{{instance}}"),
    ]
}

pub fn reconciliation() -> Vec<Panel> {
    let mut columns = labels(&[("source", "Source"), ("class", "Class")]);
    columns.push(Column::query(
        "Requests",
        sum("source, class", &series("reconciliation_requests", "")),
        Unit::Count,
        Levels::None,
    ));
    let last = largest(
        "source",
        &series("reconciliation_last_run_timestamp_seconds", ""),
    );
    vec![
        Panel::heading(
            "Held against what others wrote down",
            "Of `observer reconcile --publish NAME`; empty where that never ran.",
        ),
        Panel::table(
            "Last comparison by class",
            "Requests of the last comparison with each log. Worry about anything but matched and explained_by_capture_gap, from one in a \
             thousand on.",
            columns,
            "Requests",
        )
        .wide(16)
        .tall(8),
        Panel::series(
            "Time since the last comparison",
            "How long ago each log was compared. Worry when it is longer than your schedule: the job does not run.",
        )
        .unit(Unit::Seconds)
        .ask(format!("time() - {last}"), "{{source}}"),
    ]
}

pub fn cost() -> Vec<Panel> {
    let seconds = sum("program", &rate("bpf_run_seconds_total", ""));
    let runs = sum("program", &rate("bpf_runs_total", ""));
    vec![
        Panel::heading(
            "Cost of the kernel programs",
            "Known while `kernel.bpf_stats_enabled` is 1, which itself costs a little; empty or still otherwise.",
        ),
        Panel::series(
            "Time by program",
            "Share of one core that each program takes. Worry when it grows faster than the traffic.",
        )
        .unit(Unit::Share)
        .stacked()
        .ask(seconds.as_str(), "{{program}}"),
        Panel::series(
            "Time a run",
            "How long one run of each program takes. Some hundred nanoseconds are usual; worry at more than a few microseconds.",
        )
        .unit(Unit::Seconds)
        .ask(format!("{seconds} / ({runs} > 0)"), "{{program}}"),
        Panel::series(
            "Runs by program",
            "Runs a second of each program; those of an interface run once for each packet. One of these without runs beside traffic is not attached.",
        )
        .unit(Unit::PerSecond)
        .ask(runs.as_str(), "{{program}}"),
    ]
}

pub fn scrapes() -> Vec<Panel> {
    let mut columns = labels(&[
        ("instance", "Instance"),
        ("version", "Version"),
        ("revision", "Revision"),
        ("kernel", "Kernel"),
    ]);
    columns.push(Column::query(
        "Daemons",
        sum(
            "instance, version, revision, kernel",
            &series("build_info", ""),
        ),
        Unit::Count,
        Levels::None,
    ));
    vec![
        Panel::heading("Scrapes", "Of the job observer: rename it in these panels if yours has another name."),
        Panel::series(
            "Scrapes that succeed",
            "1 while a daemon can be scraped, 0 while it cannot. Programs in the kernel rest after five minutes without a daemon; until then \
             nothing is lost.",
        )
        .unit(Unit::None)
        .most(1.0)
        .ask_all([Target::new(format!("min by (instance) (up{SCRAPES})"), "{{instance}}")]),
        Panel::series(
            "Time of a scrape",
            "How long a scrape takes. Worry when it comes near the timeout: there are too many series, or the daemon gets no time.",
        )
        .unit(Unit::Seconds)
        .ask(
            format!("max by (instance) (scrape_duration_seconds{SCRAPES})"),
            "{{instance}}",
        ),
        Panel::table(
            "Daemons",
            "What runs where. Worry about hosts that were left out of an update.",
            columns,
            "Instance",
        )
        .wide(8)
        .tall(8),
    ]
}
