use super::*;
use crate::config::ColumnMap;
use crate::ingest::DayOrder;
use crate::ingest::sql::ColumnType;

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
