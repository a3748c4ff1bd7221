//! What the relay can do, and how one message is announced to it.
//!
//! ```text
//! offered      MAIL FROM                    RCPT TO                  not offered
//! SIZE         SIZE=octets (RFC 1870)       -                        nothing is said
//! DSN          RET=HDRS ENVID=id            NOTIFY=FAILURE,DELAY     nothing is said (RFC 3461)
//! 8BITMIME     BODY=8BITMIME when needed    -                        8-bit content is refused
//! SMTPUTF8     SMTPUTF8 when needed         -                        domains become A-labels
//! ```
//!
//! Pure functions: nothing here touches the wire.

use std::collections::BTreeMap;

use lettre::Address;
use lettre::transport::smtp::commands::{Mail, Rcpt};
use lettre::transport::smtp::extension::{MailBodyParameter, MailParameter, RcptParameter};

use super::Parcel;
use super::wire::Content;
use crate::deliver::outcome::{Outcome, Phase, RelayFailure, presentable};

/// The longest envelope identifier (RFC 3461 section 4.4), in characters after encoding.
const LONGEST_ENVID_CHARS: usize = 100;

/// What the relay offered in its reply to EHLO (RFC 5321 section 4.1.1.1): keywords with
/// their parameters, all in upper case.
#[derive(Debug, Default)]
pub(super) struct Offers(BTreeMap<String, Vec<String>>);

impl Offers {
    /// Reads the lines of an EHLO reply; the first one only greets.
    ///
    /// Keywords count in any case, and `AUTH=` is an old spelling of `AUTH `.
    pub(super) fn read(lines: &[String]) -> Self {
        let mut keywords: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in lines.iter().skip(1) {
            let line = line.to_ascii_uppercase();
            let mut words = line.split([' ', '=', '\t']).filter(|word| !word.is_empty());
            if let Some(keyword) = words.next() {
                let parameters = words.map(str::to_owned);
                keywords.entry(keyword.to_owned()).or_default().extend(parameters);
            }
        }
        Self(keywords)
    }

    /// Whether a keyword, given in upper case, was offered.
    pub(super) fn has(&self, keyword: &str) -> bool {
        self.0.contains_key(keyword)
    }

    /// The mechanisms of AUTH.
    pub(super) fn mechanisms(&self) -> &[String] {
        self.0.get("AUTH").map_or(&[], Vec::as_slice)
    }

    /// The largest message in octets; 0 or no number means that no limit is announced.
    fn limit(&self) -> Option<u64> {
        let limit = self.0.get("SIZE")?.first()?.parse().ok()?;
        (limit > 0).then_some(limit)
    }
}

/// The two commands that announce one message.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) mail: Mail,
    pub(super) rcpt: Rcpt,
}

/// Says how a parcel is announced to this relay, or why it cannot be.
pub(super) fn address(
    parcel: &Parcel<'_>,
    content: &Content,
    offers: &Offers,
) -> Result<Envelope, Outcome> {
    let sender = parse(parcel.sender, offers.has("SMTPUTF8")).map_err(|why| {
        let why = format!("the sender `{}` cannot be used: {why}", presentable(parcel.sender));
        Outcome::RelayDown(RelayFailure { phase: Phase::MailFrom, why, needs_a_person: true })
    })?;
    let recipient = parse(parcel.recipient, offers.has("SMTPUTF8")).map_err(|why| {
        let recipient = presentable(parcel.recipient);
        let why = format!("the recipient `{recipient}` cannot be used: {why}");
        Outcome::Refused { phase: Phase::RcptTo, why }
    })?;
    let mut parameters = Vec::new();
    if offers.has("SIZE") {
        parameters.push(MailParameter::Size(within_limit(content, offers)?));
    }
    if content.eight_bit {
        if !offers.has("8BITMIME") {
            let why = "the message holds 8-bit bytes, the relay does not offer 8BITMIME";
            return Err(Outcome::Refused { phase: Phase::MailFrom, why: why.to_owned() });
        }
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    if ![&sender, &recipient].iter().all(|address| AsRef::<str>::as_ref(address).is_ascii()) {
        parameters.push(MailParameter::SmtpUtfEight);
    }
    let mut notify = Vec::new();
    if offers.has("DSN") {
        parameters.push(MailParameter::Other {
            keyword: "RET".to_owned(),
            value: Some("HDRS".to_owned()),
        });
        parameters.extend(envelope_id(parcel.message_id));
        notify.push(RcptParameter::Other {
            keyword: "NOTIFY".to_owned(),
            value: Some("FAILURE,DELAY".to_owned()),
        });
    }
    Ok(Envelope { mail: Mail::new(Some(sender), parameters), rcpt: Rcpt::new(recipient, notify) })
}

/// RFC 1870 section 6.3: a client that knows the size and the limit does not even ask.
fn within_limit(content: &Content, offers: &Offers) -> Result<usize, Outcome> {
    let limit = offers.limit().unwrap_or(u64::MAX);
    if u64::try_from(content.octets).unwrap_or(u64::MAX) > limit {
        let why =
            format!("the message has {} octets, the relay takes at most {limit}", content.octets);
        return Err(Outcome::TooLarge { phase: Phase::MailFrom, why });
    }
    Ok(content.octets)
}

/// The Message-ID as ENVID, so that a bounce names the message; the command type turns the
/// value into xtext. Left out where RFC 3461 section 4.4 does not allow it.
fn envelope_id(message_id: &str) -> Option<MailParameter> {
    let id = message_id.trim().trim_start_matches('<').trim_end_matches('>');
    let encoded: usize = id.chars().map(|c| if matches!(c, '+' | '=' | ' ') { 3 } else { 1 }).sum();
    let printable = id.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    (printable && (1..=LONGEST_ENVID_CHARS).contains(&encoded))
        .then(|| MailParameter::Other { keyword: "ENVID".to_owned(), value: Some(id.to_owned()) })
}

fn parse(address: &str, utf8: bool) -> Result<Address, String> {
    // Also a quoted local part may hold none of these: they would end the address or the
    // command for a relay that reads less carefully.
    if address.contains(['<', '>']) || address.chars().any(|c| c.is_control() || c.is_whitespace())
    {
        return Err("it holds a blank, an angle bracket or a control character".to_owned());
    }
    let parsed: Address = address.parse().map_err(|error| format!("{error}"))?;
    if utf8 || address.is_ascii() {
        return Ok(parsed);
    }
    if !parsed.user().is_ascii() {
        return Err("the relay lacks SMTPUTF8, which such a name needs".to_owned());
    }
    let domain = idna::domain_to_ascii(parsed.domain())
        .map_err(|_| "its domain has no form in ASCII".to_owned())?;
    Address::new(parsed.user(), domain).map_err(|error| format!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::super::wire::encode;
    use super::*;

    fn offers(lines: &[&str]) -> Offers {
        let greeting = std::iter::once("relay greets you");
        let lines: Vec<String> = greeting.chain(lines.iter().copied()).map(str::to_owned).collect();
        Offers::read(&lines)
    }

    /// RFC 5321 section 4.1.1.1: keywords count in any case.
    #[test]
    fn offers_are_read_in_any_case() {
        let read = offers(&["size 1000", "StartTLS", "auth plain Login", "AUTH=XOAUTH2", "Dsn"]);
        assert!(read.has("STARTTLS") && read.has("DSN") && !read.has("SMTPUTF8"));
        assert_eq!(read.mechanisms(), ["PLAIN", "LOGIN", "XOAUTH2"]);
        assert!(offers(&[]).mechanisms().is_empty());
        for (line, limit) in [("size 9", Some(9)), ("SIZE", None), ("SIZE 0", None), ("X", None)] {
            assert_eq!(offers(&[line]).limit(), limit, "{line}");
        }
        let greeting_only = Offers::read(&["STARTTLS".to_owned()]);
        assert!(!greeting_only.has("STARTTLS"), "the first line greets");
    }

    fn commands(offered: &[&str], recipient: &str, id: &str, bytes: &[u8]) -> String {
        let parcel = Parcel { sender: "a@example.org", recipient, message_id: id, bytes };
        match address(&parcel, &encode(bytes), &offers(offered)) {
            Ok(envelope) => format!("{}{}", envelope.mail, envelope.rcpt),
            Err(outcome) => format!("{outcome:?}"),
        }
    }

    #[test]
    fn only_what_is_offered_is_used() {
        let all = ["SIZE 1000", "DSN", "8BITMIME", "SMTPUTF8"];
        let plain = commands(&[], "b@example.org", "<1+x@e>", b"hi\n");
        assert_eq!(plain, "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n");
        assert_eq!(
            commands(&all, "b@example.org", "<1+x@e>", b"hi\n"),
            "MAIL FROM:<a@example.org> SIZE=4 RET=HDRS ENVID=1+2Bx@e\r\n\
             RCPT TO:<b@example.org> NOTIFY=FAILURE,DELAY\r\n"
        );
        assert_eq!(
            commands(&["8BITMIME", "SMTPUTF8"], "ünï@exämple.org", "<1@e>", "hé".as_bytes()),
            "MAIL FROM:<a@example.org> BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<ünï@exämple.org>\r\n"
        );
        let a_label = commands(&[], "b@exämple.org", "<1@e>", b"");
        assert!(a_label.contains("RCPT TO:<b@xn--exmple-cua.org>\r\n"), "{a_label}");
    }

    /// RFC 3461 section 4.4.
    #[test]
    fn an_unfit_envelope_id_is_left_out() {
        for id in ["", "<>", "<é@e>", "<a\r\nb@e>", &"x".repeat(101), &"+".repeat(34)] {
            let said = commands(&["DSN"], "b@example.org", id, b"");
            assert!(said.contains("RET=HDRS\r\n"), "{id}: {said}");
        }
    }

    /// A parcel's addresses come from configuration; none may carry a second command.
    #[test]
    fn no_address_can_carry_a_command() {
        for recipient in [
            "b@example.org\r\nRCPT TO:<c@example.org>",
            "b@example.org> NOTIFY=NEVER",
            "\"a b\"@example.org",
            "\"a>b\"@example.org",
            "\"a\r\nb\"@example.org",
            "b",
            "",
        ] {
            let said = commands(&["SMTPUTF8"], recipient, "<1@e>", b"");
            assert!(said.starts_with("Refused"), "{recipient}: {said}");
        }
    }
}
