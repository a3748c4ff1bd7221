//! The outbox: message after message to its relay or folder, and what follows each outcome.
//!
//! | outcome | then |
//! |---|---|
//! | delivered | `delivered`, with the receipt |
//! | refused for good | `refused` |
//! | too large | the variant without attachments goes out instead; else `refused` |
//! | not now | `queued`, again after 1, 5, 15, 60 minutes, then hourly |
//! | in doubt | the same bytes once more (`in-doubt`), or `held` |
//! | relay down | the relay is parked; no message uses up an attempt |
//!
//! A message that cannot be handed over and is older than five days is `expired` (RFC 5321
//! section 4.5.4.1 asks for 4 to 5). It is always tried first: a machine that was off for a
//! week has given up nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::post::{Post, Way};
use super::time;
use crate::clock::{Clock, limit};
use crate::config::OnDoubt;
use crate::deliver::folder;
use crate::deliver::outcome::{Outcome, Phase, Receipt, RelayFailure};
use crate::deliver::smtp::{Parcel, Session};
use crate::ledger::{Attempt, Key, Ledger, LedgerError, Message, Parked, State};
use crate::store;

/// Waits in minutes before the next attempt; the last one again and again.
const WAITS: [i64; 4] = [1, 5, 15, 60];
/// A person has to do something: look again less eagerly, but look.
const PERSON_WAIT: TimeDelta = TimeDelta::hours(1);
/// A message that may have arrived is not sent again at once.
const DOUBT_WAIT: TimeDelta = TimeDelta::minutes(5);
/// When a message is given up.
const EXPIRES: TimeDelta = TimeDelta::days(5);
/// Shortest time in which a relay gets its mail in one look, however short `run_timeout` is: a
/// slow relay may take most of it until it asks for the first message (RFC 5321 section 4.5.3.2).
const SHORTEST: Duration = Duration::from_hours(1);

/// Which post a schedule's mail goes by; `None` is for schedules that are gone.
pub type Posts = BTreeMap<Option<String>, Post>;

/// Puts messages in order that a crash left in the middle of being handed over.
///
/// # Errors
/// [`LedgerError`] when the ledger fails.
pub fn recover(ledger: &Ledger, posts: &Posts, now: DateTime<Utc>) -> Result<(), LedgerError> {
    for message in ledger.in_state(State::Sending)? {
        let Some(post) = post_of(posts, &message.key) else { continue };
        let id = &message.message_id;
        match &post.way {
            // What a folder holds can be looked at: the next pass finds it or writes it.
            Way::Folder(_) => ledger.put(id, State::Queued, Some(now), None, message.doubts)?,
            Way::Smtp(_) => {
                let doubts = message.doubts + 1;
                let why = "the process ended while the relay was being asked";
                let (state, next_at) = in_doubt(post, message.doubts, now);
                tracing::warn!(run = %message.key, recipient = %message.recipient,
                    state = state.name(), "in doubt: {why}");
                ledger.put(id, state, next_at, Some(why), doubts)?;
            }
        }
    }
    Ok(())
}

/// Hands over what is due, of all runs or of one. `stop` ends it after the current message,
/// `beat` counts messages. Each relay has its time; what is then left waits for the next look.
///
/// # Errors
/// [`LedgerError`] when the ledger fails.
pub fn deliver(
    ledger: &mut Ledger,
    posts: &Posts,
    clock: Clock,
    only: Option<&Key>,
    (stop, beat): (&AtomicBool, &AtomicU64),
) -> Result<(), LedgerError> {
    let mut by_relay: BTreeMap<String, (&Post, Vec<Message>)> = BTreeMap::new();
    for message in ledger.ready(clock.now())? {
        if only.is_some_and(|key| *key != message.key) {
            continue;
        }
        let Some(post) = post_of(posts, &message.key) else { continue };
        by_relay.entry(post.relay_name()).or_insert((post, Vec::new())).1.push(message);
    }
    for (name, (post, messages)) in by_relay {
        if ledger.parked(&name)?.is_some_and(|parked| parked.until > clock.now()) {
            continue;
        }
        let longest = messages.iter().filter_map(|message| post_of(posts, &message.key));
        let longest = longest.map(|post| post.longest).max().unwrap_or_default().max(SHORTEST);
        let round = Round { ledger, post, clock, name: &name, session: None };
        time::within(&name, longest, || round.run(messages, stop, beat))?;
    }
    Ok(())
}

fn post_of<'a>(posts: &'a Posts, key: &Key) -> Option<&'a Post> {
    posts.get(&Some(key.schedule.clone())).or_else(|| posts.get(&None))
}

/// The messages of one relay, over one connection as long as it lasts.
struct Round<'a> {
    ledger: &'a mut Ledger,
    post: &'a Post,
    clock: Clock,
    name: &'a str,
    session: Option<Session>,
}

impl Round<'_> {
    fn run(
        mut self,
        messages: Vec<Message>,
        stop: &AtomicBool,
        beat: &AtomicU64,
    ) -> Result<(), LedgerError> {
        let mut messages = messages.into_iter();
        while let Some(mut message) = messages.next() {
            beat.fetch_add(1, Ordering::Relaxed);
            if stop.load(Ordering::Relaxed) {
                break;
            }
            if limit::passed("mail") {
                self.next_look(std::iter::once(message).chain(messages))?;
                break;
            }
            // At most twice: whole, and without attachments.
            let mut next = self.one(&message)?;
            if let Next::Again(id) = next {
                message.message_id = id;
                message.has_small = false;
                next = self.one(&message)?;
            }
            if let Next::Down(why) = next {
                for waiting in std::iter::once(message).chain(messages) {
                    self.expire(&waiting, &why)?;
                }
                break;
            }
        }
        if let Some(session) = self.session {
            session.close();
        }
        Ok(())
    }

    /// Leaves messages for which there was no time as they are, and says so.
    fn next_look(&self, messages: impl Iterator<Item = Message>) -> Result<(), LedgerError> {
        let (now, why) = (self.clock.now(), "no time was left: it goes out at the next look");
        let mut count = 0_u64;
        for message in messages {
            let id = &message.message_id;
            self.ledger.put(id, message.state, Some(now), Some(why), message.doubts)?;
            count += 1;
        }
        tracing::warn!(
            relay = self.name,
            "run_timeout is over: {count} message(s) wait for the next look"
        );
        Ok(())
    }

    /// Gives up a message that is too old, now that its relay is down once more.
    fn expire(&mut self, message: &Message, why: &str) -> Result<(), LedgerError> {
        let now = self.clock.now();
        if now - message.created < EXPIRES {
            return Ok(());
        }
        let (run, recipient) = (&message.key, &message.recipient);
        let reply = format!("given up after 5 days: {why}");
        tracing::error!(%run, %recipient, "{reply}");
        let sha256 = store::sha256(&self.ledger.bytes(&message.message_id)?);
        let attempt = Attempt { outcome: "expired", reply, sha256, ..Attempt::default() };
        self.ledger.settle(message, (given_up(message), None), &attempt, now)
    }

    fn one(&mut self, message: &Message) -> Result<Next, LedgerError> {
        let bytes = self.ledger.bytes(&message.message_id)?;
        let outcome = match &self.post.way {
            Way::Folder(folder) => {
                self.ledger.sending(&message.message_id, self.clock.now())?;
                folder::write(folder, &message.message_id, &bytes)
            }
            Way::Smtp(_) => self.send(message, &bytes)?,
        };
        store::step("message handed over");
        self.settle(message, outcome, &bytes)
    }

    fn send(&mut self, message: &Message, bytes: &[u8]) -> Result<Outcome, LedgerError> {
        let Way::Smtp(relay) = &self.post.way else {
            unreachable!("only relays have sessions");
        };
        if self.session.as_ref().is_none_or(|session| !session.is_usable()) {
            let opened = relay.open().map_err(|why| RelayFailure {
                phase: Phase::Auth,
                why,
                needs_a_person: true,
            });
            match opened.and_then(|relay| Session::open(&relay)) {
                Ok(session) => self.session = Some(session),
                Err(failure) => {
                    self.session = None;
                    return Ok(Outcome::RelayDown(failure));
                }
            }
        }
        let Some(session) = &mut self.session else {
            unreachable!("a session was opened");
        };
        let parcel = Parcel {
            sender: &message.sender,
            recipient: &message.recipient,
            message_id: &message.message_id,
            bytes,
        };
        let (ledger, clock) = (&*self.ledger, self.clock);
        let mut failed = None;
        let mut about_to_send = || {
            ledger.sending(&message.message_id, clock.now()).map_err(|error| {
                let why = error.to_string();
                failed = Some(error);
                why
            })
        };
        let outcome = session.send(&parcel, &mut about_to_send);
        failed.map_or(Ok(outcome), Err)
    }

    fn settle(
        &mut self,
        message: &Message,
        outcome: Outcome,
        bytes: &[u8],
    ) -> Result<Next, LedgerError> {
        let now = self.clock.now();
        let mut attempt = Attempt { sha256: store::sha256(bytes), ..Attempt::default() };
        let tried = |wait| {
            if now - message.created >= EXPIRES {
                return (given_up(message), None);
            }
            let state = if message.doubts > 0 { State::InDoubt } else { State::Queued };
            (state, Some(now + wait))
        };
        let after = match outcome {
            Outcome::Delivered(receipt) => {
                self.ledger.unpark(Some(self.name))?;
                delivered(&mut attempt, receipt);
                (State::Delivered, None)
            }
            Outcome::Refused { phase, why } => {
                say(&mut attempt, "refused", phase, why);
                (State::Refused, None)
            }
            Outcome::TooLarge { phase, why } => {
                say(&mut attempt, "too-large", phase, why);
                if message.has_small {
                    tracing::warn!(run = %message.key, recipient = %message.recipient,
                        "too large for the relay, sent without attachments: {}", attempt.reply);
                    let small = self.ledger.make_small(message, &attempt, now)?;
                    return Ok(Next::Again(small));
                }
                (State::Refused, None)
            }
            Outcome::Deferred { phase, why } => {
                say(&mut attempt, "deferred", phase, why);
                tried(wait(message.attempts))
            }
            Outcome::InDoubt { phase, why } => {
                say(&mut attempt, "in-doubt", phase, why);
                in_doubt(self.post, message.doubts, now)
            }
            Outcome::RelayDown(failure) => {
                self.put_back(message, now)?;
                let why = self.park(&failure, now)?;
                return Ok(Next::Down(why));
            }
        };
        let (run, recipient) = (&message.key, &message.recipient);
        let (state, reply) = (after.0.name(), &attempt.reply);
        match after.0 {
            State::Delivered => tracing::info!(%run, %recipient, state, "{reply}"),
            State::Refused | State::Expired | State::Held => {
                tracing::error!(%run, %recipient, state, "{reply}");
            }
            _ => tracing::warn!(%run, %recipient, state, "{reply}"),
        }
        self.ledger.settle(message, after, &attempt, now)?;
        Ok(Next::Done)
    }

    /// A message whose relay is down stays as it was, and uses up no attempt.
    fn put_back(&self, message: &Message, now: DateTime<Utc>) -> Result<(), LedgerError> {
        self.ledger.put(&message.message_id, message.state, Some(now), None, message.doubts)
    }

    fn park(&mut self, failure: &RelayFailure, now: DateTime<Utc>) -> Result<String, LedgerError> {
        self.session = None;
        let failures = self.ledger.parked(self.name)?.map_or(0, |parked| parked.failures);
        let rest = if failure.needs_a_person { PERSON_WAIT } else { wait(failures) };
        let why = format!("{}: {}", failure.phase.name(), failure.why);
        let name = self.name.to_owned();
        if failure.needs_a_person {
            tracing::error!(relay = name, "the relay needs a person: {why}");
        } else {
            tracing::warn!(relay = name, "the relay cannot be used now: {why}");
        }
        self.ledger.park(&Parked {
            name,
            failures: failures + 1,
            until: now + rest,
            needs_a_person: failure.needs_a_person,
            why: why.clone(),
        })?;
        Ok(why)
    }
}

enum Next {
    Done,
    /// The variant without attachments, under this Message-ID.
    Again(String),
    /// The relay is down, for this reason.
    Down(String),
}

/// Where a message ends that is tried no more: one that may have arrived is a person's matter.
fn given_up(message: &Message) -> State {
    if message.doubts > 0 { State::Held } else { State::Expired }
}

fn in_doubt(post: &Post, doubts: u32, now: DateTime<Utc>) -> (State, Option<DateTime<Utc>>) {
    if post.on_doubt == OnDoubt::Resend && doubts == 0 {
        (State::InDoubt, Some(now + DOUBT_WAIT))
    } else {
        (State::Held, None)
    }
}

fn wait(attempts: u32) -> TimeDelta {
    let index = usize::try_from(attempts).unwrap_or(usize::MAX).min(WAITS.len() - 1);
    TimeDelta::minutes(WAITS.get(index).copied().unwrap_or(60))
}

fn say(attempt: &mut Attempt, outcome: &'static str, phase: Phase, why: String) {
    attempt.outcome = outcome;
    attempt.phase = Some(phase.name());
    attempt.reply = why;
}

fn delivered(attempt: &mut Attempt, receipt: Receipt) {
    attempt.outcome = "delivered";
    attempt.reply = receipt.reply;
    attempt.relay = Some(receipt.relay);
    attempt.tls = receipt.tls;
    attempt.cipher = receipt.cipher;
    attempt.certificate_sha256 = receipt.certificate_sha256;
}
