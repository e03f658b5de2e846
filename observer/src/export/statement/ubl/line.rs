//! A line: quantity, price of so many units, and what is added so that more usage never costs less.

use super::super::kind_in_words;
use super::sums::Sums;
use super::xml::{Adjustment, Xml, clean};
use super::{Head, Profile, Refused};
use crate::usage::money::Money;
use crate::usage::statement::{Line, LineKind, Meter};

/// What a rounded line may differ by from what its quantity and price give (Peppol, R120).
const SLACK: Money = Money::of_nanos(20_000_000);
/// What it differs by at most, where a currency has no places and the surcharge was rounded too.
const WHOLE: Money = Money::of_nanos(1_010_000_000);

/// A line as the document has it: no price is below zero (EN 16931, BR-27), quantities are where something is taken back.
pub(super) struct Charged<'a> {
    line: &'a Line,
    number: usize,
    places: u32,
    quantity: u64,
    per: u64,
    price: Money,
    surcharge: Money,
    amount: Money,
    /// What the amount has that quantity, price and surcharge do not give, in hundredths.
    rest: Money,
}

impl<'a> Charged<'a> {
    /// Line `number`.
    ///
    /// # Errors
    /// When its amount is not what its quantity and price give.
    pub(super) fn of(
        number: usize,
        line: &'a Line,
        sums: &Sums,
        places: u32,
    ) -> Result<Self, Refused> {
        let amount = sums.signed(line.amount);
        // What is no usage is one of what it costs.
        let usage = line.kind == LineKind::Usage;
        let (quantity, per) = if usage {
            (line.quantity, line.per.max(1))
        } else {
            (1, 1)
        };
        let price = magnitude(if usage { line.price } else { amount });
        let surcharge = if usage {
            magnitude(line.surcharge)
        } else {
            Money::ZERO
        };
        let surcharge = surcharge.rounded(places)?;
        let below = amount < Money::ZERO;
        let signed = |money: Money| if below { money.negated() } else { money };
        let given = signed(price.times(quantity, per, 2)?.plus(surcharge)?);
        let rest = amount.plus(given.negated())?;
        if magnitude(rest) > WHOLE {
            let amount = line.amount;
            let text =
                format!("line {number} comes to {amount}, its quantity and price to {given}");
            return Err(Refused::Sums(text));
        }
        let surcharge = signed(surcharge);
        Ok(Self {
            line,
            number,
            places,
            quantity,
            per,
            price,
            surcharge,
            amount,
            rest,
        })
    }

    /// Writes it.
    pub(super) fn write(&self, xml: &mut Xml, head: &Head<'_>, profile: Profile) {
        let (element, quantity) = if head.credits {
            ("cac:CreditNoteLine", "cbc:CreditedQuantity")
        } else {
            ("cac:InvoiceLine", "cbc:InvoicedQuantity")
        };
        let unit = ("unitCode", self.line.meter.map_or("C62", unit));
        let sign = if self.amount < Money::ZERO { "-" } else { "" };
        xml.open(element);
        xml.text("cbc:ID", &self.number.to_string());
        xml.text_with(quantity, unit, &format!("{sign}{}", self.quantity));
        xml.amount("cbc:LineExtensionAmount", self.amount);
        head.period(xml);
        let surcharge = Adjustment {
            amount: self.surcharge,
            places: self.places,
            reason: "Surcharge, so that more usage never costs less",
            vat: None,
        };
        if self.surcharge != Money::ZERO {
            xml.adjustment(&surcharge);
        }
        if profile == Profile::Peppol && magnitude(self.rest) > SLACK {
            xml.adjustment(&Adjustment {
                amount: self.rest,
                places: 2,
                reason: "Rounding",
                vat: None,
            });
        }
        item(xml, self.line);
        xml.open("cac:Price");
        xml.price("cbc:PriceAmount", self.price);
        xml.text_with("cbc:BaseQuantity", unit, &self.per.to_string());
        xml.close("cac:Price");
        xml.close(element);
    }
}

fn magnitude(money: Money) -> Money {
    if money < Money::ZERO {
        money.negated()
    } else {
        money
    }
}

fn item(xml: &mut Xml, line: &Line) {
    let text = clean(&line.text);
    let name = if text.is_empty() {
        kind_in_words(line.kind)
    } else {
        &*text
    };
    xml.open("cac:Item");
    xml.text("cbc:Name", name);
    xml.tax_category("cac:ClassifiedTaxCategory", line.vat, None);
    let meter = line.meter.map(|meter| meter.name().to_owned());
    for (name, value) in [
        ("Meter", &meter),
        ("API", &line.api),
        ("Route", &line.route),
    ] {
        let Some(value) = super::given(value) else {
            continue;
        };
        xml.open("cac:AdditionalItemProperty");
        xml.text("cbc:Name", name);
        xml.text("cbc:Value", value);
        xml.close("cac:AdditionalItemProperty");
    }
    xml.close("cac:Item");
}

/// Units by UN/ECE Recommendation 20: one, byte, millisecond.
const fn unit(meter: Meter) -> &'static str {
    match meter {
        Meter::Requests => "C62",
        Meter::RequestBytes | Meter::ResponseBytes => "AD",
        Meter::ServiceMs => "C26",
    }
}
