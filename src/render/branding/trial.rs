//! Two example reports, rendered with an organisation's templates before a real one is: one
//! with everything that a report may hold, and one with nothing to tell.

use chrono::DateTime;

use super::Branding;
use crate::render::mail::{self, Earlier, Facts, Filed};
use crate::render::{RenderError, check, html};
use crate::report::Report;

const EXAMPLE: &str = include_str!("../../../templates/example/report.json");
const PAGE: &str = "report.html";

/// Renders pages and mails of the examples.
///
/// # Errors
/// [`RenderError`] with the first fault.
pub(super) fn render(branding: &Branding) -> Result<(), RenderError> {
    let full = full();
    for (report, facts) in [(quiet(full.clone()), Facts::default()), (full, facts())] {
        let page = html::render(&report, branding)?;
        check::check(&report, &[(PAGE.to_owned(), page)])
            .map_err(|unreadable| branding.templates.at_fault(PAGE, unreadable.fault))?;
        let body = mail::report(&report, &facts, branding)?;
        for (name, text) in [("mail/report.html", body.html), ("mail/report.txt", body.text)] {
            if text.trim().is_empty() {
                return Err(branding.templates.at_fault(name, "makes nothing"));
            }
        }
    }
    Ok(())
}

fn full() -> Report {
    match serde_json::from_str(EXAMPLE) {
        Ok(report) => report,
        Err(error) => unreachable!("the example is a report: {error}"),
    }
}

fn quiet(mut report: Report) -> Report {
    (report.run, report.archive, report.incomplete) = (None, None, None);
    report.rejects.clear();
    report.skipped.clear();
    for period in &mut report.periods {
        period.insights.clear();
        period.peers.clear();
        period.other_peers = None;
    }
    report
}

/// Everything that a mail may say beside the report.
fn facts() -> Facts {
    let (nominal, reason) = ("2026-11-09T07:00".to_owned(), "no usable row".to_owned());
    Facts {
        due_at: DateTime::from_timestamp(1_794_823_200, 0),
        made_at: DateTime::from_timestamp(1_794_830_400, 0),
        earlier: vec![Earlier::Failed { nominal, reason }],
        filed: Some(Filed {
            folder: "evidence".to_owned(),
            bag: "000002-weekly-audit-2026-11-16-r2".to_owned(),
            seq: 2,
            head_sha256: "0".repeat(64),
            signed: false,
        }),
        attached: vec!["report.pdf".to_owned(), "connectors.csv".to_owned()],
        left_out: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::broken_law;

    /// Nothing that a template may show is missing from the full example.
    #[test]
    fn the_examples_are_reports() {
        let full = full();
        assert_eq!(broken_law(&quiet(full.clone())), None);
        assert!(full.run.is_some() && full.incomplete.is_some() && !full.rejects.is_empty());
        assert!(full.archive.is_some_and(|archive| archive.changes.is_some()));
        assert!(full.periods.iter().all(|p| !p.insights.is_empty() && !p.peers.is_empty()));
        assert!(full.periods.iter().any(|period| !period.coverage.gaps.is_empty()));
        render(&Branding::default()).unwrap();
    }
}
