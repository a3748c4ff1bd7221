//! What each piece of content is, and in which order it is read: the structure tree of a
//! tagged PDF (ISO 32000-1, 14.7 and 14.8).
//!
//! Elements are made in reading order. A page lists, for each marked piece of its content,
//! the element that it belongs to; the number of a piece is its place in that list.
//!
//! Invariants
//! * What is drawn belongs to one element or is an artifact.
//! * No element is empty, but the cells of a table: all its rows have as many.

use std::collections::BTreeMap;

use lopdf::{Dictionary, Document, Object, ObjectId, dictionary};
use printpdf::{DictItem, Op};

use super::archive::text;

/// What an element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The whole.
    Document,
    /// A period, or the evidence.
    Part,
    /// What stands under one heading of a part.
    Section,
    /// The title of the document.
    Title,
    /// The heading of a part.
    PartHeading,
    /// The heading of a section.
    SectionHeading,
    /// Ordinary text.
    Paragraph,
    /// Paragraphs that belong together.
    Block,
    /// A list.
    List,
    /// One item of it.
    Item,
    /// The content of an item.
    ItemBody,
    /// A table.
    Table,
    /// What stands above it.
    Caption,
    /// Its row of heads.
    TableHead,
    /// Its other rows.
    TableBody,
    /// A row.
    Row,
    /// The head of a column.
    ColumnHead,
    /// The cell that says what a row is about.
    RowHead,
    /// Any other cell.
    Cell,
    /// A chart, with a text instead of it.
    Figure,
}

impl Role {
    /// The standard structure type (ISO 32000-1, 14.8.4).
    fn name(self) -> &'static str {
        match self {
            Self::Document => "Document",
            Self::Part => "Part",
            Self::Section => "Sect",
            Self::Title => "H1",
            Self::PartHeading => "H2",
            Self::SectionHeading => "H3",
            Self::Paragraph => "P",
            Self::Block => "Div",
            Self::List => "L",
            Self::Item => "LI",
            Self::ItemBody => "LBody",
            Self::Table => "Table",
            Self::Caption => "Caption",
            Self::TableHead => "THead",
            Self::TableBody => "TBody",
            Self::Row => "TR",
            Self::ColumnHead | Self::RowHead => "TH",
            Self::Cell => "TD",
            Self::Figure => "Figure",
        }
    }

    /// Says whether text may stand in the element without a paragraph around it.
    fn holds_text(self) -> bool {
        self.is_cell()
            || matches!(
                self,
                Self::Title
                    | Self::PartHeading
                    | Self::SectionHeading
                    | Self::Paragraph
                    | Self::Caption
                    | Self::Figure
            )
    }

    fn is_cell(self) -> bool {
        matches!(self, Self::ColumnHead | Self::RowHead | Self::Cell)
    }
}

/// What is drawn beside the content proper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Furniture {
    /// Rules and grounds.
    Layout,
    /// The head of a table once more.
    Repeated,
    /// The line at the foot of a page.
    Footer,
}

impl Furniture {
    fn properties(self) -> DictItem {
        let entries: &[(&str, &str)] = match self {
            Self::Layout => &[("Type", "Layout")],
            Self::Repeated => &[("Type", "Pagination")],
            Self::Footer => &[("Type", "Pagination"), ("Subtype", "Footer")],
        };
        let entries = entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), DictItem::Name(value.as_bytes().to_vec())));
        DictItem::Dict { map: entries.collect() }
    }
}

/// What a piece of content belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Not part of the content proper.
    Artifact(Furniture),
    /// An element, by its number.
    Element(usize),
}

/// The smallest box around what was drawn, in points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    pub(super) left: f32,
    pub(super) bottom: f32,
    pub(super) right: f32,
    pub(super) top: f32,
}

impl Bounds {
    fn around(self, other: Self) -> Self {
        Self {
            left: self.left.min(other.left),
            bottom: self.bottom.min(other.bottom),
            right: self.right.max(other.right),
            top: self.top.max(other.top),
        }
    }
}

/// A part of an element, in reading order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kid {
    Element(usize),
    /// A piece of a page's content, by its number on that page.
    Content {
        page: usize,
        piece: usize,
    },
}

#[derive(Debug)]
struct Element {
    role: Role,
    parent: Option<usize>,
    kids: Vec<Kid>,
    alt: Option<String>,
    bounds: Option<Bounds>,
}

impl Element {
    fn new(role: Role, parent: Option<usize>) -> Self {
        Self { role, parent, kids: Vec::new(), alt: None, bounds: None }
    }
}

/// The operations of a page, each inside a marked piece.
#[derive(Debug, Default)]
pub(super) struct Page {
    ops: Vec<Op>,
    open: Option<Mark>,
    /// The element of each piece of content, by its number.
    owners: Vec<usize>,
}

impl Page {
    fn close(&mut self) {
        if self.open.take().is_some() {
            self.ops.push(Op::EndMarkedContent);
        }
    }

    /// The operations of the page when it is done.
    pub(super) fn into_ops(mut self) -> (Vec<Op>, Vec<usize>) {
        self.close();
        (self.ops, self.owners)
    }
}

/// The elements of a document in the making, and which of them are open.
#[derive(Debug)]
pub(super) struct Tags {
    elements: Vec<Element>,
    open: Vec<usize>,
}

impl Tags {
    /// An empty document.
    pub(super) fn new() -> Self {
        Self { elements: vec![Element::new(Role::Document, None)], open: vec![0] }
    }

    /// Opens an element inside the one that is open.
    pub(super) fn open(&mut self, role: Role) {
        let parent = self.open.last().copied().unwrap_or(0);
        let new = self.elements.len();
        self.elements.push(Element::new(role, Some(parent)));
        if let Some(parent) = self.elements.get_mut(parent) {
            parent.kids.push(Kid::Element(new));
        }
        self.open.push(new);
    }

    /// Closes the element that was opened last; the document stays open.
    pub(super) fn close(&mut self) {
        if self.open.len() > 1 {
            self.open.pop();
        }
    }

    /// Opens a part or section after closing the one before and all in it.
    pub(super) fn begin(&mut self, role: Role) {
        let stays =
            |outer: Role| outer == Role::Document || (role == Role::Section && outer == Role::Part);
        while self.current().is_some_and(|element| !stays(element.role)) && self.open.len() > 1 {
            self.open.pop();
        }
        self.open(role);
    }

    /// Gives the open element a text that stands instead of it.
    pub(super) fn describe(&mut self, alt: &str) {
        if let Some(element) = self.current_mut() {
            element.alt = Some(alt.to_owned());
        }
    }

    /// Says whether text may be drawn into the open element.
    pub(super) fn holds_text(&self) -> bool {
        self.current().is_some_and(|element| element.role.holds_text())
    }

    /// The open element, as what content belongs to.
    pub(super) fn mark(&self) -> Mark {
        Mark::Element(self.open.last().copied().unwrap_or(0))
    }

    /// What lines and grounds belong to: a figure, else nothing.
    pub(super) fn shape_mark(&self) -> Mark {
        match self.current() {
            Some(element) if element.role == Role::Figure => self.mark(),
            _ => Mark::Artifact(Furniture::Layout),
        }
    }

    /// Adds operations to a page, in the piece that they belong to.
    pub(super) fn draw(
        &mut self,
        page: (usize, &mut Page),
        mark: Mark,
        bounds: Bounds,
        ops: impl IntoIterator<Item = Op>,
    ) {
        let (number, page) = page;
        if page.open != Some(mark) {
            page.close();
            let begin = self.begin_piece(number, page, mark);
            page.ops.push(begin);
            page.open = Some(mark);
        }
        if let Mark::Element(owner) = mark
            && let Some(element) = self.elements.get_mut(owner)
        {
            element.bounds = Some(element.bounds.map_or(bounds, |box_| box_.around(bounds)));
        }
        page.ops.extend(ops);
    }

    fn begin_piece(&mut self, number: usize, page: &mut Page, mark: Mark) -> Op {
        let (tag, properties) = match mark {
            Mark::Artifact(furniture) => ("Artifact", furniture.properties()),
            Mark::Element(owner) => {
                let piece = page.owners.len();
                page.owners.push(owner);
                let mut tag = Role::Paragraph.name();
                if let Some(element) = self.elements.get_mut(owner) {
                    element.kids.push(Kid::Content { page: number, piece });
                    tag = element.role.name();
                }
                let piece = DictItem::Int(i64::try_from(piece).unwrap_or(0));
                (tag, DictItem::Dict { map: BTreeMap::from([("MCID".to_owned(), piece)]) })
            }
        };
        Op::BeginMarkedContentWithProperties { tag: tag.to_owned(), properties }
    }

    fn current(&self) -> Option<&Element> {
        self.elements.get(*self.open.last()?)
    }

    fn current_mut(&mut self) -> Option<&mut Element> {
        self.elements.get_mut(*self.open.last()?)
    }

    /// Which elements have content, or must be there without.
    fn kept(&self) -> Vec<bool> {
        let mut kept = vec![false; self.elements.len()];
        // Kids come after their parents, so that going backwards they are known.
        for (index, element) in self.elements.iter().enumerate().rev() {
            let full = element.kids.iter().any(|kid| match kid {
                Kid::Element(kid) => kept.get(*kid).copied().unwrap_or(false),
                Kid::Content { .. } => true,
            });
            if let Some(kept) = kept.get_mut(index) {
                *kept = full || element.role.is_cell() || element.role == Role::Document;
            }
        }
        kept
    }

    /// Writes the tree; `owners` are those of each page. Gives its root.
    pub(super) fn write(&self, document: &mut Document, owners: &[Vec<usize>]) -> ObjectId {
        let pages: Vec<ObjectId> = document.get_pages().into_values().collect();
        let root = document.new_object_id();
        let scope = |name: &str| dictionary! { "O" => "Table", "Scope" => name };
        let id_of = |kept: bool| kept.then(|| document.new_object_id());
        let ids: Vec<Option<ObjectId>> = self.kept().into_iter().map(id_of).collect();
        let column_scope = document.add_object(scope("Column"));
        let row_scope = document.add_object(scope("Row"));
        let writer = Writer { root, column_scope, row_scope, ids, pages };
        for (element, id) in self.elements.iter().zip(&writer.ids) {
            if let Some(id) = id {
                document.set_object(*id, writer.element(element));
            }
        }
        let mut parents: Vec<Object> = Vec::new();
        for (page, owners) in (0_i64..).zip(owners) {
            let owners: Vec<Object> = owners.iter().map(|owner| writer.reference(*owner)).collect();
            parents.extend([page.into(), document.add_object(owners).into()]);
        }
        let parents = document.add_object(dictionary! { "Nums" => parents });
        let whole = dictionary! {
            "Type" => "StructTreeRoot",
            "K" => vec![writer.reference(0)],
            "ParentTree" => parents,
            "ParentTreeNextKey" => i64::try_from(owners.len()).unwrap_or(0),
        };
        document.set_object(root, whole);
        root
    }
}

/// What is known while elements are written.
struct Writer {
    root: ObjectId,
    column_scope: ObjectId,
    row_scope: ObjectId,
    /// None for elements that are left out.
    ids: Vec<Option<ObjectId>>,
    pages: Vec<ObjectId>,
}

impl Writer {
    fn id(&self, element: usize) -> Option<ObjectId> {
        self.ids.get(element).copied().flatten()
    }

    fn reference(&self, element: usize) -> Object {
        self.id(element).map_or(Object::Null, Object::Reference)
    }

    fn page(&self, page: usize) -> ObjectId {
        self.pages.get(page).copied().unwrap_or_default()
    }

    fn element(&self, element: &Element) -> Dictionary {
        let first_page = element.kids.iter().find_map(|kid| match kid {
            Kid::Content { page, .. } => Some(*page),
            Kid::Element(_) => None,
        });
        let kids = element.kids.iter().filter_map(|kid| match kid {
            Kid::Element(kid) => self.id(*kid).map(Object::Reference),
            Kid::Content { page, piece } => Some(self.piece(*page, *piece, first_page)),
        });
        let mut written = dictionary! {
            "Type" => "StructElem",
            "S" => element.role.name(),
            "P" => element.parent.map_or(self.root.into(), |parent| self.reference(parent)),
            "K" => kids.collect::<Vec<Object>>(),
        };
        if let Some(page) = first_page {
            written.set("Pg", self.page(page));
        }
        if let Some(alt) = &element.alt {
            written.set("Alt", text(alt));
        }
        match (element.role, element.bounds) {
            (Role::ColumnHead, _) => written.set("A", self.column_scope),
            (Role::RowHead, _) => written.set("A", self.row_scope),
            (Role::Figure, Some(bounds)) => written.set("A", figure(bounds)),
            _ => {}
        }
        written
    }

    /// A piece of the element's own page by its number alone, else with its page.
    fn piece(&self, page: usize, piece: usize, own: Option<usize>) -> Object {
        let number = i64::try_from(piece).unwrap_or(0);
        if own == Some(page) {
            return number.into();
        }
        let piece = dictionary! { "Type" => "MCR", "Pg" => self.page(page), "MCID" => number };
        piece.into()
    }
}

fn figure(bounds: Bounds) -> Dictionary {
    let Bounds { left, bottom, right, top } = bounds;
    let corners = [left, bottom, right, top].map(Object::Real).to_vec();
    dictionary! { "O" => "Layout", "Placement" => "Block", "BBox" => corners }
}
