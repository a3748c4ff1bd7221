//! An SMTP relay that misbehaves as it is told, and remembers what it was told.
//!
//! ```text
//! Script          how connections are secured, what is offered, which rules apply
//! Rule            at a point of the conversation, perhaps only for a certain line, perhaps
//!                 only some times: do this instead of what a good relay does
//! FaultServer     serves any number of connections on 127.0.0.1; the script can change
//!                 while it runs; it ends when dropped
//! ```
//!
//! Without rules it is a good relay. It keeps everything it hears, so that a test can assert
//! what was *not* said: nothing in the clear, no credential before TLS, no final dot.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sha2::{Digest, Sha256};

/// How a connection begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Plain text, STARTTLS offered.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// Plain text, STARTTLS not offered.
    Plain,
}

/// Which certificate the server shows. Its authority is [`FaultServer::ca_pem`] but for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certificate {
    /// Valid for `localhost` and `127.0.0.1`.
    Good,
    /// Valid for `other.example` only.
    OtherName,
    /// Valid until the year 2001.
    Expired,
    /// Signed by an authority that nobody knows.
    UnknownAuthority,
}

/// What the server does when TLS begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Handshake {
    /// TLS 1.2 or 1.3 as the client likes.
    Normal,
    /// TLS 1.2 only.
    Tls12,
    /// Reads the client's first message and hangs up.
    HangUp,
    /// Reads the client's first message and answers with these bytes.
    Bytes(&'static [u8]),
}

/// A point of the conversation at which a rule can apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    Banner,
    Ehlo,
    StartTls,
    /// When the credentials are complete; the line is `MECHANISM user`.
    Auth,
    Mail,
    Rcpt,
    Data,
    /// When the first bytes of the content arrived.
    Body,
    /// When the whole content and the final dot arrived; the line is that of RCPT.
    Dot,
    Rset,
    Quit,
}

/// What the server does instead of what a good relay does.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Says this, in one piece with a line end after it, and goes on.
    Say(String),
    /// Says this and hangs up.
    SayAndHangUp(String),
    /// Hangs up.
    HangUp,
    /// Says nothing more; listens until the client hangs up.
    Silence,
    /// Stops listening; says this after such a time, and hangs up.
    Deaf(Duration, String),
    /// Says this byte by byte with such a pause, then goes on.
    Trickle(String, Duration),
    /// Says this without a line end, again and again, until the client hangs up.
    Endless(String),
    /// For AUTH: says 334 with this in base64, takes a line, says the second.
    Challenge(String, String),
}

impl Act {
    pub(crate) fn say(reply: impl Into<String>) -> Self {
        Self::Say(reply.into())
    }
}

#[derive(Debug, Clone)]
struct Rule {
    at: At,
    having: String,
    times: usize,
    act: Act,
}

/// How the server behaves.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    transport: Transport,
    certificate: Certificate,
    handshake: Handshake,
    offers: Vec<String>,
    secret: Option<String>,
    rules: Vec<Rule>,
}

impl Script {
    /// A good relay that offers nothing beyond STARTTLS where the transport has it.
    pub(crate) fn new(transport: Transport) -> Self {
        Self {
            transport,
            certificate: Certificate::Good,
            handshake: Handshake::Normal,
            offers: Vec::new(),
            secret: None,
            rules: Vec::new(),
        }
    }

    pub(crate) fn transport(&self) -> Transport {
        self.transport
    }

    pub(crate) fn certificate(self, certificate: Certificate) -> Self {
        Self { certificate, ..self }
    }

    pub(crate) fn handshake(self, handshake: Handshake) -> Self {
        Self { handshake, ..self }
    }

    /// Offers these in EHLO: inside TLS where there is TLS, never before.
    pub(crate) fn offers(mut self, lines: &[&str]) -> Self {
        self.offers.extend(lines.iter().map(|line| (*line).to_owned()));
        self
    }

    /// Takes only this password or token; without it, any.
    pub(crate) fn secret(self, secret: &str) -> Self {
        Self { secret: Some(secret.to_owned()), ..self }
    }

    /// Does this whenever the point is reached.
    pub(crate) fn at(self, at: At, act: Act) -> Self {
        self.rule(at, "", usize::MAX, act)
    }

    /// Does this whenever the point is reached with a line that holds `having`.
    pub(crate) fn when(self, at: At, having: &str, act: Act) -> Self {
        self.rule(at, having, usize::MAX, act)
    }

    /// Does this the first `times` times.
    pub(crate) fn first(self, times: usize, at: At, act: Act) -> Self {
        self.rule(at, "", times, act)
    }

    fn rule(mut self, at: At, having: &str, times: usize, act: Act) -> Self {
        self.rules.push(Rule { at, having: having.to_owned(), times, act });
        self
    }
}

/// A line the server heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    /// Number of the connection, from 0.
    pub(crate) connection: usize,
    /// Whether it came inside TLS.
    pub(crate) tls: bool,
    pub(crate) line: String,
}

/// Credentials the server heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) tls: bool,
    pub(crate) mechanism: String,
    pub(crate) user: String,
    pub(crate) secret: String,
}

/// A message whose final dot arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) connection: usize,
    pub(crate) tls: bool,
    /// The MAIL line.
    pub(crate) mail: String,
    /// The RCPT lines that were accepted.
    pub(crate) rcpts: Vec<String>,
    /// The content, leading dots undoubled.
    pub(crate) bytes: Vec<u8>,
    /// Whether the server refused it; otherwise it has it, answered or not.
    pub(crate) refused: bool,
}

#[derive(Debug, Default)]
struct Heard {
    commands: Vec<Command>,
    logins: Vec<Login>,
    messages: Vec<Message>,
    cut_off: Vec<Vec<u8>>,
    connections: usize,
    open: usize,
    sockets: Vec<TcpStream>,
    over: bool,
}

struct Shared {
    script: Mutex<Script>,
    heard: Mutex<Heard>,
    changed: Condvar,
    chains: Vec<Chain>,
}

impl Shared {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap()
    }
}

/// A running server.
pub(crate) struct FaultServer {
    port: u16,
    ca_pem: String,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

impl FaultServer {
    /// Starts a server on a free port of 127.0.0.1.
    pub(crate) fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (ca_pem, chains) = certificates();
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            heard: Mutex::default(),
            changed: Condvar::new(),
            chains,
        });
        let served = Arc::clone(&shared);
        let listener = Some(std::thread::spawn(move || accept(&listener, &served)));
        Self { port, ca_pem, shared, listener }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The authority that signed the server's certificates.
    pub(crate) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// SHA-256 over one of its certificates, in lower-case hex.
    pub(crate) fn certificate_sha256(&self, certificate: Certificate) -> String {
        let chain = self.shared.chains.iter().find(|chain| chain.kind == certificate).unwrap();
        chain.sha256.clone()
    }

    /// Behaves otherwise from the next command or connection on.
    pub(crate) fn set(&self, script: Script) {
        *self.shared.script.lock().unwrap() = script;
    }

    /// Everything it was told, AUTH and its responses included.
    pub(crate) fn commands(&self) -> Vec<Command> {
        self.shared.heard().commands.clone()
    }

    /// The verbs of a connection in order, such as `EHLO`.
    pub(crate) fn verbs(&self, connection: usize) -> Vec<String> {
        let of_connection = |command: &&Command| command.connection == connection;
        let verb = |command: &Command| command.line.split([' ', ':']).next().unwrap().to_owned();
        self.commands().iter().filter(of_connection).map(verb).collect()
    }

    pub(crate) fn logins(&self) -> Vec<Login> {
        self.shared.heard().logins.clone()
    }

    /// Every message whose final dot arrived and that was not refused.
    pub(crate) fn messages(&self) -> Vec<Message> {
        self.all_messages().into_iter().filter(|message| !message.refused).collect()
    }

    /// Every message whose final dot arrived.
    pub(crate) fn all_messages(&self) -> Vec<Message> {
        self.shared.heard().messages.clone()
    }

    /// What arrived of contents that ended before their final dot.
    pub(crate) fn cut_off(&self) -> Vec<Vec<u8>> {
        self.shared.heard().cut_off.clone()
    }

    /// How many connections it has seen.
    pub(crate) fn connections(&self) -> usize {
        self.shared.heard().connections
    }

    /// Waits until no connection is open, so that everything said has been heard.
    pub(crate) fn settle(&self) {
        let limit = Instant::now() + Duration::from_secs(10);
        let mut heard = self.shared.heard();
        while heard.open > 0 {
            let left = limit.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "a connection was left open");
            heard = self.shared.changed.wait_timeout(heard, left).unwrap().0;
        }
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        let mut heard = self.shared.heard();
        heard.over = true;
        for socket in heard.sockets.drain(..) {
            socket.shutdown(Shutdown::Both).ok();
        }
        drop(heard);
        // Wakes the listener, which then sees that it is over.
        TcpStream::connect(("127.0.0.1", self.port)).ok();
        self.listener.take().map(JoinHandle::join);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for socket in listener.incoming() {
        let Ok(socket) = socket else { continue };
        let mut heard = shared.heard();
        if heard.over {
            return;
        }
        heard.sockets.push(socket.try_clone().unwrap());
        let connection = heard.connections;
        heard.connections += 1;
        heard.open += 1;
        drop(heard);
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            let script = shared.script.lock().unwrap().clone();
            let stream = Stream::Plain(socket.try_clone().unwrap());
            let mut peer = Peer { shared, script, connection, stream, unread: Vec::new() };
            // `None` only says that the conversation is over.
            peer.serve().unwrap_or_default();
            socket.shutdown(Shutdown::Both).ok();
            peer.shared.heard().open -= 1;
            peer.shared.changed.notify_all();
        });
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Stream {
    fn read(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let got = match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        };
        got.ok().filter(|got| *got > 0)
    }

    fn write(&mut self, bytes: &[u8]) -> Option<()> {
        match self {
            Self::Plain(socket) => socket.write_all(bytes).ok(),
            Self::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()).ok(),
        }
    }
}

/// One connection; `None` anywhere means that it has ended.
struct Peer {
    shared: Arc<Shared>,
    /// As it was when the connection began, for what happens only then.
    script: Script,
    connection: usize,
    stream: Stream,
    unread: Vec<u8>,
}

impl Peer {
    fn serve(&mut self) -> Option<()> {
        if self.script.transport == Transport::Tls {
            self.begin_tls()?;
        }
        self.react(At::Banner, "", "220 fault.example ESMTP")?;
        let (mut mail, mut rcpts) = (String::new(), Vec::new());
        loop {
            let line = self.line()?;
            match line.split([' ', ':']).next()?.to_ascii_uppercase().as_str() {
                "EHLO" => {
                    let greeting = self.greeting();
                    self.react(At::Ehlo, &line, &greeting)?;
                }
                "STARTTLS" => {
                    if self.react(At::StartTls, &line, "220 2.0.0 ready")? == 220 {
                        self.begin_tls()?;
                    }
                }
                "AUTH" => self.auth(&line)?,
                "MAIL" => {
                    if self.react(At::Mail, &line, "250 2.1.0 ok")? == 250 {
                        (mail, rcpts) = (line, Vec::new());
                    }
                }
                "RCPT" => {
                    if self.react(At::Rcpt, &line, "250 2.1.5 ok")? == 250 {
                        rcpts.push(line);
                    }
                }
                "DATA" if rcpts.is_empty() => self.say("503 5.5.1 no recipient")?,
                "DATA" => {
                    if self.react(At::Data, &line, "354 go on")? == 354 {
                        self.content(std::mem::take(&mut mail), std::mem::take(&mut rcpts))?;
                    }
                }
                "RSET" => {
                    (mail, rcpts) = (String::new(), Vec::new());
                    self.react(At::Rset, &line, "250 2.0.0 ok")?;
                }
                "QUIT" => {
                    self.react(At::Quit, &line, "221 2.0.0 bye")?;
                    return None;
                }
                _ => self.say("500 5.5.2 what?")?,
            }
        }
    }

    fn greeting(&self) -> String {
        let mut lines = vec!["fault.example greets you"];
        let inside = matches!(self.stream, Stream::Tls(_));
        if self.script.transport == Transport::StartTls && !inside {
            lines.push("STARTTLS");
        } else {
            lines.extend(self.script.offers.iter().map(String::as_str));
        }
        let last = lines.pop().unwrap();
        lines.iter().map(|line| format!("250-{line}\r\n")).collect::<String>() + "250 " + last
    }

    fn auth(&mut self, line: &str) -> Option<()> {
        let mut words = line.split(' ').skip(1);
        let mechanism = words.next()?.to_ascii_uppercase();
        let first = words.next().map(str::to_owned);
        let (user, secret) = if mechanism == "LOGIN" {
            (self.prompt("334 VXNlcm5hbWU6")?, self.prompt("334 UGFzc3dvcmQ6")?)
        } else {
            let response = match first {
                Some(response) => decode(&response),
                None => self.prompt("334 ")?,
            };
            let mut parts = response.split(['\0', '\u{1}']);
            if mechanism == "PLAIN" {
                let mut parts = parts.skip(1);
                (parts.next()?.to_owned(), parts.next()?.to_owned())
            } else {
                let user = parts.next()?.strip_prefix("user=")?.to_owned();
                (user, parts.next()?.strip_prefix("auth=Bearer ")?.to_owned())
            }
        };
        let point = format!("{mechanism} {user}");
        let script = self.shared.script.lock().unwrap().clone();
        let right = script.secret.is_none_or(|right| right == secret);
        let tls = matches!(self.stream, Stream::Tls(_));
        self.shared.heard().logins.push(Login { tls, mechanism, user, secret });
        let default =
            if right { "235 2.7.0 welcome" } else { "535 5.7.8 authentication unsuccessful" };
        self.react(At::Auth, &point, default)?;
        Some(())
    }

    fn prompt(&mut self, question: &str) -> Option<String> {
        self.say(question)?;
        self.line().map(|line| decode(&line))
    }

    fn content(&mut self, mail: String, rcpts: Vec<String>) -> Option<()> {
        let (mut bytes, mut begun) = (Vec::new(), false);
        loop {
            if !begun && self.unread.is_empty() && !self.fill() {
                self.shared.heard().cut_off.push(bytes);
                return None;
            }
            if !begun {
                begun = true;
                if self.react(At::Body, "", "").is_none() {
                    self.shared.heard().cut_off.push(std::mem::take(&mut self.unread));
                    return None;
                }
            }
            let Some(line) = self.raw_line() else {
                bytes.append(&mut self.unread);
                self.shared.heard().cut_off.push(bytes);
                return None;
            };
            if line == b".\r\n" {
                break;
            }
            bytes.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
        let (connection, tls) = (self.connection, matches!(self.stream, Stream::Tls(_)));
        let point = rcpts.join(" ");
        let message = Message { connection, tls, mail, rcpts, bytes, refused: false };
        // The message is the server's before it answers; a client may not wait for the answer.
        let mut heard = self.shared.heard();
        let index = heard.messages.len();
        let refused = matches!(
            self.rule(At::Dot, &point, false),
            Some(Act::Say(reply) | Act::SayAndHangUp(reply)) if reply.starts_with(['4', '5'])
        );
        heard.messages.push(Message { refused, ..message });
        drop(heard);
        self.react(At::Dot, &point, &format!("250 2.0.0 queued as {index}"))?;
        Some(())
    }

    /// Finds the rule for a point, and uses it up when `take` says so.
    fn rule(&self, at: At, line: &str, take: bool) -> Option<Act> {
        let mut script = self.shared.script.lock().unwrap();
        let fits =
            |rule: &&mut Rule| rule.at == at && rule.times > 0 && line.contains(&rule.having);
        let rule = script.rules.iter_mut().find(fits)?;
        if take && rule.times < usize::MAX {
            rule.times -= 1;
        }
        Some(rule.act.clone())
    }

    /// Does what the script has for this point, or says the default; gives the code it said.
    fn react(&mut self, at: At, line: &str, default: &str) -> Option<u16> {
        let said = match self.rule(at, line, true) {
            None if default.is_empty() => return Some(0),
            None => {
                self.say(default)?;
                default.to_owned()
            }
            Some(Act::Say(reply)) => {
                self.say(&reply)?;
                reply
            }
            Some(Act::SayAndHangUp(reply)) => {
                self.say(&reply)?;
                return None;
            }
            Some(Act::HangUp) => return None,
            Some(Act::Silence) => {
                while self.fill() {}
                return None;
            }
            Some(Act::Deaf(pause, reply)) => {
                std::thread::sleep(pause);
                self.say(&reply)?;
                return None;
            }
            Some(Act::Trickle(reply, pause)) => {
                for byte in format!("{reply}\r\n").bytes() {
                    self.stream.write(&[byte])?;
                    std::thread::sleep(pause);
                }
                reply
            }
            Some(Act::Endless(text)) => loop {
                self.stream.write(text.as_bytes())?;
            },
            Some(Act::Challenge(challenge, last)) => {
                self.prompt(&format!("334 {}", STANDARD.encode(challenge)))?;
                self.say(&last)?;
                last
            }
        };
        Some(said.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0))
    }

    fn say(&mut self, reply: &str) -> Option<()> {
        self.stream.write(format!("{reply}\r\n").as_bytes())
    }

    fn begin_tls(&mut self) -> Option<()> {
        let Stream::Plain(socket) = &mut self.stream else { return None };
        let mut hello = [0; 4096];
        match self.script.handshake {
            Handshake::Normal | Handshake::Tls12 => {}
            Handshake::HangUp => {
                socket.read(&mut hello).ok().filter(|got| *got > 0)?;
                return None;
            }
            Handshake::Bytes(bytes) => {
                socket.read(&mut hello).ok().filter(|got| *got > 0)?;
                socket.write_all(bytes).ok()?;
                socket.shutdown(Shutdown::Write).ok()?;
                while socket.read(&mut hello).ok()? > 0 {}
                return None;
            }
        }
        let wanted = self.script.certificate;
        let chain = self.shared.chains.iter().find(|chain| chain.kind == wanted)?;
        let tls12 = self.script.handshake == Handshake::Tls12;
        let config = if tls12 { &chain.tls12 } else { &chain.both };
        let tls = ServerConnection::new(Arc::clone(config)).unwrap();
        let mut stream = StreamOwned::new(tls, socket.try_clone().ok()?);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).ok()?;
        }
        self.stream = Stream::Tls(Box::new(stream));
        Some(())
    }

    fn line(&mut self) -> Option<String> {
        let line = self.raw_line()?;
        let line = String::from_utf8_lossy(&line).trim_end_matches("\r\n").to_owned();
        let (connection, tls) = (self.connection, matches!(self.stream, Stream::Tls(_)));
        self.shared.heard().commands.push(Command { connection, tls, line: line.clone() });
        Some(line)
    }

    /// A line ends with CRLF and with nothing else.
    fn raw_line(&mut self) -> Option<Vec<u8>> {
        let mut searched = 0;
        loop {
            let found =
                self.unread.get(searched..)?.windows(2).position(|window| window == b"\r\n");
            if let Some(at) = found {
                return Some(self.unread.drain(..searched + at + 2).collect());
            }
            searched = self.unread.len().saturating_sub(1);
            if !self.fill() {
                return None;
            }
        }
    }

    fn fill(&mut self) -> bool {
        let mut chunk = vec![0; 16 * 1024];
        let got = self.stream.read(&mut chunk).unwrap_or(0);
        chunk.truncate(got);
        self.unread.append(&mut chunk);
        got > 0
    }
}

fn decode(text: &str) -> String {
    String::from_utf8_lossy(&STANDARD.decode(text).unwrap_or_default()).into_owned()
}

/// One certificate and how to serve with it.
struct Chain {
    kind: Certificate,
    sha256: String,
    both: Arc<ServerConfig>,
    tls12: Arc<ServerConfig>,
}

/// Makes an authority and one certificate of each kind.
fn certificates() -> (String, Vec<Chain>) {
    let (known_pem, known) = authority("known");
    let (_, unknown) = authority("unknown");
    let here = ["localhost", "127.0.0.1"];
    let chains = vec![
        chain(Certificate::Good, &known, &here, 2100),
        chain(Certificate::OtherName, &known, &["other.example"], 2100),
        chain(Certificate::Expired, &known, &here, 2001),
        chain(Certificate::UnknownAuthority, &unknown, &here, 2100),
    ];
    (known_pem, chains)
}

fn authority(name: &str) -> (String, rcgen::Issuer<'static, rcgen::KeyPair>) {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    (pem, rcgen::Issuer::new(params, key))
}

fn chain(
    kind: Certificate,
    issuer: &rcgen::Issuer<'static, rcgen::KeyPair>,
    names: &[&str],
    last_year: i32,
) -> Chain {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, issuer).unwrap();
    let configure = |versions: &[&'static rustls::SupportedProtocolVersion]| {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .unwrap();
        Arc::new(config)
    };
    let (tls12, tls13) = (&rustls::version::TLS12, &rustls::version::TLS13);
    let sha256 = Sha256::digest(leaf.der()).iter().map(|byte| format!("{byte:02x}")).collect();
    Chain { kind, sha256, both: configure(&[tls12, tls13]), tls12: configure(&[tls12]) }
}
