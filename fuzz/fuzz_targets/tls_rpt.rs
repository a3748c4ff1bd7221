//! TLS reports of other organisations: JSON, compressed or not, and the mails that carry them.

#![no_main]

use intransit::ingest::tls_rpt;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _noted = intransit_fuzz::coverage::Noted;
    // A first look must not say of a beginning what it denies of the whole.
    let (_, _) = (tls_rpt::is_tls_rpt(data), tls_rpt::is_tls_rpt_mail(data));
    if let Ok(documents) = tls_rpt::documents(data) {
        for document in documents {
            let Ok(reports) = tls_rpt::read(&document) else { continue };
            for report in reports {
                assert!(report.start <= report.end, "a report ends before it begins: {report:?}");
                for policy in &report.policies {
                    let told: u64 = policy.failures.iter().map(|one| one.sessions).sum();
                    assert!(told < u64::MAX / 2, "counts are bounded: {policy:?}");
                }
            }
        }
    }
});
