//! Words of a POSIX shell.

use std::fmt::Write;

/// A text as one word, between single quotes: nothing in them means anything but a quote, which stands outside
/// (POSIX.1-2024, Shell Command Language 2.2.2). A NUL, which no word can hold, is left out.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\0', "").replace('\'', "'\\''"))
}

/// A text as one segment of a URL's path (RFC 3986 section 2.3).
pub(super) fn segment(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(byte.into());
        } else {
            // Writing to a string does not fail.
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    // The whole of it would mean this folder or the one above.
    if matches!(&*segment, "." | "..") {
        segment = segment.replace('.', "%2E");
    }
    segment
}
