//! Proving to the relay who we are (RFC 4954).
//!
//! ```text
//! Password   PLAIN (RFC 4616), or LOGIN where only that is offered
//! Xoauth2    XOAUTH2 with a bearer token, as Microsoft 365 and Gmail take it
//! ```
//!
//! Invariant: no error text holds a password or token, not even when the relay repeats it.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use super::wire::{Answer, Wire};
use crate::deliver::outcome::{Phase, RelayFailure, presentable};

/// The longest AUTH command with its line end, in bytes (RFC 5321 section 4.5.3.1.4).
const LONGEST_COMMAND_BYTES: usize = 512;

/// How to authenticate at the relay. Secrets are wiped from memory when they are dropped, and
/// no form of printing shows them.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Not at all: the relay knows us by our address.
    None,
    /// With a name and a password.
    Password {
        /// The name of the account.
        username: String,
        /// Its password.
        password: SecretString,
    },
    /// With an OAuth 2.0 bearer token.
    Xoauth2 {
        /// The mailbox that sends.
        username: String,
        /// The access token, without the word `Bearer`.
        token: SecretString,
    },
}

/// How a secret is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mechanism {
    Plain,
    Login,
    Xoauth2,
}

impl Mechanism {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::Xoauth2 => "XOAUTH2",
        }
    }

    /// What is said at once: name and secret, as base64. LOGIN asks for them one by one.
    fn response(self, username: &str, secret: &str) -> Zeroizing<String> {
        let said = match self {
            Self::Plain => joined(&["\0", username, "\0", secret]),
            Self::Login => joined(&[]),
            Self::Xoauth2 => {
                joined(&["user=", username, "\u{1}auth=Bearer ", secret, "\u{1}\u{1}"])
            }
        };
        encoded(&said)
    }
}

/// Parts in one text, of which no copy is left behind while it grows.
fn joined(parts: &[&str]) -> Zeroizing<String> {
    let length = parts.iter().map(|part| part.len()).sum();
    let mut text = Zeroizing::new(String::with_capacity(length));
    for part in parts {
        text.push_str(part);
    }
    text
}

fn encoded(text: &str) -> Zeroizing<String> {
    Zeroizing::new(STANDARD.encode(text))
}

/// Authenticates as `auth` says.
///
/// * `offered`: the mechanisms of the EHLO reply, in upper case.
/// * `wait`: for each reply.
///
/// # Errors
/// [`RelayFailure`] of phase `Auth`; 5yz and a missing mechanism need a person, 4yz does not.
pub(super) fn authenticate(
    wire: &mut Wire,
    offered: &[String],
    auth: &Auth,
    wait: Duration,
) -> Result<(), RelayFailure> {
    let (wanted, username, secret) = match auth {
        Auth::None => return Ok(()),
        Auth::Password { username, password } => {
            ([Mechanism::Plain, Mechanism::Login].as_slice(), username, password)
        }
        Auth::Xoauth2 { username, token } => ([Mechanism::Xoauth2].as_slice(), username, token),
    };
    let mechanism = choose(wanted, offered)?;
    let secret = secret.expose_secret();
    // NUL and SOH separate the parts of a response; a line end is left over from a file.
    if [username, secret].iter().any(|text| text.is_empty() || text.contains(char::is_control)) {
        return Err(failure(
            "the user name and the secret must hold text without control characters",
            true,
        ));
    }
    // A relay that repeats it, now or later, is not quoted with it.
    wire.hide(secret);
    wire.hide(&encoded(secret));
    for mechanism in [Mechanism::Plain, Mechanism::Xoauth2] {
        wire.hide(&mechanism.response(username, secret));
    }
    let mut talk = Talk { wire, wait };
    let answer = if mechanism == Mechanism::Login {
        talk.login(username, secret)?
    } else {
        talk.initial(mechanism, &mechanism.response(username, secret))?
    };
    talk.conclude(mechanism, &answer)
}

fn choose(wanted: &[Mechanism], offered: &[String]) -> Result<Mechanism, RelayFailure> {
    let is_offered = |mechanism: &Mechanism| offered.iter().any(|name| name == mechanism.name());
    wanted.iter().copied().find(is_offered).ok_or_else(|| {
        let wanted: Vec<&str> = wanted.iter().map(|mechanism| mechanism.name()).collect();
        let offers = if offered.is_empty() {
            "no authentication".to_owned()
        } else {
            presentable(&offered.join(", "))
        };
        let why = format!("{} is needed, the relay offers: {offers}", wanted.join(" or "));
        failure(&why, true)
    })
}

fn failure(why: &str, needs_a_person: bool) -> RelayFailure {
    RelayFailure { phase: Phase::Auth, why: why.to_owned(), needs_a_person }
}

struct Talk<'a> {
    wire: &'a mut Wire,
    wait: Duration,
}

impl Talk<'_> {
    fn ask(&mut self, line: &str) -> Result<Answer, RelayFailure> {
        self.wire.ask_line(line, self.wait).map_err(|error| failure(&error.to_string(), false))
    }

    /// Says the first response with the command, or after it when the line would be too long:
    /// bearer tokens usually are (RFC 4954 section 4).
    fn initial(
        &mut self,
        mechanism: Mechanism,
        response: &Zeroizing<String>,
    ) -> Result<Answer, RelayFailure> {
        let command = joined(&["AUTH ", mechanism.name(), " ", response, "\r\n"]);
        if command.len() <= LONGEST_COMMAND_BYTES {
            return self.ask(&command);
        }
        let answer = self.ask(&format!("AUTH {}\r\n", mechanism.name()))?;
        go_on(&answer)?;
        self.ask(&joined(&[response, "\r\n"]))
    }

    /// LOGIN asks for the name, then for the password; the wording of its questions varies,
    /// their order does not.
    fn login(&mut self, username: &str, secret: &str) -> Result<Answer, RelayFailure> {
        let answer = self.ask("AUTH LOGIN\r\n")?;
        go_on(&answer)?;
        let answer = self.ask(&format!("{}\r\n", STANDARD.encode(username)))?;
        go_on(&answer)?;
        self.ask(&joined(&[&encoded(secret), "\r\n"]))
    }

    /// Judges the reply to the last response.
    ///
    /// XOAUTH2 puts the reason of a failure into a 334 challenge and gives the final code only
    /// after an empty line; a relay that never gets that line waits until it times out.
    fn conclude(&mut self, mechanism: Mechanism, answer: &Answer) -> Result<(), RelayFailure> {
        if answer.class() == 2 {
            return Ok(());
        }
        if answer.code != 334 || mechanism != Mechanism::Xoauth2 {
            return Err(refusal(answer, ""));
        }
        let reason = self.wire.without_secrets(&read_challenge(&answer.lines.join("")));
        let last = self.ask("\r\n")?;
        Err(refusal(&last, &format!(" ({})", presentable(&reason))))
    }
}

fn go_on(answer: &Answer) -> Result<(), RelayFailure> {
    if answer.code == 334 { Ok(()) } else { Err(refusal(answer, "")) }
}

fn refusal(answer: &Answer, reason: &str) -> RelayFailure {
    let reply = answer.reply();
    match answer.class() {
        4 | 5 => failure(&format!("{reply}{reason}"), answer.class() == 5),
        _ => failure(&format!("unexpected answer `{reply}`{reason}"), false),
    }
}

/// Puts the challenge of a failed XOAUTH2 into words; it is base64 over a JSON object. The
/// words are the relay's, not yet fit to be shown.
fn read_challenge(challenge: &str) -> String {
    let Ok(bytes) = STANDARD.decode(challenge.trim()) else {
        return challenge.to_owned();
    };
    let text = String::from_utf8_lossy(&bytes);
    let Ok(serde_json::Value::Object(object)) = serde_json::from_str(&text) else {
        return text.into_owned();
    };
    let words = object.iter().map(|(key, value)| match value {
        serde_json::Value::String(value) => format!("{key} {value}"),
        other => format!("{key} {other}"),
    });
    words.collect::<Vec<String>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_a_secret() {
        let (username, secret) = ("robot".to_owned(), SecretString::from("hunter2"));
        let password = Auth::Password { username: username.clone(), password: secret.clone() };
        let token = Auth::Xoauth2 { username, token: secret };
        for auth in [password, token] {
            let shown = format!("{auth:?} {auth:#?}");
            assert!(shown.contains("robot") && !shown.contains("hunter2"), "{shown}");
        }
    }

    /// The example of RFC 4616 section 4, and the one of Google's page on XOAUTH2.
    #[test]
    fn responses_are_those_of_the_documents() {
        let said = Mechanism::Plain.response("tim", "tanstaaftanstaaf");
        assert_eq!(STANDARD.decode(&*said).unwrap(), b"\0tim\0tanstaaftanstaaf");
        let said = Mechanism::Xoauth2.response("someuser@example.com", "ya29.vF9dft4qmTc2Nvb3");
        let expected: &[u8] =
            b"user=someuser@example.com\x01auth=Bearer ya29.vF9dft4qmTc2Nvb3\x01\x01";
        assert_eq!(STANDARD.decode(&*said).unwrap(), expected);
    }

    #[test]
    fn a_challenge_is_put_into_words() {
        let json = r#"{"status":"401","schemes":"bearer","n":1}"#;
        let cases = [
            (STANDARD.encode(json), "n 1, schemes bearer, status 401"),
            (STANDARD.encode("just text"), "just text"),
            ("not base64 !".to_owned(), "not base64 !"),
            (String::new(), ""),
        ];
        for (challenge, expected) in cases {
            // The order of the keys is that of the JSON library's map.
            let (mut got, mut expected): (Vec<_>, Vec<_>) = (
                read_challenge(&challenge).split(", ").map(str::to_owned).collect(),
                expected.split(", ").map(str::to_owned).collect(),
            );
            got.sort();
            expected.sort();
            assert_eq!(got, expected, "{challenge}");
        }
    }
}
