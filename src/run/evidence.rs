//! `[archive]`, checked; and the two places outside that a head is told to.

use std::path::{Path, PathBuf};

use super::command;
use crate::archive::sign::Signer;
use crate::archive::{self, ArchiveError, CHAIN, Sealed, head, stamp};
use crate::config::{ArchiveConfig, ConfigError, Home, Inputs, Span};
use crate::store;

/// How evidence is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Folder of the archive.
    pub dir: PathBuf,
    /// The same as the settings write it, for readers.
    pub name: String,
    /// What it holds of the traces.
    pub inputs: Inputs,
    /// How long it is to be kept.
    pub keep: Span,
    signing_key: Option<PathBuf>,
    tsa_command: Vec<String>,
    witness_command: Vec<String>,
}

impl Evidence {
    /// Checks `[archive]`, the key file too.
    ///
    /// # Errors
    /// [`ConfigError::Value`] naming file and key.
    pub fn of(home: &Home, config: &ArchiveConfig, file: &Path) -> Result<Self, ConfigError> {
        let signing_key = config.signing_key.as_ref().map(|key| home.path(key));
        if let Some(path) = &signing_key {
            let key = "archive.signing_key";
            super::secret::private_file(path, key, file)?;
            Signer::read(path).map_err(|error| {
                let hint = "ssh-keygen -t ed25519 -N '' -f keys/archive_ed25519";
                ConfigError::value(file, key, error.to_string(), hint)
            })?;
        }
        Ok(Self {
            dir: home.path(&config.dir),
            name: config.dir.clone(),
            inputs: config.inputs,
            keep: config.keep.clone(),
            signing_key,
            tsa_command: config.tsa_command.clone(),
            witness_command: config.witness_command.clone(),
        })
    }

    /// Where the key that signs comes from, and its fingerprint.
    pub fn origin(&self) -> Option<String> {
        let path = self.signing_key.as_ref()?;
        let signer = Signer::read(path).ok()?;
        Some(format!("signs with the key in `{}`, {}", path.display(), signer.fingerprint()))
    }

    /// The key that signs; none where evidence is not signed.
    ///
    /// # Errors
    /// [`ArchiveError::Sign`] when there is one that cannot be used.
    pub fn signer(&self) -> Result<Option<Signer>, ArchiveError> {
        Ok(self.signing_key.as_deref().map(Signer::read).transpose()?)
    }

    /// Tells a new head to the outside. What fails here is said loudly and unmakes nothing.
    pub fn tell(&self, sealed: &Sealed) {
        let head = &sealed.head;
        if !self.tsa_command.is_empty()
            && let Err(why) = self.stamp(&head.text(), head.seq)
        {
            tracing::error!(seq = head.seq, "no time stamp for the head: {why}");
        }
        if !self.witness_command.is_empty() {
            let mut words = self.witness_command.clone();
            words.extend([format!("{:06}", head.seq), format!("sha256:{}", head.sha256())]);
            if let Err(why) = command::output(&words, b"") {
                tracing::error!(seq = head.seq, "the witness was not told the head: {why}");
            }
        }
    }

    fn stamp(&self, text: &str, seq: u64) -> Result<(), String> {
        let query = stamp::query(text.as_bytes());
        let reply = command::output(&self.tsa_command, &query)?;
        if !stamp::speaks_of(&reply, text.as_bytes()) {
            return Err("the reply does not speak of this head".to_owned());
        }
        let file = self.dir.join(CHAIN).join(head::file_name(seq));
        for (ending, bytes) in [("head.tsq", &query), ("head.tsr", &reply)] {
            store::write_atomic(&file.with_extension(ending), bytes)
                .map_err(|error| super::chain(&error))?;
        }
        Ok(())
    }

    /// Settings of the schedule's report before, from its bag; none where it cannot be read.
    pub fn settings_of(&self, bag: &str) -> Option<String> {
        let path = self.dir.join(archive::BAGS).join(bag).join("data/settings.toml");
        std::fs::read_to_string(path).ok()
    }
}
