//! From what settings say to what a report is made of; errors name file and key.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;

use super::lake::{LakeSource, Way};
use crate::config::{self, Config, ConfigError, MapConfig, SourceConfig};
use crate::ingest::{self, Connectors, DayOrder, Rule, Source};
use crate::period::PeriodKind;
use crate::render::{self, Format};
use crate::trace::{ConnectorType, Direction, Kind, Unit};

/// Name printed where none is given.
pub const ORGANISATION: &str = "Organisation";
/// Language where none is given.
pub const LANGUAGE: &str = "en";

/// The directions that mail can have.
const WAYS: [Direction; 2] = [Direction::Inbound, Direction::Outbound];

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
    one_of(text, &WAYS, Direction::name)
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

/// Connectors that the settings name: they stand in a report however many others there are.
pub fn named(config: &Config) -> Vec<String> {
    let known = config.connector.iter().map(|connector| &connector.name);
    known.chain(config.recipient.iter().flat_map(|reader| &reader.connectors)).cloned().collect()
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

/// `[[map]]`
///
/// # Errors
/// [`ConfigError::Value`] naming file and key.
pub fn connectors(config: &Config, file: &Path) -> Result<Arc<Connectors>, ConfigError> {
    config.map.iter().map(|map| rule(map, file)).collect::<Result<_, _>>().map(|rules| {
        let connectors: Connectors = Connectors::new(rules);
        Arc::new(connectors)
    })
}

fn rule(map: &MapConfig, file: &Path) -> Result<Rule, ConfigError> {
    let types = [ConnectorType::Partner, ConnectorType::OnPremises];
    let all = map.service.is_none() && map.relay.is_none();
    if all && map.network.is_none() && map.domain.is_none() {
        let found = format!("`{}` says no service, relay, network or domain", map.connector);
        return Err(ConfigError::value(file, "map", found, "say which mail the connector has"));
    }
    let network = map.network.as_deref().map(|text| {
        let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
        text.parse().ok().or_else(address).ok_or_else(|| {
            let hint = "write a network such as 198.51.100.0/24";
            ConfigError::value(file, "map.network", format!("`{text}`"), hint)
        })
    });
    let kind = map.connector_type.as_deref();
    let direction = map.direction.as_deref();
    Ok(Rule {
        connector: map.connector.clone(),
        connector_type: kind
            .map(|text| choice(file, "map.type", text, &types, ConnectorType::name))
            .transpose()?,
        direction: direction
            .map(|text| choice(file, "map.direction", text, &WAYS, Direction::name))
            .transpose()?,
        service: map.service.clone(),
        relay: map.relay.clone(),
        network: network.transpose()?,
        domain: map.domain.clone(),
    })
}

/// The year of `--year` and `source.year`.
///
/// # Errors
/// A sentence that says which years there are.
pub fn year(year: i32) -> Result<i32, String> {
    if (1970..=2104).contains(&year) {
        Ok(year)
    } else {
        Err("a year from 1970 to 2104".to_owned())
    }
}

/// What the `[[source]]` of a report are.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Those of files, in their order.
    pub files: Vec<Source>,
    /// A table that is counted where it is; then there are no files.
    pub lake: Option<LakeSource>,
}

/// All `[[source]]`; what was `given` on the command line goes before what they say themselves.
///
/// # Errors
/// [`ConfigError::Value`] naming file and key.
pub fn sources(
    configs: &[SourceConfig],
    root: &Path,
    file: &Path,
    given: &ingest::Settings,
    unit: Unit,
) -> Result<Sources, ConfigError> {
    let Some(asked) = configs.iter().find(|config| config.engine.is_some()) else {
        let one = |config| source(config, root, file, given);
        let files = configs.iter().map(one).collect::<Result<_, _>>()?;
        return Ok(Sources { files, lake: None });
    };
    if configs.len() > 1 {
        let found = "stands beside another [[source]]".to_owned();
        let hint = "a message that stands in both would count twice, since only counts come back: \
                    bring the rows together in one view of the engine, or make two reports";
        return Err(ConfigError::value(file, "source.engine", found, hint));
    }
    if unit != Unit::Messages {
        let hint = "an engine counts messages; leave `count` out";
        return Err(ConfigError::value(file, "count", format!("`{}`", unit.name()), hint));
    }
    let settings = source(asked, root, file, given)?.settings;
    let way = Way::of(asked, root, file, settings)?;
    Ok(Sources { files: Vec::new(), lake: Some(LakeSource::Asked(Box::new(way))) })
}

/// Refuses what means nothing without an engine.
fn check_without_engine(source: &SourceConfig, file: &Path) -> Result<(), ConfigError> {
    let keys = [
        ("url", source.url.is_some()),
        ("table", source.table.is_some()),
        ("security", source.security.is_some()),
        ("token_file", source.token_file.is_some()),
        ("token_env", source.token_env.is_some()),
        ("token_command", !source.token_command.is_empty()),
        ("time_limit", source.time_limit.is_some()),
        ("row_limit", source.row_limit.is_some()),
    ];
    if let Some((key, _)) = keys.into_iter().find(|(_, given)| *given) {
        let key = format!("source.{key}");
        let hint = "it goes with engine = \"spark-connect\"";
        return Err(ConfigError::value(file, &key, "means nothing for files", hint));
    }
    if source.path.is_empty() {
        let hint = "path = \"traces/*.csv.gz\"";
        return Err(ConfigError::value(file, "source.path", "is missing", hint));
    }
    Ok(())
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
    if source.engine.is_none() {
        check_without_engine(source, file)?;
    }
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
    let own_year = source.year.map(|found| {
        let value = |hint| ConfigError::value(file, "source.year", found.to_string(), hint);
        year(found).map_err(value)
    });
    let own_year = own_year.transpose()?;
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
            year: given.year.or(own_year),
            connectors: given.connectors.clone(),
        },
    })
}
