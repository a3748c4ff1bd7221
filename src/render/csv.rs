//! `connectors.csv` and `daily.csv`: RFC 4180, UTF-8, the same figures as `report.json`.
//!
//! A text that a spreadsheet would take for a formula gets a leading apostrophe, as OWASP
//! ("CSV Injection") advises.

use crate::report::Report;
use crate::trace::{Tls, TlsCounts};

/// One row per period, direction and connector.
pub(super) fn connectors(report: &Report) -> Vec<u8> {
    let mut rows = Rows::new(&[
        "period",
        "from",
        "to",
        "direction",
        "connector",
        "type",
        "forced_tls",
        "messages",
    ]);
    for period in &report.periods {
        for connector in &period.connectors {
            let fields = [
                period.id.clone(),
                period.from.to_string(),
                period.to.to_string(),
                connector.direction.name().to_owned(),
                connector.connector.clone().unwrap_or_default(),
                connector.connector_type.name().to_owned(),
                connector.forced_tls.map_or_else(String::new, |forced| forced.to_string()),
                connector.messages.to_string(),
            ];
            rows.push(&fields, &connector.tls);
        }
    }
    rows.text.into_bytes()
}

/// One row per period, day, direction and connector.
pub(super) fn daily(report: &Report) -> Vec<u8> {
    let mut rows = Rows::new(&["period", "date", "direction", "connector", "messages"]);
    for period in &report.periods {
        for day in &period.daily {
            let fields = [
                period.id.clone(),
                day.date.to_string(),
                day.direction.name().to_owned(),
                day.connector.clone().unwrap_or_default(),
                day.messages.to_string(),
            ];
            rows.push(&fields, &day.tls);
        }
    }
    rows.text.into_bytes()
}

struct Rows {
    text: String,
}

impl Rows {
    fn new(head: &[&str]) -> Self {
        let bands = Tls::ALL.map(Tls::key);
        let head: Vec<&str> = head.iter().copied().chain(bands).collect();
        Self { text: format!("{}\r\n", head.join(",")) }
    }

    fn push(&mut self, fields: &[String], tls: &TlsCounts) {
        let bands = Tls::ALL.map(|band| tls.get(band).to_string());
        let fields: Vec<String> = fields.iter().chain(&bands).map(|field| quoted(field)).collect();
        self.text.push_str(&fields.join(","));
        self.text.push_str("\r\n");
    }
}

fn quoted(field: &str) -> String {
    let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let safe = if formula { format!("'{field}") } else { field.to_owned() };
    if formula || safe.contains([',', '"', '\n', '\r', ';']) {
        format!("\"{}\"", safe.replace('"', "\"\""))
    } else {
        safe
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_text() {
        let cases = [
            ("Fabrikam", "Fabrikam"),
            ("a, \"b\"", "\"a, \"\"b\"\"\""),
            ("=cmd|'/c calc'!A1", "\"'=cmd|'/c calc'!A1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("-1", "\"'-1\""),
            ("\n=1", "\"'\n=1\""),
        ];
        for (field, expected) in cases {
            assert_eq!(quoted(field), expected);
        }
    }
}
