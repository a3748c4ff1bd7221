//! `spelling` and the identities of `row` as SQL expressions.

use super::text;
use crate::trace::{Direction, Tls};

/// What `char::is_whitespace` holds for.
const BLANKS: [char; 25] = [
    '\u{9}', '\u{a}', '\u{b}', '\u{c}', '\u{d}', ' ', '\u{85}', '\u{a0}', '\u{1680}', '\u{2000}',
    '\u{2001}', '\u{2002}', '\u{2003}', '\u{2004}', '\u{2005}', '\u{2006}', '\u{2007}', '\u{2008}',
    '\u{2009}', '\u{200a}', '\u{2028}', '\u{2029}', '\u{202f}', '\u{205f}', '\u{3000}',
];
/// What `u8::is_ascii_whitespace` holds for.
const ASCII_BLANKS: &str = " \t\n\u{c}\r";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";

/// As `str::trim`.
pub(super) fn trimmed(cell: &str) -> String {
    format!("trim(BOTH {} FROM {cell})", text(&BLANKS.iter().collect::<String>()))
}

fn trimmed_ascii(cell: &str) -> String {
    format!("trim(BOTH {} FROM {cell})", text(ASCII_BLANKS))
}

/// As `str::to_ascii_lowercase`.
pub(super) fn lowered(cell: &str) -> String {
    format!("translate({cell}, '{UPPER}', '{LOWER}')")
}

/// As `spelling::fold`, for words of ASCII letters: no other letter becomes one of those that
/// are compared.
fn folded(cell: &str) -> String {
    let gone: String = BLANKS.iter().chain(&['_', '-']).collect();
    let cell = format!("trim(TRAILING '?' FROM {})", trimmed(cell));
    format!("translate({cell}, {}, '{LOWER}')", text(&format!("{UPPER}{gone}")))
}

fn any_of(cell: &str, words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| text(word)).collect();
    format!("{cell} IN ({})", words.join(", "))
}

/// As `Context::direction_of`: the code, -1 where nothing says it, -2 where it cannot be read.
pub(super) fn direction(cell: &str, given: Option<Direction>) -> String {
    let absent = given.map_or(-1, |given| given as i32);
    if cell == "''" {
        return absent.to_string();
    }
    let word = folded(cell);
    let bare = trimmed(cell);
    let is = |words: &[&str]| any_of(&word, words);
    format!(
        "CASE WHEN {cell} IN ('Received', 'Inbound', 'inbound') THEN 0 \
         WHEN {cell} IN ('Sent', 'Outbound', 'outbound') THEN 1 \
         WHEN {bare} = '' OR {} = 'undefined' THEN {absent} \
         WHEN {} THEN 0 WHEN {} THEN 1 WHEN {} THEN 2 ELSE -2 END",
        lowered(&bare),
        is(&["inbound", "received", "incoming", "1"]),
        is(&["outbound", "sent", "originating", "2"]),
        is(&["internal", "intraorg"]),
    )
}

/// As `spelling::tls`: the code, -1 where it cannot be read.
pub(super) fn tls(cell: &str) -> String {
    if cell == "''" {
        return (Tls::Unknown as i32).to_string();
    }
    let folded = format!("translate({}, '{UPPER}_- ', '{LOWER}')", trimmed(cell));
    let bare = |forms: &str| {
        let form = format!("^(spprot)?({forms})(server|client)?\\z");
        format!("{folded} RLIKE {}", text(&form))
    };
    let flags = |hex: &str, decimal: &str| format!("0x[+]?0*({hex})|[+]?0*({decimal})");
    let version = |minor: u8, bare_major: &str, flags: &str| {
        bare(&format!("tlsv?({bare_major}1[.]{minor}|1{minor})|1[.]{minor}|{flags}"))
    };
    let cases = [
        (any_of(cell, &["TLS1.2", "TLS1_2", "TLSv1.2"]), Tls::Tls1_2),
        (any_of(cell, &["TLS1.3", "TLS1_3", "TLSv1.3"]), Tls::Tls1_3),
        (any_of(cell, &["No Tls", "NoTLS", "No TLS"]), Tls::NoTls),
        (any_of(&folded, &["", "unknown", "null", "n/a"]), Tls::Unknown),
        (any_of(&folded, &NO_TLS), Tls::NoTls),
        (any_of(&folded, &UNSPECIFIED), Tls::Unspecified),
        (version(0, "1|", &flags("40|80", "64|128")), Tls::Tls1_0),
        (version(1, "", &flags("100|200", "256|512")), Tls::Tls1_1),
        (version(2, "", &flags("400|800", "1024|2048")), Tls::Tls1_2),
        (version(3, "", &flags("1000|2000", "4096|8192")), Tls::Tls1_3),
        (bare(&format!("sslv?[23]([.]0|0)?|{}", flags("10|20", "16|32"))), Tls::Ssl3),
    ];
    let cases = cases.map(|(when, band)| format!("WHEN {when} THEN {}", band as i32));
    format!("CASE {} ELSE -1 END", cases.join("\n    "))
}

const NO_TLS: [&str; 10] = [
    "notls",
    "none",
    "no",
    "false",
    "0",
    "plaintext",
    "cleartext",
    "usetls:no",
    "may:none",
    "tls=may:none",
];
const UNSPECIFIED: [&str; 7] =
    ["tls", "yes", "true", "1", "usetls:yes", "tlsv1/sslv3", "tlsunspecified"];

/// As `spelling::connector`; empty for mail without one.
pub(super) fn connector(cell: &str) -> String {
    if cell == "''" {
        return cell.to_owned();
    }
    let name = trimmed(cell);
    let none =
        any_of(&lowered(&name), &["noconnector", "no connector", "to_defaultopportunistictls"]);
    format!("CASE WHEN {none} THEN '' ELSE {name} END")
}

/// As `spelling::connector_type`, for a row with a connector: an unsaid type is unknown.
pub(super) fn connector_type(cell: &str) -> String {
    let word = folded(cell);
    format!(
        "CASE WHEN {} THEN 0 WHEN {} THEN 1 ELSE 3 END",
        any_of(&word, &["partner", "frompartner", "topartner"]),
        any_of(&word, &["onpremises", "fromyourorg", "toyourorg", "yourorg"]),
    )
}

/// As `spelling::yes_no`: 1, 0 or absent.
pub(super) fn yes_no(cell: &str) -> String {
    let word = folded(cell);
    format!(
        "CASE WHEN {} THEN 1 WHEN {} THEN 0 END",
        any_of(&word, &["true", "yes", "1", "required"]),
        any_of(&word, &["false", "no", "0"]),
    )
}

/// The id that the service gave, as compared; absent where there is none.
pub(super) fn network_id(cell: &str) -> String {
    if cell == "''" {
        return "CAST(NULL AS string)".to_owned();
    }
    let id = trimmed_ascii(cell);
    let bare =
        format!("CASE WHEN {id} LIKE '{{%}}' THEN substr({id}, 2, length({id}) - 2) ELSE {id} END");
    format!("concat('m', nullif({}, ''))", lowered(&bare))
}

/// The Message-ID header as compared; absent where there is none.
pub(super) fn header_id(cell: &str) -> String {
    if cell == "''" {
        return "CAST(NULL AS string)".to_owned();
    }
    let id = trimmed_ascii(cell);
    let id = format!("CASE WHEN {id} LIKE '<%' THEN substr({id}, 2) ELSE {id} END");
    let id =
        format!("CASE WHEN {id} LIKE '%>' THEN substr({id}, 1, length({id}) - 1) ELSE {id} END");
    format!("concat('m', nullif({id}, ''))")
}
