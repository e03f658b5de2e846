//! What a line charges, in words.

use crate::identity::registry::{Meter, Model, Price};

/// What a meter counts.
pub(super) const fn meter(meter: Meter) -> &'static str {
    match meter {
        Meter::Requests => "Requests",
        Meter::RequestBytes => "Bytes of requests",
        Meter::ResponseBytes => "Bytes of responses",
        Meter::ServiceMs => "Milliseconds of service",
    }
}

/// Usage by the unit; the units that the price is for, where that is not all of them.
pub(super) fn usage(price: &Price, range: Option<(u64, Option<u64>)>) -> String {
    let what = format!("{}{}", meter(price.meter), filter(price));
    let Some((from, to)) = range else {
        return what;
    };
    let from = grouped(from);
    let units = to.map(|to| format!("{from} to {}", grouped(to)));
    match (price.model, units) {
        (Model::Volume, Some(units)) => format!("{what}, at the price for {units}"),
        (Model::Volume, None) => format!("{what}, at the price from {from} on"),
        (Model::Graduated | Model::Package, Some(units)) => format!("{what}, {units}"),
        (Model::Graduated | Model::Package, None) => format!("{what}, from {from} on"),
    }
}

/// Usage by the package.
pub(super) fn packages(price: &Price) -> String {
    format!(
        "{}{}, packages of {}",
        meter(price.meter),
        filter(price),
        grouped(price.per.get())
    )
}

/// What the price is for, where that is not everything.
fn filter(price: &Price) -> String {
    let parts: Vec<&str> = [&price.api, &price.route]
        .into_iter()
        .filter_map(|part| part.as_deref())
        .collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!(" ({})", parts.join(" "))
    }
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
