//! Rows that could not be used: data, not errors; counted, and printed in the report.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Why a row could not be used. The code is stable; its words are in the language file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RejectReason {
    /// The time cell is empty or no date.
    TimeUnreadable,
    /// The time lies before 1970 or after 2104.
    TimeOutOfRange,
    /// Neither the row nor the user says which way the message went.
    DirectionMissing,
    /// The direction is a word that is not known.
    DirectionUnreadable,
    /// The label and the direction column contradict each other.
    DirectionConflict,
    /// The connector cell of an aggregate row is empty.
    ConnectorMissing,
    /// The TLS cell is a word that is not known.
    TlsUnreadable,
    /// More or fewer fields than the header.
    FieldCount,
    /// A NUL byte within the row.
    NulByte,
    /// A line above the limit.
    LineTooLong,
    /// A quoted field that never ends.
    UnbalancedQuote,
    /// The volume is no whole number.
    VolumeUnreadable,
    /// The volume is negative.
    VolumeNegative,
    /// A share is no number between 0 and 100.
    PercentUnreadable,
    /// The shares of the row sum to more than 100 %.
    PercentAbove100,
    /// A line that is no JSON object.
    JsonUnreadable,
    /// The event's data is no XML.
    XmlUnreadable,
    /// An incoming message of which the traces hold no acceptance.
    NoAcceptance,
    /// A line that has not the form of its log.
    LineUnreadable,
}

impl RejectReason {
    /// The stable code, as in `report.json`.
    pub fn code(self) -> &'static str {
        match self {
            Self::TimeUnreadable => "time-unreadable",
            Self::TimeOutOfRange => "time-out-of-range",
            Self::DirectionMissing => "direction-missing",
            Self::DirectionUnreadable => "direction-unreadable",
            Self::DirectionConflict => "direction-conflict",
            Self::ConnectorMissing => "connector-missing",
            Self::TlsUnreadable => "tls-unreadable",
            Self::FieldCount => "field-count",
            Self::NulByte => "nul-byte",
            Self::LineTooLong => "line-too-long",
            Self::UnbalancedQuote => "unbalanced-quote",
            Self::VolumeUnreadable => "volume-unreadable",
            Self::VolumeNegative => "volume-negative",
            Self::PercentUnreadable => "percent-unreadable",
            Self::PercentAbove100 => "percent-above-100",
            Self::JsonUnreadable => "json-unreadable",
            Self::XmlUnreadable => "xml-unreadable",
            Self::NoAcceptance => "no-acceptance",
            Self::LineUnreadable => "line-unreadable",
        }
    }

    /// All reasons, in the order of their declaration.
    pub const ALL: [Self; 19] = [
        Self::TimeUnreadable,
        Self::TimeOutOfRange,
        Self::DirectionMissing,
        Self::DirectionUnreadable,
        Self::DirectionConflict,
        Self::ConnectorMissing,
        Self::TlsUnreadable,
        Self::FieldCount,
        Self::NulByte,
        Self::LineTooLong,
        Self::UnbalancedQuote,
        Self::VolumeUnreadable,
        Self::VolumeNegative,
        Self::PercentUnreadable,
        Self::PercentAbove100,
        Self::JsonUnreadable,
        Self::XmlUnreadable,
        Self::NoAcceptance,
        Self::LineUnreadable,
    ];
}

/// Rejects of one file and reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// Line of the first one.
    pub line: u64,
    /// What the first one held, cut to a readable length.
    pub found: String,
    /// How many.
    pub count: u64,
}

/// Rejects of one file by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejects {
    by_reason: BTreeMap<RejectReason, Reject>,
}

impl Rejects {
    /// Counts a row.
    pub fn add(&mut self, reason: RejectReason, line: u64, found: &str) {
        let reject = Reject { line, found: excerpt(found), count: 1 };
        self.merge_one(reason, reject);
    }

    /// Counts rows that have no lines, with an example.
    pub fn add_many(&mut self, reason: RejectReason, count: u64, found: &str) {
        self.merge_one(reason, Reject { line: 0, found: excerpt(found), count });
    }

    /// Adds what another part of the same file counted.
    pub fn merge(&mut self, other: Self) {
        for (reason, reject) in other.by_reason {
            self.merge_one(reason, reject);
        }
    }

    /// Moves all lines down, when it is known how many lie above.
    pub fn move_down(&mut self, lines: u64) {
        for reject in self.by_reason.values_mut() {
            reject.line += lines;
        }
    }

    /// Number of rejected rows.
    pub fn total(&self) -> u64 {
        self.by_reason.values().map(|reject| reject.count).sum()
    }

    /// Reasons and their rejects.
    pub fn iter(&self) -> impl Iterator<Item = (RejectReason, &Reject)> {
        self.by_reason.iter().map(|(reason, reject)| (*reason, reject))
    }

    fn merge_one(&mut self, reason: RejectReason, new: Reject) {
        match self.by_reason.get_mut(&reason) {
            None => {
                self.by_reason.insert(reason, new);
            }
            Some(held) => {
                held.count += new.count;
                if new.line < held.line {
                    held.line = new.line;
                    held.found = new.found;
                }
            }
        }
    }
}

/// At most 60 characters of a foreign text, without control characters.
fn excerpt(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(60)
        .map(|letter| if letter.is_control() { '\u{fffd}' } else { letter })
        .collect();
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}
