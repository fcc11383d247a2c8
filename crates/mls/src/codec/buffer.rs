//! A growing buffer that wipes what it outgrows: rows hold ratchet secrets, and `Vec` leaves copies behind when it moves.

use zeroize::Zeroizing;

#[derive(Default)]
pub struct Buffer(Zeroizing<Vec<u8>>);

impl Buffer {
    pub fn extend(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut wider = Zeroizing::new(Vec::with_capacity(needed.max(2 * self.0.capacity()).max(1024)));
            wider.extend_from_slice(&self.0);
            self.0 = wider;
        }
        self.0.extend_from_slice(bytes);
    }

    pub fn push(&mut self, byte: u8) {
        self.extend(&[byte]);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// What was written from `start` on, taken back out.
    pub fn take_from(&mut self, start: usize) -> Zeroizing<Vec<u8>> {
        let tail = Zeroizing::new(self.0[start..].to_vec());
        self.0.truncate(start);
        tail
    }

    pub fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}
