//! A defect: the program stops itself, says so in one message, and ends with exit code 5.
//!
//! Panics unwind, so that unfinished files go and locks are given back. Threads hand theirs to
//! whoever waits for them; [`guarded`] is where they arrive, unless the engine has made a failed
//! run of one. The exit code is that of a defect all the same.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::say;
use crate::failure::FailureKind;

/// Whether a defect was met, in whatever thread.
static MET: AtomicBool = AtomicBool::new(false);
/// Defects that were said: threads that do the same work meet the same one, and a daemon that
/// goes on may meet another.
static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
/// How many different ones are said.
const MOST_SAID: usize = 20;

/// Does the work of the program. Where a defect was met, even in a thread that nobody waited
/// for, the exit code is that of a defect.
pub(super) fn guarded(work: impl FnOnce() -> ExitCode) -> ExitCode {
    std::panic::set_hook(Box::new(tell));
    // What was half changed is not looked at again: the process ends.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(code) if !MET.load(Ordering::SeqCst) => code,
        _ => ExitCode::from(FailureKind::Internal as u8),
    }
}

/// Says a defect, each once.
fn tell(panic: &PanicHookInfo<'_>) {
    /// What `std` says of a scope in which a thread has already said why.
    const AFTER_ANOTHER: &str = "a scoped thread panicked";
    MET.store(true, Ordering::SeqCst);
    if panic.payload_as_str() == Some(AFTER_ANOTHER) {
        return;
    }
    let place = panic.location().map_or_else(String::new, |place| {
        format!(" ({}:{})", shortened(place.file()), place.line())
    });
    let defect = format!("error: a defect of intransit: {}{place}", message(panic));
    let mut known = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= MOST_SAID || !known.insert(defect.clone()) {
        return;
    }
    drop(known);
    say(&defect);
    say("hint: what was filed and sent stays as it is; try again, and report this line");
    let trace = std::backtrace::Backtrace::capture();
    if trace.status() == std::backtrace::BacktraceStatus::Captured {
        say(&trace.to_string());
    }
}

fn message(panic: &PanicHookInfo<'_>) -> String {
    /// Longer ones quote what was read.
    const LONGEST_CHARS: usize = 300;
    let text = panic.payload_as_str().unwrap_or("no message");
    text.chars().take(LONGEST_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The end of the path of a source file: where it lay when the program was built is of no use.
fn shortened(file: &str) -> String {
    const PARTS: usize = 4;
    let parts: Vec<&str> = file.split(['/', '\\']).collect();
    parts.get(parts.len().saturating_sub(PARTS)..).unwrap_or_default().join("/")
}

#[cfg(test)]
mod tests {
    #[test]
    fn of_a_source_file_the_end_is_named() {
        assert_eq!(super::shortened("src/cli.rs"), "src/cli.rs");
        assert_eq!(super::shortened("/a/b/cron-0.17.0/src/x/y.rs"), "cron-0.17.0/src/x/y.rs");
    }
}
