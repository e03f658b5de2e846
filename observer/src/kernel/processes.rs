//! Whether a process of this host serves: asked of /proc once a process, never once a request.
//!
//! A process serves when it holds a listening TCP socket, its own or inherited: the workers of nginx connect upstream
//! with sockets of their own but share the listener that their master opened.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::time::{Duration, Instant};

/// Processes remembered at most; past it all are asked again.
const REMEMBERED: usize = 4096;
/// How long an answer holds: a process may start to listen after its first connection.
const HOLDS: Duration = Duration::from_secs(30);
/// Descriptors of one process that are looked at.
const DESCRIPTORS: usize = 65_536;

/// Answers by process id.
#[derive(Debug, Default)]
pub struct Processes {
    answers: HashMap<u32, (Vec<u16>, Instant)>,
}

impl Processes {
    /// Ports that a process serves at; none when it does not serve. One that is gone did not: servers stay.
    pub fn ports(&mut self, process: u32, now: Instant) -> &[u16] {
        let known = self.answers.get(&process);
        if known.is_none_or(|(_, asked)| now.duration_since(*asked) >= HOLDS) {
            if self.answers.len() >= REMEMBERED {
                self.answers.clear();
            }
            self.answers.insert(process, (held_ports(process), now));
        }
        let known = self.answers.get(&process);
        known.map(|(ports, _)| ports.as_slice()).unwrap_or_default()
    }
}

/// Ports of the listening sockets that a process holds.
fn held_ports(process: u32) -> Vec<u16> {
    let listening: HashMap<u64, u16> = ["tcp", "tcp6"]
        .into_iter()
        .flat_map(|table| listeners(process, table))
        .collect();
    if listening.is_empty() {
        return Vec::new();
    }
    let held = sockets(process).filter_map(|inode| listening.get(&inode).copied());
    let ports: BTreeSet<u16> = held.collect();
    ports.into_iter().collect()
}

/// Inodes of the sockets that a process holds.
pub fn sockets(process: u32) -> impl Iterator<Item = u64> {
    let descriptors = fs::read_dir(format!("/proc/{process}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    descriptors.take(DESCRIPTORS).filter_map(|entry| {
        let target = fs::read_link(entry.path()).ok()?;
        target
            .to_str()?
            .strip_prefix("socket:[")?
            .strip_suffix(']')?
            .parse()
            .ok()
    })
}

/// Inodes and ports of the listening sockets in the network namespace of a process (`tcp`, `tcp6`, or those of `udp` and `udp6` that
/// are connected to nobody, in proc(5)).
pub fn listeners(process: u32, table: &str) -> Vec<(u64, u16)> {
    // TCP_LISTEN and TCP_CLOSE (`net/tcp_states.h`).
    let listens = if table.starts_with("udp") { "07" } else { "0A" };
    let text = fs::read_to_string(format!("/proc/{process}/net/{table}")).unwrap_or_default();
    let lines = text.lines().skip(1);
    lines
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let local = fields.nth(1)?;
            let state = fields.nth(1)?;
            let inode = fields.nth(5)?.parse().ok()?;
            let port = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
            (state == listens).then_some((inode, port))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_listens_serves() {
        let me = std::process::id();
        let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        assert!(
            listeners(me, "tcp")
                .iter()
                .any(|(_, listening)| *listening == port)
        );
        assert!(
            Processes::default()
                .ports(me, Instant::now())
                .contains(&port)
        );
        assert!(
            Processes::default()
                .ports(u32::MAX, Instant::now())
                .is_empty()
        );
    }
}
