//! Event details of messages: the XML of MEP data, its custom_data grammar, JSON of Graph.
//! The first byte says whether the rest is the file, or the data of one event in it.

#![no_main]

use intransit::trace::Kind;

const HEAD: &str = "Date,Event,Action,Detail,Data,MessageTraceId,MessageId,RecipientAddress\r\n";

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _noted = intransit_fuzz::coverage::Noted;
    let Some((choice, bytes)) = data.split_first() else { return };
    let settings = intransit_fuzz::settings(Some(Kind::MessageTraceEvents), *choice);
    let cell = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('"', "\"\"");
    let file = match choice & 3 {
        0 => bytes.to_vec(),
        1 => one_event(&cell(bytes)),
        _ => {
            let custom = cell(bytes).replace('&', "&amp;").replace('<', "&lt;");
            one_event(&format!(
                "<root><MEP Name=\"\"CustomData\"\" Blob=\"\"{}\"\"/></root>",
                custom.replace("\"\"", "&quot;")
            ))
        }
    };
    intransit_fuzz::check("events.csv", &file, settings);
});

fn one_event(data: &str) -> Vec<u8> {
    format!(
        "{HEAD}2026-11-10T12:00:00Z,Receive,,Message received by: X,\"{data}\",\
         4b7f0a52-4f0e-4f4d-9d3a-08de1f5a0001,<a@x.example>,b@y.example\r\n"
    )
    .into_bytes()
}
