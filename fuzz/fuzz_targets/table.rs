//! Tables: CSV, JSON, JSON Lines; aggregate rows, message rows, any table with a column map.
//! The first byte is the choice of settings, the rest the file.

#![no_main]

use intransit::trace::Kind;

const KINDS: [Option<Kind>; 5] = [
    None,
    Some(Kind::ConnectorReport),
    Some(Kind::ConnectorReportDetail),
    Some(Kind::MessageTraceDetail),
    Some(Kind::Table),
];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _noted = intransit_fuzz::coverage::Noted;
    let Some((choice, bytes)) = data.split_first() else { return };
    let kind = KINDS.get(usize::from(*choice) % 16).copied().flatten();
    intransit_fuzz::check("trace.csv", bytes, intransit_fuzz::settings(kind, *choice));
});
