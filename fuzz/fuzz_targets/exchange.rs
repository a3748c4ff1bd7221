//! Logs of Exchange Server: message tracking and SMTP protocol. The first byte chooses the kind
//! and the settings; in every sixth choice a byte that no text has parts the input into several
//! logs, which are joined.

#![no_main]

use intransit::trace::Kind;

const KINDS: [Option<Kind>; 5] =
    [Some(Kind::ExchangeTracking), Some(Kind::ExchangeSmtp), None, None, None];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _noted = intransit_fuzz::coverage::Noted;
    let Some((choice, bytes)) = data.split_first() else { return };
    if choice % 6 == 5 {
        let names = ["a.log", "b.log", "c.log"];
        let logs: Vec<_> = names.into_iter().zip(bytes.split(|byte| *byte == 0xff)).collect();
        return intransit_fuzz::check_all(&logs, &intransit_fuzz::settings(None, *choice));
    }
    let kind = KINDS[usize::from(*choice) % KINDS.len()];
    intransit_fuzz::check("exchange.log", bytes, intransit_fuzz::settings(kind, *choice));
});
