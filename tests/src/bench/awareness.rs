//! AKB-1 and NAB: how soon, how surely and how rightly awareness tells what was planted, and what else it tells.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use observer::awareness::stream::Stream;
use observer_tests::akb::{self, Class, Figures, Outcome, Strength};
use observer_tests::nab;

use crate::figures::{Floor, Table};
use crate::lab::Failure;

/// Keys that nobody has, each of them accepted once: an API that does not check them.
const FLOOD: u32 = 1_000_000;

/// How to measure.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Seeds of AKB-1; those that it was tuned on are 1 to 9
    #[arg(long, value_delimiter = ',', default_values_t = [101, 102])]
    seeds: Vec<u64>,
    /// Days that count
    #[arg(long, default_value_t = akb::PUBLISHED.days)]
    days: u64,
    /// Days before anything is planted
    #[arg(long, default_value_t = akb::PUBLISHED.training)]
    training: u64,
    /// Keys
    #[arg(long, default_value_t = akb::PUBLISHED.keys)]
    keys: usize,
    /// Print what was missed, and what was told that nobody planted
    #[arg(long)]
    explain: bool,
    /// Leave out the Numenta Anomaly Benchmark
    #[arg(long)]
    no_nab: bool,
    /// Write the traffic of each seed to a folder below this one: akb.pcap, requests.jsonl, labels.jsonl
    #[arg(long, value_name = "DIR")]
    emit: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seeds: vec![101, 102],
            days: akb::PUBLISHED.days,
            training: akb::PUBLISHED.training,
            keys: akb::PUBLISHED.keys,
            explain: false,
            no_nab: false,
            emit: None,
        }
    }
}

/// Measures.
pub fn measure(options: &Options) -> Result<Table, Failure> {
    let mut table = Table::default();
    let size = akb::Size {
        keys: options.keys,
        training: options.training,
        days: options.days,
    };
    let mut outcomes: Vec<Outcome> = Vec::new();
    for seed in &options.seeds {
        outcomes.push(match &options.emit {
            Some(folder) => {
                let folder = folder.join(format!("seed-{seed}"));
                let failed = |error| Failure::new(folder.display().to_string(), error);
                std::fs::create_dir_all(&folder).map_err(failed)?;
                akb::emit(*seed, size, &folder).map_err(failed)?
            }
            None => akb::run(*seed, size),
        });
    }
    let figures: Vec<Figures> = outcomes.iter().map(Outcome::figures).collect();
    let random: Vec<Figures> = outcomes.iter().map(Outcome::random).collect();
    if options.explain {
        outcomes
            .iter()
            .zip(&figures)
            .for_each(|(outcome, figures)| explain(outcome, figures));
    }
    akb1(&mut table, &outcomes, &figures, &random);
    let flood = akb::flood(FLOOD);
    table.add(
        "awareness: registered keys left after a million made-up ones",
        flood.registered as f64,
        "",
        Floor::Exactly(1_000.0),
    );
    table.add(
        "awareness:   growth of the resident set meanwhile",
        flood.grown as f64 / 1_048_576.0,
        "MiB",
        Floor::AtMost(16.0),
    );
    if !options.no_nab {
        numenta(&mut table)?;
    }
    Ok(table)
}

fn akb1(table: &mut Table, outcomes: &[Outcome], figures: &[Figures], random: &[Figures]) {
    let exchanges: u64 = outcomes.iter().map(|outcome| outcome.exchanges).sum();
    table.add("AKB-1: exchanges", exchanges as f64, "", Floor::None);
    let labels = figures
        .iter()
        .map(|figures| figures.verdicts.len())
        .sum::<usize>();
    table.add("AKB-1: incidents planted", labels as f64, "", Floor::None);
    table.add(
        "AKB-1: recall where it can be proven",
        100.0 * recall(figures, |_| true),
        "%",
        Floor::AtLeast(95.0),
    );
    table.add(
        "AKB-1:   of a detector that guesses",
        100.0 * recall(random, |_| true),
        "%",
        Floor::None,
    );
    for strength in Strength::ALL {
        let name = format!("AKB-1:   {strength:?} ones")
            .to_lowercase()
            .replace("akb", "AKB");
        table.add(
            &name,
            100.0 * recall(figures, |verdict| verdict.strength == strength),
            "%",
            Floor::None,
        );
    }
    let certain = |verdict: &akb::Verdict| verdict.class.is_certain();
    table.add(
        "AKB-1:   rules of one event",
        100.0 * recall(figures, certain),
        "%",
        Floor::AtLeast(100.0),
    );
    let cold = |verdict: &akb::Verdict| verdict.class == Class::ColdErrorRate;
    table.add(
        "AKB-1:   keys on their first day",
        100.0 * recall(figures, cold),
        "%",
        Floor::AtLeast(80.0),
    );
    for class in Class::ATTACKS {
        let name = format!("AKB-1:   {class:?}");
        table.add(
            &name,
            100.0 * recall(figures, |verdict| verdict.class == class),
            "%",
            Floor::None,
        );
    }
    let told: Vec<_> = figures
        .iter()
        .flat_map(|figures| &figures.verdicts)
        .filter(|verdict| verdict.seconds.is_some())
        .collect();
    let mut delays: Vec<f64> = told.iter().filter_map(|verdict| verdict.delay).collect();
    table.add(
        "AKB-1: delay of error rates, in Lorden's bound, median",
        quantile(&mut delays, 0.5),
        "",
        Floor::AtMost(2.0),
    );
    table.add(
        "AKB-1:   95th percentile",
        quantile(&mut delays, 0.95),
        "",
        Floor::AtMost(4.0),
    );
    for (class, name, floor) in [
        (
            Class::SequentialEnumeration,
            "objects one after the other until told, median",
            40.0,
        ),
        (
            Class::RandomEnumeration,
            "objects at random until told, median",
            100.0,
        ),
    ] {
        let mut requests: Vec<f64> = told
            .iter()
            .filter(|verdict| verdict.class == class)
            .map(|verdict| verdict.requests as f64)
            .collect();
        table.add(
            format!("AKB-1: {name}"),
            quantile(&mut requests, 0.5),
            "",
            Floor::AtMost(floor),
        );
    }
    for class in [
        Class::Surge,
        Class::Silence,
        Class::ShadowEndpoint,
        Class::ZombieEndpoint,
        Class::IgnoredRetryAfter,
        Class::LimitHugging,
        Class::ResourceConsumption,
        Class::Automation,
    ] {
        let mut seconds: Vec<f64> = told
            .iter()
            .filter(|verdict| verdict.class == class)
            .filter_map(|verdict| verdict.seconds)
            .collect();
        table.add(
            format!("AKB-1: {class:?} until told, median"),
            quantile(&mut seconds, 0.5),
            "s",
            Floor::None,
        );
    }
    let right = told.iter().filter(|verdict| verdict.right).count() as f64;
    table.add(
        "AKB-1: right rule and subject at first",
        100.0 * right / told.len().max(1) as f64,
        "%",
        Floor::AtLeast(97.0),
    );
    let echoes: usize = told.iter().map(|verdict| verdict.echoes).sum();
    table.add(
        "AKB-1: further incidents of one cause",
        echoes as f64 / told.len().max(1) as f64,
        "",
        Floor::None,
    );
    let runs = figures.len().max(1) as f64;
    let mut families: BTreeMap<&str, f64> = BTreeMap::new();
    for (family, rate) in figures.iter().flat_map(|figures| &figures.false_alarms) {
        *families.entry(family).or_default() += rate / runs;
    }
    for (family, rate) in families {
        table.add(
            format!("AKB-1: false alarms in 1,000 key-days, {family}"),
            rate,
            "",
            Floor::AtMost(5.0),
        );
    }
    let pages = figures.iter().map(|figures| figures.pages).sum::<f64>() / runs;
    table.add(
        "AKB-1: false pages in a week of a host",
        pages,
        "",
        Floor::AtMost(1.0),
    );
    let (fine, all) = figures.iter().fold((0, 0), |(fine, all), figures| {
        (fine + figures.hard.0, all + figures.hard.1)
    });
    let precision = if all == 0 {
        1.0
    } else {
        fine as f64 / all as f64
    };
    table.add(
        "AKB-1: precision where nothing is wrong with anybody",
        100.0 * precision,
        "%",
        Floor::AtLeast(90.0),
    );
    let mean = |of: fn(&Figures) -> f64| figures.iter().map(of).sum::<f64>() / runs;
    let exchange = mean(|figures| figures.cost.0) / 1_000.0;
    table.add(
        "AKB-1: awareness, an exchange",
        exchange,
        "us",
        Floor::AtMost(0.5),
    );
    let minute = mean(|figures| figures.cost.1) / 1_000.0;
    table.add(
        "AKB-1: awareness, a minute of a key",
        minute,
        "us",
        Floor::None,
    );
}

/// Share of those that can be proven and were told.
fn recall(figures: &[Figures], of: impl Fn(&akb::Verdict) -> bool) -> f64 {
    let wanted = figures
        .iter()
        .flat_map(|figures| &figures.verdicts)
        .filter(|verdict| verdict.provable && of(verdict));
    let (told, all) = wanted.fold((0.0, 0.0), |(told, all), verdict| {
        (
            told + f64::from(u8::from(verdict.seconds.is_some())),
            all + 1.0,
        )
    });
    if all == 0.0 { 1.0 } else { told / all }
}

fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = ((values.len() as f64 - 1.0) * share).round().max(0.0) as usize;
    values.get(at).copied().unwrap_or(0.0)
}

fn explain(outcome: &Outcome, figures: &Figures) {
    println!(
        "seed {}: {} exchanges in {:.0} s",
        outcome.seed, outcome.exchanges, outcome.seconds
    );
    for verdict in figures
        .verdicts
        .iter()
        .filter(|verdict| verdict.provable && (verdict.seconds.is_none() || !verdict.right))
    {
        println!(
            "  {}: {verdict:?}",
            if verdict.seconds.is_none() {
                "missed"
            } else {
                "wrong at first"
            }
        );
    }
    for incident in &figures.unexplained {
        let second = incident.detected_at / 1_000_000_000;
        let day = second.saturating_sub(akb::BEGIN) as f64 / 86_400.0;
        println!(
            "  nobody planted, day {day:.2}: {} {}",
            incident.rule.name(),
            incident.statement
        );
        let near =
            |label: &&akb::Label| second + 7_200 >= label.from && second <= label.until + 7_200;
        let beside: Vec<String> = (outcome.labels.iter().filter(near))
            .map(|label| {
                format!(
                    "{:?} {:?} {} {}",
                    label.class, label.strength, label.who, label.route
                )
            })
            .collect();
        println!("    beside: {}", beside.join(", "));
    }
}

fn numenta(table: &mut Table) -> Result<(), Failure> {
    let Some(corpus) = nab::locate() else {
        println!(
            "NAB: skipped: its corpus is absent (OBSERVER_CORPUS names the folder that has it)"
        );
        return Ok(());
    };
    let scores = nab::evaluate(&corpus, &mut || {
        let mut stream = Stream::new();
        Box::new(move |time, value| stream.push(time, value).score)
    })
    .map_err(crate::lab::failed("the corpus"))?;
    table.add(
        "NAB: standard",
        scores.standard.score,
        "",
        Floor::AtLeast(58.0),
    );
    table.add(
        "NAB: low false positives",
        scores.low_fp.score,
        "",
        Floor::AtLeast(47.0),
    );
    table.add(
        "NAB: low false negatives",
        scores.low_fn.score,
        "",
        Floor::None,
    );
    Ok(())
}
