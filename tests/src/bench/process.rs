//! Processes that a benchmark starts.
//!
//! Invariant: each ends with the value that stands for it.

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::lab::{Failure, failed};

/// How long one may take to stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process that ends with this value.
pub struct Process(Child);

impl Process {
    /// Starts it; it dies with the benchmark.
    pub fn start(command: &mut Command) -> Result<Self, Failure> {
        let name = format!("{command:?}");
        command.spawn().map(Self).map_err(failed(name))
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// What it says on a piped standard output, as far as it is there.
    pub fn line(&mut self) -> Result<String, Failure> {
        let mut line = [0; 64];
        let stdout = self.0.stdout.as_mut();
        let count = stdout
            .ok_or_else(|| Failure::new("a process", "its output is not piped"))?
            .read(&mut line)
            .map_err(failed("reading what a process says"))?;
        Ok(String::from_utf8_lossy(line.get(..count).unwrap_or_default()).into_owned())
    }

    /// Nanoseconds of CPU time of all its threads (`/proc/PID/task/*/schedstat`, first field).
    pub fn cpu_time(&self) -> Result<u64, Failure> {
        self.cpu_time_of(|_| true)
    }

    /// As [`Self::cpu_time`], of the threads whose name is wanted.
    pub fn cpu_time_of(&self, wanted: impl Fn(&str) -> bool) -> Result<u64, Failure> {
        let tasks = PathBuf::from(format!("/proc/{}/task", self.id()));
        let mut sum = 0;
        for task in fs::read_dir(&tasks).map_err(failed(tasks.display().to_string()))? {
            let task = task.map_err(failed("listing threads"))?;
            let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            if !wanted(name.trim()) {
                continue;
            }
            // A thread may end meanwhile.
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            let first = text.split_ascii_whitespace().next();
            sum += first
                .and_then(|field| field.parse::<u64>().ok())
                .unwrap_or_default();
        }
        Ok(sum)
    }

    /// A line of `/proc/PID/status`, in KiB.
    pub fn status(&self, name: &str) -> Result<u64, Failure> {
        let path = format!("/proc/{}/status", self.id());
        let text = fs::read_to_string(&path).map_err(failed(&path))?;
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .and_then(|value| value.split_ascii_whitespace().next()?.parse().ok())
            .ok_or_else(|| Failure::new(path, format!("no {name}")))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(id) = i32::try_from(self.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(id, Signal::TERM);
        }
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
