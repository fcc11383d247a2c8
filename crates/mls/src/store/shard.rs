//! One scope's values, and how to get back: to the state before a call (`save`, `restore`) and to the last `take`.
//!
//! What must be written is not journalled but computed: the difference between a value as it was at the last `take` and
//! as it is now. So the writes fold to one per row, and a row that came and went in between is never written at all.

use std::collections::{BTreeMap, HashMap};

use zeroize::Zeroizing;

use super::piece::{join, parse_row_key, row_key, split, Piece};
use crate::codec::CodecError;

/// A row to store; without a piece, to delete.
pub type Write = (Vec<u8>, Option<Piece>);

type Value = Vec<Piece>;
type Undo = BTreeMap<Vec<u8>, Option<Value>>;

#[derive(Default)]
pub struct Shard {
    values: HashMap<Vec<u8>, Value>,
    /// Values as they were at the last `take`, of the keys that changed since.
    taken: Undo,
    /// Values as they were at `save`, of the keys that changed since; `None` outside a call.
    saved: Option<Undo>,
    stored: bool,
}

impl Shard {
    /// From stored rows, in any order. A row twice, or a piece missing in between, is an error.
    pub fn from_rows<K: AsRef<[u8]>, V: AsRef<[u8]>>(rows: &[(K, V)]) -> Result<Self, CodecError> {
        let mut sorted = BTreeMap::new();
        for (row, content) in rows {
            let (key, index) =
                parse_row_key(row.as_ref()).ok_or_else(|| CodecError("a row key of another kind".into()))?;
            if sorted.insert((key, index), content.as_ref()).is_some() {
                return Err(CodecError("the same row twice".into()));
            }
        }
        let mut shard = Shard { stored: true, ..Shard::default() };
        for ((key, index), content) in sorted {
            let value = shard.values.entry(key.to_vec()).or_default();
            if index != value.len() {
                return Err(CodecError("a piece of a row is missing".into()));
            }
            value.push(Piece::new(Zeroizing::new(content.to_vec())));
        }
        Ok(shard)
    }

    /// Whether the rows were ever handed over or came from storage: without that there is nothing to roll back to.
    pub fn stored(&self) -> bool {
        self.stored
    }

    pub fn get(&self, key: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.values.get(key).map(|pieces| join(pieces))
    }

    pub fn put(&mut self, key: Vec<u8>, value: Zeroizing<Vec<u8>>) {
        self.set(key, Some(split(value)));
    }

    pub fn delete(&mut self, key: Vec<u8>) {
        self.set(key, None);
    }

    fn set(&mut self, key: Vec<u8>, value: Option<Value>) {
        let old = match value {
            Some(value) => self.values.insert(key.clone(), value),
            None => self.values.remove(&key),
        };
        self.saved.as_mut().unwrap_or(&mut self.taken).entry(key).or_insert(old);
    }

    /// Begin a call that may fail.
    pub fn save(&mut self) {
        self.release();
        self.saved = Some(Undo::new());
    }

    /// The call succeeded.
    pub fn release(&mut self) {
        for (key, old) in self.saved.take().unwrap_or_default() {
            self.taken.entry(key).or_insert(old);
        }
    }

    /// The call failed: as at `save`. Tells whether anything had changed.
    pub fn restore(&mut self) -> bool {
        let saved = self.saved.take().unwrap_or_default();
        let changed = !saved.is_empty();
        self.undo(saved);
        changed
    }

    /// What changed since the last call, by row, in key order.
    pub fn take(&mut self) -> Vec<Write> {
        self.release();
        self.stored = true;
        let mut writes = BTreeMap::new();
        for (key, old) in std::mem::take(&mut self.taken) {
            let old = old.unwrap_or_default();
            let new = self.values.get(&key).map(Vec::as_slice).unwrap_or_default();
            for (index, piece) in new.iter().enumerate() {
                if old.get(index) != Some(piece) {
                    writes.insert(row_key(&key, index), Some(piece.clone()));
                }
            }
            for index in new.len()..old.len() {
                writes.insert(row_key(&key, index), None);
            }
        }
        writes.into_iter().collect()
    }

    /// As at the last `take`.
    pub fn rollback(&mut self) {
        self.restore();
        let taken = std::mem::take(&mut self.taken);
        self.undo(taken);
    }

    fn undo(&mut self, old: Undo) {
        for (key, value) in old {
            match value {
                Some(value) => self.values.insert(key, value),
                None => self.values.remove(&key),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(text.as_bytes().to_vec())
    }

    fn put(shard: &mut Shard, key: &str, value: &str) {
        shard.put(key.into(), bytes(value));
    }

    fn get(shard: &Shard, key: &str) -> Option<String> {
        shard.get(key.as_bytes()).map(|value| String::from_utf8(value.to_vec()).unwrap())
    }

    fn taken(shard: &mut Shard) -> Vec<(String, Option<String>)> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        shard.take().iter().map(|(key, piece)| (text(key), piece.as_ref().map(|piece| text(piece)))).collect()
    }

    #[test]
    fn writes_fold_to_the_last_per_key_in_key_order() {
        let mut shard = Shard::default();
        put(&mut shard, "b", "1");
        put(&mut shard, "a", "1");
        put(&mut shard, "b", "2");
        assert_eq!(taken(&mut shard), [("a".into(), Some("1".into())), ("b".into(), Some("2".into()))]);
        assert_eq!(taken(&mut shard), []);
    }

    #[test]
    fn a_deleted_row_is_a_write_and_a_row_that_never_was_stored_is_none() {
        let mut shard = Shard::default();
        put(&mut shard, "a", "1");
        shard.take();
        shard.delete(b"a".to_vec());
        put(&mut shard, "b", "1");
        shard.delete(b"b".to_vec());
        assert_eq!(taken(&mut shard), [("a".into(), None)]);
    }

    #[test]
    fn a_value_back_to_what_it_was_writes_nothing() {
        let mut shard = Shard::default();
        put(&mut shard, "a", "1");
        shard.take();
        put(&mut shard, "a", "2");
        put(&mut shard, "a", "1");
        assert_eq!(taken(&mut shard), []);
    }

    #[test]
    fn rollback_returns_to_the_last_take() {
        let mut shard = Shard::default();
        put(&mut shard, "a", "1");
        shard.take();
        put(&mut shard, "a", "2");
        put(&mut shard, "b", "1");
        shard.rollback();
        assert_eq!((get(&shard, "a"), get(&shard, "b")), (Some("1".into()), None));
        assert_eq!(taken(&mut shard), []);
    }

    #[test]
    fn a_failed_call_is_undone_without_losing_what_was_not_yet_taken() {
        let mut shard = Shard::default();
        put(&mut shard, "a", "1");
        shard.save();
        put(&mut shard, "a", "2");
        shard.delete(b"a".to_vec());
        put(&mut shard, "b", "1");
        assert!(shard.restore());
        assert_eq!((get(&shard, "a"), get(&shard, "b")), (Some("1".into()), None));
        assert_eq!(taken(&mut shard), [("a".into(), Some("1".into()))]);
    }

    #[test]
    fn a_call_that_succeeded_is_rolled_back_with_the_rest() {
        let mut shard = Shard::default();
        put(&mut shard, "a", "1");
        shard.take();
        shard.save();
        put(&mut shard, "a", "2");
        shard.release();
        shard.save();
        assert!(!shard.restore());
        shard.rollback();
        assert_eq!(get(&shard, "a"), Some("1".into()));
    }

    #[test]
    fn a_long_value_that_shrinks_deletes_its_last_pieces() {
        let mut shard = Shard::default();
        let long = crate::codec::encode(&vec![vec![7u8; 500]; 200]).unwrap();
        shard.put(b"tree".to_vec(), long.clone());
        let rows = shard.take();
        assert!(rows.len() > 5);
        put(&mut shard, "tree", "short");
        let writes = shard.take();
        assert_eq!(writes.iter().filter(|(_, piece)| piece.is_none()).count(), rows.len() - 1);
    }

    #[test]
    fn rows_come_back_in_any_order_and_holes_are_refused() {
        let mut shard = Shard::default();
        let long = crate::codec::encode(&vec![vec![7u8; 500]; 200]).unwrap();
        shard.put(b"tree".to_vec(), long.clone());
        put(&mut shard, "tag", "x");
        let mut rows: Vec<(Vec<u8>, Vec<u8>)> =
            shard.take().into_iter().map(|(key, piece)| (key, piece.unwrap().to_vec())).collect();
        rows.reverse();
        let loaded = Shard::from_rows(&rows).unwrap();
        assert_eq!(loaded.get(b"tree"), Some(long));
        assert!(loaded.stored());

        rows.push(rows[0].clone());
        assert!(Shard::from_rows(&rows).is_err());
        rows.pop();
        let hole = rows.iter().position(|(key, _)| key.ends_with(b"#000002")).unwrap();
        rows.remove(hole);
        assert!(Shard::from_rows(&rows).is_err());
    }
}
