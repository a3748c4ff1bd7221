//! `intransit sample`

use std::path::PathBuf;

use chrono::NaiveDate;

use super::{Done, say};
use crate::failure::Failure;
use crate::sample::{Plan, generate};
use crate::store;

/// What `sample` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder to write to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Days of traces
    #[arg(long, default_value_t = 35, value_parser = clap::value_parser!(u32).range(1..=3660))]
    days: u32,
    /// Messages, about
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=50_000_000))]
    messages: u32,
    /// Another number makes other traces
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Last day of the traces
    #[arg(long, value_name = "DATE", default_value = "2026-11-15")]
    last_day: NaiveDate,
}

pub(super) fn run(args: &Args) -> Result<Done, Failure> {
    store::create_open_folder(&args.out)?;
    let plan =
        Plan { days: args.days, messages: args.messages, seed: args.seed, last_day: args.last_day };
    for file in generate(&plan) {
        let path = args.out.join(file.name);
        store::write_open(&path, &file.bytes)?;
        say(&format!("wrote {}", path.display()));
    }
    Ok(Done::Well)
}
