//! Realistic demonstration traces, with the truth beside them.
//!
//! The same arguments give the same bytes. What the traces hold is counted here, while they
//! are made, and written to `manifest.json`: nothing of the reader is used for it. The three
//! kinds cover different connectors, so that nothing stands in two of them.

mod write;

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Days, NaiveDate, TimeDelta, Utc};
use serde::Serialize;

use crate::period::{Period, PeriodKind};
use crate::trace::{ConnectorType, Direction, Kind, Tls, TlsCounts};

/// What to make.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Days of traces.
    pub days: u32,
    /// Messages, about.
    pub messages: u32,
    /// Another number makes other traces.
    pub seed: u64,
    /// The last day.
    pub last_day: NaiveDate,
}

/// A file of the demonstration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleFile {
    /// Its name.
    pub name: &'static str,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// One connector of the demonstration.
struct Profile {
    name: Option<&'static str>,
    direction: Direction,
    connector_type: ConnectorType,
    forced: bool,
    kind: Kind,
    /// Share of all messages, in thousandths.
    weight: u64,
    /// Share of each band, in hundredths: No TLS, TLS 1.0, 1.1, 1.2, 1.3.
    bands: [u64; 5],
    peers: &'static [&'static str],
}

const BANDS: [Tls; 5] = [Tls::NoTls, Tls::Tls1_0, Tls::Tls1_1, Tls::Tls1_2, Tls::Tls1_3];
const PARTNER: ConnectorType = ConnectorType::Partner;
const OWN: ConnectorType = ConnectorType::OnPremises;
const INTERNET: ConnectorType = ConnectorType::None;

/// The connectors: all types, a legacy scanner relay, a partner with much plaintext, names
/// with accents, commas and an emoji.
const PROFILES: [Profile; 12] = [
    Profile {
        name: Some("Fabrikam inbound"),
        direction: Direction::Inbound,
        connector_type: PARTNER,
        forced: true,
        kind: Kind::ConnectorReportDetail,
        weight: 120,
        bands: [0, 0, 0, 30, 70],
        peers: &["fabrikam.example"],
    },
    Profile {
        name: Some("Fabrikam outbound"),
        direction: Direction::Outbound,
        connector_type: PARTNER,
        forced: true,
        kind: Kind::ConnectorReportDetail,
        weight: 100,
        bands: [0, 0, 0, 25, 75],
        peers: &["fabrikam.example"],
    },
    Profile {
        name: Some("Fabrikam Logística"),
        direction: Direction::Inbound,
        connector_type: PARTNER,
        forced: false,
        kind: Kind::ConnectorReportDetail,
        weight: 60,
        bands: [38, 0, 0, 42, 20],
        peers: &["logistica.fabrikam.example", "frete.fabrikam.example"],
    },
    Profile {
        name: Some("Scanner relay, floor 2"),
        direction: Direction::Inbound,
        connector_type: OWN,
        forced: false,
        kind: Kind::ConnectorReportDetail,
        weight: 55,
        bands: [5, 62, 3, 30, 0],
        peers: &["scanner.contoso.example"],
    },
    Profile {
        name: Some("Relais Société, Paris"),
        direction: Direction::Outbound,
        connector_type: PARTNER,
        forced: false,
        kind: Kind::ConnectorReportDetail,
        weight: 50,
        bands: [2, 0, 1, 60, 37],
        peers: &["relais.example.com", "paris.example.com"],
    },
    Profile {
        name: Some("Fax gateway 📠"),
        direction: Direction::Outbound,
        connector_type: OWN,
        forced: false,
        kind: Kind::ConnectorReportDetail,
        weight: 25,
        bands: [12, 4, 4, 80, 0],
        peers: &["fax.contoso.example"],
    },
    Profile {
        name: Some("Contoso HQ"),
        direction: Direction::Inbound,
        connector_type: OWN,
        forced: true,
        kind: Kind::ConnectorReport,
        weight: 140,
        bands: [0, 0, 0, 45, 55],
        peers: &[],
    },
    Profile {
        name: Some("Contoso HQ return"),
        direction: Direction::Outbound,
        connector_type: OWN,
        forced: true,
        kind: Kind::ConnectorReport,
        weight: 110,
        bands: [0, 0, 0, 40, 60],
        peers: &[],
    },
    Profile {
        name: Some("Payroll partner"),
        direction: Direction::Outbound,
        connector_type: PARTNER,
        forced: true,
        kind: Kind::ConnectorReport,
        weight: 40,
        bands: [1, 0, 0, 69, 30],
        peers: &[],
    },
    Profile {
        name: None,
        direction: Direction::Inbound,
        connector_type: INTERNET,
        forced: false,
        kind: Kind::MessageTraceDetail,
        weight: 150,
        bands: [6, 1, 1, 40, 52],
        peers: &["example.com", "example.net", "example.org", "mail.example.com"],
    },
    Profile {
        name: Some("Fabrikam trace inbound"),
        direction: Direction::Inbound,
        connector_type: PARTNER,
        forced: false,
        kind: Kind::MessageTraceDetail,
        weight: 50,
        bands: [3, 0, 2, 55, 40],
        peers: &["trace.fabrikam.example"],
    },
    Profile {
        name: None,
        direction: Direction::Outbound,
        connector_type: INTERNET,
        forced: false,
        kind: Kind::ConnectorReportDetail,
        weight: 100,
        bands: [4, 0, 1, 35, 60],
        peers: &["example.com", "example.net", "example.edu"],
    },
];

/// Mail on each weekday, Monday first, and in each hour of the day.
const WEEKDAYS: [u64; 7] = [18, 20, 20, 19, 16, 4, 3];
const HOURS: [u64; 24] =
    [1, 1, 1, 1, 1, 2, 4, 9, 14, 16, 15, 13, 9, 13, 15, 14, 12, 8, 5, 3, 3, 2, 2, 1];
/// Days before the last one of which no trace exists.
const LOST_DAY: u64 = 12;

/// One message.
struct Message {
    time: DateTime<Utc>,
    profile: &'static Profile,
    tls: Tls,
    peer: &'static str,
    number: u64,
    recipients: u64,
}

/// Day totals of one connector.
struct DayTotal {
    date: NaiveDate,
    profile: &'static Profile,
    tls: TlsCounts,
}

/// What the traces truly hold for one period, direction and connector.
#[derive(Debug, Serialize)]
struct Truth {
    period: String,
    from: NaiveDate,
    to: NaiveDate,
    direction: Direction,
    connector: Option<&'static str>,
    messages: u64,
    tls: TlsCounts,
}

#[derive(Debug, Serialize)]
struct Manifest {
    generator: &'static str,
    seed: u64,
    timezone: &'static str,
    from: NaiveDate,
    to: NaiveDate,
    day_without_data: Option<NaiveDate>,
    totals: Vec<Truth>,
}

/// Makes the files of the demonstration, the manifest last.
pub fn generate(plan: &Plan) -> Vec<SampleFile> {
    let mut random = Random(plan.seed);
    let mut messages: Vec<Message> = Vec::new();
    let mut totals: Vec<DayTotal> = Vec::new();
    let days: Vec<NaiveDate> = days(plan).collect();
    for profile in &PROFILES {
        for date in &days {
            let count = share_of_day(plan, profile, *date, &mut random);
            let made = (0..count).map(|_| message(profile, *date, &mut random));
            if profile.kind == Kind::ConnectorReport {
                let mut tls = TlsCounts::default();
                made.for_each(|message| tls.add(message.tls, 1));
                totals.push(DayTotal { date: *date, profile, tls });
            } else {
                messages.extend(made);
            }
        }
    }
    messages.sort_by_key(|message| (message.time, message.number));
    totals.sort_by_key(|total| (total.date, total.profile.name));
    let manifest = manifest(plan, &days, &messages, &totals);
    let of = |kind| messages.iter().filter(move |message| message.profile.kind == kind);
    let detail: Vec<&Message> = of(Kind::ConnectorReportDetail).collect();
    let extended: Vec<&Message> = of(Kind::MessageTraceDetail).collect();
    vec![
        SampleFile { name: "connector-report.csv", bytes: write::connector_report(&totals) },
        write::detail(
            "connector-report-detail-1.csv.gz",
            true,
            &detail,
            ..days.len() * 3 / 5,
            &days,
        ),
        write::detail("connector-report-detail-2.csv", false, &detail, days.len() / 2.., &days),
        SampleFile { name: "message-trace-detail.csv.gz", bytes: write::extended(&extended) },
        SampleFile { name: "manifest.json", bytes: write::json(&manifest) },
    ]
}

fn first_day(plan: &Plan) -> NaiveDate {
    plan.last_day - Days::new(u64::from(plan.days.saturating_sub(1)))
}

fn lost_day(plan: &Plan) -> Option<NaiveDate> {
    (u64::from(plan.days) > LOST_DAY + 1).then(|| plan.last_day - Days::new(LOST_DAY))
}

fn days(plan: &Plan) -> impl Iterator<Item = NaiveDate> {
    let (last, lost) = (plan.last_day, lost_day(plan));
    first_day(plan)
        .iter_days()
        .take_while(move |day| *day <= last)
        .filter(move |day| Some(*day) != lost)
}

/// Messages of one connector on one day: its share of the whole, by weekday, give or take.
fn share_of_day(plan: &Plan, profile: &Profile, date: NaiveDate, random: &mut Random) -> u64 {
    let weekday =
        WEEKDAYS.get(date.weekday().num_days_from_monday() as usize).copied().unwrap_or(1);
    let whole = u64::from(plan.messages) * profile.weight * weekday * 7;
    let average = whole / 1000 / 100 / u64::from(plan.days.max(1));
    average + random.below(average / 5 + 2)
}

fn message(profile: &'static Profile, date: NaiveDate, random: &mut Random) -> Message {
    let hour = random.pick(&HOURS);
    let seconds = hour as u64 * 3600 + random.below(3600);
    let midnight = date.and_time(chrono::NaiveTime::MIN).and_utc();
    let time = midnight
        + TimeDelta::seconds(seconds.cast_signed())
        + TimeDelta::milliseconds(random.below(1000).cast_signed());
    let tls = BANDS.get(random.pick(&profile.bands)).copied().unwrap_or(Tls::Unknown);
    let peer_index = random.below(profile.peers.len().max(1) as u64);
    let peer = profile.peers.get(usize::try_from(peer_index).unwrap_or(0)).copied().unwrap_or("");
    let recipients = if random.below(6) == 0 { 2 + random.below(3) } else { 1 };
    Message { time, profile, tls, peer, number: random.next(), recipients }
}

fn manifest(
    plan: &Plan,
    days: &[NaiveDate],
    messages: &[Message],
    totals: &[DayTotal],
) -> Manifest {
    let as_of = plan.last_day + Days::new(1);
    let periods = [PeriodKind::Week, PeriodKind::Days(30)]
        .into_iter()
        .filter_map(|kind| Period::ending_before(kind, as_of));
    Manifest {
        generator: concat!("intransit ", env!("CARGO_PKG_VERSION")),
        seed: plan.seed,
        timezone: "UTC",
        from: days.first().copied().unwrap_or(plan.last_day),
        to: plan.last_day,
        day_without_data: lost_day(plan),
        totals: periods.flat_map(|period| truths(&period, messages, totals)).collect(),
    }
}

fn truths(period: &Period, messages: &[Message], totals: &[DayTotal]) -> Vec<Truth> {
    let mut sums: BTreeMap<(Direction, Option<&'static str>), TlsCounts> = BTreeMap::new();
    for message in messages.iter().filter(|message| period.contains(message.time.date_naive())) {
        let key = (message.profile.direction, message.profile.name);
        sums.entry(key).or_default().add(message.tls, 1);
    }
    for total in totals.iter().filter(|total| period.contains(total.date)) {
        let key = (total.profile.direction, total.profile.name);
        sums.entry(key).or_default().add_all(&total.tls);
    }
    sums.into_iter()
        .filter(|(_, tls)| tls.total() > 0)
        .map(|((direction, connector), tls)| Truth {
            period: period.kind.to_string(),
            from: period.from,
            to: period.last_day(),
            direction,
            connector,
            messages: tls.total(),
            tls,
        })
        .collect()
}

/// `SplitMix64` (Steele, Lea and Flood 2014): small, and the same on every machine for ever.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; 0 where the limit is 0.
    fn below(&mut self, limit: u64) -> u64 {
        self.next().checked_rem(limit).unwrap_or(0)
    }

    /// An index, each as often as its weight says.
    fn pick(&mut self, weights: &[u64]) -> usize {
        let mut left = self.below(weights.iter().sum());
        weights
            .iter()
            .position(|weight| match left.checked_sub(*weight) {
                None => true,
                Some(less) => {
                    left = less;
                    false
                }
            })
            .unwrap_or(0)
    }
}
