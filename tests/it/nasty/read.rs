//! Readers of somebody else, which say what an output holds beside its text.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

/// Whether a text may be shown in a terminal: nothing steers it, hides, or turns the writing.
pub(crate) fn is_calm(text: &str) -> bool {
    text.chars().all(|letter| {
        letter == '\n'
            || !(letter.is_control()
                || matches!(
                    letter,
                    '\u{200b}'..='\u{200f}'
                        | '\u{2028}'..='\u{202e}'
                        | '\u{2060}'..='\u{2069}'
                        | '\u{feff}'
                ))
    })
}

/// What a page is made of beside its text, as a browser's tokenizer finds it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    /// How often each element begins.
    pub(crate) elements: BTreeMap<String, usize>,
    /// Element and attribute, each pair once.
    pub(crate) attributes: BTreeSet<(String, String)>,
    /// Values of attributes that a browser would load or follow.
    pub(crate) addresses: BTreeSet<String>,
    pub(crate) comments: usize,
    pub(crate) text: String,
}

#[derive(Default)]
struct Sink(RefCell<Page>);

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut page = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => {
                let name = tag.name.to_string();
                for attribute in &tag.attrs {
                    let key = attribute.name.local.to_string();
                    let value = attribute.value.to_string();
                    if ["src", "href", "action", "style", "formaction"].contains(&key.as_str()) {
                        page.addresses.insert(value);
                    }
                    page.attributes.insert((name.clone(), key));
                }
                *page.elements.entry(name.clone()).or_default() += 1;
                match name.as_str() {
                    "script" => return TokenSinkResult::RawData(RawKind::ScriptData),
                    "style" => return TokenSinkResult::RawData(RawKind::Rawtext),
                    "title" | "textarea" => return TokenSinkResult::RawData(RawKind::Rcdata),
                    _ => {}
                }
            }
            Token::CommentToken(_) => page.comments += 1,
            Token::CharacterTokens(text) => page.text.push_str(&text),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

pub(crate) fn page(html: &str) -> Page {
    let tokenizer = Tokenizer::new(Sink::default(), TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(html));
    while !input.is_empty() {
        drop(tokenizer.feed(&input));
    }
    tokenizer.end();
    tokenizer.sink.0.into_inner()
}

/// A page may repeat what it has for each name; it may have nothing of its own kind.
pub(crate) fn expect_same_kind(nasty: &Page, plain: &Page, what: &str) {
    let kinds = |page: &Page| page.elements.keys().cloned().collect::<BTreeSet<_>>();
    let new: Vec<_> = kinds(nasty).difference(&kinds(plain)).cloned().collect();
    assert!(new.is_empty(), "{what}: elements {new:?}");
    let new: Vec<_> = nasty.attributes.difference(&plain.attributes).collect();
    assert!(new.is_empty(), "{what}: attributes {new:?}");
    for address in &nasty.addresses {
        let fine = address.starts_with('#') || address.starts_with("data:image/");
        let known = plain.addresses.contains(address) || nasty_style(address);
        assert!(fine || known, "{what}: {address}");
    }
    for element in ["script", "style", "meta", "html", "head", "body", "title", "main"] {
        let count = |page: &Page| page.elements.get(element).copied().unwrap_or(0);
        assert_eq!(count(nasty), count(plain), "{what}: {element}");
    }
    assert_eq!(nasty.comments, plain.comments, "{what}: comments");
}

/// Widths of bars differ with the figures; nothing else stands in a style.
fn nasty_style(style: &str) -> bool {
    style.chars().all(|c| c.is_ascii_alphanumeric() || " :;.,%#()-'\"".contains(c))
        && !style.contains("url")
        && !style.contains("javascript")
}

/// Names and keys of a document by which it would run or load something, and all its actions.
pub(crate) fn names_of_actions(bytes: &[u8]) -> BTreeSet<String> {
    fn look(object: &lopdf::Object, found: &mut BTreeSet<String>) {
        let mut note = |name: &[u8]| {
            let name = String::from_utf8_lossy(name).into_owned();
            let known = ["JavaScript", "JS", "Launch", "OpenAction", "AA", "A", "S", "URI"];
            let more = ["SubmitForm", "GoToR", "GoToE", "RichMedia", "AcroForm", "XFA", "Action"];
            if known.contains(&name.as_str()) || more.contains(&name.as_str()) {
                found.insert(name);
            }
        };
        match object {
            lopdf::Object::Name(name) => note(name),
            lopdf::Object::Array(all) => all.iter().for_each(|object| look(object, found)),
            lopdf::Object::Dictionary(of) => {
                of.iter().for_each(|(key, _)| note(key));
                of.iter().for_each(|(_, object)| look(object, found));
            }
            lopdf::Object::Stream(stream) => {
                stream.dict.iter().for_each(|(key, _)| note(key));
                stream.dict.iter().for_each(|(_, object)| look(object, found));
            }
            _ => {}
        }
    }
    let document = lopdf::Document::load_mem(bytes).unwrap();
    let mut found = BTreeSet::new();
    document.objects.values().for_each(|object| look(object, &mut found));
    found
}

/// A text for a comparison: what a renderer may put in the place of a letter is left out.
pub(crate) fn letters(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}
