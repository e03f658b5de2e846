//! A table (RFC 4180): one key a line, columns by their names.
//!
//! Columns: `account`, `app`, `key_id`, one or more of `key`, `sha256` and `fp`, `plan`, `valid_from`, `expires`; beside those
//! `owner`, `state`, `scheme`, `issuer` and `subject`.

use std::sync::Arc;

use csv::{ReaderBuilder, StringRecord, Trim, WriterBuilder};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::super::document::suggestion;
use super::super::extract::Scheme;
use super::super::registry::{AccountDraft, ClearIdentity, Handle, KeyState, Owner};
use super::collect::{About, Collector};
use super::{Exported, ForeignError};

const COLUMNS: [&str; 14] = [
    "account",
    "app",
    "key_id",
    "key",
    "sha256",
    "fp",
    "plan",
    "valid_from",
    "expires",
    "owner",
    "state",
    "scheme",
    "issuer",
    "subject",
];
/// Those that an export has.
const WRITTEN: [&str; 12] = [
    "account",
    "app",
    "key_id",
    "fp",
    "plan",
    "valid_from",
    "expires",
    "owner",
    "state",
    "scheme",
    "issuer",
    "subject",
];

/// One line, by the names of its columns.
struct Row<'a> {
    columns: &'a [Option<usize>; COLUMNS.len()],
    record: &'a StringRecord,
    line: usize,
}

impl<'a> Row<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        let column = COLUMNS.iter().position(|column| *column == name)?;
        let at = (*self.columns.get(column)?)?;
        self.record.get(at).filter(|text| !text.is_empty())
    }

    fn error(&self, what: impl Into<String>) -> ForeignError {
        ForeignError::new(self.line, what)
    }

    fn time(&self, name: &str) -> Result<Option<Timestamp>, ForeignError> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let date = || {
            let date = text.parse::<Date>().ok()?;
            date.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp())
        };
        let time = text.parse().ok().or_else(date);
        time.map(Some).ok_or_else(|| {
            self.error(format!(
                "`{name}` is no time: write 2026-01-01 or 2026-01-01T00:00:00Z"
            ))
        })
    }

    fn identity(&self) -> Result<Option<Handle>, ForeignError> {
        let Some(subject) = self.get("subject") else {
            return Ok(None);
        };
        let scheme = Scheme::IN_THE_CLEAR
            .into_iter()
            .find(|scheme| Some(scheme.name()) == self.get("scheme"))
            .ok_or_else(|| {
                let names = Scheme::IN_THE_CLEAR.map(Scheme::name);
                self.error(format!(
                    "`scheme` of a subject is one of {}",
                    names.join(", ")
                ))
            })?;
        let issuer = self.get("issuer").unwrap_or_default();
        if !issuer.is_empty() && scheme != Scheme::Jwt {
            return Err(self.error("only a jwt has an `issuer`"));
        }
        Ok(Some(Handle::Identity(Arc::new(ClearIdentity {
            scheme,
            issuer: bare(issuer).into(),
            subject: bare(subject).into(),
        }))))
    }
}

pub(super) fn import(text: &str, collector: &mut Collector<'_>) -> Result<(), ForeignError> {
    let mut reader = ReaderBuilder::new()
        .trim(Trim::Headers)
        .from_reader(text.as_bytes());
    let columns = columns(reader.headers().map_err(|error| broken(&error))?)?;
    let mut record = StringRecord::new();
    while reader
        .read_record(&mut record)
        .map_err(|error| broken(&error))?
    {
        let line = record.position().map_or(0, |position| position.line());
        let row = Row {
            columns: &columns,
            record: &record,
            line: usize::try_from(line).unwrap_or(usize::MAX),
        };
        one(&row, collector)?;
    }
    Ok(())
}

fn columns(headers: &StringRecord) -> Result<[Option<usize>; COLUMNS.len()], ForeignError> {
    let mut columns = [None; COLUMNS.len()];
    for (at, header) in headers.iter().enumerate() {
        let lower = header.to_ascii_lowercase();
        let found = COLUMNS.iter().position(|name| *name == lower);
        let Some(column) = found.and_then(|column| columns.get_mut(column)) else {
            // In a file without a header, this is a value: perhaps a key.
            let near = suggestion(&lower, COLUMNS);
            let what = format!(
                "column {} has no known name{near}; the first line names the columns: {}",
                at + 1,
                COLUMNS.join(",")
            );
            return Err(ForeignError::new(1, what));
        };
        if column.replace(at).is_some() {
            return Err(ForeignError::new(
                1,
                format!("column `{lower}` is there twice"),
            ));
        }
    }
    if columns.first().copied().flatten().is_none() {
        return Err(ForeignError::new(1, "there is no column `account`"));
    }
    Ok(columns)
}

fn one(row: &Row<'_>, collector: &mut Collector<'_>) -> Result<(), ForeignError> {
    let place = format!("line {}", row.line);
    let account = row
        .get("account")
        .ok_or_else(|| row.error("there is no account"))?;
    let account = collector.account(account)?;
    if let Some(plan) = row.get("plan") {
        collector.plan(account, &place, plan);
    }
    let state = match row.get("state") {
        None => KeyState::Active,
        Some(name) => KeyState::ALL
            .into_iter()
            .find(|state| state.name() == name)
            .ok_or_else(|| row.error("`state` is one of active, rotating, suspended, revoked"))?,
    };
    let owner = match row.get("owner") {
        None => None,
        Some(name) => Some(
            [Owner::Internal, Owner::Partner, Owner::Public]
                .into_iter()
                .find(|owner| owner.name() == name)
                .ok_or_else(|| row.error("`owner` is one of internal, partner, public"))?,
        ),
    };
    let about = About {
        app: row.get("app").map(str::to_owned),
        key: row.get("key_id").map(str::to_owned),
        owner,
        state,
        valid_from: row.time("valid_from")?,
        expires: row.time("expires")?,
    };
    if let (Some(from), Some(to)) = (about.valid_from, about.expires)
        && from >= to
    {
        return Err(row.error("the key expires before it becomes valid"));
    }
    if let Some(fingerprint) = row.get("fp") {
        let fingerprint = fingerprint
            .parse()
            .map_err(|error| row.error(format!("`fp` {error}")))?;
        collector.key(account, &place, Handle::Fingerprint(fingerprint), about)
    } else if let Some(identity) = row.identity()? {
        collector.key(account, &place, identity, about)
    } else if let Some(key) = row.get("key") {
        collector.secret(account, &place, key, about)
    } else if row.get("sha256").is_some() {
        collector.secret(account, &place, "sha256:", about)
    } else if row.get("key_id").is_some() || row.get("app").is_some() {
        collector.remark(&place, "there is no key");
        Ok(())
    } else {
        Ok(())
    }
}

fn broken(error: &csv::Error) -> ForeignError {
    let line = error
        .position()
        .and_then(|position| usize::try_from(position.line()).ok());
    let what = match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("{len} columns where the first line has {expected_len}"),
        csv::ErrorKind::Utf8 { .. } => "not in UTF-8".to_owned(),
        _ => "no table".to_owned(),
    };
    ForeignError::new(line, what)
}

pub(super) fn export(accounts: &[AccountDraft]) -> Exported {
    let mut writer = WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    let mut write = |record: &[String]| {
        // Writing to memory does not fail.
        let _ = writer.write_record(record);
    };
    write(&WRITTEN.map(str::to_owned));
    for account in accounts {
        let plan = account.plan.as_deref().unwrap_or_default().to_owned();
        if account.keys().next().is_none() {
            let mut record = vec![String::new(); WRITTEN.len()];
            for (at, value) in [(0, account.id.to_string()), (4, plan.clone())] {
                if let Some(cell) = record.get_mut(at) {
                    *cell = value;
                }
            }
            write(&record);
        }
        for (app, key) in account.keys() {
            let time =
                |time: Option<Timestamp>| time.map_or(String::new(), |time| time.to_string());
            let (fp, scheme, issuer, subject) = match &key.handle {
                Handle::Fingerprint(fingerprint) => {
                    (fingerprint.to_string(), "", String::new(), String::new())
                }
                Handle::Identity(identity) => (
                    String::new(),
                    identity.scheme.name(),
                    guarded(&identity.issuer),
                    guarded(&identity.subject),
                ),
            };
            write(&[
                account.id.to_string(),
                app.id.to_string(),
                key.id.to_string(),
                fp,
                plan.clone(),
                time(key.valid_from),
                time(key.expires),
                app.owner.map_or("", Owner::name).to_owned(),
                key.state.name().to_owned(),
                scheme.to_owned(),
                issuer,
                subject,
            ]);
        }
    }
    let bytes = writer.into_inner().unwrap_or_default();
    Exported {
        text: String::from_utf8(bytes).unwrap_or_default(),
        remarks: Vec::new(),
    }
}

/// What a spreadsheet takes for a formula, and what was made safe from it already.
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\''];

/// A text that no spreadsheet takes for a formula.
fn guarded(text: &str) -> String {
    if text.starts_with(FORMULA) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// The text behind such a guard.
fn bare(text: &str) -> &str {
    text.strip_prefix('\'')
        .filter(|rest| rest.starts_with(FORMULA))
        .unwrap_or(text)
}
