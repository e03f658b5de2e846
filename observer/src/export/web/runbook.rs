//! The runbook as a page: what alerts link to, served by the daemon that they are about.

use std::fmt::Write;

/// The text that ships with the rules.
const TEXT: &str = include_str!("../../../dist/prometheus/RUNBOOK.md");

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;\
color:#1b1f24;background:#fff}pre{white-space:pre-wrap}@media(prefers-color-scheme:dark){\
body{color:#e6edf3;background:#0d1117}}";

/// The page: the text as it is, with an anchor at each heading, its name in lower case.
pub(super) fn page() -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>observer: runbook</title><style>{STYLE}</style>\n<pre>"
    );
    for line in TEXT.lines() {
        let heading = line.trim_start_matches('#');
        let level = line.len() - heading.len();
        if (1..=6).contains(&level) && heading.starts_with(' ') {
            let name = heading.trim();
            let anchor: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
            // Writing to a string does not fail.
            let _ = write!(html, "</pre><h{level} id={}>", anchor.to_ascii_lowercase());
            escape(&mut html, name);
            let _ = write!(html, "</h{level}><pre>");
        } else {
            escape(&mut html, line);
            html.push('\n');
        }
    }
    html.push_str("</pre>\n");
    html
}

/// Text as HTML content.
fn escape(html: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            _ => html.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alert_of_the_rules_has_its_anchor() {
        let html = page();
        let rules = include_str!("../../../dist/prometheus/observer.rules.yml");
        let anchors = rules.split("/runbook#").skip(1).filter_map(|rest| {
            rest.split(|byte: char| !byte.is_ascii_alphanumeric())
                .next()
        });
        let mut count = 0;
        for anchor in anchors {
            assert!(
                html.contains(&format!(" id={anchor}>")),
                "no section {anchor}"
            );
            count += 1;
        }
        assert!(count >= 10, "{count} links");
    }
}
