//! Sums per period: totals each way, per connector, and the equal period before.

use std::collections::BTreeMap;

use crate::breakdown::{Breakdown, Cell};
use crate::period::Period;
use crate::trace::{Direction, TlsCounts};

/// Messages of one direction, or of one connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// Which way.
    pub direction: Direction,
    /// Name; none = mail without a connector, or all mail of the direction.
    pub connector: Option<String>,
    /// Messages per band.
    pub tls: TlsCounts,
    /// The same in the period before; none where the traces do not cover it.
    pub previous: Option<TlsCounts>,
}

/// The sums of one period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The period.
    pub period: Period,
    /// Inbound and outbound, always both.
    pub totals: Vec<Sum>,
    /// Connectors with mail in this period or, where covered, the one before; by direction
    /// and name, mail without a connector first.
    pub connectors: Vec<Sum>,
    /// Days, directions and connectors with mail.
    pub daily: Vec<Cell>,
}

impl Breakdown {
    /// Sums up one period.
    pub fn summary(&self, period: Period) -> Summary {
        let previous = period
            .previous()
            .filter(|previous| self.first_day.is_some_and(|first| first <= previous.from));
        let now = sums(&self.cells, &period);
        let before = previous.map(|previous| sums(&self.cells, &previous));
        let mut keys: Vec<&Key> =
            now.keys().chain(before.iter().flat_map(BTreeMap::keys)).collect();
        keys.sort_unstable();
        keys.dedup();
        let connectors: Vec<Sum> = keys
            .into_iter()
            .map(|key| Sum {
                direction: key.0,
                connector: key.1.clone(),
                tls: now.get(key).copied().unwrap_or_default(),
                previous: before.as_ref().map(|sums| sums.get(key).copied().unwrap_or_default()),
            })
            .collect();
        let totals = [Direction::Inbound, Direction::Outbound]
            .map(|direction| total(direction, &connectors, before.is_some()))
            .to_vec();
        let inside = |cell: &&Cell| period.contains(cell.date) && cell.tls.total() > 0;
        let daily = self.cells.iter().filter(inside).cloned().collect();
        Summary { period, totals, connectors, daily }
    }
}

type Key = (Direction, Option<String>);

fn sums(cells: &[Cell], period: &Period) -> BTreeMap<Key, TlsCounts> {
    let mut sums: BTreeMap<Key, TlsCounts> = BTreeMap::new();
    for cell in cells.iter().filter(|cell| period.contains(cell.date)) {
        sums.entry((cell.direction, cell.connector.clone())).or_default().add_all(&cell.tls);
    }
    sums.retain(|_, tls| tls.total() > 0);
    sums
}

fn total(direction: Direction, connectors: &[Sum], covered: bool) -> Sum {
    let mut tls = TlsCounts::default();
    let mut before = TlsCounts::default();
    for sum in connectors.iter().filter(|sum| sum.direction == direction) {
        tls.add_all(&sum.tls);
        before.add_all(&sum.previous.unwrap_or_default());
    }
    Sum { direction, connector: None, tls, previous: covered.then_some(before) }
}
