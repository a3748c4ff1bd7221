//! Lines of the mail log (`sm` objects): the sendmail of Proofpoint on its way outside.

use crate::ingest::cloud::proofpoint::{first_of, is_loopback};
use crate::ingest::cloud::{self, CloudMail, Lookup, Rejected};
use crate::trace::{Direction, RejectReason, Tls};

/// Maps one line. Only a delivery over SMTP to another host may be a mail; an arrival
/// (`from=`) is told better by the record of the filter.
pub(super) fn map(
    row: &dyn Lookup,
    event: CloudMail,
    emit: &mut dyn FnMut(CloudMail),
) -> Result<(), Rejected> {
    let relay = row.get("sm.relay");
    if !is_sent(&row.get("sm.stat")) || !is_smtp(&row.get("sm.mailer")) || is_own(&relay) {
        emit(event);
        return Ok(());
    }
    let cipher = cloud::some(&first_of(row, ["tls.cipher", "sm.tls.cipher"]));
    let mail = CloudMail {
        direction: Direction::Outbound,
        tls: band(row)?,
        cipher: cipher.filter(|cipher| !cipher.eq_ignore_ascii_case("NONE")),
        server: cloud::some(&relay),
        counts_if: Some(Direction::Outbound),
        ..event
    };
    cloud::emit_with_peers(mail, &row.get("sm.to"), emit);
    Ok(())
}

/// `Sent`, or `Sent (what the other server answered)`.
fn is_sent(stat: &str) -> bool {
    let stat = stat.trim();
    stat == "Sent" || stat.starts_with("Sent ")
}

/// Mailers of sendmail that speak SMTP; the others are files, programs and mailboxes.
fn is_smtp(mailer: &str) -> bool {
    matches!(mailer.trim(), "" | "smtp" | "esmtp" | "smtp8" | "dsmtp" | "relay")
}

/// `host [127.0.0.1]`, or no relay at all.
fn is_own(relay: &str) -> bool {
    if relay.trim().is_empty() {
        return true;
    }
    let address = relay.rsplit_once('[').and_then(|(_, rest)| rest.split_once(']'));
    address
        .is_some_and(|(address, _)| is_loopback(address.strip_prefix("IPv6:").unwrap_or(address)))
}

/// The band of a delivery. Without a version, the outcome of the verification still says
/// whether TLS was spoken.
fn band(row: &dyn Lookup) -> Result<Tls, Rejected> {
    if let Some(band) = cloud::band(&first_of(row, ["tls.version", "sm.tls.version"]))? {
        return Ok(band);
    }
    let verify = first_of(row, ["tls.verify", "sm.tls.verify"]);
    match verify.trim() {
        "" => Ok(Tls::Unknown),
        "NONE" => Ok(Tls::NoTls),
        "OK" | "NO" | "NOT" | "FAIL" | "TRUSTED" | "DANE_FAIL" => Ok(Tls::Unspecified),
        _ => Err((RejectReason::TlsUnreadable, verify.into_owned())),
    }
}
