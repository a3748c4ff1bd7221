//! Logs that grow: a report goes on where the one before ended, and no report shows it. Whatever
//! a log was cut into, and however its files were rotated, the same bytes as of a whole reading.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono_tz::Tz;
use intransit::cube::{self, Place};
use intransit::ingest::{LeftAt, Settings};
use intransit::run::{self, Outcome};
use intransit::trace::Unit;
use proptest::prelude::*;

use crate::cube::{Office, any_file};

/// A log, and what each of its files begins with.
struct Log {
    name: &'static str,
    head: String,
    text: Vec<u8>,
}

const CAPTURES: [&str; 11] = [
    "exim/dev/mainlog.log",
    "exim/ext-dev/mainlog.log",
    "exim498/dev/mainlog.log",
    "opensmtpd/dev/maillog.log",
    "sendmail/dev/maillog.log",
    "postfix/dev/mail.log",
    "postfix/gateway-dev/mail.log",
    "postfix/halflog-dev/mail.log",
    "postfix/loglevel0-dev/mail.log",
    "postfix/rfc3339-dev/mail.log",
    "postfix310/dev/mail.log",
];

/// A capture with lines that cannot be read among the others.
fn capture(name: &'static str) -> Log {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/captures");
    let whole = std::fs::read(folder.join(name)).unwrap();
    let mut text = Vec::new();
    for (number, line) in whole.split_inclusive(|byte| *byte == b'\n').enumerate() {
        text.extend_from_slice(line);
        if number % 97 == 50 {
            text.extend_from_slice(b"Nov 31 10:00:00 mx1 no time at all\n\xff nonsense\r\n\n");
        }
    }
    Log { name, head: String::new(), text }
}

const RECEIVE: &str = "#Software: Microsoft Exchange Server\n#Version: 15.0.0.0\n\
    #Log-type: SMTP Receive Protocol Log\n#Date: 2026-11-21T10:00:00.000Z\n\
    #Fields: date-time,connector-id,session-id,sequence-number,local-endpoint,\
    remote-endpoint,event,data,context\n";
const TRACKING: &str = "#Software: Microsoft Exchange Server\n#Version: 15.0.0.0\n\
    #Log-type: Message Tracking Log\n#Date: 2026-11-21T10:00:00.000Z\n\
    #Fields: date-time,client-ip,client-hostname,server-ip,server-hostname,source-context,\
    connector-id,source,event-id,internal-message-id,message-id,network-message-id,\
    recipient-address,recipient-status,total-bytes,recipient-count,related-recipient-address,\
    reference,message-subject,sender-address,return-path,message-info,directionality,tenant-id,\
    original-client-ip,original-server-ip,custom-data,transport-traffic-type,log-id,\
    schema-version\n";
const BULK: &str = "negotiation succeeded using bulk encryption algorithm CALG_AES_256 with \
    strength 256 bits, MAC hash algorithm CALG_SHA_384 with strength 0 bits and key exchange \
    algorithm CALG_ECDH_EPHEM with strength 384 bits";

/// Sessions of a receive connector, whose lines stand among those of the two before.
fn sessions(count: usize) -> String {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for session in 0..count {
        let mut said = vec!["+,,".to_owned(), ">,220 exch01.example.com,".to_owned()];
        said.extend(["<,EHLO mx.example.net,", ">,250  exch01,"].map(str::to_owned));
        if session % 3 > 0 {
            said.extend(["<,STARTTLS,", ">,220 2.0.0 SMTP server ready,"].map(str::to_owned));
            let version = if session % 3 == 1 { "TLS1_2" } else { "TLS1_3" };
            said.push(format!("*,,\"TLS protocol SP_PROT_{version}_SERVER {BULK}\""));
        }
        said.push("<,MAIL FROM:<a@example.net> SIZE=1000,".to_owned());
        said.push(">,250 2.1.0 Sender OK,".to_owned());
        said.extend([
            "<,BDAT 500 LAST,".to_owned(),
            format!(
                ">,\"250 2.6.0 <m{session}@example.net> [InternalId={session}, \
             Hostname=exch01.example.com] 1000 bytes in 0.100, 9.8 KB/sec Queued mail for \
             delivery\","
            ),
        ]);
        said.extend(["<,QUIT,".to_owned(), "-,,Local".to_owned()]);
        for (number, line) in said.iter().enumerate() {
            let at = session * 5 + number;
            let (minute, second) = (at / 60 % 60, at % 60);
            let text = format!(
                "2026-11-21T{:02}:{minute:02}:{second:02}.000Z,EXCH01\\Default Frontend EXCH01,\
                 08D{session:013X},{number},192.0.2.1:25,198.51.100.{}:40000,{line}\n",
                10 + at / 3600,
                session % 200,
            );
            lines.push((at, text));
        }
    }
    lines.sort_by_key(|(at, _)| *at);
    lines.into_iter().map(|(_, line)| line).collect()
}

/// Rows of a tracking log: messages received and handed over.
fn tracking(count: usize) -> String {
    let row = |number: usize| {
        let (event, client, server) = if number.is_multiple_of(2) {
            ("RECEIVE", "198.51.100.7,mx.example.net", "192.0.2.1,EXCH01")
        } else {
            ("SENDEXTERNAL", "192.0.2.1,EXCH01", "203.0.113.5,mx.example.org")
        };
        let (minute, second, way) = (number / 60 % 60, number % 60, "Incoming");
        format!(
            "2026-11-21T1{}:{minute:02}:{second:02}.000Z,{client},{server},08D{number:013X};\
             2026-11-21T10:00:00.000Z;1,EXCH01\\Default EXCH01,SMTP,{event},{number},\
             <m{number}@example.net>,guid-{number},user@example.org,,1000,1,,,Hello,\
             sender@example.net,sender@example.net,0cA: ,{way},,,,,Email,g,15.02\n",
            number / 3600,
        )
    };
    (0..count).map(row).collect()
}

/// A table of messages. A log tells the same message by its network message id and a mark behind
/// it, so that nothing else is taken for it.
fn table(id: &str, rows: usize) -> String {
    let row = |number: usize| {
        let minute = number / 60 % 60;
        format!("2026-11-21T10:{minute:02}:00Z,<{id}{number}\u{1f}>,Received,,TLS1.2\n")
    };
    let head = "date_time_utc,message_id,direction,connector_name,tls_version\n".to_owned();
    (0..rows).map(row).fold(head, |text, row| text + &row)
}

fn log(index: usize) -> Log {
    let exchange = |name, head: &str, lines: String| Log {
        name,
        head: head.to_owned(),
        text: (head.to_owned() + &lines).into_bytes(),
    };
    match index.checked_sub(CAPTURES.len()) {
        None => capture(CAPTURES[index]),
        Some(0) => exchange("RECV.LOG", RECEIVE, sessions(300)),
        Some(_) => exchange("MSGTRK.LOG", TRACKING, tracking(900)),
    }
}

const LOGS: usize = CAPTURES.len() + 2;

/// What happens to the current file when a part was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Grow,
    /// It comes to rest, so that its length and time are trusted.
    Rest,
    /// The current file gets another name, and a new one is begun.
    Rotate,
    /// As well, and it is compressed at once.
    Compress,
    /// As well, and the one before it is compressed.
    CompressLater,
    /// It is copied, and begun anew.
    CopyTruncate,
    /// The whole folder is copied.
    Copy,
    /// The oldest file is gone.
    Drop,
}

const TURNS: [Turn; 12] = [
    Turn::Grow,
    Turn::Grow,
    Turn::Grow,
    Turn::Rest,
    Turn::Rest,
    Turn::Rotate,
    Turn::Rotate,
    Turn::Compress,
    Turn::CompressLater,
    Turn::CopyTruncate,
    Turn::Copy,
    Turn::Drop,
];

/// A server whose log is written, and an auditor who reports on it.
struct Server {
    office: Office,
    log: Log,
    settings: Settings,
    written: usize,
}

impl Server {
    fn new(log: Log, settings: Settings) -> Self {
        let office = Office::new(Tz::Asia__Kathmandu, Unit::Messages);
        std::fs::create_dir_all(office.path().join("traces")).unwrap();
        Self { office, log, settings, written: 0 }
    }

    fn traces(&self) -> PathBuf {
        self.office.path().join("traces")
    }

    fn current(&self) -> PathBuf {
        self.traces().join("mail.log")
    }

    fn rotated(&self, number: usize, packed: bool) -> PathBuf {
        self.traces().join(format!("mail.log.{number}{}", if packed { ".gz" } else { "" }))
    }

    fn append(&self, text: &[u8]) {
        let file = std::fs::File::options().append(true).create(true).open(self.current());
        file.unwrap().write_all(text).unwrap();
    }

    /// Writes the log up to a place.
    fn write_to(&mut self, end: usize) {
        let end = end.clamp(self.written, self.log.text.len());
        let begins = self.written > 0 && !self.current().exists();
        if begins {
            self.append(self.log.head.as_bytes());
        }
        self.append(&self.log.text[self.written..end]);
        self.written = end;
    }

    /// Makes room for the newest of the rotated files.
    fn shift(&self) {
        for number in (1..20).rev() {
            for packed in [false, true] {
                let from = self.rotated(number, packed);
                if from.exists() {
                    std::fs::rename(from, self.rotated(number + 1, packed)).unwrap();
                }
            }
        }
    }

    fn compress(path: &Path) {
        let target = PathBuf::from(format!("{}.gz", path.display()));
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&std::fs::read(path).unwrap()).unwrap();
        overwrite(&target, &packed.finish().unwrap());
        let time = path.metadata().unwrap().modified().unwrap();
        std::fs::File::options().write(true).open(&target).unwrap().set_modified(time).unwrap();
        std::fs::remove_file(path).unwrap();
    }

    fn turn(&self, turn: Turn) {
        let current = self.current();
        match turn {
            Turn::Grow => {}
            Turn::Rest => {
                let time = SystemTime::now() - Duration::from_mins(1);
                let file = std::fs::File::options().write(true).open(current).unwrap();
                file.set_modified(time).unwrap();
            }
            Turn::Rotate | Turn::Compress | Turn::CompressLater => {
                let before = self.rotated(1, false);
                self.shift();
                std::fs::rename(current, &before).unwrap();
                if turn == Turn::Compress {
                    Self::compress(&before);
                }
                let second = self.rotated(2, false);
                if turn == Turn::CompressLater && second.exists() {
                    Self::compress(&second);
                }
            }
            Turn::CopyTruncate => {
                self.shift();
                std::fs::copy(&current, self.rotated(1, false)).unwrap();
                overwrite(&current, b"");
            }
            Turn::Copy => {
                for entry in std::fs::read_dir(self.traces()).unwrap() {
                    let path = entry.unwrap().path();
                    let bytes = std::fs::read(&path).unwrap();
                    std::fs::remove_file(&path).unwrap();
                    overwrite(&path, &bytes);
                }
            }
            Turn::Drop => {
                let mut all = (1..20)
                    .rev()
                    .flat_map(|number| [self.rotated(number, false), self.rotated(number, true)]);
                if let Some(oldest) = all.find(|path| path.exists()) {
                    std::fs::remove_file(oldest).unwrap();
                }
            }
        }
    }

    fn report(&self, cache: Option<Place>) -> Result<Outcome, String> {
        let mut request = self.office.request(cache);
        request.sources[0].settings = self.settings.clone();
        run::report(&request).map_err(|error| error.chain())
    }

    /// The report with the cache, which must be the one without; none where there is none.
    fn report_same(&self) -> Option<Outcome> {
        let (plain, cached) = (self.report(None), self.report(Some(self.office.cache())));
        let (plain, cached) = match (plain, cached) {
            (Ok(plain), Ok(cached)) => (plain, cached),
            (plain, cached) => {
                assert_eq!(plain.map(|_| ()), cached.map(|_| ()), "{}", self.log.name);
                return None;
            }
        };
        assert_eq!(cached.notes, Vec::<String>::new());
        let (plain, with) = (text_of(&plain), text_of(&cached));
        let differ = plain.lines().zip(with.lines()).find(|(plain, with)| plain != with);
        assert_eq!(differ, None, "{}", self.log.name);
        assert_eq!(plain.len(), with.len());
        Some(cached)
    }

    /// As well; says how its logs were read.
    fn how(&self) -> How {
        self.report_same().map_or(How::Whole, |outcome| How::of(&outcome))
    }

    /// As well; says whether the reading went on where another ended, or was not needed at all.
    fn same(&self) -> bool {
        !matches!(self.how(), How::Whole)
    }

    /// As well, and then once more: what is unchanged is not read.
    fn twice(&self) {
        let first = self.report_same();
        let kept = first.is_some_and(|outcome| {
            outcome.reading.streams.iter().all(|stream| {
                let whole = |at: &LeftAt| at.left.files.len() == stream.files.len();
                stream.held.is_some() || stream.left.last().is_some_and(whole)
            })
        });
        let again = self.report_same();
        if kept && again.as_ref().is_some_and(|outcome| !outcome.reading.streams.is_empty()) {
            assert_eq!(again.map_or(How::Whole, |outcome| How::of(&outcome)), How::NotAtAll);
        }
    }
}

/// How the logs of a report were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// As a whole.
    Whole,
    /// From where they were left.
    FromThere,
    /// They are as they were.
    NotAtAll,
}

impl How {
    fn of(outcome: &Outcome) -> Self {
        match outcome.reading.streams.as_slice() {
            [stream] if stream.held.is_some() => Self::NotAtAll,
            [stream] if stream.resumed.is_some() => Self::FromThere,
            [] | [_] => Self::Whole,
            streams => panic!("{} streams", streams.len()),
        }
    }
}

/// Writes a file in its place, which keeps its number.
fn overwrite(path: &Path, bytes: &[u8]) {
    let file = std::fs::File::options().write(true).create(true).truncate(true).open(path);
    file.unwrap().write_all(bytes).unwrap();
}

fn text_of(outcome: &Outcome) -> String {
    serde_json::to_string_pretty(&outcome.report).unwrap()
}

fn settings(year: Option<i32>, zone: Tz) -> Settings {
    Settings { year, zone, ..Settings::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_log_that_grows_is_reported_as_if_it_were_read_as_a_whole(
        of in 0..LOGS,
        steps in prop::collection::vec((0.0_f64..1.0, prop::sample::select(TURNS.to_vec())), 1..7),
        year in any::<bool>(),
        zone in prop::sample::select(vec![Tz::UTC, Tz::America__Sao_Paulo]),
        beside in prop::option::of(any_file()),
        shared in prop::option::of(1..400_usize),
    ) {
        let mut server = Server::new(log(of), settings(year.then_some(2026), zone));
        if let Some(file) = beside {
            server.office.put("beside.csv", &file.text(), 60);
        }
        if let Some(rows) = shared {
            server.office.put("shared.csv", &table("guid-", rows), 60);
        }
        let mut cuts: Vec<f64> = steps.iter().map(|(share, _)| *share).collect();
        cuts.sort_by(f64::total_cmp);
        for (share, (_, turn)) in cuts.into_iter().zip(steps) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place within a small file")]
            server.write_to((server.log.text.len() as f64 * share) as usize);
            server.twice();
            server.turn(turn);
            server.twice();
        }
        server.write_to(usize::MAX);
        server.twice();
    }
}

/// A server that has written half of its log, which was reported on and is at rest.
fn half(of: usize) -> Server {
    let mut server = Server::new(log(of), settings(Some(2026), Tz::UTC));
    server.write_to(server.log.text.len() / 2);
    server.turn(Turn::Rest);
    assert!(!server.same(), "nothing was read before");
    server
}

fn path_of(server: &Server, ending: &str) -> Vec<PathBuf> {
    let folder = server.office.cache().folder;
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|found| found == ending)).collect()
}

#[test]
fn every_kind_of_log_goes_on_where_it_ended() {
    // In one capture the zone of stamps changes, so that the order of its files is not theirs.
    for of in (0..LOGS).filter(|of| CAPTURES.get(*of) != Some(&"exim/ext-dev/mainlog.log")) {
        let mut server = half(of);
        assert!(server.same(), "{}: nothing new", server.log.name);
        for turn in [Turn::Grow, Turn::Rest, Turn::Rotate, Turn::Grow, Turn::CompressLater] {
            let more = server.log.text.len() / 12;
            server.write_to(server.written + more);
            assert!(server.same(), "{}: more lines before {turn:?}", server.log.name);
            server.turn(turn);
            assert!(server.same(), "{}: {turn:?}", server.log.name);
        }
        // The copy is what was read.
        server.write_to(server.written + 3000);
        assert!(server.same(), "{}: more lines", server.log.name);
        server.turn(Turn::CopyTruncate);
        assert!(server.same(), "{}: begun anew", server.log.name);
        // It grew before it was rotated, and compressed at once.
        server.write_to(server.written + 5000);
        server.turn(Turn::Compress);
        assert!(server.same(), "{}: more lines, compressed", server.log.name);
        // All of it lies elsewhere now, with other times.
        server.turn(Turn::Copy);
        assert!(server.same(), "{}: copied", server.log.name);
        server.write_to(usize::MAX);
        assert!(server.same(), "{}: the end", server.log.name);
    }
}

/// What was read is not read again: not even a change of it is noticed, but with `--recheck`.
#[test]
fn bytes_that_were_read_are_not_read_again() {
    for of in [0, 3, 4, 5, 11] {
        let mut server = half(of);
        server.write_to(server.log.text.len() * 3 / 4);
        let whole = server.report(None).unwrap();
        // Lines in the middle become ones that cannot be read.
        let path = server.current();
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = server.log.text.len() / 4;
        for byte in &mut bytes[middle..middle + 4000] {
            if *byte != b'\n' {
                *byte = b'?';
            }
        }
        let mut file = std::fs::File::options().write(true).open(&path).unwrap();
        file.write_all(&bytes).unwrap();
        let cached = server.report(Some(server.office.cache())).unwrap();
        // That the file begins in a second in which it was changed is not in a report.
        assert_eq!(text_of(&whole), text_of(&cached), "{}", server.log.name);
        let plain = server.report(None).unwrap();
        assert_ne!(text_of(&plain), text_of(&cached), "{}: the change matters", server.log.name);
        let again = Place { recheck: true, ..server.office.cache() };
        let outcome = server.report(Some(again)).unwrap();
        assert_eq!(text_of(&plain), text_of(&outcome), "{}", server.log.name);
        assert!(server.same(), "what was read with --recheck is gone on with");
    }
}

#[test]
fn what_is_not_as_it_was_left_is_read_as_a_whole() {
    type Change = fn(&mut Server);
    let changes: [(&str, Change); 8] = [
        ("cut", |server| {
            let bytes = std::fs::read(server.current()).unwrap();
            overwrite(&server.current(), &bytes[..bytes.len() - 300]);
        }),
        ("begun anew in the same place, and longer", |server| {
            let mut text = server.log.text.clone();
            let middle = text.len() / 3;
            text.drain(middle..middle + 3000);
            overwrite(&server.current(), &text);
        }),
        ("another last line", |server| {
            let mut bytes = std::fs::read(server.current()).unwrap();
            let at = bytes.len() - 30;
            bytes[at] ^= 1;
            bytes.extend_from_slice(b"\n");
            overwrite(&server.current(), &bytes);
        }),
        ("another file of that name", |server| {
            let mut bytes = std::fs::read(server.current()).unwrap();
            let middle = bytes.len() / 2;
            bytes.drain(middle..middle + 400);
            std::fs::remove_file(server.current()).unwrap();
            overwrite(&server.current(), &bytes);
        }),
        ("another zone", |server| server.settings.zone = Tz::Asia__Tokyo),
        ("another year", |server| server.settings.year = Some(2025)),
        ("an older file", |server| {
            let text = &server.log.text[..server.log.text.len() / 3];
            overwrite(&server.rotated(1, false), text);
        }),
        ("damaged state", |server| {
            server.write_to(server.written + 3000);
            damage(server, "left");
        }),
    ];
    for of in [0, 3, 4, 5] {
        for (name, change) in changes {
            let mut server = half(of);
            change(&mut server);
            assert!(!server.same(), "{}: {name}", server.log.name);
            assert!(server.same(), "{}: {name}, and then as it is", server.log.name);
        }
    }
}

#[test]
fn the_oldest_file_goes() {
    for of in [0, 3, 4, 5] {
        let mut server = half(of);
        server.turn(Turn::Rotate);
        server.write_to(usize::MAX);
        assert!(server.same());
        server.turn(Turn::Drop);
        assert!(!server.same(), "{}", server.log.name);
        assert!(server.same(), "{}", server.log.name);
    }
}

/// Turns a bit of each file of the cache with this ending, within the first of its sections.
fn damage(server: &Server, ending: &str) {
    for path in path_of(server, ending) {
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[110] ^= 1;
        overwrite(&path, &bytes);
    }
}

#[test]
fn logs_that_are_as_they_were_are_not_read() {
    for of in [0, 3, 4, 5, 11, 12] {
        let mut server = half(of);
        let name = server.log.name;
        let is = |server: &Server, how: How, what: &str| {
            assert_eq!(server.how(), how, "{name}: {what}");
            assert_eq!(server.how(), How::NotAtAll, "{name}: {what}, once more");
        };
        is(&server, How::NotAtAll, "at rest");
        // The last line is not complete.
        server.write_to(server.written + 1234);
        is(&server, How::FromThere, "more lines");
        for turn in [Turn::Rest, Turn::Copy, Turn::Compress] {
            server.turn(turn);
            is(&server, How::NotAtAll, "the same bytes lie elsewhere");
        }
        server.write_to(server.written + 3000);
        is(&server, How::FromThere, "a new file");
        let recheck = Place { recheck: true, ..server.office.cache() };
        let hashed = server.report(Some(recheck)).unwrap();
        assert_eq!(How::of(&hashed), How::NotAtAll, "{name}: hashed");
        server.office.zone = Tz::UTC;
        is(&server, How::FromThere, "other days");
        server.office.zone = Tz::Asia__Kathmandu;
        is(&server, How::NotAtAll, "the days that were counted before");
        assert_eq!(cube::verify(&server.office.cache()).unwrap().faults, []);
        damage(&server, "cube");
        is(&server, How::FromThere, "the cubes are damaged");
        let rotated = server.rotated(1, true);
        let beside = server.office.path().join("beside.gz");
        std::fs::rename(&rotated, &beside).unwrap();
        is(&server, How::Whole, "a part of the stream");
        std::fs::rename(&beside, &rotated).unwrap();
        is(&server, How::NotAtAll, "all of it again");
    }
}

/// Tables beside the logs of a report: what shares no message with a log needs no row of it, and
/// what does is counted together with it, once.
#[test]
fn logs_that_are_as_they_were_stand_beside_tables() {
    let mut server = half(12);
    let duplicates = |server: &Server| {
        let report = server.report(None).unwrap().report;
        report.sources.iter().map(|source| source.duplicates).sum::<u64>()
    };
    server.office.put("apart.csv", &table("apart-", 50), 60);
    assert_eq!((server.how(), server.how()), (How::NotAtAll, How::NotAtAll));
    assert_eq!(duplicates(&server), 0);
    server.office.put("same.csv", &table("guid-", 50), 60);
    assert!(duplicates(&server) > 10, "{}", duplicates(&server));
    assert_eq!((server.how(), server.how()), (How::NotAtAll, How::NotAtAll));
    assert_eq!(cube::verify(&server.office.cache()).unwrap().faults, []);
    server.write_to(usize::MAX);
    assert_eq!((server.how(), server.how()), (How::FromThere, How::NotAtAll));
    server.office.put("same.csv", &table("guid-", 900), 50);
    assert_eq!((server.how(), server.how()), (How::NotAtAll, How::NotAtAll));
    assert!(duplicates(&server) > 300);
    assert_eq!(cube::verify(&server.office.cache()).unwrap().faults, []);
    damage(&server, "cube");
    assert_eq!((server.how(), server.how()), (How::FromThere, How::NotAtAll));
    std::fs::remove_file(server.traces().join("same.csv")).unwrap();
    assert_eq!((server.how(), server.how()), (How::NotAtAll, How::NotAtAll));
}

/// A file whose length and time are put back after a change is taken for what it was.
#[test]
fn a_change_that_no_length_and_no_time_tells_is_found_by_hashing() {
    for rotated in [false, true] {
        let mut server = half(0);
        let mut path = server.current();
        if rotated {
            server.turn(Turn::Rotate);
            server.write_to(usize::MAX);
            path = server.rotated(1, false);
        }
        server.twice();
        let time = path.metadata().unwrap().modified().unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(4).position(|four| four == b" <= ").unwrap();
        bytes[at + 1] = b'?';
        overwrite(&path, &bytes);
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(time).unwrap();
        let plain = server.report(None).unwrap();
        let trusting = server.report(Some(server.office.cache())).unwrap();
        assert_eq!(How::of(&trusting), How::NotAtAll);
        assert_ne!(text_of(&plain), text_of(&trusting));
        let again = Place { recheck: true, ..server.office.cache() };
        let hashed = server.report(Some(again)).unwrap();
        assert_eq!(How::of(&hashed), How::Whole);
        assert_eq!(text_of(&plain), text_of(&hashed));
        server.twice();
    }
}

/// What `cache verify` says of numbers that are not those of the rows.
#[test]
fn damaged_counts_of_logs_are_told() {
    let server = half(5);
    damage(&server, "cube");
    let faults = cube::verify(&server.office.cache()).unwrap().faults;
    assert!(faults[0].place.contains(".cube"), "{faults:?}");
    assert_eq!((server.how(), server.how()), (How::FromThere, How::NotAtAll));
    assert_eq!(cube::verify(&server.office.cache()).unwrap().faults, []);
    // The end of it is read late.
    for path in path_of(&server, "cube") {
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        overwrite(&path, &bytes);
    }
    let (plain, cached) = (server.report(None), server.report(Some(server.office.cache())));
    let (plain, cached) = (plain.unwrap(), cached.unwrap());
    assert_eq!(text_of(&plain), text_of(&cached));
    assert!(cached.notes[0].contains(".cube` is damaged"), "{:?}", cached.notes);
    assert_eq!((server.how(), server.how()), (How::FromThere, How::NotAtAll));
}

/// Rows that are found to be damaged late, when the log was already gone on with.
#[test]
fn damaged_rows_are_read_again() {
    let mut server = half(5);
    server.write_to(usize::MAX);
    for path in path_of(&server, "rows") {
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        overwrite(&path, &bytes);
    }
    let faults = cube::verify(&server.office.cache()).unwrap().faults;
    assert!(faults.iter().any(|fault| fault.what.contains("its rows")), "{faults:?}");
    let (plain, cached) = (server.report(None), server.report(Some(server.office.cache())));
    let (plain, cached) = (plain.unwrap(), cached.unwrap());
    assert_eq!(text_of(&plain), text_of(&cached));
    assert!(cached.notes[0].contains(".rows` is damaged"), "{:?}", cached.notes);
    assert!(!server.same());
    assert!(server.same());
    assert_eq!(cube::verify(&server.office.cache()).unwrap().faults, []);
}

/// The year of a log without years is told by the time of its file, which grows, too.
#[test]
fn a_file_whose_time_tells_another_year_is_read_as_a_whole() {
    let mut server = half(5);
    server.settings.year = None;
    let time = |server: &Server, year: u64| {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs((year - 1970) * 31_557_600);
        let file = std::fs::File::options().write(true).open(server.current()).unwrap();
        file.set_modified(time).unwrap();
    };
    time(&server, 2025);
    assert!(!server.same());
    server.write_to(server.written + 5000);
    time(&server, 2025);
    assert!(server.same(), "the same year");
    server.write_to(server.written + 5000);
    time(&server, 2026);
    assert!(!server.same(), "another one");
    assert_eq!(server.how(), How::NotAtAll);
    time(&server, 2027);
    assert_eq!(server.how(), How::Whole, "the same bytes in another year");
    assert_eq!(server.how(), How::NotAtAll);
}

#[test]
fn the_cache_tells_of_logs_and_forgets_them() {
    let mut server = half(0);
    let place = server.office.cache();
    let listed = cube::list(&place).unwrap();
    assert_eq!((listed.len(), listed[0].stream_of, listed[0].unchanged), (1, Some(1), true));
    assert_eq!(listed[0].bytes, server.written as u64);
    assert!(listed[0].rows > 50 && listed[0].kept_bytes > 1000, "{listed:?}");
    server.write_to(usize::MAX);
    assert!(!cube::list(&place).unwrap()[0].unchanged);
    assert!(cube::verify(&place).unwrap().ok);
    cube::clear(&place, true).unwrap();
    assert!(server.same(), "it may go on");
    std::fs::rename(server.current(), server.rotated(1, false)).unwrap();
    cube::clear(&place, true).unwrap();
    assert!(cube::list(&place).unwrap().is_empty() && path_of(&server, "left").is_empty());
    assert!(!server.same());
    // What is kept of many readings is put together, and nothing is left of what it replaces.
    for _ in 0..40 {
        server.write_to(server.written);
        std::fs::File::options().append(true).open(server.rotated(1, false)).unwrap()
            .write_all(b"2026-11-21 23:59:59 1xUoKp-00002u-1O <= a@example.org H=(c) [198.51.100.4] P=esmtps X=TLS1.3:X:256 S=1\n")
            .unwrap();
        assert!(server.same());
    }
    assert_eq!(path_of(&server, "left").len(), 1);
    assert!(path_of(&server, "rows").len() <= 17, "{:?}", path_of(&server, "rows"));
}

/// A new file may hold nothing but the beginning of a line when a report is made.
#[test]
fn a_new_file_without_a_whole_line() {
    for of in [0, 3, 4, 5] {
        let mut server = half(of);
        let end = server.log.text[server.written..].iter().position(|byte| *byte == b'\n');
        server.write_to(server.written + end.unwrap() + 1);
        server.turn(Turn::Rotate);
        for more in [90, 10, 3000] {
            server.write_to(server.written + more);
            server.same();
            server.same();
        }
        assert!(server.same(), "{}", server.log.name);
    }
}

/// Servers whose logs are written at once, each into a file of its own.
struct Servers {
    one: Server,
    logs: Vec<(Log, usize)>,
}

impl Servers {
    fn new(of: &[usize]) -> Self {
        let one = Server::new(log(of[0]), settings(Some(2026), Tz::UTC));
        Self { one, logs: of.iter().map(|of| (log(*of), 0)).collect() }
    }

    fn path(&self, of: usize) -> PathBuf {
        self.one.traces().join(format!("server{of}.log"))
    }

    /// Writes so many bytes more of a log.
    fn write(&mut self, of: usize, more: usize) {
        let path = self.path(of);
        let (log, written) = &mut self.logs[of];
        let end = written.saturating_add(more).min(log.text.len());
        let file = std::fs::File::options().append(true).create(true).open(&path);
        let mut file = file.unwrap();
        if *written > 0 && file.metadata().unwrap().len() == 0 {
            file.write_all(log.head.as_bytes()).unwrap();
        }
        file.write_all(&log.text[*written..end]).unwrap();
        *written = end;
    }

    /// Begins a new file.
    fn rotate(&self, of: usize) {
        let aside = |number: usize| self.one.traces().join(format!("server{of}.log.{number}"));
        let number = (1..99).find(|number| !aside(*number).exists()).unwrap();
        if self.path(of).exists() {
            std::fs::rename(self.path(of), aside(number)).unwrap();
        }
    }

    fn rest(&self, of: usize) {
        if let Ok(file) = std::fs::File::options().write(true).open(self.path(of)) {
            file.set_modified(SystemTime::now() - Duration::from_mins(1)).unwrap();
        }
    }
}

/// Captures of one kind, and Exchange's two kinds, which are one stream.
const TOGETHER: [&[usize]; 6] =
    [&[5, 6], &[5, 6, 9], &[6, 9, 10, 5, 7], &[0, 2], &[11, 12], &[12, 11]];

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn logs_that_grow_at_once_are_reported_as_if_they_were_read_as_a_whole(
        of in prop::sample::select(TOGETHER.to_vec()),
        steps in prop::collection::vec(
            prop::collection::vec((0..5_usize, 0..12_000_usize, 0..6_u8), 1..4),
            1..6,
        ),
    ) {
        let mut servers = Servers::new(of);
        for of in 0..of.len() {
            servers.write(of, 9000);
        }
        servers.one.twice();
        for step in steps {
            for (which, more, turn) in step {
                let which = which % of.len();
                servers.write(which, more);
                match turn {
                    0 => servers.rotate(which),
                    1 => servers.rest(which),
                    _ => {}
                }
            }
            servers.one.twice();
        }
        for of in 0..of.len() {
            servers.write(of, usize::MAX);
        }
        servers.one.twice();
        prop_assert_eq!(cube::verify(&servers.one.office.cache()).unwrap().faults, []);
    }
}

/// What orders the files of a stream: protocol logs stand before tracking logs.
fn first_second(path: &Path) -> (bool, String) {
    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    let line = text.lines().find(|line| !line.starts_with('#')).unwrap().to_owned();
    (text.contains("Message Tracking Log"), line)
}

/// A reading goes on at the end of the first file that has changed.
#[test]
fn logs_that_grow_at_once_go_on_from_the_first_that_has_grown() {
    for of in TOGETHER {
        let mut servers = Servers::new(of);
        for which in 0..of.len() {
            servers.write(which, 12_000);
        }
        assert_eq!(servers.one.how(), How::Whole, "{of:?}");
        for grown in (0..of.len()).map(|which| vec![which]).chain([vec![0, 1], vec![1, 0, 1]]) {
            for which in &grown {
                servers.write(*which, 2000);
            }
            assert_eq!(servers.one.how(), How::FromThere, "{of:?} {grown:?}");
            assert_eq!(servers.one.how(), How::NotAtAll, "{of:?} {grown:?}");
        }
        // What is left of it does not become more with each reading.
        assert!(path_of(&servers.one, "left").len() <= 4.min(of.len()));
        let listed = cube::list(&servers.one.office.cache()).unwrap();
        assert_eq!((listed.len(), listed[0].stream_of), (1, Some(of.len())));
        // The last of them is gone: the place before it is as good as ever.
        let mut paths: Vec<PathBuf> = (0..of.len()).map(|which| servers.path(which)).collect();
        paths.sort_by_key(|path| first_second(path));
        std::fs::remove_file(paths.pop().unwrap()).unwrap();
        // Protocol logs mean something else without a tracking log beside them.
        let expected = if of.contains(&11) { How::Whole } else { How::FromThere };
        assert_eq!(servers.one.how(), expected, "{of:?}");
        assert_eq!(servers.one.how(), How::NotAtAll, "{of:?}");
    }
}

/// What stands before the place where the first of them grew is not read again, what is behind it
/// is.
#[test]
fn of_logs_that_grow_at_once_the_first_is_not_read_again() {
    let not_noticed = [0, 1].map(|which| {
        let mut servers = Servers::new(&[5, 9]);
        for more in [30_000, 5000] {
            servers.write(0, more);
            servers.write(1, more);
            if more == 30_000 {
                servers.one.twice();
            }
        }
        let whole = servers.one.report(None).unwrap();
        let mut bytes = std::fs::read(servers.path(which)).unwrap();
        for byte in bytes[9000..15_000].iter_mut().filter(|byte| **byte != b'\n') {
            *byte = b'?';
        }
        overwrite(&servers.path(which), &bytes);
        let cached = servers.one.report(Some(servers.one.office.cache())).unwrap();
        assert_eq!(How::of(&cached), How::FromThere);
        let parts = |outcome: &Outcome| {
            let report = &outcome.report;
            serde_json::to_string(&(&report.periods, &report.rejects)).unwrap()
        };
        parts(&whole) == parts(&cached)
    });
    assert_eq!(not_noticed, [true, false]);
}

/// Logs of another kind are another stream.
#[test]
fn one_stream_grows_beside_another() {
    let mut servers = Servers::new(&[5, 0]);
    for which in [0, 1, 0, 1, 1] {
        servers.write(0, 9000);
        servers.write(1, 9000);
        drop(servers.one.report_same().unwrap());
        servers.write(which, 3000);
        let report = servers.one.report_same().unwrap();
        let streams = &report.reading.streams;
        assert_eq!(streams.iter().filter(|stream| stream.held.is_some()).count(), 1);
        assert_eq!(streams.iter().filter(|stream| stream.resumed.is_some()).count(), 1);
        let report = servers.one.report_same().unwrap();
        assert!(report.reading.streams.iter().all(|stream| stream.held.is_some()));
    }
    assert_eq!(cube::verify(&servers.one.office.cache()).unwrap().faults, []);
}

/// A process may end when rows are written, and the index is not.
#[test]
fn what_a_process_that_ended_has_written_changes_nothing() {
    for of in [0, 5] {
        let mut server = half(of);
        server.write_to(usize::MAX);
        assert!(server.same());
        let place = server.office.cache();
        let copies: Vec<(PathBuf, Vec<u8>)> = ["index", "left", "rows"]
            .iter()
            .flat_map(|ending| match *ending {
                "index" => vec![place.folder.join("index")],
                ending => path_of(&server, ending),
            })
            .map(|path| (path.clone(), std::fs::read(path).unwrap()))
            .collect();
        server.report(Some(Place { recheck: true, ..place })).unwrap();
        for (path, bytes) in copies {
            if !path.exists() || path.ends_with("index") {
                overwrite(&path, &bytes);
            }
        }
        assert!(server.same(), "{}", server.log.name);
    }
}
