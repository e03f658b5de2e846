//! What commands and the page have done: orders to the thread that observes, and waiting until the ledger has what they changed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Order;
use super::respond::Asked;
use super::taps::{self, Filter};
use crate::daemon::responses::{self, order};
use crate::export::State;
use crate::export::history::{History, Question};
use crate::export::live::{Live, Look};
use crate::export::web::{self, Answered, Change, Deed, Sessions};
use crate::identity::shown::Shown;
use crate::store::Status;

/// How long the ledger may take to take a batch.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How often the ledger's progress is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// What there is to do, and to look at.
#[derive(Clone)]
pub struct Desk {
    /// The thread that observes.
    pub orders: Sender<Order>,
    /// What there is to say where nobody takes them.
    pub gone: &'static str,
    /// How the ledger is doing.
    pub status: Arc<dyn Fn() -> Status + Send + Sync>,
    /// The counters.
    pub state: Arc<State>,
    /// Frames.
    pub live: Arc<Live>,
    /// The ledger.
    pub history: Arc<History>,
    /// Who is signed in.
    pub sessions: Arc<Sessions>,
    /// Where the page is.
    pub listen: SocketAddr,
}

impl Desk {
    /// Orders something, and waits for the answer.
    ///
    /// # Errors
    /// When nobody takes orders any more.
    pub async fn ask<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<T>) -> Order,
    ) -> Result<T, String> {
        let stopping = || self.gone.to_owned();
        let (sender, receiver) = oneshot::channel();
        self.orders.send(order(sender)).map_err(|_| stopping())?;
        receiver.await.map_err(|_| stopping())
    }

    /// Brings everything that was seen so far into the ledger; with `all`, baselines too.
    ///
    /// # Errors
    /// Why it is not there.
    pub async fn commit(&self, all: bool) -> Result<(), String> {
        let order = if all { Order::CommitAll } else { Order::Commit };
        let number = self.ask(order).await?.map_err(|error| error.to_string())?;
        let taken = async {
            loop {
                let status = (self.status)();
                if status.batch >= number {
                    return Ok(());
                }
                if let Some(trouble) = status.trouble {
                    return Err(trouble);
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        timeout(PATIENCE, taken)
            .await
            .unwrap_or_else(|_| Err("the ledger takes long".to_owned()))
    }

    /// Does something about an incident, and brings that into the ledger.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn incident(&self, by: &str, id: String, deed: Deed) -> Result<(), String> {
        tracing::info!("incident {}: {} by {by}", Shown(&id), deed.name());
        if !self.ask(|answer| Order::Incident(id, deed, answer)).await? {
            return Err("no incident of that id is open".to_owned());
        }
        self.live.forget();
        let kept = self.commit(false).await;
        kept.map_err(|why| format!("done, but a restart may forget it: {why}"))
    }

    /// Has something done about somebody, and brings that into the ledger. The order and its answer are JSON.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn respond(&self, by: String, order: &str) -> Result<String, String> {
        let order: order::Order =
            serde_json::from_str(order).map_err(|_| "no such request".to_owned())?;
        // Whoever asks may be a page, which has none of the commands' checks.
        let order = responses::checked(order)?;
        let looks = matches!(
            order,
            order::Order::List | order::Order::Act { dry_run: true, .. }
        );
        let done = self.ask(|answer| Order::Respond(Asked { order, by, answer }));
        let mut answer = done.await??;
        if !looks {
            self.live.forget();
            if let Err(why) = self.commit(false).await {
                let note = format!("done, but a restart may forget it: {why}");
                answer.notes.push(note);
            }
        }
        serde_json::to_string(&answer).map_err(|error| error.to_string())
    }

    /// What there is to see now, as JSON.
    ///
    /// # Errors
    /// When that is no kind of look.
    pub async fn look(&self, look: &str) -> Result<String, String> {
        let look: Look = serde_json::from_str(look).map_err(|_| "no such view".to_owned())?;
        self.live.settle().await;
        let frame = self.live.look(&look).map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&frame).into_owned())
    }

    /// What was before, as JSON, with what the ledger does not have yet.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn history(&self, question: &str) -> Result<String, String> {
        let question: Question =
            serde_json::from_str(question).map_err(|_| "no such question".to_owned())?;
        // What is there is worth having without the rest.
        let _ = self.commit(false).await;
        let answer = self.history.ask(question).await;
        answer
            .map(|answer| answer.to_string())
            .map_err(|why| why.to_string())
    }

    /// The last exchanges of somebody, as JSON.
    ///
    /// # Errors
    /// When it is not said whose.
    pub async fn exchanges(&self, filter: &str) -> Result<String, String> {
        let filter: Filter =
            serde_json::from_str(filter).map_err(|_| "no such filter".to_owned())?;
        let calls = self.ask(|answer| Order::Exchanges(filter, answer)).await?;
        Ok(taps::rows(&calls))
    }

    /// A link to the page that signs this user in.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn login(&self, user: &str) -> Result<String, String> {
        let ticket = self
            .sessions
            .ticket(user)
            .map_err(|error| error.to_string())?;
        let mut listen = self.listen;
        if listen.ip().is_unspecified() {
            listen.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        Ok(format!("http://{listen}/#ticket={}", ticket.reveal()))
    }
}

impl web::Desk for Desk {
    fn change(&self, by: &str, change: Change) -> Answered {
        let (desk, by) = (self.clone(), by.to_owned());
        Box::pin(async move {
            match change {
                Change::Respond(order) => desk.respond(by, &order).await,
                Change::Incident { id, deed } => {
                    desk.incident(&by, id, deed).await.map(|()| String::new())
                }
            }
        })
    }
}
