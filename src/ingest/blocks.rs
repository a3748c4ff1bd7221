//! Text cut into blocks of whole records.
//!
//! A block ends behind a newline that is outside quotes, so that blocks can be parsed apart
//! and in any order. Memory is bounded: a line above [`MAX_LINE`] is passed over and counted.

use std::io::{ErrorKind, Read};
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use super::marks::{self, Marks};
use super::open::Order;

/// A block of a table is cut when it has at least this many bytes: few enough for those that are
/// on their way to stay in the caches of the processor.
pub(super) const BLOCK: usize = 1 << 19;
/// A block of a log: few enough for a processor to keep it at hand with what its lines say.
pub(super) const LOG_BLOCK: usize = 1 << 19;
/// Longest line, and longest run of text without a balanced quote, in bytes; in UTF-16 so many
/// units.
pub(super) const MAX_LINE: usize = 8 << 20;

/// Whole records of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TextBlock {
    /// The records, each with its line end.
    pub bytes: Buffer,
    /// Place among the blocks of its file. Lines are counted by whoever parses the block, from
    /// 1 on; its number in the file follows from the blocks before it.
    pub sequence: u64,
    /// Lines above the limit that lay right before this block.
    pub skipped_lines: u64,
    /// Marks that lie in it, and some that may lie behind it, where they were looked for.
    pub marks: Option<Marks>,
}

/// Bytes that several threads may hold; whoever lets them go last gives the memory back.
#[derive(Debug, Clone)]
pub(crate) struct Buffer(Arc<Filled>);

#[derive(Debug)]
struct Filled {
    bytes: Vec<u8>,
    /// Where they go; none where they came from nowhere.
    home: Option<Pool>,
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Filled { bytes, home: None }))
    }
}

impl PartialEq for Buffer {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Buffer {}

impl Drop for Filled {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            home.give(std::mem::take(&mut self.bytes));
        }
    }
}

/// Memory of buffers that were read and may be filled again, so that it is not asked for anew.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    /// Bytes of a block, at least.
    block: usize,
    free: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Pool {
    /// Buffers for blocks of so many bytes.
    pub(super) fn new(block: usize) -> Self {
        Self { block, free: Arc::default() }
    }

    fn give(&self, bytes: Vec<u8>) {
        // What a very long line made large is let go.
        if bytes.capacity() <= 4 * self.block {
            self.free().push(bytes);
        }
    }

    fn take(&self) -> Vec<u8> {
        self.free().pop().unwrap_or_default()
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Cuts a stream into blocks.
pub(super) struct Blocks<'a> {
    pool: &'a Pool,
    inner: &'a mut dyn Read,
    /// What was read, and behind it what a buffer held before.
    buffer: Vec<u8>,
    filled: usize,
    sequence: u64,
    ended: bool,
    /// Whether `"` can hide a newline; in JSON Lines it cannot.
    quotes: bool,
    /// Those of the pending text, where it was looked at.
    marks: Option<Marks>,
    /// That of the bytes of UTF-16, which is cut as it is.
    order: Option<Order>,
}

impl<'a> Blocks<'a> {
    /// Cuts `inner`; with `quotes`, newlines within double quotes do not end a record.
    pub(super) fn new(inner: &'a mut dyn Read, quotes: bool, pool: &'a Pool) -> Self {
        Self::of_units(inner, None, quotes, pool)
    }

    /// As [`Blocks::new`]; with an order, `inner` is UTF-16 without a BOM, and so are the blocks.
    pub(super) fn of_units(
        inner: &'a mut dyn Read,
        order: Option<Order>,
        quotes: bool,
        pool: &'a Pool,
    ) -> Self {
        let buffer = pool.take();
        Self {
            pool,
            inner,
            buffer,
            filled: 0,
            sequence: 0,
            ended: false,
            quotes,
            marks: None,
            order,
        }
    }

    /// The next block; `None` at the end.
    ///
    /// # Errors
    /// What the stream says.
    pub(super) fn next_block(&mut self) -> std::io::Result<Option<TextBlock>> {
        self.next_block_and(&mut |_| ())
    }

    /// As [`Blocks::next_block`]; `passed` gets what is passed over before it.
    pub(super) fn next_block_and(
        &mut self,
        passed: &mut dyn FnMut(&[u8]),
    ) -> std::io::Result<Option<TextBlock>> {
        let mut skipped = 0;
        loop {
            self.fill()?;
            if let Some(end) = self.cut() {
                return Ok(Some(self.take(end, skipped)));
            }
            if self.ended {
                let block = self.take(self.filled, skipped);
                let empty = block.bytes.is_empty() && block.skipped_lines == 0;
                return Ok((!empty).then_some(block));
            }
            if self.filled >= MAX_LINE * self.width() {
                // Without a newline this is a line above the limit; with one, a quote that is
                // never closed: the reader of the block sorts that out line by line.
                if let Some(last) = marks::last(b'\n', self.pending(), self.order) {
                    return Ok(Some(self.take(last + self.width(), skipped)));
                }
                skipped += 1;
                self.skip_line(passed)?;
            }
        }
    }

    fn width(&self) -> usize {
        marks::width(self.order)
    }

    fn pending(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or_default()
    }

    fn fill(&mut self) -> std::io::Result<()> {
        let block = self.pool.block;
        let wanted = if self.filled < block { block } else { self.filled + block };
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        while self.filled < wanted {
            let free = self.buffer.get_mut(self.filled..wanted).unwrap_or_default();
            match self.inner.read(free) {
                Ok(0) => {
                    self.ended = true;
                    return Ok(());
                }
                Ok(length) => self.filled += length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// End of the last whole record, if the pending text holds one.
    fn cut(&mut self) -> Option<usize> {
        self.marks = None;
        let text = self.pending();
        if self.ended {
            return (!text.is_empty()).then_some(text.len());
        }
        if !self.quotes {
            return marks::last(b'\n', text, self.order).map(|last| last + self.width());
        }
        let found = self.order.is_none().then(|| Marks::of(text));
        let count = || marks::count(b'"', text, self.order);
        let mut quotes_before = found.map_or_else(count, |found| found.quotes);
        let mut end = text.len();
        while let Some(newline) = marks::last(b'\n', text.get(..end)?, self.order) {
            quotes_before -= marks::count(b'"', text.get(newline..end)?, self.order);
            if quotes_before.is_multiple_of(2) {
                self.marks = found;
                return Some(newline + self.width());
            }
            end = newline;
        }
        None
    }

    fn take(&mut self, end: usize, skipped_lines: u64) -> TextBlock {
        let mut next = self.pool.take();
        let rest = self.buffer.get(end..self.filled).unwrap_or_default();
        if next.len() < rest.len() {
            next.resize(rest.len(), 0);
        }
        for (to, from) in next.iter_mut().zip(rest) {
            *to = *from;
        }
        self.filled = rest.len();
        let mut bytes = std::mem::replace(&mut self.buffer, next);
        bytes.truncate(end);
        let bytes = Buffer(Arc::new(Filled { bytes, home: Some(self.pool.clone()) }));
        let sequence = self.sequence;
        self.sequence += 1;
        TextBlock { bytes, sequence, skipped_lines, marks: self.marks.take() }
    }

    /// Drops the pending text and what follows up to the end of its line.
    fn skip_line(&mut self, passed: &mut dyn FnMut(&[u8])) -> std::io::Result<()> {
        loop {
            let newline = marks::first(b'\n', self.pending(), self.order);
            let end = match newline {
                Some(newline) => newline + self.width(),
                None if self.ended => self.filled,
                // The second half of a unit may be still to come.
                None => self.filled - self.filled % self.width(),
            };
            passed(self.pending().get(..end).unwrap_or_default());
            self.buffer.copy_within(end..self.filled, 0);
            self.filled -= end;
            if newline.is_some() || self.ended {
                return Ok(());
            }
            self.fill()?;
        }
    }
}

/// Positions of the newlines.
pub(super) fn newlines(bytes: &[u8]) -> impl DoubleEndedIterator<Item = usize> {
    memchr::memchr_iter(b'\n', bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(text: &[u8]) -> Vec<TextBlock> {
        blocks_of(text, None, BLOCK)
    }

    fn blocks_of(mut text: &[u8], order: Option<Order>, block: usize) -> Vec<TextBlock> {
        let pool = Pool::new(block);
        let mut blocks = Blocks::of_units(&mut text, order, true, &pool);
        std::iter::from_fn(|| blocks.next_block().unwrap()).collect()
    }

    /// The text as it is, and in UTF-16 of both orders.
    fn wide(text: &[u8]) -> [(Vec<u8>, Option<Order>); 3] {
        let of = |order: Order| {
            let bytes = text.iter().flat_map(|byte| order.bytes((*byte).into())).collect();
            (bytes, Some(order))
        };
        [(text.to_vec(), None), of(Order::Little), of(Order::Big)]
    }

    #[test]
    fn blocks_hold_whole_records_and_lose_nothing() {
        let record = format!("a,\"two\nlines, {}\",c\r\n", "x".repeat(400));
        let text = record.repeat(20_000);
        let found = blocks(text.as_bytes());
        assert!(found.len() > 2);
        assert_eq!(
            found.iter().flat_map(|block| block.bytes.to_vec()).collect::<Vec<_>>(),
            text.as_bytes()
        );
        for (sequence, block) in (0..).zip(&found) {
            assert!(block.bytes.starts_with(b"a,\"two"));
            assert_eq!(block.sequence, sequence);
        }
    }

    #[test]
    fn a_line_above_the_limit_is_passed_over_and_counted() {
        let mut text = b"a,b\n".to_vec();
        text.extend(vec![b'x'; 3 * MAX_LINE]);
        text.extend(b"\nc,d\n");
        for ((text, order), (rest, _)) in wide(&text).into_iter().zip(wide(b"a,b\nc,d\n")) {
            let found = blocks_of(&text, order, MAX_LINE / 2);
            let whole: Vec<u8> = found.iter().flat_map(|block| block.bytes.to_vec()).collect();
            assert_eq!(whole, rest, "{order:?}");
            assert_eq!(found.iter().map(|block| block.skipped_lines).sum::<u64>(), 1);
        }
    }

    #[test]
    fn a_line_below_the_limit_is_whole_however_wide_its_units_are() {
        let text = [&b"a,b\n"[..], &vec![b'x'; MAX_LINE - 100], b"\nc,d\n"].concat();
        for (text, order) in wide(&text) {
            let found = blocks_of(&text, order, MAX_LINE / 2);
            assert_eq!(found.iter().map(|block| block.skipped_lines).sum::<u64>(), 0);
            assert_eq!(found.iter().map(|block| block.bytes.len()).sum::<usize>(), text.len());
        }
    }

    #[test]
    fn a_quote_that_is_never_closed_does_not_fill_the_memory() {
        let mut text = b"a,\"b\n".to_vec();
        text.extend(b"c,d\n".repeat(3 * MAX_LINE / 4));
        let found = blocks(&text);
        assert!(found.iter().all(|block| block.bytes.len() <= MAX_LINE + 2 * BLOCK));
        assert_eq!(found.iter().map(|block| block.bytes.len()).sum::<usize>(), text.len());
    }
}
