//! HAProxy's HTTP log (configuration manual 8.2.3), with or without the header of syslog.

use super::{Line, Read, address, path, request_line, time, unescaped};

/// `CLIENT:PORT [TIME] FRONTEND BACKEND/SERVER TIMERS STATUS BYTES - - STATE CONNECTIONS QUEUES {...} "REQUEST"`
pub(super) fn read(line: &str) -> Read {
    let Some((before, rest)) = line.split_once(" [") else {
        return Read::Unreadable;
    };
    let client = before.rsplit(' ').next().unwrap_or_default();
    let Some((stamp, rest)) = rest.split_once("] ") else {
        return Read::Unreadable;
    };
    let (Some(client), Some(time)) = (address(client), time::haproxy(stamp)) else {
        return Read::Unreadable;
    };
    let mut fields = rest.split(' ');
    let (_, Some(_), Some(_)) = (fields.next(), fields.next(), fields.next()) else {
        return Read::Unreadable;
    };
    let (Some(status), Some(bytes)) = (fields.next(), fields.next()) else {
        return Read::Unreadable;
    };
    let (Ok(status), Ok(bytes)) = (
        status.parse::<i32>(),
        bytes.trim_start_matches('+').parse::<u64>(),
    ) else {
        return Read::Unreadable;
    };
    let Some((_, request)) = rest.split_once(" \"") else {
        return Read::Unreadable;
    };
    let request = unescaped(request.trim_end().trim_end_matches('"'));
    let Some((method, target)) = request_line(&request) else {
        return Read::NoRequest;
    };
    Read::Request(Line {
        time,
        client: Some(client),
        method: method.into(),
        path: path(target).into(),
        // -1: none was sent.
        status: u16::try_from(status).unwrap_or(0),
        bytes: Some(bytes),
        consumer: None,
    })
}
