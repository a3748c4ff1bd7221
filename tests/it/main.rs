//! The one integration-test binary: every module of `tests/it` is listed here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod cli;
mod demo;
mod files;
mod floors;
mod hostile;
mod kinds;
mod laws;
mod outputs;
mod rules;
mod schedule;
mod support;
mod words;
