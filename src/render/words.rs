//! The words that a reader sees, from `templates/lang/*.toml`, and numbers in their form.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use chrono::{Datelike, NaiveDate};

/// The languages and their files. The marks, months and patterns in them follow CLDR, with
/// the first day of a month as people write it (`1er mars`, `1º de março`).
pub const LANGUAGES: [(&str, &str); 5] = [
    ("en", include_str!("../../templates/lang/en.toml")),
    ("fr", include_str!("../../templates/lang/fr.toml")),
    ("pt-BR", include_str!("../../templates/lang/pt-BR.toml")),
    ("de", include_str!("../../templates/lang/de.toml")),
    ("es", include_str!("../../templates/lang/es.toml")),
];

/// Stands between groups of three digits until the format decides how to show it: a comma
/// or blank in HTML and on a terminal, a narrow gap without any character in PDF, so that
/// the figure is found and copied as one number.
pub const GROUP: char = '\u{2063}';

/// The words of one language.
#[derive(Debug)]
pub struct Words {
    texts: BTreeMap<String, String>,
    /// Whether 0 takes the form of 1.
    zero_is_one: bool,
}

impl Words {
    /// The words of a language; `None` where there are none.
    pub fn of(language: &str) -> Option<&'static Self> {
        static ALL: OnceLock<BTreeMap<&'static str, Words>> = OnceLock::new();
        ALL.get_or_init(|| {
            LANGUAGES.iter().map(|(name, file)| (*name, Self::read(name, file))).collect()
        })
        .get(language)
    }

    /// The English words, which the program's own lists use.
    pub fn english() -> &'static Self {
        static NONE: Words = Words { texts: BTreeMap::new(), zero_is_one: false };
        Self::of("en").unwrap_or(&NONE)
    }

    fn read(language: &str, file: &str) -> Self {
        let mut texts = BTreeMap::new();
        if let Ok(table) = file.parse::<toml::Table>() {
            flatten("", &table, &mut texts);
        }
        Self { texts, zero_is_one: matches!(language, "fr" | "pt-BR") }
    }

    /// The text of a key; `None` where there is none.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.texts.get(key).map(String::as_str)
    }

    /// The text of a key. A key without a text shows itself; a test sees to it that none is.
    pub fn text(&self, key: &str) -> String {
        self.texts.get(key).cloned().unwrap_or_else(|| key.to_owned())
    }

    /// The text of a key with its `{places}` filled.
    pub fn fill(&self, key: &str, places: &[(&str, &str)]) -> String {
        let text = self.text(key);
        let mut out = String::with_capacity(text.len() + 32);
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            // What was filled in is not looked at again: it may hold braces of its own.
            out.push_str(places.iter().find(|(place, _)| *place == name).map_or("", |(_, v)| v));
            rest = after;
        }
        out.push_str(rest);
        out
    }

    /// The text for a count: key `….one` or `….other`, with `{n}` filled. CLDR has a third form
    /// for millions in French, Portuguese and Spanish (`un million de messages`), which is not
    /// needed where the number stands in digits.
    pub fn count(&self, key: &str, count: u64) -> String {
        let one = count == 1 || (count == 0 && self.zero_is_one);
        let form = if one { "one" } else { "other" };
        self.fill(&format!("{key}.{form}"), &[("n", &number(count))])
    }

    /// Texts in a row, with `join.{mark}` between them.
    pub fn join(&self, mark: &str, texts: &[String]) -> String {
        texts.join(&self.text(&format!("join.{mark}")))
    }

    /// A label and what it labels.
    pub fn labelled(&self, label: &str, text: &str) -> String {
        format!("{label}{}{text}", self.text("join.colon"))
    }

    /// Names for a reader: `a, b and c`.
    pub fn list(&self, names: &[String]) -> String {
        match names {
            [] => String::new(),
            [only] => only.clone(),
            [others @ .., last] => {
                let key = if begins_with_i(last) { "join.and_before_i" } else { "join.and" };
                self.fill(key, &[("a", &self.join("comma", others)), ("b", last)])
            }
        }
    }

    /// Every key.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.texts.keys().map(String::as_str)
    }

    /// A share given in tenths of a percent.
    pub fn percent(&self, tenths: u32) -> String {
        let decimal = self.text("number.decimal");
        let share = format!("{}{decimal}{}", tenths / 10, tenths % 10);
        self.fill("number.percent", &[("n", &share)])
    }

    /// A whole percentage.
    pub fn whole_percent(&self, percent: u32) -> String {
        self.fill("number.percent", &[("n", &percent.to_string())])
    }

    /// A date in words.
    pub fn date(&self, date: NaiveDate) -> String {
        let month = self.text(&format!("month.m{}", date.month()));
        let day = match date.day() {
            1 => self.text("date.first_day"),
            day => day.to_string(),
        };
        let year = date.year().to_string();
        self.fill("date.long", &[("day", &day), ("month", &month), ("year", &year)])
    }

    /// Text with the language's own mark between groups of digits.
    pub fn grouped(&self, text: &str) -> String {
        text.replace(GROUP, &self.text("number.group"))
    }
}

/// A number with [`GROUP`] between groups of three digits, from 10,000 on where it helps.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let mut out = String::with_capacity(digits.len() + 6);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(GROUP);
        }
        out.push(digit);
    }
    out
}

/// Whether a name begins with the sound of `i`, before which Spanish has another word for
/// `and`: `hierro` begins with the sound of `y`, and keeps it.
fn begins_with_i(name: &str) -> bool {
    let name = name.to_lowercase();
    let glide = ["hia", "hie"];
    ["i", "í", "hi", "hí"].iter().any(|sound| name.starts_with(sound))
        && !glide.iter().any(|sound| name.starts_with(sound))
}

fn flatten(prefix: &str, table: &toml::Table, into: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            toml::Value::Table(inner) => flatten(&key, inner, into),
            toml::Value::String(text) => {
                into.insert(key, text.clone());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_from_five_digits_on() {
        assert_eq!(number(4200), "4200");
        assert_eq!(number(1_234_567), "1\u{2063}234\u{2063}567");
        assert_eq!(Words::english().grouped(&number(12_345)), "12,345");
    }

    #[test]
    fn what_is_filled_in_is_not_filled_again() {
        let texts = BTreeMap::from([("k".to_owned(), "<{name}> {n}".to_owned())]);
        let words = Words { texts, zero_is_one: false };
        assert_eq!(words.fill("k", &[("name", "{n}"), ("n", "7")]), "<{n}> 7");
    }
}
