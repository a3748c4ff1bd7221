//! Which reply answers which command of a sending session.
//!
//! Replies come in the order of the commands, but commands may be sent before the replies to
//! earlier ones: `MAIL`, `RCPT` and even the next message's `MAIL`. A message is accepted by
//! the reply to the end of its data, which has no line of its own after `DATA`.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Commands that may be without a reply at a time; a session with more is not followed.
const MOST_OPEN: usize = 64;

/// What the sending server knows a message by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Its record id, which tracking calls internal-message-id.
    pub(super) id: Box<[u8]>,
    /// Its message id, without angle brackets.
    pub(super) message: Box<[u8]>,
}

/// What is known of a message on its way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Envelope {
    /// Domain of the sender (received mail) or of the first recipient (sent mail).
    pub(super) domain: Box<[u8]>,
    /// What the log names it, where it does.
    pub(super) record: Option<Record>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Expected {
    /// Replies that tell nothing.
    Plain(u32),
    /// The reply to `DATA`.
    Go(Box<Envelope>),
    /// The reply to the end of the data.
    End(Box<Envelope>),
}

/// The replies that are still to come.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Replies {
    expected: VecDeque<Expected>,
}

impl Replies {
    /// Forgets everything: lines are missing.
    pub(super) fn clear(&mut self) {
        self.expected.clear();
    }

    /// A new message begins: of earlier commands, only ends of data can be unanswered.
    pub(super) fn begin(&mut self) {
        let pending = |expected: &Expected| !matches!(expected, Expected::Plain(_));
        if !self.expected.iter().any(pending) {
            self.expected.clear();
        }
        self.command();
    }

    /// A command whose reply tells nothing.
    pub(super) fn command(&mut self) {
        if let Some(Expected::Plain(count)) = self.expected.back_mut() {
            *count = count.saturating_add(1);
        } else {
            self.push(Expected::Plain(1));
        }
    }

    /// `DATA`.
    pub(super) fn data(&mut self, envelope: Envelope) {
        self.push(Expected::Go(Box::new(envelope)));
    }

    /// `BDAT … LAST`.
    pub(super) fn last_chunk(&mut self, envelope: Envelope) {
        self.push(Expected::End(Box::new(envelope)));
    }

    /// The last line of a reply. Returns the message that it accepts.
    pub(super) fn reply(&mut self, code: [u8; 3]) -> Option<Envelope> {
        match self.expected.pop_front()? {
            Expected::Plain(count) => {
                if count > 1 {
                    self.expected.push_front(Expected::Plain(count - 1));
                }
                None
            }
            Expected::Go(envelope) => {
                if code == *b"354" {
                    self.expected.push_front(Expected::End(envelope));
                }
                None
            }
            Expected::End(envelope) => (code == *b"250").then_some(*envelope),
        }
    }

    fn push(&mut self, expected: Expected) {
        if self.expected.len() >= MOST_OPEN {
            self.expected.clear();
        }
        self.expected.push_back(expected);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(domain: &str) -> Envelope {
        Envelope { domain: domain.as_bytes().into(), record: None }
    }

    #[test]
    fn pipelined_messages_are_told_apart() {
        let mut replies = Replies::default();
        replies.begin();
        replies.command();
        assert_eq!(replies.reply(*b"250"), None);
        assert_eq!(replies.reply(*b"250"), None);
        replies.last_chunk(envelope("one"));
        replies.begin();
        replies.command();
        replies.data(envelope("two"));
        assert_eq!(replies.reply(*b"250"), Some(envelope("one")));
        assert_eq!(replies.reply(*b"250"), None);
        assert_eq!(replies.reply(*b"250"), None);
        assert_eq!(replies.reply(*b"354"), None);
        assert_eq!(replies.reply(*b"250"), Some(envelope("two")));
        assert_eq!(replies.reply(*b"250"), None);
    }

    #[test]
    fn what_is_refused_is_not_accepted() {
        let mut replies = Replies::default();
        replies.begin();
        replies.data(envelope("one"));
        assert_eq!(replies.reply(*b"250"), None);
        assert_eq!(replies.reply(*b"554"), None);
        assert_eq!(replies.reply(*b"250"), None);
        replies.begin();
        replies.last_chunk(envelope("two"));
        replies.reply(*b"250");
        assert_eq!(replies.reply(*b"452"), None);
        // Replies of the set-up that were not logged do not count against the message.
        replies.command();
        replies.command();
        replies.begin();
        replies.last_chunk(envelope("three"));
        replies.reply(*b"250");
        assert_eq!(replies.reply(*b"250"), Some(envelope("three")));
    }

    #[test]
    fn it_is_bounded() {
        let mut replies = Replies::default();
        for _ in 0..10_000 {
            replies.last_chunk(envelope("x"));
            replies.command();
            assert!(replies.expected.len() <= MOST_OPEN);
        }
    }
}
