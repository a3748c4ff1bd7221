//! Lengths of time as settings write them: `6h`, `35d`, `6y`.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// A length of time. A month counts as 30.44 days, a year as 365.25.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span {
    length: TimeDelta,
    text: String,
}

/// The text is not a length of time.
#[derive(Debug, thiserror::Error)]
#[error("`{found}` is not a length of time (expected a number and a unit such as 6h, 35d or 6y)")]
pub struct SpanError {
    found: String,
}

impl Span {
    /// A length in whole hours.
    pub fn hours(hours: i64) -> Self {
        Self { length: TimeDelta::hours(hours), text: format!("{hours}h") }
    }

    /// A length in years of 365.25 days.
    pub fn years(years: i64) -> Self {
        Self { length: TimeDelta::seconds(years * 31_557_600), text: format!("{years}y") }
    }

    /// The length.
    pub fn length(&self) -> TimeDelta {
        self.length
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.text
    }
}

impl TryFrom<String> for Span {
    type Error = SpanError;

    fn try_from(text: String) -> Result<Self, SpanError> {
        let length = humantime::parse_duration(&text).ok();
        match length.and_then(|length| TimeDelta::from_std(length).ok()) {
            Some(length) => Ok(Self { length, text }),
            None => Err(SpanError { found: text }),
        }
    }
}

impl std::str::FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        text.to_owned().try_into()
    }
}

impl schemars::JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A length of time such as 6h, 35d or 6y.",
            "pattern": "^([0-9]+ ?[a-zA-Z]+ ?)+$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_told_apart() {
        let cases = [("6h", 6), ("35d", 35 * 24), ("90m", 1), ("2w", 14 * 24)];
        for (text, hours) in cases {
            assert_eq!(text.parse::<Span>().unwrap().length().num_hours(), hours, "{text}");
        }
        for text in ["", "6", "h", "-6h", "6 fortnights"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
