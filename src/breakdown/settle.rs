//! Which rows are messages, and which belong to a message that another row stands for.
//!
//! Rows are looked at one identity at a time:
//! 1. A message written inside (a submission) has no inbound acceptance, except through a
//!    connector: the organisation's own hubs accept it too.
//! 2. A row with a known band supersedes one of `unknown` of the same message and direction,
//!    unless both name a remote server and not the same.
//! 3. Each (direction, connector, band, remote server) that is left is one message, on the
//!    local day of its earliest row; its first row is counted, the others of that file are
//!    merged, those of other files are duplicates.
//! 4. Rows without an identity count as often as the file that holds most copies has them.

mod near;
mod tally;

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use self::tally::Tally;
pub(super) use self::tally::{Count, PeerCount, PeerCounts, Settled, packs};
use super::rows::{Desk, Entry, MOST_BITS, Part, bits_for};
use super::{CountError, at_once};
use crate::breakdown::coverage::LocalDays;
use crate::breakdown::{Scope, SourceCounts};
use crate::clock::limit;
use crate::period::Period;
use crate::trace::{Direction, NO_NAME, RejectReason, Role, Tls};

/// Rows that can be had part by part.
pub(super) trait InParts: Sync {
    /// How many there are.
    fn rows(&self) -> u64;

    /// Adds those of a part, in any order.
    ///
    /// # Errors
    /// Where they cannot be read.
    fn read(&self, part: Part, into: &mut Vec<Entry>) -> Result<(), CountError>;
}

/// What settling needs to know.
pub(super) struct Rules<'a> {
    /// Local day of every instant that occurs.
    pub(super) days: &'a LocalDays,
    /// Per file and direction: whether a message without a TLS version had none.
    pub(super) absent_is_no_tls: &'a [[bool; Direction::ALL.len()]],
    /// Connectors whose remote domains are counted.
    pub(super) only: Vec<u32>,
    /// Whether those of all mail are.
    pub(super) all: bool,
    /// The days that matter; none where every day is told apart, for any periods.
    pub(super) windows: Option<Windows>,
    /// Whether all codes are small enough for [`packs`].
    pub(super) packs: bool,
}

/// The periods as ranges of days since 1970-01-01.
#[derive(Debug)]
pub(super) struct Windows {
    pub(super) periods: Vec<Range<i32>>,
    /// The periods and the equal ones before them.
    pub(super) needed: Vec<Range<i32>>,
    pub(super) longest: Range<i32>,
}

impl Windows {
    /// The windows of a scope.
    pub(super) fn new(scope: &Scope) -> Self {
        let window = |period: &Period| period.from.to_epoch_days()..period.to.to_epoch_days();
        let before = scope.periods.iter().filter_map(Period::previous);
        Self {
            periods: scope.periods.iter().map(window).collect(),
            needed: scope.periods.iter().copied().chain(before).map(|p| window(&p)).collect(),
            longest: scope.longest().map_or(0..0, |period| window(&period)),
        }
    }
}

/// Rows of a part that is settled at once: what the second cache of a processor holds.
const ROWS_AT_ONCE: u64 = 8_192;
/// Bytes that the rows of all parts that are being settled may take, sorted and unsorted.
const BYTES_AT_ONCE: u64 = 64 << 20;

/// Settles all parts, several at a time.
///
/// # Errors
/// [`CountError`] when rows cannot be read again, or polars refuses a frame.
pub(super) fn settle(rows: &dyn InParts, rules: &Rules<'_>) -> Result<Settled, CountError> {
    let workers = at_once::workers();
    let bits = bits_at_once(rows.rows(), workers as u64);
    let next = AtomicUsize::new(0);
    let work = || -> Result<Tally, CountError> {
        let mut tally = Tally::new(rules);
        let mut desk = Desk::default();
        let mut weighed = Weighed::default();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            crate::store::may_panic("settling");
            if index >= 1 << bits {
                break;
            }
            if limit::passed("settling") {
                return Err(CountError::Passed(limit::Passed));
            }
            rows.read(Part::new(index, bits), desk.fresh())?;
            if rules.windows.is_none() {
                tally.names.mark(desk.rows());
            }
            let mut run = Run { rules, tally: &mut tally };
            desk.take_alone(bits, |row| run.settle(std::slice::from_ref(row), &mut weighed));
            desk.each_identity(bits, |rows| run.settle(rows, &mut weighed));
            tally.fold(false, rules.packs)?;
        }
        tally.fold(true, rules.packs)?;
        Ok(tally)
    };
    let parts = at_once::on_threads(if bits == 0 { 1 } else { workers }, &work);
    let mut whole = Settled::default();
    for part in parts {
        part?.add_to(&mut whole)?;
    }
    Ok(whole)
}

/// The bits that make parts small enough to be settled at once.
fn bits_at_once(rows: u64, workers: u64) -> u32 {
    let most = BYTES_AT_ONCE / (2 * size_of::<Entry>() as u64) / workers.max(1);
    let few = bits_for(rows, ROWS_AT_ONCE, MOST_BITS);
    // More parts than batches have mean that some rows are looked at several times.
    (few..24).find(|bits| rows >> bits <= most).unwrap_or(24)
}

/// The rows of one identity, sorted by time, then file.
struct Run<'a> {
    rules: &'a Rules<'a>,
    tally: &'a mut Tally,
}

/// What the rows of one identity stand for; the room is used again for the next.
#[derive(Debug, Default)]
struct Weighed {
    /// The messages that are counted, and those of which a better row is there.
    kept: Vec<Message>,
    superseded: Vec<Message>,
    /// By row of the run.
    places: Vec<Place>,
    /// Rows and remote domains of one message.
    rows: Vec<Entry>,
    peers: Vec<u32>,
    /// Days of the messages.
    days: Vec<i32>,
}

/// Where a row belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is one of the rows of this message.
    Of(usize),
    /// It tells only another remote domain of this message.
    PeerOf(usize),
    /// It tells another remote domain of no message.
    Nowhere,
    /// It stands for no message of its own.
    Left,
}

impl Run<'_> {
    fn settle(&mut self, run: &[Entry], weighed: &mut Weighed) {
        match run {
            [only] if is_plain(only) => self.count_row(only),
            _ if nothing_to_weigh(run) => self.count_alike(run, weighed),
            _ if run.iter().any(|entry| entry.role() == Role::Anonymous) => {
                self.settle_anonymous(run);
            }
            _ => self.settle_weighed(run, weighed),
        }
    }

    fn settle_weighed(&mut self, run: &[Entry], weighed: &mut Weighed) {
        self.weigh(run, weighed);
        let Weighed { kept, places, rows, peers, days, .. } = weighed;
        days.clear();
        for (slot, message) in kept.iter().enumerate() {
            rows.clear();
            peers.clear();
            for (entry, place) in run.iter().zip(places.iter()) {
                let is_row = *place == Place::Of(slot);
                if is_row {
                    rows.push(*entry);
                }
                if (is_row || *place == Place::PeerOf(slot)) && !peers.contains(&entry.peer()) {
                    peers.push(entry.peer());
                }
            }
            days.extend(rows.first().map(|row| self.rules.days.of(row.time())));
            self.count(message, rows, peers, 1);
        }
        days.sort_unstable();
        days.dedup();
        self.place_the_rest(run, weighed);
    }

    /// Counts rows of which nothing is to be weighed: those that say the same are one message.
    fn count_alike(&mut self, run: &[Entry], weighed: &mut Weighed) {
        let Weighed { rows, peers, .. } = weighed;
        for (index, row) in run.iter().enumerate() {
            let (before, others) = run.split_at(index);
            if before.iter().any(|other| alike(other, row)) {
                continue;
            }
            if !others.iter().skip(1).any(|other| alike(other, row)) {
                self.count_row(row);
                continue;
            }
            rows.clear();
            rows.extend(others.iter().filter(|other| alike(other, row)));
            peers_of(rows, peers);
            self.count(&Message::of(row, row.tls()), rows, peers, 1);
        }
    }

    /// Finds out which messages rows stand for, and which row belongs to which of them.
    fn weigh(&self, run: &[Entry], weighed: &mut Weighed) {
        let submitted = run.iter().any(|entry| entry.role() == Role::Submission);
        let goes = |way: Direction| {
            run.iter().any(|entry| entry.role() != Role::Supposed && entry.direction() == way)
        };
        let is_message = |entry: &Entry| {
            let message = match entry.role() {
                Role::Message | Role::MessageWithoutTls | Role::FurtherRecipient => true,
                Role::Supposed => goes(entry.direction()),
                _ => false,
            };
            let own_hop = submitted
                && entry.direction() == Direction::Inbound
                && entry.connector() == NO_NAME;
            message && !own_hop && entry.direction() != Direction::Internal
        };
        let Weighed { kept, superseded, places, .. } = weighed;
        kept.clear();
        superseded.clear();
        places.clear();
        for entry in run.iter().filter(|entry| is_message(entry)) {
            let message = Message::of(entry, self.band(entry));
            match kept.iter_mut().find(|held| held.same(&message)) {
                Some(held) => held.explicit |= message.explicit,
                None => kept.push(message),
            }
        }
        if kept.len() > 1 {
            superseded.extend(kept.iter().filter(|message| message.superseded_by(kept)));
            kept.retain(|message| !superseded.iter().any(|gone| gone.same(message)));
        }
        for entry in run {
            let message = Message::of(entry, self.band(entry));
            let further = entry.role() == Role::FurtherPeer;
            let slot = kept.iter().position(|held| held.same(&message)).or_else(|| {
                let alike = |held: &Message| held.same(&Message { tls: held.tls, ..message });
                further.then(|| kept.iter().position(alike)).flatten()
            });
            places.push(match slot {
                Some(slot) if further => Place::PeerOf(slot),
                Some(slot) if is_message(entry) => Place::Of(slot),
                _ if further => Place::Nowhere,
                _ => Place::Left,
            });
        }
    }

    /// Where rows are counted whose message lies on one of these days. Without windows, each
    /// set of days is a place of its own, and all of them are inside.
    #[inline]
    fn place(&mut self, file: u32, days: &[i32]) -> (&mut SourceCounts, bool) {
        match &self.rules.windows {
            None => (self.tally.on_days(file, days), true),
            Some(windows) => {
                let inside =
                    days.is_empty() || days.iter().any(|day| windows.longest.contains(day));
                (self.tally.source(file), inside)
            }
        }
    }

    /// The band of a row whose file tells, as a whole, what an absent version means.
    fn band(&self, entry: &Entry) -> Tls {
        let of_file = self.rules.absent_is_no_tls.get(entry.file() as usize);
        let absent = of_file.and_then(|absent| absent.get(entry.direction() as usize));
        match entry.role() {
            Role::MessageWithoutTls if absent == Some(&true) => Tls::NoTls,
            _ => entry.tls(),
        }
    }

    /// Counts a message that is one row.
    fn count_row(&mut self, row: &Entry) {
        let message = Message::of(row, row.tls());
        let day = self.rules.days.of(row.time());
        self.add(day, &message, &[row.peer()], (row.file(), 1));
        let (counts, inside) = self.place(row.file(), &[day]);
        if inside {
            counts.counted += 1;
            counts.tls_known += u64::from(message.tls != Tls::Unknown);
        } else {
            counts.outside_period += 1;
        }
    }

    /// Counts one message, and says where its rows went. `rows` are in order of time.
    fn count(&mut self, message: &Message, rows: &[Entry], peers: &[u32], copies: u64) {
        let Some(first) = rows.first() else { return };
        let day = self.rules.days.of(first.time());
        let owner = rows.iter().map(Entry::file).min().unwrap_or(first.file());
        self.add(day, message, peers, (owner, copies));
        let mut still_to_count = copies;
        for row in rows.iter().filter(|row| row.role() != Role::FurtherRecipient) {
            let (counts, inside) = self.place(row.file(), &[day]);
            if !inside {
                counts.outside_period += 1;
            } else if row.file() != owner {
                counts.duplicates += 1;
            } else if still_to_count > 0 {
                counts.counted += 1;
                counts.tls_known += u64::from(message.tls != Tls::Unknown);
                still_to_count -= 1;
            } else {
                counts.merged += 1;
            }
        }
    }

    /// Adds so many copies of a message of this day, for its file.
    #[inline]
    fn add(&mut self, day: i32, message: &Message, peers: &[u32], (file, copies): (u32, u64)) {
        let peers = peers.iter().filter(|peer| **peer != NO_NAME);
        if let Some(windows) = &self.rules.windows {
            if windows.needed.iter().any(|window| window.contains(&day)) {
                self.tally.cells.push(day, message, file, (copies, self.rules.packs));
            }
            let wanted = self.rules.all || self.rules.only.contains(&message.connector);
            let in_periods = windows.periods.iter().enumerate();
            for (index, _) in in_periods.filter(|(_, window)| wanted && window.contains(&day)) {
                peers.clone().for_each(|peer| {
                    self.tally.peers.push(index, message, *peer, copies);
                });
            }
        } else if let Ok(slot) = usize::try_from(day) {
            self.tally.cells.push(day, message, file, (copies, self.rules.packs));
            peers.for_each(|peer| self.tally.peers.push(slot, message, *peer, copies));
        }
    }

    /// Rows of the identity that stand for no message of their own.
    fn place_the_rest(&mut self, run: &[Entry], weighed: &Weighed) {
        let Weighed { kept, superseded, places, days, .. } = weighed;
        let placed = || run.iter().zip(places);
        for (entry, _) in placed().filter(|(_, place)| **place == Place::Left) {
            if entry.role() == Role::FurtherRecipient {
                continue;
            }
            let message = Message::of(entry, self.band(entry));
            let was_superseded = superseded.iter().any(|held| held.same(&message));
            let same_file = placed()
                .any(|(row, place)| matches!(place, Place::Of(_)) && row.file() == entry.file());
            let (counts, inside) = self.place(entry.file(), days);
            if !inside {
                counts.outside_period += 1;
            } else if was_superseded && !same_file {
                counts.duplicates += 1;
            } else if !kept.is_empty() {
                counts.merged += 1;
            } else if entry.role() == Role::EventIncoming {
                self.tally.reject(entry.file(), RejectReason::NoAcceptance);
            } else {
                self.tally.source(entry.file()).internal += 1;
            }
        }
    }

    /// Rows without an identity that are equal to the letter: one message per copy in the
    /// file that holds most of them.
    fn settle_anonymous(&mut self, run: &[Entry]) {
        let mut peers = Vec::with_capacity(1);
        peers_of(run, &mut peers);
        let mut rows: Vec<Entry> =
            run.iter().filter(|entry| entry.role() != Role::FurtherPeer).copied().collect();
        rows.sort_unstable_by_key(|entry| (entry.file(), entry.time()));
        let most = rows.chunk_by(|a, b| a.file() == b.file()).max_by_key(|copies| {
            (copies.len(), std::cmp::Reverse(copies.first().map(Entry::file)))
        });
        let (Some(owner), Some(copies)) =
            (most.and_then(<[Entry]>::first), most.map(<[Entry]>::len))
        else {
            return;
        };
        if owner.direction() == Direction::Internal {
            for row in &rows {
                self.tally.source(row.file()).internal += 1;
            }
            return;
        }
        let message = Message::of(owner, owner.tls());
        let owner_file = owner.file();
        let own: Vec<Entry> = rows.iter().filter(|row| row.file() == owner_file).copied().collect();
        self.count(&message, &own, &peers, copies as u64);
        let day = self.rules.days.of(owner.time());
        let is_copy =
            |row: &&Entry| row.file() != owner_file && row.role() != Role::FurtherRecipient;
        for row in rows.iter().filter(is_copy) {
            let (counts, inside) = self.place(row.file(), &[day]);
            if inside { counts.duplicates += 1 } else { counts.outside_period += 1 }
        }
    }
}

/// Says whether rows are all messages, and none of them supersedes another: where a direction has
/// a row of `unknown`, it has no others. Almost all identities are so.
fn nothing_to_weigh(run: &[Entry]) -> bool {
    let mut bands = [0_u8; Direction::ALL.len()];
    for entry in run {
        if !is_plain(entry) {
            return false;
        }
        bands[entry.direction() as usize] |= 1 << entry.tls() as u8;
    }
    let unknown = 1 << Tls::Unknown as u8;
    bands.iter().all(|bands| bands & unknown == 0 || *bands == unknown)
}

/// Says whether a row stands for a message, whatever the others of its identity say.
fn is_plain(entry: &Entry) -> bool {
    entry.role() == Role::Message && entry.direction() != Direction::Internal
}

/// Says whether two rows of which nothing is to be weighed are of one message.
fn alike(one: &Entry, other: &Entry) -> bool {
    let said = |entry: &Entry| (entry.class(), entry.connector(), entry.remote());
    said(one) == said(other)
}

/// Puts the remote domains of rows, each once, in the place of others.
fn peers_of(run: &[Entry], peers: &mut Vec<u32>) {
    peers.clear();
    for entry in run {
        if !peers.contains(&entry.peer()) {
            peers.push(entry.peer());
        }
    }
}

/// What makes one message of an identity.
#[derive(Debug, Clone, Copy)]
struct Message {
    direction: Direction,
    connector: u32,
    tls: Tls,
    remote: u32,
    /// The trace names the band; false where it follows from an absent version.
    explicit: bool,
}

impl Message {
    fn of(entry: &Entry, tls: Tls) -> Self {
        Self {
            direction: entry.direction(),
            connector: entry.connector(),
            tls,
            remote: entry.remote(),
            explicit: entry.role() != Role::MessageWithoutTls,
        }
    }

    fn same(&self, other: &Self) -> bool {
        (self.direction, self.connector, self.tls, self.remote)
            == (other.direction, other.connector, other.tls, other.remote)
    }

    fn superseded_by(&self, all: &[Self]) -> bool {
        let weak = self.tls == Tls::Unknown || !self.explicit;
        weak && all.iter().any(|other| {
            let known = other.tls != Tls::Unknown && (other.explicit || self.tls == Tls::Unknown);
            // An acceptance without a version that names another connector is another one.
            let rival = !self.explicit
                && self.tls != Tls::Unknown
                && self.connector != NO_NAME
                && self.connector != other.connector;
            known
                && !rival
                && other.direction == self.direction
                && !other.same(self)
                && (self.remote == 0 || other.remote == 0 || self.remote == other.remote)
        })
    }
}

#[cfg(test)]
mod tests;
