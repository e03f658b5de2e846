//! A statement as one page to look at and to print (A4): nothing is loaded, nothing runs, every text is escaped.

use std::borrow::Cow;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    completeness, customer_lacks, given, is_invoice, listed, percent, seller_lacks, tax_in_words,
};
use crate::export::plain;
use crate::usage::money::Money;
use crate::usage::statement::{Kind, Line, LineKind, Meter, Party, Statement, Vat, VatCategory};

/// What the page may load: nothing but the style that stands in it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The page.
pub fn page(statement: &Statement) -> String {
    let draft = statement.kind == Kind::Draft;
    let title = title(statement);
    let number = shown(number(statement));
    let name = party_name(&statement.customer);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " " (number) ", " (name) ", " (shown(&statement.period.name)) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body class=[draft.then_some("draft")] {
                header class="letterhead" {
                    section {
                        h2 { "From" }
                        @match &statement.seller {
                            Some(seller) => (address(seller)),
                            None => p { "Not configured" },
                        }
                    }
                    section {
                        h2 { "To" }
                        (address(&statement.customer))
                    }
                }
                main {
                    h1 { (title) " " (number) }
                    (facts(statement))
                    (standing(statement))
                    (data(statement))
                    (lines(statement))
                    (taxes(statement))
                    (totals(statement))
                    (usage(statement))
                }
                footer class="small" {
                    p {
                        "Made by observer from traffic that was seen on the wire. Amounts are in " (shown(&statement.currency))
                        ", rounded once a line."
                    }
                }
            }
        }
    }
    .into_string()
}

fn title(statement: &Statement) -> &'static str {
    let invoice = !statement.showback && is_invoice(statement);
    match statement.kind {
        Kind::CreditNote => "Credit note",
        _ if invoice => "Invoice",
        _ => "Usage statement",
    }
}

/// The number; a draft has none, and says what it is in its place.
fn number(statement: &Statement) -> &str {
    let number = statement.number.as_deref().unwrap_or_default();
    match statement.kind {
        Kind::Draft => "DRAFT",
        _ => number,
    }
}

fn shown(text: &str) -> Cow<'_, str> {
    plain::shown(text)
}

fn party_name(party: &Party) -> Cow<'_, str> {
    shown(given(&party.name).unwrap_or(&party.id))
}

/// Name, address, country, VAT id, and the account's id.
fn address(party: &Party) -> Markup {
    let lines = given(&party.address).unwrap_or_default().lines();
    let lines = lines.filter(|line| !line.trim().is_empty());
    let lines: Vec<Cow<'_, str>> = lines.map(shown).collect();
    html! {
        p { strong { bdi { (party_name(party)) } } }
        @if !lines.is_empty() {
            address class="lines" { bdi { (lines.join("\n")) } }
        }
        @if let Some(country) = given(&party.country) { p { (shown(country)) } }
        @if let Some(vat_id) = given(&party.vat_id) { p { "VAT id " (shown(vat_id)) } }
        @if !party.id.is_empty() { p class="small" { "Account " (shown(&party.id)) } }
    }
}

fn facts(statement: &Statement) -> Markup {
    let period = &statement.period;
    html! {
        dl {
            dt { "Period" }
            dd {
                (shown(&period.name)) ": " (shown(&period.first_day)) " to " (shown(&period.last_day)) ", time zone "
                (shown(&period.time_zone))
                span class="small" { " (" (shown(&period.from)) " to " (shown(&period.until)) ")" }
            }
            @if let Some(issued) = &statement.issued {
                dt { "Issued" }
                dd { (shown(issued)) }
            }
            @if let Some(corrects) = &statement.corrects {
                dt { "Corrects" }
                dd { (shown(corrects)) }
            }
            @if let Some(reason) = &statement.reason {
                dt { "Reason" }
                dd { bdi { (shown(reason)) } }
            }
            @if let Some(plan) = &statement.plan {
                dt { "Plan" }
                dd { (shown(plan)) }
            }
        }
    }
}

/// What the reader has to know before any number: that it is a draft, no invoice, or nothing to pay.
fn standing(statement: &Statement) -> Markup {
    let lacks = seller_lacks(statement);
    let missing = customer_lacks(statement);
    let draft = statement.kind == Kind::Draft;
    if !draft && lacks.is_empty() && missing.is_empty() && !statement.showback {
        return Markup::default();
    }
    html! {
        section class="box warn" {
            h2 { "What this is" }
            @if draft {
                p { "This is a draft: it has no number, and its amounts can still change." }
            }
            @if statement.showback {
                p {
                    "The list value of the usage is shown, and nothing is to be paid: "
                    (amount(statement, statement.total)) "."
                }
            }
            @if !lacks.is_empty() {
                p { "This is no invoice: [seller] in observer.toml has no " (listed(&lacks)) "." }
            }
            @if !missing.is_empty() {
                p { "This is no invoice: the account in the registry has no " (listed(&missing)) "." }
            }
        }
    }
}

/// How complete the data is that the amounts were made of.
fn data(statement: &Statement) -> Markup {
    html! {
        section class="box" {
            h2 { "Data completeness: " (completeness(statement.completeness)) }
            p {
                "Of all exchanges that must have been in this period, this is the share that was seen with certainty. What was "
                "not seen is not in these numbers."
            }
            @if statement.usage.uncertain > 0 {
                p {
                    "Of " (statement.usage.requests) " requests, " (statement.usage.uncertain)
                    " were seen in part."
                }
            }
            @if !statement.notes.is_empty() {
                ul {
                    @for note in &statement.notes { li { bdi { (shown(note)) } } }
                }
            }
        }
    }
}

fn lines(statement: &Statement) -> Markup {
    html! {
        table {
            caption { "Lines" }
            thead {
                tr {
                    th scope="col" { "What" }
                    th scope="col" class="number" { "Quantity" }
                    th scope="col" class="number" { "Price" }
                    th scope="col" class="number" { "VAT" }
                    th scope="col" class="number" { "Amount" }
                }
            }
            tbody {
                @for line in &statement.lines { (row(statement, line)) }
                @if statement.lines.is_empty() {
                    tr { th scope="row" colspan="5" { "Nothing is charged for this period." } }
                }
            }
        }
    }
}

fn row(statement: &Statement, line: &Line) -> Markup {
    html! {
        tr {
            th scope="row" {
                bdi { (shown(&line.text)) }
                @if let Some(api) = &line.api { div class="small" { "API " bdi { (shown(api)) } } }
                @if let Some(route) = &line.route { div class="small" { "Route " bdi { (shown(route)) } } }
            }
            td class="number" {
                @if let Some(meter) = line.meter { (line.quantity) " " (unit(meter)) }
            }
            td class="number" {
                @if line.kind == LineKind::Usage {
                    (line.price)
                    @if line.per > 1 { " per " (line.per) }
                    @if line.surcharge != Money::ZERO { br; "and " (line.surcharge) }
                }
            }
            td class="number" { (rate(line.vat)) }
            td class="number" { (amount(statement, line.amount)) }
        }
    }
}

/// What a meter counts.
fn unit(meter: Meter) -> &'static str {
    match meter {
        Meter::Requests => "requests",
        Meter::RequestBytes | Meter::ResponseBytes => "bytes",
        Meter::ServiceMs => "ms",
    }
}

fn rate(vat: Vat) -> String {
    match vat.category {
        VatCategory::Standard | VatCategory::Zero => format!("{} %", percent(vat.rate)),
        VatCategory::Exempt => "exempt".to_owned(),
        VatCategory::ReverseCharge => "reverse charge".to_owned(),
        VatCategory::NotSubject => "none".to_owned(),
    }
}

fn taxes(statement: &Statement) -> Markup {
    if statement.taxes.is_empty() {
        return Markup::default();
    }
    html! {
        table class="half" {
            caption { "Taxes" }
            thead {
                tr {
                    th scope="col" { "Tax" }
                    th scope="col" class="number" { "On" }
                    th scope="col" class="number" { "Amount" }
                }
            }
            tbody {
                @for tax in &statement.taxes {
                    tr {
                        th scope="row" { (tax_in_words(tax.vat)) }
                        td class="number" { (amount(statement, tax.base)) }
                        td class="number" { (amount(statement, tax.amount)) }
                    }
                }
            }
        }
    }
}

fn totals(statement: &Statement) -> Markup {
    let last = match title(statement) {
        "Credit note" => "Credited",
        "Invoice" => "To be paid",
        _ => "Total",
    };
    html! {
        table class="half" {
            caption { "Total" }
            tbody {
                tr { th scope="row" { "Net" } td class="number" { (amount(statement, statement.net)) } }
                tr { th scope="row" { "Taxes" } td class="number" { (amount(statement, statement.tax)) } }
                tr class="total" {
                    th scope="row" { (last) } td class="number" { (amount(statement, statement.total)) }
                }
            }
        }
    }
}

fn usage(statement: &Statement) -> Markup {
    let used = &statement.usage;
    let rows = [
        ("Requests", used.requests),
        ("Of these, seen in part", used.uncertain),
        ("Bytes of request contents", used.request_bytes),
        ("Bytes of response contents", used.response_bytes),
        ("Milliseconds of service", used.service_ms),
    ];
    html! {
        table class="half" {
            caption { "What was used" }
            tbody {
                @for (name, count) in rows {
                    tr { th scope="row" { (name) } td class="number" { (count) } }
                }
            }
        }
    }
}

/// An amount with its currency.
fn amount(statement: &Statement, money: Money) -> String {
    format!(
        "{}\u{a0}{}",
        money.fixed(statement.places),
        shown(&statement.currency)
    )
}
