//! A last look at rendered files, as their readers would take them: nothing blank leaves.

use super::words::Words;
use crate::report::Report;

/// What is wrong with a rendered file.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{file}` {fault}")]
pub struct Unreadable {
    /// Name of the file.
    pub file: String,
    /// What is wrong.
    pub fault: &'static str,
}

/// Reads every file again and compares it with the report.
///
/// # Errors
/// [`Unreadable`] naming the first file that does not hold what it must.
pub fn check(report: &Report, files: &[(String, Vec<u8>)]) -> Result<(), Unreadable> {
    for (name, bytes) in files {
        let fault = match name.rsplit('.').next() {
            _ if bytes.is_empty() => Some("is empty"),
            Some("json") => json(report, bytes),
            Some("html") => html(report, bytes),
            Some("pdf") => pdf(bytes),
            Some("csv") => csv(report, bytes),
            Some("xlsx") => xlsx(report, bytes),
            _ => None,
        };
        if let Some(fault) = fault {
            return Err(Unreadable { file: name.clone(), fault });
        }
    }
    Ok(())
}

fn json(report: &Report, bytes: &[u8]) -> Option<&'static str> {
    let read: Option<Report> = serde_json::from_slice(bytes).ok();
    (read.as_ref() != Some(report)).then_some("does not read back as the report")
}

fn html(report: &Report, bytes: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(bytes);
    if !text.trim_end().ends_with("</html>") {
        return Some("is cut off");
    }
    let words = Words::of(&report.language)?;
    let totals = report.periods.iter().flat_map(|period| &period.totals);
    let mut totals = totals.map(|total| words.grouped(&super::words::number(total.messages)));
    (!totals.all(|total| text.contains(&total))).then_some("lacks a total")
}

fn pdf(bytes: &[u8]) -> Option<&'static str> {
    match lopdf::Document::load_mem(bytes) {
        Ok(document) if document.get_pages().is_empty() => Some("has no page"),
        Ok(_) => None,
        Err(_) => Some("cannot be opened"),
    }
}

/// The messages of all rows are those of the report: `messages` stands before `no_tls`.
fn csv(report: &Report, bytes: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(bytes);
    let mut records = records(&text).into_iter();
    let head: Vec<&str> = records.next()?.split(',').collect();
    let from_end = head.iter().rev().position(|name| *name == "messages");
    let Some(from_end) = from_end else { return Some("has no column of messages") };
    let mut sum: u64 = 0;
    for record in records {
        // Names may hold commas, but figures stand behind all names.
        match record.rsplit(',').nth(from_end).and_then(|cell| cell.parse::<u64>().ok()) {
            Some(messages) => sum += messages,
            None => return Some("has a row without messages"),
        }
    }
    let totals = report.periods.iter().flat_map(|period| &period.totals);
    let expected: u64 = totals.map(|total| total.messages).sum();
    (sum != expected).then_some("does not sum to the totals")
}

/// The messages of all connectors and of all totals are those of the report.
fn xlsx(report: &Report, bytes: &[u8]) -> Option<&'static str> {
    let Some((rows, totals)) = super::xlsx::totals(bytes) else { return Some("cannot be opened") };
    let expected = report.periods.iter().flat_map(|period| &period.totals);
    if !totals.into_iter().eq(expected.map(|total| total.messages)) {
        return Some("lacks a total");
    }
    let parts = report.periods.iter().flat_map(|period| &period.connectors);
    // What has no room in the sheet is missing at its end.
    let expected = parts.map(|part| part.messages).take(super::xlsx::MOST_ROWS);
    (!rows.into_iter().eq(expected)).then_some("does not hold every connector")
}

/// Records end at a line end outside quotes; a name may hold one (RFC 4180).
fn records(text: &str) -> Vec<&str> {
    let mut quoted = false;
    let end = |letter: char| {
        quoted ^= letter == '"';
        letter == '\n' && !quoted
    };
    text.split(end)
        .map(|line| line.trim_end_matches('\r'))
        .filter(|line| !line.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_line_end_is_one_record() {
        let text = "connector,messages,no_tls\r\n\"a,\r\n\"\"b\",3,1\r\nc,4,0\r\n";
        assert_eq!(records(text).len(), 3);
    }
}
