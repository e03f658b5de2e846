//! Statements as others read them: a thousand UBL documents by the schemas, a thousand by the rules of EN 16931 and Peppol, and
//! tables by the rules of FOCUS 1.2; and pages as a browser shows and prints them.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on stops with what went wrong"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use observer::export::statement::ubl::{Profile, document};
use observer::export::statement::{focus, html};
use observer::usage::statement::{Kind, LineKind, Statement};
use observer_tests::browser::{PROGRAMS, packages};
use observer_tests::require::{require_modules, require_programs};
use observer_tests::statements::oracle::{Documents, FOCUS_MODULES, UBL_MODULES};
use observer_tests::statements::{Rules, statement};

const COUNT: u64 = 1_000;

/// What was written says nothing if it was all of one kind.
fn kinds(made: &[Statement]) -> BTreeSet<String> {
    let mut kinds = BTreeSet::new();
    for made in made {
        kinds.insert(format!("{:?}", made.kind));
        kinds.insert(made.currency.clone());
        kinds.extend(
            made.taxes
                .iter()
                .map(|tax| tax.vat.category.code().to_owned()),
        );
        kinds.extend(made.lines.iter().map(|line| format!("{:?}", line.kind)));
        let zero = |price: &str| price == "0";
        if made
            .lines
            .iter()
            .any(|line| line.kind == LineKind::Usage && zero(&line.price.to_string()))
        {
            kinds.insert("zero price".to_owned());
        }
    }
    kinds
}

fn faults(rules: Rules, profile: Profile) -> (Vec<String>, usize, BTreeSet<String>) {
    let made: Vec<Statement> = (0..COUNT).map(|seed| statement(seed, rules)).collect();
    let documents = Documents::new();
    for (seed, made) in made.iter().enumerate() {
        let document = document(made, profile).unwrap();
        documents.add(&format!("{seed:04}.xml"), &document);
    }
    let (faults, seen) = documents.ubl(rules == Rules::Peppol);
    (faults, seen, kinds(&made))
}

#[test]
fn a_thousand_documents_are_ubl_by_its_schemas() {
    if !require_modules(&UBL_MODULES) {
        return;
    }
    let (faults, seen, kinds) = faults(Rules::Schema, Profile::Plain);
    assert_eq!(faults, Vec::<String>::new());
    assert_eq!(seen as u64, COUNT);
    let all = "AE Allowance CreditNote E EUR Fee Invoice JPY KWD Minimum O S SEK Usage Z";
    let all: BTreeSet<String> = all
        .split(' ')
        .chain(["zero price"])
        .map(str::to_owned)
        .collect();
    assert_eq!(kinds, all);
}

#[test]
fn a_thousand_documents_are_taken_by_the_rules_of_en_16931() {
    if !require_modules(&UBL_MODULES) {
        return;
    }
    let (faults, seen, kinds) = faults(Rules::Peppol, Profile::Peppol);
    assert_eq!(faults, Vec::<String>::new());
    assert_eq!(seen as u64, COUNT);
    assert!(
        kinds.contains("O") && kinds.contains("AE") && kinds.contains("JPY"),
        "{kinds:?}"
    );
}

/// An oracle that finds nothing anywhere is none.
#[test]
fn the_oracle_finds_faults() {
    if !require_modules(&UBL_MODULES) {
        return;
    }
    let made = (0..).map(|seed| statement(seed, Rules::Peppol));
    let made = made.filter(|made| made.kind == Kind::Invoice && !made.showback);
    let mut made = made.take(1);
    let text = document(&made.next().unwrap(), Profile::Peppol).unwrap();
    let documents = Documents::new();
    documents.add(
        "order.xml",
        &text.replacen("cbc:IssueDate", "cbc:DueDate", 2),
    );
    documents.add("unit.xml", &text.replace("unitCode=\"", "unitCode=\"NOPE"));
    documents.add("whole.xml", &text);
    let (faults, seen) = documents.ubl(true);
    assert_eq!(seen, 3);
    let of = |name: &str| faults.iter().any(|fault| fault.starts_with(name));
    assert!(
        of("order.xml") && of("unit.xml") && !of("whole.xml"),
        "{faults:?}"
    );
}

#[test]
fn tables_are_taken_by_the_rules_of_focus() {
    if !require_modules(&FOCUS_MODULES) {
        return;
    }
    let made: Vec<Statement> = (0..COUNT / 5)
        .map(|seed| statement(seed, Rules::Schema))
        .collect();
    let documents = Documents::new();
    for (index, some) in made.chunks(20).enumerate() {
        let table = focus::table(some).unwrap();
        documents.add(&format!("{index:03}.csv"), &table);
    }
    let (faults, seen) = documents.focus();
    assert_eq!(faults, Vec::<String>::new());
    assert!(seen > 1_000, "{seen}");

    let documents = Documents::new();
    let table = focus::table(&made).unwrap();
    documents.add(
        "broken.csv",
        &table
            .replace(",Usage,", ",Usages,")
            .replace("ListCost", "ListCosts"),
    );
    let (faults, _) = documents.focus();
    let found = |what: &str| faults.iter().any(|fault| fault.contains(what));
    assert!(
        found("ChargeCategory MUST be one of") && found("ListCosts"),
        "{faults:?}"
    );
}

#[test]
fn pages_can_be_used_by_everybody_and_print_black_on_white() {
    if !require_programs(&PROGRAMS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut addresses = Vec::new();
    for seed in 0..4 {
        let made = statement(seed, Rules::Schema);
        let draft = Statement {
            kind: Kind::Draft,
            number: None,
            seller: None,
            ..made.clone()
        };
        for (made, name) in [(made, "closed"), (draft, "draft")] {
            let path = folder.path().join(format!("{seed}-{name}.html"));
            fs::write(&path, html::page(&made)).unwrap();
            addresses.push(format!("file://{}", path.display()));
        }
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/statement.cjs");
    let mut node = Command::new("node");
    let node = node
        .arg(script)
        .args(addresses)
        .env("NODE_PATH", packages());
    let output = node.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}
