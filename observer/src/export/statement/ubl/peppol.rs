//! What Peppol BIS Billing 3.0 asks beyond UBL: addresses on the network, the categories of EN 16931, and rules of countries.
//!
//! Bias: where a country's rules ask for what no configuration of ours says, the document is refused with what that is; an
//! access point would only refuse it later.

use super::{Refused, given};
use crate::usage::statement::{Party, Statement, VatCategory};

/// What it follows.
pub(super) const CUSTOMIZATION: &str =
    "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0";
/// The process that it is part of.
pub(super) const PROFILE: &str = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0";

/// Where a party is reached.
pub(super) struct Address {
    /// Code of the list of electronic address schemes (EAS).
    pub(super) scheme: &'static str,
    /// The address.
    pub(super) value: String,
    /// Whether it is the id of the legal entity as well, as Denmark asks.
    pub(super) is_legal: bool,
}

/// How an address is made of a VAT id.
#[derive(Clone, Copy)]
enum Form {
    /// All of it.
    Whole,
    /// Its first digits.
    Digits(usize),
}

/// Schemes (EAS) that follow from a VAT id, by its first two letters.
const SCHEMES: [(&str, &str, Form); 42] = [
    ("AD", "9922", Form::Whole),
    ("AL", "9923", Form::Whole),
    ("AT", "9914", Form::Whole),
    ("BA", "9924", Form::Whole),
    ("BE", "0208", Form::Digits(10)),
    ("BG", "9926", Form::Whole),
    ("CH", "9927", Form::Whole),
    ("CY", "9928", Form::Whole),
    ("CZ", "9929", Form::Whole),
    ("DE", "9930", Form::Whole),
    ("DK", "0184", Form::Whole),
    ("EE", "9931", Form::Whole),
    ("EL", "9933", Form::Whole),
    ("ES", "9920", Form::Whole),
    ("FI", "0213", Form::Whole),
    ("FR", "9957", Form::Whole),
    ("GB", "9932", Form::Whole),
    ("GR", "9933", Form::Whole),
    ("HR", "9934", Form::Whole),
    ("HU", "9910", Form::Whole),
    ("IE", "9935", Form::Whole),
    ("IT", "0211", Form::Whole),
    ("LI", "9936", Form::Whole),
    ("LT", "9937", Form::Whole),
    ("LU", "9938", Form::Whole),
    ("LV", "9939", Form::Whole),
    ("MC", "9940", Form::Whole),
    ("ME", "9941", Form::Whole),
    ("MK", "9942", Form::Whole),
    ("MT", "9943", Form::Whole),
    ("NL", "9944", Form::Whole),
    ("NO", "0192", Form::Digits(9)),
    ("PL", "9945", Form::Whole),
    ("PT", "9946", Form::Whole),
    ("RO", "9947", Form::Whole),
    ("RS", "9948", Form::Whole),
    ("SE", "0007", Form::Digits(10)),
    ("SI", "9949", Form::Whole),
    ("SK", "9950", Form::Whole),
    ("SM", "9951", Form::Whole),
    ("TR", "9952", Form::Whole),
    ("VA", "9953", Form::Whole),
];

/// What sellers of a country have to say and a statement has not, by the country and whether that goes for customers there only.
const NATIONAL: [(&[&str], bool, &str); 5] = [
    (
        &["DE"],
        true,
        "a contact and an account to pay to (DE-R-001, DE-R-002)",
    ),
    (
        &["GR", "EL"],
        false,
        "the number that the tax authority gave the invoice (GR-R-004)",
    ),
    (&["IS"], false, "the seller's kennitala (IS-R-002)"),
    (
        &["IT"],
        false,
        "city and postal code of their own (IT-R-003, IT-R-004)",
    ),
    (
        &["NL"],
        false,
        "city, postal code and an account to pay to (NL-R-002, NL-R-007)",
    ),
];

/// Rates that Sweden has, in millionths of a percent (SE-R-006).
const SWEDISH: [u32; 3] = [25_000_000, 12_000_000, 6_000_000];

/// Whether the rules take the statement.
///
/// # Errors
/// The first rule that does not.
pub(super) fn check(statement: &Statement) -> Result<(), Refused> {
    let no = |text: String| Err(Refused::Peppol(text));
    if statement.places > 2 {
        let currency = &statement.currency;
        return no(format!("{currency} has more than two places (BR-DEC)"));
    }
    if statement.customer.id.trim().is_empty() {
        return Err(Refused::Missing("id of the account"));
    }
    let nobody = Party::default();
    let seller = statement.seller.as_ref().unwrap_or(&nobody);
    let customers = countries(&statement.customer);
    for country in countries(seller) {
        for (sellers, within, what) in NATIONAL {
            let applies = sellers.contains(&country.as_str());
            if applies && (!within || customers.contains(&country)) {
                return no(format!(
                    "sellers in {country} have to give {what}, which observer does not know"
                ));
            }
        }
    }
    let swedish = countries(seller).contains(&"SE".to_owned());
    let all = || statement.taxes.iter().map(|tax| tax.vat);
    if all().next().is_none()
        || statement
            .lines
            .iter()
            .any(|line| all().all(|vat| vat != line.vat))
    {
        return no("a line's VAT is not among the taxes (BR-CO-18)".to_owned());
    }
    if all().any(|vat| vat.category == VatCategory::NotSubject) && all().count() > 1 {
        return no("what is not subject to VAT stands beside what is (BR-O-11)".to_owned());
    }
    for vat in all() {
        let standard = vat.category == VatCategory::Standard;
        if standard == (vat.rate == 0) {
            let (code, rate) = (vat.category.code(), super::percent(vat.rate));
            return no(format!("VAT of category {code} at {rate} %"));
        }
        if standard && swedish && !SWEDISH.contains(&vat.rate) {
            return no("Sweden has VAT of 25, 12 and 6 % (SE-R-006)".to_owned());
        }
    }
    Ok(())
}

/// Where the seller is reached.
///
/// # Errors
/// When its VAT id is missing or gives no address.
pub(super) fn seller_address(seller: &Party) -> Result<Address, Refused> {
    let Some(vat_id) = given(&seller.vat_id) else {
        return Err(Refused::Seller(vec!["vat_id"]));
    };
    address("vat_id of [seller] in observer.toml", vat_id)
}

/// Where the customer is reached.
///
/// # Errors
/// When its VAT id is missing or gives no address.
pub(super) fn customer_address(customer: &Party) -> Result<Address, Refused> {
    let Some(vat_id) = given(&customer.vat_id) else {
        return Err(Refused::Customer {
            account: customer.id.clone(),
            lacks: vec!["vat_id"],
        });
    };
    address("vat_id of the account in the registry", vat_id)
}

/// A VAT id as it is registered: capitals and digits, nothing between them.
pub(super) fn spelled(vat_id: &str) -> String {
    let signs = vat_id
        .chars()
        .filter(|c| !matches!(c, ' ' | '.' | '-' | '/'));
    signs.map(|c| c.to_ascii_uppercase()).collect()
}

fn address(what: &'static str, vat_id: &str) -> Result<Address, Refused> {
    let odd = |expected| Err(Refused::odd(what, vat_id, expected));
    let spelled = spelled(vat_id);
    let is_plain = spelled.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_plain || !(4..=20).contains(&spelled.len()) {
        return odd("a VAT id: two letters of a country, then letters and digits");
    }
    let (country, rest) = spelled.split_at(2);
    let Some((_, scheme, form)) = SCHEMES.iter().find(|(code, ..)| *code == country) else {
        return odd("the VAT id of a country with an address scheme (EAS)");
    };
    let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    let wanted = match country {
        "SE" => 12,
        "NO" => 9,
        "BE" => 10,
        "DK" => 8,
        _ => digits.len(),
    };
    if digits.len() != wanted {
        return odd("a VAT id with as many digits as that country has");
    }
    let value = match form {
        Form::Whole => spelled.clone(),
        Form::Digits(count) => digits.chars().take(*count).collect(),
    };
    Ok(Address {
        scheme,
        value,
        is_legal: country == "DK",
    })
}

/// Where a party is: by its VAT id, and by its address.
fn countries(party: &Party) -> Vec<String> {
    let vat_id = given(&party.vat_id).map(spelled);
    let prefix = vat_id.as_deref().and_then(|id| id.get(..2));
    let country = given(&party.country).map(str::to_ascii_uppercase);
    let all = prefix.map(str::to_owned).into_iter().chain(country);
    all.collect()
}
