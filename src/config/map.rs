//! `[[map]]`: which services and remote servers of a log make up a connector.

use serde::Deserialize;

/// `[[map]]`; what is not given holds for all mail. The first entry that fits counts.
#[derive(Debug, Clone, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MapConfig {
    /// Name of the connector in the report.
    pub connector: String,
    /// `partner` or `on_premises`.
    #[serde(default, rename = "type")]
    pub connector_type: Option<String>,
    /// `inbound` or `outbound`.
    #[serde(default)]
    pub direction: Option<String>,
    /// Service, listener, transport or receive connector, as the log names it.
    #[serde(default)]
    pub service: Option<String>,
    /// Remote host, or `*.example.com` for the hosts below it.
    #[serde(default)]
    pub relay: Option<String>,
    /// Remote network, as in `198.51.100.0/24`.
    #[serde(default)]
    pub network: Option<String>,
    /// Domain of the sender (inbound) or recipient (outbound), or `*.example.com`.
    #[serde(default)]
    pub domain: Option<String>,
}
