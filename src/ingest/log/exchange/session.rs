//! One SMTP session of a protocol log, line by line.
//!
//! | what a session shows | what follows |
//! |---|---|
//! | `STARTTLS`, answered 220, `TLS protocol …` | that band from then on |
//! | `STARTTLS`, answered 220, the line missing | encrypted, version not recorded |
//! | all lines from the first, none of these | No TLS |
//! | `X-ANONYMOUSTLS`, `X-EXPS`, `XPROXY…` | a server of the same organisation |
//! | anything of it missing | unknown |
//!
//! What a client asks for is a fact only when the server agrees: a command counts with its
//! reply. Up to two neighbouring lines may be missing: no handshake is that short.

use serde::{Deserialize, Serialize};

use super::fields::{self, after, session_id};
use super::known::{Facts, Name, Names, SessionFacts, Via};
use super::order::{Order, Placed};
use super::replies::{Envelope, Record, Replies};
use super::texts::{band, cipher, cut, hub_session, is_last_chunk, path_of, record};
use crate::trace::Tls;

/// Which side of a session the log is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum Side {
    /// A receive connector.
    Receive,
    /// A send connector.
    Send,
}

/// A command whose reply decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Pending {
    Nothing,
    StartTls,
    AnonymousTls,
    /// `XPROXYFROM` or `XPROXY` with the session of the front end.
    From(Option<u64>),
    /// Another command that only servers of the organisation may use.
    Internal,
}

/// How the session is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Secured {
    /// No sign of TLS.
    Clear,
    /// TLS was agreed on.
    Agreed,
    /// TLS was agreed on, with another server of the organisation.
    Anonymous,
    /// TLS stands.
    Band(Tls),
    /// Lines are missing where it would be told.
    Doubtful,
}

/// What a line means for the mail.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Nothing.
    Nothing,
    /// A message was accepted.
    Accepted(Box<Envelope>),
    /// The session has been handed on to the remote server (front end's log).
    HandedOn,
}

/// A session that is not over.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Session {
    side: Side,
    order: Order,
    pending: Pending,
    secured: Secured,
    pub(super) cipher: Name,
    /// Whether mail was begun before TLS, or may have been.
    early_mail: bool,
    authenticated: bool,
    via: Via,
    /// The session of the front end that the present message comes from, where known.
    pub(super) front: Option<u64>,
    /// The name the client gave.
    pub(super) hello: Box<[u8]>,
    /// Name of the connector in use, where it is another than the log's column says.
    pub(super) connector: Name,
    /// The session of the hub whose messages this front end hands on.
    pub(super) hub: Option<u64>,
    /// Where a front end handed the messages to.
    pub(super) target_address: Box<[u8]>,
    pub(super) target_host: Box<[u8]>,
    envelope: Option<Envelope>,
    record: Option<Record>,
    body: bool,
    replies: Replies,
    /// Messages accepted so far.
    pub(super) accepted: u32,
    /// Messages begun so far.
    pub(super) begun: u32,
}

impl Session {
    /// A session of which this is the first line.
    pub(super) fn new(side: Side, sequence: u64, event: u8) -> Self {
        Self {
            side,
            order: Order::new(sequence, event == b'+'),
            pending: Pending::Nothing,
            secured: Secured::Clear,
            cipher: Name::default(),
            early_mail: false,
            authenticated: false,
            via: Via::Direct,
            front: None,
            hello: Box::default(),
            connector: Name::default(),
            hub: None,
            target_address: Box::default(),
            target_host: Box::default(),
            envelope: None,
            record: None,
            body: false,
            replies: Replies::default(),
            accepted: 0,
            begun: 0,
        }
    }

    /// Puts a line in its place. Returns whether it is new.
    pub(super) fn place(&mut self, sequence: u64) -> bool {
        let placed = self.order.place(sequence);
        if placed == Placed::AfterGap {
            self.gap();
        }
        placed != Placed::Again
    }

    /// Says whether a line with this number was read before.
    pub(super) fn was_read(&self, sequence: u64) -> bool {
        self.order.was_read(sequence)
    }

    /// The reply to a command that matters may be among the missing lines.
    fn gap(&mut self) {
        match self.pending {
            Pending::Nothing => {}
            Pending::StartTls => self.secured = Secured::Doubtful,
            Pending::From(_) => self.set_via(Via::Fronts),
            Pending::AnonymousTls | Pending::Internal => self.set_hop(),
        }
        if matches!(self.via, Via::Front(_) | Via::Fronts) {
            // The front end may have named another of its sessions.
            self.set_via(Via::Fronts);
        }
        self.pending = Pending::Nothing;
        self.replies.clear();
        self.envelope = None;
        self.record = None;
        self.body = false;
    }

    /// How a message that is accepted now is protected.
    pub(super) fn tls(&self) -> Tls {
        match self.secured {
            Secured::Band(tls) => tls,
            Secured::Agreed => Tls::Unspecified,
            Secured::Clear if self.order.is_whole() => Tls::NoTls,
            Secured::Clear | Secured::Anonymous | Secured::Doubtful => Tls::Unknown,
        }
    }

    /// Who stands behind the other end.
    pub(super) fn via(&self) -> Via {
        self.via
    }

    /// Whether the client is a user or an application of the organisation.
    pub(super) fn is_own_client(&self) -> bool {
        self.authenticated
    }

    /// Facts that hold for every message of the session. `over`: its last line was read.
    pub(super) fn facts(&self, over: bool, connector: Name) -> SessionFacts {
        let tls = match self.tls() {
            _ if self.early_mail => Tls::Unknown,
            // A client may still ask for TLS; a sender has done so before its first message.
            Tls::NoTls if !over && (self.side == Side::Receive || self.accepted == 0) => {
                Tls::Unknown
            }
            tls => tls,
        };
        let via = match self.via {
            // Lines that are missing, or to come, may name another session of a front end.
            Via::Front(_) if !over || !self.order.is_complete() => Via::Fronts,
            via => via,
        };
        let connector = if self.connector == Name::default() { connector } else { self.connector };
        SessionFacts { own: Facts { tls, connector, cipher: self.cipher }, via }
    }

    /// A line of information (`*`).
    pub(super) fn information(
        &mut self,
        data: &[u8],
        context: &[u8],
        names: &mut Names,
    ) -> Outcome {
        if let Some(rest) = after(context, b"TLS protocol ") {
            self.negotiated(rest, names);
        } else if context.starts_with(b"TLS negotiation failed") {
            self.secured = Secured::Doubtful;
            self.pending = Pending::Nothing;
        } else if self.side == Side::Receive {
            self.authenticated |= context == b"authenticated" && !data.is_empty();
        } else {
            return self.send_information(context, names);
        }
        Outcome::Nothing
    }

    /// `SP_PROT_TLS1_2_SERVER negotiation succeeded using bulk encryption algorithm X with …`
    fn negotiated(&mut self, rest: &[u8], names: &mut Names) {
        let mut words = rest.split(|byte| *byte == b' ');
        let version = words.next().unwrap_or_default();
        if words.next() != Some(b"negotiation") || words.next() != Some(b"succeeded") {
            return;
        }
        let anonymous = self.secured == Secured::Anonymous || self.pending == Pending::AnonymousTls;
        let asked = self.secured == Secured::Agreed || self.pending == Pending::StartTls;
        self.pending = Pending::Nothing;
        self.note_early_mail();
        self.secured = if anonymous {
            self.set_hop();
            Secured::Anonymous
        } else if asked {
            self.cipher = names.hold(cipher(rest));
            Secured::Band(band(version))
        } else {
            Secured::Doubtful
        };
    }

    /// TLS begins: what was sent before was in clear.
    fn note_early_mail(&mut self) {
        self.early_mail |= self.begun > 0 || !self.order.is_whole();
    }

    fn send_information(&mut self, context: &[u8], names: &mut Names) -> Outcome {
        const ACTUAL: &[u8] = b"This session is now being proxied through the next hop. \
            The actual connector being used is: ";
        if let Some(rest) = after(context, b"sending message with RecordId ") {
            self.record = record(rest);
        } else if let Some(rest) = after(context, b"attempting to connect. Outbound proxy from ") {
            self.hub = hub_session(rest);
        } else if context.starts_with(b"Proxy session successfully set up for outbound proxy") {
            return Outcome::HandedOn;
        } else if context.starts_with(b"Proxying inbound session with session id") {
            self.set_hop();
        } else if let Some(name) = after(context, ACTUAL) {
            self.via = Via::Onward;
            self.connector = names.hold(cut(name));
        }
        Outcome::Nothing
    }

    /// A command of the client.
    pub(super) fn command(&mut self, text: &[u8]) {
        let asked = self.asked(text);
        if self.pending != Pending::Nothing {
            if self.pending == Pending::Internal && asked == Pending::Nothing {
                // A step of an exchange of credentials.
                return;
            }
            // The reply came in no known order, or not at all.
            self.secured = Secured::Doubtful;
        }
        self.pending = asked;
        if self.side == Side::Send {
            self.send_command(text);
            return;
        }
        if let Some(path) = after(text, b"MAIL FROM:") {
            self.begun = self.begun.saturating_add(1);
            self.body = false;
            let domain = fields::domain(path_of(path)).into();
            self.envelope = Some(Envelope { domain, record: None });
        } else if after(text, b"DATA").is_some_and(<[u8]>::is_empty) || is_last_chunk(text) {
            self.body = true;
        } else if after(text, b"RSET").is_some() {
            self.envelope = None;
            self.body = false;
        } else if let Some(name) = after(text, b"EHLO ").or_else(|| after(text, b"HELO ")) {
            self.hello = cut(name.trim_ascii()).into();
        }
    }

    /// The command, where its reply decides something.
    fn asked(&mut self, text: &[u8]) -> Pending {
        if text.eq_ignore_ascii_case(b"STARTTLS") {
            return Pending::StartTls;
        }
        let Some(rest) = after(text, b"X") else { return Pending::Nothing };
        if rest.eq_ignore_ascii_case(b"-ANONYMOUSTLS") {
            return Pending::AnonymousTls;
        }
        let from = after(rest, b"PROXYFROM ").or_else(|| after(rest, b"PROXY "));
        if let Some(rest) = from {
            let id = after(rest, b"SID=").and_then(|rest| session_id(rest.get(..16)?));
            return Pending::From(id);
        }
        if after(rest, b"PROXYTO ").is_some() && self.side == Side::Send {
            self.via = Via::Onward;
            return Pending::Nothing;
        }
        if after(rest, b"PROXYTO ").is_some() || after(rest, b"-EXPS ").is_some() {
            return Pending::Internal;
        }
        Pending::Nothing
    }

    fn send_command(&mut self, text: &[u8]) {
        // A sender chooses these itself, and only towards its own organisation.
        if matches!(self.pending, Pending::AnonymousTls | Pending::Internal) {
            self.set_hop();
        }
        if after(text, b"MAIL FROM:").is_some() {
            self.begun = self.begun.saturating_add(1);
            self.replies.begin();
            self.envelope = Some(Envelope { domain: Box::default(), record: self.record.take() });
        } else if let Some(envelope) = &mut self.envelope {
            if let Some(path) = after(text, b"RCPT TO:") {
                if envelope.domain.is_empty() {
                    envelope.domain = fields::domain(path_of(path)).into();
                }
                self.replies.command();
            } else if after(text, b"DATA").is_some_and(<[u8]>::is_empty) {
                self.replies.data(std::mem::take(envelope));
                self.envelope = None;
            } else if is_last_chunk(text) {
                self.replies.last_chunk(std::mem::take(envelope));
                self.envelope = None;
            } else {
                self.replies.command();
            }
        } else {
            self.replies.command();
        }
    }

    /// A reply of the server, or one line of it.
    pub(super) fn reply(&mut self, text: &[u8]) -> Outcome {
        if self.via == Via::Onward {
            self.target(text);
        }
        let Some((code, rest)) = text.split_first_chunk::<3>() else { return Outcome::Nothing };
        if !code.iter().all(u8::is_ascii_digit) || rest.first() == Some(&b'-') {
            return Outcome::Nothing;
        }
        self.decide(*code);
        let accepted = match self.side {
            Side::Send => self.replies.reply(*code),
            Side::Receive => self.taken(text),
        };
        match accepted {
            Some(envelope) => {
                self.accepted = self.accepted.saturating_add(1);
                Outcome::Accepted(Box::new(envelope))
            }
            None => Outcome::Nothing,
        }
    }

    /// What a command asked for, the server agrees to or not.
    fn decide(&mut self, code: [u8; 3]) {
        let agreed = code[0] == b'2';
        match std::mem::replace(&mut self.pending, Pending::Nothing) {
            Pending::StartTls if agreed => {
                self.note_early_mail();
                self.secured = Secured::Agreed;
            }
            Pending::AnonymousTls if agreed => {
                self.secured = Secured::Anonymous;
                self.set_hop();
            }
            Pending::From(Some(id)) if agreed => self.set_via(Via::Front(id)),
            Pending::From(None) if agreed => self.set_via(Via::Fronts),
            Pending::Internal if agreed => self.set_hop(),
            // Replies of an exchange, such as 334, come before the one that decides.
            kept @ Pending::Internal if code[0] == b'3' => self.pending = kept,
            _ => {}
        }
    }

    /// The other end is a server of the organisation.
    fn set_hop(&mut self) {
        if self.via == Via::Direct {
            self.via = Via::Hop;
        }
    }

    /// A front end stands for its clients.
    fn set_via(&mut self, via: Via) {
        self.front = if let Via::Front(front) = via { Some(front) } else { None };
        let first = matches!(self.via, Via::Direct | Via::Hop);
        self.via = if first || self.via == via { via } else { Via::Fronts };
    }

    /// Takes the message that a reply of this server accepts: `250 2.6.0 <id> [InternalId=1]
    /// Queued mail for delivery`. The replies to `MAIL`, `RCPT` and to a part of the data
    /// begin with 250 too.
    fn taken(&mut self, text: &[u8]) -> Option<Envelope> {
        let Some(rest) = text.strip_prefix(b"250 ") else {
            // Refused, unless it is the word to go on.
            self.body &= text.starts_with(b"354");
            return None;
        };
        let queued = rest.starts_with(b"2.6.0 ") && rest.ends_with(b"Queued mail for delivery");
        let other = rest.starts_with(b"2.1.") || rest.starts_with(b"2.6.0 CHUNK ");
        if other || !(queued || self.body) {
            return None;
        }
        self.body = false;
        self.begun = self.begun.max(1);
        Some(self.envelope.take().unwrap_or_default())
    }

    /// `XPROXYTOTARGETIPADDRESS 203.0.113.5`, alone on its line or among others.
    fn target(&mut self, text: &[u8]) {
        let mut words = text.split(|byte| matches!(byte, b' ' | b'-')).skip(1);
        while let Some(word) = words.next() {
            if word == b"XPROXYTOTARGETIPADDRESS" {
                self.target_address = fields::address(words.next().unwrap_or_default()).into();
            } else if word == b"XPROXYTOTARGETHOSTNAME" {
                let start = memchr::memmem::find(text, b"XPROXYTOTARGETHOSTNAME ");
                let host = start.and_then(|start| text.get(start + 23..)).unwrap_or_default();
                let end = memchr::memchr(b' ', host).unwrap_or(host.len());
                self.target_host = cut(host.get(..end).unwrap_or_default()).into();
                return;
            }
        }
    }
}
