//! A question before something is done, with what it would hit.
//!
//! Invariant: nobody is shut off or limited before the daemon has said what exactly that would hit.

use super::super::responses::act::hit;
use super::super::responses::order::{Answer, Order};
use super::figures::plain;
use super::seen::Deed;
use super::state::Doing;
use crate::response::{ActionId, SubjectKind, Verb};

/// How long something may be done for: its name, and seconds.
const PERIODS: [(&str, u64); 5] = [
    ("5m", 300),
    ("15m", 900),
    ("1h", 3_600),
    ("6h", 21_600),
    ("24h", 86_400),
];
/// Which of them is proposed.
const PERIOD: usize = 2;
/// What is proposed as a limit.
const RATE: &str = "10/s";
/// Characters of a rate.
const RATE_LENGTH: usize = 12;
/// Why, in the log of what was done.
const REASON: &str = "by hand in observer top";

/// What is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// To shut somebody off.
    Block,
    /// To limit somebody.
    Limit,
    /// To end what was done about somebody.
    Unblock,
    /// To put a proposal in force; what it would have hit, in a sentence.
    Approve(String),
    /// Not to want a proposal.
    Reject,
    /// To end an incident.
    Close,
}

/// Whom something is done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// As the daemon knows them.
    pub text: String,
    /// What that is.
    pub kind: Option<SubjectKind>,
    /// As it is shown.
    pub whom: String,
}

/// A question.
#[derive(Clone, Debug, PartialEq)]
pub struct Confirm {
    /// What is asked about.
    pub ask: Ask,
    /// Whom it is about.
    pub target: Target,
    /// The rate of a limit, as it is written so far.
    pub rate: String,
    /// Which question the daemon was asked last.
    pub number: u64,
    /// What it said.
    pub answer: Option<Result<Answer, String>>,
    period: usize,
    /// Whether the rate is still the proposed one: what is written first takes its place.
    proposed: bool,
}

impl Confirm {
    /// Asks.
    pub fn new(ask: Ask, target: Target) -> Self {
        Self {
            ask,
            target,
            rate: RATE.to_owned(),
            number: 0,
            answer: None,
            period: PERIOD,
            proposed: true,
        }
    }

    /// Whether it is only asked once it is known what it would hit.
    pub const fn is_act(&self) -> bool {
        matches!(self.ask, Ask::Block | Ask::Limit)
    }

    /// Longer or shorter. False where it is as long or short as may be.
    pub fn change_period(&mut self, longer: bool) -> bool {
        let period = if longer {
            (self.period + 1).min(PERIODS.len() - 1)
        } else {
            self.period.saturating_sub(1)
        };
        let changed = period != self.period;
        self.period = period;
        changed
    }

    /// Writes or takes back a character of the rate. False where that cannot be.
    pub fn change_rate(&mut self, character: Option<char>) -> bool {
        if self.ask != Ask::Limit {
            return false;
        }
        if std::mem::take(&mut self.proposed) && character.is_some() {
            self.rate.clear();
        }
        match character {
            None => self.rate.pop().is_some(),
            Some(c) if self.rate.len() < RATE_LENGTH => {
                self.rate.push(c);
                true
            }
            Some(_) => false,
        }
    }

    /// What the daemon is told to do; nothing where the rate is none.
    pub fn deed(&self, dry_run: bool) -> Option<Deed> {
        let id = || self.target.text.parse::<ActionId>().ok();
        let verb = match self.ask {
            Ask::Close => return Some(Deed::Close(self.target.text.clone())),
            Ask::Approve(_) => return Some(Deed::Respond(Order::Approve { id: id()? })),
            Ask::Reject => return Some(Deed::Respond(Order::Reject { id: id()? })),
            Ask::Unblock => {
                return Some(Deed::Respond(Order::Undo {
                    target: self.target.text.clone(),
                    kind: self.target.kind,
                }));
            }
            Ask::Block => Verb::Block,
            Ask::Limit => Verb::Limit(self.rate.parse().ok()?),
        };
        Some(Deed::Respond(Order::Act {
            target: self.target.text.clone(),
            kind: self.target.kind,
            verb,
            seconds: PERIODS
                .get(self.period)
                .map_or(3_600, |(_, seconds)| *seconds),
            reason: REASON.to_owned(),
            dry_run,
        }))
    }

    /// What there is to do now, where it may be done.
    pub fn yes(&self) -> Option<(Deed, Doing)> {
        let doing = match self.ask {
            Ask::Block | Ask::Limit | Ask::Approve(_) => Doing::Act,
            Ask::Unblock | Ask::Reject => Doing::Undo,
            Ask::Close => Doing::Close(self.target.text.clone()),
        };
        let known = !self.is_act() || matches!(self.answer, Some(Ok(_)));
        known
            .then(|| self.deed(false))
            .flatten()
            .map(|deed| (deed, doing))
    }

    /// The question, a paragraph each: what, what it would hit and what else there is to know, and the keys.
    pub fn said(&self) -> Vec<String> {
        let whom = &self.target.whom;
        let period = PERIODS.get(self.period).map_or("1h", |(name, _)| name);
        let mut said = Vec::new();
        match &self.ask {
            Ask::Unblock => said.push(format!("End {whom}?")),
            Ask::Approve(would) => said.push(format!("Put in force: {whom}? {would}")),
            Ask::Reject => said.push(format!("Reject: {whom}?")),
            Ask::Close => said.push(format!("Close {whom}? It opens again if it goes on.")),
            Ask::Block => said.push(format!("Block {whom} for {period}? {}", self.would())),
            Ask::Limit => said.push(format!(
                "Limit {whom} to {} for {period}? {}",
                if self.rate.is_empty() {
                    "_"
                } else {
                    &self.rate
                },
                self.would()
            )),
        }
        if let Some(Ok(answer)) = &self.answer {
            said.extend(answer.notes.iter().map(|note| plain(note)));
        }
        said.push(String::new());
        said.push(match (&self.ask, self.yes().is_some()) {
            (Ask::Block, true) => "y do it   + longer   - shorter   any other key: no".to_owned(),
            (Ask::Limit, true) => {
                "y do it   + longer   - shorter   0-9 / s m h Backspace: the rate   any other key: no".to_owned()
            }
            (Ask::Limit, false) => {
                "0-9 / s m h Backspace: the rate   any other key: no".to_owned()
            }
            (_, true) => "y do it   any other key: no".to_owned(),
            (_, false) => "any other key: no".to_owned(),
        });
        said
    }

    /// What it would hit.
    fn would(&self) -> String {
        if self.deed(true).is_none() {
            return "That is no rate: 10/s, 600/m or 1000/h.".to_owned();
        }
        match &self.answer {
            None => "Asking the daemon what it would hit.".to_owned(),
            Some(Err(why)) => format!("It cannot be done: {}", plain(why)),
            Some(Ok(answer)) => match answer.radius {
                Some(radius) if radius.known => format!("It would {}.", hit(&radius)),
                _ => "How much it would hit is not known.".to_owned(),
            },
        }
    }
}
