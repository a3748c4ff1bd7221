//! The demonstration in the formats of the real exports, quirks included: UTF-16 with and
//! without a BOM, gzip, quoted names, seven fractional digits, one row per recipient,
//! about 16 event rows per message.

use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::{Bound, RangeBounds};

use chrono::NaiveDate;

use super::{DayTotal, Manifest, Message, SampleFile};
use crate::trace::{ConnectorType, Direction, Tls};

/// The aggregate table: UTF-8 with BOM, shares with two decimals.
pub(super) fn connector_report(totals: &[DayTotal]) -> Vec<u8> {
    let mut text = String::from(
        "\u{feff}Date,Connector direction and name,Connector type,Forced TLS?,No TLS,TLS 1.0,TLS 1.1,TLS 1.2,TLS 1.3,Volume\r\n",
    );
    for total in totals {
        let volume = total.tls.total();
        let shares: Vec<String> =
            super::BANDS.iter().map(|band| hundredths(total.tls.get(*band), volume)).collect();
        let line = [
            total.date.to_string(),
            field(&label(total)),
            type_word(total.profile.connector_type).to_owned(),
            if total.profile.forced { "True" } else { "False" }.to_owned(),
            shares.join(","),
            volume.to_string(),
        ];
        push_line(&mut text, &line);
    }
    text.into_bytes()
}

fn label(total: &DayTotal) -> String {
    let name = total.profile.name.unwrap_or_default();
    let way = match total.profile.direction {
        Direction::Inbound => "From",
        _ => "To",
    };
    match total.profile.connector_type {
        ConnectorType::OnPremises => format!("{way} your org - {name}"),
        _ => format!("{way} partner - {name}"),
    }
}

/// A share in percent with two decimals, rounded half up.
fn hundredths(part: u64, whole: u64) -> String {
    let share = (part * 20_000 + whole).checked_div(2 * whole).unwrap_or(0);
    format!("{}.{:02}%", share / 100, share % 100)
}

fn type_word(kind: ConnectorType) -> &'static str {
    match kind {
        ConnectorType::Partner => "Partner",
        ConnectorType::OnPremises => "OnPremises",
        _ => "NoConnector",
    }
}

/// Message rows, one per recipient, of some of the days.
pub(super) fn detail(
    name: &'static str,
    packed: bool,
    messages: &[&Message],
    range: impl RangeBounds<usize>,
    days: &[NaiveDate],
) -> SampleFile {
    let mut text = String::from(
        "date_time_utc,message_id,network_message_id,sender_address,recipient_address,direction,connector_name,connector_type,forced_tls,tls_version,tls_cipher\r\n",
    );
    let bounds = (range.start_bound().cloned(), range.end_bound().cloned());
    let wanted = |message: &&&Message| {
        let day = days.iter().position(|day| *day == message.time.date_naive());
        day.is_some_and(|day| (bounds.0, bounds.1).contains(&day))
    };
    for message in messages.iter().filter(wanted) {
        for recipient in 0..message.recipients {
            push_line(&mut text, &detail_row(message, recipient));
        }
    }
    let bytes = utf16(&text, bounds.0 == Bound::Unbounded);
    SampleFile { name, bytes: if packed { gzip(&bytes) } else { bytes } }
}

fn detail_row(message: &Message, recipient: u64) -> Vec<String> {
    let (sender, recipient) = addresses(message, recipient);
    let profile = message.profile;
    vec![
        time(message, 0),
        format!("<{:016x}@{}>", message.number, message.peer),
        network_id(message),
        sender,
        recipient,
        if profile.direction == Direction::Inbound { "Received" } else { "Sent" }.to_owned(),
        field(profile.name.unwrap_or("")),
        type_word(profile.connector_type).to_owned(),
        if profile.forced { "True" } else { "False" }.to_owned(),
        version(message.tls).to_owned(),
        if message.tls == Tls::NoTls { "" } else { "TLS_AES_256_GCM_SHA384" }.to_owned(),
    ]
}

fn addresses(message: &Message, recipient: u64) -> (String, String) {
    match message.profile.direction {
        Direction::Inbound => {
            (format!("sender@{}", message.peer), format!("user{recipient}@contoso.example"))
        }
        _ => ("user@contoso.example".to_owned(), format!("user{recipient}@{}", message.peer)),
    }
}

fn version(tls: Tls) -> &'static str {
    match tls {
        Tls::NoTls => "No Tls",
        Tls::Tls1_0 => "TLS1.0",
        Tls::Tls1_1 => "TLS1.1",
        Tls::Tls1_2 => "TLS1.2",
        _ => "TLS1.3",
    }
}

/// The 27 columns of the extended historical search.
const EXTENDED: &str = "date_time_utc,client_ip,client_hostname,server_ip,server_hostname,source_context,connector_id,source,event_id,internal_message_id,message_id,network_message_id,recipient_address,recipient_status,total_bytes,recipient_count,related_recipient_address,reference,message_subject,sender_address,return_path,message_info,directionality,tenant_id,original_client_ip,original_server_ip,custom_data\r\n";

/// Agents that look at every message, each with a row of its own.
const AGENTS: [&str; 12] = [
    "S:SFA=SUM|SFV=NSPM",
    "S:AMA=SUM|v=1",
    "S:TRA=ETR|ruleId=0",
    "S:CompCost=|ETR=0",
    "S:DeliveryPriority=Normal",
    "S:MEA=SUM",
    "S:PCFA=SUM",
    "S:SPA=SUM",
    "S:UMA=SUM",
    "S:IRA=SUM",
    "S:DPA=SUM",
    "S:CFA=SUM",
];

/// Event rows of extended traces: UTF-16 without a BOM, compressed.
pub(super) fn extended(messages: &[&Message]) -> Vec<u8> {
    let mut text = String::from(EXTENDED);
    for message in messages {
        push_line(&mut text, &event(message, 0, "SMTP", "RECEIVE", &receive_data(message)));
        for (step, agent) in (1..).zip(AGENTS) {
            push_line(&mut text, &event(message, step, "AGENT", "AGENTINFO", agent));
        }
        push_line(&mut text, &event(message, 14, "ROUTING", "RESOLVE", ""));
        for step in 0..message.recipients {
            let data = "S:IncludeInSla=True;S:FromEntity=Internet;S:ToEntity=Hosted";
            push_line(&mut text, &event(message, 15 + step, "STOREDRIVER", "DELIVER", data));
        }
    }
    gzip(&utf16(&text, false))
}

fn receive_data(message: &Message) -> String {
    let mut data = String::from("S:ProxyHop1=relay.contoso.example(192.0.2.7)");
    if let Some(name) = message.profile.name {
        // Writing to a string cannot fail.
        let _ =
            write!(data, ";'S:InboundConnectorData=Name={name};ConnectorType=Partner;TenantId=0'");
    }
    let version = match message.tls {
        Tls::NoTls => return data,
        Tls::Tls1_0 => "TLS1_0",
        Tls::Tls1_1 => "TLS1_1",
        Tls::Tls1_2 => "TLS1_2",
        _ => "TLS1_3",
    };
    let _ = write!(data, ";S:tlsversion=SP_PROT_{version}_SERVER;S:tlscipher=CALG_AES_256");
    data
}

fn event(message: &Message, step: u64, source: &str, event: &str, data: &str) -> Vec<String> {
    let recipients: Vec<String> =
        (0..message.recipients).map(|recipient| addresses(message, recipient).1).collect();
    let none = String::new;
    vec![
        time(message, step),
        "192.0.2.25".to_owned(),
        message.peer.to_owned(),
        none(),
        "mx.contoso.example".to_owned(),
        none(),
        none(),
        source.to_owned(),
        event.to_owned(),
        (message.number % 100_000_000).to_string(),
        format!("<{:016x}@{}>", message.number, message.peer),
        network_id(message),
        recipients.join(";"),
        none(),
        (2000 + message.number % 90_000).to_string(),
        message.recipients.to_string(),
        none(),
        none(),
        field("Weekly figures, \"draft\""),
        format!("sender@{}", message.peer),
        format!("sender@{}", message.peer),
        none(),
        "Incoming".to_owned(),
        "00000000-0000-0000-0000-000000000000".to_owned(),
        "192.0.2.25".to_owned(),
        none(),
        field(data),
    ]
}

/// Seven fractional digits, as Exchange writes.
fn time(message: &Message, step: u64) -> String {
    let time = message.time + chrono::TimeDelta::milliseconds((step * 40).cast_signed());
    format!("{}0000Z", time.format("%Y-%m-%dT%H:%M:%S%.3f"))
}

fn network_id(message: &Message) -> String {
    let hex = format!("{:016x}{:016x}", message.number, message.number.rotate_left(32) ^ 0x5a5a);
    let parts: Vec<&str> = [0..8, 8..12, 12..16, 16..20, 20..32]
        .into_iter()
        .filter_map(|range| hex.get(range))
        .collect();
    parts.join("-")
}

fn push_line(text: &mut String, fields: &[String]) {
    text.push_str(&fields.join(","));
    text.push_str("\r\n");
}

/// A field by RFC 4180.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn utf16(text: &str, bom: bool) -> Vec<u8> {
    let mark = bom.then_some(0xfeff_u16);
    mark.into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    // Writing to memory cannot fail.
    drop(encoder.write_all(bytes));
    encoder.finish().unwrap_or_default()
}

/// The manifest as indented JSON.
pub(super) fn json(manifest: &Manifest) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(manifest).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
