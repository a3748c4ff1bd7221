//! The fuzz targets, compiled with the program and run on a few bytes each: they are built by
//! themselves with another toolchain at another time, and a change of the program must not leave
//! them behind.
//!
//! To the targets this file is `libfuzzer_sys` and `intransit_fuzz`.

extern crate self as intransit_fuzz;
extern crate self as libfuzzer_sys;

#[path = "../fuzz/src/lib.rs"]
#[allow(clippy::all, clippy::pedantic, clippy::restriction, reason = "it has lints of its own")]
#[allow(dead_code, reason = "each target uses some of it")]
mod shared;

pub use shared::*;

/// As that of libFuzzer, but for a function that is called once.
macro_rules! fuzz_target {
    (|$data:ident: &[u8]| $body:block) => {
        pub(crate) fn run($data: &[u8]) {
            $body
        }
    };
}
pub(crate) use fuzz_target;

macro_rules! targets {
    ($($name:ident: $path:literal,)*) => {
        $(
            #[path = $path]
            #[allow(
                clippy::all, clippy::pedantic, clippy::restriction, unused_attributes,
                reason = "a crate of its own"
            )]
            mod $name;
        )*

        const TARGETS: &[(&str, fn(&[u8]))] = &[$((stringify!($name), $name::run),)*];
    };
}

targets! {
    archive: "../fuzz/fuzz_targets/archive.rs",
    branding: "../fuzz/fuzz_targets/branding.rs",
    cloud: "../fuzz/fuzz_targets/cloud.rs",
    container: "../fuzz/fuzz_targets/container.rs",
    cron: "../fuzz/fuzz_targets/cron.rs",
    events: "../fuzz/fuzz_targets/events.rs",
    exchange: "../fuzz/fuzz_targets/exchange.rs",
    keys: "../fuzz/fuzz_targets/keys.rs",
    mta_logs: "../fuzz/fuzz_targets/mta_logs.rs",
    settings_files: "../fuzz/fuzz_targets/settings.rs",
    smtp: "../fuzz/fuzz_targets/smtp.rs",
    table: "../fuzz/fuzz_targets/table.rs",
    tls_rpt: "../fuzz/fuzz_targets/tls_rpt.rs",
}

/// One after the other: they share a folder, as those of one process do.
#[test]
fn each_target_runs() {
    let all = std::fs::read_dir("fuzz/fuzz_targets").unwrap().count();
    assert_eq!(TARGETS.len(), all, "a target is not in the list");
    let csv = b"\x00date_time_utc,network_message_id,direction,connector_name,tls_version,\
        sender_address,recipient_address\n2026-11-09T10:00:00Z,1,Received,F,TLS1.2,a@b.example,x@y.example\n";
    for (name, run) in TARGETS {
        for bytes in [&b""[..], b"\x00", b"\x01\x02\x03", b"\x03{\"a\": [1]}\n", csv] {
            let ended = std::panic::catch_unwind(|| run(bytes));
            assert!(ended.is_ok(), "{name} with {} bytes", bytes.len());
        }
    }
    std::fs::remove_dir_all(folder()).unwrap();
}
