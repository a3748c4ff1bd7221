//! How was our mail protected in transit, connector by connector?
//!
//! `intransit` reads mail traces, counts messages per connector and TLS version, says what
//! needs attention, and renders reports that an auditor can file.
//!
//! ```text
//!  trace files ──ingest──▶ canonical trace ──breakdown (polars)──▶ counts ──insight──▶ report ──render──▶ html · pdf · csv · json
//!  (exports, logs)         frames + rejects    day × direction ×     plain     rules    plain                  │
//!                                              connector × TLS       structs            structs                ▼
//!  schedules/*.toml ──schedule──▶ due ──▶ run (ledger) ─────────────────────────▶ archive ──▶ outbox ──deliver──▶ relay or folder
//! ```
//!
//! # Floors
//! Modules stand on floors, lowest first; imports point downwards only, and modules of one
//! floor do not import each other. A test keeps it so, and another confines crates to the
//! modules that own them.
//!
//! | floor | modules | what they do |
//! |---|---|---|
//! | 1 | [`clock`], [`store`] | the present; the only file writer |
//! | 2 | [`config`], [`period`], [`trace`] | settings, periods, the canonical table and vocabulary |
//! | 3 | [`ingest`], [`sample`] | files to frames; demonstration traces |
//! | 4 | [`breakdown`] | frames to counts; polars ends here |
//! | 5 | [`cube`], [`lake`] | what each file was counted to, kept for the next report; tables that an engine counts where they are |
//! | 6 | [`insight`] | rules over counts |
//! | 7 | [`report`] | every number that is printed, as in `report.json` |
//! | 8 | [`render`] | one report to the bytes of each format |
//! | 9 | [`archive`], [`deliver`], [`ledger`], [`schedule`] | evidence; mail; what was due and what became of it; when |
//! | 10 | [`run`] | the pipeline of one report, top to bottom; the engine that runs schedules |
//! | 11 | [`failure`] | what a user sees of any error |
//! | 12 | [`cli`] | what may be typed |
//!
//! # Invariants
//! * A bad row is a counted, reported reject; nothing is dropped silently.
//! * Per file: rows = counted + merged + duplicates + internal + outside the period + rejected.
//! * Unknown protection is never counted as No TLS, nor as any version.
//! * Counts are `u64`; shares are computed once and only formatted afterwards.
//! * The same traces, settings and version give the same bytes, with and without what was kept
//!   of earlier readings: nothing of the moment is in a report file, and only [`clock`] asks for
//!   the present.
//! * A nominal occurrence of a schedule is one run, whatever happens to clock or process; a
//!   message is in exactly one state, and only one in doubt is ever sent twice, unchanged.
//!
//! # Words
//! *trace* (canonical rows), *row*, *reject*, *direction* (inbound, outbound, internal),
//! *connector* (or none), *TLS band*, *period*, *breakdown*, *share*, *insight*, *coverage*,
//! *report*, *schedule*, *run* (one nominal occurrence), *delivery*, *receipt*, *bag*.

pub mod archive;
pub mod breakdown;
pub mod cli;
pub mod clock;
pub mod config;
pub mod cube;
pub mod deliver;
pub mod failure;
pub mod ingest;
pub mod insight;
pub mod lake;
pub mod ledger;
pub mod period;
pub mod render;
pub mod report;
pub mod run;
pub mod sample;
pub mod schedule;
pub mod store;
pub mod trace;
