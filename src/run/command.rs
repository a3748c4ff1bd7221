//! Commands of the administrator: hooks that print a token or a time stamp, or are told a head.
//! They get our environment without the variables in which settings say that passwords are.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use crate::config::secret_variables;

/// Longest time that a command may take.
const WAIT: Duration = Duration::from_mins(1);
/// Most bytes that are read of what it prints.
const MOST: u64 = 1 << 20;

/// Runs a command with `input` on its standard input, and gives what it prints. Its errors go
/// to our stderr.
///
/// # Errors
/// A sentence that names the program, and nothing that it was given or printed.
pub(super) fn output(words: &[String], input: &[u8]) -> Result<Vec<u8>, String> {
    output_within(WAIT, words, input)
}

fn output_within(longest: Duration, words: &[String], input: &[u8]) -> Result<Vec<u8>, String> {
    let (program, args) = words.split_first().ok_or("the command is empty")?;
    let fail = |what: String| format!("the command `{program}` {what}");
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
    for name in secret_variables() {
        command.env_remove(name);
    }
    let mut child = command.spawn().map_err(|error| fail(format!("cannot be started: {error}")))?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else {
        return Err(fail("has no input or output".to_owned()));
    };
    // Reading beside writing: a command may print before it has read all.
    let begun = Instant::now();
    let (sender, receiver) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        crate::store::may_panic("hook");
        // Room for any token: a buffer that grows leaves copies of it behind.
        let mut printed = Vec::with_capacity(1 << 16);
        // Nobody may be left to take it.
        drop(sender.send(stdout.take(MOST).read_to_end(&mut printed).map(|_| printed)));
    });
    // A command that does not care for its input may have closed it.
    drop(stdin.write_all(input));
    drop(stdin);
    wait(&mut child, longest).map_err(fail)?;
    // What the command left running may hold its output open for ever.
    let left = longest.saturating_sub(begun.elapsed()).max(Duration::from_secs(1));
    let printed = match receiver.recv_timeout(left) {
        Ok(printed) => printed,
        Err(RecvTimeoutError::Timeout) => return Err(fail("left its output open".to_owned())),
        Err(RecvTimeoutError::Disconnected) => match reader.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => return Err(fail("has no output".to_owned())),
        },
    };
    printed.map_err(|error| fail(format!("cannot be read: {error}")))
}

fn wait(child: &mut Child, longest: Duration) -> Result<(), String> {
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("failed ({status})")),
            Ok(None) if begun.elapsed() < longest => std::thread::sleep(Duration::from_millis(10)),
            Ok(None) => {
                // Whether it can be ended or not, it is not waited for.
                drop(child.kill());
                drop(child.wait());
                return Err(format!("took longer than {} s", longest.as_secs()));
            }
            Err(error) => return Err(format!("cannot be watched: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn what_a_command_leaves_running_is_not_waited_for() {
        let longest = Duration::from_secs(2);
        let left = output_within(longest, &words(&["sh", "-c", "sleep 20 & echo a"]), b"");
        assert!(left.unwrap_err().contains("left its output open"));
        let slow = output_within(longest, &words(&["sleep", "20"]), b"");
        assert!(slow.unwrap_err().contains("took longer than 2 s"));
    }

    #[test]
    fn a_command_gets_its_input_and_its_output_is_taken() {
        assert_eq!(output(&words(&["tr", "a", "b"]), b"aca").unwrap(), b"bcb");
        assert!(output(&words(&["false"]), b"").unwrap_err().contains("`false` failed"));
        assert!(output(&words(&["/nonexistent"]), b"").unwrap_err().contains("cannot be started"));
        assert!(output(&[], b"").is_err());
    }
}
