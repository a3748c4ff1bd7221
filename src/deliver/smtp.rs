//! Hands messages to a relay over SMTP (RFC 5321), one recipient at a time.
//!
//! ```text
//! Relay                 where, how secured, as whom
//! Session::open         connect, greeting, EHLO, TLS, EHLO, AUTH      -> Session | RelayFailure
//! Session::send         MAIL, RCPT, DATA, content, [note], final dot  -> Outcome
//! Session::close        QUIT
//! ```
//!
//! The commands and address types are those of `lettre`; the wire is our own, because an
//! audit needs to know two things that a mail library hides: which TLS version, cipher and
//! certificate carried the report, and whether the final dot went out before a failure.
//!
//! Invariants
//! * TLS is required, never merely tried; the one exception reaches no further than loopback.
//! * No credential is said before TLS, except over loopback when that exception was chosen.
//! * Nothing is in doubt before the final dot: whatever fails earlier was surely not accepted.
//! * Every wait is bounded, by RFC 5321 section 4.5.3.2 or more tightly by the caller. Only
//!   the name lookup is left to the system's own limits.
//!
//! Deliberately absent: pipelining, several recipients of one message, connection pools,
//! finding relays by MX, retries. When to try again is the caller's decision.

mod auth;
mod envelope;
mod tls;
mod wire;

use std::fmt::{self, Display};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use lettre::transport::smtp::commands::{Data, Ehlo, Quit, Rset, Starttls};
use lettre::transport::smtp::extension::ClientId;
use rustls::ClientConnection;

pub use self::auth::Auth;
use self::envelope::Offers;
use self::wire::{Answer, Wire, WireError};
use super::outcome::{Outcome, Phase, Receipt, RelayFailure, Reply};
use crate::clock::limit;

/// How much of the content is sent under one deadline, in bytes.
const BLOCK_BYTES: usize = 64 * 1024;
/// The longest time for the whole content: a relay may be slow, but not without end.
const WHOLE_BODY: Duration = Duration::from_hours(1);
/// The longest wait for what is only courtesy: QUIT, RSET, a word after a broken connection.
const COURTESY: Duration = Duration::from_secs(10);

/// The shortest wait: with no time at all the system takes none for a limit.
const SHORTEST: Duration = Duration::from_millis(10);

/// How the connection to the relay is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Begins in plain text and demands STARTTLS (RFC 3207), usually on port 587 or 25.
    StartTls,
    /// TLS from the first byte (RFC 8314), usually on port 465.
    Tls,
    /// No TLS, and therefore only to an address of this very machine.
    NoneLoopbackOnly,
}

/// A relay and how to use it.
#[derive(Clone)]
pub struct Relay {
    /// Host name or IP address; the certificate must be valid for it.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How the connection is secured.
    pub security: Security,
    /// Who we are.
    pub auth: Auth,
    /// PEM certificates of the only authorities to trust; the system's otherwise.
    pub ca_pem: Option<Vec<u8>>,
    /// The name to say in EHLO; otherwise the host's name where it has a domain, else our
    /// address (RFC 5321 section 4.1.4).
    pub hello: Option<String>,
    /// Caps every single wait; otherwise RFC 5321 section 4.5.3.2 decides (30 s to 10 min).
    pub longest_wait: Option<Duration>,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("security", &self.security)
            .field("auth", &self.auth)
            .field("own_ca", &self.ca_pem.is_some())
            .field("hello", &self.hello)
            .field("longest_wait", &self.longest_wait)
            .finish()
    }
}

impl Relay {
    /// How long one wait may take in a phase (RFC 5321 section 4.5.3.2).
    fn wait(&self, phase: Phase) -> Duration {
        self.wait_with(phase, limit::left())
    }

    /// The same where so much time is left for all mail.
    fn wait_with(&self, phase: Phase, left: Option<Duration>) -> Duration {
        let wait = self.capped(match phase {
            Phase::Connect => Duration::from_secs(30),
            Phase::Data => Duration::from_mins(2),
            Phase::Body => Duration::from_mins(3),
            Phase::FinalDot => Duration::from_mins(10),
            _ => Duration::from_mins(5),
        });
        // To hang up after the final dot would make a message arrive twice.
        let left = left.filter(|_| phase != Phase::FinalDot);
        left.map_or(wait, |left| left.min(wait).max(SHORTEST))
    }

    fn capped(&self, wait: Duration) -> Duration {
        self.longest_wait.map_or(wait, |longest| longest.min(wait))
    }
}

/// One message for one recipient.
#[derive(Debug, Clone, Copy)]
pub struct Parcel<'a> {
    /// The envelope sender, to which bounces go.
    pub sender: &'a str,
    /// The envelope recipient.
    pub recipient: &'a str,
    /// The Message-ID, with or without angle brackets; bounces will name it.
    pub message_id: &'a str,
    /// The whole message, header and body; sent as it is but for line ends, which become CRLF.
    pub bytes: &'a [u8],
}

/// What is known of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The relay as `host:port (ip)`.
    pub relay: String,
    /// `TLSv1.3` or `TLSv1.2`; absent without TLS.
    pub tls: Option<String>,
    /// The cipher suite by its IANA name.
    pub cipher: Option<String>,
    /// SHA-256 over the DER bytes of the relay's own certificate, in lower-case hex.
    pub certificate_sha256: Option<String>,
}

/// An open conversation with a relay, which can carry many messages one after the other.
pub struct Session {
    relay: Relay,
    wire: Wire,
    offers: Offers,
    facts: Facts,
    usable: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("facts", &self.facts)
            .field("usable", &self.usable)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Connects to the relay and brings the conversation to where messages can be sent.
    ///
    /// # Errors
    /// [`RelayFailure`]: the phase says how far it came. Nothing was sent to anybody.
    pub fn open(relay: &Relay) -> Result<Self, RelayFailure> {
        let host = ascii_host(&relay.host)?;
        // An unusable CA file is found before the relay hears of us.
        let tls = match relay.security {
            Security::NoneLoopbackOnly => None,
            Security::StartTls | Security::Tls => {
                let client = tls::client(&host, relay.ca_pem.as_deref());
                Some(client.map_err(|why| for_a_person(Phase::Handshake, why))?)
            }
        };
        let wire = connect(relay, &host)?;
        let hello = Ehlo::new(client_id(relay, &wire)?);
        let name = format!("{}:{} ({})", relay.host, relay.port, wire.peer().ip().to_canonical());
        let facts = Facts { relay: name, tls: None, cipher: None, certificate_sha256: None };
        let (relay, offers) = (relay.clone(), Offers::default());
        let mut session = Self { relay, wire, offers, facts, usable: true };
        session.begin(tls, &hello)?;
        let wait = session.relay.wait(Phase::Auth);
        let mechanisms = session.offers.mechanisms();
        auth::authenticate(&mut session.wire, mechanisms, &session.relay.auth, wait)?;
        Ok(session)
    }

    /// Sends one message to one recipient.
    ///
    /// `about_to_send` is called when the whole content was sent and only the final dot is
    /// missing: from here on the message may be delivered, so this is the moment to note that
    /// it is on its way. When it fails the connection is dropped, nothing is delivered, and
    /// the outcome is [`Outcome::Deferred`]. After it succeeded every outcome is possible: the
    /// relay may still hang up before the dot.
    pub fn send(
        &mut self,
        parcel: &Parcel<'_>,
        about_to_send: &mut dyn FnMut() -> Result<(), String>,
    ) -> Outcome {
        if !self.usable {
            let why = "the connection to the relay has ended".to_owned();
            let failure = RelayFailure { phase: Phase::MailFrom, why, needs_a_person: false };
            return Outcome::RelayDown(failure);
        }
        match self.transact(parcel, about_to_send) {
            Ok(receipt) => Outcome::Delivered(receipt),
            Err(outcome) => outcome,
        }
    }

    /// Whether another message can be sent over this connection.
    pub fn is_usable(&self) -> bool {
        self.usable
    }

    /// What is known of this connection.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Says QUIT where that still makes sense and ends the connection; never fails.
    pub fn close(mut self) {
        if self.usable {
            let wait = self.relay.capped(COURTESY);
            // The messages are delivered or not; a relay that does not say goodbye changes nothing.
            self.wire.ask(&Quit, wait).ok();
        }
        self.wire.part();
    }

    fn begin(&mut self, tls: Option<ClientConnection>, hello: &Ehlo) -> Result<(), RelayFailure> {
        match (tls, self.relay.security) {
            (Some(tls), Security::Tls) => {
                self.shake_hands(tls, false)?;
                self.greeting()?;
                self.hello(hello)
            }
            (Some(tls), _) => {
                self.greeting()?;
                self.hello(hello)?;
                self.start_tls(tls)?;
                // What was offered in the clear may be an attacker's (RFC 3207 section 4.2).
                self.offers = Offers::default();
                self.hello(hello)
            }
            (None, _) => {
                self.greeting()?;
                self.hello(hello)
            }
        }
    }

    fn greeting(&mut self) -> Result<(), RelayFailure> {
        let heard = self.wire.reply(self.relay.wait(Phase::Greeting)).map_err(|error| {
            let silent = matches!(error, WireError::Timeout(_));
            let hint = match self.relay.security {
                Security::StartTls if silent => "; does this port expect TLS from the start?",
                _ => "",
            };
            let why = format!("{error}{hint}");
            RelayFailure { phase: Phase::Greeting, why, needs_a_person: false }
        })?;
        accept(Phase::Greeting, &heard, 220)
    }

    fn hello(&mut self, hello: &Ehlo) -> Result<(), RelayFailure> {
        let answer = self.ask(Phase::Ehlo, hello).map_err(|error| broken(Phase::Ehlo, &error))?;
        accept(Phase::Ehlo, &answer, 250)?;
        self.offers = Offers::read(&answer.lines);
        Ok(())
    }

    fn start_tls(&mut self, tls: ClientConnection) -> Result<(), RelayFailure> {
        if !self.offers.has("STARTTLS") {
            let why = "the relay does not offer STARTTLS, and nothing is sent without TLS";
            return Err(for_a_person(Phase::StartTls, why.to_owned()));
        }
        let answer = self
            .ask(Phase::StartTls, &Starttls)
            .map_err(|error| broken(Phase::StartTls, &error))?;
        accept(Phase::StartTls, &answer, 220)?;
        self.shake_hands(tls, true)
    }

    fn shake_hands(
        &mut self,
        tls: ClientConnection,
        plain_before: bool,
    ) -> Result<(), RelayFailure> {
        let wait = self.relay.wait(Phase::Handshake);
        self.wire.start_tls(tls, plain_before, wait).map_err(|error| {
            let (why, needs_a_person) = tls::explain(&self.relay.host, &error);
            RelayFailure { phase: Phase::Handshake, why, needs_a_person }
        })?;
        if let Some(agreed) = self.wire.tls().map(tls::agreed) {
            self.facts.tls = agreed.version;
            self.facts.cipher = agreed.cipher;
            self.facts.certificate_sha256 = agreed.certificate_sha256;
        }
        Ok(())
    }

    fn transact(
        &mut self,
        parcel: &Parcel<'_>,
        about_to_send: &mut dyn FnMut() -> Result<(), String>,
    ) -> Result<Receipt, Outcome> {
        let content = wire::encode(parcel.bytes);
        let envelope = envelope::address(parcel, &content, &self.offers)?;
        self.step(Phase::MailFrom, &envelope.mail)?;
        self.step(Phase::RcptTo, &envelope.rcpt)?;
        self.step(Phase::Data, &Data)?;
        self.content(&content.wire)?;
        if let Err(why) = about_to_send() {
            self.give_up();
            let why = format!("the message could not be noted as on its way: {why}");
            return Err(Outcome::Deferred { phase: Phase::FinalDot, why });
        }
        self.undisturbed()?;
        self.final_dot()
    }

    /// Says a command before the content and goes on only when the relay agrees.
    fn step(&mut self, phase: Phase, command: &dyn Display) -> Result<(), Outcome> {
        let answer = match self.ask(phase, command) {
            Ok(answer) => answer,
            Err(error) => return Err(Outcome::RelayDown(broken(phase, &error))),
        };
        let wanted = if phase == Phase::Data { answer.code == 354 } else { answer.class() == 2 };
        if wanted {
            return Ok(());
        }
        match answer.class() {
            4 | 5 => self.start_over(),
            // A "yes" of the wrong kind: the relay and we are no longer at the same point.
            _ => self.give_up(),
        }
        Err(verdict(phase, &answer.reply()))
    }

    /// Frees the conversation from a refused message, so that the next one can follow.
    fn start_over(&mut self) {
        if self.usable {
            let answer = self.wire.ask(&Rset, self.relay.capped(COURTESY));
            if !answer.is_ok_and(|answer| answer.class() == 2) {
                self.give_up();
            }
        }
    }

    fn give_up(&mut self) {
        self.usable = false;
        self.wire.cut();
    }

    /// Sends the content without the final dot; whatever fails here, nothing was accepted.
    fn content(&mut self, bytes: &[u8]) -> Result<(), Outcome> {
        let started = Instant::now();
        for block in bytes.chunks(BLOCK_BYTES) {
            self.undisturbed()?;
            let left = WHOLE_BODY.saturating_sub(started.elapsed());
            if let Err(error) = self.wire.put(block, self.relay.wait(Phase::Body).min(left)) {
                return Err(self.interrupted(&error));
            }
        }
        Ok(())
    }

    /// Looks whether the relay refused or hung up while it should only listen. Not to look
    /// before the dot would leave a message in doubt that the relay had already turned down.
    fn undisturbed(&mut self) -> Result<(), Outcome> {
        match self.wire.heard() {
            Ok(false) => Ok(()),
            Ok(true) => Err(self.interrupted(&WireError::Closed)),
            Err(error) => Err(self.interrupted(&error)),
        }
    }

    /// Judges a content that could not be sent to its end: often the relay said why.
    fn interrupted(&mut self, error: &WireError) -> Outcome {
        let said = self.last_words();
        self.give_up();
        match said {
            Some(answer) => verdict(Phase::Body, &answer.reply()),
            None => Outcome::RelayDown(broken(Phase::Body, error)),
        }
    }

    /// The reply that is already here, if any: a broken connection is not waited for.
    fn last_words(&mut self) -> Option<Answer> {
        match self.wire.heard() {
            Ok(true) => self.wire.reply(self.relay.capped(COURTESY)).ok(),
            _ => None,
        }
    }

    /// Sends the final dot and waits for the relay's word. From the first byte on, everything
    /// but a valid reply leaves the message in doubt (RFC 1047).
    fn final_dot(&mut self) -> Result<Receipt, Outcome> {
        let phase = Phase::FinalDot;
        let wait = self.relay.wait(phase);
        let heard = match self.wire.put(b".\r\n", wait) {
            Ok(()) => self.wire.reply(wait),
            Err(error) => {
                let said = self.last_words().ok_or(error);
                self.give_up();
                said
            }
        };
        let reply = match heard {
            Ok(answer) => answer.reply(),
            Err(error) => {
                self.give_up();
                return Err(Outcome::InDoubt {
                    phase,
                    why: format!("{error}, after the final dot"),
                });
            }
        };
        if reply.code == 421 || reply.code / 100 == 3 {
            self.give_up();
        }
        if reply.code / 100 == 2 {
            return Ok(self.receipt(&reply));
        }
        Err(verdict(phase, &reply))
    }

    fn receipt(&self, reply: &Reply) -> Receipt {
        let Facts { relay, tls, cipher, certificate_sha256 } = self.facts.clone();
        Receipt { reply: reply.to_string(), relay, tls, cipher, certificate_sha256 }
    }

    fn ask(&mut self, phase: Phase, command: &dyn Display) -> Result<Answer, WireError> {
        let answer = self.wire.ask(command, self.relay.wait(phase));
        if answer.as_ref().map_or(true, |answer| answer.code == 421) {
            self.give_up();
        }
        answer
    }
}

/// What a reply that is no agreement means for the message.
///
/// Before RCPT only we and the relay are concerned, so a refusal there is no refusal of a
/// recipient. 530 never speaks of the message, wherever it comes: it asks for authentication
/// or TLS (RFC 4954 section 6, RFC 3207 section 4).
fn verdict(phase: Phase, reply: &Reply) -> Outcome {
    let why = reply.to_string();
    let about_the_message = phase >= Phase::RcptTo && reply.code != 530;
    match reply.code / 100 {
        5 if too_large(phase, reply) => Outcome::TooLarge { phase, why },
        5 if about_the_message => Outcome::Refused { phase, why },
        4 if reply.code == 421 && phase != Phase::FinalDot => {
            Outcome::RelayDown(RelayFailure { phase, why, needs_a_person: false })
        }
        4 if about_the_message => Outcome::Deferred { phase, why },
        4 | 5 => {
            let needs_a_person = reply.code >= 500;
            Outcome::RelayDown(RelayFailure { phase, why, needs_a_person })
        }
        _ if phase == Phase::FinalDot => {
            let why = format!("unexpected answer `{why}` after the final dot");
            Outcome::InDoubt { phase, why }
        }
        _ => Outcome::RelayDown(unexpected(phase, reply)),
    }
}

/// Whether a 5yz reply speaks of the size of the message.
///
/// The enhanced code decides where there is one, because 552 alone also stands for a full
/// mailbox or a blocked attachment (RFC 3463 sections 3.3 and 3.4).
fn too_large(phase: Phase, reply: &Reply) -> bool {
    match reply.enhanced() {
        Some("5.2.3" | "5.3.4") => true,
        Some("5.0.0") | None => reply.code == 552 && phase != Phase::RcptTo,
        Some(_) => false,
    }
}

fn accept(phase: Phase, answer: &Answer, wanted: u16) -> Result<(), RelayFailure> {
    let reply = answer.reply();
    match answer.class() {
        _ if answer.code == wanted => Ok(()),
        4 | 5 => {
            let needs_a_person = answer.class() == 5;
            Err(RelayFailure { phase, why: reply.to_string(), needs_a_person })
        }
        _ => Err(unexpected(phase, &reply)),
    }
}

fn unexpected(phase: Phase, reply: &Reply) -> RelayFailure {
    RelayFailure { phase, why: format!("unexpected answer `{reply}`"), needs_a_person: false }
}

fn broken(phase: Phase, error: &WireError) -> RelayFailure {
    RelayFailure { phase, why: error.to_string(), needs_a_person: false }
}

fn for_a_person(phase: Phase, why: String) -> RelayFailure {
    RelayFailure { phase, why, needs_a_person: true }
}

/// The host as DNS and certificates spell it.
fn ascii_host(host: &str) -> Result<String, RelayFailure> {
    let host = host.trim_end_matches('.');
    if host.is_empty() {
        return Err(for_a_person(Phase::Connect, "the relay has no host name".to_owned()));
    }
    if host.parse::<IpAddr>().is_ok() {
        return Ok(host.to_owned());
    }
    idna::domain_to_ascii(host)
        .map_err(|_| for_a_person(Phase::Connect, format!("`{host}` is no valid host name")))
}

/// Connects to the first address of the relay that answers.
fn connect(relay: &Relay, host: &str) -> Result<Wire, RelayFailure> {
    let down = |why| RelayFailure { phase: Phase::Connect, why, needs_a_person: false };
    let addresses: Vec<SocketAddr> = (host, relay.port)
        .to_socket_addrs()
        .map_err(|error| down(format!("the address of {host} cannot be found: {error}")))?
        .collect();
    for address in &addresses {
        demand_loopback(relay, address.ip())?;
    }
    let mut failed = Vec::new();
    for address in addresses {
        match Wire::connect(address, relay.wait(Phase::Connect)) {
            Ok(wire) => {
                demand_loopback(relay, wire.peer().ip())?;
                return Ok(wire);
            }
            Err(error) => failed.push(format!("{address}: {error}")),
        }
    }
    Err(down(format!("{host} cannot be reached ({})", failed.join("; "))))
}

/// Without TLS, nothing leaves this machine.
fn demand_loopback(relay: &Relay, address: IpAddr) -> Result<(), RelayFailure> {
    if relay.security == Security::NoneLoopbackOnly && !address.to_canonical().is_loopback() {
        let why = format!("{address} is not this machine, so TLS is required");
        return Err(for_a_person(Phase::Connect, why));
    }
    Ok(())
}

/// The name we go by in EHLO (RFC 5321 section 4.1.4).
fn client_id(relay: &Relay, wire: &Wire) -> Result<ClientId, RelayFailure> {
    let fit = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b))
    };
    if let Some(hello) = &relay.hello {
        let name = idna::domain_to_ascii(hello).unwrap_or_else(|_| hello.clone());
        if !fit(&name) {
            let why = format!("`{}` cannot be said in EHLO", super::outcome::presentable(hello));
            return Err(for_a_person(Phase::Ehlo, why));
        }
        return Ok(ClientId::Domain(name));
    }
    Ok(match (ClientId::default(), wire.local().map(|local| local.ip().to_canonical())) {
        // A name without a domain says nothing to a relay, and many refuse it.
        (ClientId::Domain(name), _) if fit(&name) && name.contains('.') => ClientId::Domain(name),
        (_, Some(IpAddr::V4(address))) => ClientId::Ipv4(address),
        (_, Some(IpAddr::V6(address))) => ClientId::Ipv6(address),
        (other, None) => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(phase: Phase, code: u16, text: &str) -> &'static str {
        match verdict(phase, &Reply::new(code, text)) {
            Outcome::Delivered(_) => "delivered",
            Outcome::Refused { .. } => "refused",
            Outcome::TooLarge { .. } => "too large",
            Outcome::Deferred { .. } => "deferred",
            Outcome::InDoubt { .. } => "in doubt",
            Outcome::RelayDown(failure) if failure.needs_a_person => "person",
            Outcome::RelayDown(_) => "down",
        }
    }

    #[test]
    fn replies_are_judged_by_phase_and_code() {
        let cases = [
            (Phase::MailFrom, 451, "4.3.0 later", "down"),
            (Phase::MailFrom, 421, "4.3.2 closing", "down"),
            (Phase::MailFrom, 550, "5.7.1 not you", "person"),
            (Phase::MailFrom, 552, "5.3.4 too big", "too large"),
            (Phase::MailFrom, 552, "too big", "too large"),
            (Phase::MailFrom, 250, "ok", "down"),
            (Phase::RcptTo, 450, "4.2.0 greylisted", "deferred"),
            (Phase::RcptTo, 550, "5.1.1 unknown", "refused"),
            (Phase::RcptTo, 552, "mailbox full", "refused"),
            (Phase::RcptTo, 552, "5.2.3 too big for this box", "too large"),
            (Phase::RcptTo, 530, "5.7.0 authenticate", "person"),
            (Phase::RcptTo, 421, "closing", "down"),
            (Phase::Data, 451, "later", "deferred"),
            (Phase::Data, 554, "no", "refused"),
            (Phase::Data, 250, "what?", "down"),
            (Phase::Body, 421, "closing", "down"),
            (Phase::Body, 552, "too big", "too large"),
            (Phase::FinalDot, 421, "closing", "deferred"),
            (Phase::FinalDot, 451, "later", "deferred"),
            (Phase::FinalDot, 550, "5.7.1 content", "refused"),
            (Phase::FinalDot, 552, "5.2.2 full", "refused"),
            (Phase::FinalDot, 552, "5.7.0 blocked attachment", "refused"),
            (Phase::FinalDot, 552, "5.3.4 too big", "too large"),
            (Phase::FinalDot, 354, "go on", "in doubt"),
        ];
        for (phase, code, text, expected) in cases {
            assert_eq!(kind(phase, code, text), expected, "{phase}: {code} {text}");
        }
    }

    /// RFC 5321 section 4.5.3.2.
    #[test]
    fn waits_are_those_of_the_rfc_unless_capped() {
        let mut relay = Relay {
            host: "relay.example.com".to_owned(),
            port: 587,
            security: Security::StartTls,
            auth: Auth::None,
            ca_pem: None,
            hello: None,
            longest_wait: None,
        };
        assert_eq!(relay.wait(Phase::Greeting).as_secs(), 300);
        assert_eq!(relay.wait(Phase::Data).as_secs(), 120);
        assert_eq!(relay.wait(Phase::Body).as_secs(), 180);
        assert_eq!(relay.wait(Phase::FinalDot).as_secs(), 600);
        relay.longest_wait = Some(Duration::from_secs(150));
        assert_eq!(relay.wait(Phase::Data).as_secs(), 120);
        assert_eq!(relay.wait(Phase::FinalDot).as_secs(), 150);
        // What is left of the time for all mail cuts every wait but the one that decides.
        let left = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(relay.wait_with(Phase::Data, left(7)).as_secs(), 7);
        assert_eq!(relay.wait_with(Phase::Data, left(0)), SHORTEST);
        assert_eq!(relay.wait_with(Phase::FinalDot, left(0)).as_secs(), 150);
    }
}
