//! The transport `folder`: one `.eml` file per message, named by its Message-ID.
//!
//! A file is there whole or not at all, so it can always be told whether a message was
//! written: this transport is never in doubt.

use std::path::{Path, PathBuf};

use super::outcome::{Outcome, Phase, Receipt, RelayFailure};
use crate::store;

/// The file of a message.
pub fn path(folder: &Path, message_id: &str) -> PathBuf {
    // A Message-ID of ours has no separator; one from elsewhere must not leave the folder.
    let name: String =
        message_id.chars().map(|c| if matches!(c, '/' | '\\' | '\0') { '_' } else { c }).collect();
    folder.join(format!("{name}.eml"))
}

/// Says whether the folder holds this very message.
pub fn holds(folder: &Path, message_id: &str, bytes: &[u8]) -> bool {
    found(&path(folder, message_id)).is_some_and(|found| found == bytes)
}

/// What a file holds; what lies behind a link is not in the folder, and a link is replaced.
fn found(path: &Path) -> Option<Vec<u8>> {
    let is_file = path.symlink_metadata().is_ok_and(|facts| facts.is_file());
    is_file.then(|| std::fs::read(path).ok()).flatten()
}

/// Writes a message; one that is there already is not written again.
pub fn write(folder: &Path, message_id: &str, bytes: &[u8]) -> Outcome {
    let path = path(folder, message_id);
    let delivered = || {
        Outcome::Delivered(Receipt {
            reply: format!("written, SHA-256 {}", store::sha256(bytes)),
            relay: path.display().to_string(),
            tls: None,
            cipher: None,
            certificate_sha256: None,
        })
    };
    match found(&path) {
        Some(found) if found == bytes => return delivered(),
        Some(_) => {
            let why = format!("`{}` holds other bytes; move it away", path.display());
            return Outcome::Refused { phase: Phase::Body, why };
        }
        None => {}
    }
    let written = store::create_folder(folder).and_then(|()| store::write_atomic(&path, bytes));
    match written {
        Ok(()) => delivered(),
        Err(error) => Outcome::RelayDown(RelayFailure {
            phase: Phase::Body,
            why: format!("{error}: {}", error.source),
            needs_a_person: false,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_message_twice_is_one_file() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let outcome = write(folder.path(), "a.b@contoso.example", b"one");
            assert!(matches!(outcome, Outcome::Delivered(_)), "{outcome:?}");
        }
        assert!(holds(folder.path(), "a.b@contoso.example", b"one"));
        let other = write(folder.path(), "a.b@contoso.example", b"two");
        assert!(matches!(other, Outcome::Refused { .. }), "{other:?}");
        assert!(holds(folder.path(), "a.b@contoso.example", b"one"), "never overwritten");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_name_never_leaves_the_folder() {
        let inside = path(Path::new("outbox"), "../../etc/passwd@x");
        assert_eq!(inside.parent(), Some(Path::new("outbox")));
    }
}
