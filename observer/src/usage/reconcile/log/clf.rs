//! The common and combined log formats of Apache and nginx.

use super::{Line, Read, address, path, request_line, time, unescaped};

/// `CLIENT - USER [TIME] "REQUEST" STATUS BYTES ...`
pub(super) fn read(line: &str) -> Read {
    let Some((before, rest)) = line.split_once(" [") else {
        return Read::Unreadable;
    };
    let mut names = before.splitn(3, ' ');
    let (Some(client), Some(_), Some(user)) = (names.next(), names.next(), names.next()) else {
        return Read::Unreadable;
    };
    let Some((stamp, rest)) = rest.split_once("] \"") else {
        return Read::Unreadable;
    };
    let (Some(time), Some((request, rest))) = (time::clf(stamp), quoted(rest)) else {
        return Read::Unreadable;
    };
    let mut fields = rest.trim_start().split(' ');
    let (Some(status), Some(bytes)) = (fields.next(), fields.next()) else {
        return Read::Unreadable;
    };
    let Ok(status) = status.parse() else {
        return Read::Unreadable;
    };
    let bytes = match bytes {
        "-" => Some(0),
        bytes => match bytes.parse() {
            Ok(bytes) => Some(bytes),
            Err(_) => return Read::Unreadable,
        },
    };
    let request = unescaped(request);
    let Some((method, target)) = request_line(&request) else {
        return Read::NoRequest;
    };
    Read::Request(Line {
        time,
        client: address(client),
        method: method.into(),
        path: path(target).into(),
        status,
        bytes,
        consumer: (user != "-" && !user.is_empty()).then(|| unescaped(user).into()),
    })
}

/// Text up to the quote that ends it, and what follows; a backslash takes its meaning from a quote.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', text.as_bytes().get(from..)?)?;
        if text.as_bytes().get(at) == Some(&b'"') {
            return Some((text.get(..at)?, text.get(at + 1..)?));
        }
        from = at + 2;
    }
}
