//! What reading 10 million rows takes at least: counts rows per day, direction, connector and
//! TLS version of the very table that `benches/run` writes, on two threads, with nothing
//! checked, nothing hashed and no message told from another. A measure, not a program.
//!
//! `rustc -O -C target-cpu=native benches/ceiling/scan.rs && ./scan FILE`

use std::arch::x86_64::*;
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

const BLOCK: usize = 1 << 20;
/// Columns: time, direction, connector, version.
const WANTED: [usize; 4] = [0, 5, 6, 9];
const COLUMNS: usize = 11;

type Counts = HashMap<Vec<u8>, u64>;

/// Positions of separators and line ends outside quotes, 64 bytes at a time.
#[target_feature(enable = "avx2,pclmulqdq")]
unsafe fn marks(text: &[u8], out: &mut Vec<u32>) {
    out.clear();
    let mut inside = 0_u64;
    let (quote, comma, line) = (_mm256_set1_epi8(34), _mm256_set1_epi8(44), _mm256_set1_epi8(10));
    for (index, piece) in text.chunks_exact(64).enumerate() {
        let low = unsafe { _mm256_loadu_si256(piece.as_ptr().cast()) };
        let high = unsafe { _mm256_loadu_si256(piece.as_ptr().add(32).cast()) };
        let mask = |wanted| {
            let low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted)) as u32;
            let high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted)) as u32;
            u64::from(high) << 32 | u64::from(low)
        };
        let quotes = mask(quote);
        let all = _mm_set1_epi8(-1);
        let product = _mm_clmulepi64_si128::<0>(_mm_set_epi64x(0, quotes as i64), all);
        let quoted = _mm_cvtsi128_si64(product) as u64 ^ inside;
        inside = ((quoted as i64) >> 63) as u64;
        let mut found = (mask(comma) | mask(line)) & !quoted;
        let base = (index * 64) as u32;
        while found != 0 {
            out.push(base + found.trailing_zeros());
            found &= found - 1;
        }
    }
}

fn count(file: &File, from: u64, to: u64, counts: &mut Counts) {
    let mut buffer = vec![0_u8; 2 * BLOCK];
    let (mut filled, mut at) = (0, from);
    let mut places = Vec::new();
    let mut key = Vec::new();
    let mut last: HashMap<u64, (Vec<u8>, u64)> = HashMap::new();
    loop {
        let more = (to - at).min(BLOCK as u64) as usize;
        file.read_exact_at(&mut buffer[filled..filled + more], at).expect("the file is readable");
        (filled, at) = (filled + more, at + more as u64);
        let text = &mut buffer[..(filled + 63) / 64 * 64];
        text[filled..].fill(b' ');
        unsafe { marks(text, &mut places) };
        let mut start = 0;
        for record in places.chunks_exact(COLUMNS) {
            let cell = |column: usize| {
                let begin = if column == 0 { start } else { record[column - 1] as usize + 1 };
                &text[begin..record[column] as usize]
            };
            key.clear();
            key.extend_from_slice(&cell(WANTED[0])[..10]);
            for column in &WANTED[1..] {
                key.push(b'\t');
                key.extend_from_slice(cell(*column));
            }
            start = record[COLUMNS - 1] as usize + 1;
            let mut hash = key.len() as u64;
            for piece in key.chunks(8) {
                let mut word = [0; 8];
                word[..piece.len()].copy_from_slice(piece);
                hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
            }
            last.entry(hash).or_insert_with(|| (key.clone(), 0)).1 += 1;
        }
        buffer.copy_within(start..filled, 0);
        filled -= start;
        if more == 0 {
            break;
        }
    }
    for (key, rows) in last.into_values() {
        *counts.entry(key).or_default() += rows;
    }
}

/// The first byte behind a line end at or after a place.
fn line_after(file: &File, place: u64) -> u64 {
    let mut piece = [0; 4096];
    let length = file.read_at(&mut piece, place).expect("the file is readable");
    place + 1 + piece[..length].iter().position(|byte| *byte == b'\n').expect("lines are short") as u64
}

fn main() {
    let path = std::env::args().nth(1).expect("a file");
    let file = File::open(path).expect("the file opens");
    let length = file.metadata().expect("the file has a length").len();
    let (first, middle) = (line_after(&file, 0), line_after(&file, length / 2));
    let parts = std::thread::scope(|scope| {
        let parts = [(first, middle), (middle, length)].map(|(from, to)| {
            let file = &file;
            scope.spawn(move || {
                let mut counts = Counts::new();
                count(file, from, to, &mut counts);
                counts
            })
        });
        parts.map(|part| part.join().expect("a part is counted"))
    });
    let mut whole = Counts::new();
    for (key, rows) in parts.into_iter().flatten() {
        *whole.entry(key).or_default() += rows;
    }
    println!("{{\"messages\": {}, \"groups\": {}}}", whole.values().sum::<u64>(), whole.len());
}
