//! What each key does.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::confirm::{Ask, Confirm, Target};
use super::figures::plain;
use super::place::{Drill, Tab, What};
use super::seen::Deed;
use super::state::{Doing, Effect, Mode, State};
use super::table::Name;
use super::views;
use crate::identity::Fingerprint;
use crate::identity::registry::is_reserved;
use crate::response::{self, Action, SubjectKind};

/// Characters of a filter.
const FILTER: usize = 64;

impl State {
    /// A key.
    pub(super) fn key(&mut self, key: KeyEvent) -> Option<Effect> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if control {
            return (key.code == KeyCode::Char('c')).then_some(Effect::Quit);
        }
        match std::mem::take(&mut self.mode) {
            Mode::Tables => self.key_of_tables(key.code),
            Mode::Filter => {
                self.key_of_filter(key.code);
                None
            }
            Mode::Help => None,
            Mode::Confirm(confirm) => self.key_of_question(key.code, confirm),
        }
    }

    fn key_of_tables(&mut self, code: KeyCode) -> Option<Effect> {
        self.said = None;
        match code {
            KeyCode::Char('q') => return Some(Effect::Quit),
            KeyCode::Char('?') => self.mode = Mode::Help,
            KeyCode::Char('/') => self.mode = Mode::Filter,
            KeyCode::Char('p' | ' ') => {
                self.paused = !self.paused;
                self.hurry = !self.paused;
            }
            KeyCode::Char('s') => {
                let columns = self.table().map_or(0, |(table, _)| table.columns.len());
                if let Some(cursor) = self.cursor() {
                    cursor.next_sort(columns);
                }
            }
            KeyCode::Char('r') => {
                if let Some(cursor) = self.cursor() {
                    cursor.reversed = !cursor.reversed;
                }
            }
            KeyCode::Char('b') => return self.ask(Ask::Block),
            KeyCode::Char('l') => return self.ask(Ask::Limit),
            KeyCode::Char('u') => return self.ask(Ask::Unblock),
            KeyCode::Char(key @ ('a' | 'x')) => {
                return match self.tab {
                    Tab::Responses if self.drills.is_empty() => self.proposal(key == 'a'),
                    _ => self.incident(key == 'x'),
                };
            }
            KeyCode::Tab => self.open_tab((self.tab.index() + 1) % Tab::ALL.len()),
            KeyCode::BackTab => {
                self.open_tab((self.tab.index() + Tab::ALL.len() - 1) % Tab::ALL.len());
            }
            KeyCode::Char(digit @ '1'..='4') => self.open_tab(digit as usize - '1' as usize),
            KeyCode::Left | KeyCode::Right => {
                if let Some(drill) = self.drills.last_mut() {
                    drill.focus = (drill.focus + 1) % drill.tables();
                }
            }
            KeyCode::Enter => self.open(),
            KeyCode::Esc => self.back(),
            other => self.walk(other),
        }
        None
    }

    fn key_of_filter(&mut self, code: KeyCode) {
        let Some(cursor) = self.cursor() else {
            return;
        };
        match code {
            KeyCode::Enter => return,
            KeyCode::Esc => {
                cursor.filter.clear();
                return;
            }
            KeyCode::Backspace => {
                cursor.filter.pop();
            }
            KeyCode::Char(c) if cursor.filter.chars().count() < FILTER => cursor.filter.push(c),
            other => self.walk(other),
        }
        self.mode = Mode::Filter;
    }

    /// Moves the selection.
    fn walk(&mut self, code: KeyCode) {
        let Some((table, height)) = self.table() else {
            return;
        };
        let Some(cursor) = self.cursor() else {
            return;
        };
        let at = cursor.index;
        let to = match code {
            KeyCode::Up | KeyCode::Char('k') => at.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => at + 1,
            KeyCode::PageUp => at.saturating_sub(height),
            KeyCode::PageDown => at + height,
            KeyCode::Home => 0,
            KeyCode::End => usize::MAX,
            _ => return,
        };
        cursor.select(&table, to, height);
    }

    fn open_tab(&mut self, at: usize) {
        if let Some(tab) = Tab::ALL.get(at) {
            self.tab = *tab;
            self.drills.clear();
            self.moved();
        }
    }

    /// Opens what is selected.
    fn open(&mut self) {
        let Some(name) = self.selected() else {
            return;
        };
        let below = match self.drills.last() {
            Some(drill) => drill.below(&name),
            None => match name {
                Name::Consumer(consumer) => Some(What::Consumer(consumer)),
                Name::Route { api, route } => Some(What::Route { api, route }),
                Name::Incident { consumer, .. } | Name::Action { consumer, .. } => {
                    if consumer.is_none() {
                        self.said = Some("that is about no consumer".to_owned());
                    }
                    consumer.map(What::Consumer)
                }
                Name::Key(_) | Name::Exchange(_) => None,
            },
        };
        if let Some(what) = below {
            self.drills.push(Drill::new(what));
            self.moved();
        }
    }

    /// Takes the filter away, or goes back.
    fn back(&mut self) {
        if let Some(cursor) = self.cursor()
            && !cursor.filter.is_empty()
        {
            cursor.filter.clear();
        } else if self.drills.pop().is_some() {
            self.moved();
        }
    }

    /// Asks whether something is to be done to whom is selected.
    fn ask(&mut self, ask: Ask) -> Option<Effect> {
        match self.target(&ask) {
            Ok(target) => self.question(Confirm::new(ask, target)),
            Err(why) => {
                self.said = Some(why);
                None
            }
        }
    }

    /// Shows a question, and asks the daemon what the deed would hit.
    fn question(&mut self, mut confirm: Confirm) -> Option<Effect> {
        confirm.answer = None;
        confirm.number = self.number();
        let number = confirm.number;
        let asks = confirm.is_act().then(|| confirm.deed(true)).flatten();
        self.mode = Mode::Confirm(Box::new(confirm));
        asks.map(|deed| Effect::Tell(number, deed))
    }

    fn key_of_question(&mut self, code: KeyCode, mut confirm: Box<Confirm>) -> Option<Effect> {
        let changed = match code {
            KeyCode::Char('y') => {
                if let Some((deed, doing)) = confirm.yes() {
                    return self.tell(deed, doing);
                }
                // Too early, or there is nothing to say yes to.
                self.mode = Mode::Confirm(confirm);
                return None;
            }
            KeyCode::Char(c @ ('+' | '=' | '-')) if confirm.is_act() => {
                confirm.change_period(c != '-')
            }
            KeyCode::Char(c @ ('0'..='9' | '/' | 's' | 'm' | 'h')) if confirm.ask == Ask::Limit => {
                confirm.change_rate(Some(c))
            }
            KeyCode::Backspace if confirm.ask == Ask::Limit => confirm.change_rate(None),
            _ => {
                self.said = Some("nothing was done".to_owned());
                return None;
            }
        };
        if changed {
            return self.question(*confirm);
        }
        self.mode = Mode::Confirm(confirm);
        None
    }

    /// Says that an incident is known, or asks whether it is to be ended.
    fn incident(&mut self, close: bool) -> Option<Effect> {
        let Some(Name::Incident { id, .. }) = self.selected() else {
            self.said = Some("no incident is selected (3 shows them)".to_owned());
            return None;
        };
        if !close {
            return self.tell(Deed::Acknowledge(id.clone()), Doing::Acknowledge(id));
        }
        let whom = format!("incident {}", plain(&id));
        let target = Target {
            text: id,
            kind: None,
            whom,
        };
        self.question(Confirm::new(Ask::Close, target))
    }

    /// Asks whether a proposal is to be put in force, or is not wanted.
    fn proposal(&mut self, approve: bool) -> Option<Effect> {
        let selected = self.selected();
        let is_selected = |action: &&Action| {
            action.state == response::State::Proposed
                && matches!(&selected, Some(Name::Action { id, .. }) if *id == action.id.as_str())
        };
        let mut actions = self.frame().actions.iter().flatten();
        let Some(action) = actions.find(is_selected) else {
            self.said = Some("no proposal is selected (u ends what is in force)".to_owned());
            return None;
        };
        let target = Target {
            text: action.id.to_string(),
            kind: None,
            whom: plain(&views::proposed(action)),
        };
        let ask = match approve {
            true => Ask::Approve(views::would_have(action)),
            false => Ask::Reject,
        };
        self.question(Confirm::new(ask, target))
    }

    /// Whom something is to be done to.
    fn target(&self, ask: &Ask) -> Result<Target, String> {
        let undo = *ask == Ask::Unblock;
        let target = |text: String, kind, whom: String| Target {
            text,
            kind: Some(kind),
            whom: if undo {
                format!("what is done about {}", plain(&whom))
            } else {
                plain(&whom)
            },
        };
        let cannot = |what: &str| Err(plain(what));
        match self.selected() {
            None => cannot("nothing is selected"),
            Some(Name::Consumer(name)) if is_reserved(&name) => cannot(&format!(
                "{name} is no account, and cannot be blocked or limited: select a consumer or a key"
            )),
            Some(Name::Consumer(name)) => {
                let whom = format!("consumer {name}");
                Ok(target(name, SubjectKind::Consumer, whom))
            }
            Some(Name::Key(key)) if key.is_empty() || is_reserved(&key) => {
                cannot("these requests have no key that could be blocked or limited")
            }
            Some(Name::Key(key)) => {
                let kind = self.kind_of(&key);
                let owner = match self.drills.last().map(|drill| &drill.what) {
                    Some(What::Consumer(consumer)) => format!(" ({consumer})"),
                    _ => String::new(),
                };
                let whom = format!("{} {key}{owner}", kind.name());
                Ok(target(key, kind, whom))
            }
            Some(Name::Action { id, what, .. }) if undo => Ok(Target {
                text: id,
                kind: None,
                whom: plain(&what),
            }),
            Some(Name::Action { .. }) => {
                cannot("an action is selected, which u ends: b and l need a consumer or a key")
            }
            Some(Name::Route { .. }) => cannot(
                "a route cannot be blocked or limited: select a consumer or a key (Enter opens it)",
            ),
            Some(Name::Incident { .. }) => {
                cannot("an incident cannot be blocked or limited: Enter opens its consumer")
            }
            Some(Name::Exchange(_)) => cannot(
                "an exchange cannot be blocked or limited: select a consumer or a key (Esc goes back)",
            ),
        }
    }

    /// A key is registered, or known by its fingerprint only.
    fn kind_of(&self, key: &str) -> SubjectKind {
        let seen = self.drills.last().and_then(|drill| drill.seen.as_ref());
        let views = seen.and_then(|seen| seen.keys.as_ref()?.as_ref().ok());
        let view = views.and_then(|views| views.iter().find(|view| *view.key == *key));
        let registered = view.map_or_else(
            || key.parse::<Fingerprint>().is_err(),
            |view| view.registered,
        );
        if registered {
            SubjectKind::Key
        } else {
            SubjectKind::Credential
        }
    }
}
