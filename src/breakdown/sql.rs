//! The settling of rows as SQL: what `settle` does with the rows of one file, for a table that
//! stays where it is. Only counts leave the engine.
//!
//! Each row of the answer is of one part:
//!
//! | part | `number` | `name` | `found` | `messages`, `line_count` | `low`, `high` |
//! |---|---|---|---|---|---|
//! | `cell` | local day; absent for rows that are no message of their own | connector | days of the messages that such rows belong to, sorted | messages, rows | least type, greatest forced TLS |
//! | `peer` | local day | remote domain | | messages | |
//! | `seen` | quarter of an hour since 1970 | | | rows | first and last, milliseconds |
//! | `reject` | | code of the reason | an example | rows | |
//!
//! `direction` and `tls` hold codes as in the canonical trace where they belong to the part.
//!
//! All of an identity is brought together once, as a list of its messages: an engine sorts
//! windows over all rows many times slower than it groups them. Nothing is filtered before it is
//! grouped, for the reason that [`ingest::sql`](crate::ingest::sql) gives.

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
    let column = |(name, held): &(&str, &str)| format!("CAST({name} AS {held}) AS {name}");
    let layers = [messages(zone), identities(), judged(zone), counted(peers, zone)];
    format!(
        "WITH {expressions},\n{}\nSELECT {} FROM (\n{}\nUNION ALL\n{}\n) LIMIT {}",
        layers.join(",\n"),
        COLUMNS.iter().map(column).collect::<Vec<_>>().join(", "),
        counts(),
        seen(),
        most.saturating_add(1)
    )
}

/// Rows of one identity, direction, connector and band: rule 3 of `settle`. Remote domains
/// after the first of a row are `further` ones.
fn messages(zone: Tz) -> String {
    format!(
        "keyed AS (SELECT CASE WHEN id IS NOT NULL THEN xxhash64(id) END AS id_hash, \
         CASE WHEN id LIKE 'a%' THEN 1 ELSE 0 END AS bare, direction, connector, tls, \
         direction AS way, connector AS route, tls AS band, ms, \
         connector_type, forced, peers, \
         CASE WHEN size(peers) > 1 THEN slice(peers, 2, {MOST_PEERS}) END AS further \
         FROM trace),\n\
         grouped AS (SELECT id_hash, max(direction) AS direction, max(connector) AS connector, \
         max(tls) AS tls, count(*) AS copies, \
         min(ms) AS first_ms, min(connector_type) AS least_type, max(forced) AS most_forced, \
         max(bare) AS unnamed, array_distinct(flatten(collect_list(peers))) AS all_peers, \
         flatten(collect_list(further)) AS all_further \
         FROM keyed GROUP BY id_hash, way, route, band HAVING max(id_hash) IS NOT NULL),\n\
         messages AS (SELECT *, {} AS day FROM grouped)",
        day_of(zone, "first_ms")
    )
}

/// More remote domains than a row can name.
const MOST_PEERS: u32 = 1_000_000_000;

/// All messages of an identity, and whether any is known to be protected, or not, by direction.
fn identities() -> String {
    let known = |direction: u8| {
        format!("max(CASE WHEN direction = {direction} AND tls <> 7 THEN 1 ELSE 0 END)")
    };
    format!(
        "identities AS (SELECT collect_list(struct(direction, connector, tls, first_ms, copies, \
         least_type, most_forced, unnamed, all_peers, all_further, day)) AS siblings, \
         {} AS known_in, {} AS known_out FROM messages GROUP BY id_hash),\n\
         each_one AS (SELECT siblings, known_in, known_out, m.direction AS direction, \
         m.connector AS connector, m.tls AS tls, m.copies AS copies, m.least_type AS least_type, \
         m.most_forced AS most_forced, m.unnamed AS unnamed, m.all_peers AS all_peers, \
         m.all_further AS all_further, m.day AS day \
         FROM identities LATERAL VIEW explode(siblings) each AS m)",
        known(0),
        known(1)
    )
}

/// Which of them are messages: rule 2 of `settle`. For those that are not, the days of those
/// that are, and the first one of the same direction and connector: second and further domains
/// of a row of `unknown` go to it.
fn judged(zone: Tz) -> String {
    let kept = |one: &str| {
        format!(
            "({one}direction <> 2 AND ({one}tls <> 7 OR \
             CASE WHEN {one}direction = 0 THEN known_in ELSE known_out END = 0))"
        )
    };
    let spot = "(x.first_ms div 1000 * 8 + x.tls)";
    let alike = format!("{} AND x.direction = direction AND x.connector = connector", kept("x."));
    format!(
        "judged AS (SELECT *, {} AS kept FROM each_one),\n\
         placed AS (SELECT *, CASE WHEN NOT kept THEN array_join(array_sort(array_distinct( \
         transform(filter(siblings, x -> {}), x -> CAST(x.day AS string)))), ',') END AS days, \
         CASE WHEN NOT kept AND direction <> 2 AND size(all_further) > 0 THEN \
         array_min(transform(filter(siblings, x -> {alike}), x -> {spot})) END AS target \
         FROM judged),\n\
         aimed AS (SELECT *, CASE WHEN kept THEN day WHEN target IS NOT NULL THEN {} END AS peer_day, \
         CASE WHEN kept THEN tls ELSE target % 8 END AS peer_tls, \
         CASE WHEN target IS NOT NULL THEN array_except(all_further, flatten(transform( \
         filter(siblings, x -> {alike} AND {spot} = target), x -> x.all_peers))) \
         ELSE all_peers END AS new_peers FROM placed)",
        kept(""),
        kept("x."),
        day_of(zone, "(target div 8 * 1000)"),
    )
}

/// Each message once without a domain, and once for each domain that is wanted.
fn counted(peers: &PeerScope, zone: Tz) -> String {
    let (from, wanted) = wanted(peers, zone);
    format!(
        "{from}counted AS (SELECT *, CASE WHEN unnamed = 1 THEN copies ELSE 1 END AS messages, \
         CASE WHEN (kept OR target IS NOT NULL) AND {wanted} THEN concat(array(''), new_peers) \
         ELSE array('') END AS counted_peers FROM aimed{}),\n\
         told_apart AS (SELECT * FROM counted LATERAL VIEW explode(counted_peers) each AS peer)",
        if from.is_empty() { "" } else { " CROSS JOIN newest" }
    )
}

/// Which remote domains are wanted, and the expression that this needs.
fn wanted(peers: &PeerScope, zone: Tz) -> (String, String) {
    let between = peers.between.map(|(from, to)| {
        format!("peer_day >= {} AND peer_day < {}", from.to_epoch_days(), to.to_epoch_days())
    });
    let last = peers.last.map(|days| format!("peer_day > newest_day - {days}"));
    let from = last.as_ref().map_or_else(String::new, |_| {
        format!(
            "newest AS (SELECT {} AS newest_day FROM (SELECT \
             max(CASE WHEN reason IS NULL THEN ms END) AS newest_ms FROM trace)),\n",
            day_of(zone, "newest_ms")
        )
    });
    let days: Vec<String> = between.into_iter().chain(last).collect();
    let days = if days.is_empty() { "false".to_owned() } else { days.join(" OR ") };
    if peers.only.is_empty() {
        return (from, format!("({days})"));
    }
    let names: Vec<String> = peers.only.iter().map(|name| text(name)).collect();
    (from, format!("({days}) AND connector IN ({})", names.join(", ")))
}

fn counts() -> String {
    "SELECT part, number, direction, tls, name, days AS found, sum(messages) AS messages, \
     sum(line_count) AS line_count, min(low) AS low, max(high) AS high FROM ( \
     SELECT CASE WHEN peer = '' THEN 'cell' ELSE 'peer' END AS part, \
     CASE WHEN peer <> '' THEN peer_day WHEN kept THEN day END AS number, direction, \
     CASE WHEN peer <> '' THEN peer_tls WHEN kept THEN tls END AS tls, \
     CASE WHEN peer <> '' THEN peer ELSE connector END AS name, \
     CASE WHEN peer = '' THEN days END AS days, \
     CASE WHEN kept OR peer <> '' THEN messages ELSE 0 END AS messages, \
     CASE WHEN peer = '' THEN copies ELSE 0 END AS line_count, \
     CASE WHEN peer = '' THEN least_type END AS low, \
     CASE WHEN peer = '' THEN most_forced END AS high FROM told_apart) \
     GROUP BY part, number, direction, tls, name, days"
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
