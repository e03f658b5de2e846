//! The terminal and the threads around the state: one that hears keys, one that asks the daemon, one that hears signals.
//!
//! Invariant: the daemon has one question at a time, and whoever takes long to answer does not keep a key waiting.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, KeyEventKind};
use tokio::signal::unix::{SignalKind, signal};

use super::super::failure::Failure;
use super::client::Client;
use super::draw::draw;
use super::seen::{Deed, Need, Told};
use super::state::{Effect, Event, State};

/// The daemon forgets who looks at exchanges when nobody asks for ten seconds.
const EXCHANGES: Duration = Duration::from_secs(4);
/// How often somebody who waits is told so.
const TICK: Duration = Duration::from_secs(1);

/// What the thread that asks is to ask.
enum Job {
    Look(Box<Need>),
    Tell(u64, Deed),
}

/// What comes to the thread that draws.
enum Heard {
    Event(Event),
    /// The daemon was asked what it was to be asked.
    Done(Event),
    Stop,
    Broken(io::Error),
}

/// Shows what there is until somebody has seen enough.
///
/// # Errors
/// When the terminal cannot be used.
pub fn run(state: State, client: Client, interval: Duration) -> Result<(), Failure> {
    let (sender, heard) = mpsc::channel();
    let (jobs, queue) = mpsc::channel();
    let failed = |error: io::Error| Failure::input("terminal", error);
    let mut terminal = ratatui::try_init().map_err(failed)?;
    let threads = start(sender, client, queue);
    let ended = threads.and_then(|()| show(&mut terminal, state, interval, &jobs, &heard));
    let restored = ratatui::try_restore();
    ended.and(restored).map_err(failed)
}

fn start(sender: Sender<Heard>, client: Client, queue: Receiver<Job>) -> io::Result<()> {
    let (keys, signals) = (sender.clone(), sender.clone());
    let named = |name: &str| thread::Builder::new().name(name.to_owned());
    named("top-asks").spawn(move || ask(client, &queue, &sender))?;
    named("top-keys").spawn(move || hear(&keys))?;
    named("top-signals").spawn(move || wait_for_signals(&signals))?;
    Ok(())
}

/// Asks one after the other.
fn ask(mut client: Client, queue: &Receiver<Job>, sender: &Sender<Heard>) {
    for job in queue {
        let event = match job {
            Job::Look(need) => Event::Seen(need.view, client.see(&need).map(Box::new)),
            Job::Tell(number, deed) => Event::Told(Told {
                number,
                outcome: client.tell(&deed),
            }),
        };
        if sender.send(Heard::Done(event)).is_err() {
            return;
        }
    }
}

/// Hears keys, and when the terminal changes its size.
fn hear(sender: &Sender<Heard>) {
    loop {
        let heard = match event::read() {
            Ok(event::Event::Key(key)) if key.kind != KeyEventKind::Release => {
                Heard::Event(Event::Key(key))
            }
            Ok(event::Event::Resize(width, height)) => Heard::Event(Event::Resize(width, height)),
            Ok(_) => continue,
            Err(error) => Heard::Broken(error),
        };
        let broken = matches!(heard, Heard::Broken(_));
        if sender.send(heard).is_err() || broken {
            return;
        }
    }
}

fn wait_for_signals(sender: &Sender<Heard>) {
    let heard = match caught() {
        Ok(()) => Heard::Stop,
        Err(error) => Heard::Broken(error),
    };
    // Whoever would hear it may have ended by itself.
    let _ = sender.send(heard);
}

/// Waits for a signal that ends programs.
fn caught() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
        Ok(())
    })
}

/// What the daemon is being asked, and when it is asked next.
struct Clock {
    interval: Duration,
    asked: Option<Instant>,
    next: Instant,
    deeds: Vec<(u64, Deed)>,
}

impl Clock {
    /// What is to be asked now, where nothing is being asked.
    fn job(&mut self, state: &mut State) -> Option<Job> {
        if self.asked.is_some() {
            return None;
        }
        let now = Instant::now();
        if !self.deeds.is_empty() {
            let (number, deed) = self.deeds.remove(0);
            self.asked = Some(now);
            return Some(Job::Tell(number, deed));
        }
        if now < self.next && !state.hurry {
            return None;
        }
        let need = state.need()?;
        self.asked = Some(now);
        let interval = match need.exchanges {
            Some(_) => self.interval.min(EXCHANGES),
            None => self.interval,
        };
        self.next = now + interval;
        Some(Job::Look(Box::new(need)))
    }

    /// How long there is nothing to do but to wait for events.
    fn idle(&self, state: &State) -> Duration {
        if self.asked.is_some() || state.paused {
            return TICK;
        }
        self.next.saturating_duration_since(Instant::now())
    }
}

fn show(
    terminal: &mut DefaultTerminal,
    mut state: State,
    interval: Duration,
    jobs: &Sender<Job>,
    heard: &Receiver<Heard>,
) -> io::Result<()> {
    let mut clock = Clock {
        interval,
        asked: None,
        next: Instant::now() + interval,
        deeds: Vec::new(),
    };
    let size = terminal.size()?;
    state.apply(Event::Resize(size.width, size.height));
    loop {
        terminal.draw(|frame| draw(&state, frame))?;
        let mut next = match heard.recv_timeout(clock.idle(&state)) {
            Ok(next) => Some(next),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        if next.is_none()
            && let Some(asked) = clock.asked
        {
            state.apply(Event::Waiting(asked.elapsed().as_secs()));
        }
        // Whatever has come meanwhile is drawn at once.
        while let Some(one) = next {
            let event = match one {
                Heard::Stop => return Ok(()),
                Heard::Broken(error) => return Err(error),
                Heard::Event(event) => event,
                Heard::Done(event) => {
                    clock.asked = None;
                    event
                }
            };
            match state.apply(event) {
                Some(Effect::Quit) => return Ok(()),
                Some(Effect::Tell(number, deed)) => clock.deeds.push((number, deed)),
                None => {}
            }
            next = heard.try_recv().ok();
        }
        if let Some(job) = clock.job(&mut state)
            && jobs.send(job).is_err()
        {
            return Err(io::Error::other(
                "the thread that asks the daemon has ended",
            ));
        }
    }
}
