//! What a file is.

use serde::{Deserialize, Serialize};

/// The formats that can be read.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The aggregate table of the Connector report.
    ConnectorReport,
    /// Message rows of the historical search for the Connector report.
    ConnectorReportDetail,
    /// Message trace, summary: no TLS column.
    MessageTrace,
    /// Message trace, extended: event rows.
    MessageTraceDetail,
    /// Event details of single messages (Get-MessageTraceDetailV2, Graph).
    MessageTraceEvents,
    /// Message tracking logs of Exchange Server.
    ExchangeTracking,
    /// SMTP protocol logs of Exchange Server.
    ExchangeSmtp,
    /// Logs of Postfix.
    Postfix,
    /// Main logs of Exim.
    Exim,
    /// Logs of Sendmail.
    Sendmail,
    /// Logs of `OpenSMTPD`.
    #[serde(rename = "opensmtpd")]
    OpenSmtpd,
    /// Gmail logs exported from `BigQuery`.
    Gmail,
    /// Mimecast SIEM logs.
    Mimecast,
    /// Proofpoint on Demand logs.
    Proofpoint,
    /// SMTP TLS reports of other organisations (RFC 8460): sessions, never messages.
    TlsRpt,
    /// Any table with a column map.
    Table,
}

impl Kind {
    /// The name used on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConnectorReport => "connector-report",
            Self::ConnectorReportDetail => "connector-report-detail",
            Self::MessageTrace => "message-trace",
            Self::MessageTraceDetail => "message-trace-detail",
            Self::MessageTraceEvents => "message-trace-events",
            Self::ExchangeTracking => "exchange-tracking",
            Self::ExchangeSmtp => "exchange-smtp",
            Self::Postfix => "postfix",
            Self::Exim => "exim",
            Self::Sendmail => "sendmail",
            Self::OpenSmtpd => "opensmtpd",
            Self::Gmail => "gmail",
            Self::Mimecast => "mimecast",
            Self::Proofpoint => "proofpoint",
            Self::TlsRpt => "tls-rpt",
            Self::Table => "table",
        }
    }

    /// Says whether files of this kind are logs: lines that make sense in their order only.
    pub fn is_log(self) -> bool {
        matches!(
            self,
            Self::ExchangeTracking
                | Self::ExchangeSmtp
                | Self::Postfix
                | Self::Exim
                | Self::Sendmail
                | Self::OpenSmtpd
        )
    }

    /// Says whether rows of this kind are records of a cloud service, each with fields of
    /// its own.
    pub fn is_cloud(self) -> bool {
        matches!(self, Self::Gmail | Self::Mimecast | Self::Proofpoint)
    }

    /// All kinds.
    pub const ALL: [Self; 16] = [
        Self::ConnectorReport,
        Self::ConnectorReportDetail,
        Self::MessageTrace,
        Self::MessageTraceDetail,
        Self::MessageTraceEvents,
        Self::ExchangeTracking,
        Self::ExchangeSmtp,
        Self::Postfix,
        Self::Exim,
        Self::Sendmail,
        Self::OpenSmtpd,
        Self::Gmail,
        Self::Mimecast,
        Self::Proofpoint,
        Self::TlsRpt,
        Self::Table,
    ];
}
