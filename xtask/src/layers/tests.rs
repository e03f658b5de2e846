//! Small samples of source: which arrows are found, which are allowed, and what is not an arrow at all.

use super::*;

fn violations(file: &str, text: &str) -> Vec<String> {
    check_text(&module_path(Path::new(file)), text)
        .into_iter()
        .map(|violation| {
            format!(
                "{} -> {} line {}",
                violation.from, violation.to, violation.line
            )
        })
        .collect()
}

#[test]
fn earlier_modules_may_be_used_and_later_ones_not() {
    assert!(
        violations(
            "pipeline.rs",
            "use crate::flow::Table; use crate::usage::Window;"
        )
        .is_empty()
    );
    assert_eq!(
        violations("route.rs", "\nuse crate::usage::Window;"),
        ["route -> usage line 2"]
    );
    assert_eq!(
        violations("segment.rs", "fn f() { crate::pipeline::run() }"),
        ["segment -> pipeline line 1"]
    );
}

#[test]
fn flow_and_http_do_not_know_each_other() {
    assert_eq!(
        violations("flow/table.rs", "use crate::http::Method;"),
        ["flow -> http line 1"]
    );
    assert_eq!(
        violations("http/http1.rs", "use crate::flow::Gap;"),
        ["http -> flow line 1"]
    );
}

#[test]
fn the_shell_is_out_of_reach_for_the_core_and_kernel_and_export_are_apart() {
    assert_eq!(
        violations("usage.rs", "use crate::export::metrics;"),
        ["usage -> export line 1"]
    );
    assert_eq!(
        violations("kernel/ring.rs", "use crate::export::metrics;"),
        ["kernel -> export line 1"]
    );
    assert_eq!(
        violations("export.rs", "use crate::kernel::Kernel;"),
        ["export -> kernel line 1"]
    );
    assert!(violations("kernel.rs", "use crate::segment::Segment;").is_empty());
}

#[test]
fn only_the_root_uses_the_daemon() {
    assert_eq!(
        violations("export/web.rs", "use crate::daemon::Settings;"),
        ["export -> daemon line 1"]
    );
    assert!(violations("daemon/run.rs", "use crate::{kernel, export, pipeline};").is_empty());
    assert!(violations("main.rs", "use crate::daemon;").is_empty());
}

#[test]
fn groups_are_read_to_their_first_names() {
    let text = "use crate::{\n    segment::{Segment, usage},\n    http::Method as pipeline,\n    usage::Window,\n};";
    assert_eq!(
        violations("identity.rs", text),
        ["identity -> usage line 4"]
    );
}

#[test]
fn super_is_followed_to_the_root_and_no_further() {
    assert_eq!(
        violations("flow.rs", "use super::http::Method;"),
        ["flow -> http line 1"]
    );
    assert_eq!(
        violations("flow/table.rs", "use super::super::http::Method;"),
        ["flow -> http line 1"]
    );
    assert!(violations("flow/table.rs", "use super::http;").is_empty());
    assert_eq!(
        violations(
            "flow.rs",
            "mod tests { use super::*; use super::super::http; }"
        ),
        ["flow -> http line 1"]
    );
    assert!(violations("flow.rs", "mod tests { use super::*; } fn f() {}").is_empty());
    assert_eq!(
        violations(
            "flow.rs",
            "pub(super) struct A;\nuse super::{segment, usage};"
        ),
        ["flow -> usage line 2"]
    );
}

#[test]
fn comments_strings_and_other_crates_are_no_arrows() {
    let text = concat!(
        "//! see crate::usage\n/* crate::usage /* crate::usage */ crate::usage */\n",
        "const A: &str = \"crate::usage \\\" crate::usage\"; const B: &str = r#\"crate::usage\" crate::usage\"#;\n",
        "fn f<'a>(x: &'a str) -> char { '\"' }\n#[doc = \"crate::usage\"] use other::pipeline; use crate::bounded;\n",
        "const C: u8 = b'\\''; use crate::pipeline;"
    );
    assert_eq!(violations("flow.rs", text), ["flow -> pipeline line 6"]);
}

#[test]
fn visibility_in_the_crate_is_no_arrow() {
    assert!(
        violations(
            "flow.rs",
            "pub(crate) fn f() {} pub(in crate::flow) struct A;"
        )
        .is_empty()
    );
}

#[test]
fn a_module_without_a_place_is_reported() {
    assert_eq!(
        violations("helper.rs", "fn f() {}"),
        ["helper -> helper line 1"]
    );
}
