//! TLS reports of other organisations: sessions in the longest period, never messages.

use chrono_tz::Tz;

use crate::breakdown::SourceCounts;
use crate::ingest::Reading;
use crate::ingest::tls_rpt::{self, Summary, TlsReport};
use crate::period::{Period, day_start};

/// Sums of the reports that touch the period, and where the reports of each file went.
pub(super) fn sessions(
    reading: &Reading,
    period: Option<Period>,
    zone: Tz,
    sources: &mut [SourceCounts],
) -> Option<Summary> {
    let usable = reading
        .tls_reports
        .iter()
        .filter(|(file, _)| reading.files.get(*file as usize).is_some_and(|file| file.usable));
    let mut inside: Vec<TlsReport> = Vec::new();
    for (file, report) in usable {
        let Some(counts) = sources.get_mut(*file as usize) else { continue };
        let touches = period.is_some_and(|period| {
            report.start < day_start(period.to, zone) && report.end >= day_start(period.from, zone)
        });
        let again = |held: &&TlsReport| {
            held.report_id.is_some()
                && held.report_id == report.report_id
                && held.organisation == report.organisation
        };
        if !touches {
            counts.outside_period += 1;
            continue;
        }
        if inside.iter().any(|held| again(&held)) {
            counts.duplicates += 1;
        } else {
            counts.counted += 1;
        }
        inside.push(report.clone());
    }
    (!reading.tls_reports.is_empty()).then(|| tls_rpt::summarise(&inside))
}
