//! What files were counted to is kept, and no report shows it: with and without the cache,
//! cold, warm, and after any change, the same bytes.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono_tz::Tz;
use intransit::config::ColumnMap;
use intransit::cube::Place;
use intransit::ingest::{Settings, Source};
use intransit::period::PeriodKind;
use intransit::run::{self, Outcome, Request};
use intransit::trace::{Kind, Unit};
use proptest::prelude::*;

use crate::support::Folder;

/// Files that are long at rest, so that their time can be trusted.
fn at_rest(path: &Path, age_minutes: u64) {
    let time = SystemTime::now() - Duration::from_mins(age_minutes);
    std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Detail,
    Events,
    Summary,
    Totals,
    Anonymous,
    Weighted,
}

#[derive(Debug, Clone)]
pub(crate) struct RowOf {
    pub(crate) message: u32,
    pub(crate) minute: u32,
    pub(crate) way: usize,
    pub(crate) connector: usize,
    pub(crate) tls: usize,
    pub(crate) event: usize,
    pub(crate) peer: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct FileOf {
    pub(crate) shape: Shape,
    pub(crate) rows: Vec<RowOf>,
}

const CONNECTORS: [&str; 4] = ["", "Fabrikam", "\"a, b\"", "Relais"];
const VERSIONS: [&str; 5] = ["TLS1.2", "TLS1.3", "No Tls", "", "bad"];

fn any_row() -> impl Strategy<Value = RowOf> {
    (0..25_u32, 0..30_000_u32, 0..4_usize, 0..4_usize, 0..5_usize, 0..6_usize, 0..5_u32).prop_map(
        |(message, minute, way, connector, tls, event, peer)| RowOf {
            message,
            minute,
            way,
            connector,
            tls,
            event,
            peer,
        },
    )
}

pub(crate) fn any_file() -> impl Strategy<Value = FileOf> {
    let shapes = [
        Shape::Detail,
        Shape::Detail,
        Shape::Events,
        Shape::Events,
        Shape::Summary,
        Shape::Totals,
        Shape::Anonymous,
        Shape::Weighted,
    ];
    (prop::sample::select(shapes.to_vec()), prop::collection::vec(any_row(), 1..14))
        .prop_map(|(shape, rows)| FileOf { shape, rows })
}

impl RowOf {
    fn time(&self) -> String {
        // Every quarter, so that zones of :45 have days that begin within an hour.
        let minute = self.minute / 15 * 15;
        let (day, hour) = (20 + minute / 1440, minute / 60 % 24);
        let (month, day) = if day > 31 { (11, day - 31) } else { (10, day) };
        format!("2026-{month:02}-{day:02}T{hour:02}:{:02}:00Z", minute % 60)
    }

    fn line(&self, shape: Shape) -> String {
        let (time, n) = (self.time(), self.message);
        let connector = CONNECTORS[self.connector];
        let version = VERSIONS[self.tls];
        let way = ["Received", "Sent", "Intra-org", "nonsense"][self.way];
        let peers = format!("x@p{}.example;y@p{}.example", self.peer, self.message % 3);
        match shape {
            Shape::Detail => {
                format!("{time},<{n}@x>,{way},{connector},{version},{peers},s@q.example")
            }
            Shape::Events => {
                let (source, event) = [
                    ("SMTP", "RECEIVE"),
                    ("SMTP", "SENDEXTERNAL"),
                    ("STOREDRIVER", "SUBMIT"),
                    ("STOREDRIVER", "DELIVER"),
                    ("SMTP", "RECEIVE"),
                    ("AGENT", "AGENTINFO"),
                ][self.event];
                let way = ["Incoming", "Originating", "", "Incoming"][self.way];
                let tls = ["SP_PROT_TLS1_2", "SP_PROT_TLS1_3", "", "", ""][self.tls];
                let side = if event == "RECEIVE" { "SERVER" } else { "CLIENT" };
                let custom = if tls.is_empty() {
                    String::new()
                } else {
                    format!("S:tlsversion={tls}_{side}")
                };
                format!(
                    "{time},{source},{event},<{n}@x>,N{n},{way},{connector},mx{}.example,x@p{}.example,{custom}",
                    self.peer, self.peer
                )
            }
            Shape::Summary => format!(
                "{time},a@p{}.example,x@y.example##Receive,<{n}@x>,N{n},{},{connector}",
                self.peer,
                ["Incoming", "Originating", "", "Incoming"][self.way]
            ),
            Shape::Totals => format!(
                "{},{} partner - F{},{},{},{}",
                self.time().split_at(10).0,
                if self.way == 0 { "To" } else { "From" },
                self.connector,
                self.tls * 20,
                100 - self.tls * 20,
                n
            ),
            Shape::Anonymous => format!("{time},{way},{version},x@p{}.example", self.peer),
            Shape::Weighted => format!("{time},{way},Fabrikam,{version},{n}"),
        }
    }
}

impl FileOf {
    pub(crate) fn text(&self) -> String {
        let head = match self.shape {
            Shape::Detail => {
                "date_time_utc,message_id,direction,connector_name,tls_version,recipient_address,sender_address"
            }
            Shape::Events => {
                "date_time_utc,source,event_id,message_id,network_message_id,directionality,connector_id,server_hostname,recipient_address,custom_data"
            }
            Shape::Summary => {
                "origin_timestamp_utc,sender_address,recipient_status,message_id,network_message_id,directionality,connector_id"
            }
            Shape::Totals => "Date,Connector direction and name,No TLS,TLS 1.2,Volume",
            Shape::Anonymous => "date,direction,tls,recipient",
            Shape::Weighted => "date_time_utc,direction,connector_name,tls_version,messages",
        };
        let rows = self.rows.iter().map(|row| row.line(self.shape) + "\n");
        format!("{head}\n{}", rows.collect::<String>())
    }
}

/// A ZIP archive with one file.
fn zipped(name: &str, text: &str) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
    std::io::Write::write_all(&mut archive, text.as_bytes()).unwrap();
    archive.finish().unwrap().into_inner()
}

/// An installation's traces and its cache.
pub(crate) struct Office {
    folder: Folder,
    pub(crate) zone: Tz,
    unit: Unit,
    periods: Vec<PeriodKind>,
}

impl Office {
    pub(crate) fn new(zone: Tz, unit: Unit) -> Self {
        let periods = vec![PeriodKind::Days(3), PeriodKind::Days(8)];
        Self { folder: Folder::new(), zone, unit, periods }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file and lets it come to rest.
    pub(crate) fn put(&self, name: &str, text: &str, age_minutes: u64) -> PathBuf {
        let path = self.folder.add(&format!("traces/{name}"), text);
        at_rest(&path, age_minutes);
        path
    }

    pub(crate) fn request(&self, cache: Option<Place>) -> Request {
        let source = Source {
            path: "traces".to_owned(),
            root: self.folder.path().to_owned(),
            archived: None,
            settings: Settings::default(),
        };
        Request {
            skip_bad_files: true,
            zone: self.zone,
            periods: self.periods.clone(),
            unit: self.unit,
            cache,
            ..Request::of(vec![source])
        }
    }

    pub(crate) fn cache(&self) -> Place {
        Place::of(&self.folder.path().join("state"), false)
    }

    fn cached(&self) -> Option<Outcome> {
        run::report(&self.request(Some(self.cache()))).ok()
    }

    /// The report with the cache, which must be the one without; and what was read for it.
    fn same(&self) -> Vec<String> {
        let plain = run::report(&self.request(None));
        let cached = run::report(&self.request(Some(self.cache())));
        let (plain, cached) = match (plain, cached) {
            (Ok(plain), Ok(cached)) => (plain, cached),
            (plain, cached) => {
                let plain = plain.map(|_| ()).map_err(|error| error.chain());
                assert_eq!(plain, cached.map(|_| ()).map_err(|error| error.chain()));
                return Vec::new();
            }
        };
        assert_eq!(cached.notes, Vec::<String>::new());
        let text = |outcome: &Outcome| serde_json::to_string_pretty(&outcome.report).unwrap();
        assert_eq!(text(&plain), text(&cached));
        let files = cached.reading.files.iter().filter(|file| !file.origin.held);
        files.map(|file| file.name.clone()).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_report_shows_whether_it_was_made_with_the_cache(
        files in prop::collection::vec(any_file(), 1..7),
        further in any_file(),
        chosen in any::<prop::sample::Index>(),
        zone in prop::sample::select(vec![
            Tz::UTC, Tz::Asia__Kathmandu, Tz::America__Sao_Paulo, Tz::Europe__Paris,
        ]),
        recipients in any::<bool>(),
    ) {
        let unit = if recipients { Unit::Recipients } else { Unit::Messages };
        let mut office = Office::new(zone, unit);
        for (number, file) in files.iter().enumerate() {
            office.put(&format!("{number}.csv"), &file.text(), 600 - number as u64);
        }
        let all = office.same();
        prop_assert_eq!(office.same(), Vec::<String>::new(), "cold {:?}", all);

        // Another time, the same bytes: hashed, not read.
        let name = format!("{}.csv", chosen.index(files.len()));
        let path = office.folder.path().join("traces").join(&name);
        at_rest(&path, 30);
        prop_assert_eq!(office.same(), Vec::<String>::new());

        // Another file, which may share messages with any, or change the identity of all.
        office.put("9.csv", &further.text(), 300);
        office.same();
        prop_assert_eq!(office.same(), Vec::<String>::new());

        // A copy of a file shares all its messages.
        office.put("copy.csv", &std::fs::read_to_string(&path).unwrap(), 200);
        prop_assert_eq!(office.same(), Vec::<String>::new());

        // What is in an archive is read each time, and shares messages with what is kept.
        let zip = office.folder.add("traces/z.zip", zipped("z.csv", &further.text()));
        prop_assert!(office.same().iter().all(|name| name.ends_with("z.zip")));
        prop_assert!(office.same().iter().all(|name| name.ends_with("z.zip")));
        std::fs::remove_file(zip).unwrap();

        // One file is another one now.
        office.put(&name, &further.text(), 100);
        office.same();
        prop_assert_eq!(office.same(), Vec::<String>::new());

        // Other periods need nothing to be read.
        office.periods = vec![PeriodKind::Days(1), PeriodKind::Days(20)];
        prop_assert_eq!(office.same(), Vec::<String>::new());

        std::fs::remove_file(&path).unwrap();
        office.same();
        prop_assert_eq!(office.same(), Vec::<String>::new());
        office.zone = if zone == Tz::UTC { Tz::Asia__Kathmandu } else { Tz::UTC };
        office.same();
        prop_assert_eq!(office.same(), Vec::<String>::new());
    }
}

const DETAIL: &str = "date_time_utc,message_id,direction,connector_name,tls_version\n";

fn detail(rows: &[(&str, &str)]) -> String {
    let row = |(id, tls): &(&str, &str)| {
        format!("2026-11-09T10:00:00Z,<{id}@x>,Received,Fabrikam,{tls}\n")
    };
    rows.iter().map(row).fold(DETAIL.to_owned(), |text, row| text + &row)
}

fn counted(outcome: &Outcome) -> u64 {
    outcome.report.sources.iter().map(|source| source.counted).sum()
}

/// A file is taken for unchanged by its length and time alone; `recheck` looks into it.
#[test]
fn an_unchanged_file_is_not_read_but_with_recheck() {
    let office = Office::new(Tz::UTC, Unit::Messages);
    office.put("a.csv", &detail(&[("1", "TLS1.2"), ("2", "TLS1.2")]), 60);
    assert_eq!(counted(&office.cached().unwrap()), 2);
    let path = office.folder.path().join("traces/a.csv");
    let time = path.metadata().unwrap().modified().unwrap();
    // Both rows are of one message now.
    let path = office.folder.add("traces/a.csv", detail(&[("1", "TLS1.2"), ("1", "TLS1.2")]));
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    let outcome = office.cached().unwrap();
    assert_eq!((counted(&outcome), outcome.reading.files[0].origin.held), (2, true));
    let again = Place { recheck: true, ..office.cache() };
    let outcome = run::report(&office.request(Some(again.clone()))).unwrap();
    assert_eq!((counted(&outcome), outcome.reading.files[0].origin.held), (1, false));
    let outcome = run::report(&office.request(Some(again))).unwrap();
    assert_eq!((counted(&outcome), outcome.reading.files[0].origin.held), (1, true));
    assert_eq!(office.same(), Vec::<String>::new());
}

/// A file that was changed just now may be changed again within the same tick of the clock:
/// its time is not trusted.
#[test]
fn a_file_that_was_just_written_is_looked_into() {
    let office = Office::new(Tz::UTC, Unit::Messages);
    let path = office.folder.add("traces/a.csv", detail(&[("1", "TLS1.2"), ("2", "TLS1.2")]));
    let time = path.metadata().unwrap().modified().unwrap();
    assert_eq!(counted(&office.cached().unwrap()), 2);
    let path = office.folder.add("traces/a.csv", detail(&[("1", "TLS1.2"), ("1", "TLS1.2")]));
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    assert_eq!(counted(&office.cached().unwrap()), 1);
    assert_eq!(office.same(), Vec::<String>::new(), "what it holds is known by its hash");
}

/// What rows mean depends on how they are read.
#[test]
fn other_settings_are_other_contents() {
    let office = Office::new(Tz::UTC, Unit::Messages);
    let text = "Received,SenderAddress,RecipientAddress,Status,MessageId\n\
                2026-11-09T10:00:00,a@b.example,x@y.example,Delivered,<1@x>\n";
    office.put("a.csv", text, 60);
    for way in [intransit::trace::Direction::Inbound, intransit::trace::Direction::Outbound] {
        for zone in [Tz::UTC, Tz::Asia__Tokyo] {
            let settings = Settings { direction: Some(way), zone, ..Settings::default() };
            let request = |cache: Option<Place>| {
                let mut request = office.request(cache);
                request.sources[0].settings = settings.clone();
                serde_json::to_string(&run::report(&request).unwrap().report).unwrap()
            };
            let plain = request(None);
            for _ in 0..2 {
                assert_eq!(request(Some(office.cache())), plain, "{way:?} {zone}");
            }
        }
    }
}

/// What a first look tells depends on how it is read, too.
#[test]
fn another_column_map_is_another_look() {
    let office = Office::new(Tz::UTC, Unit::Messages);
    let text = "date_time_utc,message_id,own_id,direction,tls_version\n\
                2026-11-09T10:00:00Z,<1@x>,7,Received,TLS1.2\n\
                2026-11-09T11:00:00Z,<2@x>,7,Received,TLS1.2\n";
    office.put("a.csv", text, 60);
    let total = "Date,Connector direction and name,No TLS,TLS 1.2,Volume,message_id\n\
                 2026-11-09,From partner - F,0,100,3,<3@x>\n";
    office.put("b.csv", total, 60);
    let report = |kind, columns: Option<&str>, cache: Option<Place>| {
        let mut request = office.request(cache);
        let message_id = columns.map(str::to_owned);
        request.sources[0].settings = Settings {
            kind,
            columns: columns.map(|_| ColumnMap { message_id, ..ColumnMap::default() }),
            ..Settings::default()
        };
        let outcome = run::report(&request).map_err(|error| error.chain());
        outcome.map(|outcome| serde_json::to_string(&outcome.report).unwrap())
    };
    for columns in [None, Some("message_id"), Some("own_id"), None] {
        for kind in [None, Some(Kind::ConnectorReport), Some(Kind::MessageTrace), None] {
            let plain = report(kind, columns, None);
            assert_eq!(report(kind, columns, Some(office.cache())), plain, "{columns:?} {kind:?}");
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| !path.ends_with("lock"));
    files.sort();
    files
}

/// Whatever is damaged is made again, with a note where it is found late.
#[test]
fn damage_is_noticed_and_mended() {
    let office = Office::new(Tz::America__Sao_Paulo, Unit::Messages);
    office.put("a.csv", &detail(&[("1", "TLS1.2"), ("2", "TLS1.3")]), 60);
    office.put("b.csv", &detail(&[("2", ""), ("3", "TLS1.3")]), 60);
    office.put("c.csv", &detail(&[("4", "No Tls")]), 60);
    let text = |outcome: &Outcome| serde_json::to_string(&outcome.report).unwrap();
    let plain = text(&run::report(&office.request(None)).unwrap());
    assert_eq!(text(&office.cached().unwrap()), plain);
    let folder = office.cache().folder;
    assert_eq!(files(&folder).len(), 1 + 3 + 3 + 1, "index, rows, cubes, a group");
    let good: Vec<(PathBuf, Vec<u8>)> = files(&folder)
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    for (path, bytes) in &good {
        for at in (0..bytes.len()).step_by(bytes.len() / 7 + 1) {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            intransit::store::write_lightly(path, &bad).unwrap();
            // A file of rows is looked at when another file comes.
            office.put("d.csv", &detail(&[("2", "TLS1.3"), ("5", "TLS1.3")]), 50);
            let fresh = run::report(&office.request(None)).unwrap();
            for _ in 0..3 {
                assert_eq!(text(&office.cached().unwrap()), text(&fresh), "{path:?} {at}");
            }
            assert_eq!(office.cached().unwrap().notes, Vec::<String>::new());
            // What no report needed may still be damaged; nothing else is.
            let verdict = intransit::cube::verify(&office.cache()).unwrap();
            let name = path.to_string_lossy();
            assert!(verdict.faults.iter().all(|fault| fault.place == name), "{verdict:?} {at}");
            std::fs::remove_file(office.folder.path().join("traces/d.csv")).unwrap();
            for (path, bytes) in &good {
                intransit::store::write_lightly(path, bytes).unwrap();
            }
        }
    }
}

/// `verify` reads everything again; here a number of a cube was forged, with a good checksum.
#[test]
fn verify_tells_what_is_not_so() {
    let office = Office::new(Tz::UTC, Unit::Messages);
    office.put("a.csv", &detail(&[("1", "TLS1.2"), ("2", "TLS1.3")]), 60);
    office.put("b.csv", &detail(&[("2", "TLS1.3"), ("3", "TLS1.3")]), 60);
    office.cached().unwrap();
    let verdict = intransit::cube::verify(&office.cache()).unwrap();
    assert_eq!((verdict.ok, verdict.same, verdict.passed), (true, 2, 0));
    let path = office.folder.path().join("traces/a.csv");
    let time = path.metadata().unwrap().modified().unwrap();
    let path = office.folder.add("traces/a.csv", detail(&[("1", "TLS1.2"), ("2", "TLS1.2")]));
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    let verdict = intransit::cube::verify(&office.cache()).unwrap();
    assert_eq!(verdict.faults.len(), 1, "{:?}", verdict.faults);
    assert!(verdict.faults[0].place.ends_with("a.csv"));
}

/// The whole way: only beside an intransit.toml anything is kept.
#[test]
fn the_cache_on_the_command_line() {
    let folder = Folder::new();
    at_rest(&folder.add("traces/a.csv", detail(&[("1", "TLS1.2")])), 60);
    let report = ["report", "traces", "--json"];
    let plain = folder.run(&report);
    assert!(plain.status.success() && !folder.path().join("state").exists());
    assert_eq!(folder.run(&["cache", "list"]).status.code(), Some(2));
    folder.add("intransit.toml", "");
    let listed = || -> serde_json::Value {
        let output = folder.run(&["cache", "list", "--json"]);
        assert!(output.status.success(), "{}", crate::support::text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    assert_eq!(listed(), serde_json::json!([]));
    for _ in 0..2 {
        assert_eq!(folder.run(&report).stdout, plain.stdout);
    }
    let kept = listed();
    assert_eq!((&kept[0]["rows"], &kept[0]["unchanged"]), (&1.into(), &true.into()));
    assert!(kept[0]["file"].as_str().unwrap().ends_with("traces/a.csv"));
    assert_eq!(folder.run(&[&report[..], &["--recheck"]].concat()).stdout, plain.stdout);
    let verdict = folder.run(&["cache", "verify", "--json"]);
    assert_eq!(verdict.status.code(), Some(0));
    let verdict: serde_json::Value = serde_json::from_slice(&verdict.stdout).unwrap();
    assert_eq!((&verdict["ok"], &verdict["same"]), (&true.into(), &1.into()));
    for path in files(&folder.path().join("state/cache")) {
        if path.extension().is_some_and(|ending| ending == "cube") {
            std::fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(folder.run(&["cache", "verify"]).status.code(), Some(1));
    let cleared = folder.run(&["cache", "clear", "--json"]);
    let cleared: serde_json::Value = serde_json::from_slice(&cleared.stdout).unwrap();
    assert_eq!(cleared["files"], 2, "index and rows");
    assert_eq!(listed(), serde_json::json!([]));
    assert_eq!(folder.run(&report).stdout, plain.stdout);
    assert!(folder.run(&["inspect", "traces"]).status.success());
}
