//! Names of the processes that listen at this host's ports.
//!
//! Bias: a name is what listens now, in this network namespace; who listened when a connection came is not known. A thread of its
//! own asks /proc: with many open files that takes longer than whoever observes may wait.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::processes::{listeners, sockets};

/// How long an answer holds.
const HOLDS: Duration = Duration::from_secs(30);
/// Questions that wait; further ones are asked again later.
const WAITING: usize = 64;
/// Ports that are remembered.
const PORTS: usize = 1024;

/// Every listening TCP port of this network namespace, with the name of a process that listens there, if it can be seen.
pub fn listening() -> BTreeMap<u16, Option<Arc<str>>> {
    open(&["tcp6", "tcp"])
}

/// Ports of these tables, and who has them; of a port that is in several, the last one's counts.
fn open(tables: &[&str]) -> BTreeMap<u16, Option<Arc<str>>> {
    let me = std::process::id();
    let inodes: BTreeMap<u16, u64> = tables
        .iter()
        .flat_map(|table| listeners(me, table))
        .map(|(inode, port)| (port, inode))
        .collect();
    let names = names_by_socket();
    let ports = inodes.into_iter();
    ports
        .map(|(port, inode)| (port, names.get(&inode).map(Arc::clone)))
        .collect()
}

/// Names of processes by the sockets that they hold.
fn names_by_socket() -> HashMap<u64, Arc<str>> {
    let mut names = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(process) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(name) = fs::read_to_string(entry.path().join("comm")) else {
            continue;
        };
        let name: Arc<str> = Arc::from(name.trim());
        for inode in sockets(process) {
            names.entry(inode).or_insert_with(|| Arc::clone(&name));
        }
    }
    names
}

/// Answers, and the thread that finds them. It ends with this.
#[derive(Debug)]
pub struct Owners {
    known: Arc<Mutex<HashMap<u16, Option<Arc<str>>>>>,
    ask: SyncSender<u16>,
}

impl Owners {
    /// Starts it.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn start() -> io::Result<Self> {
        let (ask, asked) = mpsc::sync_channel(WAITING);
        let known = Arc::default();
        let answers = Arc::clone(&known);
        thread::Builder::new()
            .name("owners".to_owned())
            .spawn(move || find(&asked, &answers))?;
        Ok(Self { known, ask })
    }

    /// The name of a process that listens at a port, as far as it is known by now.
    pub fn name(&self, port: u16) -> Option<Arc<str>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(&port) {
            Some(name) => name.clone(),
            None => {
                // Without room it is asked again with the next round.
                let _ = self.ask.try_send(port);
                None
            }
        }
    }
}

fn find(asked: &Receiver<u16>, answers: &Mutex<HashMap<u16, Option<Arc<str>>>>) {
    loop {
        let ports: Vec<u16> = match asked.recv_timeout(HOLDS) {
            Ok(port) => std::iter::once(port).chain(asked.try_iter()).collect(),
            // Whoever still asks does so again.
            Err(RecvTimeoutError::Timeout) => Vec::new(),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut known = answers.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted: Vec<u16> = known.keys().copied().chain(ports).take(PORTS).collect();
        if wanted.is_empty() {
            continue;
        }
        drop(known);
        // QUIC is over UDP, at the same port as a rule.
        let listening = open(&["udp6", "udp", "tcp6", "tcp"]);
        known = answers.lock().unwrap_or_else(PoisonError::into_inner);
        *known = wanted
            .into_iter()
            .map(|port| (port, listening.get(&port).cloned().flatten()))
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Instant;

    use super::*;

    #[test]
    fn who_listens_is_found() {
        let socket = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        let comm = fs::read_to_string("/proc/self/comm").unwrap();
        let owners = Owners::start().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while owners.name(port).as_deref() != Some(comm.trim()) {
            assert!(Instant::now() < deadline, "nobody found");
            thread::yield_now();
        }
    }
}
