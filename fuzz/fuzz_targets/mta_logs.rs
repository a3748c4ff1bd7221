//! Logs of Postfix, Exim, Sendmail and OpenSMTPD. The first byte chooses the kind and the settings.

#![no_main]

use intransit::trace::Kind;

const KINDS: [Option<Kind>; 5] =
    [Some(Kind::Postfix), Some(Kind::Exim), Some(Kind::Sendmail), Some(Kind::OpenSmtpd), None];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _noted = intransit_fuzz::coverage::Noted;
    let Some((choice, bytes)) = data.split_first() else { return };
    let kind = KINDS[usize::from(*choice) % KINDS.len()];
    intransit_fuzz::check("mail.log", bytes, intransit_fuzz::settings(kind, *choice));
});
