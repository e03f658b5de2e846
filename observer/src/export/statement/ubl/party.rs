//! Seller and customer.

use super::xml::Xml;
use super::{Profile, Refused, given, peppol};
use crate::usage::statement::{Party, Statement, VatCategory};

/// The seller, whose fields were found to be there.
pub(super) fn seller(
    xml: &mut Xml,
    statement: &Statement,
    profile: Profile,
) -> Result<(), Refused> {
    let Some(seller) = &statement.seller else {
        return Err(Refused::Seller(vec!["name"]));
    };
    let address = match profile {
        Profile::Plain => None,
        Profile::Peppol => Some(peppol::seller_address(seller)?),
    };
    xml.open("cac:AccountingSupplierParty");
    party(xml, statement, seller, address, "the seller's country")?;
    xml.close("cac:AccountingSupplierParty");
    Ok(())
}

/// The customer.
pub(super) fn customer(
    xml: &mut Xml,
    statement: &Statement,
    profile: Profile,
) -> Result<(), Refused> {
    let customer = &statement.customer;
    let reverse = statement
        .taxes
        .iter()
        .any(|tax| tax.vat.category == VatCategory::ReverseCharge);
    let needs_vat_id = reverse || profile == Profile::Peppol;
    let fields = [
        ("name", &customer.name, true),
        ("address", &customer.address, true),
        ("country", &customer.country, true),
        ("vat_id", &customer.vat_id, needs_vat_id),
    ];
    let lacks = fields
        .into_iter()
        .filter(|(_, value, needed)| *needed && given(value).is_none());
    let lacks: Vec<&str> = lacks.map(|(name, ..)| name).collect();
    if !lacks.is_empty() {
        return Err(Refused::Customer {
            account: customer.id.clone(),
            lacks,
        });
    }
    let address = match profile {
        Profile::Plain => None,
        Profile::Peppol => Some(peppol::customer_address(customer)?),
    };
    xml.open("cac:AccountingCustomerParty");
    party(xml, statement, customer, address, "the customer's country")?;
    xml.close("cac:AccountingCustomerParty");
    Ok(())
}

fn party(
    xml: &mut Xml,
    statement: &Statement,
    party: &Party,
    address: Option<peppol::Address>,
    whose_country: &'static str,
) -> Result<(), Refused> {
    let name = given(&party.name).unwrap_or(&party.id);
    let country = country(whose_country, party)?;
    // EN 16931, BR-O-02: no VAT id where nothing is subject to VAT. It identifies the party all the same.
    let subject = statement
        .taxes
        .iter()
        .any(|tax| tax.vat.category != VatCategory::NotSubject);
    let vat_id = given(&party.vat_id).map(|id| match address {
        Some(_) => peppol::spelled(id),
        None => id.to_owned(),
    });
    xml.open("cac:Party");
    if let Some(address) = &address {
        xml.text_with(
            "cbc:EndpointID",
            ("schemeID", address.scheme),
            &address.value,
        );
    }
    let is_legal = address.as_ref().is_some_and(|address| address.is_legal);
    if let Some(vat_id) = vat_id.as_deref().filter(|_| !subject && !is_legal) {
        xml.open("cac:PartyIdentification");
        xml.text("cbc:ID", vat_id);
        xml.close("cac:PartyIdentification");
    }
    xml.open("cac:PartyName");
    xml.text("cbc:Name", name);
    xml.close("cac:PartyName");
    postal(xml, party, &country);
    if let Some(vat_id) = vat_id.as_deref().filter(|_| subject) {
        xml.open("cac:PartyTaxScheme");
        xml.text("cbc:CompanyID", vat_id);
        xml.tax_scheme();
        xml.close("cac:PartyTaxScheme");
    }
    xml.open("cac:PartyLegalEntity");
    xml.text("cbc:RegistrationName", name);
    if let Some(address) = address.filter(|address| address.is_legal) {
        xml.text_with(
            "cbc:CompanyID",
            ("schemeID", address.scheme),
            &address.value,
        );
    }
    xml.close("cac:PartyLegalEntity");
    xml.close("cac:Party");
    Ok(())
}

/// The address as it was given: its first lines as lines, the rest as one.
fn postal(xml: &mut Xml, party: &Party, country: &str) {
    let lines = given(&party.address).unwrap_or_default().lines();
    let mut lines = lines.map(str::trim).filter(|line| !line.is_empty());
    xml.open("cac:PostalAddress");
    for name in ["cbc:StreetName", "cbc:AdditionalStreetName"] {
        if let Some(line) = lines.next() {
            xml.text(name, line);
        }
    }
    let rest: Vec<&str> = lines.collect();
    if !rest.is_empty() {
        xml.open("cac:AddressLine");
        xml.text("cbc:Line", &rest.join(", "));
        xml.close("cac:AddressLine");
    }
    xml.open("cac:Country");
    xml.text("cbc:IdentificationCode", country);
    xml.close("cac:Country");
    xml.close("cac:PostalAddress");
}

fn country(whose: &'static str, party: &Party) -> Result<String, Refused> {
    let text = given(&party.country).unwrap_or_default();
    let code = text.to_ascii_uppercase();
    if code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(code);
    }
    let expected = "the two letters of a country (ISO 3166-1)";
    Err(Refused::odd(whose, text, expected))
}
