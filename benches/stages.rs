//! What each stage of a report takes by itself: parsing, folding events, following sessions,
//! counting, merging cubes.
//!
//! `cargo bench --bench stages`

#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a bench that cannot go on ends"
)]

use std::fmt::Write;
use std::hint::black_box;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use chrono_tz::Tz;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use intransit::breakdown::{Collector, Room, Scope};
use intransit::config::Memory;
use intransit::cube::Place;
use intransit::ingest::{self, Reading, Source};
use intransit::period::{Period, PeriodKind};
use intransit::run::{Request, report};
use intransit::trace::{Names, Unit};

const ROWS: u64 = 100_000;

fn date(day: u64) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 10, 12).unwrap_or_default() + chrono::Days::new(day)
}

/// Message rows over 30 days, 50 connectors, 300 remote domains.
fn message_rows(rows: u64, from: u64) -> String {
    let versions = ["TLS1.3", "TLS1.2", "TLS1.2", "TLS1.0", "No Tls"];
    let mut text = String::from(
        "date_time_utc,network_message_id,direction,connector_name,tls_version,sender_address,recipient_address\n",
    );
    for row in from..from + rows {
        let version = versions[usize::try_from(row % 5).unwrap_or(0)];
        let direction = if row % 3 == 0 { "Received" } else { "Sent" };
        writeln!(
            text,
            "{}T{:02}:{:02}:07.0000000Z,6f1c0000-{:04x}-4000-8000-{row:012x},{direction},Connector {:02},{version},a@contoso.example,b@d{}.example",
            date(row * 30 / (from + rows)), row % 24, row % 60, row % 0xffff, row % 50, row % 300,
        )
        .expect("a string takes it");
    }
    text
}

/// Events of messages as the cloud service keeps them: three of each message.
fn event_rows(messages: u64) -> String {
    let mut text = String::from(
        "date-time,source,event-id,message-id,network-message-id,sender-address,recipient-address,directionality,connector-id,custom-data\n",
    );
    for message in 0..messages {
        let day = date(message * 30 / messages);
        let id = format!(
            "<{message}@example.net>,6f1c0000-0000-4000-8000-{message:012x},a@example.net,b@contoso.example"
        );
        writeln!(text, "{day}T10:00:00Z,SMTP,RECEIVE,{id},Incoming,Fabrikam inbound,S:tlsversion=SP_PROT_TLS1_2_SERVER;S:tlscipher=CALG_AES_256")
            .and_then(|()| writeln!(text, "{day}T10:00:01Z,AGENT,AGENTINFO,{id},Incoming,,S:AMA=SUM|v=0"))
            .and_then(|()| writeln!(text, "{day}T10:00:02Z,STOREDRIVER,DELIVER,{id},Incoming,,S:E2ELatency=1"))
            .expect("a string takes it");
    }
    text
}

fn source(folder: &Path, name: &str, text: &[u8]) -> Source {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("the trace is written");
    Source {
        path: path.to_string_lossy().into_owned(),
        root: PathBuf::new(),
        archived: None,
        settings: ingest::Settings::default(),
    }
}

fn read(source: &Source, names: &Names, collector: Option<&Collector>) -> Reading {
    let sink = |block| match collector {
        Some(collector) => collector.push(&block),
        None => drop(black_box(block)),
    };
    ingest::read(std::slice::from_ref(source), false, Unit::Messages, names, &sink)
        .expect("it is read")
}

fn collector() -> Collector {
    Collector::new(Room::of(Memory::default(), std::env::temp_dir()))
}

fn reading(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder for the traces");
    let log = include_bytes!("../tests/data/captures/postfix/dev/mail.log").repeat(20);
    let text = message_rows(ROWS, 0);
    let wide: Vec<u8> =
        "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let packed = zstd::encode_all(text.as_bytes(), 3).expect("it is packed");
    let cases = [
        ("message rows, CSV", "rows.csv", text.into_bytes()),
        ("the same, zstd", "rows.csv.zst", packed),
        ("the same, UTF-16", "wide.csv", wide),
        ("events, folded", "events.csv", event_rows(ROWS / 3).into_bytes()),
        ("Postfix, followed", "mail.log", log),
    ];
    let mut group = criterion.benchmark_group("reading, rows thrown away");
    group.sample_size(20);
    for (name, file, bytes) in &cases {
        let mut source = source(folder.path(), file, bytes);
        source.settings.year = Some(2026);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(*name, |bencher| {
            bencher.iter(|| read(&source, &Names::new(), None));
        });
    }
    group.finish();
}

fn counting(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder for the trace");
    let source = source(folder.path(), "rows.csv", message_rows(ROWS, 0).as_bytes());
    let periods = [PeriodKind::Week, PeriodKind::Days(30)];
    let periods = periods.map(|kind| Period::ending_before(kind, date(30)));
    let scope = Scope {
        zone: Tz::Europe__Paris,
        periods: periods.into_iter().flatten().collect(),
        only: Vec::new(),
        named: Vec::new(),
    };
    let mut group = criterion.benchmark_group("breakdown");
    group.sample_size(20).throughput(Throughput::Elements(ROWS));
    group.bench_function("100,000 rows", |bencher| {
        bencher.iter_batched(
            || {
                let (names, collector) = (Names::new(), collector());
                let reading = read(&source, &names, Some(&collector));
                (names, collector, reading)
            },
            |(names, collector, reading)| {
                collector.finish(&reading, &names, &scope).expect("it is counted")
            },
            criterion::BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn cubes(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder for the traces");
    let state = tempfile::tempdir().expect("a folder for the cache");
    let sources = (0..60).map(|day| {
        let text = message_rows(500, day * 500);
        source(folder.path(), &format!("day-{day:02}.csv"), text.as_bytes())
    });
    let request = Request {
        zone: Tz::Europe__Paris,
        periods: vec![PeriodKind::Days(30)],
        cache: Some(Place::of(state.path(), false)),
        ..Request::of(sources.collect())
    };
    // A file is recognised by its time once that is two seconds past.
    std::thread::sleep(std::time::Duration::from_millis(2_500));
    report(&request).expect("the cache is filled");
    let mut group = criterion.benchmark_group("cubes");
    group.sample_size(20);
    group.bench_function("report over 60 known files", |bencher| {
        bencher.iter(|| report(black_box(&request)).expect("the report is made"));
    });
    group.finish();
}

criterion_group!(benches, reading, counting, cubes);
criterion_main!(benches);
