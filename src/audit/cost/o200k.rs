//! The tokenizer o200k: byte-pair encoding with the vocabulary that `OpenAI` published for its models since GPT-4o. It is
//! unpacked when it is first asked for. Other vendors' models count otherwise, so that its figures are estimates too.
//!
//! `o200k.zlib` holds the 199,998 tokens in the order of their ranks: their lengths, a byte each, then their bytes, all
//! compressed. They are those of `o200k_base.tiktoken` of openai/tiktoken (MIT), SHA-256 446a9538…1a2d.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::Read as _;
use std::sync::OnceLock;

use flate2::read::ZlibDecoder;
use regex::Regex;

use super::Tokenizer;

static PACKED: &[u8] = include_bytes!("o200k.zlib");
const TOKENS: usize = 199_998;
const BYTES_MAX: u64 = 4 << 20;

/// How a text is cut into pieces, which are encoded by themselves. White space that goes on to the next piece is dealt
/// with in [`O200k::pieces`].
const PIECE: &str = concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"|\p{N}{1,3}",
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*",
    r"|\s*[\r\n]+",
    r"|\s+",
);

/// The tokenizer.
#[derive(Debug)]
pub struct O200k {
    ranks: HashMap<Box<[u8]>, u32>,
    piece: Regex,
}

impl O200k {
    /// The tokenizer, unpacked at the first call; `None` if what is built in is broken.
    #[must_use]
    pub fn get() -> Option<&'static Self> {
        static LOADED: OnceLock<Option<O200k>> = OnceLock::new();
        LOADED.get_or_init(Self::unpack).as_ref()
    }

    fn unpack() -> Option<Self> {
        let mut whole = Vec::new();
        ZlibDecoder::new(PACKED).take(BYTES_MAX).read_to_end(&mut whole).ok()?;
        let (lengths, mut bytes) = whole.split_at_checked(TOKENS)?;
        let mut ranks = HashMap::with_capacity(TOKENS);
        for (rank, length) in (0_u32..).zip(lengths) {
            let (token, rest) = bytes.split_at_checked(usize::from(*length))?;
            ranks.insert(token.into(), rank);
            bytes = rest;
        }
        Some(Self { ranks, piece: Regex::new(PIECE).ok()? })
    }

    /// The pieces of a text. Of white space before something else, the last character belongs to that.
    fn pieces<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let found = self.piece.find_at(text, at)?;
            let mut end = found.end();
            let piece = found.as_str();
            let is_space = piece.chars().all(char::is_whitespace) && !piece.ends_with(['\r', '\n']);
            if is_space && end < text.len() {
                let last = piece.chars().next_back().map_or(0, char::len_utf8);
                if last < piece.len() {
                    end -= last;
                }
            }
            at = end;
            Some(&text[found.start()..end])
        })
    }

    /// How many tokens a piece becomes: neighbours are merged, those of the lowest rank first.
    fn encoded(&self, piece: &[u8]) -> u64 {
        if self.ranks.contains_key(piece) {
            return 1;
        }
        let length = piece.len();
        // Where the part that begins here ends, and where the part before it begins; the ends of merged parts are stale.
        let mut ends: Vec<usize> = (1..=length).collect();
        let mut befores: Vec<Option<usize>> = (0..length).map(|at| at.checked_sub(1)).collect();
        let mut is_part = vec![true; length];
        let mut merges = BinaryHeap::new();
        let offer = |merges: &mut BinaryHeap<_>, start: usize, middle: usize, end: usize| {
            if let Some(rank) = self.ranks.get(&piece[start..end]) {
                merges.push(Reverse((*rank, start, middle, end)));
            }
        };
        for start in 0..length.saturating_sub(1) {
            offer(&mut merges, start, start + 1, start + 2);
        }
        let mut count = length as u64;
        while let Some(Reverse((_, start, middle, end))) = merges.pop() {
            if !is_part[start] || ends[start] != middle || !is_part[middle] || ends[middle] != end {
                continue;
            }
            is_part[middle] = false;
            ends[start] = end;
            count -= 1;
            if end < length {
                befores[end] = Some(start);
                offer(&mut merges, start, end, ends[end]);
            }
            if let Some(before) = befores[start] {
                offer(&mut merges, before, start, end);
            }
        }
        count
    }
}

impl Tokenizer for O200k {
    fn name(&self) -> &'static str {
        "o200k"
    }

    fn count(&self, text: &str) -> u64 {
        self.pieces(text).map(|piece| self.encoded(piece.as_bytes())).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Counted with tiktoken-rs 0.12.1.
    const COUNTED: &[(&str, u64)] = &[("", 0), ("Hello, world!", 4)];

    fn count(text: &str) -> u64 {
        O200k::get().unwrap().count(text)
    }

    #[test]
    fn texts_have_as_many_tokens_as_elsewhere() {
        for (text, tokens) in COUNTED {
            assert_eq!(count(text), *tokens, "{text:?}");
        }
    }

    #[test]
    fn the_vocabulary_is_whole() {
        let loaded = O200k::get().unwrap();
        assert_eq!(loaded.ranks.len(), TOKENS);
        assert!((0..=255_u8).all(|byte| loaded.ranks.contains_key(&[byte][..])));
    }

    #[test]
    fn a_piece_without_end_takes_no_time() {
        let begun = std::time::Instant::now();
        assert!(count(&"xq".repeat(50_000)) > 10_000);
        assert!(count(&" ".repeat(50_000)) > 100 && count(&"\u{202e}".repeat(20_000)) > 1_000);
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    }

    proptest! {
        #[test]
        fn pieces_leave_nothing_out(text in "(\\PC|[ \\n\\t]){0,60}") {
            let joined: String = O200k::get().unwrap().pieces(&text).collect();
            prop_assert_eq!(&joined, &text);
            prop_assert!(count(&text) <= text.len() as u64);
        }
    }
}
