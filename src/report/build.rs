//! The report of what was counted.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use super::{
    ConflictReport, Connector, ControlReport, CoverageReport, Daily, Folded, GapReport, Generator,
    Incomplete, Limits, OtherPeers, PeerReport, PeriodReport, Previous, RejectReport, Report,
    SCHEMA_VERSION, Settings, SourceReport, TlsRptReport, Total, instant,
};
use crate::breakdown::{self, Breakdown, Cell, ConnectorFacts, Peer, PeerRest, Sum};
use crate::ingest::{FileNote, Reading, SourceFile};
use crate::insight::{self, FileRejects, Known};
use crate::period::{Period, day_start};
use crate::trace::{ConnectorType, Direction, Kind, TlsCounts};

/// Builds the report from the counts.
pub fn build(breakdown: &Breakdown, reading: &Reading, settings: &Settings) -> Report {
    let periods = settings.periods.iter().enumerate();
    Report {
        schema_version: SCHEMA_VERSION,
        organisation: settings.organisation.clone(),
        language: settings.language.clone(),
        timezone: settings.zone.name().to_owned(),
        as_of: settings.as_of,
        run: settings.run.clone(),
        archive: settings.archive.clone(),
        only: settings.only.clone(),
        incomplete: settings
            .expects_whole
            .then(|| incomplete(reading, settings.as_of, settings.zone))
            .flatten(),
        folded: (breakdown.folded > 0).then_some(Folded {
            connectors: breakdown.folded,
            limit: breakdown::MOST_CONNECTORS as u64,
        }),
        generator: Generator {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            tzdb: chrono_tz::IANA_TZDB_VERSION.to_owned(),
        },
        limits: Limits {
            no_tls_percent: settings.insights.no_tls_percent,
            tls1_0_percent: settings.insights.tls1_0_percent,
            min_messages: settings.insights.min_messages,
        },
        periods: periods
            .map(|(index, period)| period_report(index, *period, breakdown, reading, settings))
            .collect(),
        sources: sources(breakdown, reading),
        skipped: reading.skipped.iter().map(|file| file.name.clone()).collect(),
        rejects: rejects(breakdown, reading),
        tls_rpt: breakdown.sessions.as_ref().map(TlsRptReport::from),
    }
}

fn period_report(
    index: usize,
    period: Period,
    breakdown: &Breakdown,
    reading: &Reading,
    settings: &Settings,
) -> PeriodReport {
    let summary = breakdown.summary(period);
    let known = |direction, name: Option<&str>| known(breakdown, settings, direction, name);
    let coverage = breakdown.coverage.get(index).cloned().unwrap_or_default();
    let peers = breakdown.peers.get(index);
    let files: Vec<FileRejects> = reading
        .files
        .iter()
        .zip(&breakdown.rejects)
        .map(|(file, rejects)| FileRejects { rows: file.rows, rejected: rejects.total() })
        .collect();
    let insights = insight::insights(&summary, &coverage, &files, &settings.insights, &known);
    let messages: u64 = summary.totals.iter().map(|sum| sum.tls.total()).sum();
    let unknown: u64 = summary.totals.iter().map(|sum| sum.tls.unknown).sum();
    PeriodReport {
        id: period.kind.to_string(),
        from: period.from,
        to: period.last_day(),
        hours: period.hours(settings.zone),
        totals: summary.totals.iter().map(total).collect(),
        connectors: summary
            .connectors
            .iter()
            .filter(|sum| sum.tls.total() > 0)
            .map(|sum| connector(sum, &known(sum.direction, sum.connector.as_deref())))
            .collect(),
        daily: summary.daily.iter().map(daily).collect(),
        peers: peers.iter().flat_map(|peers| &peers.listed).map(peer).collect(),
        other_peers: peers.and_then(|peers| peers.rest).map(other_peers),
        insights,
        coverage: CoverageReport {
            first: coverage.first.map(instant),
            last: coverage.last.map(instant),
            days_without_rows: coverage.days_without_rows,
            gaps: coverage
                .gaps
                .iter()
                .map(|gap| GapReport { from: instant(gap.from), to: instant(gap.to) })
                .collect(),
            capped_files: coverage.capped_files,
            unknown_messages: unknown,
            tls_not_recorded: messages > 0 && unknown == messages,
            ends_after_newest_row: newest_day(reading, settings.zone)
                .is_some_and(|newest| period.last_day() > newest),
            controls: controls(breakdown, &period),
            conflicts: conflicts(breakdown, &period),
        },
    }
}

fn known(
    breakdown: &Breakdown,
    settings: &Settings,
    direction: Direction,
    name: Option<&str>,
) -> Known {
    let facts = breakdown.connectors.get(&(direction, name.map(str::to_owned)));
    let of_type = |facts: &ConnectorFacts| facts.connector_type;
    let configured = settings.connectors.iter().find(|known| Some(known.name.as_str()) == name);
    Known {
        connector_type: if name.is_none() { Some(ConnectorType::None) } else { facts.map(of_type) },
        forced_tls: configured
            .and_then(|known| known.forced_tls)
            .or_else(|| facts.and_then(|facts| facts.forced_tls)),
        contact: configured.and_then(|known| known.contact.clone()),
    }
}

fn total(sum: &Sum) -> Total {
    Total {
        direction: sum.direction,
        messages: sum.tls.total(),
        tls: sum.tls,
        previous: sum.previous.map(previous),
    }
}

fn previous(tls: TlsCounts) -> Previous {
    Previous { messages: tls.total(), tls }
}

fn connector(sum: &Sum, known: &Known) -> Connector {
    Connector {
        direction: sum.direction,
        connector: sum.connector.clone(),
        connector_type: known.connector_type.unwrap_or(ConnectorType::Unknown),
        forced_tls: known.forced_tls,
        messages: sum.tls.total(),
        tls: sum.tls,
        previous: sum.previous.map(previous),
    }
}

fn daily(cell: &Cell) -> Daily {
    Daily {
        date: cell.date,
        direction: cell.direction,
        connector: cell.connector.clone(),
        messages: cell.tls.total(),
        tls: cell.tls,
    }
}

fn peer(peer: &Peer) -> PeerReport {
    PeerReport {
        direction: peer.direction,
        peer: peer.name.clone(),
        messages: peer.tls.total(),
        tls: peer.tls,
    }
}

fn other_peers(rest: PeerRest) -> OtherPeers {
    OtherPeers { peers: rest.peers, messages: rest.tls.total(), tls: rest.tls }
}

fn controls(breakdown: &Breakdown, period: &Period) -> Vec<ControlReport> {
    let inside = breakdown.controls.iter().filter(|control| period.contains(control.date));
    inside
        .map(|control| ControlReport {
            date: control.date,
            direction: control.direction,
            connector: control.connector.clone(),
            total: control.total,
            rows: control.rows,
            difference: control.rows.cast_signed() - control.total.cast_signed(),
        })
        .collect()
}

fn conflicts(breakdown: &Breakdown, period: &Period) -> Vec<ConflictReport> {
    let inside = breakdown.conflicts.iter().filter(|conflict| period.contains(conflict.date));
    inside
        .map(|conflict| ConflictReport {
            date: conflict.date,
            direction: conflict.direction,
            connector: conflict.connector.clone(),
            used: conflict.used.clone(),
            unused: conflict.unused.clone(),
        })
        .collect()
}

fn sources(breakdown: &Breakdown, reading: &Reading) -> Vec<SourceReport> {
    let files = reading.files.iter().zip(&breakdown.sources).zip(&breakdown.rejects);
    files
        .filter(|((file, _), _)| file.usable)
        .map(|((file, counts), rejects)| SourceReport {
            file: file.name.clone(),
            sha256: file.sha256.clone(),
            bytes: file.bytes,
            kind: file.kind,
            unit: file.unit.name().to_owned(),
            rows: file.rows,
            counted: counts.counted,
            merged: counts.merged,
            duplicates: counts.duplicates,
            internal: counts.internal,
            outside_period: counts.outside_period,
            rejected: rejects.total(),
            tls_known: has_messages(file).then_some(counts.tls_known),
            first: file.span_ms.and_then(|(first, _)| from_ms(first)),
            last: file.span_ms.and_then(|(_, last)| from_ms(last)),
            notes: file.notes.iter().map(|note| note.code().to_owned()).collect(),
            query: file.asked.as_ref().map(|asked| asked.query.clone()),
        })
        .collect()
}

/// Whether the rows of a file are messages, not totals or sessions.
fn has_messages(file: &SourceFile) -> bool {
    file.kind != Kind::TlsRpt && !file.notes.contains(&FileNote::DaysAsTheyStand)
}

fn rejects(breakdown: &Breakdown, reading: &Reading) -> Vec<RejectReport> {
    let files = reading.files.iter().zip(&breakdown.rejects).filter(|(file, _)| file.usable);
    files
        .flat_map(|(file, rejects)| {
            rejects.iter().map(|(reason, reject)| RejectReport {
                file: file.name.clone(),
                line: (reject.line > 0).then_some(reject.line),
                reason: reason.code().to_owned(),
                found: reject.found.clone(),
                count: reject.count,
            })
        })
        .collect()
}

/// How far the traces reach, where that is not to the end of the periods.
fn incomplete(reading: &Reading, as_of: NaiveDate, zone: Tz) -> Option<Incomplete> {
    let needed = day_start(as_of, zone);
    let usable = reading.files.iter().filter(|file| file.usable);
    let newest = usable.filter_map(|file| reach(file, zone)).max();
    if newest.is_some_and(|newest| newest >= needed) {
        return None;
    }
    Some(Incomplete { newest: newest.map(instant), needed: instant(needed) })
}

/// The newest row of a file; a day total reaches to the end of its day.
fn reach(file: &SourceFile, zone: Tz) -> Option<DateTime<Utc>> {
    if file.notes.contains(&FileNote::DaysAsTheyStand) {
        return newest_day_of(file, zone)?.succ_opt().map(|day| day_start(day, zone));
    }
    DateTime::from_timestamp_millis(file.span_ms?.1)
}

fn newest_day(reading: &Reading, zone: Tz) -> Option<NaiveDate> {
    let usable = reading.files.iter().filter(|file| file.usable);
    usable.filter_map(|file| newest_day_of(file, zone)).max()
}

fn newest_day_of(file: &SourceFile, zone: Tz) -> Option<NaiveDate> {
    let last = DateTime::from_timestamp_millis(file.span_ms?.1)?;
    let zone = if file.notes.contains(&FileNote::DaysAsTheyStand) { Tz::UTC } else { zone };
    Some(last.with_timezone(&zone).date_naive())
}

fn from_ms(ms: i64) -> Option<String> {
    DateTime::from_timestamp_millis(ms).map(instant)
}
