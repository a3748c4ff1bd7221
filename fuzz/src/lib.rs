//! What the fuzz targets share: traces to a report, and the laws that every report keeps.

#[cfg(not(test))]
pub mod coverage;
/// Within the tests of the program nothing counts what ran.
#[cfg(test)]
pub mod coverage {
    /// Does nothing.
    #[derive(Debug)]
    pub struct Noted;
}

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::OnceLock;

use chrono_tz::Tz;
use intransit::archive::sign::Signer;
use intransit::config::ColumnMap;
use intransit::ingest::{DayOrder, FileNote, Settings, Source};
use intransit::run::{self, Outcome, Request, RunError};
use intransit::trace::{Direction, Kind, Tls};

/// The folder of this process: that of `fuzz/run`, which removes it, else one that stays.
pub fn folder() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let given = std::env::var_os("INTRANSIT_FUZZ_FOLDER").map(PathBuf::from);
        let own = format!("intransit-fuzz-{}", std::process::id());
        let folder = given.unwrap_or_else(|| std::env::temp_dir().join(own));
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        folder
    };
    FOLDER.get_or_init(make).clone()
}

/// A file of this name with these bytes.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    std::fs::write(&path, bytes).expect("a file can be written");
    path
}

/// A file with a secret, as the program wants it: nobody else may read it.
pub fn secret(name: &str, bytes: &[u8]) -> PathBuf {
    let path = file(name, bytes);
    let own = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&path, own).expect("its rights can be set");
    path
}

/// The signing key of nobody, the same in each run.
pub fn signer() -> Signer {
    let pair = ssh_key::private::Ed25519Keypair::from_seed(&[7; 32]);
    let key = ssh_key::PrivateKey::from(pair).to_openssh(ssh_key::LineEnding::LF);
    let text = key.expect("a key can be written down");
    Signer::read(&secret("signer", text.as_bytes())).expect("it is a key")
}

/// How a target reads its bytes: `choice` leaves open what a user may leave open.
pub fn settings(kind: Option<Kind>, choice: u8) -> Settings {
    let zones = [Tz::UTC, Tz::America__Sao_Paulo, Tz::Australia__Lord_Howe, Tz::Europe__Paris];
    let orders = [None, Some(DayOrder::DayFirst), Some(DayOrder::MonthFirst), None];
    let directions = [None, Some(Direction::Inbound), Some(Direction::Outbound), None];
    let pick = |shift: u32| usize::from(choice.wrapping_shr(shift)) & 3;
    Settings {
        kind,
        columns: (kind == Some(Kind::Table)).then(columns),
        direction: directions[pick(0)],
        zone: zones[pick(2)],
        order: orders[pick(4)],
        year: (choice & 64 != 0).then_some(2026),
        ..Settings::default()
    }
}

/// A column map over the names that the seeds have.
fn columns() -> ColumnMap {
    let name = |text: &str| Some(text.to_owned());
    ColumnMap {
        time: name("date_time_utc"),
        message_id: name("network_message_id"),
        direction: name("direction"),
        connector: name("connector_name"),
        tls: name("tls_version"),
        sender: name("sender_address"),
        recipient: name("recipient_address"),
        ..ColumnMap::default()
    }
}

/// Makes a report of files, each with its name and bytes, as `report` does.
pub fn report(files: &[(&str, &[u8])], settings: &Settings) -> Result<Outcome, RunError> {
    let source = |(name, bytes): &(&str, &[u8])| Source {
        path: file(name, bytes).to_string_lossy().into_owned(),
        root: PathBuf::new(),
        archived: None,
        settings: settings.clone(),
    };
    let sources = files.iter().map(source).collect();
    run::report(&Request { zone: Tz::America__Sao_Paulo, ..Request::of(sources) })
}

/// [`check_all`] of one file.
pub fn check(name: &str, bytes: &[u8], settings: Settings) {
    check_all(&[(name, bytes)], &settings);
}

/// Makes a report and holds it against the laws: rows add up, what the traces do not say is
/// unknown, and the same bytes give the same report.
pub fn check_all(files: &[(&str, &[u8])], settings: &Settings) {
    let outcome = report(files, settings);
    if let Err(RunError::DoesNotAddUp(law)) = &outcome {
        panic!("{law}");
    }
    let Ok(outcome) = outcome else { return };
    for file in &outcome.reading.files {
        assert!(file.rejects.total() <= file.rows, "more rejects than rows: {file:?}");
    }
    let report = &outcome.report;
    let known_nowhere =
        outcome.reading.files.iter().all(|file| file.notes.contains(&FileNote::NoTlsColumn));
    for period in &report.periods {
        for total in &period.totals {
            let bands: u64 = Tls::ALL.iter().map(|band| total.tls.get(*band)).sum();
            assert_eq!(bands, total.messages, "the bands of a total add up");
            if known_nowhere {
                let unknown = total.tls.get(Tls::Unknown);
                assert_eq!(unknown, total.messages, "no TLS column, yet a known band");
            }
        }
    }
    // Every sixteenth is read again: threads may have taken the blocks in another order.
    let bytes = files.iter().flat_map(|(_, bytes)| bytes.iter());
    if bytes.fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) & 15 == 0 {
        let again = self::report(files, settings).expect("it could be read before");
        let text = |report| serde_json::to_string(report).expect("a report is JSON");
        assert_eq!(text(&again.report), text(report), "read twice, two reports");
    }
}
