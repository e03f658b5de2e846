//! What accounts used in their billing periods, read once for all that have the same period.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::super::config::Config;
use super::super::failure::Failure;
use super::super::reading::{self, LATE};
use super::super::{report, run, usage};
use crate::identity::Registry;
use crate::identity::registry::{Account, is_reserved};
use crate::store::{self, Coverage, Kept};
use crate::usage::draft::Basis;
use crate::usage::money::Currency;
use crate::usage::period::Period;
use crate::usage::rating::UsageRow;
use crate::usage::statement::{Party, Statement, Used};

/// The ledger, and what was read of it.
pub struct Books<'a> {
    registry: &'a Registry,
    ledger: store::Reader,
    kept: Kept,
    seller: Option<Party>,
    currency: Option<Currency>,
    now: u64,
    /// When anything was kept first.
    begin: Option<u64>,
    /// Up to when the ledger has everything.
    seen: u64,
    /// Why what the daemon has in memory is not in it.
    pub note: Option<String>,
    known: HashMap<(u64, u64), Arc<Whole>>,
}

/// A period of everybody.
struct Whole {
    rows: HashMap<String, Vec<UsageRow>>,
    coverage: Coverage,
    /// What the ledger can answer instead of the period that is asked for.
    widened: Option<store::Period>,
}

/// The periods of that name in an account's time zone.
///
/// # Errors
/// When there is none of that name.
pub fn periods(account: &Account, name: &str) -> Result<Vec<Period>, Failure> {
    let zone = account.time_zone.clone().unwrap_or(TimeZone::UTC);
    Period::parse(name, &zone).map_err(|error| Failure::input("--period", error))
}

/// A time of a statement in seconds since 1970.
pub fn second(time: &str) -> Option<u64> {
    let time: Timestamp = time.parse().ok()?;
    u64::try_from(time.as_second()).ok()
}

impl<'a> Books<'a> {
    /// Opens the ledger.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(config: &Config, registry: &'a Registry) -> Result<Self, Failure> {
        let runs = reading::runs(config);
        let note = reading::ask(&config.control.socket, "commit").err();
        let seller = &config.seller;
        let named = seller.name.is_some();
        let party = named.then(|| Party {
            id: String::new(),
            name: seller.name.clone(),
            address: seller.address.clone(),
            country: seller.country.clone(),
            vat_id: seller.vat_id.clone(),
        });
        let currency = match seller.currency.as_deref() {
            None => None,
            Some(code) => {
                let read = Currency::parse(code);
                Some(read.map_err(|error| Failure::input("[seller] currency", error))?)
            }
        };
        let ledger = reading::ledger(config)?;
        let failed = |error| Failure::input("ledger", error);
        let now = reading::now();
        let seen = match runs && note.is_none() {
            true => now,
            // What came since stands in the journal or in the kernel, until a daemon takes it.
            false => store::seen(&ledger).map_err(failed)?.unwrap_or(0),
        };
        Ok(Self {
            begin: store::begun(&ledger).map_err(failed)?,
            seen,
            registry,
            kept: Kept::at(&ledger, &run::retention(config), now).map_err(failed)?,
            ledger,
            seller: party,
            currency,
            now,
            note,
            known: HashMap::new(),
        })
    }

    /// Whether a period has begun.
    pub fn has_begun(&self, period: &Period) -> bool {
        period.from <= self.now
    }

    /// Whether the period of a draft goes on.
    pub fn goes_on(&self, draft: &Statement) -> bool {
        second(&draft.period.until).is_none_or(|until| self.now < until.saturating_add(LATE))
    }

    /// Why a period cannot be closed.
    pub fn open_because(&self, period: &Period) -> Option<String> {
        let until = period.until.saturating_add(LATE);
        let asked = store::Period {
            from: period.from,
            until: period.until,
        };
        if self.now < until {
            Some("the period is not over".to_owned())
        } else if self.begin.is_none_or(|begin| begin >= period.until) {
            Some("nothing is known of that time".to_owned())
        } else if self.seen < until {
            Some(format!(
                "what came after {} is not in the ledger yet (systemctl start observer)",
                report::time(self.seen)
            ))
        } else if asked.widened(&self.kept, self.now) != asked {
            Some("its first and last day are kept by the day in UTC only".to_owned())
        } else {
            None
        }
    }

    /// Consumers with usage in a period of UTC days that the registry does not have, reserved names left out.
    pub fn unknown(&self) -> Vec<String> {
        let mut unknown: Vec<String> = (self.known.values())
            .flat_map(|whole| whole.rows.keys())
            .filter(|consumer| !is_reserved(consumer))
            .filter(|consumer| self.registry.account(consumer).is_none())
            .cloned()
            .collect();
        unknown.sort_unstable();
        unknown.dedup();
        unknown
    }

    /// What the statement of an account for a period would be.
    ///
    /// # Errors
    /// When the ledger cannot be read, or a sum is larger than any number.
    pub fn draft(&mut self, account: &Account, period: &Period) -> Result<Statement, Failure> {
        let whole = self.whole(period)?;
        let rows = whole.rows.get(&*account.id).map_or(&[][..], Vec::as_slice);
        let plan = account.plan.as_ref();
        let plan = plan.and_then(|id| self.registry.plans().iter().find(|plan| plan.id == *id));
        let mut notes = usage::notes(&whole.coverage);
        if let Some(widened) = whole.widened {
            notes.push(format!(
                "usage of that time is kept by the day in UTC only: counted is what came from {} to {}",
                report::time(widened.from),
                report::time(widened.until)
            ));
        }
        let read = store::Period {
            from: period.from,
            until: period.until.min(self.now),
        };
        let observed = whole.coverage.observed(read, self.begin);
        if observed < 1.0 {
            let percent = (observed * 1e4).floor() / 100.0;
            notes.push(format!("observed was {percent} % of the time"));
        }
        notes.extend(self.open_because(period));
        let (all, uncertain) = rows.iter().fold((0_u64, 0_u64), |(all, uncertain), row| {
            let add = u64::saturating_add;
            (
                add(all, row.used.requests),
                add(uncertain, row.used.uncertain),
            )
        });
        let basis = Basis {
            account,
            plan,
            period,
            rows,
            completeness: whole.coverage.of(all, uncertain) * observed,
            notes,
            seller: self.seller.clone(),
            currency: self.currency,
        };
        Statement::draft(basis).map_err(|error| Failure::input(&account.id, error))
    }

    /// How complete what is shown is, and from when until when it is: of all periods that were read.
    pub fn coverage(&self) -> (u64, u64, f64) {
        let from = self.known.keys().map(|(from, _)| *from).min();
        let until = self.known.keys().map(|(_, until)| *until).max();
        let whole = self
            .known
            .values()
            .map(|whole| whole.coverage.completeness());
        let least = whole.fold(1.0, f64::min);
        (from.unwrap_or(self.now), until.unwrap_or(self.now), least)
    }

    fn whole(&mut self, period: &Period) -> Result<Arc<Whole>, Failure> {
        let key = (period.from, period.until);
        if let Some(known) = self.known.get(&key) {
            return Ok(Arc::clone(known));
        }
        let failed = |error| Failure::input("ledger", error);
        let asked = store::Period {
            from: period.from,
            until: period.until,
        };
        let read = asked.widened(&self.kept, self.now);
        let coverage = store::coverage(&self.ledger, read).map_err(failed)?;
        let columns = ["consumer", "api", "route"];
        let mut rows: HashMap<String, Vec<UsageRow>> = HashMap::new();
        // Microseconds of each consumer so far: cut once, not row by row.
        let mut spent: HashMap<String, u64> = HashMap::new();
        for row in store::usage(&self.ledger, read, &columns).map_err(failed)? {
            let sums = row.sums;
            if let [consumer, api, route] = row.group.as_slice() {
                let all = spent.entry(consumer.clone()).or_default();
                let before = *all;
                *all = before.saturating_add(sums.service_us);
                let used = Used {
                    requests: sums.requests,
                    uncertain: sums.uncertain,
                    request_bytes: sums.request_bytes,
                    response_bytes: sums.response_bytes,
                    service_ms: *all / 1_000 - before / 1_000,
                };
                let (api, route) = (api.as_str().into(), route.as_str().into());
                let of = rows.entry(consumer.clone()).or_default();
                of.push(UsageRow { api, route, used });
            }
        }
        let whole = Arc::new(Whole {
            rows,
            coverage,
            widened: (read != asked).then_some(read),
        });
        self.known.insert(key, Arc::clone(&whole));
        Ok(whole)
    }
}
