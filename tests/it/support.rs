//! What the tests share: folders of trace files, the program, and its figures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A folder of trace files that goes away with the test.
pub(crate) struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A folder with one file.
    pub(crate) fn with(name: &str, content: impl AsRef<[u8]>) -> Self {
        let folder = Self::new();
        folder.add(name, content);
        folder
    }

    pub(crate) fn add(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        intransit::store::create_folder(path.parent().unwrap()).unwrap();
        intransit::store::write_atomic(&path, content.as_ref()).unwrap();
        path
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs the program in the folder.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        program().current_dir(self.path()).args(args).output().unwrap()
    }

    /// Runs `report . --json` and reads the report.
    pub(crate) fn report(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = ["report", ".", "--json"].iter().chain(args).copied().collect();
        let output = self.run(&args);
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs `report .`, which must fail with this exit code, and gives its stderr.
    pub(crate) fn failure(&self, code: i32, args: &[&str]) -> String {
        let args: Vec<&str> = ["report", ".", "--json"].iter().chain(args).copied().collect();
        let output = self.run(&args);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "no report goes with a failure");
        text(&output.stderr)
    }
}

pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_intransit"));
    command.stdin(Stdio::null()).env_remove("INTRANSIT_NOW");
    command
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Messages by direction, connector and band, zeros left out.
pub(crate) type Counts = BTreeMap<(String, String, String), u64>;

/// The counts of a report's first period.
pub(crate) fn counts(report: &Value) -> Counts {
    let mut counts = Counts::new();
    for connector in report["periods"][0]["connectors"].as_array().unwrap() {
        let name = connector["connector"].as_str().unwrap_or("-").to_owned();
        let direction = connector["direction"].as_str().unwrap().to_owned();
        for (band, messages) in connector["tls"].as_object().unwrap() {
            let messages = messages.as_u64().unwrap();
            if messages > 0 {
                counts.insert((direction.clone(), name.clone(), band.clone()), messages);
            }
        }
    }
    counts
}

/// Counts written as `inbound|Fabrikam|tls1_2|3`.
pub(crate) fn expected(lines: &[&str]) -> Counts {
    let mut counts = Counts::new();
    for line in lines {
        let parts: Vec<&str> = line.split('|').collect();
        let [direction, connector, band, messages] = parts.as_slice() else { panic!("{line}") };
        let key = ((*direction).to_owned(), (*connector).to_owned(), (*band).to_owned());
        counts.insert(key, messages.parse().unwrap());
    }
    counts
}

/// The whole of one field over all sources.
pub(crate) fn sum(report: &Value, field: &str) -> u64 {
    let sources = report["sources"].as_array().unwrap();
    sources.iter().map(|source| source[field].as_u64().unwrap()).sum()
}

/// Rejects as `reason xcount`, in order.
pub(crate) fn rejects(report: &Value) -> Vec<String> {
    let rejects = report["rejects"].as_array().unwrap();
    rejects
        .iter()
        .map(|reject| format!("{} x{}", reject["reason"].as_str().unwrap(), reject["count"]))
        .collect()
}

/// A message row table with the usual header.
pub(crate) fn detail(rows: &[&str]) -> String {
    let head = "date_time_utc,network_message_id,direction,connector_name,tls_version,sender_address,recipient_address";
    let mut text = format!("{head}\r\n");
    for row in rows {
        text.push_str(row);
        text.push_str("\r\n");
    }
    text
}

/// A logo that an organisation may have, with a clear ground.
pub(crate) const SVG: &str = r##"<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 10">
<title>Contoso</title>
<path fill="#0f6cbd" d="M0 0h20v10H0z"/>
</svg>
"##;

/// The same as PNG: so many pixels, from clear on the left to red on the right.
pub(crate) fn png(width: u8, height: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width.into(), height.into());
    encoder.set_color(png::ColorType::Rgba);
    let row = (0..width).flat_map(|x| [255, 0, 0, x]);
    let pixels: Vec<u8> = row.collect::<Vec<u8>>().repeat(height.into());
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&pixels).unwrap();
    writer.finish().unwrap();
    bytes
}

/// Every day of the period of these tests.
pub(crate) const RANGE: [&str; 4] = ["--from", "2026-11-01", "--to", "2026-11-30"];
