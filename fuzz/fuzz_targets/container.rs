//! What a file is: told by content, unpacked from gzip, Zstandard and ZIP, or Parquet.
//! The first byte says what is done to the rest before it is read: nothing, or packed so that
//! the unpacked bytes are the fuzzer's. A file and its packed copy give the same report.

#![no_main]

use std::io::Write;

use intransit_fuzz::{check, report, settings};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _noted = intransit_fuzz::coverage::Noted;
    let Some((choice, bytes)) = data.split_first() else { return };
    let how = settings(None, choice >> 2);
    match choice & 3 {
        0 => check("trace", bytes, how),
        1 => same(bytes, &gzip(bytes), how),
        2 => same(bytes, &zstd::encode_all(bytes, 1).expect("memory has room"), how),
        _ => check("trace", &zip(bytes), how),
    }
});

fn same(plain: &[u8], packed: &[u8], how: intransit::ingest::Settings) {
    // What is packed twice is not unpacked twice.
    let magic: [&[u8]; 3] = [&[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd], b"PK"];
    if magic.iter().any(|magic| plain.starts_with(magic)) || plain.starts_with(b"PAR1") {
        return check("trace", packed, how);
    }
    let totals = |bytes: &[u8]| {
        let outcome = report(&[("trace", bytes)], &how).ok()?;
        let mut value = serde_json::to_value(&outcome.report).expect("a report is JSON");
        Some(value["periods"].take())
    };
    assert_eq!(totals(plain), totals(packed), "packed, it is another trace");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory has room")
}

fn zip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    let (first, second) = bytes.split_at(bytes.len() / 2);
    for (name, bytes) in [("a.csv", first), ("b/b.log", second)] {
        writer.start_file(name, options).expect("memory has room");
        writer.write_all(bytes).expect("memory has room");
    }
    writer.finish().expect("memory has room").into_inner()
}
