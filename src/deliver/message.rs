//! A message as it travels: RFC 5322 and MIME, the same bytes for the same letter.

use chrono::{DateTime, Utc};
use lettre::message::header::{
    ContentDisposition, ContentTransferEncoding, ContentType, HeaderName, HeaderValue,
};
use lettre::message::{Mailbox, Message, MultiPart, MultiPartKind, SinglePart};

use crate::store;

/// Why a message cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The text is no mailbox.
    #[error("`{found}` is not a mail address")]
    Address {
        /// What was written.
        found: String,
        /// What is wrong with it.
        source: lettre::address::AddressError,
    },
    /// The builder refused.
    #[error("the message cannot be built")]
    Build(#[from] lettre::error::Error),
    /// A file type has no name.
    #[error("`{0}` is not a content type")]
    Type(String),
}

/// A letter to one recipient.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Sender, with or without a display name.
    pub from: String,
    /// Address of the recipient.
    pub to: String,
    /// Message-ID without angle brackets.
    pub message_id: String,
    /// When it was made.
    pub date: DateTime<Utc>,
    /// Subject.
    pub subject: String,
    /// HTML part.
    pub html: String,
    /// Text part, from the same data.
    pub text: String,
    /// Further headers: name and value.
    pub headers: Vec<(&'static str, String)>,
    /// Files: name (ASCII), content type, content.
    pub attachments: Vec<(String, &'static str, Vec<u8>)>,
}

/// The address of a mailbox: `a@b` of `Name <a@b>`.
///
/// # Errors
/// [`MessageError::Address`] when the text is no mailbox.
pub fn address(mailbox: &str) -> Result<String, MessageError> {
    Ok(parse(mailbox)?.email.to_string())
}

/// A Message-ID that is the same whenever it is made again (without angle brackets):
/// `parts` say what the message is for, the recipient's address goes in as a hash.
pub fn message_id(parts: &[&str], recipient: &str, sender: &str) -> String {
    let plain = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect()
    };
    let mut names: Vec<String> = parts.iter().map(|part| plain(part)).collect();
    // Eight digits tell recipients apart without naming them.
    names.push(store::sha256(recipient.as_bytes()).chars().take(8).collect());
    let domain = sender.rsplit('@').next().unwrap_or_default();
    let usual = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let domain = if !domain.is_empty() && domain.chars().all(usual) { domain } else { "localhost" };
    format!("{}@{domain}", names.join("."))
}

/// The bytes of a letter.
///
/// # Errors
/// [`MessageError`] when an address is none, or the builder refuses.
pub fn bytes(letter: &Letter) -> Result<Vec<u8>, MessageError> {
    let mut builder = Message::builder()
        .from(parse(&letter.from)?)
        .to(parse(&letter.to)?)
        .message_id(Some(format!("<{}>", letter.message_id)))
        .date(letter.date.into())
        .subject(short(&letter.subject));
    for (name, value) in &letter.headers {
        let name = HeaderName::new_from_ascii_str(name);
        // One line, so that it is found as it stands; only plain ASCII may stand unencoded.
        let value = short(value);
        builder = builder.raw_header(if value.is_ascii() && value.len() < 200 {
            HeaderValue::dangerous_new_pre_encoded(name, value.clone(), value)
        } else {
            HeaderValue::new(name, value)
        });
    }
    // Boundaries come from the content, so that a letter is the same bytes each time.
    let boundary = |part: &str| {
        let seed = format!("{part}\n{}\n{}", letter.message_id, letter.text);
        format!("={}=", store::sha256(seed.as_bytes()).chars().take(40).collect::<String>())
    };
    let alternative = MultiPart::builder()
        .kind(MultiPartKind::Alternative)
        .boundary(boundary("alternative"))
        .singlepart(text_part(ContentType::TEXT_PLAIN, &letter.text))
        .singlepart(text_part(ContentType::TEXT_HTML, &letter.html));
    if letter.attachments.is_empty() {
        return Ok(builder.multipart(alternative)?.formatted());
    }
    let mut mixed = MultiPart::builder()
        .kind(MultiPartKind::Mixed)
        .boundary(boundary("mixed"))
        .multipart(alternative);
    for (name, kind, content) in &letter.attachments {
        let kind = ContentType::parse(kind).map_err(|_| MessageError::Type((*kind).to_owned()))?;
        mixed = mixed.singlepart(
            SinglePart::builder()
                .header(ContentDisposition::attachment(name))
                .header(kind)
                .header(ContentTransferEncoding::Base64)
                .body(content.clone()),
        );
    }
    Ok(builder.multipart(mixed)?.formatted())
}

/// Quoted-printable keeps lines short and the letter readable in any program.
fn text_part(kind: ContentType, text: &str) -> SinglePart {
    SinglePart::builder()
        .header(kind)
        .header(ContentTransferEncoding::QuotedPrintable)
        .body(text.to_owned())
}

/// Text for a header: what steers a terminal, or ends a line, has no place there, and not all of
/// it would be encoded.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

/// The same, of a length that fits into a line where nothing can be folded (RFC 5322, 2.1.1).
fn short(text: &str) -> String {
    const LONGEST_CHARS: usize = 400;
    plain(text).chars().take(LONGEST_CHARS).collect()
}

fn parse(mailbox: &str) -> Result<Mailbox, MessageError> {
    plain(mailbox)
        .parse()
        .map_err(|source| MessageError::Address { found: mailbox.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            from: "Mail audit <mail-audit@contoso.example>".to_owned(),
            to: "auditor@contoso.example".to_owned(),
            message_id: message_id(&["weekly"], "auditor@contoso.example", "a@contoso.example"),
            date: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
            subject: "Übersicht\r\nBcc: victim@example.com".to_owned(),
            html: "<p>ä</p>".to_owned(),
            text: "ä\n.\nFrom here".to_owned(),
            headers: vec![("Auto-Submitted", "auto-generated".to_owned())],
            attachments: vec![("a.csv".to_owned(), "text/csv", b"a,b\r\n".to_vec())],
        }
    }

    #[test]
    fn the_same_letter_is_the_same_bytes() {
        assert_eq!(bytes(&letter()).unwrap(), bytes(&letter()).unwrap());
    }

    #[test]
    fn a_line_end_in_a_subject_makes_no_header() {
        let text = String::from_utf8(bytes(&letter()).unwrap()).unwrap();
        assert!(!text.contains("\r\nBcc:"), "{text}");
        assert!(text.is_ascii());
    }

    #[test]
    fn a_message_id_tells_recipients_and_purposes_apart_but_names_nobody() {
        let id = |part, to| message_id(&["weekly.audit", part], to, "a@contoso.example");
        assert_eq!(id("r1", "x@y.example"), id("r1", "x@y.example"));
        assert_ne!(id("r1", "x@y.example"), id("r1", "z@y.example"));
        assert_ne!(id("r1", "x@y.example"), id("r2", "x@y.example"));
        assert!(id("r1", "x@y.example").ends_with("@contoso.example"));
        assert!(!id("r1", "x@y.example").contains("y.example"));
    }
}
