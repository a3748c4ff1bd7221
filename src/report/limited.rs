//! A report cut down to some connectors, for a recipient who is to see no others.

use super::{Connector, PeriodReport, Previous, Report, Total};
use crate::insight::Rule;
use crate::trace::{Direction, TlsCounts};

/// The same figures, of these connectors only. Nothing is counted anew: totals are sums of
/// what the whole report says. What is not known per connector is left out: remote domains, the
/// files that were read, and the rows that could not be used. That more than 1 % of a file could
/// not be used, or that hours are missing, stays: it may be this reader's mail.
pub fn limited(report: &Report, connectors: &[String]) -> Report {
    if connectors.is_empty() {
        return report.clone();
    }
    let mut limited = report.clone();
    limited.only = connectors.to_vec();
    // Names and sizes of files tell of others, and so do what others reported and whom else the
    // settings name.
    limited.sources.clear();
    limited.skipped.clear();
    limited.rejects.clear();
    limited.tls_rpt = None;
    limited.folded = None;
    if let Some(changes) = limited.archive.as_mut().and_then(|archive| archive.changes.as_mut()) {
        changes.retain(|change| is_for_everyone(&change.key));
    }
    for period in &mut limited.periods {
        limit(period, connectors);
    }
    limited
}

/// Whether a setting says nothing about other readers, connectors or servers.
fn is_for_everyone(key: &str) -> bool {
    let table = key.split('.').next().unwrap_or(key);
    matches!(
        table,
        "cron"
            | "missed"
            | "missed_window"
            | "paused"
            | "wait_for_data"
            | "timezone"
            | "periods"
            | "count"
            | "insights"
    )
}

fn limit(period: &mut PeriodReport, connectors: &[String]) {
    let meant = |name: &Option<String>| name.as_ref().is_some_and(|name| connectors.contains(name));
    period.connectors.retain(|part| meant(&part.connector));
    period.daily.retain(|day| meant(&day.connector));
    // What is about no connector and no direction is about the traces as a whole.
    period.insights.retain(|insight| insight.direction.is_none() || meant(&insight.connector));
    period.peers.clear();
    period.other_peers = None;
    let coverage = &mut period.coverage;
    coverage.capped_files.clear();
    coverage.controls.retain(|control| meant(&control.connector));
    coverage.conflicts.retain(|conflict| meant(&conflict.connector));
    let silent = |direction: Direction| {
        period.insights.iter().any(|insight| {
            insight.rule == Rule::ConnectorSilent && insight.direction == Some(direction)
        })
    };
    let totals = period.totals.iter().map(|total| {
        let parts = period.connectors.iter().filter(|part| part.direction == total.direction);
        let parts: Vec<&Connector> = parts.collect();
        // A connector that fell silent is no longer listed: the sum before would miss it.
        let comparable = total.previous.is_some() && !silent(total.direction);
        sum(total.direction, &parts, comparable)
    });
    period.totals = totals.collect();
    let messages: u64 = period.totals.iter().map(|total| total.messages).sum();
    period.coverage.unknown_messages = period.totals.iter().map(|total| total.tls.unknown).sum();
    period.coverage.tls_not_recorded = messages > 0 && period.coverage.unknown_messages == messages;
}

fn sum(direction: Direction, parts: &[&Connector], comparable: bool) -> Total {
    let (mut tls, mut before) = (TlsCounts::default(), TlsCounts::default());
    for part in parts {
        tls.add_all(&part.tls);
        if let Some(previous) = &part.previous {
            before.add_all(&previous.tls);
        }
    }
    let previous = comparable.then(|| Previous { messages: before.total(), tls: before });
    Total { direction, messages: tls.total(), tls, previous }
}
