//! How mail leaves: the checked form of `[mail]`.
//!
//! Secrets are looked at when settings are checked (is the file there, is it private?) and
//! read only when a connection needs them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::RunError;
use super::secret::{Secret, private_file};
use crate::config::{Auth, ConfigError, Home, MailConfig, OnDoubt, Security, Transport};
use crate::deliver::outcome::{Outcome, Receipt};
use crate::deliver::{folder, message, smtp};
use crate::render::branding::Accent;
use crate::render::mail;
use crate::store;

/// Sender where none is given and mail goes into a folder.
const FROM: &str = "intransit <intransit@localhost>";

/// How mail leaves.
#[derive(Debug, Clone)]
pub struct Post {
    /// The way out.
    pub way: Way,
    /// Sender, with its display name.
    pub from: String,
    /// Its address alone.
    pub sender: String,
    /// What happens to a message in doubt.
    pub on_doubt: OnDoubt,
    /// Largest message in bytes, as it travels.
    pub max_bytes: usize,
    /// How long handing over may take in one look.
    pub longest: Duration,
}

/// The way out.
#[derive(Debug, Clone)]
pub enum Way {
    /// `.eml` files in a folder.
    Folder(PathBuf),
    /// A relay.
    Smtp(Box<RelaySettings>),
}

/// A relay, with its secrets still where they lie.
#[derive(Debug, Clone)]
pub struct RelaySettings {
    host: String,
    port: u16,
    security: smtp::Security,
    auth: Auth,
    username: String,
    secret: Secret,
    ca_file: Option<PathBuf>,
    hello: Option<String>,
    longest_wait: Option<Duration>,
}

impl Post {
    /// Checks `[mail]`; `longest` is how long handing over may take in one look.
    ///
    /// # Errors
    /// [`ConfigError::Value`] naming file and key.
    pub fn of(
        home: &Home,
        mail: &MailConfig,
        file: &Path,
        longest: Duration,
    ) -> Result<Self, ConfigError> {
        let way = match mail.transport {
            Transport::Folder => Way::Folder(home.path(&mail.folder)),
            Transport::Smtp => Way::Smtp(Box::new(relay(home, mail, file)?)),
        };
        let from = match (&mail.from, mail.transport) {
            (Some(from), _) => from.clone(),
            (None, Transport::Folder) => FROM.to_owned(),
            (None, Transport::Smtp) => {
                let hint = "from = \"Mail audit <mail-audit@contoso.example>\"";
                return Err(ConfigError::value(file, "mail.from", "is missing", hint));
            }
        };
        let sender = message::address(&from).map_err(|error| {
            let hint = "write it as Mail audit <mail-audit@contoso.example>";
            ConfigError::value(file, "mail.from", error.to_string(), hint)
        })?;
        if mail.max_megabytes == 0 {
            let hint = "20 suits most relays";
            return Err(ConfigError::value(file, "mail.max_megabytes", "is 0", hint));
        }
        let max_bytes = usize::try_from(mail.max_megabytes).unwrap_or(usize::MAX);
        let max_bytes = max_bytes.saturating_mul(1_000_000);
        Ok(Self { way, from, sender, on_doubt: mail.on_doubt, max_bytes, longest })
    }

    /// A name for the relay that changes when its settings do: what is parked is this.
    pub fn relay_name(&self) -> String {
        match &self.way {
            Way::Folder(folder) => format!("folder {}", folder.display()),
            Way::Smtp(relay) => {
                let settings = store::sha256(format!("{relay:?}").as_bytes());
                let short: String = settings.chars().take(8).collect();
                format!("{}:{} {short}", relay.host, relay.port)
            }
        }
    }
}

impl Post {
    /// With which secret the relay is signed in at: where it comes from, never what it is.
    pub fn origin(&self) -> Option<String> {
        let Way::Smtp(relay) = &self.way else { return None };
        let origin = relay.secret.origin()?;
        Some(format!("signs in at {} as `{}` with {origin}", relay.host, relay.username))
    }

    /// Says whether mail could leave: the folder is there or can be made, the relay answers,
    /// protects the connection and takes our name. No message is sent.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn probe(&self) -> Result<(), String> {
        match &self.way {
            Way::Folder(folder) => match folder.metadata() {
                Ok(facts) if !facts.is_dir() => Err(format!("`{}` is no folder", folder.display())),
                _ => Ok(()),
            },
            Way::Smtp(relay) => {
                let name = format!("{}:{}", relay.host, relay.port);
                let session = smtp::Session::open(&relay.open()?);
                session.map(smtp::Session::close).map_err(|failure| format!("{name}: {failure}"))
            }
        }
    }

    /// Sends a test mail at once, past the outbox: its receipt, or why it did not go.
    ///
    /// # Errors
    /// [`RunError`] when the mail cannot be made, as when the address is none.
    pub fn test(
        &self,
        address: &str,
        accent: Option<Accent>,
        now: DateTime<Utc>,
    ) -> Result<Result<Receipt, String>, RunError> {
        let to = message::address(address)?;
        let body = mail::notice(&mail::Notice::Test, super::settings::LANGUAGE, accent)?;
        let second = now.timestamp().to_string();
        let message_id = message::message_id(&["test", &second], &to, &self.sender);
        let bytes = message::bytes(&message::Letter {
            from: self.from.clone(),
            to: to.clone(),
            message_id: message_id.clone(),
            date: now,
            subject: body.subject,
            html: body.html,
            text: body.text,
            headers: vec![("Auto-Submitted", "auto-generated".to_owned())],
            attachments: Vec::new(),
        })?;
        let outcome = match &self.way {
            Way::Folder(folder) => folder::write(folder, &message_id, &bytes),
            Way::Smtp(relay) => {
                let session = relay.open().and_then(|relay| {
                    smtp::Session::open(&relay).map_err(|failure| failure.to_string())
                });
                let mut session = match session {
                    Ok(session) => session,
                    Err(why) => return Ok(Err(why)),
                };
                let parcel = smtp::Parcel {
                    sender: &self.sender,
                    recipient: &to,
                    message_id: &message_id,
                    bytes: &bytes,
                };
                let outcome = session.send(&parcel, &mut || Ok(()));
                session.close();
                outcome
            }
        };
        Ok(match outcome {
            Outcome::Delivered(receipt) => Ok(receipt),
            Outcome::RelayDown(failure) => Err(failure.to_string()),
            Outcome::InDoubt { phase, why } => Err(format!("in doubt at {phase}: {why}")),
            Outcome::Refused { phase, why }
            | Outcome::TooLarge { phase, why }
            | Outcome::Deferred { phase, why } => Err(format!("{phase}: {why}")),
        })
    }
}

impl RelaySettings {
    /// The relay with its secrets read.
    ///
    /// # Errors
    /// A sentence that says what could not be read; it never holds a secret.
    pub fn open(&self) -> Result<smtp::Relay, String> {
        let read = |path: &Path| {
            std::fs::read(path)
                .map_err(|error| format!("cannot read `{}`: {error}", path.display()))
        };
        let ca_pem = self.ca_file.as_deref().map(read).transpose()?;
        let username = self.username.clone();
        let auth = match self.auth {
            Auth::None => smtp::Auth::None,
            Auth::Password => smtp::Auth::Password { username, password: self.secret.read()? },
            Auth::Xoauth2 => smtp::Auth::Xoauth2 { username, token: self.secret.read()? },
        };
        Ok(smtp::Relay {
            host: self.host.clone(),
            port: self.port,
            security: self.security,
            auth,
            ca_pem,
            hello: self.hello.clone(),
            longest_wait: self.longest_wait,
        })
    }
}

fn relay(home: &Home, mail: &MailConfig, file: &Path) -> Result<RelaySettings, ConfigError> {
    let missing = |key: &str, hint: &str| ConfigError::value(file, key, "is missing", hint);
    let host = mail.host.clone().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| missing("mail.host", "host = \"smtp.example.com\""))?;
    let (security, usual_port) = match mail.security {
        Security::Starttls => (smtp::Security::StartTls, 587),
        Security::Tls => (smtp::Security::Tls, 465),
        Security::NoneLoopbackOnly => (smtp::Security::NoneLoopbackOnly, 25),
    };
    let username = mail.username.clone().unwrap_or_default();
    if mail.auth != Auth::None && username.is_empty() {
        return Err(missing("mail.username", "`auth` needs a name"));
    }
    let secret = secret(home, mail, file)?;
    let ca_file = mail.ca_file.as_ref().map(|path| home.path(path));
    if let Some(path) = &ca_file {
        std::fs::File::open(path).map_err(|error| {
            let found = format!("cannot read `{}`: {error}", path.display());
            ConfigError::value(file, "mail.ca_file", found, "a PEM file of certificates")
        })?;
    }
    let longest_wait = mail.longest_wait.as_ref().and_then(|span| span.length().to_std().ok());
    Ok(RelaySettings {
        host,
        port: mail.port.unwrap_or(usual_port),
        security,
        auth: mail.auth,
        username,
        secret,
        ca_file,
        hello: mail.hello.clone(),
        longest_wait,
    })
}

fn secret(home: &Home, mail: &MailConfig, file: &Path) -> Result<Secret, ConfigError> {
    match mail.auth {
        Auth::None => Ok(Secret::None),
        Auth::Xoauth2 if mail.token_command.is_empty() => {
            let hint = "token_command = [\"/usr/local/bin/token\"], which prints a bearer token";
            Err(ConfigError::value(file, "mail.token_command", "is missing", hint))
        }
        Auth::Xoauth2 => Ok(Secret::Command(mail.token_command.clone())),
        Auth::Password => match (&mail.password_file, &mail.password_env) {
            (Some(path), None) => {
                let path = home.path(path);
                private_file(&path, "mail.password_file", file)?;
                Ok(Secret::File(path))
            }
            (None, Some(name)) if std::env::var_os(name).is_some() => {
                Ok(Secret::Variable(name.clone()))
            }
            (None, Some(name)) => {
                let found = format!("the environment variable `{name}` is not set");
                let hint = "set it for the process that sends the mail";
                Err(ConfigError::value(file, "mail.password_env", found, hint))
            }
            (given, _) => {
                let found =
                    if given.is_some() { "stands beside password_env" } else { "is missing" };
                let hint = "give password_file or password_env, one of them";
                Err(ConfigError::value(file, "mail.password_file", found, hint))
            }
        },
    }
}
