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
