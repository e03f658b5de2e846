//! The four formats of a report say the same, whatever is in it, and nothing of it is more than text.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::export::plain::is_steering;

/// What somebody may hope is taken for something else.
const HOSTILE: [&str; 12] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "a|b||c\\|d",
    "`code` ``more`` ```",
    "[link](javascript:alert(1)) ![x](http://evil.example/)",
    "http://evil.example www.evil.example me@evil.example",
    "=cmd|'/C calc'!A1",
    "+1+1\t-2",
    "\u{1b}[2J\u{9b}31m\u{7}",
    "abc\u{202e}cba\u{2066}\u{200b}\u{feff}",
    "# heading\n\n| cell |\r\n- item",
    "&lt;b&gt; &amp; **bold** __bold__ _it_ ~~gone~~ #1 @user $x$",
];

fn report(sections: Vec<Section>) -> Report {
    Report {
        title: "API usage, report of a day".to_owned(),
        audience: "owner".to_owned(),
        period: Span {
            from: 1_795_737_600,
            until: 1_795_824_000,
        },
        before: Span {
            from: 1_795_651_200,
            until: 1_795_737_600,
        },
        written: 1_795_830_000,
        completeness: Cell::ratio(0.999_87),
        observed: Cell::ratio(1.0),
        complete: false,
        sections,
    }
}

fn of_rows(rows: Vec<Vec<Cell>>) -> Report {
    let columns = ["name", "one", "two", "three"];
    let table = Table {
        caption: "What there is".to_owned(),
        columns: columns.to_vec(),
        rows,
    };
    let section = Section::new("section", "A heading").shows(table, "There is nothing.");
    report(vec![section.draws("One over two", &["one", "two"])])
}

fn hostile() -> Report {
    let row = |text: &&str| {
        vec![
            Cell::text(text),
            Cell::Count(1),
            Cell::text(text),
            Cell::Share(0.5),
        ]
    };
    let mut report = of_rows(HOSTILE.iter().map(row).collect());
    report.title = HOSTILE.join(" ");
    report.audience = format!("consumer:{}", HOSTILE.join(" "));
    for section in &mut report.sections {
        section.text.extend(HOSTILE.map(str::to_owned));
    }
    report
}

#[test]
fn nothing_steers_in_any_format_but_programs_read_what_was_there() {
    let report = hostile();
    let texts = [
        html(&report).unwrap(),
        markdown(&report),
        json(&report),
        csv(&report).replace("\r\n", "\n"),
    ];
    for text in texts {
        let steering = text.chars().find(|c| is_steering(*c) && *c != '\n');
        assert_eq!(steering, None, "{text}");
    }
    let read: Value = serde_json::from_str(&json(&report)).unwrap();
    for (at, text) in HOSTILE.iter().enumerate() {
        assert_eq!(read["sections"][0]["rows"][at]["name"], *text);
        assert_eq!(read["sections"][0]["text"][at], *text);
    }
}

#[test]
fn html_has_no_markup_but_its_own() {
    let page = html(&hostile()).unwrap();
    let known = BTreeSet::from([
        "!doctype",
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "h1",
        "p",
        "time",
        "strong",
        "dl",
        "dt",
        "dd",
        "data",
        "main",
        "section",
        "h2",
        "figure",
        "svg",
        "rect",
        "text",
        "line",
        "polyline",
        "figcaption",
        "span",
        "div",
        "table",
        "caption",
        "thead",
        "tr",
        "th",
        "td",
        "tbody",
    ]);
    for tag in page.split('<').skip(1) {
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(|c| !c.is_whitespace() && !matches!(c, '>' | '/'))
            .collect();
        assert!(known.contains(&*name), "<{tag}");
        let (inside, _) = tag.split_once('>').unwrap();
        if tag.starts_with("meta http-equiv=") {
            continue;
        }
        for attribute in [" on", " src", " href", " style"] {
            assert!(!inside.replace("stroke", "").contains(attribute), "<{tag}");
        }
    }
    assert!(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'\""));
    assert!(
        page.contains(
            "<script>alert(1)</script>"
                .replace('<', "&lt;")
                .replace('>', "&gt;")
                .as_str()
        )
    );
    assert!(page.contains(
        "role=\"img\" aria-label=\"One over two; the numbers stand in the table below\""
    ));
}

/// Cells of a row of Markdown's table as GitHub splits them: bars with a backslash are none.
fn cells(line: &str) -> Vec<String> {
    let hidden = line.replace("\\|", "\u{0}");
    let inner = hidden.trim_start_matches("| ").trim_end_matches(" |");
    inner
        .split(" | ")
        .map(|cell| cell.replace('\u{0}', "|"))
        .collect()
}

#[test]
fn markdown_keeps_hostile_texts_in_code() {
    let text = markdown(&hostile());
    let rows: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains("50.00 %"))
        .collect();
    assert_eq!(rows.len(), HOSTILE.len(), "{text}");
    for (line, hostile) in rows.iter().zip(HOSTILE) {
        let hidden = line.replace("\\|", "");
        assert_eq!(hidden.matches('|').count(), 5, "{line}");
        let cells = cells(line);
        let cell = &cells[0];
        let fence: String = cell.chars().take_while(|c| *c == '`').collect();
        assert!(!fence.is_empty(), "{cell}");
        let inner = cell
            .strip_prefix(&*fence)
            .and_then(|rest| rest.strip_suffix(&*fence))
            .unwrap();
        // Nothing within ends the code.
        assert!(
            !inner
                .split(|c| c != '`')
                .any(|run| run.len() == fence.len()),
            "{cell}"
        );
        assert_eq!(inner.trim(), plain::shown(hostile).trim(), "{cell}");
    }
    // Names as everybody has them stay readable.
    for name in [
        "acme",
        "a 4xx of 31 percent",
        "error_rate",
        "There were none, and none before.",
    ] {
        assert!(is_bare(name), "{name}");
    }
    for name in [
        "__unkeyed__",
        "_a",
        "a_",
        "/v1",
        "- a",
        "1. a",
        "x <b>",
        "see www.evil.example",
        "a@b.example",
    ] {
        assert!(!is_bare(name), "{name}");
    }
}

fn is_bare(text: &str) -> bool {
    markdown(&of_rows(vec![vec![
        Cell::text(text),
        Cell::Nothing,
        Cell::Nothing,
        Cell::Nothing,
    ]]))
    .contains(&format!("| {text} |"))
}

#[test]
fn no_cell_of_a_spreadsheet_is_a_formula() {
    let text = csv(&hostile());
    let mut reader = ::csv::ReaderBuilder::new()
        .flexible(false)
        .from_reader(text.as_bytes());
    let rows: Vec<::csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
    assert!(rows.len() > HOSTILE.len() * 4);
    for row in rows {
        assert_eq!(row.len(), 4);
        let value = &row[3];
        assert!(!value.starts_with(['=', '+', '@', '\t']), "{value}");
        assert!(
            !value.starts_with('-') || value.parse::<f64>().is_ok(),
            "{value}"
        );
    }
}

#[test]
fn an_empty_report_and_one_of_zeros_are_written() {
    for report in [
        report(Vec::new()),
        of_rows(Vec::new()),
        of_rows(vec![
            vec![
                Cell::Time(0),
                Cell::Count(0),
                Cell::Count(0),
                Cell::share(0, 0)
            ];
            3
        ]),
        of_rows(vec![
            vec![
                Cell::Time(86_400),
                Cell::Nothing,
                Cell::Count(u64::MAX),
                Cell::text("")
            ];
            40
        ]),
    ] {
        assert!(html(&report).unwrap().ends_with("</html>\n"));
        serde_json::from_str::<Value>(&json(&report)).unwrap();
        assert!(markdown(&report).contains("**Not complete: 99.9870 %"));
        assert!(csv(&report).starts_with("section,row,column,value\r\n"));
    }
}

fn any_cell() -> impl Strategy<Value = Cell> {
    prop_oneof![
        Just(Cell::Nothing),
        any::<String>().prop_map(Cell::Text),
        any::<u64>().prop_map(Cell::Count),
        (0..1_u64 << 53).prop_map(Cell::Bytes),
        (any::<u32>(), any::<u32>())
            .prop_map(|(part, whole)| Cell::share(part.into(), u64::from(whole) + u64::from(part))),
        (0.0..=1.0).prop_map(Cell::ratio),
        (any::<u64>(), any::<u64>()).prop_map(|(now, before)| Cell::change(now, before)),
        (any::<u32>(), any::<u16>()).prop_map(|(sum, count)| Cell::mean(sum.into(), count.into())),
        any::<f64>().prop_map(Cell::number),
        (0..4_000_000_000_u64).prop_map(Cell::Time),
    ]
}

/// The number that a text says to people.
fn number(text: &str) -> Option<f64> {
    let text = text.replace(GROUP, "");
    match text.strip_suffix(" %") {
        Some(percent) => percent.parse::<f64>().ok().map(|number| number / 100.0),
        None => text.parse().ok(),
    }
}

const GROUP: &str = "\u{202f}";

fn same(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * one.abs().max(1.0)
}

proptest! {
    /// Every number of the JSON stands in the other formats, in its place.
    #[test]
    fn the_numbers_are_the_same_everywhere(rows in proptest::collection::vec(proptest::collection::vec(any_cell(), 4), 1..6)) {
        let report = of_rows(rows);
        let read: Value = serde_json::from_str(&json(&report)).unwrap();
        let page = html(&report).unwrap();
        let text = markdown(&report);
        let mut lines = text.lines().skip_while(|line| !line.contains("---"));
        lines.next();
        let sheet = csv(&report);
        let mut reader = ::csv::Reader::from_reader(sheet.as_bytes());
        let sheet: Vec<::csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
        let (_, body) = page.split_once("<tbody>").unwrap();
        let mut values = body.split("<data value=\"").skip(1);
        for (at, row) in read["sections"][0]["rows"].as_array().unwrap().iter().enumerate() {
            let line = cells(lines.next().unwrap());
            for (column, name) in ["name", "one", "two", "three"].into_iter().enumerate() {
                let Value::Number(wanted) = &row[name] else { continue };
                // Counts are the same digit by digit; of what is measured, the last of seventeen may be read another way.
                let (exact, digits) = (wanted.as_f64().unwrap(), wanted.as_u64());
                let wanted = |text: &str| same(text.parse().unwrap(), exact) && (digits.is_none() || text.parse().ok() == digits);
                let shown = values.next().unwrap();
                let (value, rest) = shown.split_once("\">").unwrap();
                prop_assert!(wanted(value), "{} is not {}", value, exact);
                let words = rest.split_once("</data>").unwrap().0;
                prop_assert!(same(number(words).unwrap(), exact), "{} is not {}", words, exact);
                prop_assert!(same(number(line[column].trim()).unwrap(), exact), "{} is not {}", line[column], exact);
                let found = sheet.iter().find(|record| {
                    &record[0] == "section" && record[1] == (at + 1).to_string() && &record[2] == name
                });
                let value = &found.unwrap()[3];
                prop_assert!(wanted(value), "{} is not {}", value, exact);
            }
        }
        prop_assert!(values.next().is_none());
    }

    /// Whatever a text is, the tables keep their shape and the page its own markup.
    #[test]
    fn any_text_is_a_text(one in any::<String>(), other in "[|`\\\\<>&*_ a\n]{0,12}") {
        let report = of_rows(vec![vec![Cell::Text(one), Cell::text(&other), Cell::Text(other), Cell::Count(7)]]);
        let text = markdown(&report);
        let row = text.lines().last().unwrap().replace("\\|", "");
        prop_assert_eq!(row.matches('|').count(), 5, "{}", text);
        let page = html(&report).unwrap();
        let plain = html(&of_rows(vec![vec![Cell::text("a"), Cell::text("a"), Cell::text("a"), Cell::Count(7)]])).unwrap();
        prop_assert_eq!(page.matches('<').count(), plain.matches('<').count());
        prop_assert_eq!(page.matches('"').count(), plain.matches('"').count());
        prop_assert_eq!(csv(&report).lines().count(), csv(&of_rows(vec![vec![Cell::Nothing, Cell::Nothing, Cell::Nothing, Cell::Nothing]])).lines().count());
    }
}
