//! Map files of HAProxy: networks and accounts, with how many requests a minute get through.

use std::fmt::Write;

use super::{LeftOut, about, is_plain};
use crate::response::{Action, Rate, Subject, Verb};

const HEAD: &str = "\
# Decisions of observer for HAProxy: two map files. Read them before you use them: observer has carried out nothing.
# Each line has whom, and how many requests a minute get through; 0: none. To write both files here:
#   observer responses export haproxy-map | awk '$1 == \"##\" { file = $2 } file { print >file }'
# In the frontend; var(txn.observer_consumer) has to hold observer's id of the account once the key was checked, yours to set:
#   http-request set-var(txn.observer_consumer) req.hdr(x-consumer-username)
#   http-request set-var(txn.observer_network_limit) src,map_ip_int(/etc/haproxy/observer-networks.map)
#   http-request set-var(txn.observer_limit) var(txn.observer_consumer),map_str_int(/etc/haproxy/observer-consumers.map)
#   acl observer_network_blocked var(txn.observer_network_limit) -m int 0
#   acl observer_blocked var(txn.observer_limit) -m int 0
#   http-request deny deny_status 403 if observer_network_blocked || observer_blocked
# For limits of accounts as well:
#   stick-table type string len 64 size 100k expire 2m store http_req_rate(1m)
#   http-request track-sc0 var(txn.observer_consumer) if { var(txn.observer_limit) -m found }
#   http-request deny deny_status 429 if { sc0_http_req_rate,sub(txn.observer_limit) gt 0 }
# What is here does not end by itself: export it again once one below is over.
";

/// Writes them.
pub(super) fn render(actions: &[&Action]) -> (String, usize) {
    let (mut networks, mut consumers) = (String::new(), String::new());
    let mut left_out = LeftOut::default();
    for action in actions {
        let Some(requests) = by_the_minute(action.verb) else {
            left_out.add(action, "not a whole number of requests a minute");
            continue;
        };
        let (file, key) = match (&action.subject, action.verb) {
            (Subject::Network(network), Verb::Block) => (&mut networks, network.to_string()),
            (Subject::Network(_), Verb::Limit(_)) => {
                left_out.add(action, "a table of HAProxy counts addresses, no network");
                continue;
            }
            (Subject::Consumer(id), _) if is_key(id) => (&mut consumers, id.to_string()),
            (Subject::Consumer(_), _) => {
                left_out.add(action, "a map of HAProxy cannot have this id");
                continue;
            }
            _ => {
                left_out.add(action, "the maps have accounts, and no key of one");
                continue;
            }
        };
        // Writing to a string does not fail.
        let _ = writeln!(file, "# {}\n{key} {requests}", about(action));
    }
    let text = format!(
        "{HEAD}## observer-networks.map\n{networks}## observer-consumers.map\n{consumers}{}",
        left_out.text
    );
    (text, left_out.count)
}

/// A line's key ends at a blank (pat_load_from_file), and a line that begins with a number sign is none.
fn is_key(id: &str) -> bool {
    is_plain(id) && !id.starts_with('#') && !id.contains(char::is_whitespace)
}

/// Requests a minute; a whole number, and no more than HAProxy's counters hold.
fn by_the_minute(verb: Verb) -> Option<u64> {
    let Verb::Limit(Rate { requests, seconds }) = verb else {
        return Some(0);
    };
    let (requests, seconds) = (u64::from(requests), u64::from(seconds).max(1));
    let whole = (requests * 60).is_multiple_of(seconds);
    let minute = requests * 60 / seconds;
    (whole && minute <= u64::from(u32::MAX)).then_some(minute)
}
