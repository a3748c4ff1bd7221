//! Kind `connector-report`: the aggregate table of the Connector report and of the EAC
//! Inbound and Outbound messages reports: one row per day and connector, shares in percent.
//!
//! Shares become whole messages by largest remainder, so that the bands of a row sum to its
//! volume exactly; what the shares leave over is `unknown`, never a version that the file
//! does not have. Columns: `learn.microsoft.com`, "Inbound messages and Outbound messages
//! reports in the EAC", section "Connector report details".

use crate::ingest::columns::Field;
use crate::ingest::row::{Cells, Context, Fault, Output};
use crate::ingest::spelling;
use crate::trace::{Aggregate, ConnectorType, Direction, RejectReason, Tls, TlsCounts};

/// Maps one row.
pub(super) fn map<C: Cells + ?Sized>(context: &Context, cells: &C, line: u64, out: &mut Output) {
    let date = context.text(cells, Field::Time);
    let day = match context.times.day(&date) {
        Ok(day) => day,
        Err(fault) => return out.time_fault(fault, line, &date),
    };
    let flow = match flow(context, cells) {
        Ok(flow) => flow,
        Err(NoFlow::Reject(reason, found)) => return out.reject(reason, line, &found),
        Err(NoFlow::Label(found)) => {
            out.fault.get_or_insert(Fault::LabelWithoutDirection { line, found });
            return;
        }
    };
    let volume = context.text(cells, Field::Volume);
    let volume = match whole_number(&volume) {
        Ok(volume) => volume,
        Err(reason) => return out.reject(reason, line, &volume),
    };
    let tls = match shares(context, cells).and_then(|shares| apportion(volume, &shares)) {
        Ok(tls) => tls,
        Err((reason, found)) => return out.reject(reason, line, &found),
    };
    out.saw_time(i64::from(day) * 86_400_000);
    out.saw_tls = true;
    out.aggregates.push(Aggregate {
        file: context.file,
        line,
        day,
        direction: flow.direction,
        connector: flow.connector,
        connector_type: flow.connector_type,
        forced_tls: spelling::yes_no(&context.text(cells, Field::ForcedTls)),
        tls,
        additive: false,
    });
}

struct Flow {
    direction: Direction,
    connector: Option<String>,
    connector_type: ConnectorType,
}

enum NoFlow {
    Reject(RejectReason, String),
    Label(String),
}

/// Direction, connector and type of a row, from its label or from columns of their own.
fn flow<C: Cells + ?Sized>(context: &Context, cells: &C) -> Result<Flow, NoFlow> {
    let word = context.text(cells, Field::Direction);
    let stated =
        match word.trim() {
            "" => None,
            word => Some(spelling::direction(word).ok_or_else(|| {
                NoFlow::Reject(RejectReason::DirectionUnreadable, word.to_owned())
            })?),
        };
    let field = if context.columns.has(Field::Label) { Field::Label } else { Field::Connector };
    let label = context.text(cells, field);
    let label = label.trim();
    let typed = spelling::connector_type(&context.text(cells, Field::ConnectorType));
    if let Some((direction, connector, labelled)) = parse_label(label) {
        if stated.is_some_and(|stated| stated != direction) {
            return Err(NoFlow::Reject(RejectReason::DirectionConflict, label.to_owned()));
        }
        let connector_type = match (connector, labelled) {
            (None, _) => ConnectorType::None,
            (Some(_), ConnectorType::Unknown) => typed,
            (Some(_), labelled) => labelled,
        };
        return Ok(Flow { direction, connector: connector.map(str::to_owned), connector_type });
    }
    if label.is_empty() && field == Field::Label {
        return Err(NoFlow::Reject(RejectReason::ConnectorMissing, String::new()));
    }
    let direction = stated.or(context.direction).ok_or_else(|| NoFlow::Label(label.to_owned()))?;
    let connector = spelling::connector(label).map(str::to_owned);
    let connector_type = if connector.is_none() { ConnectorType::None } else { typed };
    Ok(Flow { direction, connector, connector_type })
}

/// Labels of mail without a connector, in the languages that the documentation exists in.
const WITHOUT_CONNECTOR: [(&str, Direction); 14] = [
    ("from the internet without a connector", Direction::Inbound),
    ("from the internet without connector", Direction::Inbound),
    ("to the internet without a connector", Direction::Outbound),
    ("to the internet without connector", Direction::Outbound),
    ("da internet sem um conector", Direction::Inbound),
    ("para a internet sem um conector", Direction::Outbound),
    ("aus dem internet ohne connector", Direction::Inbound),
    ("an das internet ohne connector", Direction::Outbound),
    ("da internet senza connettore", Direction::Inbound),
    ("a internet senza un connettore", Direction::Outbound),
    ("van internet zonder verbindingslijn", Direction::Inbound),
    ("naar internet zonder verbindingslijn", Direction::Outbound),
    ("コネクタのないインターネットから", Direction::Inbound),
    ("コネクタのないインターネットへ", Direction::Outbound),
];

/// Beginnings of labels that go before a connector's name.
const WITH_CONNECTOR: [(&str, Direction, ConnectorType); 8] = [
    ("from your org", Direction::Inbound, ConnectorType::OnPremises),
    ("to your org", Direction::Outbound, ConnectorType::OnPremises),
    ("from your organization", Direction::Inbound, ConnectorType::OnPremises),
    ("to your organization", Direction::Outbound, ConnectorType::OnPremises),
    ("from partner", Direction::Inbound, ConnectorType::Partner),
    ("to partner", Direction::Outbound, ConnectorType::Partner),
    ("from partner org", Direction::Inbound, ConnectorType::Partner),
    ("to partner org", Direction::Outbound, ConnectorType::Partner),
];

/// Direction, name and type that a label says, or `None` for a label that is not known.
fn parse_label(label: &str) -> Option<(Direction, Option<&str>, ConnectorType)> {
    let folded = label.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    if let Some((_, direction)) = WITHOUT_CONNECTOR.iter().find(|(known, _)| *known == folded) {
        return Some((*direction, None, ConnectorType::None));
    }
    let (head, name) = label.split_once(" - ")?;
    let head = head.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let (_, direction, kind) = WITH_CONNECTOR.iter().find(|(known, ..)| *known == head)?;
    let name = name.trim();
    (!name.is_empty()).then_some((*direction, Some(name), *kind))
}

/// A whole number, with or without separators between groups of three digits.
///
/// # Errors
/// The reason to reject the row.
pub(super) fn whole_number(text: &str) -> Result<u64, RejectReason> {
    let text = text.trim();
    if text.starts_with(['-', '−', '(']) {
        return Err(RejectReason::VolumeNegative);
    }
    let mut groups = text.split([',', '.', '\'', '\u{a0}', '\u{202f}', ' ', '’']);
    let first = groups.next().unwrap_or("");
    let mut digits = first.to_owned();
    let grouped: Vec<&str> = groups.collect();
    let well_grouped = grouped.is_empty() || (1..=3).contains(&first.len());
    if !well_grouped || grouped.iter().any(|group| group.len() != 3) {
        return Err(RejectReason::VolumeUnreadable);
    }
    digits.extend(grouped);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(RejectReason::VolumeUnreadable);
    }
    let volume = digits.parse().map_err(|_| RejectReason::VolumeUnreadable)?;
    if volume <= MOST_MESSAGES { Ok(volume) } else { Err(RejectReason::VolumeUnreadable) }
}

/// More messages than anybody has in a day; sums of smaller volumes stay exact.
const MOST_MESSAGES: u64 = 10_000_000_000;

/// A share in millionths of a percent.
type Micropercent = u64;
const FULL: Micropercent = 100_000_000;
/// Shares printed with rounding may sum to a little more than 100 %.
const ROUNDING: Micropercent = 500_000;

struct Shares {
    bands: Vec<(Tls, Micropercent)>,
    /// What rounding can make of 100 % with the decimals of this row.
    most: Micropercent,
}

type RowFault = (RejectReason, String);

fn shares<C: Cells + ?Sized>(context: &Context, cells: &C) -> Result<Shares, RowFault> {
    let fields = [
        (Field::NoTls, Tls::NoTls),
        (Field::Tls1_0, Tls::Tls1_0),
        (Field::Tls1_1, Tls::Tls1_1),
        (Field::Tls1_2, Tls::Tls1_2),
        (Field::Tls1_3, Tls::Tls1_3),
    ];
    let mut bands = Vec::new();
    let mut decimals = 0;
    for (field, band) in fields {
        if !context.columns.has(field) {
            continue;
        }
        let text = context.text(cells, field);
        let (share, digits) = percent(&text)
            .ok_or_else(|| (RejectReason::PercentUnreadable, text.clone().into_owned()))?;
        bands.push((band, share));
        decimals = decimals.max(digits);
    }
    let shown = bands.iter().filter(|(_, share)| *share > 0).count();
    let half_unit = FULL / 200 / 10_u64.pow(decimals.min(6));
    let slack = half_unit.saturating_mul(u64::try_from(shown).unwrap_or(u64::MAX)).min(ROUNDING);
    Ok(Shares { bands, most: FULL + slack })
}

/// A share such as `12.5`, `12,5 %` or an empty cell, with its number of decimals.
fn percent(text: &str) -> Option<(Micropercent, u32)> {
    let text = text.trim().trim_end_matches('%').trim_end();
    if text.is_empty() {
        return Some((0, 0));
    }
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 3 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let micro: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let share = whole.parse::<u64>().ok()? * 1_000_000 + micro.parse::<u64>().ok()?;
    let decimals = u32::try_from(fraction.trim_end_matches('0').len()).ok()?;
    Some((share, decimals))
}

/// Whole messages per band by largest remainder; the rest of the 100 % is `unknown`.
/// Equal remainders go to the band that comes first.
fn apportion(volume: u64, shares: &Shares) -> Result<TlsCounts, RowFault> {
    let sum: u64 = shares.bands.iter().map(|(_, share)| share).sum();
    if sum > shares.most {
        let whole = sum / 1_000_000;
        let found = format!("{whole}.{:06}", sum % 1_000_000);
        let found = found.trim_end_matches('0').trim_end_matches('.').to_owned();
        return Err((RejectReason::PercentAbove100, format!("{found} %")));
    }
    let whole = u128::from(sum.max(FULL));
    let mut parts: Vec<(Tls, u128)> = shares
        .bands
        .iter()
        .map(|(band, share)| (*band, u128::from(*share)))
        .chain([(Tls::Unknown, whole - u128::from(sum))])
        .map(|(band, share)| (band, share * u128::from(volume)))
        .collect();
    let mut tls = TlsCounts::default();
    let mut left = volume;
    for (band, part) in &parts {
        let floor = u64::try_from(part / whole).unwrap_or(u64::MAX);
        tls.add(*band, floor);
        left = left.saturating_sub(floor);
    }
    parts.sort_by_key(|(_, part)| std::cmp::Reverse(part % whole));
    for (band, _) in parts.iter().take(usize::try_from(left).unwrap_or(0)) {
        tls.add(*band, 1);
    }
    Ok(tls)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(volume: u64, cells: &[(Tls, &str)]) -> Result<TlsCounts, RowFault> {
        let read: Vec<_> =
            cells.iter().map(|(band, text)| (*band, percent(text).unwrap())).collect();
        let decimals = read.iter().map(|(_, (_, decimals))| *decimals).max().unwrap_or(0);
        let half = FULL / 200 / 10_u64.pow(decimals);
        let most = FULL + (half * read.len() as u64).min(ROUNDING);
        let bands = read.into_iter().map(|(band, (share, _))| (band, share)).collect();
        apportion(volume, &Shares { bands, most })
    }

    #[test]
    fn bands_sum_to_the_volume() {
        let third =
            split(1000, &[(Tls::NoTls, "33.3"), (Tls::Tls1_2, "33,3 %"), (Tls::Tls1_3, "33.3%")]);
        let expected =
            TlsCounts { no_tls: 333, tls1_2: 333, tls1_3: 333, unknown: 1, ..TlsCounts::default() };
        assert_eq!(third, Ok(expected));
        let rounded =
            split(300, &[(Tls::NoTls, "33.3"), (Tls::Tls1_2, "33.3"), (Tls::Tls1_3, "33.3")]);
        let expected = TlsCounts { no_tls: 100, tls1_2: 100, tls1_3: 100, ..TlsCounts::default() };
        assert_eq!(rounded, Ok(expected));
    }

    #[test]
    fn what_a_file_without_tls_1_3_leaves_over_is_unknown() {
        let row = split(200, &[(Tls::NoTls, "1"), (Tls::Tls1_2, "40")]).unwrap();
        assert_eq!((row.no_tls, row.tls1_2, row.tls1_3, row.unknown), (2, 80, 0, 118));
    }

    #[test]
    fn more_than_rounding_above_100_is_refused() {
        assert!(
            split(1000, &[(Tls::NoTls, "33.4"), (Tls::Tls1_2, "33.4"), (Tls::Tls1_3, "33.3")])
                .is_ok()
        );
        for cells in
            [[(Tls::NoTls, "51"), (Tls::Tls1_2, "50")], [(Tls::NoTls, "0"), (Tls::Tls1_2, "101")]]
        {
            let fault = split(1000, &cells).unwrap_err();
            assert_eq!(fault, (RejectReason::PercentAbove100, "101 %".to_owned()));
        }
        assert!(split(1000, &[(Tls::NoTls, "50.2"), (Tls::Tls1_2, "50.0")]).is_err());
    }

    #[test]
    fn volumes() {
        let good =
            [("0", 0), ("1234", 1234), ("1,234", 1234), ("1.234.567", 1_234_567), (" 12 ", 12)];
        for (text, number) in good {
            assert_eq!(whole_number(text), Ok(number), "{text}");
        }
        assert_eq!(whole_number("-5"), Err(RejectReason::VolumeNegative));
        for text in [
            "",
            "12.5",
            "1,23",
            "1234,567",
            "x",
            "1e3",
            "99999999999999999999999",
            ",123",
            "10000000001",
        ] {
            assert_eq!(whole_number(text), Err(RejectReason::VolumeUnreadable), "{text}");
        }
    }

    #[test]
    fn labels() {
        let cases = [
            ("From the internet without a connector", Direction::Inbound, None),
            ("To the internet without connector", Direction::Outbound, None),
            (
                "From your org - Contoso Corp Connector",
                Direction::Inbound,
                Some("Contoso Corp Connector"),
            ),
            ("To partner - Fabrikam - Nord", Direction::Outbound, Some("Fabrikam - Nord")),
            ("Para a Internet sem um conector", Direction::Outbound, None),
            ("Aus dem Internet ohne Connector", Direction::Inbound, None),
            ("コネクタのないインターネットへ", Direction::Outbound, None),
        ];
        for (label, direction, name) in cases {
            let (found, connector, _) = parse_label(label).unwrap();
            assert_eq!((found, connector), (direction, name), "{label}");
        }
        assert_eq!(parse_label("Fabrikam"), None);
        assert_eq!(parse_label("From nowhere - X"), None);
    }
}
