//! The one integration-test binary: every module of `tests/it` is listed here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod branding;
mod cli;
mod cloud;
mod crash;
mod cube;
mod defects;
mod demo;
mod dependencies;
mod evidence;
mod evidence_verify;
mod fault_server;
mod files;
mod floors;
mod grow;
mod hostile;
mod kinds;
mod lake;
mod languages;
mod laws;
mod limits;
mod logs;
mod memory;
mod nasty;
mod office;
mod outputs;
mod page;
mod pdf_structure;
mod postfix;
mod relay;
mod rights;
mod rules;
mod runs;
mod schedule;
mod secrets;
mod smtp;
mod steps;
mod stuck;
mod support;
mod tls_rpt;
mod words;
mod xlsx;
