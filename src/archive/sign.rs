//! Signatures that stock OpenSSH checks: SSHSIG with an ed25519 key made by `ssh-keygen`
//! (PROTOCOL.sshsig of OpenSSH), namespace [`NAMESPACE`].

use std::path::{Path, PathBuf};

use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, PublicKey, SshSig};

use crate::store;

/// Namespace of the signatures: a signature made for anything else is none of ours.
pub const NAMESPACE: &str = "intransit-archive-v1";
/// Who signs, as `ssh-keygen -Y verify -I` wants to know.
pub const PRINCIPAL: &str = "intransit-archive";

/// Why nothing can be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The key file cannot be read, or others can read it.
    #[error("the signing key cannot be used: {0}")]
    Read(String),
    /// The file holds no key that can be used.
    #[error("`{}` is no OpenSSH ed25519 private key without a passphrase", path.display())]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// Signing failed.
    #[error("the head cannot be signed")]
    Sign(#[from] ssh_key::Error),
}

/// A key that signs heads.
pub struct Signer {
    key: PrivateKey,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("key", &self.fingerprint()).finish()
    }
}

impl Signer {
    /// Reads a private key.
    ///
    /// # Errors
    /// [`SignError`] when it is none, or is protected by a passphrase that nobody could type.
    pub fn read(path: &Path) -> Result<Self, SignError> {
        let text = store::read_private(path).map_err(SignError::Read)?;
        let key = PrivateKey::from_openssh(&*text)
            .ok()
            .filter(|key| !key.is_encrypted() && key.algorithm() == Algorithm::Ed25519);
        key.map(|key| Self { key }).ok_or_else(|| SignError::Key { path: path.to_owned() })
    }

    /// The fingerprint, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint(HashAlg::Sha256).to_string()
    }

    /// The line of `allowed_signers` for this key.
    ///
    /// # Errors
    /// [`SignError::Sign`] when the key cannot be written down.
    pub fn allowed_signer(&self) -> Result<String, SignError> {
        let public = PublicKey::new(self.key.public_key().key_data().clone(), "").to_openssh()?;
        Ok(format!("{PRINCIPAL} namespaces=\"{NAMESPACE}\" {}", public.trim()))
    }

    /// Signs a message: the text of a `.sig` file.
    ///
    /// # Errors
    /// [`SignError::Sign`] when the key refuses.
    pub fn sign(&self, message: &[u8]) -> Result<String, SignError> {
        let signature = self.key.sign(NAMESPACE, HashAlg::Sha512, message)?;
        Ok(signature.to_pem(LineEnding::LF)?)
    }
}

/// The keys that `allowed_signers` names for us.
#[derive(Debug, Clone, Default)]
pub struct AllowedSigners {
    keys: Vec<PublicKey>,
}

impl AllowedSigners {
    /// Reads the file's text; `None` when a line is not one that we write, or stands there twice.
    pub fn parse(text: &str) -> Option<Self> {
        let mut keys = Vec::new();
        for line in text.split_inclusive('\n') {
            let prefix = format!("{PRINCIPAL} namespaces=\"{NAMESPACE}\" ");
            let line = line.strip_suffix('\n')?.strip_prefix(&prefix)?;
            let key = PublicKey::from_openssh(line).ok()?;
            let ours = key.algorithm() == Algorithm::Ed25519
                && key.comment().is_empty()
                && key.to_openssh().ok()? == line;
            if !ours || keys.contains(&key) {
                return None;
            }
            keys.push(key);
        }
        Some(Self { keys })
    }

    /// The fingerprints of the keys, oldest first.
    pub fn fingerprints(&self) -> Vec<String> {
        self.keys.iter().map(|key| key.fingerprint(HashAlg::Sha256).to_string()).collect()
    }

    /// Whether the key of this fingerprint is among them.
    pub fn has(&self, fingerprint: &str) -> bool {
        self.key(fingerprint).is_some()
    }

    /// Says whether `signature` was made over `message`, for our purpose, by the allowed key
    /// with this fingerprint. Only the very text that [`Signer::sign`] writes is a signature:
    /// armor takes blanks and words around it that no hash of ours would cover.
    pub fn verifies(&self, fingerprint: &str, message: &[u8], signature: &str) -> bool {
        let parsed = SshSig::from_pem(signature);
        let (Some(key), Ok(parsed)) = (self.key(fingerprint), parsed) else { return false };
        parsed.to_pem(LineEnding::LF).is_ok_and(|text| text == signature)
            && key.verify(NAMESPACE, message, &parsed).is_ok()
    }

    fn key(&self, fingerprint: &str) -> Option<&PublicKey> {
        self.keys.iter().find(|key| key.fingerprint(HashAlg::Sha256).to_string() == fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn keygen(folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "a comment", "-f"])
            .arg(&path)
            .status()
            .unwrap();
        assert!(made.success());
        path
    }

    #[test]
    fn stock_ssh_keygen_accepts_what_we_sign() {
        let folder = tempfile::tempdir().unwrap();
        let signer = Signer::read(&keygen(folder.path(), "key")).unwrap();
        let allowed = format!("{}\n", signer.allowed_signer().unwrap());
        let signature = signer.sign(b"message").unwrap();
        for (name, text) in
            [("allowed", &allowed), ("sig", &signature), ("message", &"message".to_owned())]
        {
            store::write_atomic(&folder.path().join(name), text.as_bytes()).unwrap();
        }
        let checked = Command::new("ssh-keygen")
            .args(["-Y", "verify", "-f", "allowed", "-I", PRINCIPAL, "-n", NAMESPACE, "-s", "sig"])
            .current_dir(folder.path())
            .stdin(Stdio::from(std::fs::File::open(folder.path().join("message")).unwrap()))
            .output()
            .unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        let known = AllowedSigners::parse(&allowed).unwrap();
        let fingerprint = signer.fingerprint();
        assert!(known.verifies(&fingerprint, b"message", &signature));
        assert!(!known.verifies(&fingerprint, b"massage", &signature));
        let other = Signer::read(&keygen(folder.path(), "other")).unwrap();
        assert!(!known.verifies(
            &other.fingerprint(),
            b"message",
            &other.sign(b"message").unwrap()
        ));
    }

    #[test]
    fn a_key_of_another_kind_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let args = ["-q", "-t", "ed25519", "-N", "secret", "-f"];
        assert!(Command::new("ssh-keygen").args(args).arg(&path).status().unwrap().success());
        assert!(matches!(Signer::read(&path), Err(SignError::Key { .. })));
    }
}
