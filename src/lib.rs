pub mod clock;
pub mod config;
pub mod ingest;
pub mod period;
pub mod store;
pub mod trace;
