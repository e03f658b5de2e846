//! What holds for every board, whoever adds a panel.

use std::collections::BTreeSet;

use serde_json::Value;

use super::all;

fn boards() -> Vec<(&'static str, Value)> {
    let parse = |text: &str| serde_json::from_str(text).expect("JSON");
    let files = all().into_iter();
    files.map(|(name, text)| (name, parse(&text))).collect()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn the_committed_files_are_what_is_written() {
    let place = crate::place::Place::find().expect("the workspace");
    super::check(&place).expect("written");
}

#[test]
fn boards_are_told_apart_and_lead_to_each_other() {
    let boards = boards();
    let uid = |board: &Value| board["uid"].as_str().expect("a uid").to_owned();
    let uids: BTreeSet<String> = boards.iter().map(|(_, board)| uid(board)).collect();
    assert_eq!(uids.len(), 5);
    for (name, board) in &boards {
        assert_eq!(format!("observer-{name}"), format!("{}.json", uid(board)));
        let links = list(board, "links");
        let mut reached: BTreeSet<String> = links
            .iter()
            .map(|link| {
                assert_eq!(
                    (&link["includeVars"], &link["keepTime"]),
                    (&true.into(), &true.into())
                );
                let url = link["url"].as_str().expect("an address");
                url.trim_start_matches("/d/").to_owned()
            })
            .collect();
        reached.insert(uid(board));
        assert_eq!(reached, uids, "{name}");
    }
}

#[test]
fn panels_say_what_they_show_and_none_covers_another() {
    let plugins = ["timeseries", "stat", "table", "bargauge", "heatmap", "text"];
    for (name, board) in boards() {
        let mut taken = BTreeSet::new();
        let mut titles = BTreeSet::new();
        for panel in list(&board, "panels") {
            let title = panel["title"].as_str().expect("a title");
            let text = panel["description"].as_str().unwrap_or_default();
            assert!(
                text.len() > 20 && text.ends_with('.'),
                "{name}: {title}: {text}"
            );
            let plugin = panel["type"].as_str().expect("a type");
            assert!(plugins.contains(&plugin), "{name}: {title}: {plugin}");
            if plugin != "text" {
                assert!(titles.insert(title.to_owned()), "{name}: {title} twice");
                let targets = list(panel, "targets").len();
                assert!((1..=26).contains(&targets), "{name}: {title}: queries");
            }
            let of = |side: &str| panel["gridPos"][side].as_u64().expect("a number");
            let (x, y, width, height) = (of("x"), of("y"), of("w"), of("h"));
            assert!(x + width <= 24, "{name}: {title}: too wide");
            for place in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
                assert!(taken.insert(place), "{name}: {title} covers another");
            }
        }
    }
}

#[test]
fn every_variable_that_is_used_is_there() {
    let own = [
        "__rate_interval",
        "__range",
        "__url_time_range",
        "__value",
        "DS_PROMETHEUS",
    ];
    for (name, board) in boards() {
        let variables: BTreeSet<&str> = list(&board["templating"], "list")
            .iter()
            .filter_map(|variable| variable["name"].as_str())
            .collect();
        let text = board.to_string();
        for used in text.split('$').skip(1) {
            let used = used.trim_start_matches('{');
            let end = used.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            let used = &used[..end.unwrap_or(used.len())];
            assert!(
                used == "__all" || own.contains(&used) || variables.contains(used),
                "{name}: ${used}"
            );
        }
        for variable in variables.iter().filter(|name| **name != "datasource") {
            assert!(text.contains(&format!("${variable}")), "{name}: {variable}");
        }
    }
}
