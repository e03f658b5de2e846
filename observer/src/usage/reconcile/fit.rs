//! How the log's clock and the log's idea of a request differ from the wire's, from requests that are unmistakable.

use hashbrown::HashMap;

use super::log::Line;
use super::{Micros, Record, key};

/// What a log means by what it writes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Microseconds to take from the log's time to have the wire's.
    pub skew: Micros,
    /// Microseconds within which the two then nearly always agree.
    pub slack: Micros,
    /// The log's time is that of a request's beginning, rather than of its end.
    pub begin: bool,
    /// The log's length is that of head and body, rather than of the body.
    pub whole: bool,
    /// The log's client is the other end of the connection, rather than whom proxies name.
    pub peer: bool,
    /// Requests that this was found out from.
    pub pairs: usize,
}

/// Where nothing can be found out.
const UNKNOWN: Fit = Fit {
    skew: 0,
    slack: 1_000_000,
    begin: false,
    whole: false,
    peer: true,
    pairs: 0,
};

/// Microseconds of jitter that are always allowed.
const JITTER: Micros = 50_000;
/// Exchanges times lines of one method, path and client that are put beside each other: more would say nothing.
const TIMES: usize = 64;

/// Exchanges and lines of one method, path and client.
type Group<'a> = (Vec<&'a Record>, Vec<&'a Line>);

/// Finds out how a log differs: by the offset that most pairs of the same method, path and client have in common.
pub fn fit(records: &[&Record], lines: &[&Line], resolution: Micros) -> Fit {
    let width = resolution + JITTER;
    let mut best = Fit {
        slack: width,
        ..UNKNOWN
    };
    for peer in [true, false] {
        let groups = groups(records, lines, peer);
        for begin in [false, true] {
            let (skew, pairs) = common_offset(&groups, begin, width);
            if pairs > best.pairs {
                best = Fit {
                    skew,
                    slack: width,
                    begin,
                    whole: is_whole(&groups, begin, skew, width),
                    peer,
                    pairs,
                };
            }
        }
    }
    best
}

/// Ports of the servers that wrote a log: the one whose exchanges stand in it best, and others whose exchanges make up what
/// is left of it.
pub fn ports(records: &[&Record], lines: &[&Line]) -> Vec<u16> {
    let mut best = (0, Vec::new());
    for peer in [true, false] {
        let (covered, ports) = ports_by(records, lines, peer);
        if covered > best.0 {
            best = (covered, ports);
        }
    }
    best.1
}

/// How many lines the exchanges of which ports stand for.
fn ports_by(records: &[&Record], lines: &[&Line], peer: bool) -> (usize, Vec<u16>) {
    let has_client = lines.iter().any(|line| line.client.is_some());
    let mut left: HashMap<u128, usize> = HashMap::new();
    for line in lines {
        *left
            .entry(key(&line.method, &line.path, line.client))
            .or_default() += 1;
    }
    let mut by_port: HashMap<u16, HashMap<u128, usize>> = HashMap::new();
    for record in records.iter().filter(|record| !record.method.is_empty()) {
        let client = if peer { record.peer } else { record.client };
        let name = key(&record.method, &record.path, has_client.then_some(client));
        *by_port
            .entry(record.port)
            .or_default()
            .entry(name)
            .or_default() += 1;
    }
    let (mut all, mut ports) = (0, Vec::new());
    loop {
        let covers = |counts: &HashMap<u128, usize>| -> usize {
            let both = counts
                .iter()
                .filter_map(|(name, count)| Some((left.get(name)?, count)));
            both.map(|(lines, count)| lines.min(count)).sum()
        };
        let covered = by_port.iter().map(|(port, counts)| (covers(counts), *port));
        let Some((covered, port)) = covered.max().filter(|(covered, _)| *covered > 0) else {
            break;
        };
        let Some(counts) = by_port.remove(&port) else {
            break;
        };
        // A second server is one whose own exchanges mostly stand there.
        if !ports.is_empty() && covered * 2 < counts.values().sum() {
            break;
        }
        for (name, count) in &counts {
            if let Some(lines) = left.get_mut(name) {
                *lines = lines.saturating_sub(*count);
            }
        }
        all += covered;
        ports.push(port);
    }
    ports.sort_unstable();
    (all, ports)
}

fn groups<'a>(records: &[&'a Record], lines: &[&'a Line], peer: bool) -> Vec<Group<'a>> {
    let mut groups: HashMap<u128, Group<'a>> = HashMap::new();
    let has_client = lines.iter().any(|line| line.client.is_some());
    for record in records.iter().filter(|record| record.certain) {
        let client = if peer { record.peer } else { record.client };
        let name = key(&record.method, &record.path, has_client.then_some(client));
        groups.entry(name).or_default().0.push(record);
    }
    for line in lines {
        let name = key(&line.method, &line.path, line.client);
        if let Some(group) = groups.get_mut(&name) {
            group.1.push(line);
        }
    }
    let told = |(records, lines): &Group<'_>| (1..=TIMES).contains(&(records.len() * lines.len()));
    groups.into_values().filter(told).collect()
}

fn offsets<'a>(
    groups: &'a [Group<'a>],
    begin: bool,
) -> impl Iterator<Item = (Micros, &'a Record, &'a Line)> {
    groups.iter().flat_map(move |(records, lines)| {
        records.iter().flat_map(move |record| {
            let time = if begin { record.begin } else { record.end };
            lines
                .iter()
                .map(move |line| (line.time - time, *record, *line))
        })
    })
}

/// The offset that most pairs have in common, and how many those are; of several, the one nearest to none.
fn common_offset(groups: &[Group<'_>], begin: bool, width: Micros) -> (Micros, usize) {
    let mut all: Vec<Micros> = offsets(groups, begin).map(|(offset, ..)| offset).collect();
    all.sort_unstable();
    let mut first = 0;
    let spans: Vec<(usize, usize)> = (0..all.len())
        .map(|last| {
            let reach = all.get(last).copied().unwrap_or_default() - width;
            while all.get(first).is_some_and(|offset| *offset < reach) {
                first += 1;
            }
            (first, last)
        })
        .collect();
    let most = spans.iter().map(|(first, last)| last - first + 1).max();
    let middle = |(first, last): &(usize, usize)| all.get((first + last) / 2).copied().unwrap_or(0);
    let near = spans
        .iter()
        // Traffic like clockwork has an offset at every stroke.
        .filter(|(first, last)| (last - first + 1) * 20 >= most.unwrap_or(0) * 19)
        .min_by_key(|span| middle(span).abs());
    near.map_or((0, 0), |span| (middle(span), span.1 - span.0 + 1))
}

/// Whether lengths agree better with head and body than with the body.
fn is_whole(groups: &[Group<'_>], begin: bool, skew: Micros, width: Micros) -> bool {
    let fits = |whole: bool| {
        offsets(groups, begin)
            .filter(|(offset, record, _)| (offset - skew).abs() <= width && record.whole)
            .filter_map(|(_, record, line)| {
                Some((
                    record.body + if whole { record.head } else { 0 },
                    line.bytes?,
                ))
            })
            .filter(|(wire, log)| wire.abs_diff(*log) <= 16)
            .count()
    };
    fits(true) > fits(false)
}
