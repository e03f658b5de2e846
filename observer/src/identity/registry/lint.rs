//! What is weak in a registry that loads: keys that should be gone, terms that nobody accepted, what others have and one lacks.
//!
//! Bias: tells of what somebody can do something about, and of each once. What contradicts itself does not get here: it does
//! not load.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::super::fingerprint::{Fingerprint, Fingerprinter};
use super::draft::Handle;
use super::places::{Place, Places};
use super::{Account, AccountVat, KeyEntry, Plan, Registry};

const DAY: u64 = 86_400;

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LintRule {
    /// One credential is registered as two keys: by its fingerprint, and by what it shows in the clear.
    Duplicate,
    /// A key has expired, and its state says that it is in use.
    Expired,
    /// A key may come from anywhere, where others of its account may not.
    NoNetworks,
    /// An account has no plan, where others have one.
    NoPlan,
    /// An account has not accepted terms of use.
    NoTerms,
    /// An account has accepted another version of the terms than its plan asks for.
    OldTerms,
    /// Requests succeeded before the terms were accepted.
    EarlyUse,
    /// An account owes the tax on its invoices, and has no number that says so.
    NoVatId,
    /// A key is not in use any more, or never was.
    Unused,
    /// An account or an app has nothing below it.
    Empty,
}

impl LintRule {
    /// Every one.
    pub const ALL: [Self; 10] = [
        Self::Duplicate,
        Self::Expired,
        Self::NoNetworks,
        Self::NoPlan,
        Self::NoTerms,
        Self::OldTerms,
        Self::EarlyUse,
        Self::NoVatId,
        Self::Unused,
        Self::Empty,
    ];

    /// The name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Expired => "expired",
            Self::NoNetworks => "no_networks",
            Self::NoPlan => "no_plan",
            Self::NoTerms => "no_terms",
            Self::OldTerms => "old_terms",
            Self::EarlyUse => "early_use",
            Self::NoVatId => "no_vat_id",
            Self::Unused => "unused",
            Self::Empty => "empty",
        }
    }
}

/// One thing that is weak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// What it is about.
    pub rule: LintRule,
    /// Id of the account, the app or the key.
    pub subject: Arc<str>,
    /// What is wrong, and with what.
    pub statement: String,
}

/// What is known beside the registry. Times are seconds since 1970 in UTC.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The time.
    pub now: u64,
    /// Since when traffic is observed; `None`: nothing is known of it.
    pub since: Option<u64>,
    /// Last use by id of the key.
    pub last: &'a HashMap<Arc<str>, u64>,
    /// Requests that succeeded before an account's terms were accepted, where there were any; for an account that has not
    /// accepted any, all.
    pub early: &'a HashMap<Arc<str>, u64>,
    /// A key that was not used for so many seconds is not in use.
    pub unused: u64,
    /// What fingerprints keys.
    pub fingerprinter: &'a Fingerprinter,
}

/// Everything that is weak, in the order of the documents.
pub fn lint<N: AsRef<str>, T: AsRef<str>>(
    documents: &[(N, T)],
    registry: &Registry,
    places: &Places,
    facts: &Facts<'_>,
) -> Vec<Finding> {
    let mut linter = Linter {
        registry,
        places,
        facts,
        found: Vec::new(),
    };
    linter.accounts();
    linter.apps();
    linter.keys();
    linter.finish(documents)
}

/// A place that costs nothing to note, and what is wrong there.
type Found = ((usize, usize), LintRule, Arc<str>, String);

struct Linter<'a> {
    registry: &'a Registry,
    places: &'a Places,
    facts: &'a Facts<'a>,
    found: Vec<Found>,
}

impl Linter<'_> {
    fn accounts(&mut self) {
        let registry = self.registry;
        let plans: HashMap<&str, &Plan> = registry
            .plans()
            .iter()
            .map(|plan| (&*plan.id, plan))
            .collect();
        let planned = registry.accounts().iter().any(|one| one.plan.is_some());
        let inhabited: HashSet<&str> = registry.apps().iter().map(|app| &*app.consumer).collect();
        for account in registry.accounts() {
            if account.plan.is_none() && planned {
                self.account(account, LintRule::NoPlan, "has no plan; others have".into());
            }
            if !inhabited.contains(&*account.id) {
                self.account(account, LintRule::Empty, "has no app".into());
            }
            // EN 16931-1, BR-AE-03: a buyer who owes the tax is named by a number.
            if account.vat == Some(AccountVat::ReverseCharge) && account.vat_id.is_none() {
                let words = "owes the VAT itself (reverse charge) and has no `vat_id`";
                self.account(account, LintRule::NoVatId, words.into());
            }
            let plan = account
                .plan
                .as_ref()
                .and_then(|plan| plans.get(&**plan).copied());
            self.terms(account, plan);
        }
    }

    fn terms(&mut self, account: &Account, plan: Option<&Plan>) {
        let early = self.facts.early.get(&account.id).copied().unwrap_or(0);
        let asked = plan.and_then(|plan| plan.terms.as_deref());
        let accepted = account
            .terms
            .as_ref()
            .and_then(|terms| Some((terms, terms.accepted?)));
        let Some((terms, day)) = accepted else {
            let mut words = match (&account.terms, asked) {
                (Some(terms), _) => format!(
                    "has not accepted the terms of use, version {}",
                    terms.version.escape_debug()
                ),
                (None, Some(asked)) => format!(
                    "has not accepted the terms of use, version {}, that its plan asks for",
                    asked.escape_debug()
                ),
                (None, None) => "has accepted no terms of use".to_owned(),
            };
            if early > 0 {
                words.push_str(&format!("; {early} of its requests succeeded"));
            }
            return self.account(account, LintRule::NoTerms, words);
        };
        if let Some(asked) = asked.filter(|asked| **asked != *terms.version) {
            let words = format!(
                "accepted version {} of the terms of use; its plan asks for {}",
                terms.version.escape_debug(),
                asked.escape_debug()
            );
            self.account(account, LintRule::OldTerms, words);
        }
        if early > 0 {
            let words = format!(
                "accepted the terms of use on {day}; {early} of its requests succeeded before"
            );
            self.account(account, LintRule::EarlyUse, words);
        }
    }

    fn apps(&mut self) {
        let registry = self.registry;
        let inhabited: HashSet<&str> = registry.keys().iter().map(|key| &*key.app).collect();
        for app in registry.apps() {
            if !inhabited.contains(&*app.id)
                && let Some(mark) = self.places.app(&app.id)
            {
                let words = format!("app of `{}` has no key", app.consumer);
                self.found
                    .push((mark, LintRule::Empty, Arc::clone(&app.id), words));
            }
        }
    }

    fn keys(&mut self) {
        let registry = self.registry;
        let bound: HashSet<&str> = registry
            .keys()
            .iter()
            .filter(|key| !key.networks.is_empty())
            .map(|key| &*key.consumer)
            .collect();
        let now = i64::try_from(self.facts.now).unwrap_or(i64::MAX);
        for key in registry.keys() {
            if let Handle::Identity(identity) = &key.handle {
                let fingerprint = self.facts.fingerprinter.identity(
                    identity.scheme,
                    &identity.issuer,
                    &identity.subject,
                );
                self.duplicate(key, &fingerprint);
            }
            if !key.state.is_in_use() {
                continue;
            }
            if let Some(end) = key.expires.filter(|end| end.as_second() <= now) {
                let words = format!("expired at {end} and is still {}", key.state.name());
                self.key(key, LintRule::Expired, words);
                // That it is not used any more is as it should be.
                continue;
            }
            if key.networks.is_empty() && bound.contains(&*key.consumer) {
                let words = format!(
                    "may come from anywhere; other keys of `{}` have networks",
                    key.consumer
                );
                self.key(key, LintRule::NoNetworks, words);
            }
            self.unused(key);
        }
    }

    fn duplicate(&mut self, key: &KeyEntry, fingerprint: &Fingerprint) {
        if let Some(other) = self.registry.by_fingerprint(fingerprint) {
            let words = format!(
                "{} is the credential that key `{}` of `{}` has the fingerprint of",
                key.handle.words(),
                other.key,
                other.consumer
            );
            self.key(key, LintRule::Duplicate, words);
        }
    }

    fn unused(&mut self, key: &KeyEntry) {
        let Some(since) = self.facts.since else {
            return;
        };
        let valid = key
            .valid_from
            .and_then(|from| u64::try_from(from.as_second()).ok());
        let last = self.facts.last.get(&key.key).copied();
        let from = last.unwrap_or(since.max(valid.unwrap_or(0)));
        let rest = self.facts.now.saturating_sub(from);
        if rest < self.facts.unused {
            return;
        }
        let days = rest / DAY;
        let words = match last {
            Some(_) => format!("was not used for {days} days"),
            None => format!("was never used in {days} days of observation"),
        };
        self.key(key, LintRule::Unused, words);
    }

    fn account(&mut self, account: &Account, rule: LintRule, words: String) {
        if let Some(mark) = self.places.account(&account.id) {
            self.found
                .push((mark, rule, Arc::clone(&account.id), words));
        }
    }

    fn key(&mut self, key: &KeyEntry, rule: LintRule, words: String) {
        if let Some(mark) = self.places.key(&key.key) {
            self.found.push((mark, rule, Arc::clone(&key.key), words));
        }
    }

    /// Lines are counted once a document: there may be as many findings as keys.
    fn finish<N: AsRef<str>, T: AsRef<str>>(mut self, documents: &[(N, T)]) -> Vec<Finding> {
        self.found.sort_by_key(|found| (found.0, found.1));
        let (mut document, mut counted, mut line) = (usize::MAX, 0, 1);
        let found = self.found.into_iter();
        let findings = found.map(|((number, offset), rule, subject, statement)| {
            if number != document {
                (document, counted, line) = (number, 0, 1);
            }
            let (name, text) = documents
                .get(number)
                .map_or(("", ""), |(name, text)| (name.as_ref(), text.as_ref()));
            let between = text.as_bytes().get(counted..offset).unwrap_or_default();
            line += memchr::memchr_iter(b'\n', between).count();
            counted = counted.max(offset);
            let place = Place {
                file: name.into(),
                line,
            };
            Finding {
                place,
                rule,
                subject,
                statement,
            }
        });
        findings.collect()
    }
}
