//! Telling others of incidents, and of what is done about somebody: a webhook with a signature, and Alertmanager.
//!
//! A thread of its own: whoever does not answer holds up nobody. What waits is bounded, and what was given up is counted.
//! A webhook may get the same state twice, never one out of order; the header field `X-Observer-Delivery` tells.

mod alertmanager;
mod webhook;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::awareness::Incident;
use crate::response::Event;
use alertmanager::Alertmanager;
use webhook::Webhook;

/// Changes that wait to be sent.
const WAITING: usize = 1_024;
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pauses between attempts: doubled from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Attempts before a change is given up.
const ATTEMPTS: u32 = 12;

/// Where incidents are told.
#[derive(Clone, Default)]
pub struct Targets {
    /// URL that each change is posted to.
    pub webhook: Option<String>,
    /// What the posts are signed with.
    pub secret: Option<Zeroizing<Vec<u8>>>,
    /// URL of an Alertmanager, without path.
    pub alertmanager: Option<String>,
}

/// What was given up.
#[derive(Debug, Default)]
pub struct Counts {
    /// Changes that did not fit the queue.
    pub refused: AtomicU64,
    /// Changes that nobody took in all attempts.
    pub failed: AtomicU64,
}

/// What is told.
#[derive(Clone, Debug)]
enum Change {
    /// How an incident stands.
    Incident(Box<Incident>),
    /// What was done about somebody; to webhooks only.
    Response(Box<Event>),
}

impl Change {
    /// What it is about, in a word.
    fn id(&self) -> &str {
        match self {
            Self::Incident(incident) => &incident.id,
            Self::Response(event) => event.action.as_str(),
        }
    }
}

/// The end that changes are handed to.
#[derive(Clone, Debug)]
pub struct Notifier {
    queue: Option<SyncSender<Change>>,
    counts: Arc<Counts>,
}

impl Notifier {
    /// Starts the thread, if there is anybody to tell.
    pub fn start(targets: &Targets) -> Self {
        let counts = Arc::new(Counts::default());
        if targets.webhook.is_none() && targets.alertmanager.is_none() {
            return Self {
                queue: None,
                counts,
            };
        }
        let (queue, received) = sync_channel(WAITING);
        let mut sender = Sender::new(targets, Arc::clone(&counts));
        let thread = thread::Builder::new()
            .name("notify".to_owned())
            .spawn(move || sender.run(&received));
        if let Err(error) = &thread {
            tracing::error!("nobody is told of incidents: no thread: {error}");
        }
        Self {
            queue: thread.ok().map(|_| queue),
            counts,
        }
    }

    /// Tells how an incident stands, without waiting.
    pub fn notify(&self, incident: &Incident) {
        self.tell(|| Change::Incident(Box::new(incident.clone())));
    }

    /// Tells what was done about somebody, without waiting.
    pub fn notify_response(&self, event: &Event) {
        self.tell(|| Change::Response(Box::new(event.clone())));
    }

    fn tell(&self, change: impl FnOnce() -> Change) {
        if let Some(queue) = &self.queue
            && queue.try_send(change()).is_err()
        {
            self.counts.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was given up, by reason.
    pub fn dropped(&self) -> [(&'static str, u64); 2] {
        [
            ("queue_full", self.counts.refused.load(Ordering::Relaxed)),
            ("not_taken", self.counts.failed.load(Ordering::Relaxed)),
        ]
    }
}

/// Why something was not taken.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    /// No answer, or none that is HTTP.
    #[error("{0}")]
    Unreachable(Box<ureq::Error>),
    /// It is refused however often it is sent.
    #[error("answered with {0}")]
    Final(u16),
    /// It may be taken later.
    #[error("answered with {0}")]
    Later(u16),
}

/// The thread's state.
struct Sender {
    webhook: Option<Webhook>,
    alertmanager: Option<Alertmanager>,
    waiting: VecDeque<Change>,
    attempts: u32,
    pause: Duration,
    next: Instant,
    counts: Arc<Counts>,
}

impl Sender {
    fn new(targets: &Targets, counts: Arc<Counts>) -> Self {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .max_redirects(0)
            .build()
            .into();
        let webhook = targets.webhook.as_ref();
        Self {
            webhook: webhook.map(|url| Webhook::new(agent.clone(), url, targets.secret.clone())),
            alertmanager: targets
                .alertmanager
                .as_ref()
                .map(|url| Alertmanager::new(agent.clone(), url)),
            waiting: VecDeque::new(),
            attempts: 0,
            pause: PAUSES.0,
            next: Instant::now(),
            counts,
        }
    }

    fn run(&mut self, received: &Receiver<Change>) {
        loop {
            let until = self.alertmanager.as_ref().map(Alertmanager::due);
            let until = (!self.waiting.is_empty())
                .then_some(self.next)
                .into_iter()
                .chain(until)
                .min();
            let pause = until.map_or(PAUSES.1, |until| {
                until.saturating_duration_since(Instant::now())
            });
            match received.recv_timeout(pause) {
                Ok(change) => {
                    if let (Some(alertmanager), Change::Incident(incident)) =
                        (&mut self.alertmanager, &change)
                    {
                        alertmanager.note(incident);
                    }
                    if self.webhook.is_some() {
                        self.queue(change);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if let Some(alertmanager) = &mut self.alertmanager
                && alertmanager.due() <= Instant::now()
            {
                alertmanager.send();
            }
            self.deliver();
        }
    }

    fn queue(&mut self, change: Change) {
        if self.waiting.len() >= WAITING {
            self.waiting.pop_front();
            self.attempts = 0;
            self.counts.refused.fetch_add(1, Ordering::Relaxed);
        }
        self.waiting.push_back(change);
    }

    fn deliver(&mut self) {
        while let (Some(webhook), Some(change)) = (&self.webhook, self.waiting.front()) {
            if self.next > Instant::now() {
                return;
            }
            match webhook.post(change) {
                Ok(()) => self.done(),
                Err(Refusal::Final(status)) => {
                    tracing::error!(
                        "webhook: refused with {status}; {} is not sent again",
                        change.id()
                    );
                    self.counts.failed.fetch_add(1, Ordering::Relaxed);
                    self.done();
                }
                Err(refusal) => {
                    self.attempts += 1;
                    if self.attempts >= ATTEMPTS {
                        tracing::error!("webhook: {refusal}; {} is given up", change.id());
                        self.counts.failed.fetch_add(1, Ordering::Relaxed);
                        self.done();
                        continue;
                    }
                    if self.attempts == 1 {
                        tracing::warn!("webhook: {refusal}; trying again");
                    }
                    self.next = Instant::now() + self.pause;
                    self.pause = (self.pause * 2).min(PAUSES.1);
                }
            }
        }
    }

    fn done(&mut self) {
        self.waiting.pop_front();
        self.attempts = 0;
        self.pause = PAUSES.0;
        self.next = Instant::now();
    }
}

/// What an answer means for what was sent.
fn judge(status: u16) -> Result<(), Refusal> {
    match status {
        200..=299 => Ok(()),
        // RFC 9110 sections 15.5.9 and 15.6, RFC 6585 section 4.
        408 | 429 | 500.. => Err(Refusal::Later(status)),
        _ => Err(Refusal::Final(status)),
    }
}
