//! Records: one line of JSON for each exchange, appended to a file or to standard output.
//!
//! Lines are whole or absent: what the file refuses waits in a bounded buffer, and what does not fit there is counted
//! as lost. A failing disk never stops the observation.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::usage::{Call, Responsible};

/// Written out as soon as so much waits. Bytes.
const FLUSH_BYTES: usize = 256 * 1024;
/// The most that waits for a file that takes nothing. Bytes.
const MAX_WAITING: usize = 8 * 1024 * 1024;
/// Time after which what waits is written. Nanoseconds.
const FLUSH_NANOSECONDS: u64 = 1_000_000_000;

/// How far a file of records was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordsMark {
    /// The file.
    pub path: PathBuf,
    /// Its device and inode: another file of that name is left alone.
    pub file: (u64, u64),
    /// Its length.
    pub length: u64,
}

/// Where records go, and why it cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot open {path} for records: {source}")]
pub struct RecordsError {
    /// The file.
    path: PathBuf,
    /// What the system says.
    source: io::Error,
}

/// A file or standard output, with what waits for it.
#[derive(Debug)]
pub struct RecordSink {
    path: Option<PathBuf>,
    output: Output,
    waiting: Vec<u8>,
    /// What was written last ended within a line.
    torn: bool,
    flushed: u64,
    written: u64,
    lost: u64,
    errors: u64,
}

#[derive(Debug)]
enum Output {
    File(File),
    Stdout,
}

impl RecordSink {
    /// Opens the file (made with mode 0640, appended to), or standard output for `-`.
    pub fn open(path: &Path) -> Result<Self, RecordsError> {
        let path = (path != Path::new("-")).then(|| path.to_owned());
        let output = match &path {
            Some(path) => Output::File(append(path)?),
            None => Output::Stdout,
        };
        Ok(Self {
            path,
            output,
            waiting: Vec::with_capacity(FLUSH_BYTES + 4096),
            torn: false,
            flushed: 0,
            written: 0,
            lost: 0,
            errors: 0,
        })
    }

    /// Takes one record.
    pub fn write(&mut self, call: &Call) {
        let before = self.waiting.len();
        if before >= MAX_WAITING {
            self.lost += 1;
            return;
        }
        write_record(&mut self.waiting, call);
        self.written += 1;
        // Past the mark only now and then: a file that takes nothing is not asked for every record.
        if self.waiting.len() / FLUSH_BYTES > before / FLUSH_BYTES {
            self.flush();
        }
    }

    /// Writes what has waited for a second. To be called at least every second; `now` in nanoseconds of any clock.
    pub fn tick(&mut self, now: u64) {
        if now.saturating_sub(self.flushed) >= FLUSH_NANOSECONDS || now < self.flushed {
            self.flushed = now;
            self.flush();
        }
    }

    /// Writes what waits. What cannot be written waits on.
    pub fn flush(&mut self) {
        let (taken, result) = match &mut self.output {
            Output::File(file) => write_out(&self.waiting, file),
            Output::Stdout => {
                let mut stdout = io::stdout().lock();
                let (taken, result) = write_out(&self.waiting, &mut stdout);
                (taken, result.and_then(|()| stdout.flush()))
            }
        };
        if let Some(last) = taken.checked_sub(1) {
            self.torn = self.waiting.get(last) != Some(&b'\n');
        }
        self.waiting.drain(..taken);
        self.errors += u64::from(result.is_err());
    }

    /// Opens the file anew after it was moved away. When that fails the old one stays in use.
    pub fn reopen(&mut self) -> Result<(), RecordsError> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let file = append(path)?;
        self.flush();
        // The old file takes nothing any more: the rest of its last line would be no line in the new one.
        if std::mem::take(&mut self.torn) {
            let rest =
                memchr::memchr(b'\n', &self.waiting).map_or(self.waiting.len(), |end| end + 1);
            self.waiting.drain(..rest);
            self.written -= 1;
            self.lost += 1;
        }
        self.output = Output::File(file);
        Ok(())
    }

    /// Writes what waits, and says how far the file goes. `None` for standard output, and while the file takes nothing.
    pub fn mark(&mut self) -> Option<RecordsMark> {
        self.flush();
        let (Output::File(file), Some(path)) = (&self.output, &self.path) else {
            return None;
        };
        let metadata = file.metadata().ok()?;
        self.waiting.is_empty().then(|| RecordsMark {
            path: path.clone(),
            file: (metadata.dev(), metadata.ino()),
            length: metadata.len(),
        })
    }

    /// Records taken.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Records that found no room, for `pipeline_dropped_total{stage="records"}`.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Writes that failed.
    pub fn errors(&self) -> u64 {
        self.errors
    }
}

impl Drop for RecordSink {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Cuts a file of records back to where it was marked: what came after is written again.
///
/// # Errors
/// What the system refuses.
pub fn cut_back(mark: &RecordsMark) -> io::Result<()> {
    let file = match OpenOptions::new().write(true).open(&mark.path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    let same = (metadata.dev(), metadata.ino()) == mark.file;
    if same && metadata.len() > mark.length {
        file.set_len(mark.length)?;
    }
    Ok(())
}

fn append(path: &Path) -> Result<File, RecordsError> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
        .map_err(|source| RecordsError {
            path: path.to_owned(),
            source,
        })
}

/// Writes until everything or an error; how much was taken stands before the result.
fn write_out(waiting: &[u8], output: &mut impl Write) -> (usize, io::Result<()>) {
    let mut taken = 0;
    loop {
        let rest = waiting.get(taken..).unwrap_or_default();
        if rest.is_empty() {
            return (taken, Ok(()));
        }
        match output.write(rest) {
            Ok(0) => return (taken, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => taken += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (taken, Err(error)),
        }
    }
}

/// Appends the record of this exchange with its line feed. Fields and order are the contract's.
pub fn write_record(line: &mut Vec<u8>, call: &Call) {
    let mut fields = Fields { line };
    fields.text("{\"time\":", rfc3339(call.begin, &mut [0; 30]));
    fields.number(",\"duration_us\":", call.duration / 1_000);
    fields.optional_number(
        ",\"first_byte_us\":",
        call.first_byte.map(|time| time / 1_000),
    );
    fields.address(",\"client\":", call.client);
    fields.address(",\"peer\":", call.peer);
    fields.address(",\"server\":", call.server);
    fields.text(",\"interface\":", &call.interface);
    fields.text(",\"vantage\":", call.vantage.as_str());
    fields.text(",\"visibility\":", call.visibility.as_str());
    fields.text(",\"protocol\":", call.protocol);
    fields.optional_text(",\"method\":", call.method.as_deref());
    fields.text(",\"api\":", &call.api);
    fields.optional_text(",\"host\":", call.host.as_deref());
    fields.optional_text(",\"target\":", call.target.as_deref());
    fields.text(",\"route\":", &call.route);
    fields.optional_number(",\"status\":", call.status.map(u64::from));
    fields.text(",\"outcome\":", call.outcome.as_str());
    let responsible = call.outcome.responsible().map(Responsible::as_str);
    fields.optional_text(",\"responsible\":", responsible);
    fields.number(",\"request_head_bytes\":", call.request_head_bytes);
    fields.number(",\"request_body_bytes\":", call.request_body_bytes);
    fields.number(",\"response_head_bytes\":", call.response_head_bytes);
    fields.number(",\"response_body_bytes\":", call.response_body_bytes);
    match &call.credential {
        Some(credential) => {
            fields.text(",\"credential\":{\"scheme\":", credential.scheme);
            fields.text(",\"location\":", &credential.location);
            fields.text(",\"fingerprint\":", credential.fingerprint.as_str());
            fields.truth(",\"accepted\":", credential.accepted);
            fields.raw("}");
        }
        None => fields.raw(",\"credential\":null"),
    }
    fields.text(",\"consumer\":", &call.consumer);
    fields.optional_text(",\"app\":", call.app.as_deref());
    fields.optional_text(",\"key\":", call.key.as_deref());
    fields.truth(",\"complete\":", call.is_certain());
    fields.optional_text(",\"reason\":", call.reason());
    fields.raw("}\n");
}

/// Writes fields with their names as they stand in the line: a third of the time that deriving them takes.
struct Fields<'a> {
    line: &'a mut Vec<u8>,
}

impl Fields<'_> {
    fn raw(&mut self, text: &str) {
        self.line.extend_from_slice(text.as_bytes());
    }

    fn text(&mut self, name: &str, value: &str) {
        self.raw(name);
        self.raw("\"");
        // RFC 8259 section 7: these must be escaped; everything else may stand as it is.
        let plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
        if value.bytes().all(plain) {
            self.raw(value);
        } else {
            for character in value.chars() {
                self.escaped(character);
            }
        }
        self.raw("\"");
    }

    fn escaped(&mut self, character: char) {
        match character {
            '"' => self.raw("\\\""),
            '\\' => self.raw("\\\\"),
            '\0'..='\x1f' => {
                const HEX: [char; 16] = [
                    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
                ];
                let byte = character as usize;
                self.raw("\\u00");
                self.raw(HEX[byte >> 4 & 0xf].encode_utf8(&mut [0; 4]));
                self.raw(HEX[byte & 0xf].encode_utf8(&mut [0; 4]));
            }
            _ => self.raw(character.encode_utf8(&mut [0; 4])),
        }
    }

    fn optional_text(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(name, value),
            None => self.null(name),
        }
    }

    fn number(&mut self, name: &str, mut value: u64) {
        self.raw(name);
        let mut digits = [0; 20];
        let mut length = 0;
        for place in digits.iter_mut().rev() {
            *place = b'0' + (value % 10) as u8;
            value /= 10;
            length += 1;
            if value == 0 {
                break;
            }
        }
        self.line
            .extend_from_slice(digits.get(digits.len() - length..).unwrap_or_default());
    }

    fn optional_number(&mut self, name: &str, value: Option<u64>) {
        match value {
            Some(value) => self.number(name, value),
            None => self.null(name),
        }
    }

    fn address(&mut self, name: &str, value: SocketAddr) {
        self.raw(name);
        match value {
            SocketAddr::V4(address) => {
                let [first, second, third, fourth] = address.ip().octets().map(u64::from);
                self.number("\"", first);
                self.number(".", second);
                self.number(".", third);
                self.number(".", fourth);
                self.number(":", u64::from(address.port()));
                self.raw("\"");
            }
            // Writing to memory does not fail.
            SocketAddr::V6(address) => drop(write!(self.line, "\"{address}\"")),
        }
    }

    fn truth(&mut self, name: &str, value: bool) {
        self.raw(name);
        self.raw(if value { "true" } else { "false" });
    }

    fn null(&mut self, name: &str) {
        self.raw(name);
        self.raw("null");
    }
}

/// `2026-11-22T10:15:00.123456789Z`. The year stays below 2555, the end of 64-bit nanoseconds.
pub fn rfc3339(nanoseconds: u64, text: &mut [u8; 30]) -> &str {
    let (seconds, fraction) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    *text = *b"0000-00-00T00:00:00.000000000Z";
    let mut put = |end: usize, width: usize, mut number: u64| {
        for place in text.get_mut(end - width..end).into_iter().flatten().rev() {
            *place = b'0' + (number % 10) as u8;
            number /= 10;
        }
    };
    put(4, 4, year);
    put(7, 2, month);
    put(10, 2, day);
    put(13, 2, second / 3_600);
    put(16, 2, second / 60 % 60);
    put(19, 2, second % 60);
    put(29, 9, fraction);
    std::str::from_utf8(text).unwrap_or_default()
}

/// Year, month and day of a number of days since 1970 (Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}
