//! An invoice or a credit note as UBL 2.1 (ISO/IEC 19845), as it is or by the rules of Peppol BIS Billing 3.0 (EN 16931).
//!
//! Invariant: what is written is well-formed and in the schema's order, whatever the texts say. Bias: what the rules would
//! have refused elsewhere is refused here, with what is missing and where it has to be said.

mod line;
mod party;
mod peppol;
mod sums;
mod xml;

use jiff::Timestamp;
use jiff::civil::Date;

use self::sums::Sums;
use self::xml::{Adjustment, Xml};
use super::{Refused, completeness, currency, given, percent, seller_lacks};
use crate::usage::money::Money;
use crate::usage::statement::{Kind, Statement, Tax, Vat, VatCategory};

/// By whose rules it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// UBL 2.1.
    Plain,
    /// Peppol BIS Billing 3.0, a profile of it.
    Peppol,
}

/// The document: an `Invoice`, or a `CreditNote` whose amounts are what is given back.
///
/// # Errors
/// What is missing, and in which file; what is not of its kind; what the rules do not allow.
pub fn document(statement: &Statement, profile: Profile) -> Result<String, Refused> {
    let head = Head::of(statement)?;
    let sums = Sums::of(statement)?;
    if profile == Profile::Peppol {
        peppol::check(statement)?;
    }
    let root = if head.credits {
        "CreditNote"
    } else {
        "Invoice"
    };
    let mut xml = Xml::new(root, &statement.currency, statement.places);
    if profile == Profile::Peppol {
        xml.text("cbc:CustomizationID", peppol::CUSTOMIZATION);
        xml.text("cbc:ProfileID", peppol::PROFILE);
    }
    xml.text("cbc:ID", head.number);
    xml.text("cbc:IssueDate", &head.issued.to_string());
    if head.credits {
        xml.text("cbc:CreditNoteTypeCode", "381");
    } else {
        xml.text("cbc:InvoiceTypeCode", "380");
    }
    xml.text("cbc:Note", &note(statement));
    xml.text("cbc:DocumentCurrencyCode", &statement.currency);
    if let Some(id) = given(&Some(statement.customer.id.clone())) {
        xml.text("cbc:BuyerReference", id);
    }
    head.period(&mut xml);
    if let Some(corrected) = head.corrects {
        xml.open("cac:BillingReference");
        xml.open("cac:InvoiceDocumentReference");
        xml.text("cbc:ID", corrected);
        xml.close("cac:InvoiceDocumentReference");
        xml.close("cac:BillingReference");
    }
    party::seller(&mut xml, statement, profile)?;
    party::customer(&mut xml, statement, profile)?;
    if !head.credits && statement.total > Money::ZERO {
        xml.open("cac:PaymentTerms");
        xml.text("cbc:Note", "As agreed.");
        xml.close("cac:PaymentTerms");
    }
    for allowance in statement
        .lines
        .iter()
        .filter(|line| sums::is_allowance(line))
    {
        let text = xml::clean(&allowance.text);
        xml.adjustment(&Adjustment {
            amount: sums.signed(allowance.amount),
            places: statement.places,
            reason: if text.is_empty() { "Allowance" } else { &text },
            vat: Some(allowance.vat),
        });
    }
    taxes(&mut xml, statement, &sums);
    totals(&mut xml, statement, &sums);
    let charged = statement
        .lines
        .iter()
        .filter(|line| !sums::is_allowance(line));
    for (index, charged) in charged.enumerate() {
        let line = line::Charged::of(index + 1, charged, &sums, statement.places)?;
        line.write(&mut xml, &head, profile);
    }
    Ok(xml.finish(root))
}

/// What has to be there and of its kind before anything is written.
struct Head<'a> {
    number: &'a str,
    credits: bool,
    corrects: Option<&'a str>,
    issued: Date,
    first: Date,
    last: Date,
}

impl<'a> Head<'a> {
    fn of(statement: &'a Statement) -> Result<Self, Refused> {
        if statement.kind == Kind::Draft {
            return Err(Refused::Draft);
        }
        let lacks = seller_lacks(statement);
        if !lacks.is_empty() {
            return Err(Refused::Seller(lacks));
        }
        currency(statement)?;
        let credits = statement.kind == Kind::CreditNote;
        let corrects = given(&statement.corrects);
        if credits && corrects.is_none() {
            return Err(Refused::Missing("number of the invoice that it corrects"));
        }
        Ok(Self {
            number: given(&statement.number).ok_or(Refused::Missing("number"))?,
            credits,
            corrects: corrects.filter(|_| credits),
            issued: issued(statement)?,
            first: date("the period's first day", &statement.period.first_day)?,
            last: date("the period's last day", &statement.period.last_day)?,
        })
    }

    fn period(&self, xml: &mut Xml) {
        xml.open("cac:InvoicePeriod");
        xml.text("cbc:StartDate", &self.first.to_string());
        xml.text("cbc:EndDate", &self.last.to_string());
        xml.close("cac:InvoicePeriod");
    }
}

/// The day on which it was closed, where the account is.
fn issued(statement: &Statement) -> Result<Date, Refused> {
    let text = statement.issued.as_ref();
    let text = text.ok_or(Refused::Missing("time at which it was issued"))?;
    let time: Timestamp = text
        .parse()
        .map_err(|_| Refused::odd("the time of issue", text, "a time (RFC 3339)"))?;
    let zone = &statement.period.time_zone;
    let zoned = time
        .in_tz(zone)
        .map_err(|_| Refused::odd("the time zone", zone, "one of IANA's"))?;
    Ok(zoned.date())
}

fn date(what: &'static str, text: &str) -> Result<Date, Refused> {
    let date = text.parse::<Date>().ok();
    let date = date.filter(|date| date.year() > 0);
    date.ok_or_else(|| Refused::odd(what, text, "a day such as 2026-11-01"))
}

/// How complete the data is, why it corrects what it corrects, and what else there is to know: one note, as Peppol wants it.
fn note(statement: &Statement) -> String {
    let mut note = format!(
        "Data completeness {}.",
        completeness(statement.completeness)
    );
    if statement.showback {
        note.push_str(" The list value is shown, and nothing is to be paid.");
    }
    let reason = given(&statement.reason);
    for more in reason
        .into_iter()
        .chain(statement.notes.iter().map(String::as_str))
    {
        note.push(' ');
        note.push_str(more);
    }
    note
}

fn taxes(xml: &mut Xml, statement: &Statement, sums: &Sums) {
    if statement.taxes.is_empty() {
        return;
    }
    xml.open("cac:TaxTotal");
    xml.amount("cbc:TaxAmount", sums.signed(statement.tax));
    for Tax { vat, base, amount } in &statement.taxes {
        xml.open("cac:TaxSubtotal");
        xml.amount("cbc:TaxableAmount", sums.signed(*base));
        xml.amount("cbc:TaxAmount", sums.signed(*amount));
        xml.tax_category("cac:TaxCategory", *vat, exemption(*vat));
        xml.close("cac:TaxSubtotal");
    }
    xml.close("cac:TaxTotal");
}

/// Why there is no tax, where the rules ask: code of the list VATEX, and words.
fn exemption(vat: Vat) -> Option<(Option<&'static str>, &'static str)> {
    match vat.category {
        VatCategory::Standard | VatCategory::Zero => None,
        VatCategory::Exempt => Some((None, "Exempt from VAT")),
        VatCategory::ReverseCharge => Some((Some("VATEX-EU-AE"), "Reverse charge")),
        VatCategory::NotSubject => Some((Some("VATEX-EU-O"), "Not subject to VAT")),
    }
}

fn totals(xml: &mut Xml, statement: &Statement, sums: &Sums) {
    xml.open("cac:LegalMonetaryTotal");
    xml.amount("cbc:LineExtensionAmount", sums.lines);
    xml.amount("cbc:TaxExclusiveAmount", sums.signed(statement.net));
    xml.amount("cbc:TaxInclusiveAmount", sums.signed(statement.total));
    if let Some(allowances) = sums.allowances {
        xml.amount("cbc:AllowanceTotalAmount", allowances);
    }
    if sums.charges != Money::ZERO {
        xml.amount("cbc:ChargeTotalAmount", sums.charges);
    }
    xml.amount("cbc:PayableAmount", sums.signed(statement.total));
    xml.close("cac:LegalMonetaryTotal");
}
