//! The sRGB colour space as an ICC profile: what the colours of a page mean on any device.
//!
//! It is written here from the published figures of IEC 61966-2-1, so that no foreign file
//! needs a licence. A matrix profile of version 4.2 (ICC.1:2004-10), 508 bytes.

/// White of the profile connection space (D50).
const WHITE: [i32; 3] = [0xf6d6, 0x1_0000, 0xd32d];
/// The primaries of sRGB adapted to D50, as X, Y and Z in 1/65536: together they are white.
const PRIMARIES: [[i32; 3]; 3] =
    [[0x6fa0, 0x38f5, 0x0390], [0x6297, 0xb787, 0x18da], [0x249f, 0x0f84, 0xb6c3]];
/// The Bradford matrix from D65, the white of sRGB, to D50.
const ADAPTATION: [i32; 9] =
    [0x1_0c42, 0x05de, -0x0cdb, 0x0793, 0xfd90, -0x045f, -0x025e, 0x03dc, 0xc06e];
/// ((a x + b) ^ g above d, else c x): g, a, b, c, d in 1/65536.
const CURVE: [i32; 5] = [0x2_6666, 0xf2a7, 0x0d59, 0x13d0, 0x0a5b];
const HEAD: usize = 128;

/// The profile.
pub(super) fn profile() -> Vec<u8> {
    let xyz = |values: &[i32]| element(*b"XYZ ", &[], values);
    // One curve serves all three colours.
    let curve = element(*b"para", &[0, 3, 0, 0], &CURVE);
    let mut tags = vec![
        (b"desc", words("sRGB")),
        (b"cprt", words("No rights reserved")),
        (b"wtpt", xyz(&WHITE)),
        (b"chad", element(*b"sf32", &[], &ADAPTATION)),
    ];
    tags.extend([b"rXYZ", b"gXYZ", b"bXYZ"].into_iter().zip(PRIMARIES.map(|xyz_| xyz(&xyz_))));
    tags.extend([b"rTRC", b"gTRC", b"bTRC"].map(|name| (name, curve.clone())));

    let mut table = number(tags.len()).to_vec();
    let mut data: Vec<u8> = Vec::new();
    let mut before: Option<(usize, Vec<u8>)> = None;
    let begin = HEAD + 4 + 12 * tags.len();
    for (name, content) in tags {
        let place = match before.take() {
            Some((place, same)) if same == content => place,
            _ => {
                // Every tag begins at a multiple of four.
                data.resize(data.len().next_multiple_of(4), 0);
                data.extend(&content);
                begin + data.len() - content.len()
            }
        };
        table.extend(name);
        table.extend(number(place));
        table.extend(number(content.len()));
        before = Some((place, content));
    }
    [head(begin + data.len()), table, data].concat()
}

fn head(length: usize) -> Vec<u8> {
    let mut head = number(length).to_vec();
    head.extend(b"\0\0\0\0\x04\x20\0\0mntrRGB XYZ ");
    // The date of the standard, for want of another: year, month, day, no time.
    head.extend([1999_u16, 10, 18, 0, 0, 0].map(u16::to_be_bytes).concat());
    head.extend(b"acsp");
    // No platform, flags, maker, model, attributes; perceptual intent.
    head.extend([0; 28]);
    head.extend(WHITE.map(i32::to_be_bytes).concat());
    head.resize(HEAD, 0);
    head
}

/// A tag of numbers: type, reserved bytes, what else the type wants, the numbers.
fn element(kind: [u8; 4], more: &[u8], values: &[i32]) -> Vec<u8> {
    let mut element = [&kind, [0; 4].as_slice(), more].concat();
    element.extend(values.iter().flat_map(|value| value.to_be_bytes()));
    element
}

/// A tag of words, English alone.
fn words(text: &str) -> Vec<u8> {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let head: &[u8] = b"mluc\0\0\0\0\0\0\0\x01\0\0\0\x0cenUS";
    [head, &number(units.len()), &number(28), &units].concat()
}

fn number(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes()
}
