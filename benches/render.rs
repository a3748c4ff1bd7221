//! Rendering a report of 40 connectors and 30 days in each format.
//!
//! `cargo bench --bench render`

#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a bench that cannot go on ends"
)]

use std::hint::black_box;
use std::path::PathBuf;

use criterion::{Criterion, criterion_group, criterion_main};
use intransit::ingest;
use intransit::render::branding::Branding;
use intransit::render::{Format, render};
use intransit::report::Report;
use intransit::run::{Request, report};

const CONNECTORS: u64 = 40;

/// A message trace in which every connector has mail both ways on each of 35 days.
fn table() -> String {
    let mut text = String::from(
        "date_time_utc,network_message_id,direction,connector_name,tls_version,sender_address,recipient_address\n",
    );
    let versions = ["TLS1.3", "TLS1.2", "TLS1.2", "TLS1.0", "No Tls"];
    let mut id = 0_u64;
    for day in 0..35_u64 {
        let date = chrono::NaiveDate::from_ymd_opt(2026, 10, 12).unwrap_or_default()
            + chrono::Days::new(day);
        for connector in 0..CONNECTORS {
            for direction in ["Received", "Sent"] {
                for message in 0..=(connector + day) % 4 {
                    id += 1;
                    let hour = (id * 7) % 24;
                    let version = versions[usize::try_from((id + message) % 5).unwrap_or(0)];
                    text.push_str(&format!(
                        "{date}T{hour:02}:00:00Z,{id},{direction},Connector {connector:02},{version},a@d{}.example,b@d{}.example\n",
                        id % 300, id % 250,
                    ));
                }
            }
        }
    }
    text
}

fn of_forty_connectors() -> Report {
    let folder = tempfile::tempdir().expect("a folder for the trace");
    std::fs::write(folder.path().join("trace.csv"), table()).expect("the trace is written");
    let request = Request::of(vec![ingest::Source {
        path: folder.path().to_string_lossy().into_owned(),
        root: PathBuf::new(),
        archived: None,
        settings: ingest::Settings::default(),
    }]);
    report(&request).expect("the report is made").report
}

fn formats(criterion: &mut Criterion) {
    let report = of_forty_connectors();
    let branding = Branding::default();
    let mut group = criterion.benchmark_group("40 connectors x 30 days");
    group.sample_size(20);
    for format in Format::ALL {
        group.bench_function(format.name(), |bencher| {
            bencher.iter(|| render(black_box(&report), format, &branding).expect("it renders"));
        });
    }
    group.bench_function("all formats", |bencher| {
        bencher.iter(|| {
            Format::ALL
                .map(|format| render(black_box(&report), format, &branding).expect("it renders"))
        });
    });
    group.finish();
}

criterion_group!(benches, formats);
criterion_main!(benches);
