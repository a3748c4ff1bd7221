//! The settling of rows as SQL: what `settle` does with the rows of one file, for a table that
//! stays where it is. Only counts leave the engine.
//!
//! Each row of the answer is of one part:
//!
//! | part | `number` | `name` | `messages`, `line_count` | `low`, `high` |
//! |---|---|---|---|---|
//! | `cell` | local day; absent for rows that are no message of their own | connector | messages, rows | least type, greatest forced TLS |
//! | `peer` | local day | remote domain | messages | |
//! | `left` | | days of the messages that rows belong to, sorted | rows | |
//! | `seen` | quarter of an hour since 1970 | | rows | first and last, milliseconds |
//! | `reject` | | code of the reason; `found` holds an example | rows | |
//!
//! `direction` and `tls` hold codes as in the canonical trace where they belong to the part.

use chrono::NaiveDate;
use chrono_tz::Tz;

use crate::ingest::sql::{day_of, text};

/// Names and types of the columns of the answer, in their order.
pub const COLUMNS: [(&str, &str); 10] = [
    ("part", "string"),
    ("number", "bigint"),
    ("direction", "bigint"),
    ("tls", "bigint"),
    ("name", "string"),
    ("found", "string"),
    ("messages", "bigint"),
    ("line_count", "bigint"),
    ("low", "bigint"),
    ("high", "bigint"),
];

/// Which remote domains are needed: those of the days of either span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerScope {
    /// From the first day to before the second.
    pub between: Option<(NaiveDate, NaiveDate)>,
    /// So many days up to that of the newest row.
    pub last: Option<u32>,
    /// Only those of these connectors; of all where empty.
    pub only: Vec<String>,
}

/// The whole statement over `expressions`, whose last one is `trace`, as
/// [`map`](crate::ingest::sql::map) makes them.
///
/// * `zone`: where days begin.
/// * `most`: rows of an answer; one more is asked for, so that it is noticed.
pub fn statement(expressions: &str, zone: Tz, peers: &PeerScope, most: u64) -> String {
    let parts = [cells(), peer_counts(peers, zone), further_peers(peers, zone), left(), seen()];
    let column = |(name, held): &(&str, &str)| format!("CAST({name} AS {held}) AS {name}");
    format!(
        "WITH {expressions},\n{}\nSELECT {} FROM (\n{}\n) LIMIT {}",
        settled(zone),
        COLUMNS.iter().map(column).collect::<Vec<_>>().join(", "),
        parts.join("\nUNION ALL\n"),
        most.saturating_add(1)
    )
}

/// Rows by identity, message and remote domain, and which of them are messages: rule 2 and 3
/// of `settle`. A row with several domains counts as a row for the first of them.
fn settled(zone: Tz) -> String {
    let message = "PARTITION BY id, direction, connector, tls";
    format!(
        "domains AS (SELECT id, direction, connector, tls, ms, connector_type, forced, place, peer \
         FROM trace LATERAL VIEW OUTER posexplode(peers) each AS place, peer),\n\
         grouped AS (SELECT id, direction, connector, tls, peer, \
         sum(CASE WHEN coalesce(place, 0) = 0 THEN 1 ELSE 0 END) AS line_count, min(ms) AS ms, \
         min(connector_type) AS connector_type, max(forced) AS forced, \
         max(coalesce(place, 0)) AS place \
         FROM domains GROUP BY id, direction, connector, tls, peer HAVING max(id) IS NOT NULL),\n\
         weighed AS (SELECT *, min(ms) OVER ({message}) AS first_ms, \
         sum(line_count) OVER ({message}) AS copies, \
         row_number() OVER ({message} ORDER BY peer) AS turn, \
         max(CASE WHEN direction = 0 AND tls <> 7 THEN 1 ELSE 0 END) OVER (PARTITION BY id) AS known_in, \
         max(CASE WHEN direction = 1 AND tls <> 7 THEN 1 ELSE 0 END) OVER (PARTITION BY id) AS known_out \
         FROM grouped),\n\
         judged AS (SELECT *, direction <> 2 AND (tls <> 7 OR \
         CASE WHEN direction = 0 THEN known_in ELSE known_out END = 0) AS kept FROM weighed),\n\
         settled AS (SELECT id, direction, connector, tls, peer, line_count, connector_type, forced, \
         place, first_ms, copies, turn, kept, {} AS day, \
         CASE WHEN id LIKE 'a%' THEN copies ELSE 1 END AS messages, \
         max(CASE WHEN kept THEN 0 ELSE 1 END) OVER (PARTITION BY id) AS odd FROM judged)",
        day_of(zone, "first_ms")
    )
}

fn cells() -> String {
    "SELECT 'cell' AS part, CASE WHEN kept THEN day END AS number, direction, \
     CASE WHEN kept THEN tls END AS tls, connector AS name, CAST(NULL AS string) AS found, \
     sum(CASE WHEN kept AND turn = 1 THEN messages ELSE 0 END) AS messages, \
     CAST(sum(line_count) AS bigint) AS line_count, \
     CAST(min(connector_type) AS bigint) AS low, CAST(max(forced) AS bigint) AS high \
     FROM settled GROUP BY CASE WHEN kept THEN day END, direction, \
     CASE WHEN kept THEN tls END, connector"
        .to_owned()
}

/// Which remote domains are wanted, for a day and a connector.
fn wanted(peers: &PeerScope, zone: Tz) -> String {
    let between = peers.between.map(|(from, to)| {
        format!("day >= {} AND day < {}", from.to_epoch_days(), to.to_epoch_days())
    });
    let last = peers.last.map(|days| {
        format!(
            "day > (SELECT {} - {days} FROM (SELECT \
             max(CASE WHEN reason IS NULL THEN ms END) AS newest FROM trace))",
            day_of(zone, "newest")
        )
    });
    let days: Vec<String> = between.into_iter().chain(last).collect();
    let days = if days.is_empty() { "false".to_owned() } else { days.join(" OR ") };
    let days = format!("({days})");
    if peers.only.is_empty() {
        return days;
    }
    let names: Vec<String> = peers.only.iter().map(|name| text(name)).collect();
    format!("{days} AND connector IN ({})", names.join(", "))
}

fn peer_counts(peers: &PeerScope, zone: Tz) -> String {
    format!(
        "SELECT 'peer', day, direction, tls, peer, CAST(NULL AS string), sum(messages), \
         CAST(0 AS bigint), CAST(NULL AS bigint), CAST(NULL AS bigint) FROM settled \
         WHERE kept AND peer IS NOT NULL AND {} GROUP BY day, direction, tls, peer",
        wanted(peers, zone)
    )
}

/// Second and further domains of a row of `unknown` go to the first message of the same
/// direction and connector, where it has not got them.
fn further_peers(peers: &PeerScope, zone: Tz) -> String {
    let alike = "PARTITION BY id, direction, connector";
    format!(
        "SELECT 'peer', day, direction, tls, peer, CAST(NULL AS string), count(*), \
         CAST(0 AS bigint), CAST(NULL AS bigint), CAST(NULL AS bigint) FROM ( \
         SELECT connector, direction, peer, \
         first_value(day) OVER ({alike} ORDER BY CASE WHEN kept THEN 0 ELSE 1 END, \
         first_ms div 1000, tls) AS day, \
         first_value(tls) OVER ({alike} ORDER BY CASE WHEN kept THEN 0 ELSE 1 END, \
         first_ms div 1000, tls) AS tls, \
         max(CASE WHEN kept THEN 1 ELSE 0 END) OVER ({alike}) AS has_message, kept, place, \
         max(CASE WHEN first_kept THEN 1 ELSE 0 END) OVER ({alike}, peer) AS held \
         FROM (SELECT *, kept AND tls = first_value(tls) OVER ({alike} \
         ORDER BY CASE WHEN kept THEN 0 ELSE 1 END, first_ms div 1000, tls) AS first_kept \
         FROM settled WHERE odd = 1 AND direction <> 2)) \
         WHERE NOT kept AND place > 0 AND has_message = 1 AND held = 0 AND peer IS NOT NULL AND {} \
         GROUP BY day, direction, tls, peer",
        wanted(peers, zone)
    )
}

/// Rows that are no message of their own, by the days of the messages of their identity.
fn left() -> String {
    "SELECT 'left', CAST(NULL AS int), CAST(NULL AS int), CAST(NULL AS int), days, \
     CAST(NULL AS string), CAST(0 AS bigint), CAST(sum(line_count) AS bigint), \
     CAST(NULL AS bigint), CAST(NULL AS bigint) FROM ( \
     SELECT id, array_join(array_sort(collect_set(CASE WHEN kept THEN CAST(day AS string) END)), ',') \
     AS days, sum(CASE WHEN kept THEN 0 ELSE line_count END) AS line_count \
     FROM settled WHERE odd = 1 GROUP BY id) GROUP BY days"
        .to_owned()
}

/// When rows occurred, and those that cannot be used.
fn seen() -> String {
    "SELECT CASE WHEN reason IS NULL THEN 'seen' ELSE 'reject' END, quarter, CAST(NULL AS int), \
     CAST(NULL AS int), reason, min(found), CAST(0 AS bigint), count(*), \
     CASE WHEN reason IS NULL THEN min(ms) END, CASE WHEN reason IS NULL THEN max(ms) END \
     FROM (SELECT ms, reason, found, \
     CASE WHEN reason IS NULL THEN CAST(ms div 900000 AS int) END AS quarter FROM trace) \
     GROUP BY quarter, reason"
        .to_owned()
}
