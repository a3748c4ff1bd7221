//! Texts that the archive takes from others: private keys, lists of signers, signatures, heads,
//! tombstones, anchors, mails with an anchor. The first byte chooses which.

#![no_main]

use intransit::archive::head::Head;
use intransit::archive::sign::{AllowedSigners, Signer};
use intransit::archive::tombstone::Tombstone;
use intransit::archive::{stamp, verify};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _noted = intransit_fuzz::coverage::Noted;
    let Some((choice, bytes)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(bytes);
    match choice & 7 {
        0 => drop(Signer::read(&intransit_fuzz::secret("key", bytes))),
        1 => {
            if let Some(signers) = AllowedSigners::parse(&text) {
                assert!(signers.fingerprints().iter().all(|print| signers.has(print)));
            }
        }
        2 => signature(&text),
        3 => {
            if let Ok(head) = Head::parse(&text) {
                assert_eq!(head.text(), text, "only the very text is a head");
            }
        }
        4 => {
            if let Some(stone) = Tombstone::parse(&text) {
                assert_eq!(stone.text(), text, "only the very text is a tombstone");
            }
        }
        5 => {
            if let Some(known) = verify::parse_anchor(&text) {
                assert!(known.seq > 0 && known.head_sha256.len() == 64);
            }
        }
        6 => drop(verify::anchor_of_mail(bytes)),
        _ => drop(stamp::speaks_of(bytes, b"head")),
    }
});

/// Only what the key wrote over these bytes is a signature.
fn signature(text: &str) {
    let signer = intransit_fuzz::signer();
    let line = format!("{}\n", signer.allowed_signer().expect("it can be written down"));
    let signers = AllowedSigners::parse(&line).expect("our own line");
    if signers.verifies(&signer.fingerprint(), b"head\n", text) {
        assert_eq!(text, signer.sign(b"head\n").expect("the key signs"), "another text verifies");
    }
}
