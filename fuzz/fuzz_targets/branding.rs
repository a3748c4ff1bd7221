//! What an organisation brings: a logo (SVG or PNG), an accent colour, templates.
//! The first byte chooses which.

#![no_main]

use std::collections::BTreeMap;

use intransit::render::branding::{Accent, Logo, Templates};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _noted = intransit_fuzz::coverage::Noted;
    let Some((choice, bytes)) = data.split_first() else { return };
    match choice & 3 {
        0 | 1 => logo(bytes),
        2 => drop(std::str::from_utf8(bytes).map(Accent::read)),
        _ => {
            let names = ["report.html", "report.css", "mail/report.html", "mail/report.txt"];
            let name = names[usize::from(choice >> 2) % names.len()].to_owned();
            let Ok(text) = std::str::from_utf8(bytes) else { return };
            drop(Templates::new("own".to_owned(), BTreeMap::from([(name, text.to_owned())])));
        }
    }
});

/// A logo that is taken stands in a page with a strict policy: nothing in it may run or load.
fn logo(bytes: &[u8]) {
    let Ok(logo) = Logo::read(bytes.to_vec()) else { return };
    if let Some(picture) = &logo.picture {
        let pixels = u64::from(picture.width) * u64::from(picture.height);
        assert_eq!(u64::try_from(picture.rgb.len()).ok(), Some(pixels * 3));
        return;
    }
    let text = String::from_utf8_lossy(&logo.bytes).to_lowercase();
    for word in ["<script", "<!entity", "javascript:", "<foreignobject", "<iframe", "<image"] {
        assert!(!text.contains(word) || text.contains("<!--"), "a logo with {word}: {text}");
    }
}
