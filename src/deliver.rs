//! Delivery: one message to one recipient, handed to a relay or written into a folder.
//!
//! What becomes of a message is an [`Outcome`](outcome::Outcome), never an error: whoever
//! keeps the outbox decides what follows. Nothing here knows the ledger.

pub mod folder;
pub mod message;
pub mod outcome;
pub mod smtp;
