//! The reading of message rows as SQL, for tables that stay where they are.
//!
//! | in | out |
//! |---|---|
//! | names and types of a table's columns, the settings of its source | [`Mapped`] |
//! | | the SELECT that maps its rows as `messages` maps those of a file |
//!
//! Each expression mirrors a function of this floor and names it. Columns are found by the
//! same code, so that a table and a file of the same columns are told alike. The SQL is
//! Spark's, written so that engines which understand Spark's give the same to the last number:
//! integers only, no zone of a session, no date functions.
//!
//! The rows have these columns, and `reason` where they cannot be used:
//!
//! | column | meaning |
//! |---|---|
//! | `ms` | milliseconds since 1970 UTC |
//! | `direction`, `tls`, `connector_type`, `forced` | codes as in the canonical trace |
//! | `connector` | name; empty = none |
//! | `id` | identity of the message, absent where the row cannot be used; begins with `a` where the row has none and is told by all it says |
//! | `peers` | remote domains, each once |
//! | `reason`, `found` | code of the reject and what the cell held |

mod peers;
mod time;
mod words;

use chrono_tz::Tz;

use super::columns::{AbsentColumn, Columns, Field};
use super::known::Outline;
use super::row::Identity;
use super::{FileNote, IngestError, Settings};
use crate::config::ColumnMap;
use crate::trace::Kind;

pub use self::time::day_of;

/// What a column of a table holds, as far as it can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnType {
    /// Text.
    Text,
    /// A whole number.
    Whole,
    /// True or false.
    Flag,
    /// An instant.
    Instant,
    /// A date and time without a zone.
    LocalTime,
    /// Anything else, by its name.
    Other(String),
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub holds: ColumnType,
}

/// How the rows of a table are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// Kind, told as for files.
    pub kind: Kind,
    /// What the columns told.
    pub outline: Outline,
    /// Which column tells one message from another.
    pub identity: Identity,
    /// What a reader should know.
    pub notes: Vec<FileNote>,
    /// Common table expressions, the last of which is `trace`: the rows as above.
    pub expressions: String,
}

/// A reason of the SQL that makes the whole table unusable: day and month of a date could be
/// either way round.
pub const DAY_ORDER: &str = "day-order";

/// Maps the rows of a table, named `table` in errors and `from` in SQL.
///
/// # Errors
/// [`IngestError`] where a file of these columns would be refused, or the table cannot be read
/// in the place where it is.
pub fn map(
    table: &str,
    from: &str,
    columns: &[TableColumn],
    settings: &Settings,
) -> Result<Mapped, IngestError> {
    let headers: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let (found, kind) = kind(table, &headers, settings)?;
    let unfit = |why: String| IngestError::Unfit { file: table.to_owned(), why };
    if !matches!(kind, Kind::ConnectorReportDetail | Kind::MessageTrace | Kind::Table) {
        let why = format!("rows of kind {} cannot be counted by the engine", kind.name());
        return Err(unfit(why));
    }
    if let Some(column) = found.get(Field::Messages).and_then(|at| columns.get(at)) {
        let name = &column.name;
        return Err(unfit(format!("its rows stand for several messages each (`{name}`)")));
    }
    let used = used(&found, kind, columns);
    for column in &used {
        if let ColumnType::Other(held) = &column.holds {
            let name = &column.name;
            return Err(unfit(format!("the column `{name}` is {held}; cast it to text in a view")));
        }
        let time = matches!(column.holds, ColumnType::Instant | ColumnType::LocalTime);
        let is_time = found.get(Field::Time).and_then(|at| columns.get(at)) == Some(column);
        if time && !is_time {
            let name = &column.name;
            return Err(unfit(format!("the column `{name}` is a time; cast it to text in a view")));
        }
    }
    let outline = Outline {
        kind,
        has_messages: true,
        has_network_message_id: found.has_network_message_id(),
        has_message_id: found.has(Field::MessageId),
        has_network_id: found.has(Field::NetworkId),
    };
    let identity = outline.own_identity();
    let notes = [
        (FileNote::NoTlsColumn, !found.has(Field::Tls)),
        (FileNote::NoIdentity, identity == Identity::None),
    ];
    let notes = notes.into_iter().filter_map(|(note, holds)| holds.then_some(note)).collect();
    let select = Select { found: &found, columns, used: &used, identity, settings };
    let expressions = select.expressions(from);
    Ok(Mapped { kind, outline, identity, notes, expressions })
}

/// As `sniff` tells the kind of a file, without its looking for dates.
fn kind(
    table: &str,
    headers: &[String],
    settings: &Settings,
) -> Result<(Columns, Kind), IngestError> {
    let file = || table.to_owned();
    let missing = |column: String| IngestError::MissingColumn {
        file: file(),
        column,
        found: headers.to_vec(),
    };
    let map = settings.columns.as_ref();
    let columns = Columns::find(headers, map).map_err(|AbsentColumn(column)| missing(column))?;
    let mapped = map.is_some_and(|map| *map != ColumnMap::default());
    let kind = settings.kind.or_else(|| columns.kind(mapped));
    let kind =
        kind.ok_or_else(|| IngestError::NotATrace { file: file(), found: headers.to_vec() })?;
    if let Some(column) = columns.missing_for(kind).first() {
        return Err(missing((*column).to_owned()));
    }
    if settings.direction.is_none() && !columns.has(Field::Direction) {
        return Err(IngestError::NoDirection { file: file(), found: headers.to_vec() });
    }
    Ok((columns, kind))
}

/// The columns that hold a field, in their order.
fn used<'a>(found: &Columns, kind: Kind, columns: &'a [TableColumn]) -> Vec<&'a TableColumn> {
    let names = found.used(kind);
    columns.iter().filter(|column| names.contains(&column.name)).collect()
}

/// What the SELECT is made of.
struct Select<'a> {
    found: &'a Columns,
    columns: &'a [TableColumn],
    used: &'a [&'a TableColumn],
    identity: Identity,
    settings: &'a Settings,
}

impl Select<'_> {
    fn expressions(&self, from: &str) -> String {
        let mut layers = vec![format!("cells AS (SELECT {} FROM {from})", self.cells())];
        let zone = self.settings.zone;
        let times = match self.time_holds() {
            ColumnType::Instant => time::of_instants(&self.cell(Field::Time)),
            ColumnType::LocalTime => time::of_local_times(&self.cell(Field::Time), zone),
            _ => time::of_texts(&self.cell(Field::Time), zone, self.settings.order),
        };
        layers.extend(times);
        layers.push(format!("words AS (SELECT *, {} FROM times)", self.words()));
        layers.push(format!("told AS (SELECT *, {} FROM words)", self.told()));
        layers.push(format!("trace AS (SELECT {TRACE} FROM told)"));
        layers.join(",\n")
    }

    /// Every used column as the text that `parquet::text` makes of it; absent is empty.
    fn cells(&self) -> String {
        let cell = |(place, column): (usize, &&TableColumn)| {
            let name = quoted(&column.name);
            match column.holds {
                ColumnType::Instant => {
                    // As `parquet::instant` cuts it: rows that differ below it are equal.
                    let micros = format!("unix_micros({name})");
                    format!("({micros} - pmod({micros}, 1000)) div 1000 AS c{place}")
                }
                _ => format!("coalesce(CAST({name} AS string), '') AS c{place}"),
            }
        };
        self.used.iter().enumerate().map(cell).collect::<Vec<_>>().join(", ")
    }

    fn time_holds(&self) -> ColumnType {
        let column = self.found.get(Field::Time).and_then(|at| self.columns.get(at));
        column.map_or(ColumnType::Text, |column| column.holds.clone())
    }

    /// The cell of a field; empty where the table has no such column.
    fn cell(&self, field: Field) -> String {
        let column = self.found.get(field).and_then(|at| self.columns.get(at));
        let place = column.and_then(|column| self.used.iter().position(|used| *used == column));
        place.map_or_else(|| "''".to_owned(), |place| format!("c{place}"))
    }

    fn words(&self) -> String {
        [
            format!(
                "{} AS direction",
                words::direction(&self.cell(Field::Direction), self.settings.direction)
            ),
            format!("{} AS tls", words::tls(&self.cell(Field::Tls))),
            format!("{} AS connector", words::connector(&self.cell(Field::Connector))),
            format!(
                "{} AS connector_type",
                words::connector_type(&self.cell(Field::ConnectorType))
            ),
            format!("{} AS forced", words::yes_no(&self.cell(Field::ForcedTls))),
        ]
        .join(",\n  ")
    }

    /// What needs the words: why a row cannot be used, its identity and its remote domains.
    fn told(&self) -> String {
        let direction = self.cell(Field::Direction);
        let time = self.cell(Field::Time);
        let reason = "CASE WHEN time_fault IS NOT NULL THEN time_fault \
                      WHEN direction = -1 THEN 'direction-missing' \
                      WHEN direction = -2 THEN 'direction-unreadable' \
                      WHEN tls = -1 THEN 'tls-unreadable' END";
        let found = format!(
            "CASE WHEN time_fault IS NOT NULL THEN coalesce(CAST({time} AS string), '') \
             WHEN direction < 0 THEN {direction} WHEN tls = -1 THEN {} END",
            self.cell(Field::Tls)
        );
        let peers = peers::domains(
            self.found.has(Field::Peer).then(|| self.cell(Field::Peer)).as_deref(),
            &self.cell(Field::Sender),
            &self.cell(Field::Recipient),
        );
        format!(
            "{reason} AS reason,\n  {found} AS found,\n  {} AS id,\n  {peers} AS peers",
            self.id()
        )
    }

    /// As `Context::message_key` and `Context::content_key`, without hashing.
    fn id(&self) -> String {
        let network = words::network_id(&self.cell(Field::NetworkId));
        let header = words::header_id(&self.cell(Field::MessageId));
        let whole = self.used.iter().enumerate().map(|(place, column)| {
            let cell = match column.holds {
                ColumnType::Instant | ColumnType::LocalTime => "CAST(ms AS string)".to_owned(),
                _ => words::trimmed(&format!("c{place}")),
            };
            format!("coalesce({cell}, ''), '\\u001f'")
        });
        let whole = format!("concat('a', {})", whole.collect::<Vec<_>>().join(", "));
        let (first, second) = match self.identity {
            Identity::NetworkId => (network, header),
            Identity::MessageId => (header, network),
            Identity::None => return whole,
        };
        format!("coalesce({first}, {second}, {whole})")
    }
}

/// The columns of the trace.
///
/// Nothing is filtered here: an engine that moves a filter down to the table writes out what it
/// compares once for each time that it is named, and again for what that names.
const TRACE: &str =
    // Mail without a connector has no type, whatever its cell says.
    "ms, direction, CASE WHEN connector = '' THEN 2 ELSE connector_type END AS connector_type, \
         forced, tls, connector, CASE WHEN reason IS NULL THEN id END AS id, CASE WHEN reason IS NULL THEN peers ELSE CAST(array() AS array<string>) END AS peers, reason, found";

/// A name as SQL.
pub fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text as SQL.
pub fn text(text: &str) -> String {
    let mut literal = String::from("'");
    for letter in text.chars() {
        match letter {
            '\\' => literal.push_str("\\\\"),
            '\'' => literal.push_str("\\'"),
            letter if letter.is_ascii() && !letter.is_ascii_control() => literal.push(letter),
            letter if u32::from(letter) <= 0xffff => {
                literal.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            letter => literal.push(letter),
        }
    }
    literal.push('\'');
    literal
}

/// A zone in which nothing has to be converted.
fn is_utc(zone: Tz) -> bool {
    zone == Tz::UTC
}
