//! `intransit inspect`

use serde::Serialize;

use super::{Done, put, say, show_lines};
use crate::breakdown::Inspection;
use crate::cli::report::{SourceArgs, given_settings};
use crate::failure::{Failure, FailureKind};
use crate::ingest::{Source, SourceFile};
use crate::render;
use crate::report::instant;
use crate::run;
use crate::trace::{Tls, TlsCounts};

/// What `inspect` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Trace files, folders, globs, or - for standard input
    #[arg(value_name = "SOURCE", required = true)]
    sources: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: SourceArgs,
}

/// One file, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Line<'a> {
    file: &'a str,
    kind: &'static str,
    rows: u64,
    rejected: u64,
    first: Option<String>,
    last: Option<String>,
    connectors: usize,
    unit: &'static str,
    notes: Vec<&'static str>,
    sha256: &'a str,
    bytes: u64,
    connector_names: &'a [String],
    without_connector: bool,
    tls: TlsCounts,
    gaps: Vec<(String, String)>,
    rejects: Vec<RejectLine<'a>>,
}

#[derive(Debug, Serialize)]
struct RejectLine<'a> {
    line: u64,
    reason: &'static str,
    found: &'a str,
    count: u64,
}

pub(super) fn run(args: &Args) -> Result<Done, Failure> {
    let settings = given_settings(&args.source)?;
    let sources: Vec<Source> = args
        .sources
        .iter()
        .map(|path| Source {
            path: path.clone(),
            root: std::path::PathBuf::new(),
            archived: None,
            settings: settings.clone(),
        })
        .collect();
    let (reading, inspections) = run::inspect(&sources)?;
    let lines: Vec<Line<'_>> = reading
        .files
        .iter()
        .zip(&inspections)
        .filter(|(file, _)| file.usable)
        .map(|(file, inspection)| line(file, inspection))
        .collect();
    if args.json {
        put(&render::json::pretty(&lines))?;
    } else {
        show_lines(&text(&lines))?;
    }
    for file in &reading.skipped {
        say(&format!("note: {}: {}", if file.bad { "cannot use" } else { "no trace" }, file.why));
    }
    if lines.is_empty() {
        let line = "error: no file is a mail trace that can be used".to_owned();
        return Err(Failure::said(FailureKind::Input, &[line]));
    }
    Ok(Done::Well)
}

fn line<'a>(file: &'a SourceFile, inspection: &'a Inspection) -> Line<'a> {
    Line {
        file: &file.name,
        kind: file.kind.name(),
        rows: file.rows,
        rejected: file.rejects.total(),
        first: inspection.span.map(|(first, _)| instant(first)),
        last: inspection.span.map(|(_, last)| instant(last)),
        connectors: inspection.connectors.len(),
        unit: file.unit.name(),
        notes: file.notes.iter().map(|note| note.code()).collect(),
        sha256: &file.sha256,
        bytes: file.bytes,
        connector_names: &inspection.connectors,
        without_connector: inspection.without_connector,
        tls: inspection.tls,
        gaps: inspection.gaps.iter().map(|gap| (instant(gap.from), instant(gap.to))).collect(),
        rejects: file
            .rejects
            .iter()
            .map(|(reason, reject)| RejectLine {
                line: reject.line,
                reason: reason.code(),
                found: &reject.found,
                count: reject.count,
            })
            .collect(),
    }
}

fn text(lines: &[Line<'_>]) -> String {
    let words = render::words::Words::english();
    let mut out = String::new();
    for line in lines {
        let span = match (&line.first, &line.last) {
            (Some(first), Some(last)) => format!("{first} to {last}"),
            _ => "no rows".to_owned(),
        };
        out.push_str(&format!(
            "{}\n  kind        {}\n  rows        {} ({} rejected)\n  time        {span}\n",
            render::plain(line.file),
            line.kind,
            line.rows,
            line.rejected,
        ));
        out.push_str(&format!("  sha256      {} ({} bytes)\n", line.sha256, line.bytes));
        let mut names: Vec<String> =
            line.connector_names.iter().map(|name| render::clean(name)).collect();
        if line.without_connector {
            names.insert(0, words.text("connector.none"));
        }
        out.push_str(&format!("  connectors  {}\n", names.join(" | ")));
        let bands: Vec<String> = Tls::ALL
            .iter()
            .filter(|band| line.tls.get(**band) > 0)
            .map(|band| {
                let name = words.text(&format!("tls.{}", band.key()));
                format!("{name} {}", line.tls.get(*band))
            })
            .collect();
        out.push_str(&format!("  tls         {}\n", bands.join(", ")));
        for (from, to) in &line.gaps {
            out.push_str(&format!("  gap         no row from {from} to {to}\n"));
        }
        for reject in &line.rejects {
            let reason = words.text(&format!("reject.{}", reject.reason));
            out.push_str(&format!(
                "  rejected    {} x {reason}, first in line {}: {}\n",
                reject.count,
                reject.line,
                render::clean(reject.found),
            ));
        }
        for note in &line.notes {
            out.push_str(&format!("  note        {}\n", words.text(&format!("note.{note}"))));
        }
    }
    out
}
