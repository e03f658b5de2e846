//! Awareness in the running daemon: fed with every exchange, saved with the books, shown to exporters, told to whom it concerns.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use crate::awareness::{Awareness, Incident};
use crate::export::State;
use crate::export::notify::Notifier;
use crate::export::web::Deed;
use crate::identity::Registry;
use crate::tls::Handshake;
use crate::usage::Call;
use crate::usage::batch::{Batch, IncidentRow};

/// How often baselines that changed go to the ledger.
const SAVE: Duration = Duration::from_secs(300);
/// Baselines handed out in one round.
const AT_A_TIME: usize = 128;
/// How often exporters get a new view while nothing happens.
const SHOW: Duration = Duration::from_secs(2);
const SECOND: u64 = 1_000_000_000;

/// Awareness, and what is done with it.
pub struct Watch {
    awareness: Awareness,
    notifier: Notifier,
    saved: Instant,
    /// Some of them are still to be handed out.
    saving: bool,
    shown: Option<Instant>,
    /// Incidents that began, or changed, and were not looked at for what could be done about them.
    told: Vec<Incident>,
}

impl Watch {
    /// Goes on from what was kept.
    pub fn new(awareness: Awareness, notifier: Notifier) -> Self {
        Self {
            awareness,
            notifier,
            saved: Instant::now(),
            saving: false,
            shown: None,
            told: Vec::new(),
        }
    }

    /// Incidents that changed since this was asked last.
    pub fn take_told(&mut self) -> Vec<Incident> {
        std::mem::take(&mut self.told)
    }

    /// Whoever tells others.
    pub fn notifier(&self) -> &Notifier {
        &self.notifier
    }

    /// Takes one exchange.
    #[inline]
    pub fn observe(&mut self, call: &Call) {
        // What the observer itself refused says nothing of the consumer or the application.
        if call.refused.is_none() {
            self.awareness.observe(call);
        }
    }

    /// Takes a TLS handshake.
    pub fn observe_handshake(&mut self, handshake: &Handshake) {
        self.awareness.observe_handshake(handshake);
    }

    /// Takes a new registry.
    pub fn reload(&mut self, registry: &Registry) {
        self.awareness.reload(registry);
    }

    /// Lets time pass up to `now` (nanoseconds since 1970 in UTC), and tells what happened.
    pub fn round(&mut self, now: u64, completeness: f64, batch: &mut Batch, state: &State) {
        self.awareness.tick(now / SECOND, completeness);
        let happened = self.tell(batch);
        let due = self.shown.is_none_or(|shown| shown.elapsed() >= SHOW);
        if happened || due || state.is_waited_for() {
            self.show(now, state);
        }
        if self.saved.elapsed() >= SAVE {
            self.awareness.begin_saving();
            self.saved = Instant::now();
            self.saving = true;
        }
        if self.saving {
            let rows = self.awareness.save(AT_A_TIME);
            self.saving = rows.len() >= AT_A_TIME;
            batch.baselines(rows);
        }
    }

    /// What a bound refused: stage, reason, count.
    pub fn dropped(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let told = self.notifier.dropped().into_iter();
        let kept = self.awareness.refused().into_iter();
        told.map(|(reason, count)| ("notify", reason, count))
            .chain(kept.map(|(reason, count)| ("awareness", reason, count)))
    }

    /// Hands baselines that changed to the ledger.
    pub fn save(&mut self, batch: &mut Batch) {
        self.saved = Instant::now();
        self.saving = false;
        self.awareness.begin_saving();
        batch.baselines(self.awareness.save(usize::MAX));
        for incident in self.awareness.take_grown(true) {
            batch.incident(row(&incident));
        }
    }

    /// Does something about an incident. False: none of that id is open.
    pub fn act(
        &mut self,
        id: &str,
        deed: &Deed,
        now: u64,
        batch: &mut Batch,
        state: &State,
    ) -> bool {
        let done = match deed {
            Deed::Ack => self.awareness.acknowledge(id),
            Deed::Close => self.awareness.close(id, None),
            Deed::Suppress { seconds } => {
                let until = now.saturating_add(seconds.saturating_mul(SECOND));
                self.awareness.close(id, Some(until))
            }
        };
        self.tell(batch);
        self.show(now, state);
        done
    }

    /// Hands over what is to be seen; what only people see, only while they look.
    fn show(&mut self, now: u64, state: &State) {
        self.shown = Some(Instant::now());
        let mut view = self.awareness.view();
        view.places = state.is_looked_at().then(|| self.awareness.places(now));
        state.set_awareness(view);
    }

    fn tell(&mut self, batch: &mut Batch) -> bool {
        let changes = self.awareness.take_changes();
        for incident in &changes {
            batch.incident(row(incident));
            // The log is for whoever has nothing else yet.
            match incident.state.is_open() {
                true => tracing::warn!(
                    "{} {}: {}",
                    incident.severity.name(),
                    incident.rule.name(),
                    incident.statement
                ),
                false => tracing::info!(
                    "{} {} of {}",
                    incident.rule.name(),
                    incident.state.name(),
                    incident.subject.words()
                ),
            }
            self.notifier.notify(incident);
        }
        for incident in self.awareness.take_grown(false) {
            batch.incident(row(&incident));
        }
        let happened = !changes.is_empty();
        self.told.extend(changes);
        happened
    }
}

fn row(incident: &Incident) -> IncidentRow {
    IncidentRow {
        id: incident.id.clone(),
        rule: Cow::Borrowed(incident.rule.name()),
        state: Cow::Borrowed(incident.state.name()),
        detected: incident.detected_at / SECOND,
        // It holds texts and finite numbers only.
        body: serde_json::to_string(incident).unwrap_or_default(),
    }
}
