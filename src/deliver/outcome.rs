//! What came of one attempt to hand a message to a relay.
//!
//! The question every value answers is "may the relay have this message now?":
//!
//! ```text
//! Delivered                          yes, and it said so
//! InDoubt                            perhaps: the final dot may have arrived, no valid reply did
//! Refused TooLarge Deferred          no: the relay said so, about this message
//! RelayDown                          no: the conversation never came to an accepted message
//! ```
//!
//! Invariants
//! * Only `InDoubt` can lead to a duplicate when the message is sent again.
//! * Texts of a relay are shortened and hold no control characters; they may be logged.

use std::fmt;

/// The most characters of a relay's text that are kept.
const LONGEST_TEXT_CHARS: usize = 500;

/// Where in an SMTP conversation something happened (RFC 5321 section 4.1.4 has the order).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Finding the address of the relay and connecting to it.
    Connect,
    /// Waiting for the relay's first line.
    Greeting,
    /// Saying EHLO, before or after TLS began.
    Ehlo,
    /// Asking for TLS (RFC 3207).
    StartTls,
    /// Agreeing on TLS and checking the certificate.
    Handshake,
    /// Proving who we are (RFC 4954).
    Auth,
    /// Naming the sender.
    MailFrom,
    /// Naming the recipient.
    RcptTo,
    /// Asking to send the content.
    Data,
    /// Sending the content.
    Body,
    /// Sending the final dot, and waiting for the relay's word on the message.
    FinalDot,
}

impl Phase {
    /// The stable name, in kebab-case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Greeting => "greeting",
            Self::Ehlo => "ehlo",
            Self::StartTls => "start-tls",
            Self::Handshake => "handshake",
            Self::Auth => "auth",
            Self::MailFrom => "mail-from",
            Self::RcptTo => "rcpt-to",
            Self::Data => "data",
            Self::Body => "body",
            Self::FinalDot => "final-dot",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a relay answered to one command (RFC 5321 section 4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The three-digit code, 200 to 599.
    pub code: u16,
    /// All lines joined by a blank, with enhanced status codes as sent; without control
    /// characters, at most 500 characters.
    pub text: String,
}

impl Reply {
    /// Takes a reply as the relay gave it and makes its text fit to be shown.
    pub fn new(code: u16, text: &str) -> Self {
        Self { code, text: presentable(text) }
    }

    /// The enhanced status code at the start of the text, such as `5.1.1` (RFC 2034).
    pub fn enhanced(&self) -> Option<&str> {
        let word = self.text.split(' ').next()?;
        let parts: Vec<&str> = word.split('.').collect();
        let numbers = parts.iter().all(|part| {
            (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        });
        (parts.len() == 3 && numbers).then_some(word)
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() {
            write!(f, "{}", self.code)
        } else {
            write!(f, "{} {}", self.code, self.text)
        }
    }
}

/// Makes text of a stranger fit for a log line or a table cell: control characters and those
/// that change the reading direction become `?`, and the end is cut off after 500 characters.
pub fn presentable(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let clean = |c: char| if c.is_control() || turns(c) { '?' } else { c };
    text.trim().chars().take(LONGEST_TEXT_CHARS).map(clean).collect()
}

/// The proof of a delivery: what the relay said, and over which connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The reply to the final dot, such as `250 2.0.0 Ok: queued as 4F1C2`.
    pub reply: String,
    /// The relay as `host:port (ip)`.
    pub relay: String,
    /// `TLSv1.3` or `TLSv1.2`; absent over a loopback connection without TLS.
    pub tls: Option<String>,
    /// The cipher suite by its IANA name, such as `TLS_AES_256_GCM_SHA384`.
    pub cipher: Option<String>,
    /// SHA-256 over the DER bytes of the relay's own certificate, in lower-case hex.
    pub certificate_sha256: Option<String>,
}

/// What came of sending one message to one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The relay took responsibility for the message (RFC 5321 section 6.1).
    Delivered(Receipt),
    /// The relay refused this message or recipient for good.
    Refused {
        /// Where it was refused.
        phase: Phase,
        /// What the relay said, or what made sending impossible.
        why: String,
    },
    /// The message is larger than the relay takes (RFC 1870); nothing was accepted.
    TooLarge {
        /// Where it was refused; `MailFrom` also when the announced limit forbade to try.
        phase: Phase,
        /// What the relay said, or both sizes in octets.
        why: String,
    },
    /// Not now: the relay put this message off, nothing was accepted.
    Deferred {
        /// Where it was put off.
        phase: Phase,
        /// What the relay said, or what failed on our side.
        why: String,
    },
    /// The final dot went out, or may have, and no valid reply came (RFC 1047).
    InDoubt {
        /// Always `FinalDot`.
        phase: Phase,
        /// What happened instead of a reply.
        why: String,
    },
    /// The relay as a whole cannot be used now; this message was surely not accepted.
    RelayDown(RelayFailure),
}

/// Why a relay as a whole cannot be used now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at {phase}: {why}")]
pub struct RelayFailure {
    /// How far the conversation came.
    pub phase: Phase,
    /// What the relay said, or what went wrong; never holds a password or token.
    pub why: String,
    /// Whether trying again is useless until a person has changed a setting, a certificate,
    /// or something at the relay.
    pub needs_a_person: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_text_cannot_break_a_log_line() {
        let reply = Reply::new(550, " 5.1.1 no\r\nsuch\u{1b}[31m user\u{202e} ");
        assert_eq!(reply.to_string(), "550 5.1.1 no??such?[31m user?");
        assert_eq!(Reply::new(550, &"é".repeat(900)).text.chars().count(), 500);
        assert_eq!(Reply::new(250, "").to_string(), "250");
    }

    #[test]
    fn enhanced_codes_are_recognised() {
        let cases = [
            ("5.1.1 no such user", Some("5.1.1")),
            ("5.7.139 Authentication unsuccessful", Some("5.7.139")),
            ("5.1 no such user", None),
            ("10.0.0.1 is blocked", None),
            ("5.1.1000 no", None),
            ("5..1 no", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Reply::new(550, text).enhanced(), expected, "{text}");
        }
    }
}
