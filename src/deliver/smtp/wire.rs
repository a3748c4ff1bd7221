//! The wire of one SMTP conversation: commands out, replies in, every wait bounded.
//!
//! Invariants
//! * A deadline covers a whole reply, a whole handshake or a whole block, not one read, so a
//!   peer that trickles bytes cannot stretch it.
//! * A reply is complete and consistent, or it is an error; its size is bounded.
//! * Bytes that came before TLS began are never taken for bytes that came inside it.

use std::cmp::Reverse;
use std::fmt::Display;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustls::ClientConnection;
use secrecy::{ExposeSecret, SecretString};

use crate::deliver::outcome::{Reply, presentable};

/// The longest reply line that is read, in bytes; RFC 5321 section 4.5.3.1.5 asks for 512.
const LONGEST_LINE_BYTES: usize = 4 * 1024;
/// The longest reply over all its lines, in bytes.
const LONGEST_REPLY_BYTES: usize = 64 * 1024;
/// What stands in the place of a secret.
const REMOVED: &str = "[removed]";
/// How much is handed to the TLS layer at once: one full record.
const RECORD_BYTES: usize = 16 * 1024;

/// Why the wire gave no reply.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// The relay ended the connection.
    #[error("the relay closed the connection")]
    Closed,
    /// The deadline passed.
    #[error("the relay did not react within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// The network failed otherwise.
    #[error("the connection failed: {0}")]
    Network(io::Error),
    /// The TLS layer failed.
    #[error("TLS failed: {0}")]
    Tls(rustls::Error),
    /// Something came that is no SMTP reply.
    #[error("the relay gave no valid SMTP reply: `{}`", presentable(.0))]
    Garbage(String),
    /// A reply or one of its lines did not end.
    #[error("the relay's reply is longer than {0} bytes")]
    TooLong(usize),
    /// A reply came that nobody had asked for.
    #[error("the relay spoke out of turn: {}", presentable(.0))]
    OutOfTurn(String),
    /// Plain text followed the reply to STARTTLS, where an attacker could have put it.
    #[error("the relay, or somebody on the way, sent plain text after agreeing to TLS")]
    Injected,
    /// A command would have held a line break.
    #[error("a command may not hold a line break")]
    BrokenCommand,
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Network(error),
        }
    }
}

/// A reply line by line.
#[derive(Debug)]
pub(super) struct Answer {
    /// The code, the same on every line.
    pub(super) code: u16,
    /// The text of each line, not cleaned.
    pub(super) lines: Vec<String>,
}

impl Answer {
    /// The reply in one line, fit to be shown.
    pub(super) fn reply(&self) -> Reply {
        Reply::new(self.code, &self.lines.join(" "))
    }

    /// The first digit of the code (RFC 5321 section 4.2.1).
    pub(super) fn class(&self) -> u16 {
        self.code / 100
    }
}

/// A socket whose reads and writes end at a deadline.
#[derive(Debug)]
struct Timed {
    socket: TcpStream,
    deadline: Instant,
    allowed: Duration,
}

impl Timed {
    fn allow(&mut self, wait: Duration) {
        let now = Instant::now();
        self.deadline = now.checked_add(wait).unwrap_or(now);
        self.allowed = wait;
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }

    fn judge(&self, error: io::Error) -> WireError {
        match error.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => WireError::Timeout(self.allowed),
            _ => error.into(),
        }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.socket.set_read_timeout(Some(self.left()?))?;
            match self.socket.read(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(self.left()?))?;
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

/// One connection to a relay, plain at first and perhaps inside TLS later.
#[derive(Debug)]
pub(super) struct Wire {
    socket: Timed,
    tls: Option<Box<ClientConnection>>,
    unread: Vec<u8>,
    peer: SocketAddr,
    /// What nobody is to see, should the relay repeat it.
    hidden: Vec<SecretString>,
}

impl Wire {
    /// Connects to one address.
    pub(super) fn connect(address: SocketAddr, wait: Duration) -> Result<Self, WireError> {
        let socket =
            TcpStream::connect_timeout(&address, wait).map_err(|error| match error.kind() {
                ErrorKind::TimedOut => WireError::Timeout(wait),
                _ => WireError::Network(error),
            })?;
        // The final dot is a small write of its own; it must not wait for an acknowledgement.
        socket.set_nodelay(true)?;
        let peer = socket.peer_addr()?;
        let socket = Timed { socket, deadline: Instant::now(), allowed: wait };
        Ok(Self { socket, tls: None, unread: Vec::new(), peer, hidden: Vec::new() })
    }

    /// The address that the system really connected to.
    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Our own end of the connection.
    pub(super) fn local(&self) -> Option<SocketAddr> {
        self.socket.socket.local_addr().ok()
    }

    /// Begins TLS; everything after this goes through it.
    ///
    /// Bytes that are already here were sent in the clear by whoever could write to the
    /// connection. Were they read later, they would pass for the relay's own words
    /// (CVE-2011-0411), so they end the conversation.
    pub(super) fn start_tls(
        &mut self,
        mut tls: ClientConnection,
        plain_before: bool,
        wait: Duration,
    ) -> Result<(), WireError> {
        if plain_before && self.heard()? {
            return Err(WireError::Injected);
        }
        self.socket.allow(wait);
        shake_hands(&mut tls, &mut self.socket)?;
        self.tls = Some(Box::new(tls));
        Ok(())
    }

    /// The TLS connection, once begun.
    pub(super) fn tls(&self) -> Option<&ClientConnection> {
        self.tls.as_deref()
    }

    /// From here on no reply has this text in it: whatever is quoted of one, a secret is not.
    /// Told before it is said, and looked for while a reply is still whole: once it is shortened
    /// to be shown, a part of a secret could remain that is no longer recognised.
    pub(super) fn hide(&mut self, secret: &str) {
        self.hidden.push(SecretString::from(secret));
        // A longer one may hold a shorter one, whose removal would leave the rest of it.
        self.hidden.sort_by_key(|hidden| Reverse(hidden.expose_secret().len()));
    }

    /// The text with a mark in the place of each secret.
    pub(super) fn without_secrets(&self, text: &str) -> String {
        let hide =
            |text: String, hidden: &SecretString| text.replace(hidden.expose_secret(), REMOVED);
        self.hidden.iter().fold(text.to_owned(), hide)
    }

    /// The same for the lines of a reply; one that is broken into lines is found too.
    fn hide_in(&self, lines: &mut Vec<String>) {
        for line in &mut *lines {
            *line = self.without_secrets(line);
        }
        let whole = lines.concat();
        if self.without_secrets(&whole) != whole {
            *lines = vec![REMOVED.to_owned()];
        }
    }

    /// Says one command and reads the reply to it.
    ///
    /// A reply that is here before the command was said belongs to no command; taking it for
    /// the answer would put every later answer on the wrong command.
    pub(super) fn ask(
        &mut self,
        command: &dyn Display,
        wait: Duration,
    ) -> Result<Answer, WireError> {
        self.ask_line(&command.to_string(), wait)
    }

    /// As [`Wire::ask`], of a command that is written down already.
    pub(super) fn ask_line(&mut self, line: &str, wait: Duration) -> Result<Answer, WireError> {
        if self.heard()? {
            let answer = self.reply(wait)?;
            let text = format!("{} {}", answer.code, answer.lines.join(" "));
            return Err(WireError::OutOfTurn(text));
        }
        if line.strip_suffix("\r\n").is_none_or(|line| line.contains(['\r', '\n'])) {
            return Err(WireError::BrokenCommand);
        }
        self.put(line.as_bytes(), wait)?;
        self.reply(wait)
    }

    /// Sends bytes as they are, all of them within `wait`.
    pub(super) fn put(&mut self, bytes: &[u8], wait: Duration) -> Result<(), WireError> {
        self.socket.allow(wait);
        let sent = match &mut self.tls {
            None => self.socket.write_all(bytes),
            Some(tls) => bytes.chunks(RECORD_BYTES).try_for_each(|record| {
                tls.writer().write_all(record)?;
                flush(tls, &mut self.socket)
            }),
        };
        sent.map_err(|error| self.socket.judge(error))
    }

    /// Reads one whole reply within `wait` (RFC 5321 section 4.2).
    pub(super) fn reply(&mut self, wait: Duration) -> Result<Answer, WireError> {
        self.socket.allow(wait);
        let (mut lines, mut bytes, mut agreed) = (Vec::new(), 0, None);
        loop {
            let line = self.line()?;
            bytes += line.len();
            if bytes > LONGEST_REPLY_BYTES {
                return Err(WireError::TooLong(LONGEST_REPLY_BYTES));
            }
            let text = String::from_utf8_lossy(&line);
            let Some((code, last, text)) = parse(&text) else {
                return Err(WireError::Garbage(self.without_secrets(&text)));
            };
            if *agreed.get_or_insert(code) != code {
                return Err(WireError::Garbage(format!("{code} within a reply of another code")));
            }
            lines.push(text.to_owned());
            if last {
                self.hide_in(&mut lines);
                return Ok(Answer { code, lines });
            }
        }
    }

    /// Looks, without waiting, whether the relay has said something or hung up.
    pub(super) fn heard(&mut self) -> Result<bool, WireError> {
        if !self.unread.is_empty() {
            return Ok(true);
        }
        self.socket.allow(Duration::from_secs(1));
        self.socket.socket.set_nonblocking(true)?;
        let heard = self.fill();
        self.socket.socket.set_nonblocking(false)?;
        match heard {
            Ok(()) => Ok(true),
            Err(WireError::Timeout(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Ends the connection at once, without another byte of ours; what failed does not matter.
    pub(super) fn cut(&mut self) {
        self.socket.socket.shutdown(Shutdown::Both).ok();
    }

    /// Ends the connection with the TLS farewell; what fails does not matter.
    pub(super) fn part(mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            flush(tls, &mut self.socket).ok();
        }
        self.cut();
    }

    fn line(&mut self) -> Result<Vec<u8>, WireError> {
        loop {
            let end = self.unread.iter().position(|byte| *byte == b'\n');
            if end.unwrap_or(self.unread.len()) > LONGEST_LINE_BYTES {
                return Err(WireError::TooLong(LONGEST_LINE_BYTES));
            }
            if let Some(end) = end {
                let mut line: Vec<u8> = self.unread.drain(..=end).collect();
                line.pop();
                line.pop_if(|byte| *byte == b'\r');
                return Ok(line);
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<(), WireError> {
        let mut chunk = [0; 4096];
        let got = match &mut self.tls {
            None => self.socket.read(&mut chunk).map_err(|error| self.socket.judge(error))?,
            Some(tls) => read_inside(tls, &mut self.socket, &mut chunk)?,
        };
        if got == 0 {
            return Err(WireError::Closed);
        }
        self.unread.extend(chunk.iter().take(got));
        Ok(())
    }
}

/// Splits a reply line into code, "this is the last line", and text.
fn parse(line: &str) -> Option<(u16, bool, &str)> {
    let (code, rest) = line.split_at_checked(3)?;
    if !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let code: u16 = code.parse().ok()?;
    if !(200..600).contains(&code) {
        return None;
    }
    match rest.chars().next() {
        None => Some((code, true, "")),
        Some(' ') => Some((code, true, rest.strip_prefix(' ')?)),
        Some('-') => Some((code, false, rest.strip_prefix('-')?)),
        Some(_) => None,
    }
}

fn shake_hands(tls: &mut ClientConnection, socket: &mut Timed) -> Result<(), WireError> {
    while tls.is_handshaking() {
        flush(tls, socket).map_err(|error| socket.judge(error))?;
        if tls.wants_read() {
            take(tls, socket)?;
        }
    }
    flush(tls, socket).map_err(|error| socket.judge(error))
}

fn read_inside(
    tls: &mut ClientConnection,
    socket: &mut Timed,
    chunk: &mut [u8],
) -> Result<usize, WireError> {
    loop {
        match tls.reader().read(chunk) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => take(tls, socket)?,
            Err(error) => return Err(error.into()),
            Ok(got) => return Ok(got),
        }
    }
}

/// Takes what came from the socket into the TLS layer.
fn take(tls: &mut ClientConnection, socket: &mut Timed) -> Result<(), WireError> {
    if tls.read_tls(socket).map_err(|error| socket.judge(error))? == 0 {
        return Err(WireError::Closed);
    }
    let processed = tls.process_new_packets();
    // After a failure too: the alert tells the relay why its certificate was not taken. What
    // cannot be sent must not hide what was received; the next write will find out.
    flush(tls, socket).ok();
    processed.map(drop).map_err(WireError::Tls)
}

fn flush(tls: &mut ClientConnection, socket: &mut Timed) -> io::Result<()> {
    while tls.wants_write() {
        if tls.write_tls(socket)? == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
    }
    Ok(())
}

/// A message in the form that goes over the wire between DATA and the final dot.
#[derive(Debug)]
pub(super) struct Content {
    /// The bytes to send: every line ends with CRLF, leading dots are doubled.
    pub(super) wire: Vec<u8>,
    /// The size in octets as RFC 1870 section 4 counts it: with CRLF, without doubled dots.
    pub(super) octets: usize,
    /// Whether a byte above 127 occurs (RFC 6152).
    pub(super) eight_bit: bool,
}

/// Brings a message into wire form (RFC 5321 sections 2.3.8 and 4.5.2).
///
/// A bare CR or LF becomes CRLF: relays disagree on what a bare one means, and some take
/// `LF . LF` for the end of the message.
pub(super) fn encode(bytes: &[u8]) -> Content {
    let mut wire = Vec::with_capacity(bytes.len() + bytes.len() / 32 + 2);
    let (mut doubled, mut at_start, mut after_cr) = (0, true, false);
    for &byte in bytes {
        match byte {
            b'\n' if after_cr => {}
            b'\r' | b'\n' => {
                wire.extend_from_slice(b"\r\n");
                at_start = true;
            }
            _ => {
                if byte == b'.' && at_start {
                    wire.push(b'.');
                    doubled += 1;
                }
                wire.push(byte);
                at_start = false;
            }
        }
        after_cr = byte == b'\r';
    }
    if !at_start {
        wire.extend_from_slice(b"\r\n");
    }
    Content { octets: wire.len() - doubled, wire, eight_bit: !bytes.is_ascii() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5321 section 4.5.2, and section 2.3.8 for line ends.
    #[test]
    fn content_has_only_crlf_and_doubled_dots() {
        let cases: [(&[u8], &[u8], usize); 12] = [
            // message, wire, octets by RFC 1870
            (b"", b"", 0),
            (b"a", b"a\r\n", 3),
            (b"a\r\n", b"a\r\n", 3),
            (b"a\nb", b"a\r\nb\r\n", 6),
            (b"a\rb", b"a\r\nb\r\n", 6),
            (b"a\n\r\nb\r\n", b"a\r\n\r\nb\r\n", 8),
            (b"a\r\r\nb", b"a\r\n\r\nb\r\n", 8),
            (b".", b"..\r\n", 3),
            (b".\r\n..\r\n", b"..\r\n...\r\n", 7),
            (b"a\n.\nb", b"a\r\n..\r\nb\r\n", 9),
            (b"a\r.\rb", b"a\r\n..\r\nb\r\n", 9),
            (b"a.b\r\n", b"a.b\r\n", 5),
        ];
        for (message, wire, octets) in cases {
            let content = encode(message);
            assert_eq!(content.wire, wire, "{}", message.escape_ascii());
            assert_eq!(content.octets, octets, "{}", message.escape_ascii());
        }
        assert!(encode("é".as_bytes()).eight_bit);
        assert!(!encode(b"e").eight_bit);
    }

    /// Whatever a command is made of, it stays one command.
    #[test]
    fn a_command_with_a_line_break_is_not_said() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let wait = Duration::from_secs(5);
        let mut wire = Wire::connect(listener.local_addr().unwrap(), wait).unwrap();
        for command in ["NOOP\r\nQUIT\r\n", "NOOP\nQUIT\r\n", "NOOP", "NOOP\r\n\r\n"] {
            let refused = wire.ask(&command, wait);
            assert!(matches!(refused, Err(WireError::BrokenCommand)), "{command:?}");
        }
        drop(wire);
        let mut heard = String::new();
        listener.accept().unwrap().0.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "");
    }

    /// RFC 5321 section 4.2: three digits, then a blank or a hyphen.
    #[test]
    fn reply_lines_are_parsed_strictly() {
        let cases = [
            ("250 ok", Some((250, true, "ok"))),
            ("250-ok", Some((250, false, "ok"))),
            ("250", Some((250, true, ""))),
            ("250 ", Some((250, true, ""))),
            ("2500 ok", None),
            ("25", None),
            ("", None),
            ("150 ok", None),
            ("600 ok", None),
            ("+50 ok", None),
            (" 250 ok", None),
            ("25é", None),
            ("250é", None),
            ("HTTP/1.1 400 Bad Request", None),
        ];
        for (line, expected) in cases {
            assert_eq!(parse(line), expected, "{line}");
        }
    }
}
