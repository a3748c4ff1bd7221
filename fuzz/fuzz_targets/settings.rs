//! Settings and schedules (TOML), column maps, spans, zones.

#![no_main]

use std::path::Path;

use intransit::config::{self, Config, Home};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _noted = intransit_fuzz::coverage::Noted;
    let Ok(text) = std::str::from_utf8(data) else { return };
    let parsed = Config::parse(text, Path::new("intransit.toml"));
    if parsed.is_ok() {
        assert!(config::flat(text).is_some(), "settings that were read are TOML");
    }
    drop(config::zone(text.trim()));
    // As a schedule beside settings, with all the checks of `schedule check` that need no network.
    let (first, second) = text.split_once("\n%%\n").unwrap_or(("", text));
    let folder = intransit_fuzz::folder();
    let main = intransit_fuzz::file("intransit.toml", first.as_bytes());
    std::fs::create_dir_all(folder.join("schedules")).expect("a folder can be made");
    let schedule = intransit_fuzz::file("schedules/weekly.toml", second.as_bytes());
    if let Ok(home) = Home::find(Some(&main)) {
        if let Ok(read) = home.read_schedule(&schedule) {
            drop(intransit::run::plan::Plan::of(&home, &read));
        }
    }
    drop(config::ColumnMap::read(&schedule));
});
