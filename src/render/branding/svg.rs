//! Which SVG may stand in a report: shapes and colours, and nothing that acts, loads, refers
//! to something elsewhere, or needs a font of the reader.
//!
//! Whoever wrote the file is told what is not allowed, and where: nothing is left out in
//! silence. What passes is used as it is.
//!
//! Invariants
//! * Every element, attribute and property stands on a list here; all others are refused.
//! * A reference leads to an element of the same file (`#id`), and uses are not nested.

use std::collections::BTreeSet;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Elements that may stand in the file.
const ELEMENTS: [&str; 19] = [
    "circle",
    "clipPath",
    "defs",
    "desc",
    "ellipse",
    "g",
    "line",
    "linearGradient",
    "mask",
    "path",
    "polygon",
    "polyline",
    "radialGradient",
    "rect",
    "stop",
    "style",
    "svg",
    "title",
    "use",
];

/// What may be said as an attribute or as a property of a style.
const PROPERTIES: [&str; 28] = [
    "clip-path",
    "clip-rule",
    "color",
    "display",
    "enable-background",
    "fill",
    "fill-opacity",
    "fill-rule",
    "isolation",
    "mask",
    "mask-type",
    "mix-blend-mode",
    "opacity",
    "overflow",
    "paint-order",
    "shape-rendering",
    "stop-color",
    "stop-opacity",
    "stroke",
    "stroke-dasharray",
    "stroke-dashoffset",
    "stroke-linecap",
    "stroke-linejoin",
    "stroke-miterlimit",
    "stroke-opacity",
    "stroke-width",
    "vector-effect",
    "visibility",
];

/// What else may be said as an attribute.
const ATTRIBUTES: [&str; 45] = [
    "aria-hidden",
    "aria-label",
    "aria-labelledby",
    "baseProfile",
    "class",
    "clipPathUnits",
    "cx",
    "cy",
    "d",
    "data-name",
    "fr",
    "fx",
    "fy",
    "gradientTransform",
    "gradientUnits",
    "height",
    "href",
    "id",
    "maskContentUnits",
    "maskUnits",
    "offset",
    "pathLength",
    "points",
    "preserveAspectRatio",
    "r",
    "role",
    "rx",
    "ry",
    "spreadMethod",
    "style",
    "transform",
    "version",
    "viewBox",
    "width",
    "x",
    "x1",
    "x2",
    "xlink:href",
    "xml:lang",
    "xml:space",
    "xmlns",
    "xmlns:xlink",
    "y",
    "y1",
    "y2",
];

/// Functions that may stand in a value; `url` only with an element of the same file.
const FUNCTIONS: [&str; 13] = [
    "hsl",
    "hsla",
    "matrix",
    "rgb",
    "rgba",
    "rotate",
    "scale",
    "skewx",
    "skewy",
    "translate",
    "translatex",
    "translatey",
    "url",
];

const SVG: &str = "http://www.w3.org/2000/svg";
const XLINK: &str = "http://www.w3.org/1999/xlink";

/// Deepest nesting of elements.
const MAX_DEPTH: usize = 50;
/// Most uses of an element in other places.
const MAX_USES: usize = 100;

/// What is not allowed, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Refused {
    /// Line, from 1.
    pub line: usize,
    /// What is not allowed.
    pub what: String,
}

/// Reads the whole file.
///
/// # Errors
/// [`Refused`] with the first thing that is not allowed.
pub(super) fn check(text: &str) -> Result<(), Refused> {
    if let Some((at, letter)) = text.char_indices().find(|(_, letter)| !is_of_xml(*letter)) {
        let what = format!("the character U+{:04X}, which XML does not have", u32::from(letter));
        return Err(Refused { line: line(text, at), what });
    }
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut file = File::default();
    loop {
        let start = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        let event = reader.read_event().map_err(|error| {
            let at = usize::try_from(reader.error_position()).unwrap_or(start);
            Refused { line: line(text, at), what: format!("it is no XML: {error}") }
        })?;
        let ends = matches!(event, Event::Eof);
        file.take(&event).map_err(|fault| {
            let rest = text.get(start..).unwrap_or_default();
            let inside = fault.attribute.as_deref().and_then(|name| place(rest, name));
            Refused { line: line(text, start + inside.unwrap_or(0)), what: fault.what }
        })?;
        if ends {
            return Ok(());
        }
    }
}

/// Whether a character may stand in XML 1.0 (section 2.2 there).
fn is_of_xml(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// The line of a byte.
fn line(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// Where an attribute stands in a tag.
fn place(tag: &str, name: &str) -> Option<usize> {
    let mut found = tag.match_indices(name);
    let stands = |at: usize| {
        let before = tag.get(..at).and_then(|text| text.chars().next_back());
        let after = tag.get(at + name.len()..).unwrap_or_default().trim_start();
        before.is_some_and(char::is_whitespace) && after.starts_with('=')
    };
    found.find(|(at, _)| stands(*at)).map(|(at, _)| at)
}

/// A fault in one event, and the attribute that has it.
struct Fault {
    what: String,
    attribute: Option<String>,
}

fn fault<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { what: what.into(), attribute: None })
}

/// What is known of the file so far.
#[derive(Default)]
struct File {
    /// Names and ids of the open elements.
    open: Vec<(String, Option<String>)>,
    has_root: bool,
    /// Ids of elements that are used elsewhere.
    used: Vec<String>,
    /// Ids of elements with a use in them.
    using: BTreeSet<String>,
    style: String,
}

impl File {
    fn take(&mut self, event: &Event<'_>) -> Result<(), Fault> {
        match event {
            Event::Start(tag) => self.begin(tag)?,
            Event::Empty(tag) => {
                self.begin(tag)?;
                self.end()?;
            }
            Event::End(_) => self.end()?,
            Event::Text(text) => self.text(text),
            Event::CData(text) => self.text(text),
            Event::GeneralRef(name) => match (name.resolve_char_ref(), &**name) {
                (Ok(Some(letter)), _) => self.text(&letter.to_string()),
                (_, "amp" | "lt" | "gt" | "quot" | "apos") => {}
                (_, name) => return fault(format!("the entity `&{name};`")),
            },
            Event::DocType(_) => return fault("a DOCTYPE"),
            Event::PI(text) => {
                return fault(format!("the processing instruction `{}`", text.target()));
            }
            Event::Eof if !self.has_root => return fault("there is no `svg` element"),
            Event::Eof if !self.open.is_empty() => return fault("it ends in the middle"),
            Event::Decl(_) | Event::Comment(_) | Event::Eof => {}
        }
        Ok(())
    }

    fn begin(&mut self, tag: &BytesStart<'_>) -> Result<(), Fault> {
        let name = tag.name().as_ref().to_owned();
        if !ELEMENTS.contains(&name.as_str()) {
            return fault(format!("the element `{name}`"));
        }
        if self.open.is_empty() && (self.has_root || name != "svg") {
            return fault(format!("the element `{name}` outside the one `svg`"));
        }
        if self.open.len() >= MAX_DEPTH {
            return fault(format!("elements nested more than {MAX_DEPTH} deep"));
        }
        let attributes = attributes(tag)?;
        let of = |wanted: &str| {
            attributes.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone())
        };
        if !self.has_root {
            if of("xmlns").is_none() {
                return fault(format!("`svg` without xmlns=\"{SVG}\""));
            }
            if of("viewBox").is_none() {
                return fault("`svg` without a viewBox: it could not be scaled");
            }
        }
        self.has_root = true;
        self.open.push((name.clone(), of("id")));
        if name == "use" {
            self.uses(of("href").or_else(|| of("xlink:href")))?;
        }
        Ok(())
    }

    fn uses(&mut self, target: Option<String>) -> Result<(), Fault> {
        self.used.extend(target.map(|target| target.trim_start_matches('#').to_owned()));
        self.using.extend(self.open.iter().filter_map(|(_, id)| id.clone()));
        if self.used.len() > MAX_USES {
            return fault(format!("more than {MAX_USES} elements `use`"));
        }
        if self.used.iter().any(|target| self.using.contains(target)) {
            return fault("an element `use` in what another uses");
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fault> {
        if self.open.pop().is_some_and(|(name, _)| name == "style") {
            let style = std::mem::take(&mut self.style);
            return rules(&style);
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if self.open.last().is_some_and(|(name, _)| name == "style") {
            self.style.push_str(text);
        }
    }
}

/// The attributes of a tag, each allowed.
fn attributes(tag: &BytesStart<'_>) -> Result<Vec<(String, String)>, Fault> {
    let mut found = Vec::new();
    for attribute in tag.attributes() {
        let attribute = attribute
            .map_err(|error| Fault { what: format!("it is no XML: {error}"), attribute: None })?;
        let name = attribute.key.as_ref().to_owned();
        let at = |fault: Fault| Fault { attribute: Some(name.clone()), ..fault };
        // XML does not have it there, and readers differ in what they take it for.
        if attribute.value.contains('<') {
            return fault(format!("`<` in the attribute `{name}`")).map_err(at);
        }
        let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0);
        let Ok(value) = value.map(std::borrow::Cow::into_owned) else {
            return fault(format!("an entity in the attribute `{name}`")).map_err(at);
        };
        attribute_is_allowed(tag.name().as_ref(), &name, &value).map_err(at)?;
        found.push((name, value));
    }
    Ok(found)
}

fn attribute_is_allowed(element: &str, name: &str, value: &str) -> Result<(), Fault> {
    if !ATTRIBUTES.contains(&name) && !PROPERTIES.contains(&name) {
        return fault(format!("the attribute `{name}` of `{element}`"));
    }
    let good = match name {
        "href" | "xlink:href" => {
            let refers = ["use", "linearGradient", "radialGradient"].contains(&element);
            refers && value.strip_prefix('#').is_some_and(|id| !id.is_empty())
        }
        "xmlns" => value == SVG,
        "xmlns:xlink" => value == XLINK,
        "style" => return declarations(value),
        _ => return value_is_allowed(name, value),
    };
    if good { Ok(()) } else { fault(format!("`{name}=\"{value}\"` of `{element}`")) }
}

/// A style sheet of plain rules: selectors and declarations.
fn rules(style: &str) -> Result<(), Fault> {
    let plain = without_comments(style)?;
    let mut rest = plain.as_str();
    while let Some((selector, after)) = rest.split_once('{') {
        let named = |letter: char| letter.is_alphanumeric() || "_-.#*,> \t\r\n".contains(letter);
        if !selector.chars().all(named) {
            return fault(format!("`{}` in the style", selector.trim()));
        }
        let Some((inside, after)) = after.split_once('}') else {
            return fault("a style that ends in the middle");
        };
        declarations(inside)?;
        rest = after;
    }
    match rest.trim() {
        "" => Ok(()),
        rest => fault(format!("`{rest}` in the style")),
    }
}

fn without_comments(style: &str) -> Result<String, Fault> {
    let (mut plain, mut rest) = (String::new(), style);
    while let Some((before, after)) = rest.split_once("/*") {
        plain.push_str(before);
        let Some((_, after)) = after.split_once("*/") else {
            return fault("a comment in the style that does not end");
        };
        plain.push(' ');
        rest = after;
    }
    plain.push_str(rest);
    Ok(plain)
}

fn declarations(text: &str) -> Result<(), Fault> {
    for declaration in text.split(';').map(str::trim).filter(|text| !text.is_empty()) {
        let (name, value) = declaration.split_once(':').unwrap_or((declaration, ""));
        let name = name.trim();
        if !PROPERTIES.contains(&name) {
            return fault(format!("`{name}` in a style"));
        }
        value_is_allowed(name, value)?;
    }
    Ok(())
}

/// A value calls nothing but harmless functions, and hides none.
fn value_is_allowed(name: &str, value: &str) -> Result<(), Fault> {
    if value.contains(['\\', '@', '{', '}']) || value.contains("/*") {
        return fault(format!("`{value}` as `{name}`"));
    }
    for (at, _) in value.match_indices('(') {
        let before = value.get(..at).unwrap_or_default();
        let is_name = |letter: char| letter.is_alphanumeric() || "-_".contains(letter);
        let function = before.rsplit(|letter: char| !is_name(letter)).next().unwrap_or_default();
        let function = function.to_ascii_lowercase();
        let argument = value.get(at + 1..).unwrap_or_default();
        let local = argument.trim_start_matches([' ', '"', '\'']).starts_with('#');
        let known = function.is_empty() || FUNCTIONS.contains(&function.as_str());
        if !known || (function == "url" && !local) {
            return fault(format!("`{value}` as `{name}`"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with this inside, which begins in line 2.
    fn svg(inside: &str) -> String {
        format!(
            "<svg xmlns=\"{SVG}\" xmlns:xlink=\"{XLINK}\" viewBox=\"0 0 9 9\">\n{inside}\n</svg>"
        )
    }

    #[test]
    fn what_drawing_programs_write_passes() {
        let good = [
            "<title>Contoso &amp; Fabrikam &#8211;</title><desc>two</desc>",
            "<g id='a' data-name=\"Layer 1\"><path d=\"M0 0h9v9z\" fill=\"#0f6cbd\"/></g>",
            "<circle cx='1' cy='1' r='1' transform='translate(1 2) rotate(45)'/>",
            "<rect style=\"fill:rgb(1, 2, 3);stroke:none\" width='2' height='2'/>",
            "<defs><linearGradient id='g'><stop offset='0' stop-color='red'/></linearGradient>\
             <linearGradient id='h' xlink:href='#g'/></defs><path fill='url(#g)' d='M0 0'/>",
            "<defs><clipPath id='c'><path d='M0 0'/></clipPath></defs><g clip-path='url(\"#c\")'/>",
            "<defs><path id='p' d='M0 0'/></defs><use href='#p' x='1'/><use xlink:href='#p'/>",
            "<style>.a, #b > path{fill:#fff;stroke:none}\n/* plain */ .c{opacity:.5}</style>",
            "<style><![CDATA[.a{fill:url(#g)}]]></style>",
            "<mask id='m'><rect fill='white'/></mask><g mask='url( #m )'/>",
            "<!-- a comment --><line x1='0' y1='0' x2='1' y2='1' stroke='hsl(1 2% 3%)'/>",
            "<g aria-label='Contoso (logo)'/>",
        ];
        for inside in good {
            assert_eq!(check(&svg(inside)), Ok(()), "{inside}");
        }
        let framed = format!("<?xml version=\"1.0\"?>\n<!-- made by hand -->\n{}\n", svg(""));
        assert_eq!(check(&framed), Ok(()));
    }

    /// Whatever acts, loads, refers elsewhere or hides something is named with its line.
    #[test]
    fn what_is_not_allowed_is_named() {
        let bad = [
            ("<script>alert(1)</script>", "the element `script`"),
            ("<SCRIPT/>", "the element `SCRIPT`"),
            (
                "<foreignObject><p xmlns='http://www.w3.org/1999/xhtml'/></foreignObject>",
                "foreignO",
            ),
            ("<image href='data:image/png;base64,AA'/>", "the element `image`"),
            ("<feImage href='x'/>", "the element `feImage`"),
            ("<filter/>", "the element `filter`"),
            ("<pattern/>", "the element `pattern`"),
            ("<text>Contoso</text>", "the element `text`"),
            ("<a href='#x'/>", "the element `a`"),
            ("<animate attributeName='x'/>", "the element `animate`"),
            ("<set attributeName='href' to='x'/>", "the element `set`"),
            ("<metadata/>", "the element `metadata`"),
            ("<iframe src='x'/>", "the element `iframe`"),
            ("<svg:path d=''/>", "the element `svg:path`"),
            ("<g onload='alert(1)'/>", "the attribute `onload` of `g`"),
            ("<g ONCLICK='x'/>", "the attribute `ONCLICK`"),
            ("<g xml:base='http://x.example/'/>", "the attribute `xml:base`"),
            ("<g inkscape:label='x'/>", "the attribute `inkscape:label`"),
            ("<g xmlns='http://www.w3.org/1999/xhtml'/>", "`xmlns="),
            ("<g xmlns:xlink='urn:x'/>", "`xmlns:xlink="),
            ("<g xmlns:x='urn:x'/>", "the attribute `xmlns:x`"),
            ("<path href='#a'/>", "`href=\"#a\"` of `path`"),
            ("<use href='http://x.example/#a'/>", "`href="),
            ("<use xlink:href='other.svg#a'/>", "`xlink:href="),
            ("<use href=' #a'/>", "`href="),
            ("<use href='#'/>", "`href="),
            ("<use href='javascript:alert(1)'/>", "`href="),
            ("<use href='data:image/svg+xml,x#a'/>", "`href="),
            ("<linearGradient xlink:href='x.svg#g'/>", "`xlink:href="),
            ("<g fill='url(http://x.example/a)'/>", "as `fill`"),
            ("<g fill='URL( \"//x.example/a\" )'/>", "as `fill`"),
            ("<g fill='url(&#104;ttp://x.example)'/>", "as `fill`"),
            ("<g fill='u\\72l(http://x.example)'/>", "as `fill`"),
            ("<g mask='image(x.png)'/>", "as `mask`"),
            ("<g mask='image-set(\"x.png\" 1x)'/>", "as `mask`"),
            ("<g fill='var(--x)'/>", "as `fill`"),
            ("<g style='background:red'/>", "`background` in a style"),
            ("<g style='fill:red;behavior:url(x)'/>", "`behavior` in a style"),
            ("<g style='fill:url(x.svg#a)'/>", "as `fill`"),
            ("<g style='fill:red}@import \"x\"'/>", "as `fill`"),
            ("<g style='--x:1'/>", "`--x` in a style"),
            ("<g style='fill:expression(alert(1))'/>", "as `fill`"),
            ("<style>@import url(x.css);</style>", "in the style"),
            ("<style>@font-face{src:url(x)}</style>", "in the style"),
            ("<style>.a{fill:url(x)}</style>", "as `fill`"),
            ("<style>.a{fill:u/**/rl(x)}</style>", "as `fill`"),
            ("<style>.a{background:url(#x)}</style>", "`background` in a style"),
            ("<style>.a{fill:red</style>", "a style that ends in the middle"),
            ("<style>/* {</style>", "a comment in the style"),
            ("<style>a:hover{fill:red}</style>", "`a:hover` in the style"),
            ("<style>fill:red</style>", "`fill:red` in the style"),
            ("<style>&#64;import 'x';</style>", "in the style"),
            ("<g>&xxe;</g>", "the entity `&xxe;`"),
            ("<g id='&xxe;'/>", "an entity in the attribute `id`"),
            ("<?xml-stylesheet href='x.css'?>", "`xml-stylesheet`"),
            ("<g id='<!ENTITY'/>", "`<` in the attribute `id`"),
            ("<g id='\0'/>", "the character U+0000"),
            ("<title>\u{1b}[31m</title>", "the character U+001B"),
            ("<g id=a/>", "it is no XML"),
            ("<g id='a' id='b'/>", "it is no XML"),
            ("<g></svg>", "it is no XML"),
            ("<!-- a -- b -->", "it is no XML"),
            ("<g id='a'><use href='#a'/></g>", "in what another uses"),
            (
                "<g id='a'><path/></g><g id='b'><use href='#a'/></g><use href='#b'/>",
                "in what another uses",
            ),
            ("<use href='#b'/><g id='b'><use href='#a'/></g>", "in what another uses"),
        ];
        for (inside, what) in bad {
            let refused = check(&svg(inside)).unwrap_err();
            assert!(refused.what.contains(what), "{inside}: {refused}");
            assert!((2..=3).contains(&refused.line), "{inside}: {refused}");
        }
    }

    #[test]
    fn what_is_no_whole_svg_is_named() {
        let bad = [
            ("", "no `svg`"),
            ("<html/>", "`html`"),
            ("<g/>", "outside the one `svg`"),
            ("<svg viewBox='0 0 1 1'/>", "without xmlns"),
            ("<svg xmlns='http://www.w3.org/2000/svg' width='9'/>", "without a viewBox"),
            ("<!DOCTYPE svg [<!ENTITY a 'b'>]><svg/>", "a DOCTYPE"),
            ("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1 1'>", "ends in the middle"),
        ];
        for (text, what) in bad {
            let refused = check(text).unwrap_err();
            assert!(refused.what.contains(what), "{text}: {refused}");
        }
        let twice = format!("{0}{0}", svg(""));
        assert!(check(&twice).unwrap_err().what.contains("outside the one `svg`"));
        let deep = format!("{}{}", "<g>".repeat(60), "</g>".repeat(60));
        assert!(check(&svg(&deep)).unwrap_err().what.contains("nested"));
        let uses = "<path id='p'/>".to_owned() + &"<use href='#p'/>".repeat(101);
        assert!(check(&svg(&uses)).unwrap_err().what.contains("more than 100"));
    }

    /// The line is that of the attribute, where a tag goes over several.
    #[test]
    fn the_line_is_that_of_the_fault() {
        let text = svg("<g>\n<path d='M0 0'\n  id='onclick'\n  onclick='x'/>\n</g>");
        let refused = check(&text).unwrap_err();
        assert_eq!(refused.to_string(), "line 5: the attribute `onclick` of `path`");
        let refused = check(&svg("<g>\n</g>\n<script/>")).unwrap_err();
        assert_eq!(refused.line, 4);
    }
}
