//! Proving to the relay who we are (RFC 4954).
//!
//! ```text
//! Password   PLAIN (RFC 4616), or LOGIN where only that is offered
//! Xoauth2    XOAUTH2 with a bearer token, as Microsoft 365 and Gmail take it
//! ```
//!
//! Invariant: no error text holds a password or token, not even when the relay repeats it.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::commands;

use super::wire::{Answer, Wire};
use crate::deliver::outcome::{Phase, RelayFailure, Reply, presentable};

/// The longest AUTH command with its line end, in bytes (RFC 5321 section 4.5.3.1.4).
const LONGEST_COMMAND_BYTES: usize = 512;

/// How to authenticate at the relay.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// Not at all: the relay knows us by our address.
    None,
    /// With a name and a password.
    Password {
        /// The name of the account.
        username: String,
        /// Its password.
        password: String,
    },
    /// With an OAuth 2.0 bearer token.
    Xoauth2 {
        /// The mailbox that sends.
        username: String,
        /// The access token, without the word `Bearer`.
        token: String,
    },
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Password { username, .. } => {
                f.debug_struct("Password").field("username", username).finish_non_exhaustive()
            }
            Self::Xoauth2 { username, .. } => {
                f.debug_struct("Xoauth2").field("username", username).finish_non_exhaustive()
            }
        }
    }
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
    // NUL and SOH separate the parts of a response; a line end is left over from a file.
    if [username, secret].iter().any(|text| text.is_empty() || text.contains(char::is_control)) {
        return Err(failure(
            "the user name and the secret must hold text without control characters",
            true,
        ));
    }
    let credentials = Credentials::new(username.clone(), secret.clone());
    let mut talk = Talk { wire, wait, hidden: vec![secret.clone(), STANDARD.encode(secret)] };
    let answer = if mechanism == Mechanism::Login {
        talk.login(&credentials, username, secret)?
    } else {
        talk.initial(mechanism, credentials)?
    };
    talk.conclude(mechanism, &answer)
}

fn choose(wanted: &[Mechanism], offered: &[String]) -> Result<Mechanism, RelayFailure> {
    let found = wanted.iter().find(|mechanism| offered.contains(&mechanism.to_string()));
    found.copied().ok_or_else(|| {
        let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
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
    hidden: Vec<String>,
}

impl Talk<'_> {
    fn ask(&mut self, line: &str) -> Result<Answer, RelayFailure> {
        let answer = self.wire.ask(&line, self.wait);
        answer.map_err(|error| failure(&error.reword(|text| self.hide(text)).to_string(), false))
    }

    /// Says the first response with the command, or after it when the line would be too long:
    /// bearer tokens usually are (RFC 4954 section 4).
    fn initial(
        &mut self,
        mechanism: Mechanism,
        credentials: Credentials,
    ) -> Result<Answer, RelayFailure> {
        let unusable = |_| failure("the credentials cannot be expressed in this mechanism", true);
        let response = STANDARD.encode(mechanism.response(&credentials, None).map_err(unusable)?);
        self.hidden.push(response.clone());
        let command =
            commands::Auth::new(mechanism, credentials, None).map_err(unusable)?.to_string();
        if command.len() <= LONGEST_COMMAND_BYTES {
            return self.ask(&command);
        }
        let answer = self.ask(&format!("AUTH {mechanism}\r\n"))?;
        self.go_on(&answer)?;
        self.ask(&format!("{response}\r\n"))
    }

    /// LOGIN asks for the name, then for the password; the wording of its questions varies,
    /// their order does not.
    fn login(
        &mut self,
        credentials: &Credentials,
        username: &str,
        secret: &str,
    ) -> Result<Answer, RelayFailure> {
        let unusable = |_| failure("the credentials cannot be expressed in this mechanism", true);
        let command = commands::Auth::new(Mechanism::Login, credentials.clone(), None);
        let answer = self.ask(&command.map_err(unusable)?.to_string())?;
        self.go_on(&answer)?;
        let answer = self.ask(&format!("{}\r\n", STANDARD.encode(username)))?;
        self.go_on(&answer)?;
        self.ask(&format!("{}\r\n", STANDARD.encode(secret)))
    }

    fn go_on(&self, answer: &Answer) -> Result<(), RelayFailure> {
        if answer.code == 334 { Ok(()) } else { Err(self.refusal(answer, "")) }
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
            return Err(self.refusal(answer, ""));
        }
        let reason = presentable(&self.hide(&read_challenge(&answer.lines.join(""))));
        let last = self.ask("\r\n")?;
        Err(self.refusal(&last, &format!(" ({reason})")))
    }

    fn refusal(&self, answer: &Answer, reason: &str) -> RelayFailure {
        let reply = Reply::new(answer.code, &self.hide(&answer.lines.join(" ")));
        match answer.class() {
            4 | 5 => failure(&format!("{reply}{reason}"), answer.class() == 5),
            _ => failure(&format!("unexpected answer `{reply}`{reason}"), false),
        }
    }

    fn hide(&self, text: &str) -> String {
        self.hidden.iter().fold(text.to_owned(), |text, hidden| text.replace(hidden, "[removed]"))
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
        let (username, secret) = ("robot".to_owned(), "hunter2".to_owned());
        let password = Auth::Password { username: username.clone(), password: secret.clone() };
        let token = Auth::Xoauth2 { username, token: secret };
        for auth in [password, token] {
            let shown = format!("{auth:?}");
            assert!(shown.contains("robot") && !shown.contains("hunter2"), "{shown}");
        }
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
