//! Logs of one JSON object a line: the same fields, under each server's own names.

use serde_json::Value;

use super::{Line, Read, address, path, request_line, time};
use crate::usage::reconcile::Micros;

/// Where a server writes what; a dot goes into an object, the first that is there counts.
pub(super) struct Names {
    time: &'static [&'static str],
    client: &'static [&'static str],
    /// A whole request line, instead of method and target.
    request: &'static [&'static str],
    method: &'static [&'static str],
    target: &'static [&'static str],
    status: &'static [&'static str],
    bytes: &'static [&'static str],
    consumer: &'static [&'static str],
}

/// nginx, by the names of its variables.
pub(super) const NGINX: Names = Names {
    time: &[
        "msec",
        "time_iso8601",
        "time_local",
        "time",
        "timestamp",
        "ts",
    ],
    client: &["remote_addr", "client", "client_ip", "ip"],
    request: &["request"],
    method: &["request_method", "method"],
    target: &["request_uri", "uri", "path", "target"],
    status: &["status"],
    bytes: &["body_bytes_sent", "bytes_sent", "bytes", "body", "size"],
    consumer: &["consumer", "remote_user", "user"],
};

/// Caddy.
pub(super) const CADDY: Names = Names {
    time: &["ts"],
    client: &["request.remote_ip", "request.client_ip"],
    request: &[],
    method: &["request.method"],
    target: &["request.uri"],
    status: &["status"],
    bytes: &["size"],
    consumer: &["user_id"],
};

/// Envoy's default JSON format.
pub(super) const ENVOY: Names = Names {
    time: &["start_time"],
    client: &[
        "downstream_direct_remote_address",
        "downstream_remote_address",
    ],
    request: &[],
    method: &["method"],
    target: &["x-envoy-original-path", "path"],
    status: &["response_code"],
    bytes: &["bytes_sent"],
    consumer: &[],
};

/// Kong.
pub(super) const KONG: Names = Names {
    time: &["started_at"],
    client: &["client_ip"],
    request: &[],
    method: &["request.method"],
    target: &["request.uri"],
    status: &["response.status"],
    bytes: &["response.size"],
    consumer: &["consumer.custom_id", "consumer.username"],
};

pub(super) fn read(line: &[u8], names: &Names) -> Read {
    let Ok(object) = serde_json::from_slice::<Value>(line) else {
        return Read::Unreadable;
    };
    let find = |places: &[&str]| places.iter().find_map(|place| at(&object, place));
    let (Some(time), Some(status)) = (
        find(names.time).and_then(stamp),
        find(names.status).and_then(number),
    ) else {
        return Read::Unreadable;
    };
    let text = |places: &[&str]| {
        find(places)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty() && *text != "-")
    };
    let asked = match (text(names.method), text(names.target)) {
        (Some(method), Some(target)) => Some((method, target)),
        _ => text(names.request).and_then(request_line),
    };
    let Some((method, target)) = asked else {
        return Read::NoRequest;
    };
    Read::Request(Line {
        time,
        client: text(names.client).and_then(address),
        method: method.into(),
        path: path(target).into(),
        status: u16::try_from(status).unwrap_or(0),
        bytes: find(names.bytes).and_then(number),
        consumer: text(names.consumer).map(Into::into),
    })
}

fn at<'a>(object: &'a Value, place: &str) -> Option<&'a Value> {
    let found = place
        .split('.')
        .try_fold(object, |object, name| object.get(name))?;
    (!found.is_null()).then_some(found)
}

/// A number, or a text of one.
fn number(value: &Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| value.as_f64().map(|number| number as u64))
        .or_else(|| value.as_str()?.trim().parse().ok())
}

fn stamp(value: &Value) -> Option<Micros> {
    match value {
        Value::Number(number) => time::epoch(number.as_f64()?),
        Value::String(text) => time::any(text),
        _ => None,
    }
}
