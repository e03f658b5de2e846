use super::*;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only what is refused matters here")]
struct Document {
    capture: Option<Capture>,
    list: Option<Vec<Capture>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only what is refused matters here")]
struct Capture {
    interfaces: Option<Vec<String>>,
    mode: Option<Mode>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    Auto,
    XdpGeneric,
}

fn fault(text: &str) -> String {
    read::<Document>(text).unwrap_err().to_string()
}

#[test]
fn an_unknown_name_is_told_with_line_table_and_the_nearest_name() {
    assert_eq!(
        fault("# a\n[capture]\ninterface = []\n"),
        "line 3: unknown name `interface` in [capture] (did you mean `interfaces`?)"
    );
    assert_eq!(
        fault("\n[captur]\n"),
        "line 2: unknown name `captur` (did you mean `capture`?)"
    );
    assert_eq!(
        fault("list = [{}, { mod = 1 }]"),
        "line 1: unknown name `mod` in [list] (did you mean `mode`?)"
    );
    assert_eq!(
        fault("[[list]]\n[[list]]\nzzzzzz = 1"),
        "line 3: unknown name `zzzzzz` in [list] (valid: `interfaces`, `mode`)"
    );
}

#[test]
fn an_unknown_value_is_told_with_the_nearest_value() {
    assert_eq!(
        fault("[capture]\nmode = 'xdp-genric'"),
        "line 2: unknown value `xdp-genric` (did you mean `xdp-generic`?)"
    );
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    assert!(
        fault("[capture]\nmode =\n").starts_with("line 2: "),
        "{}",
        fault("[capture]\nmode =\n")
    );
    assert!(fault("[capture]\nmode = 3\n").starts_with("line 2: "));
    assert!(fault("[capture]\nmode = 'auto'\nmode = 'auto'\n").starts_with("line 3: "));
}

#[test]
fn a_byte_order_mark_is_no_error() {
    assert!(read::<Document>("\u{feff}[capture]\n").is_ok());
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text: String) {
        let _ = read::<Document>(&text);
    }
}
