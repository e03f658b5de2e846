//! Network namespaces: a server and a client, joined by a veth pair with IPv4 and IPv6 addresses.
//!
//! Processes enter by `nsenter`, never by `ip netns exec`: that one remounts /sys and hides the BPF file system.

use std::fs::File;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::process::run;

/// The server's end of the link, in its namespace.
pub const INTERFACE: &str = "obs0";
/// The server's addresses.
pub const SERVER: [&str; 2] = ["10.77.0.1", "fd77::1"];
/// The client's addresses.
pub const CLIENT: [&str; 2] = ["10.77.0.2", "fd77::2"];

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A network namespace with `lo` up. Dropping it deletes it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes one with a name of its own.
    pub fn new(role: &str) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("obs-{}-{number}-{role}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name]));
        let namespace = Self { name };
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace
    }

    /// Runs `ip` on this namespace.
    pub fn ip(&self, arguments: &[&str]) -> String {
        run(Command::new("ip").args(["-n", &self.name]).args(arguments))
    }

    /// Its name for `ip`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that will run in this namespace.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/run/netns/{}", self.name))
            .arg(program);
        command
    }

    /// Runs a closure on a thread of its own in this namespace.
    ///
    /// # Panics
    /// When the namespace cannot be entered, or the closure does.
    pub fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                let file =
                    File::open(format!("/run/netns/{}", self.name)).expect("opening the namespace");
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                    .expect("entering the namespace");
                act()
            });
            match inside.join() {
                Ok(value) => value,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "delete", &self.name])
            .status();
    }
}

/// A server's and a client's namespace.
#[derive(Debug)]
pub struct Link {
    /// Where the observed services and the daemon run.
    pub server: Namespace,
    /// Where their clients run.
    pub client: Namespace,
}

impl Link {
    /// Two namespaces, joined.
    pub fn new() -> Self {
        let link = Self {
            server: Namespace::new("s"),
            client: Namespace::new("c"),
        };
        link.join(INTERFACE, "cli0", SERVER, CLIENT);
        link
    }

    /// Gives the client the addresses of [`elsewhere`], 1 to `count`, for whoever binds to them.
    pub fn spread(&self, count: u8) {
        for number in 1..=count {
            let address = format!("{}/24", elsewhere(number));
            self.client.ip(&["address", "add", &address, "dev", "cli0"]);
        }
        self.server
            .ip(&["route", "add", "10.78.0.0/16", "dev", INTERFACE]);
    }

    /// Adds a veth pair with an IPv4 and an IPv6 address at each end.
    pub fn join(&self, here: &str, there: &str, server: [&str; 2], client: [&str; 2]) {
        self.server.ip(&[
            "link",
            "add",
            here,
            "type",
            "veth",
            "peer",
            "name",
            there,
            "netns",
            self.client.name(),
        ]);
        for (end, name, addresses) in [(&self.server, here, server), (&self.client, there, client)]
        {
            let [four, six] = addresses;
            end.ip(&["address", "add", &format!("{four}/24"), "dev", name]);
            end.ip(&["address", "add", &format!("{six}/64"), "dev", name, "nodad"]);
            end.ip(&["link", "set", name, "up"]);
        }
    }
}

/// An address of the client in another network than its first, one of each number.
pub fn elsewhere(number: u8) -> String {
    format!("10.78.{number}.2")
}

impl Default for Link {
    fn default() -> Self {
        Self::new()
    }
}
