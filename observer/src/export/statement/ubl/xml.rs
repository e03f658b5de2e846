//! Elements of UBL, one after the other. Texts are escaped, and what XML has no character for is shown.

use std::borrow::Cow;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use crate::export::statement::percent;
use crate::usage::money::Money;
use crate::usage::statement::{Vat, VatCategory};

const NAMESPACE: &str = "urn:oasis:names:specification:ubl:schema:xsd:";

/// Reason code of what is taken off (UNCL 5189): discount.
const DISCOUNT: &str = "95";

/// What is taken off or added.
pub(super) struct Adjustment<'a> {
    /// Below zero: taken off.
    pub(super) amount: Money,
    /// Places that it is written with.
    pub(super) places: u32,
    /// Why.
    pub(super) reason: &'a str,
    /// How it is taxed, where it stands at the document.
    pub(super) vat: Option<Vat>,
}

/// A document that is being written.
pub(super) struct Xml {
    writer: Writer<Vec<u8>>,
    currency: String,
    places: u32,
}

impl Xml {
    /// Opens the root element.
    pub(super) fn new(root: &str, currency: &str, places: u32) -> Self {
        let mut xml = Self {
            writer: Writer::new_with_indent(Vec::new(), b' ', 2),
            currency: currency.to_owned(),
            places,
        };
        xml.event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
        let mut start = BytesStart::new(root);
        for (prefix, name) in [
            ("xmlns", root),
            ("xmlns:cac", "CommonAggregateComponents"),
            ("xmlns:cbc", "CommonBasicComponents"),
        ] {
            let name = format!("{NAMESPACE}{name}-2");
            start.push_attribute((prefix, name.as_str()));
        }
        xml.event(Event::Start(start));
        xml
    }

    /// Closes the root element, and gives the document.
    pub(super) fn finish(mut self, root: &str) -> String {
        self.close(root);
        self.event(Event::Text(BytesText::from_escaped("\n")));
        // It is made of texts only.
        String::from_utf8(self.writer.into_inner()).unwrap_or_default()
    }

    pub(super) fn open(&mut self, name: &str) {
        self.event(Event::Start(BytesStart::new(name)));
    }

    pub(super) fn close(&mut self, name: &str) {
        self.event(Event::End(BytesEnd::new(name)));
    }

    /// An element with a text.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.element(BytesStart::new(name), text);
    }

    /// An element with a text and an attribute.
    pub(super) fn text_with(&mut self, name: &str, attribute: (&str, &str), text: &str) {
        let mut start = BytesStart::new(name);
        start.push_attribute(attribute);
        self.element(start, text);
    }

    /// An amount with the places of the currency.
    pub(super) fn amount(&mut self, name: &str, amount: Money) {
        let text = amount.fixed(self.places);
        self.money(name, &text);
    }

    /// A price, exact.
    pub(super) fn price(&mut self, name: &str, price: Money) {
        self.money(name, &price.to_string());
    }

    fn money(&mut self, name: &str, text: &str) {
        let currency = self.currency.clone();
        self.text_with(name, ("currencyID", &currency), text);
    }

    /// What is taken off or added, of the document or of a line.
    pub(super) fn adjustment(&mut self, adjustment: &Adjustment<'_>) {
        let charge = adjustment.amount > Money::ZERO;
        self.open("cac:AllowanceCharge");
        self.text("cbc:ChargeIndicator", if charge { "true" } else { "false" });
        if !charge {
            self.text("cbc:AllowanceChargeReasonCode", DISCOUNT);
        }
        self.text("cbc:AllowanceChargeReason", adjustment.reason);
        let amount = adjustment.amount;
        let amount = if charge { amount } else { amount.negated() };
        self.money("cbc:Amount", &amount.fixed(adjustment.places));
        if let Some(vat) = adjustment.vat {
            self.tax_category("cac:TaxCategory", vat, None);
        }
        self.close("cac:AllowanceCharge");
    }

    /// How something is taxed, and why it is not.
    pub(super) fn tax_category(
        &mut self,
        name: &str,
        vat: Vat,
        exemption: Option<(Option<&str>, &str)>,
    ) {
        self.open(name);
        self.text("cbc:ID", vat.category.code());
        if vat.category != VatCategory::NotSubject {
            self.text("cbc:Percent", &percent(vat.rate));
        }
        if let Some((code, words)) = exemption {
            if let Some(code) = code {
                self.text("cbc:TaxExemptionReasonCode", code);
            }
            self.text("cbc:TaxExemptionReason", words);
        }
        self.tax_scheme();
        self.close(name);
    }

    pub(super) fn tax_scheme(&mut self) {
        self.open("cac:TaxScheme");
        self.text("cbc:ID", "VAT");
        self.close("cac:TaxScheme");
    }

    fn element(&mut self, start: BytesStart<'_>, text: &str) {
        let end = start.to_end().into_owned();
        self.event(Event::Start(start));
        self.event(Event::Text(BytesText::new(&clean(text))));
        self.event(Event::End(end));
    }

    fn event(&mut self, event: Event<'_>) {
        // Writing to memory does not fail.
        let _ = self.writer.write_event(event);
    }
}

/// The text of an element: no character that XML 1.0 (section 2.2) has not or that a reader would change (2.11), each shown by
/// another; one line.
pub(in crate::export::statement) fn clean(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    let odd = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    if !text.contains(odd) {
        return Cow::Borrowed(text);
    }
    let shown = text.chars().map(|c| match c {
        '\t' | '\n' | '\r' => ' ',
        // The pictures of control characters stand in their order.
        '\0'..='\u{1f}' => {
            char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        '\u{7f}' => '\u{2421}',
        c if odd(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    });
    shown.collect::<String>().into()
}
