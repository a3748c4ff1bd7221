//! Which branches of the program ran, for `fuzz/run --coverage`: libFuzzer tells only how many.
//!
//! With `INTRANSIT_COVERAGE=FILE` each edge that ran is added up, and at the end one line per
//! edge goes to the file: its address, and 1 or 0. Where that is in the source, `addr2line` knows.

use std::io::Write;
use std::sync::{Mutex, Once};

unsafe extern "C" {
    #[link_name = "__start___sancov_cntrs"]
    static FIRST_COUNTER: u8;
    #[link_name = "__stop___sancov_cntrs"]
    static END_OF_COUNTERS: u8;
    #[link_name = "__start___sancov_pcs"]
    static FIRST_EDGE: [usize; 2];
    fn atexit(at_exit: extern "C" fn()) -> i32;
}

static SEEN: Mutex<Vec<bool>> = Mutex::new(Vec::new());
static AT_EXIT: Once = Once::new();

/// Adds up what ran, when it goes away: at the end of each execution, however it ends.
pub struct Noted;

impl Drop for Noted {
    fn drop(&mut self) {
        note();
    }
}

fn note() {
    if std::env::var_os("INTRANSIT_COVERAGE").is_none() {
        return;
    }
    // SAFETY: `write_down` takes no argument and does not unwind.
    AT_EXIT.call_once(|| {
        let refused = unsafe { atexit(write_down) };
        assert_eq!(refused, 0, "there is room for one function");
    });
    let mut seen = SEEN.lock().expect("nobody panics with it");
    let (first, length) = counters();
    seen.resize(length, false);
    for (index, seen) in seen.iter_mut().enumerate() {
        // SAFETY: the linker puts all counters between its two symbols.
        *seen |= unsafe { first.add(index).read_volatile() } != 0;
    }
}

fn counters() -> (*const u8, usize) {
    let (first, end) = (&raw const FIRST_COUNTER, &raw const END_OF_COUNTERS);
    (first, end as usize - first as usize)
}

extern "C" fn write_down() {
    let Some(path) = std::env::var_os("INTRANSIT_COVERAGE") else { return };
    let (Ok(seen), Ok(file)) = (SEEN.lock(), std::fs::File::create(path)) else { return };
    let mut file = std::io::BufWriter::new(file);
    let edges = &raw const FIRST_EDGE;
    // Addresses as they stand in the file, wherever the program was loaded.
    let base = load_address();
    for (index, seen) in seen.iter().enumerate() {
        // SAFETY: there is one pair, address and flags, for each counter.
        let [address, _] = unsafe { edges.add(index).read() };
        drop(writeln!(file, "{:#x} {}", address.wrapping_sub(base), u8::from(*seen)));
    }
}

/// Where the program was loaded: the first line of its memory map.
fn load_address() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let first = maps.split('-').next().unwrap_or_default();
    usize::from_str_radix(first, 16).unwrap_or(0)
}
