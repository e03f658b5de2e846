//! The label sets of families, and label values that are bounded by a register.

use std::hash::Hash;
use std::sync::Arc;

use hashbrown::Equivalent;

use super::snapshot::StatusLabel;

/// Declares the label set of a family: owned as key, and borrowed for look-ups that allocate nothing.
macro_rules! labels {
    ($key:ident, $labels:ident, [$($text:ident),*], [$($value:ident: $type:ty),*]) => {
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub(super) struct $key {
            $(pub(super) $text: Arc<str>,)*
            $(pub(super) $value: $type,)*
        }

        #[derive(Hash)]
        pub(super) struct $labels<'a> {
            $(pub(super) $text: &'a Arc<str>,)*
            $(pub(super) $value: $type,)*
        }

        impl Equivalent<$key> for $labels<'_> {
            fn equivalent(&self, key: &$key) -> bool {
                $(self.$value == key.$value)&&* $(&& **self.$text == *key.$text)*
            }
        }

        impl From<&$labels<'_>> for $key {
            fn from(labels: &$labels<'_>) -> Self {
                Self { $($text: labels.$text.clone(),)* $($value: labels.$value,)* }
            }
        }
    };
}

labels!(RequestKey, RequestLabels, [consumer, api, route], [method: &'static str, status: StatusLabel]);
labels!(HopKey, HopLabels, [api, route], [status: StatusLabel]);
labels!(DurationKey, DurationLabels, [route], [method: &'static str]);
labels!(WindowKey, WindowLabels, [consumer, app, key, api, route], [start: u64, method: &'static str, status: Option<u16>, outcome: &'static str]);
labels!(FailureKey, FailureLabels, [consumer], [outcome: &'static str, reason: &'static str]);

/// The method when it is registered (IANA, HTTP Method Registry), else `_OTHER`.
pub(super) fn method_label(method: &str) -> &'static str {
    match method {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => REGISTERED
            .iter()
            .find(|known| **known == method)
            .copied()
            .unwrap_or("_OTHER"),
    }
}

/// The method as it may be shown: itself when it is a word, as methods are; `_OTHER` for anything else that a client puts in
/// its place, which may be its key.
pub fn shown_method(method: &str) -> &str {
    let word = |letter: fn(&u8) -> bool| method.bytes().all(|byte| byte == b'-' || letter(&byte));
    let is_word = word(u8::is_ascii_uppercase) || word(u8::is_ascii_lowercase);
    if is_word && !method.is_empty() && method.len() <= METHOD {
        method
    } else {
        "_OTHER"
    }
}

/// Letters of the longest method that is registered, and some more.
const METHOD: usize = 20;

const REGISTERED: [&str; 32] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "ORDERPATCH",
    "PRI",
    "PROPFIND",
    "PROPPATCH",
    "REBIND",
    "REPORT",
    "SEARCH",
    "TRACE",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
];
