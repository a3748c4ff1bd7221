//! Runs a reader over files held in memory, for tests.

use std::collections::BTreeSet;

use chrono_tz::Tz;

use crate::ingest::abreast::Abreast;
use crate::ingest::log::stamp::{Stamps, YearRule};
use crate::ingest::log::{ByLine, Follow, Mail, Place, Prepare, Protection, Reader, Sink};
use crate::trace::{Direction, RejectReason, Tls};

/// A mail with what the reader only lent.
#[derive(Debug, Clone)]
pub(crate) struct Owned {
    pub time_ms: i64,
    pub direction: Direction,
    pub connector: String,
    pub forced_tls: Option<bool>,
    pub tls: Tls,
    pub cipher: String,
    pub peer: String,
    pub remote_host: String,
    pub remote_address: String,
    pub domain: String,
    pub key: u64,
    pub place: Place,
}

/// What a reader found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub mails: Vec<Owned>,
    pub rejects: Vec<(RejectReason, Place, String)>,
    doubtful: Vec<(usize, u64)>,
    proven: BTreeSet<u64>,
}

impl Found {
    /// Messages as the report counts them: one per key, direction, connector, band and
    /// remote server.
    pub(crate) fn messages(&self) -> Vec<&Owned> {
        let mut seen = BTreeSet::new();
        let of = |mail: &Owned| {
            let server = (mail.direction == Direction::Outbound)
                .then(|| (mail.remote_host.clone(), mail.remote_address.clone()));
            (mail.key, mail.direction, mail.connector.clone(), mail.tls, server)
        };
        let outside = self.mails.iter().filter(|mail| mail.direction != Direction::Internal);
        outside.filter(|mail| seen.insert(of(mail))).collect()
    }
}

impl Sink for Found {
    fn mail(&mut self, mail: &Mail<'_>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let tls = match mail.tls {
            Protection::Known(tls) => tls,
            Protection::NoLine(logger) => {
                self.doubtful.push((self.mails.len(), logger));
                Tls::Unknown
            }
        };
        self.mails.push(Owned {
            time_ms: mail.time_ms,
            direction: mail.direction,
            connector: text(mail.connector),
            forced_tls: mail.forced_tls,
            tls,
            cipher: text(mail.cipher),
            peer: text(mail.peer),
            remote_host: text(mail.remote_host),
            remote_address: text(mail.remote_address),
            domain: text(mail.domain),
            key: mail.key,
            place: mail.place,
        });
    }

    fn reject(&mut self, reason: RejectReason, place: Place, found: &[u8]) {
        self.rejects.push((reason, place, String::from_utf8_lossy(found).into_owned()));
    }

    fn proves(&mut self, logger: u64) {
        self.proven.insert(logger);
    }
}

/// Reads files one after the other as one stream.
pub(crate) fn read<R: Reader + Send + 'static>(
    reader: R,
    zone: Tz,
    rule: YearRule,
    files: &[&[u8]],
) -> Found {
    follow(ByLine(Box::new(reader)), zone, rule, files)
}

/// As [`read`], for a reader of whole blocks; each file is cut into two of them.
pub(crate) fn follow<F: Follow>(follower: F, zone: Tz, rule: YearRule, files: &[&[u8]]) -> Found {
    follow_with(follower, zone, rule, files, |_, _| {})
}

/// As [`follow`]; between blocks something is done with the reader and the stamps.
pub(crate) fn follow_with<F: Follow>(
    mut follower: F,
    zone: Tz,
    rule: YearRule,
    files: &[&[u8]],
    mut between: impl FnMut(&mut F, &mut Stamps),
) -> Found {
    let mut found = Found::default();
    for (file, text) in (0..).zip(files) {
        let mut stamps = Stamps::new(zone, rule);
        let middle = memchr::memrchr(b'\n', &text[..text.len() / 2]).map_or(0, |end| end + 1);
        let mut line = 0;
        for block in [&text[..middle], &text[middle..]] {
            let mut preparer = F::Preparer::default();
            let before = Place { file, line };
            let nothing = Abreast::nothing();
            let prepared = preparer.prepare(block.to_vec().into(), &nothing);
            line += follower.follow(&prepared, &mut stamps, before, &mut found);
            between(&mut follower, &mut stamps);
        }
    }
    follower.end(&mut found);
    for (index, logger) in std::mem::take(&mut found.doubtful) {
        if found.proven.contains(&logger) {
            found.mails[index].tls = Tls::NoTls;
        }
    }
    found
}
