//! A defect: the program stops itself, says so in one message, and ends with exit code 5.
//!
//! Panics unwind, so that unfinished files go and locks are given back. Threads hand theirs to
//! whoever waits for them; [`guarded`] is where they all arrive.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use super::say;
use crate::failure::FailureKind;

/// Whether a defect was met, in whatever thread.
static MET: AtomicBool = AtomicBool::new(false);

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

/// Says the first defect; those that follow from it in other threads only hide it.
fn tell(panic: &PanicHookInfo<'_>) {
    if MET.swap(true, Ordering::SeqCst) {
        return;
    }
    let place = panic.location().map_or_else(String::new, |place| {
        format!(" ({}:{})", shortened(place.file()), place.line())
    });
    say(&format!("error: a defect of intransit: {}{place}", message(panic)));
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
