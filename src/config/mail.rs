//! Settings of who gets mail, and how it leaves.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

use super::Span;

/// `[mail]`: how mail leaves.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MailConfig {
    /// `folder` writes `.eml` files, `smtp` hands them to a relay.
    pub transport: Transport,
    /// Folder of the `.eml` files.
    pub folder: String,
    /// Name of the relay.
    pub host: Option<String>,
    /// Its port; 587 for `starttls`, 465 for `tls`, 25 for `none-loopback-only` where not given.
    pub port: Option<u16>,
    /// How the connection is protected; it is never optional.
    pub security: Security,
    /// How we say who we are.
    pub auth: Auth,
    /// Name for `password` and `xoauth2`.
    pub username: Option<String>,
    /// File that holds the password, readable by its owner only.
    pub password_file: Option<String>,
    /// Environment variable that holds the password.
    pub password_env: Option<String>,
    /// Command that prints a bearer token.
    pub token_command: Vec<String>,
    /// PEM file of the only authorities to trust; those of the system where not given.
    pub ca_file: Option<String>,
    /// Sender, as in `Mail audit <mail-audit@contoso.example>`.
    pub from: Option<String>,
    /// Name for EHLO; the host's own where not given.
    pub hello: Option<String>,
    /// What happens to a message of which nobody knows whether it arrived.
    pub on_doubt: OnDoubt,
    /// Largest message in megabytes, attachments as they travel (base64); default 20.
    pub max_megabytes: u32,
    /// Longest wait for any answer of the relay; the times of RFC 5321 where not given.
    pub longest_wait: Option<Span>,
    /// How long to wait for traces that are not whole yet; see the key of the same name above.
    pub wait_for_data: Option<Span>,
}

impl Default for MailConfig {
    fn default() -> Self {
        Self {
            transport: Transport::Folder,
            folder: "outbox".to_owned(),
            host: None,
            port: None,
            security: Security::Starttls,
            auth: Auth::None,
            username: None,
            password_file: None,
            password_env: None,
            token_command: Vec::new(),
            ca_file: None,
            from: None,
            hello: None,
            on_doubt: OnDoubt::Resend,
            max_megabytes: 20,
            longest_wait: None,
            wait_for_data: None,
        }
    }
}

/// The variables that hold passwords, by all settings that this process has read.
static SECRET_VARIABLES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Notes where secrets are, so that no command of any schedule is given them.
pub(super) fn note_secrets<'a>(variables: impl Iterator<Item = &'a String>) {
    let mut names = SECRET_VARIABLES.lock().unwrap_or_else(PoisonError::into_inner);
    names.extend(variables.cloned());
}

/// The environment variables that hold passwords, by all settings that this process has read.
pub fn secret_variables() -> Vec<String> {
    SECRET_VARIABLES.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
}

/// How mail leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Files in a folder.
    Folder,
    /// A relay.
    Smtp,
}

/// How the connection to the relay is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Security {
    /// STARTTLS, and nothing without it.
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// No TLS, to this very machine only.
    NoneLoopbackOnly,
}

/// How we say who we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// Not at all.
    None,
    /// Name and password.
    Password,
    /// Name and bearer token.
    Xoauth2,
}

/// What happens to a message of which nobody knows whether it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnDoubt {
    /// The very same bytes are sent once more.
    Resend,
    /// It waits for a person.
    Hold,
}

/// `[[recipient]]`
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecipientConfig {
    /// Address.
    pub address: String,
    /// Language of this recipient's mail and attachments; that of the report where not given.
    #[serde(default)]
    pub language: Option<String>,
    /// Formats that go along; the mail body is always the summary.
    #[serde(default)]
    pub attach: Vec<String>,
    /// Only these connectors; all where empty.
    #[serde(default)]
    pub connectors: Vec<String>,
}

/// `[notify]`: who is told when something goes wrong.
#[derive(Debug, Clone, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NotifyConfig {
    /// Address or addresses.
    pub address: Addresses,
}

/// One address or several.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Addresses {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl Default for Addresses {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl Addresses {
    /// All of them.
    pub fn list(&self) -> &[String] {
        match self {
            Self::One(address) => std::slice::from_ref(address),
            Self::Several(addresses) => addresses,
        }
    }
}
