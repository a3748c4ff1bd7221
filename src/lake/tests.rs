use proptest::prelude::*;

use super::*;
use crate::ingest::sql::{ColumnType, quoted, text};
use crate::trace::{RejectReason, Tls};

fn columns(names: &[(&str, ColumnType)]) -> Vec<TableColumn> {
    let column = |(name, holds): &(&str, ColumnType)| TableColumn {
        name: (*name).to_owned(),
        holds: holds.clone(),
    };
    names.iter().map(column).collect()
}

fn detail() -> Vec<TableColumn> {
    let names = [
        "date_time_utc",
        "message_id",
        "network_message_id",
        "sender_address",
        "recipient_address",
        "direction",
        "connector_name",
        "connector_type",
        "forced_tls",
        "tls_version",
        "message_subject",
    ];
    columns(&names.map(|name| (name, ColumnType::Text)))
}

fn needs() -> Needs {
    let day = |text: &str| text.parse().unwrap();
    Needs {
        zone: chrono_tz::America::Sao_Paulo,
        peers: PeerScope {
            between: Some((day("2026-10-17"), day("2026-11-16"))),
            last: None,
            only: Vec::new(),
        },
        row_limit: 1000,
    }
}

fn question(columns: &[TableColumn], settings: &Settings) -> Result<Question, LakeError> {
    let table = Table::Named("mail.traces".to_owned());
    Question::new(&table, columns, settings, &needs())
}

/// The statement is evidence: a change of it is a change of what is counted.
#[test]
fn the_statement_is_as_filed() {
    let question = question(&detail(), &Settings::default()).unwrap();
    let path = "tests/data/lake/question.sql";
    let text = format!("{}\n", question.text());
    if std::env::var_os("UPDATE").is_some() {
        store::write_atomic(std::path::Path::new(path), text.as_bytes()).unwrap();
    }
    let filed = std::fs::read_to_string(path).unwrap();
    assert!(
        text == filed,
        "{path} is not what is asked now: look at the difference, then UPDATE=1"
    );
}

/// What a report needs is in the statement, and nothing that it does not.
#[test]
fn a_statement_says_which_table_how_many_rows_and_whose_domains() {
    let table = Table::Parquet("s3a://lake/it's `here`".to_owned());
    let only = vec!["it's \\ mine".to_owned()];
    let peers = PeerScope { between: None, last: Some(30), only };
    let needs = Needs { peers, ..needs() };
    let question = Question::new(&table, &detail(), &Settings::default(), &needs).unwrap();
    let text = question.text();
    assert!(text.contains("FROM parquet.`s3a://lake/it's ``here```)"), "{text}");
    assert!(text.contains("connector IN ('it\\'s \\\\ mine')"), "{text}");
    assert!(text.contains("peer_day > newest_day - 30"), "{text}");
    assert!(text.ends_with("LIMIT 1001"), "one more than the limit, so that it is noticed");
    assert!(!text.contains("message_subject"), "what is not counted is not read");
}

/// Each reason that the statement may give is one that files may have.
#[test]
fn reasons_are_those_of_files() {
    let question = question(&detail(), &Settings::default()).unwrap();
    let codes = RejectReason::ALL.map(RejectReason::code);
    for word in question.text().split('\'').filter(|word| word.contains('-')) {
        let reason = ["time-", "direction-", "tls-"].iter().any(|start| word.starts_with(start));
        assert!(!reason || codes.contains(&word), "{word}");
    }
    for code in ["time-unreadable", "time-out-of-range", "direction-missing", "tls-unreadable"] {
        assert!(question.text().contains(code), "{code}");
    }
}

/// What cannot be counted as it is for files is refused before the engine is asked.
#[test]
fn tables_that_are_refused() {
    let with = |name: &'static str, holds: ColumnType| {
        let mut columns = detail();
        columns.retain(|column| column.name != name);
        columns.push(TableColumn { name: name.to_owned(), holds });
        columns
    };
    let without = |name: &str| {
        let mut columns = detail();
        columns.retain(|column| column.name != name);
        columns
    };
    let cases = [
        (with("messages", ColumnType::Whole), "stand for several messages"),
        (with("tls_version", ColumnType::Other("double".to_owned())), "`tls_version` is double"),
        (with("message_id", ColumnType::Instant), "`message_id` is a time"),
        (without("direction"), "does not say which way"),
        (columns(&[("name", ColumnType::Text)]), "is no mail trace"),
        (
            columns(&[
                ("event_id", ColumnType::Text),
                ("custom_data", ColumnType::Text),
                ("date", ColumnType::Text),
                ("direction", ColumnType::Text),
            ]),
            "message-trace-detail cannot be counted",
        ),
    ];
    for (columns, words) in cases {
        let error = question(&columns, &Settings::default()).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    let flag = with("forced_tls", ColumnType::Flag);
    assert!(question(&flag, &Settings::default()).is_ok());
    let unused = with("weight", ColumnType::Other("double".to_owned()));
    assert!(question(&unused, &Settings::default()).is_ok(), "a column that is not used");
}

fn row(part: &str, number: Option<i64>, name: &str, counts: (i64, i64)) -> AnswerRow {
    AnswerRow {
        part: part.to_owned(),
        number,
        direction: (part == "cell" || part == "peer").then_some(0),
        tls: (number.is_some() && part != "seen").then_some(Tls::Tls1_3 as i64),
        name: Some(name.to_owned()),
        messages: counts.0,
        line_count: counts.1,
        low: (part == "cell").then_some(0),
        ..AnswerRow::default()
    }
}

/// An answer of ten rows: two messages of three and four rows, one that is superseded, one
/// inside, one that cannot be read.
fn rows() -> Vec<AnswerRow> {
    let day = 20_760;
    let quarter = day * 96 + 40;
    let left = |days: &str| AnswerRow {
        found: Some(days.to_owned()),
        ..row("cell", None, "Fabrikam inbound", (0, 1))
    };
    vec![
        row("cell", Some(day), "Fabrikam inbound", (1, 3)),
        row("cell", Some(day), "", (1, 4)),
        left(&format!("{day},{}", day + 9)),
        left(""),
        row("peer", Some(day), "fabrikam.example", (2, 0)),
        AnswerRow {
            low: Some(quarter * 900_000 + 5),
            high: Some(quarter * 900_000 + 7_000),
            ..row("seen", Some(quarter), "", (0, 9))
        },
        AnswerRow {
            found: Some("maybe".to_owned()),
            ..row("reject", None, "tls-unreadable", (0, 1))
        },
    ]
}

fn answer(rows: Vec<AnswerRow>) -> Answer {
    question(&detail(), &Settings::default()).unwrap().answered(rows)
}

/// Rows read = counted + merged + internal + rejected; nothing is lost on the way.
#[test]
fn an_answer_is_what_a_file_is_once_it_is_settled() {
    let names = Names::new();
    let counted = answer(rows()).counted(&names).unwrap();
    let file = &counted.reading.files[0];
    assert_eq!((file.name.as_str(), file.rows, file.rejects.total()), ("mail.traces", 10, 1));
    assert!(file.asked.as_ref().unwrap().query.starts_with("WITH "));
    let day: NaiveDate = NaiveDate::from_epoch_days(20_760).unwrap();
    let period = crate::period::Period::range(day, day).unwrap();
    let scope = Scope { zone: Tz::UTC, periods: vec![period], only: Vec::new(), named: Vec::new() };
    let (breakdown, _) = counted.finish(&names, &scope).unwrap();
    let source = breakdown.sources[0];
    assert_eq!((source.counted, source.merged, source.internal), (2, 6, 1));
    assert_eq!(source.tls_known, 2);
    let messages: u64 = breakdown.cells.iter().map(|cell| cell.tls.tls1_3).sum();
    assert_eq!((messages, breakdown.cells.len()), (2, 2));
    assert_eq!(breakdown.peers[0].listed[0].tls.tls1_3, 2);
    let second = |time: Option<chrono::DateTime<chrono::Utc>>| time.unwrap().timestamp_millis();
    let quarter = (20_760 * 96 + 40) * 900_000;
    assert_eq!(second(breakdown.coverage[0].first), quarter + 5);
    assert_eq!(second(breakdown.coverage[0].last), quarter + 7_000);
}

#[test]
fn an_answer_is_the_same_bytes_whatever_the_order_and_can_be_read_again() {
    let one = answer(rows());
    let mut turned = rows();
    turned.reverse();
    let bytes = one.to_bytes();
    assert_eq!(answer(turned).to_bytes(), bytes);
    assert_eq!(Answer::from_bytes(&bytes).unwrap(), one);
    assert!(matches!(Answer::from_bytes(b"{}"), Err(LakeError::Filed(_))));
}

#[test]
fn what_was_not_asked_for_is_no_answer() {
    let mut strange = vec![row("sum", None, "", (0, 0))];
    strange.push(row("cell", Some(1), "fewer rows than messages", (2, 1)));
    strange.push(AnswerRow { direction: Some(9), ..row("cell", Some(1), "", (1, 1)) });
    strange.push(AnswerRow { tls: Some(8), ..row("peer", Some(1), "x.example", (1, 0)) });
    strange.push(AnswerRow { low: None, ..row("seen", Some(1), "", (0, 1)) });
    strange.push(row("reject", None, "no-reason", (0, 1)));
    for row in strange {
        let error = answer(vec![row.clone()]).counted(&Names::new()).unwrap_err();
        assert!(matches!(error, LakeError::Answer { .. }), "{row:?}: {error}");
    }
    let order = AnswerRow {
        found: Some("9/11/2026".to_owned()),
        ..row("reject", None, ingest::sql::DAY_ORDER, (0, 1))
    };
    let error = answer(vec![order]).counted(&Names::new()).unwrap_err();
    assert!(error.hint().unwrap().contains("day-first"), "{error}");
}

#[test]
fn a_token_is_never_shown() {
    let engine = Engine {
        host: "lake.example.com".to_owned(),
        port: 15002,
        tls: true,
        token: Some("hunter2".into()),
        time_limit: Duration::from_secs(1),
        row_limit: 1,
    };
    let shown = format!("{engine:?}");
    assert!(shown.contains("lake.example.com") && !shown.contains("hunter2"), "{shown}");
}

/// What an SQL literal says, as Spark reads it.
fn read_literal(literal: &str) -> Option<String> {
    let inner = literal.strip_prefix('\'')?.strip_suffix('\'')?;
    let mut letters = inner.chars();
    let mut said = String::new();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => return None,
            '\\' => match letters.next()? {
                'u' => {
                    let code: String = letters.by_ref().take(4).collect();
                    said.push(char::from_u32(u32::from_str_radix(&code, 16).ok()?)?);
                }
                escaped @ ('\\' | '\'') => said.push(escaped),
                _ => return None,
            },
            other => said.push(other),
        }
    }
    Some(said)
}

proptest! {
    /// No name of a connector, table or column can leave its place in the statement.
    #[test]
    fn texts_and_names_stay_what_they_are(any in "\\PC*|[\\\\'`u0-9\n\0]*") {
        let said = read_literal(&text(&any));
        prop_assert_eq!(said.as_deref(), Some(any.as_str()));
        let name = quoted(&any);
        let inner = name.strip_prefix('`').unwrap().strip_suffix('`').unwrap();
        prop_assert_eq!(inner.replace("``", "`"), any.clone());
        prop_assert!(!inner.replace("``", "").contains('`'));
    }
}
