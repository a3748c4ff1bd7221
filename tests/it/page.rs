//! `report.html` as text: what it may load and run, and that it holds every figure.
//!
//! What it does in a browser is tested in `tests/browser`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use intransit::render::words::Words;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::{Folder, program, text};

/// Bands that the demo report shows.
const BANDS: [&str; 5] = ["no_tls", "tls1_0", "tls1_1", "tls1_2", "tls1_3"];

struct Report {
    html: String,
    json: Value,
}

fn made(folder: &Folder, source: &str, more: &[&str]) -> Report {
    let args = ["report", source, "--organisation", "Contoso", "--formats", "html,json", "--out"];
    let out = folder.path().join("out");
    let output =
        program().args(args).arg(&out).args(more).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let read = |name: &str| std::fs::read(out.join(name)).unwrap();
    Report {
        html: text(&read("report.html")),
        json: serde_json::from_slice(&read("report.json")).unwrap(),
    }
}

fn demo() -> Report {
    made(&Folder::new(), concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/demo"), &[])
}

/// A connector report of 30 days for these connectors.
fn table(names: &[String]) -> Folder {
    let mut rows =
        String::from("Date,Connector direction and name,No TLS,TLS 1.2,TLS 1.3,Volume\n");
    for day in 1..=30 {
        for (index, name) in names.iter().enumerate() {
            let volume = 1_000_000 + 100 * (day * 1000 + index);
            let name = format!("From partner - {name}").replace('"', "\"\"");
            rows.push_str(&format!("2026-11-{day:02},\"{name}\",1,19,80,{volume}\n"));
        }
    }
    Folder::with("a.csv", rows)
}

const NOVEMBER: [&str; 2] = ["--as-of", "2026-12-01"];

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// What stands between two texts, every time.
fn between<'a>(text: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    text.split(open).skip(1).map(|rest| rest.split_once(close).unwrap().0).collect()
}

/// The page without the content of its style sheet and scripts, and those contents.
fn markup(html: &str) -> (String, Vec<&str>, Vec<&str>) {
    let styles = between(html, "<style>", "</style>");
    let scripts = between(html, "<script>", "</script>");
    let data = between(html, "<script type=\"application/json\" id=\"data\">", "</script>");
    let mut left = html.to_owned();
    for content in styles.iter().chain(&scripts).chain(&data) {
        left = left.replace(content, "");
    }
    (left, styles, scripts)
}

/// The attributes of every tag, as `name` or `name="value"`.
fn attributes(markup: &str) -> Vec<String> {
    let mut found = Vec::new();
    for tag in markup.split('<').skip(1).filter(|tag| tag.starts_with(char::is_alphabetic)) {
        let mut quoted = false;
        let end = tag.find(|letter| {
            quoted ^= letter == '"';
            letter == '>' && !quoted
        });
        let tag = tag.split_at(end.unwrap()).0;
        let mut quoted = false;
        let parts = tag.split(|letter: char| {
            quoted ^= letter == '"';
            letter.is_whitespace() && !quoted
        });
        found.extend(parts.skip(1).map(str::to_owned));
    }
    found
}

#[test]
fn the_policy_allows_exactly_what_is_in_the_page() {
    let html = demo().html;
    let (_, styles, scripts) = markup(&html);
    assert_eq!((styles.len(), scripts.len()), (1, 1));
    let hash = |content: &str| BASE64_STANDARD.encode(Sha256::digest(content.as_bytes()));
    let policy = format!(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'\">",
        hash(styles[0]),
        hash(scripts[0])
    );
    assert!(html.contains(&policy), "{policy}");
    assert_eq!(html.matches("<script").count(), 2, "the data and the script");
}

#[test]
fn the_page_names_no_address_and_no_handler() {
    let html = demo().html;
    for foreign in ["http://", "https://", "data:", "@import", "url(", "innerHTML", "eval("] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    let (markup, _, _) = markup(&html);
    let mut links = 0;
    for attribute in attributes(&markup) {
        let (name, value) = attribute.split_once('=').unwrap_or((&attribute, ""));
        assert!(!name.starts_with("on") && name != "style" && name != "src", "{attribute}");
        if name == "href" {
            links += 1;
            let target = value.trim_matches('"').strip_prefix('#').unwrap();
            assert!(markup.contains(&format!("id=\"{target}\"")), "{attribute}");
        }
    }
    assert!(links > 5);
}

#[test]
fn an_id_stands_once() {
    let (markup, _, _) = markup(&demo().html);
    let mut ids: Vec<String> =
        attributes(&markup).into_iter().filter(|attribute| attribute.starts_with("id=")).collect();
    ids.sort();
    let all = ids.len();
    ids.dedup();
    assert!(all > 20 && ids.len() == all);
}

/// The figures of a row of a table of messages, in the order of its cells.
fn figures(row: &str) -> Vec<u64> {
    let cells = row.split("<td").skip(1);
    let numbers = cells.filter_map(|cell| {
        let (start, rest) = cell.split_once('>').unwrap();
        let shown = rest.split('<').next().unwrap();
        let exact = start.split_once("data-n=").map_or(shown, |(_, figure)| figure);
        exact.trim_matches('"').trim().parse().ok()
    });
    numbers.collect()
}

fn expected(part: &Value) -> Vec<u64> {
    let bands = BANDS.map(|band| part["tls"][band].as_u64().unwrap());
    bands.into_iter().chain([part["messages"].as_u64().unwrap()]).collect()
}

fn place(part: &Value) -> String {
    let way = if part["direction"] == "inbound" { "Inbound" } else { "Outbound" };
    format!("{way}, {}", part["connector"].as_str().unwrap_or("Without a connector"))
}

/// Each day of each connector is in the page once, whatever the periods.
#[test]
fn the_page_holds_every_day() {
    let Report { html, json } = demo();
    let table = between(&html, "<table id=\"rows\">", "</table>")[0];
    let body = table.split_once("<tbody>").unwrap().1;
    let found: Vec<(String, String, Vec<u64>)> = body
        .split("<tr data-c=")
        .skip(1)
        .map(|row| {
            let date = between(row, "<th scope=row>", "<td>")[0].to_owned();
            let place = row.split("<td>").nth(1).unwrap().to_owned();
            (date, place, figures(row))
        })
        .collect();
    let mut days = BTreeMap::new();
    for period in array(&json["periods"]) {
        for day in array(&period["daily"]) {
            let key = (day["date"].as_str().unwrap().to_owned(), place(day));
            days.insert(key, expected(day));
        }
    }
    assert_eq!(found.len(), days.len());
    for (date, place, figures) in found {
        assert_eq!(Some(figures), days.remove(&(date.clone(), place.clone())), "{date} {place}");
    }
}

/// The sums of each period, and of the one before it, are in the page.
#[test]
fn the_page_holds_every_sum() {
    let Report { html, json } = demo();
    let tables = |kind: &str, period: usize| -> Vec<Vec<u64>> {
        let open = format!("<table data-lines=\"{kind}\" data-period=\"{period}\">");
        let rows = between(&html, &open, "</table>");
        rows.iter().flat_map(|table| table.split("<tr data-c").skip(1)).map(figures).collect()
    };
    let mut compared = 0;
    for (index, period) in array(&json["periods"]).iter().enumerate() {
        let parts = array(&period["connectors"]).iter().chain(array(&period["totals"]));
        let parts: Vec<&Value> = parts.collect();
        let now: Vec<Vec<u64>> = parts.iter().map(|part| expected(part)).collect();
        assert_eq!(tables("now", index), now);
        let before = parts.iter().map(|part| &part["previous"]).filter(|part| !part.is_null());
        let before: Vec<Vec<u64>> = before.map(expected).collect();
        compared += before.len();
        assert_eq!(tables("before", index), before);
        for peer in array(&period["peers"]) {
            let row = between(
                &html,
                &format!("<th scope=\"row\">{}</th>", peer["peer"].as_str().unwrap()),
                "</tr>",
            );
            assert!(row.iter().any(|row| figures(row)[0] == peer["messages"]), "{peer}");
        }
    }
    assert!(compared > 0, "a week before is compared");
}

/// Every word of the page and of its script is in the language file.
#[test]
fn no_word_is_missing() {
    let html = demo().html;
    let (_, _, scripts) = markup(&html);
    let data = between(&html, "id=\"data\">", "</script>")[0];
    let data: Value = serde_json::from_str(data).unwrap();
    let mut wanted = between(scripts[0], "words['", "'");
    wanted.extend(between(scripts[0], "fill('", "'"));
    assert!(wanted.len() > 20);
    for key in wanted {
        let known = data["words"].as_object().unwrap();
        // A key may be put together: `'direction.' + way`.
        assert!(
            known
                .keys()
                .any(|word| word == key || word.starts_with(key) && key.ends_with(['.', 'm'])),
            "{key}"
        );
    }
    let template = include_str!("../../templates/html/report.html");
    for key in between(template, "word(\"", "\")") {
        assert_ne!(Words::english().text(key), key, "no words for {key}");
    }
}

/// A matter that two periods tell of stands once, with both figures.
#[test]
fn the_page_tells_each_matter_once() {
    let html = demo().html;
    let matters = between(&html, "<ul class=\"matters\">", "</ul>")[0];
    let of_scanner: Vec<&str> =
        matters.split("<li").filter(|matter| matter.contains("Scanner relay")).collect();
    assert_eq!(of_scanner.len(), 2, "of TLS 1.0 and of old versions");
    assert!(of_scanner[0].contains("Last week: ") && of_scanner[0].contains("Last 30 days: "));
}

/// A hundred connectors with mail on every day of a month fit into a mail.
#[test]
fn a_large_page_is_below_two_megabytes() {
    let names: Vec<String> = (0..100).map(|n| format!("Partner connector {n:03}")).collect();
    let folder = table(&names);
    let Report { html, json } = made(&folder, "a.csv", &NOVEMBER);
    let days: usize =
        array(&json["periods"]).iter().map(|p| array(&p["daily"]).len()).max().unwrap();
    assert_eq!(days, 3000);
    assert_eq!(html.matches("<th scope=row>").count(), 3000);
    assert!(html.len() < 2_000_000, "{} bytes", html.len());
}

/// Names from traces are text, in tables, lists and attributes alike.
#[test]
fn hostile_names_are_text() {
    let names = [
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(2)>",
        "\" onfocus=\"alert(3)\" autofocus x=\"",
        "' onload='alert(4)",
        "{{ 7 * 7 }}",
        "All mail flow",
        "=cmd|'/c calc'!A1",
    ]
    .map(str::to_owned);
    let Report { html, json } = made(&table(&names), "a.csv", &NOVEMBER);
    assert_eq!(array(&json["periods"][0]["connectors"]).len(), names.len());
    let (markup, _, scripts) = markup(&html);
    assert_eq!((html.matches("<script").count(), scripts.len()), (2, 1));
    assert!(!markup.contains("<img"));
    for attribute in attributes(&markup) {
        let name = attribute.split('=').next().unwrap();
        assert!(!["onerror", "onfocus", "onload", "autofocus"].contains(&name), "{attribute}");
    }
    assert!(html.contains("&lt;img src=x onerror=alert(2)&gt;"));
    assert!(html.contains("{{ 7 * 7 }}"), "names are no templates");
    let choices = between(&html, "<select id=\"connector\">", "</select>")[0];
    assert_eq!(choices.matches("<option").count(), 1 + names.len());
    assert!(choices.contains(">All mail flow (2)<"), "a name is not taken for the sum of all");
}

/// A quiet week is a fact: the page says so, with no figure but zero.
#[test]
fn a_page_without_mail() {
    let folder = table(&["F".to_owned()]);
    let Report { html, .. } = made(&folder, "a.csv", &["--as-of", "2027-03-01"]);
    assert!(html.contains("No mail.") && html.contains("no mail"));
    assert_eq!(html.matches("<th scope=row>").count(), 0);
}
