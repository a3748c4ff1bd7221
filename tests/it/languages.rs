//! Five languages say the same, each in its own way: keys, places, typography, forms.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate};
use intransit::insight::{Advice, CoverageProblem, Rule};
use intransit::render::branding::Branding;
use intransit::render::mail::{self, Earlier, Facts, Filed, Notice};
use intransit::render::words::{LANGUAGES, Words, number};
use intransit::render::{Format, check, check_language, render, summary};
use intransit::report::Report;
use serde_json::{Value, json};

/// No-break blanks: the narrow one of French, and the usual one.
const NARROW: char = '\u{202f}';
const WIDE: char = '\u{a0}';

fn texts(language: &str) -> BTreeMap<String, String> {
    let words = Words::of(language).unwrap();
    words.keys().map(|key| (key.to_owned(), words.text(key))).collect()
}

fn others() -> impl Iterator<Item = &'static str> {
    LANGUAGES.into_iter().map(|(language, _)| language).filter(|language| *language != "en")
}

fn places(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
}

/// Texts that are the same in English because the languages share the word or the mark.
const SHARED: [(&str, &[&str]); 4] = [
    (
        "fr",
        &[
            "column.date",
            "column.messages",
            "column.type",
            "date.long",
            "evidence.sources",
            "html.protection",
            "html.volume",
            "tls_rpt.senders_head",
            "tls_rpt.sessions",
            "unit.messages",
            "unit.sessions",
            "widget.messages.one",
            "widget.messages.other",
            "xlsx.code",
            "xlsx.organisation",
            "xlsx.sources",
        ],
    ),
    ("pt-BR", &["column.bytes", "html.volume", "number.percent"]),
    (
        "de",
        &[
            "column.connector",
            "date.first_day",
            "month.m11",
            "month.m4",
            "month.m8",
            "month.m9",
            "tls_rpt.senders_head",
            "type.partner",
            "xlsx.code",
            "xlsx.connectors",
            "xlsx.organisation",
            "xlsx.revision",
        ],
    ),
    ("es", &["column.bytes", "date.first_day", "yes_no.no"]),
];

#[test]
fn every_language_has_every_key_and_every_place() {
    let english = texts("en");
    let mut tables: Vec<_> = LANGUAGES.iter().map(|(language, _)| *language).collect();
    tables.sort_unstable();
    assert_eq!(tables, ["de", "en", "es", "fr", "pt-BR"]);
    for language in others() {
        let texts = texts(language);
        let keys: Vec<&String> = texts.keys().collect();
        assert_eq!(keys, english.keys().collect::<Vec<_>>(), "{language}");
        for (key, text) in &texts {
            assert_eq!(places(text), places(&english[key]), "{language} {key}");
            assert_eq!(text.matches('{').count(), text.matches('}').count(), "{language} {key}");
        }
    }
}

/// A text may equal the English one where it has no words of its own, or is listed above.
#[test]
fn no_text_is_left_in_english() {
    let english = texts("en");
    for (language, shared) in SHARED {
        let wordless = |text: &str| {
            let mut rest = text.to_owned();
            for place in places(text) {
                rest = rest.replace(&format!("{{{place}}}"), "");
            }
            !rest.replace("TLS", "").replace("SHA-256", "").contains(char::is_alphabetic)
        };
        let same: Vec<String> = texts(language)
            .into_iter()
            .filter(|(key, text)| *text == english[key])
            .filter(|(key, text)| !wordless(text) || shared.contains(&key.as_str()))
            .map(|(key, _)| key)
            .collect();
        assert_eq!(same, shared, "{language}");
    }
}

/// What stands before a mark, and after it.
fn around(text: &str) -> Vec<(Option<char>, char, Option<char>)> {
    let letters: Vec<char> = text.chars().collect();
    let at = |index: usize| letters.get(index).copied();
    let before = |index: usize| index.checked_sub(1).and_then(at);
    (0..letters.len()).map(|index| (before(index), letters[index], at(index + 1))).collect()
}

/// French sets a narrow blank that does not break before `; : ! ? %` and inside `« »`; the others
/// set their marks close, but German and Spanish the percent sign.
#[test]
fn each_language_is_set_as_its_readers_are_used_to() {
    for (language, _) in LANGUAGES {
        for (key, text) in texts(language) {
            let at = format!("{language} {key}: {text:?}");
            assert!(!text.contains("  ") && !text.contains("..."), "{at}");
            if !key.starts_with("join.") {
                assert_eq!(text.trim_matches(' '), text, "{at}");
            }
            if language != "en" {
                assert!(!text.contains('"') && !text.contains('\''), "straight quotes: {at}");
            }
            for (before, mark, after) in around(&text) {
                marks(language, (before, mark, after), &at);
            }
            quotes(language, &text, &at);
            for unit in ["MiB", "Mio", "kB"] {
                let loose = language != "en" && text.contains(&format!(" {unit}"));
                assert!(!loose, "a unit breaks away: {at}");
            }
        }
    }
}

fn marks(language: &str, (before, mark, after): (Option<char>, char, Option<char>), at: &str) {
    match (language, mark) {
        ("fr", ';' | ':' | '!' | '?' | '%' | '»') => assert_eq!(before, Some(NARROW), "{at}"),
        ("fr", '«') => assert_eq!(after, Some(NARROW), "{at}"),
        ("de" | "es", '%') => assert_eq!(before, Some(WIDE), "{at}"),
        (_, ';' | ':' | '!' | '?' | '%' | ',' | '.' | ')' | '»') => {
            let loose = before.is_some_and(char::is_whitespace);
            assert!(!loose, "a blank before {mark}: {at}");
        }
        _ => {}
    }
}

fn quotes(language: &str, text: &str, at: &str) {
    let count = |mark: char| text.matches(mark).count();
    let (open, close) = match language {
        "fr" | "es" => ('«', '»'),
        "de" => ('„', '“'),
        _ => ('“', '”'),
    };
    assert_eq!(count(open), count(close), "{at}");
    for foreign in "„“”«»".chars().filter(|mark| ![open, close].contains(mark)) {
        assert_eq!(count(foreign), 0, "{foreign} is not of this language: {at}");
    }
    if language == "es" {
        assert_eq!((count('¿'), count('¡')), (count('?'), count('!')), "{at}");
    }
}

/// How one language writes.
struct Forms {
    language: &'static str,
    /// 0, 1, 2 and a million messages.
    messages: [&'static str; 4],
    /// 4200, 12345 and 1234567; then 12.5 and 25 of a hundred.
    numbers: [&'static str; 5],
    /// 9 November and 1 March 2026.
    dates: [&'static str; 2],
    range: &'static str,
    lists: [&'static str; 2],
}

/// The forms of CLDR (Babel 2.18 and ICU4X 2.4), English as in Britain, but for two things: the
/// first day of a month in French and Portuguese, and the percent sign of French, which has the
/// narrow blank of the other marks. Numbers of four digits are not grouped in any language.
const FORMS: [Forms; 5] = [
    Forms {
        language: "en",
        messages: ["0 messages", "1 message", "2 messages", "1,000,000 messages"],
        numbers: ["4200", "12,345", "1,234,567", "12.5%", "25%"],
        dates: ["9 November 2026", "1 March 2026"],
        range: "1 March 2026 to 9 November 2026",
        lists: ["A and B", "A, B and C"],
    },
    Forms {
        language: "fr",
        messages: ["0 message", "1 message", "2 messages", "1\u{202f}000\u{202f}000 messages"],
        numbers: [
            "4200",
            "12\u{202f}345",
            "1\u{202f}234\u{202f}567",
            "12,5\u{202f}%",
            "25\u{202f}%",
        ],
        dates: ["9 novembre 2026", "1er mars 2026"],
        range: "du 1er mars 2026 au 9 novembre 2026",
        lists: ["A et B", "A, B et C"],
    },
    Forms {
        language: "pt-BR",
        messages: ["0 mensagem", "1 mensagem", "2 mensagens", "1.000.000 mensagens"],
        numbers: ["4200", "12.345", "1.234.567", "12,5%", "25%"],
        dates: ["9 de novembro de 2026", "1º de março de 2026"],
        range: "1º de março de 2026 a 9 de novembro de 2026",
        lists: ["A e B", "A, B e C"],
    },
    Forms {
        language: "de",
        messages: ["0 Nachrichten", "1 Nachricht", "2 Nachrichten", "1.000.000 Nachrichten"],
        numbers: ["4200", "12.345", "1.234.567", "12,5\u{a0}%", "25\u{a0}%"],
        dates: ["9. November 2026", "1. März 2026"],
        range: "1. März 2026 bis 9. November 2026",
        lists: ["A und B", "A, B und C"],
    },
    Forms {
        language: "es",
        messages: ["0 mensajes", "1 mensaje", "2 mensajes", "1.000.000 mensajes"],
        numbers: ["4200", "12.345", "1.234.567", "12,5\u{a0}%", "25\u{a0}%"],
        dates: ["9 de noviembre de 2026", "1 de marzo de 2026"],
        range: "del 1 de marzo de 2026 al 9 de noviembre de 2026",
        lists: ["A y B", "A, B y C"],
    },
];

#[test]
fn numbers_dates_plurals_and_lists_have_the_forms_of_their_language() {
    let names = ["A", "B", "C"].map(str::to_owned);
    for (forms, (language, _)) in FORMS.iter().zip(LANGUAGES) {
        assert_eq!(forms.language, language);
        let words = Words::of(language).unwrap();
        let counted = [0, 1, 2, 1_000_000].map(|n| words.count("widget.messages", n));
        assert_eq!(counted.map(|text| words.grouped(&text)), forms.messages);
        let mut numbers: Vec<String> =
            [4200, 12_345, 1_234_567].map(|n| words.grouped(&number(n))).into();
        numbers.extend([words.percent(125), words.whole_percent(25)]);
        assert_eq!(numbers, forms.numbers);
        let dates = [(11, 9), (3, 1)].map(|(m, d)| NaiveDate::from_ymd_opt(2026, m, d).unwrap());
        let [later, first] = dates.map(|date| words.date(date));
        assert_eq!([later.as_str(), &first], forms.dates);
        let range = words.fill("date.range", &[("from", &first), ("to", &later)]);
        assert_eq!(range, forms.range);
        assert_eq!([words.list(&names[..2]), words.list(&names)], forms.lists);
        assert_eq!(words.list(&names[..1]), "A");
    }
}

/// Spanish says `e` before the sound of `i`, as ICU has it.
#[test]
fn spanish_says_and_in_two_ways() {
    let list = |words: &Words, last: &str| words.list(&["A".to_owned(), last.to_owned()]);
    let spanish = Words::of("es").unwrap();
    for (last, expected) in [
        ("Internet", "A e Internet"),
        ("Íñigo", "A e Íñigo"),
        ("hilo", "A e hilo"),
        ("Hierro", "A y Hierro"),
        ("hiato", "A y hiato"),
        ("Yahoo", "A y Yahoo"),
    ] {
        assert_eq!(list(spanish, last), expected);
    }
    assert_eq!(list(Words::english(), "Internet"), "A and Internet");
}

#[test]
fn an_unknown_language_names_those_there_are() {
    assert_eq!(check_language("pt-BR"), Ok(()));
    let refused = check_language("it").unwrap_err();
    assert!(refused.ends_with("en, fr, pt-BR, de, es"), "{refused}");
}

/// Excel refuses names that are longer, used twice, or hold some marks.
#[test]
fn the_sheets_of_a_workbook_can_bear_their_names() {
    let sheets = ["summary", "connectors", "daily", "insights", "peers", "sources", "rejects"]
        .map(|name| format!("xlsx.{name}"));
    for (language, _) in LANGUAGES {
        let words = Words::of(language).unwrap();
        let names: BTreeSet<String> =
            sheets.iter().map(|key| words.text(key).to_lowercase()).collect();
        assert_eq!(names.len(), sheets.len(), "{language}");
        for name in names {
            let marks = ['[', ']', ':', '*', '?', '/', '\\', '\''];
            assert!(name.chars().count() <= 31 && !name.contains(marks), "{language}: {name}");
        }
    }
}

/// A report of which every part has something to say, or of which none has.
fn report(language: &str, full: bool) -> Report {
    let ids: &[&str] = if full { &["week", "30d", "month", "1d"] } else { &["range"] };
    let periods: Vec<Value> = ids.iter().map(|id| period(id, full)).collect();
    let archive = if full {
        json!({ "seq": 42, "previous_head": "ab".repeat(32), "signed_by": null, "changes": [
            { "key": "insights.no_tls_percent", "before": "25", "after": "30" } ] })
    } else {
        json!({ "seq": 1, "previous_head": null, "signed_by": "SHA256:Zm9v", "changes": [] })
    };
    let report = json!({
        "schema_version": 1, "organisation": "Contoso", "language": language,
        "timezone": "America/Sao_Paulo", "as_of": "2026-11-02",
        "run": { "schedule": "w1", "nominal": "2026-11-02T07:00", "revision": 2 },
        "archive": archive,
        "only": if full { json!(["Relé 7", "Café"]) } else { json!([]) },
        "incomplete": { "newest": full.then_some("2026-10-31T12:00:00Z"),
            "needed": "2026-11-02T03:00:00Z" },
        "generator": { "name": "intransit", "version": "0.1.0", "tzdb": "2026b" },
        "limits": { "no_tls_percent": 25, "tls1_0_percent": 50, "min_messages": 20 },
        "periods": periods, "sources": sources(),
        "skipped": if full { json!(["x.bin", "y.bin"]) } else { json!([]) },
        "rejects": if full { rejects() } else { Vec::new() },
    });
    serde_json::from_value(report).unwrap()
}

fn period(id: &str, full: bool) -> Value {
    let tls = |unit: u64| {
        json!({ "no_tls": unit, "ssl3": 2 * unit, "tls1_0": 3 * unit, "tls1_1": 4 * unit,
            "tls1_2": 5 * unit, "tls1_3": 6 * unit, "tls_unspecified": 7 * unit,
            "unknown": 8 * unit })
    };
    let sum = |unit: u64| json!({ "messages": 36 * unit, "tls": tls(unit) });
    let with = |mut value: Value, more: Value| {
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        value
    };
    let unit = if full { 1234 } else { 0 };
    let total = |direction: &str, previous: Value| {
        with(sum(unit), json!({ "direction": direction, "previous": previous }))
    };
    let connector = |direction: &str, name: Option<&str>, kind: &str, previous: Value| {
        let more = json!({ "connector": name, "type": kind, "forced_tls": name.map(|_| true) });
        with(total(direction, previous), more)
    };
    let peer = json!({ "direction": "inbound", "peer": "fabrikam.example" });
    let day = json!({ "date": "2026-10-27", "direction": "inbound", "connector": null });
    let connectors = json!([
        connector("inbound", None, "none", Value::Null),
        connector("inbound", Some("Café"), "partner", sum(0)),
        connector("outbound", Some("Relé 7"), "on_premises", sum(5)),
        connector("outbound", Some("Ñandú"), "unknown", sum(unit)),
    ]);
    json!({
        "id": id, "from": "2026-10-26", "to": "2026-11-01", "hours": 168,
        "totals": [total("inbound", sum(5)), total("outbound", Value::Null)],
        "connectors": if full { connectors } else { json!([]) },
        "daily": if full { json!([with(sum(unit), day)]) } else { json!([]) },
        "peers": if full { json!([with(sum(unit), peer)]) } else { json!([]) },
        "insights": if full { insights() } else { Vec::new() },
        "coverage": coverage(full),
    })
}

fn coverage(full: bool) -> Value {
    let place = json!({ "date": "2026-10-28", "direction": "outbound", "connector": "Relé 7",
        "total": 54321, "rows": 54320, "difference": -1, "used": "b.csv", "unused": "a.csv" });
    let some = |value: Value| if full { json!([value]) } else { json!([]) };
    json!({
        "first": full.then_some("2026-10-26T03:00:00Z"),
        "last": full.then_some("2026-10-31T12:00:00Z"),
        "days_without_rows": if full { json!(["2026-10-29", "2026-10-30", "2026-11-01"]) }
            else { json!([]) },
        "gaps": some(json!({ "from": "2026-10-28T01:00:00Z", "to": "2026-10-28T04:00:00Z" })),
        "capped_files": some(json!("a.csv")), "unknown_messages": if full { 19744 } else { 0 },
        "tls_not_recorded": !full, "ends_after_newest_row": true,
        "controls": some(place.clone()), "conflicts": some(place),
    })
}

/// Every rule, certain and possible, every problem, and every advice.
fn insights() -> Vec<Value> {
    let limit = |rule: &Rule| matches!(rule, Rule::NoTlsShare | Rule::Tls1_0Share);
    let mut all = Vec::new();
    for (index, advice) in Advice::ALL.iter().enumerate() {
        let rule = [Rule::NoTlsShare, Rule::Tls1_0Share][index % 2];
        all.push(json!({
            "rule": rule, "severity": "alert", "certainty": "possible", "direction": "inbound",
            "connector": "Café", "messages": 12345, "of": 45678, "limit_percent": 25,
            "previous": 7, "too_little_mail": true, "problem": null, "advice": advice,
            "contact": "postmaster@fabrikam.example",
        }));
    }
    for rule in Rule::ALL.iter().filter(|rule| **rule != Rule::CoverageGap) {
        all.push(json!({
            "rule": rule, "severity": "warning", "certainty": "certain", "direction": "outbound",
            "connector": null, "messages": 31, "of": 97,
            "limit_percent": limit(rule).then_some(25), "previous": 7, "too_little_mail": false,
            "problem": null, "advice": "ask-partner", "contact": null,
        }));
    }
    for problem in CoverageProblem::ALL {
        all.push(json!({
            "rule": "coverage-gap", "severity": "notice", "certainty": "certain",
            "direction": null, "connector": null, "messages": 3, "of": 9,
            "limit_percent": null, "previous": null, "too_little_mail": false,
            "problem": problem, "advice": "check-export", "contact": null,
        }));
    }
    all
}

/// The last parts of the keys of one section.
fn codes(section: &str) -> Vec<&'static str> {
    let section = format!("{section}.");
    Words::english().keys().filter_map(|key| key.strip_prefix(&section)).collect()
}

fn sources() -> Value {
    let source = |file: &str, unit: &str, notes: &[&str]| {
        json!({ "file": file, "sha256": "0f".repeat(32), "bytes": 123_456, "kind": "table",
            "unit": unit, "rows": 50000, "counted": 40000, "merged": 9000, "duplicates": 700,
            "internal": 200, "outside_period": 90, "rejected": 10, "notes": notes,
            "first": "2026-10-26T03:00:00Z", "last": "2026-10-31T12:00:00Z" })
    };
    json!([source("a.csv", "messages", &codes("note")), source("b.csv", "recipients", &[])])
}

fn rejects() -> Vec<Value> {
    let place = json!({ "file": "a.csv", "line": 12345, "found": "¿?", "count": 2 });
    let reject = |reason: &&str| {
        let mut reject = place.clone();
        reject["reason"] = json!(reason);
        reject
    };
    codes("reject").iter().map(reject).collect()
}

fn facts(full: bool) -> Facts {
    if !full {
        return Facts::default();
    }
    let nominal = "2026-10-26T07:00".to_owned();
    let mut earlier: Vec<Earlier> = codes("state")
        .into_iter()
        .map(|state| Earlier::Undelivered {
            nominal: nominal.clone(),
            recipient: "a@contoso.example".to_owned(),
            state,
            reply: "550 5.1.1".to_owned(),
        })
        .collect();
    earlier.push(Earlier::Failed { nominal: nominal.clone(), reason: "E1".to_owned() });
    earlier.push(Earlier::Skipped { nominal, reason: "E2".to_owned() });
    let time = |text: &str| DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc());
    Facts {
        due_at: time("2026-11-02T10:00:00Z"),
        made_at: time("2026-11-04T13:00:00Z"),
        earlier,
        filed: Some(Filed {
            folder: "evidence".to_owned(),
            bag: "000042-w1".to_owned(),
            seq: 42,
            head_sha256: "cd".repeat(32),
            signed: false,
        }),
        attached: vec!["report.pdf".to_owned(), "connectors.csv".to_owned()],
        left_out: true,
    }
}

fn notices() -> [Notice; 3] {
    let run = || ("w1".to_owned(), "2026-11-02T07:00".to_owned(), "America/Sao_Paulo".to_owned());
    let (schedule, nominal, zone) = run();
    let failed = Notice::Failed { schedule, nominal, zone, reason: "E1".to_owned() };
    let (schedule, nominal, zone) = run();
    let lines = vec![("a@contoso.example".to_owned(), "refused", "550 5.1.1".to_owned())];
    [failed, Notice::Undelivered { schedule, nominal, zone, lines }, Notice::Test]
}

/// Everything that a reader may get, as text: HTML without its tags and style sheet.
fn rendered(language: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for full in [true, false] {
        let report = report(language, full);
        let mut files = Vec::new();
        for format in [Format::Html, Format::Pdf, Format::Xlsx] {
            files.extend(render(&report, format, &Branding::default()).unwrap());
        }
        assert_eq!(check::check(&report, &files), Ok(()), "{language}");
        let [html, pdf, xlsx] = files.as_slice() else { panic!("three files") };
        all.insert(format!("xlsx {full}"), xlsx_text(&xlsx.1));
        all.insert(format!("html {full}"), stripped(&String::from_utf8_lossy(&html.1)));
        let pdf = pdf_text(&pdf.1);
        assert!(!pdf.contains('…'), "{language}: a text is cut in the document");
        all.insert(format!("pdf {full}"), pdf);
        all.insert(format!("summary {full}"), summary::render(&report).unwrap());
        let body = mail::report(&report, &facts(full), &Branding::default()).unwrap();
        all.insert(format!("mail html {full}"), stripped(&body.html));
        all.insert(format!("mail text {full}"), body.text);
        all.insert(format!("mail subject {full}"), body.subject);
    }
    for (index, notice) in notices().iter().enumerate() {
        let body = mail::notice(notice, language, None).unwrap();
        all.insert(format!("notice html {index}"), stripped(&body.html));
        all.insert(format!("notice text {index}"), format!("{}\n{}", body.subject, body.text));
    }
    all
}

/// The text of a page, a line for each element, with what only a pointer or a screen reader shows.
fn stripped(html: &str) -> String {
    let (head, body) = html.split_once("<style>").unwrap();
    let body = body.split_once("</style>").unwrap().1;
    // The script and its words stand behind everything that is read.
    let body = body.split("<script").next().unwrap();
    let mut out = String::new();
    for piece in format!("{head}{body}").split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap();
        if let Some((_, label)) = tag.split_once("aria-label=\"") {
            out.push_str(label.split('"').next().unwrap());
            out.push('\n');
        }
        out.push_str(text);
        if !["strong", "/strong", "span", "/span"].contains(&tag.split(' ').next().unwrap()) {
            out.push('\n');
        }
    }
    for (name, letter) in [("&#x27;", "'"), ("&#x2f;", "/"), ("&#39;", "'"), ("&gt;", ">")] {
        out = out.replace(name, letter);
    }
    out.replace("&lt;", "<").replace("&quot;", "\"").replace("&#160;", "\u{a0}")
}

fn pdf_text(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.pdf");
    std::io::Write::write_all(&mut std::fs::File::create(&path).unwrap(), bytes).unwrap();
    let output = std::process::Command::new("pdftotext")
        .arg(&path)
        .arg("-")
        .output()
        .expect("pdftotext of poppler-utils; tests/run installs it");
    String::from_utf8(output.stdout).unwrap()
}

/// The texts of a workbook and the names of its sheets, a line for each.
fn xlsx_text(bytes: &[u8]) -> String {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut part = |name: &str| {
        let mut text = String::new();
        let mut file = archive.by_name(name).unwrap();
        std::io::Read::read_to_string(&mut file, &mut text).unwrap();
        text
    };
    let book = part("xl/workbook.xml");
    let names = book.split("<sheet name=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let strings = part("xl/sharedStrings.xml");
    let texts = strings.split("<t").skip(1).filter_map(|rest| rest.split_once('>'));
    let texts = texts.map(|(_, rest)| rest.split("</t>").next().unwrap());
    names.chain(texts).collect::<Vec<_>>().join("\n").replace("&gt;", ">").replace("&lt;", "<")
}

/// Text with one blank wherever there is any.
fn even(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The parts of a text between its places.
fn fragments(text: &str) -> Vec<String> {
    let parts = text.split('{').enumerate();
    let part = |(index, part): (usize, &str)| {
        let part = if index == 0 { part } else { part.split_once('}').unwrap().1 };
        even(part).trim_matches([' ', ',', ';', ':', '.', '(', ')']).to_owned()
    };
    parts.map(part).filter(|part| !part.is_empty()).collect()
}

/// Whole sentences anywhere, and single words where they stand alone, are of the language.
#[test]
fn nothing_english_is_left_in_a_report() {
    let english: Vec<String> = texts("en").values().flat_map(|text| fragments(text)).collect();
    let mut seen = BTreeSet::new();
    for (name, text) in rendered("en") {
        let text = even(&text);
        seen.extend(english.iter().filter(|part| text.contains(part.as_str())));
        assert!(!text.contains('{') || text.contains("awk"), "{name}");
    }
    assert!(seen.len() > 200, "the reports say nearly everything: {}", seen.len());
    for language in others() {
        let own: Vec<String> = texts(language).values().map(|text| even(text)).collect();
        let foreign: Vec<&String> =
            english.iter().filter(|part| !own.iter().any(|text| text.contains(*part))).collect();
        for (name, text) in rendered(language) {
            let lines: BTreeSet<&str> = text.lines().map(str::trim).collect();
            let whole = even(&text);
            for part in &foreign {
                let found = part.contains(' ') && whole.contains(part.as_str());
                assert!(!found, "{language} {name}: {part}");
                assert!(!lines.contains(part.as_str()), "{language} {name}: {part}");
            }
        }
    }
}

/// Digits in a row, with how often they occur: the marks between them are of the language.
fn figures(text: &str) -> BTreeMap<&str, usize> {
    let mut figures = BTreeMap::new();
    for run in text.split(|letter: char| !letter.is_ascii_digit()).filter(|run| !run.is_empty()) {
        *figures.entry(run).or_default() += 1;
    }
    figures
}

#[test]
fn every_language_has_the_same_figures() {
    let english = rendered("en");
    for language in others() {
        for (name, text) in rendered(language) {
            let (expected, found) = (figures(&english[&name]), figures(&text));
            if name.starts_with("pdf") {
                // Longer words break lines and hashes elsewhere, and table heads are repeated.
                let numbers = expected.keys().filter(|run| run.len() > 4);
                let lost: Vec<_> = numbers.filter(|run| !found.contains_key(*run)).collect();
                assert!(lost.is_empty(), "{language} {name}: {lost:?}");
            } else {
                assert_eq!(found, expected, "{language} {name}");
            }
        }
    }
}

/// Nothing is put together with English marks. Poppler shows every blank of a document alike.
#[test]
fn rendered_french_has_its_blanks() {
    for (name, text) in rendered("fr").iter().filter(|(name, _)| !name.starts_with("pdf")) {
        let text = text.replace(intransit::render::words::GROUP, "");
        for (before, mark, after) in around(&text) {
            let ends = after.is_none_or(|letter| [' ', '\n'].contains(&letter));
            if matches!(mark, ':' | ';' | '%') && ends {
                let line = text.lines().find(|line| line.contains(mark));
                assert_eq!(before, Some(NARROW), "{name}: {line:?}");
            }
        }
    }
}
