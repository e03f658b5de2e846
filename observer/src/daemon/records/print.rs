//! How records are printed, one at a time: what came before is not kept.

use std::borrow::Cow;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use super::super::cli::Format;
use super::super::report::{printable, time};
use super::record::Record;
use crate::export::plain::csv;
use crate::store::Period;

/// Columns of CSV, in the order of the contract.
const FIELDS: [&str; 29] = [
    "time",
    "duration_us",
    "first_byte_us",
    "client",
    "peer",
    "server",
    "interface",
    "vantage",
    "visibility",
    "protocol",
    "method",
    "api",
    "host",
    "target",
    "route",
    "status",
    "outcome",
    "responsible",
    "request_head_bytes",
    "request_body_bytes",
    "response_head_bytes",
    "response_body_bytes",
    "credential_scheme",
    "credential_location",
    "credential_fingerprint",
    "credential_accepted",
    "consumer",
    "app",
    "key",
];
/// And after them.
const LAST: [&str; 7] = [
    "complete",
    "reason",
    "tls_version",
    "tls_cipher",
    "tls_alpn",
    "tls_server_name",
    "ja4",
];

/// Prints to standard output.
pub struct Printer {
    format: Format,
    period: Period,
    output: BufWriter<StdoutLock<'static>>,
    terminal: bool,
    printed: u64,
}

impl Printer {
    /// Nothing is printed before the first record.
    pub fn new(format: Format, period: Period) -> Self {
        Self {
            format,
            period,
            output: BufWriter::with_capacity(1 << 16, io::stdout().lock()),
            terminal: io::stdout().is_terminal(),
            printed: 0,
        }
    }

    /// Prints one; `line` is how it stands in its file.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn record(&mut self, line: &[u8], record: &Record<'_>) -> io::Result<()> {
        if self.printed == 0 {
            self.head()?;
        }
        self.printed += 1;
        match self.format {
            Format::Json if self.terminal => {
                let text = String::from_utf8_lossy(line);
                writeln!(self.output, "{}", printable(&text))
            }
            Format::Json => {
                self.output.write_all(line)?;
                self.output.write_all(b"\n")
            }
            Format::Csv => write!(self.output, "{}\r\n", row(record).join(",")),
            Format::Table => writeln!(self.output, "{}", table_line(record).trim_end()),
        }
    }

    /// Ends it.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        if self.printed == 0 {
            self.head()?;
            if self.format == Format::Table {
                writeln!(self.output, "nothing was recorded in this time")?;
            }
        }
        self.output.flush()
    }

    fn head(&mut self) -> io::Result<()> {
        match self.format {
            Format::Json => Ok(()),
            Format::Csv => {
                let names: Vec<&str> = FIELDS.iter().chain(&LAST).copied().collect();
                write!(self.output, "{}\r\n", names.join(","))
            }
            Format::Table => {
                let (from, until) = (time(self.period.from), time(self.period.until));
                let names = columns([
                    "time", "client", "consumer", "key", "method", "status", "outcome", "ms",
                    "target",
                ]);
                writeln!(self.output, "{from} to {until}\n{}", names.trim_end())
            }
        }
    }
}

/// Widths that usual values fit into: those of records to come are not known.
fn columns(cells: [&str; 9]) -> String {
    let [
        time,
        client,
        consumer,
        key,
        method,
        status,
        outcome,
        ms,
        target,
    ] = cells;
    format!(
        "{time:<24}  {client:<21}  {consumer:<16}  {key:<19}  {method:<7}  {status:>6}  {outcome:<13}  {ms:>10}  {target}"
    )
}

fn table_line(record: &Record<'_>) -> String {
    let escaped = |text: &str| text.escape_debug().to_string();
    let fingerprint = record.credential.as_ref().map(|shown| &*shown.fingerprint);
    let key = record.key.as_deref().or(fingerprint).unwrap_or_default();
    let status = record
        .status
        .map_or_else(|| "none".to_owned(), |status| status.to_string());
    // To the millisecond.
    let time = match record.time.get(..23) {
        Some(time) if record.time.len() > 24 => format!("{time}Z"),
        _ => record.time.to_string(),
    };
    columns([
        &escaped(&time),
        &escaped(&record.client),
        &escaped(&record.consumer),
        &escaped(key),
        &escaped(record.method.as_deref().unwrap_or_default()),
        &status,
        &escaped(&record.outcome),
        &format!("{:.3}", record.duration_us as f64 / 1_000.0),
        &escaped(record.target.as_deref().unwrap_or(&record.route)),
    ])
}

/// The cells of CSV.
fn row<'a>(record: &'a Record<'_>) -> [Cow<'a, str>; FIELDS.len() + LAST.len()] {
    let number = |number: u64| Cow::Owned(number.to_string());
    let optional = |text: &'a Option<String>| csv(text.as_deref().unwrap_or_default());
    let (credential, tls) = (record.credential.as_ref(), record.tls.as_ref());
    [
        csv(&record.time),
        number(record.duration_us),
        record.first_byte_us.map_or(Cow::Borrowed(""), number),
        csv(&record.client),
        csv(&record.peer),
        csv(&record.server),
        csv(&record.interface),
        csv(&record.vantage),
        csv(&record.visibility),
        csv(&record.protocol),
        optional(&record.method),
        csv(&record.api),
        optional(&record.host),
        optional(&record.target),
        csv(&record.route),
        record
            .status
            .map_or(Cow::Borrowed(""), |status| number(status.into())),
        csv(&record.outcome),
        optional(&record.responsible),
        number(record.request_head_bytes),
        number(record.request_body_bytes),
        number(record.response_head_bytes),
        number(record.response_body_bytes),
        csv(credential.map_or("", |shown| &shown.scheme)),
        csv(credential.map_or("", |shown| &shown.location)),
        csv(credential.map_or("", |shown| &shown.fingerprint)),
        Cow::Owned(credential.map_or_else(String::new, |shown| shown.accepted.to_string())),
        csv(&record.consumer),
        optional(&record.app),
        optional(&record.key),
        Cow::Owned(record.complete.to_string()),
        optional(&record.reason),
        csv(tls.map_or("", |terms| &terms.version)),
        csv(tls.map_or("", |terms| &terms.cipher)),
        csv(tls
            .and_then(|terms| terms.alpn.as_deref())
            .unwrap_or_default()),
        csv(tls
            .and_then(|terms| terms.server_name.as_deref())
            .unwrap_or_default()),
        csv(tls
            .and_then(|terms| terms.ja4.as_deref())
            .unwrap_or_default()),
    ]
}
