//! The way to the daemon: what a view needs, or a deed, over the control socket.
//!
//! Invariant: one request at a time, and no answer of more bytes than a screen can be made of.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::config::{Config, load_registry};
use super::super::failure::Failure;
use super::super::reading::{self, PATIENCE};
use super::super::responses::client::{self, Unanswered};
use super::super::responses::order::Answer;
use super::seen::{Deed, Exchanges, Gone, History, Need, Seen};
use crate::export::live::{Frame, Look};

/// Bytes of an answer.
const LENGTH: usize = 8 << 20;

/// Somebody who asks.
pub struct Client {
    socket: PathBuf,
    registry: PathBuf,
    /// Whether nobody was registered when that was last looked at.
    nobody: bool,
}

impl Client {
    /// Asks the daemon of this configuration.
    pub fn new(config: &Config) -> Self {
        Self {
            socket: config.control.socket.clone(),
            registry: config.identity.registry.clone(),
            nobody: true,
        }
    }

    /// A look as JSON, and as it is read.
    ///
    /// # Errors
    /// Why there is none.
    pub fn look(&self, look: &Look) -> Result<(String, Frame), Unanswered> {
        let text = self.text("look", look)?;
        let frame = serde_json::from_str(&text).map_err(Unanswered::Unreadable)?;
        Ok((text, frame))
    }

    /// What a view needs. What is missing beside the frame is said in its place.
    ///
    /// # Errors
    /// When there is no frame.
    pub fn see(&mut self, need: &Need) -> Result<Seen, Gone> {
        let frame = match self.look(&need.look) {
            Ok((_, frame)) => frame,
            Err(error) => {
                return Err(Gone {
                    at: reading::now(),
                    why: why(error),
                });
            }
        };
        let keys = need.keys_of.as_ref().map(|consumer| {
            let consumer = consumer.clone();
            let (_, frame) = self.look(&Look::Consumer { consumer }).map_err(why)?;
            Ok(frame.keys.unwrap_or_default())
        });
        let history = (need.history.as_ref())
            .map(|over| self.ask::<_, History>("history", over).map_err(why));
        let exchanges = need.exchanges.as_ref().map(|of| {
            let exchanges = self.ask::<_, Exchanges>("exchanges", of).map_err(why)?;
            Ok(exchanges.rows)
        });
        // Somebody who cannot read it is not told that it is empty.
        self.nobody = self.nobody
            && load_registry(&self.registry).is_ok_and(|registry| registry.accounts().is_empty());
        Ok(Seen {
            frame,
            keys,
            history,
            exchanges,
            nobody: self.nobody,
        })
    }

    /// Does something, or finds out what it would do.
    ///
    /// # Errors
    /// Why it was not done.
    pub fn tell(&self, deed: &Deed) -> Result<Answer, String> {
        let incident = |verb: &str, id: &str| {
            let plain =
                !id.is_empty() && id.len() <= 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
            if !plain {
                return Err("that is no id of an incident".to_owned());
            }
            let request = format!("incident {verb} {id}");
            client::say(&self.socket, &request, PATIENCE, LENGTH).map_err(why)?;
            Ok(Answer::default())
        };
        match deed {
            Deed::Respond(order) => client::send(&self.socket, order).map_err(why),
            Deed::Acknowledge(id) => incident("ack", id),
            Deed::Close(id) => incident("close", id),
        }
    }

    fn ask<Q: Serialize, A: DeserializeOwned>(
        &self,
        verb: &str,
        question: &Q,
    ) -> Result<A, Unanswered> {
        serde_json::from_str(&self.text(verb, question)?).map_err(Unanswered::Unreadable)
    }

    fn text<Q: Serialize>(&self, verb: &str, question: &Q) -> Result<String, Unanswered> {
        let question = serde_json::to_string(question).map_err(Unanswered::Unreadable)?;
        let request = format!("{verb} {question}");
        client::say(&self.socket, &request, Duration::from_secs(10), LENGTH)
    }
}

/// Why there is nothing to show at all.
pub fn failure(error: Unanswered) -> Failure {
    match error {
        Unanswered::NotHeard(_) => Failure::support("top", why(error)),
        Unanswered::NoDaemon { .. } => {
            let hint = "(is `observer run` running? systemctl start observer)";
            Failure::input("top", format!("{} {hint}", why(error)))
        }
        _ => Failure::input("top", why(error)),
    }
}

/// Why there is no answer, in the words of this command.
fn why(error: Unanswered) -> String {
    match error {
        Unanswered::NoDaemon { socket, error } => absent(&socket, &error),
        Unanswered::NotHeard(_) => {
            "the daemon hears only root and its own user (repeat it as root: sudo observer top)"
                .to_owned()
        }
        Unanswered::Refused(why) if why == "no such request" => {
            "the daemon does not know of `observer top` (is it of another version? systemctl restart observer)".to_owned()
        }
        Unanswered::Refused(why) if why.is_empty() => {
            "the daemon went away without an answer".to_owned()
        }
        other => other.to_string(),
    }
}

fn absent(socket: &Path, error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => {
            format!("nobody listens at {}", socket.display())
        }
        _ => format!("{}: {error}", socket.display()),
    }
}
