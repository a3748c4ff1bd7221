//! A block of lines, each told apart from those before it, so that several blocks can be
//! prepared at once.

use std::sync::Arc;

use ouroboros::self_referencing;

use super::super::super::abreast::Abreast;
use super::super::super::blocks::Buffer;
use super::super::stamp::Head;
use super::super::syslog::{Tagged, behind_host, stamp, tagged};
use super::super::{Prepare, each_line};
use super::delivery::{At, Deliveries};
use super::inbound::{CleanupSaid, QueueSaid, ServerSaid, picked_up};
use super::outbound::{ClientSaid, TlsProxySaid, served};
use super::program::{Daemon, Found, Program, Programs};
use super::queue::{Id, Text};
use super::text::without_message_number;

/// What a line says by itself.
#[derive(Debug)]
pub(super) enum Said<'a> {
    /// Nothing that matters here.
    Nothing,
    Server(ServerSaid<'a>),
    Cleanup(CleanupSaid<'a>),
    Queue(QueueSaid<'a>),
    Pickup(Id<'a>),
    Client(ClientSaid<'a>),
    Inside(Id<'a>, At),
    Proxy(TlsProxySaid),
}

impl<'a> Said<'a> {
    /// Of the text of a program's line.
    pub(super) fn parse(
        program: &Program,
        text: &'a [u8],
        deliveries: &mut Deliveries<'a>,
    ) -> Self {
        let text = Text::new(without_message_number(text), program);
        match program.daemon {
            Daemon::Server => Self::Server(ServerSaid::parse(program, text)),
            Daemon::Cleanup => Self::Cleanup(CleanupSaid::parse(program, text)),
            Daemon::Queue => Self::Queue(QueueSaid::parse(text)),
            Daemon::Pickup => picked_up(text).map_or(Self::Nothing, Self::Pickup),
            Daemon::Client => Self::Client(ClientSaid::parse(program, text, deliveries)),
            Daemon::Inside => served(text)
                .map_or(Self::Nothing, |(id, served)| Self::Inside(id, deliveries.add(served))),
            Daemon::Proxy => Self::Proxy(TlsProxySaid::parse(program, text.text)),
            Daemon::Other => Self::Nothing,
        }
    }
}

/// No head, or no program.
const NONE: u32 = u32::MAX;

/// One line.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    /// Number of the line within the block, from 1.
    pub number: u32,
    /// Where the line lies in the block: start and length.
    span: (u32, u32),
    /// Its place among the heads of stamps; none where the line has no plain form.
    pub head: u32,
    /// Milliseconds behind the head.
    pub within_ms: u32,
    /// Its place among the programs; none where it is not of Postfix.
    program: u32,
    pub pid: u32,
    pub said: Said<'a>,
}

/// A block with what its lines say: whichever thread follows it, it goes there as a whole.
#[self_referencing]
#[derive(Debug)]
pub(crate) struct Prepared {
    text: Buffer,
    #[borrows(text)]
    #[covariant]
    lines: Lines<'this>,
}

impl Prepared {
    /// What the lines say.
    pub(super) fn lines(&self) -> &Lines<'_> {
        self.borrow_lines()
    }
}

/// The lines of a block.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    text: &'a [u8],
    heads: Vec<Head<'a>>,
    pub(super) programs: Vec<Arc<Program>>,
    pub(super) entries: Vec<Entry<'a>>,
    pub(super) deliveries: Deliveries<'a>,
    /// How the line read last began.
    beginning: Option<Beginning<'a>>,
    /// Number of lines, whether they are among the entries or not.
    pub(super) count: u64,
}

/// Stamp and host of a line, which the next one often shares.
#[derive(Debug, Clone, Copy)]
struct Beginning<'a> {
    /// Both, with the blanks behind them.
    text: &'a [u8],
    host: &'a [u8],
    /// Place of the head of the stamp, and the milliseconds behind it.
    stamp: (u32, u32),
}

impl<'a> Lines<'a> {
    /// The head of an entry's stamp.
    pub(super) fn head(&self, entry: &Entry<'_>) -> Option<&Head<'a>> {
        self.heads.get(entry.head as usize)
    }

    /// The program of an entry, and its place among the programs.
    pub(super) fn program(&self, entry: &Entry<'_>) -> Option<(usize, &Arc<Program>)> {
        let index = entry.program as usize;
        Some((index, self.programs.get(index)?))
    }

    /// An entry as it was logged.
    pub(super) fn line(&self, entry: &Entry<'_>) -> &'a [u8] {
        let (start, length) = (entry.span.0 as usize, entry.span.1 as usize);
        self.text.get(start..start + length).unwrap_or_default()
    }

    fn add(
        &mut self,
        programs: &mut Programs,
        (block, number): (u64, u32),
        (start, line): (usize, &'a [u8]),
        abreast: &Abreast<'_>,
    ) {
        let span = (place(start), place(line.len()));
        let mut entry = Entry {
            number,
            span,
            head: NONE,
            within_ms: 0,
            program: NONE,
            pid: 0,
            said: Said::Nothing,
        };
        if let Some((head, within_ms, tagged)) = self.cut(line) {
            abreast.step();
            entry.head = head;
            let Tagged { host, program, pid, text } = tagged;
            if let Some(found) = programs.find(host, program) {
                abreast.step();
                entry.within_ms = within_ms;
                entry.pid = pid;
                entry.said = Said::parse(&found.program, text, &mut self.deliveries);
                entry.program = self.place_of(found, block);
            }
        }
        self.entries.push(entry);
    }

    /// Place of the head of a line's stamp, the milliseconds behind it, and the rest.
    fn cut(&mut self, line: &'a [u8]) -> Option<(u32, u32, Tagged<'a>)> {
        if let Some(Beginning { text, host, stamp: (head, within_ms) }) = self.beginning
            && let Some(rest) = line.strip_prefix(text)
        {
            return Some((head, within_ms, behind_host(host, rest)?));
        }
        if matches!(line.first(), Some(b'{' | b'<')) {
            return None;
        }
        let (head, within_ms, rest) = stamp(line).ok()?;
        if self.heads.last() != Some(&head) {
            self.heads.push(head);
        }
        let tagged = tagged(rest)?;
        let length = line.len() - rest.len() + tagged.host.len() + 1;
        let text = line.get(..length)?;
        let head = place(self.heads.len() - 1);
        self.beginning = Some(Beginning { text, host: tagged.host, stamp: (head, within_ms) });
        Some((head, within_ms, tagged))
    }

    fn place_of(&mut self, found: &mut Found, block: u64) -> u32 {
        if let Some((_, place)) = found.listed.filter(|(listed, _)| *listed == block) {
            return place;
        }
        let place = place(self.programs.len());
        self.programs.push(Arc::clone(&found.program));
        found.listed = Some((block, place));
        place
    }
}

/// A place within a block, which is smaller than 4 GiB.
fn place(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(NONE)
}

/// Prepares blocks on one thread.
#[derive(Debug, Default)]
pub(crate) struct Preparer {
    programs: Programs,
    block: u64,
    /// Deliveries of the block before: as many are expected of the next.
    deliveries: usize,
}

impl Preparer {
    fn lines<'a>(&mut self, text: &'a [u8], abreast: &Abreast<'_>) -> Lines<'a> {
        let mut lines = Lines {
            text,
            heads: Vec::new(),
            programs: Vec::new(),
            entries: Vec::with_capacity(text.len() / 128),
            deliveries: Deliveries::with_capacity(self.deliveries + self.deliveries / 8),
            beginning: None,
            count: 0,
        };
        self.block += 1;
        lines.count = each_line(text, |number, start, line| {
            // Not all at once: so it is done beside more of the rest.
            abreast.step();
            lines.add(&mut self.programs, (self.block, number), (start, line), abreast);
            abreast.step();
        });
        self.deliveries = lines.deliveries.len();
        lines
    }
}

impl Prepare for Preparer {
    type Prepared = Prepared;

    fn prepare(&mut self, text: Buffer, abreast: &Abreast<'_>) -> Prepared {
        Prepared::new(text, |text| self.lines(text, abreast))
    }
}
