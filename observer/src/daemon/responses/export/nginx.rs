//! `geo`, `map` and `limit_req_zone` of nginx, for networks and accounts.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{LeftOut, about, is_plain};
use crate::response::{Action, Rate, Subject, Verb};

const HEAD: &str = "\
# Decisions of observer for nginx. Read it before you include it in http { }: observer has carried out nothing.
#
# $observer_consumer has to hold observer's id of the account, once the key was checked; yours to define, such as
#   map $http_x_consumer_username $observer_consumer { default $http_x_consumer_username; }
# behind a gateway that sets that field, or auth_request_set. Networks are held against $remote_addr: behind a proxy,
# ngx_http_realip_module has to be set up. In the servers:
#   if ($observer_blocked_network) { return 403; }
#   if ($observer_blocked) { return 403; }
# Where nginx asks for it: map_hash_bucket_size 128;
# What is here does not end by itself: export it again once one below is over.
";

/// Who is limited to the same rate.
#[derive(Default)]
struct Limited<'a> {
    networks: Vec<&'a Action>,
    consumers: Vec<(String, &'a Action)>,
    burst: u32,
}

/// Writes them.
pub(super) fn render(actions: &[&Action]) -> (String, usize) {
    let (mut networks, mut consumers) = (String::new(), String::new());
    let mut limits: BTreeMap<(u32, char), Limited<'_>> = BTreeMap::new();
    let mut left_out = LeftOut::default();
    for action in actions {
        let rate = match action.verb {
            Verb::Block => None,
            Verb::Limit(rate) => match whole(rate) {
                Some(whole) => Some((whole, rate.bucket())),
                None => {
                    left_out.add(action, "nginx counts whole requests a second or a minute");
                    continue;
                }
            },
        };
        match (&action.subject, rate) {
            (Subject::Network(network), None) => {
                networks.push_str(&line(&format!("{network} 1"), action));
            }
            (Subject::Network(_), Some((rate, burst))) => {
                let limited = limits.entry(rate).or_default();
                limited.networks.push(action);
                limited.burst = burst;
            }
            (Subject::Consumer(id), rate) => match (source(id), rate) {
                (None, _) => left_out.add(action, "nginx cannot write this id"),
                (Some(source), None) => {
                    consumers.push_str(&line(&format!("{source} 1"), action));
                }
                (Some(source), Some((rate, burst))) => {
                    let limited = limits.entry(rate).or_default();
                    limited.consumers.push((source, action));
                    limited.burst = burst;
                }
            },
            _ => left_out.add(action, "nginx knows accounts here, and no key of one"),
        }
    }
    let mut text = HEAD.to_owned();
    // Writing to a string does not fail.
    let _ = write!(
        text,
        "\ngeo $observer_blocked_network {{\n    default 0;\n{networks}}}\n\
         \nmap $observer_consumer $observer_blocked {{\n    default 0;\n{consumers}}}\n"
    );
    for ((requests, unit), limited) in &limits {
        text.push_str(&limit(*requests, *unit, limited));
    }
    if left_out.count > 0 {
        text.push('\n');
        text.push_str(&left_out.text);
    }
    (text, left_out.count)
}

/// The zones of one rate. An empty key is not counted; all of a network, and all of an account, have one key.
fn limit(requests: u32, unit: char, limited: &Limited<'_>) -> String {
    let (rate, name) = (format!("{requests}r/{unit}"), format!("{requests}_{unit}"));
    // Those that come at once, beyond the first (ngx_http_limit_req_module).
    let burst = match limited.burst.saturating_sub(1) {
        0 => String::new(),
        burst => format!(" burst={burst} nodelay"),
    };
    let mut text = format!("\n# At most {rate}; in the servers, with limit_req_status 429:\n");
    let zone = |kind: &str, variable: &str, lines: &str| {
        format!(
            "#   limit_req zone=observer_{kind}_{name}{burst};\n\
             {variable} {{\n    default \"\";\n{lines}}}\n\
             limit_req_zone $observer_limited_{kind}_{name} zone=observer_{kind}_{name}:1m rate={rate};\n"
        )
    };
    if !limited.networks.is_empty() {
        let lines = limited.networks.iter().map(|action| {
            let network = action.subject.id();
            line(&format!("{network} {network}"), action)
        });
        let variable = format!("geo $observer_limited_network_{name}");
        text.push_str(&zone("network", &variable, &lines.collect::<String>()));
    }
    if !limited.consumers.is_empty() {
        let lines = limited.consumers.iter().map(|(source, action)| {
            // The variable and not the id: in a value, nginx takes a dollar for one.
            line(&format!("{source} $observer_consumer"), action)
        });
        let variable = format!("map $observer_consumer $observer_limited_consumer_{name}");
        text.push_str(&zone("consumer", &variable, &lines.collect::<String>()));
    }
    text
}

fn line(entry: &str, action: &Action) -> String {
    format!("    {entry}; # {}\n", about(action))
}

/// A rate as nginx has them: whole requests a second or a minute.
fn whole(rate: Rate) -> Option<(u32, char)> {
    match rate.seconds {
        1 => Some((rate.requests, 's')),
        60 => Some((rate.requests, 'm')),
        3_600 if rate.requests.is_multiple_of(60) => Some((rate.requests / 60, 'm')),
        _ => None,
    }
}

/// A text as a source value of a map, in quotes. A backslash in front says that it is neither a word of the map nor a
/// regular expression; within quotes one stands for itself when it is doubled (ngx_conf_read_token, ngx_http_map).
fn source(text: &str) -> Option<String> {
    if !is_plain(text) {
        return None;
    }
    let special = text.starts_with(['~', '\\'])
        || matches!(text, "default" | "hostnames" | "include" | "volatile");
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    Some(format!("\"{}{text}\"", if special { "\\\\" } else { "" }))
}
