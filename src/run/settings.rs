//! From what settings say to what a report is made of; errors name file and key.

use std::path::{Path, PathBuf};

use crate::config::{self, Config, ConfigError, SourceConfig};
use crate::ingest::{self, DayOrder, Source};
use crate::period::PeriodKind;
use crate::render::{self, Format};
use crate::trace::{Direction, Kind, Unit};

/// Name printed where none is given.
pub const ORGANISATION: &str = "Organisation";
/// Language where none is given.
pub const LANGUAGE: &str = "en";

/// The one of `all` that has this name.
///
/// # Errors
/// A sentence that lists the names.
pub fn one_of<T: Copy>(text: &str, all: &[T], name: fn(T) -> &'static str) -> Result<T, String> {
    all.iter().copied().find(|known| name(*known) == text).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|known| name(*known)).collect();
        format!("expected one of {}", names.join(", "))
    })
}

/// The direction of rows that do not say.
///
/// # Errors
/// A sentence that lists the names.
pub fn direction(text: &str) -> Result<Direction, String> {
    one_of(text, &[Direction::Inbound, Direction::Outbound], Direction::name)
}

/// A key of one of [`one_of`]'s lists.
fn choice<T: Copy>(
    file: &Path,
    key: &str,
    text: &str,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Result<T, ConfigError> {
    one_of(text, all, name).map_err(|hint| ConfigError::value(file, key, format!("`{text}`"), hint))
}

/// `count`
///
/// # Errors
/// [`ConfigError::Value`] naming file and key.
pub fn unit(config: &Config, file: &Path) -> Result<Unit, ConfigError> {
    match &config.count {
        Some(text) => choice(file, "count", text, &Unit::ALL, Unit::name),
        None => Ok(Unit::default()),
    }
}

/// `periods`
///
/// # Errors
/// [`ConfigError::Value`] naming file and key.
pub fn periods(config: &Config, file: &Path) -> Result<Vec<PeriodKind>, ConfigError> {
    let Some(texts) = config.periods.as_ref().filter(|texts| !texts.is_empty()) else {
        return Ok(vec![PeriodKind::Week, PeriodKind::Days(30)]);
    };
    let parse = |text: &String| {
        text.parse().map_err(|error: crate::period::PeriodError| {
            ConfigError::value(file, "periods", error.to_string(), "as in [\"week\", \"30d\"]")
        })
    };
    texts.iter().map(parse).collect()
}

/// `report.formats`
///
/// # Errors
/// [`ConfigError::Value`] naming file and key.
pub fn formats(config: &Config, file: &Path) -> Result<Vec<Format>, ConfigError> {
    match &config.report.formats {
        Some(texts) => format_list(texts, "report.formats", file),
        None => Ok(Format::DEFAULT.to_vec()),
    }
}

/// A list of formats under some key.
///
/// # Errors
/// [`ConfigError::Value`] naming file and key.
pub fn format_list(texts: &[String], key: &str, file: &Path) -> Result<Vec<Format>, ConfigError> {
    texts.iter().map(|text| choice(file, key, text, &Format::ALL, Format::name)).collect()
}

/// A language that there are words in.
///
/// # Errors
/// [`ConfigError::Value`] naming file and key.
pub fn language(text: &str, key: &str, file: &Path) -> Result<String, ConfigError> {
    match render::check_language(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(known) => Err(ConfigError::value(file, key, format!("no language `{text}`"), known)),
    }
}

/// A time zone under some key.
///
/// # Errors
/// [`ConfigError::Value`] naming file and key.
pub fn zone(text: &str, key: &str, file: &Path) -> Result<chrono_tz::Tz, ConfigError> {
    config::zone(text).map_err(|error| {
        let names = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        let hint = config::nearest(text, names).map_or_else(
            || "write an IANA name such as America/Sao_Paulo".to_owned(),
            |name| format!("did you mean `{name}`?"),
        );
        ConfigError::value(file, key, error.to_string(), hint)
    })
}

/// The order of day and month, by its name in settings.
pub const ORDERS: [(&str, DayOrder); 2] =
    [("day-first", DayOrder::DayFirst), ("month-first", DayOrder::MonthFirst)];

fn dates(text: &str, file: &Path) -> Result<DayOrder, ConfigError> {
    let found = ORDERS.iter().find(|(name, _)| *name == text).map(|(_, order)| *order);
    found.ok_or_else(|| {
        let hint = "expected day-first or month-first";
        ConfigError::value(file, "source.dates", format!("`{text}`"), hint)
    })
}

/// One `[[source]]`; what was `given` on the command line goes before what it says itself.
///
/// # Errors
/// [`ConfigError::Value`] naming file and key.
pub fn source(
    source: &SourceConfig,
    root: &Path,
    file: &Path,
    given: &ingest::Settings,
) -> Result<Source, ConfigError> {
    let own_kind = match source.kind.as_deref() {
        None | Some("auto") => None,
        Some(text) => Some(choice(file, "source.kind", text, &Kind::ALL, Kind::name)?),
    };
    let own_direction = source.direction.as_deref().map(|text| {
        direction(text)
            .map_err(|hint| ConfigError::value(file, "source.direction", format!("`{text}`"), hint))
    });
    let own_zone = source.timezone.as_deref().map(|text| zone(text, "source.timezone", file));
    let (own_direction, own_zone) = (own_direction.transpose()?, own_zone.transpose()?);
    let own_order = source.dates.as_deref().map(|text| dates(text, file)).transpose()?;
    Ok(Source {
        path: source.path.clone(),
        root: if root == Path::new(".") { PathBuf::new() } else { root.to_owned() },
        archived: None,
        settings: ingest::Settings {
            kind: given.kind.or(own_kind),
            columns: given.columns.clone().or_else(|| source.columns.clone()),
            direction: given.direction.or(own_direction),
            zone: own_zone.unwrap_or(given.zone),
            order: given.order.or(own_order),
        },
    })
}
