//! Long rows are kept in pieces, so that a merge in a group of 1,000 devices rewrites 30 kB and not 1.7 MB.
//!
//! Cuts fall between elements of long CBOR arrays: an element keeps to its own piece, so a change in one leaf of the tree
//! changes one piece. Short rows are one piece.

use std::sync::Arc;

use zeroize::Zeroizing;

/// Shared, because undoing keeps the old value beside the new one; wiped when the last holder lets go.
pub type Piece = Arc<Zeroizing<Vec<u8>>>;

const WHOLE_BELOW: usize = 16 * 1024;
const PIECE_AT_LEAST: usize = 1024;
const LONG_ARRAY: usize = 64;
const ELEMENTS: usize = 16;
const BIG_ELEMENT: usize = 64 * 1024;
const DEPTH: usize = 4;

const MARK: u8 = b'#';
const DIGITS: usize = 6;

pub fn split(value: Zeroizing<Vec<u8>>) -> Vec<Piece> {
    let cuts = cuts(&value);
    if cuts.is_empty() {
        return vec![Arc::new(value)];
    }
    let mut start = 0;
    let mut pieces = Vec::with_capacity(cuts.len() + 1);
    for end in cuts.into_iter().chain([value.len()]) {
        pieces.push(Arc::new(Zeroizing::new(value[start..end].to_vec())));
        start = end;
    }
    pieces
}

pub fn join(pieces: &[Piece]) -> Zeroizing<Vec<u8>> {
    let mut whole = Zeroizing::new(Vec::with_capacity(pieces.iter().map(|piece| piece.len()).sum()));
    for piece in pieces {
        whole.extend_from_slice(piece);
    }
    whole
}

/// The row key of piece `index`: the first has the value's own key, the others a mark that no value's key contains.
pub fn row_key(key: &[u8], index: usize) -> Vec<u8> {
    let mut row = key.to_vec();
    if index > 0 {
        row.push(MARK);
        row.extend_from_slice(format!("{index:0DIGITS$x}").as_bytes());
    }
    row
}

/// The value's key and the index of the piece; `None` for a key that `row_key` never makes.
pub fn parse_row_key(row: &[u8]) -> Option<(&[u8], usize)> {
    let Some(at) = row.iter().position(|byte| *byte == MARK) else {
        return Some((row, 0));
    };
    let digits = std::str::from_utf8(&row[at + 1..]).ok()?;
    let canonical = digits.len() >= DIGITS && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let index = usize::from_str_radix(digits, 16).ok()?;
    (canonical && index > 0).then_some((&row[..at], index))
}

fn cuts(value: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    if value.len() < WHOLE_BELOW || walk(value, &mut 0, 0, &mut found).is_none() {
        return Vec::new();
    }
    let mut last = 0;
    found.retain(|&cut| {
        let keep = cut >= last + PIECE_AT_LEAST && cut < value.len();
        if keep {
            last = cut;
        }
        keep
    });
    found
}

/// Step over one CBOR item of our own writing, noting where it may be cut. `None` if it is not CBOR after all.
fn walk(value: &[u8], at: &mut usize, depth: usize, found: &mut Vec<usize>) -> Option<()> {
    let first = *value.get(*at)?;
    *at += 1;
    let argument = match first & 31 {
        short @ 0..=23 => usize::from(short),
        wide @ 24..=27 => {
            let width = 1 << (wide - 24);
            let bytes = value.get(*at..*at + width)?;
            *at += width;
            bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
        }
        _ => return None,
    };
    match first >> 5 {
        2 | 3 => *at = at.checked_add(argument)?,
        4 => {
            let long = argument >= LONG_ARRAY;
            for index in 0..argument {
                let start = *at;
                walk(value, at, depth + 1, found)?;
                let due = long && (index % ELEMENTS == ELEMENTS - 1 || index + 1 == argument);
                if depth <= DEPTH && (due || *at - start > BIG_ELEMENT) {
                    found.push(*at);
                }
            }
        }
        5 => {
            for _ in 0..argument {
                walk(value, at, depth + 1, found)?;
                walk(value, at, depth + 1, found)?;
            }
        }
        6 => walk(value, at, depth, found)?,
        _ => (),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::encode;

    fn leaves(count: usize) -> Vec<(u32, Vec<u8>)> {
        (0..count as u32).map(|index| (index, vec![index as u8; 500])).collect()
    }

    #[test]
    fn a_short_row_is_one_piece() {
        assert_eq!(split(encode(&leaves(20)).unwrap()).len(), 1);
    }

    #[test]
    fn a_long_row_is_cut_and_joins_to_what_it_was() {
        let whole = encode(&(1u64, leaves(1000), "tail")).unwrap();
        let pieces = split(whole.clone());
        assert!(pieces.len() > 50);
        assert!(pieces.iter().all(|piece| piece.len() < WHOLE_BELOW));
        assert_eq!(join(&pieces), whole);
    }

    #[test]
    fn a_change_in_one_element_touches_one_piece() {
        let mut changed = leaves(1000);
        let before = split(encode(&changed).unwrap());
        changed[500].1 = vec![9; 500];
        let after = split(encode(&changed).unwrap());
        assert_eq!(before.iter().zip(&after).filter(|(old, new)| old != new).count(), 1);
        assert_eq!(before.len(), after.len());
    }

    #[test]
    fn bytes_that_are_no_cbor_stay_whole() {
        assert_eq!(split(Zeroizing::new(vec![0xff; 40_000])).len(), 1);
        assert_eq!(split(Zeroizing::new(vec![0x9b; 40_000])).len(), 1);
    }

    #[test]
    fn row_keys_parse_back_and_foreign_ones_do_not() {
        for index in [0, 1, 16, 9_999, 0x123_4567] {
            assert_eq!(parse_row_key(&row_key(b"tree", index)), Some((&b"tree"[..], index)));
        }
        for foreign in ["tree#", "tree#1", "tree#000000", "tree#00000g", "tree#+00001", "tree#00000A", "tree#000001#"] {
            assert_eq!(parse_row_key(foreign.as_bytes()), None, "{foreign}");
        }
    }
}
