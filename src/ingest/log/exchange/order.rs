//! The order of a session's lines, and what is missing of them.

use serde::{Deserialize, Serialize};

/// How a line stands to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placed {
    /// It follows.
    Next,
    /// It follows, but lines before it are missing.
    AfterGap,
    /// It was read before.
    Again,
}

/// Sequence numbers of a session.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    next: u64,
    missing: u64,
    gaps: u32,
}

impl Order {
    /// Before the first line that is read. What comes before the connection is no part of the
    /// conversation.
    pub(super) fn new(sequence: u64, connects: bool) -> Self {
        let missing = if connects { 0 } else { sequence };
        Self { next: sequence, missing, gaps: u32::from(missing > 0) }
    }

    /// Puts a line in its place.
    pub(super) fn place(&mut self, sequence: u64) -> Placed {
        if self.was_read(sequence) {
            return Placed::Again;
        }
        let missing = sequence - self.next;
        self.next = sequence.saturating_add(1);
        if missing == 0 {
            return Placed::Next;
        }
        self.missing = self.missing.saturating_add(missing);
        self.gaps = self.gaps.saturating_add(1);
        Placed::AfterGap
    }

    /// Says whether a line with this number was read before, or given up.
    pub(super) fn was_read(&self, sequence: u64) -> bool {
        sequence < self.next
    }

    /// Whether no line is missing so far.
    pub(super) fn is_complete(&self) -> bool {
        self.missing == 0
    }

    /// Whether no handshake can be hidden among the missing lines: it has three at least.
    pub(super) fn is_whole(&self) -> bool {
        self.gaps == 0 || (self.gaps == 1 && self.missing < 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_known() {
        let mut order = Order::new(0, false);
        assert_eq!(order.place(0), Placed::Next);
        assert_eq!(order.place(1), Placed::Next);
        assert_eq!(order.place(1), Placed::Again);
        assert_eq!(order.place(4), Placed::AfterGap);
        assert!(order.is_whole() && !order.is_complete());
        assert_eq!(order.place(6), Placed::AfterGap);
        assert!(!order.is_whole());
        let mut order = Order::new(0, true);
        order.place(0);
        assert_eq!(order.place(4), Placed::AfterGap);
        assert!(!order.is_whole());
        assert!(Order::new(5, true).is_whole());
        assert!(Order::new(2, false).is_whole());
        assert!(!Order::new(3, false).is_whole());
        assert_eq!(Order::new(0, true).place(u64::MAX), Placed::AfterGap);
    }
}
