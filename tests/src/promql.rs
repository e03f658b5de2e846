//! What an expression of PromQL reads: metrics, and the labels that it expects of each.
//!
//! It knows as much of the language as the dashboards use, and stops at what it does not know rather than reading past it.

use std::collections::BTreeSet;

/// A metric in an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The name as it is written, `_bucket` included.
    pub metric: String,
    /// The labels in its matchers, and those that it is grouped by.
    pub labels: BTreeSet<String>,
}

/// Words for which labels would have to be told of more than one metric.
const UNKNOWN: [&str; 6] = [
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "bool",
];
/// Labels that every metric has from the scrape.
pub const OF_TARGETS: [&str; 2] = ["instance", "job"];

/// Every metric that an expression reads, in order.
///
/// # Panics
/// At what is no expression, or one that is not understood.
pub fn readings(expression: &str) -> Vec<Reading> {
    let tokens = tokens(expression);
    let mut readings = Vec::new();
    // For each open parenthesis the labels that what is inside is grouped by.
    let mut groups: Vec<BTreeSet<String>> = Vec::new();
    let mut by = BTreeSet::new();
    let mut is_aside = false;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        let next = tokens.get(at).map(String::as_str);
        match (token.as_str(), next) {
            ("by", Some("(")) => {
                let end = end(&tokens, at, ")");
                by = words(&tokens[at + 1..end]).collect();
                at = end + 1;
                assert_eq!(tokens[at], "(", "{expression}: grouping after it");
            }
            // What is only looked at for its target leaves no labels behind.
            ("and" | "unless", Some("on")) => {
                let end = end(&tokens, at, ")");
                let is_of_targets = |label: String| OF_TARGETS.contains(&label.as_str());
                let only = words(&tokens[at + 2..end]).all(is_of_targets);
                assert!(only, "{expression}: on other labels than a target's");
                at = end + 1;
                is_aside = true;
            }
            ("(", _) => groups.push(std::mem::take(&mut by)),
            (")", _) => assert!(groups.pop().is_some(), "{expression}: parentheses"),
            (word, Some("{")) => {
                let end = end(&tokens, at, "}");
                let matchers = tokens[at + 1..end].split(|token| token == ",");
                let matched = matchers.filter_map(|matcher| matcher.first().cloned());
                let grouped = groups.iter().flatten().filter(|_| !is_aside).cloned();
                readings.push(Reading {
                    metric: word.to_owned(),
                    labels: grouped.chain(matched).collect(),
                });
                is_aside = false;
                at = end + 1;
            }
            (word, _) => {
                assert!(!UNKNOWN.contains(&word), "{expression}: {word}");
                assert!(!word.starts_with("observer_"), "{expression}: no matchers");
            }
        }
    }
    assert!(groups.is_empty(), "{expression}: parentheses");
    readings
}

/// Where the next of these is.
fn end(tokens: &[String], from: usize, closing: &str) -> usize {
    let rest = tokens[from..].iter();
    let length = rest.take_while(|token| *token != closing).count();
    from + length
}

fn words(tokens: &[String]) -> impl Iterator<Item = String> {
    tokens.iter().filter(|token| *token != ",").cloned()
}

/// Words, strings with their quotes, and single characters.
fn tokens(expression: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.');
        let length = if first == '"' {
            let mut escaped = false;
            let closing = rest.char_indices().skip(1).find(|&(_, c)| {
                let closes = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                closes
            });
            closing.expect("a string ends").0 + 1
        } else if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token.to_owned());
        rest = after.trim_start();
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(metric: &str, labels: &[&str]) -> Reading {
        Reading {
            metric: metric.to_owned(),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        }
    }

    #[test]
    fn a_metric_has_the_labels_of_its_matchers_and_its_groups() {
        assert_eq!(
            readings(
                r#"topk(15, sum by (a, b) (rate(one{c="}", d!~"x,\"y"}[15s])) > 0) / sum(two{e=~".*"} offset 1m)"#
            ),
            [
                reading("one", &["a", "b", "c", "d"]),
                reading("two", &["e"])
            ]
        );
        assert_eq!(
            readings("sum by (d) (a{} and on (job, instance) b{c=\"\"} offset 1m or e{})"),
            [
                reading("a", &["d"]),
                reading("b", &["c"]),
                reading("e", &["d"])
            ]
        );
        assert_eq!(readings("time() - 1"), []);
    }

    #[test]
    #[should_panic(expected = "ignoring")]
    fn what_is_not_understood_is_not_passed_over() {
        readings("a{} / ignoring (b) c{}");
    }
}
