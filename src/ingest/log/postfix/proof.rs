//! Which smtp daemons are known to log TLS.
//!
//! With connection reuse the TLS work is done by tlsproxy, and smtp prints its lines
//! `established to` and `reused to` whatever its own log level is. So an `established to` line
//! proves something only when its server never appears in a `reused to` line or in a line of
//! tlsproxy, which is known at the end of the stream.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::super::Sink;

/// Servers with reused connections that are remembered.
const MOST_REUSED: usize = 1 << 16;
/// Servers that would prove something, at once.
const MOST_CANDIDATES: usize = 1 << 14;

/// Loggers and servers, by hash.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Proofs {
    /// Servers, and the loggers that printed `established to` about them.
    candidates: BTreeSet<(u64, u64)>,
    reused: BTreeSet<u64>,
    /// A server with reused connections could not be remembered: nothing new is believed.
    full: bool,
    last: (u64, u64),
}

impl Proofs {
    /// An `established to` line of smtp. Servers are told apart by host.
    pub(super) fn established(&mut self, logger: u64, server: u64) {
        let pair = (server, logger);
        let room = !self.full && self.candidates.len() < MOST_CANDIDATES;
        if self.last != pair && room && !self.reused.contains(&server) {
            self.candidates.insert(pair);
            self.last = pair;
        }
    }

    /// A `reused to` line of smtp, or a line of tlsproxy about a server.
    pub(super) fn reused(&mut self, server: u64) {
        self.withdraw(server);
        if self.reused.len() < MOST_REUSED {
            self.reused.insert(server);
        } else if !self.reused.contains(&server) {
            self.full = true;
        }
    }

    /// A line of tlsproxy that may be about a server.
    pub(super) fn gone(&mut self, server: u64) {
        if self.withdraw(server) {
            self.reused(server);
        }
    }

    fn withdraw(&mut self, server: u64) -> bool {
        let about = (server, 0)..=(server, u64::MAX);
        let found: Vec<_> = self.candidates.range(about).copied().collect();
        for pair in &found {
            self.candidates.remove(pair);
        }
        self.last = (0, 0);
        !found.is_empty()
    }

    /// Tells what is proven when all lines are read.
    pub(super) fn end(&mut self, out: &mut dyn Sink) {
        for (_, logger) in std::mem::take(&mut self.candidates) {
            out.proves(logger);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_and_nothing_is_proven_beyond() {
        let mut proofs = Proofs::default();
        proofs.established(1, 0);
        for server in 1..MOST_REUSED as u64 + 10 {
            proofs.reused(server);
            proofs.gone(server << 32);
        }
        assert!(proofs.full && proofs.reused.len() == MOST_REUSED);
        proofs.established(2, 7 << 32);
        assert_eq!(proofs.candidates.iter().collect::<Vec<_>>(), [&(0, 1)]);
        proofs.gone(0);
        assert!(proofs.candidates.is_empty());
        let mut proofs = Proofs::default();
        for server in 0..MOST_CANDIDATES as u64 + 10 {
            proofs.established(1, server);
        }
        assert_eq!(proofs.candidates.len(), MOST_CANDIDATES);
    }
}
