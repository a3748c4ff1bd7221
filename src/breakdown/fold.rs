//! The tail of very many names: what goes beyond a bound is counted together, and said.
//!
//! Invariants
//! * Sums are exact: nothing is left out, only names are.
//! * Which names stay depends on the counts alone: connectors that the settings name, then those
//!   said to force TLS that carried mail without it, then those with the most messages, then by
//!   name.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::settle::{Count, PeerCounts};
use super::{
    Breakdown, Cell, Conflict, ConnectorFacts, Control, Peer, PeerRest, Peers, Scope, name,
};
use crate::trace::{Aggregate, Direction, NO_NAME, Names, Tls, TlsCounts};

/// Connectors that are told apart, beside those that the settings name.
pub const MOST_CONNECTORS: usize = 1_000;
/// Name of all others in the place of a connector's. A connector that has this very name is
/// counted among them where there are any.
pub const OTHER: &str = "(other)";
/// Remote domains that are told apart per period, both directions together.
pub(super) const MOST_PEERS: usize = 50;

/// What the traces say of connectors, by direction and code.
type Facts = Vec<((Direction, u32), ConnectorFacts)>;

/// Counts the connectors of message rows beyond [`MOST_CONNECTORS`] as one, before they have
/// names: millions of names would take gigabytes. Those of day totals are left for
/// [`connectors`]. Says how many were counted so.
pub(super) fn codes(
    counts: &mut [Count],
    facts: &mut Facts,
    totals: &[Aggregate],
    names: &Names,
    scope: &Scope,
) -> u64 {
    let sums = Sums::of(counts, facts);
    let all = sums.len();
    if all <= MOST_CONNECTORS {
        return 0;
    }
    let Ok(other) = names.code(OTHER) else { return 0 };
    let named = scope.named.iter().chain(&scope.only).map(String::as_str);
    let in_totals = totals.iter().filter_map(|total| total.connector.as_deref());
    let mut stay: BTreeSet<u32> =
        named.chain(in_totals).filter_map(|name| names.known(name)).collect();
    stay.remove(&other);
    let biggest = sums.biggest(names, other, &stay);
    stay.extend(biggest);
    let gone = all - stay.iter().filter(|code| sums.has_mail(**code)).count();
    // Mail without a connector stays what it is.
    stay.insert(NO_NAME);
    for count in counts.iter_mut().filter(|count| !stay.contains(&count.connector)) {
        count.connector = other;
    }
    facts.retain(|((_, connector), _)| stay.contains(connector));
    // A report of some connectors does not tell of the others at all.
    if scope.only.is_empty() { gone as u64 } else { 0 }
}

/// Messages of each connector, by its code.
struct Sums {
    /// Whether one that is said to force TLS carried mail without it, and all messages.
    by_code: Vec<(bool, u64)>,
}

impl Sums {
    fn of(counts: &[Count], facts: &Facts) -> Self {
        let mut forced: Vec<(Direction, u32)> = facts
            .iter()
            .filter(|(_, facts)| facts.forced_tls == Some(true))
            .map(|(key, _)| *key)
            .collect();
        forced.sort_unstable();
        let codes = counts.iter().map(|count| count.connector).filter(|code| *code != NO_NAME);
        let length = codes.max().map_or(0, |code| code as usize + 1);
        let mut sums = Self { by_code: vec![(false, 0); length] };
        for count in counts {
            let in_clear = count.tls == Tls::NoTls;
            if let Some((broken, messages)) = sums.by_code.get_mut(count.connector as usize) {
                let key = (count.direction, count.connector);
                *broken |= in_clear && forced.binary_search(&key).is_ok();
                *messages += count.messages;
            }
        }
        sums
    }

    fn len(&self) -> usize {
        self.by_code.iter().filter(|(_, messages)| *messages > 0).count()
    }

    fn has_mail(&self, code: u32) -> bool {
        self.by_code.get(code as usize).is_some_and(|(_, messages)| *messages > 0)
    }

    /// The biggest among those that do not stay anyway.
    fn biggest(&self, names: &Names, other: u32, stay: &BTreeSet<u32>) -> Vec<u32> {
        let with_mail = (0..).zip(&self.by_code).filter(|(_, (_, messages))| *messages > 0);
        let mut rest: Vec<(u32, (bool, u64))> = with_mail
            .map(|(code, sum)| (code, *sum))
            .filter(|(code, _)| *code != other && !stay.contains(code))
            .collect();
        let text = |code: u32| names.name(code).unwrap_or_default();
        rest.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| text(a.0).cmp(text(b.0))));
        rest.into_iter().take(MOST_CONNECTORS).map(|(code, _)| code).collect()
    }
}

/// Counts the connectors beyond [`MOST_CONNECTORS`] as one; so many are counted so already.
pub(super) fn connectors(breakdown: &mut Breakdown, scope: &Scope, already: u64) {
    breakdown.folded = already;
    let Some(stay) = staying(breakdown, scope) else { return };
    let stays = |name: &Option<String>| name.as_ref().is_none_or(|name| stay.contains(name));
    let mut gone: BTreeSet<String> = BTreeSet::new();
    let mut sums: BTreeMap<(NaiveDate, Direction), TlsCounts> = BTreeMap::new();
    breakdown.cells.retain_mut(|cell| {
        let stays = stays(&cell.connector);
        if !stays {
            gone.extend(cell.connector.take());
            sums.entry((cell.date, cell.direction)).or_default().add_all(&cell.tls);
        }
        stays
    });
    let other = || Some(OTHER.to_owned());
    breakdown.cells.extend(sums.into_iter().map(|((date, direction), tls)| Cell {
        date,
        direction,
        connector: other(),
        tls,
    }));
    breakdown.cells.sort_by(|a, b| key(a).cmp(&key(b)));
    breakdown.connectors.retain(|(_, name), _| stays(name));
    fold_controls(&mut breakdown.controls, &stays);
    fold_conflicts(&mut breakdown.conflicts, &stays);
    if already > 0 {
        // It stands for those that were counted before.
        gone.remove(OTHER);
    }
    breakdown.folded += gone.len() as u64;
}

fn key(cell: &Cell) -> (NaiveDate, Direction, Option<&str>) {
    (cell.date, cell.direction, cell.connector.as_deref())
}

/// The connectors that are told apart; none where all of them are.
fn staying(breakdown: &Breakdown, scope: &Scope) -> Option<BTreeSet<String>> {
    let forced = breakdown.connectors.iter().filter(|(_, facts)| facts.forced_tls == Some(true));
    let forced: BTreeSet<(Direction, &str)> =
        forced.filter_map(|((direction, name), _)| Some((*direction, name.as_deref()?))).collect();
    let mut sums: BTreeMap<&str, (bool, u64)> = BTreeMap::new();
    for cell in &breakdown.cells {
        let Some(name) = cell.connector.as_deref() else { continue };
        let (broken, messages) = sums.entry(name).or_default();
        *broken |= cell.tls.no_tls > 0 && forced.contains(&(cell.direction, name));
        *messages += cell.tls.total();
    }
    if sums.len() <= MOST_CONNECTORS {
        return None;
    }
    let named: BTreeSet<&str> = scope.named.iter().chain(&scope.only).map(String::as_str).collect();
    let mut others: Vec<(&str, (bool, u64))> = sums.into_iter().collect();
    others.retain(|(name, _)| *name != OTHER && !named.contains(name));
    others.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let biggest = others.into_iter().take(MOST_CONNECTORS).map(|(name, _)| name);
    Some(biggest.chain(named).map(str::to_owned).collect())
}

fn fold_controls(controls: &mut Vec<Control>, stays: &dyn Fn(&Option<String>) -> bool) {
    let mut sums: BTreeMap<(NaiveDate, Direction), (u64, u64)> = BTreeMap::new();
    controls.retain(|control| {
        let stays = stays(&control.connector);
        if !stays {
            let (total, rows) = sums.entry((control.date, control.direction)).or_default();
            *total += control.total;
            *rows += control.rows;
        }
        stays
    });
    controls.extend(sums.into_iter().map(|((date, direction), (total, rows))| Control {
        date,
        direction,
        connector: Some(OTHER.to_owned()),
        total,
        rows,
    }));
}

/// Of the conflicts of folded connectors, one per day, direction and pair of files is left.
fn fold_conflicts(conflicts: &mut Vec<Conflict>, stays: &dyn Fn(&Option<String>) -> bool) {
    let mut seen: BTreeSet<(NaiveDate, Direction, String, String)> = BTreeSet::new();
    conflicts.retain_mut(|conflict| {
        if stays(&conflict.connector) {
            return true;
        }
        conflict.connector = Some(OTHER.to_owned());
        let Conflict { date, direction, used, unused, .. } = conflict;
        seen.insert((*date, *direction, used.clone(), unused.clone()))
    });
}

/// The remote domains of each period, worst first, and the sum of those that are not listed.
///
/// Worst are most messages in clear, then most with old versions, then most messages.
pub(super) fn peers(counts: &PeerCounts, names: &Names, periods: usize) -> Vec<Peers> {
    let mut sums: Vec<((usize, Direction, u32), TlsCounts)> = Vec::new();
    let mut sorted: Vec<_> = counts.iter().collect();
    sorted.sort_unstable_by_key(|count| (count.period, count.direction, count.peer));
    for count in sorted {
        let key = (count.period, count.direction, count.peer);
        if sums.last().is_none_or(|(held, _)| *held != key) {
            sums.push((key, TlsCounts::default()));
        }
        if let Some((_, tls)) = sums.last_mut() {
            tls.add(count.tls, count.messages);
        }
    }
    let mut peers = vec![Peers::default(); periods];
    for of_period in sums.chunk_by_mut(|a, b| a.0.0 == b.0.0) {
        let period = of_period.first().map(|((period, ..), _)| *period);
        if let Some(slot) = period.and_then(|period| peers.get_mut(period)) {
            *slot = worst(of_period, names);
        }
    }
    peers
}

fn worst(sums: &mut [((usize, Direction, u32), TlsCounts)], names: &Names) -> Peers {
    let badness = |tls: &TlsCounts| {
        std::cmp::Reverse((tls.no_tls, tls.ssl3 + tls.tls1_0, tls.tls1_1, tls.total()))
    };
    let text = |code: u32| names.name(code).unwrap_or_default();
    sums.sort_unstable_by(|((_, way_a, a), tls_a), ((_, way_b, b), tls_b)| {
        (badness(tls_a), way_a, text(*a)).cmp(&(badness(tls_b), way_b, text(*b)))
    });
    let (listed, others) = sums.split_at(sums.len().min(MOST_PEERS));
    let listed = listed.iter().filter_map(|((_, direction, code), tls)| {
        Some(Peer { direction: *direction, name: name(names, *code)?, tls: *tls })
    });
    let mut rest = PeerRest::default();
    for (_, tls) in others {
        rest.peers += 1;
        rest.tls.add_all(tls);
    }
    Peers { listed: listed.collect(), rest: (rest.peers > 0).then_some(rest) }
}
