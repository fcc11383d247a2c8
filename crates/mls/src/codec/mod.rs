//! Rows are CBOR (RFC 8949). Written by `packed`, which turns sequences of u8 into byte strings; read by ciborium.

mod buffer;
mod byte;
mod packed;

use serde::de::DeserializeOwned;
use serde::Serialize;
use zeroize::Zeroizing;

/// A row that cannot be written or read. Says what serde said: names of fields, never their content.
#[derive(Debug, PartialEq, Clone)]
pub struct CodecError(pub String);

impl std::fmt::Display for CodecError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CodecError {}

impl serde::ser::Error for CodecError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        CodecError(message.to_string())
    }
}

pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Zeroizing<Vec<u8>>, CodecError> {
    let mut out = buffer::Buffer::default();
    value.serialize(packed::Writer { out: &mut out })?;
    Ok(out.into_bytes())
}

/// Decode one value that fills `bytes` exactly.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let mut rest = bytes;
    let value = ciborium::from_reader(&mut rest).map_err(|error| match error {
        ciborium::de::Error::Io(_) => CodecError("the row ends too early".into()),
        ciborium::de::Error::Syntax(offset) => CodecError(format!("no CBOR at byte {offset}")),
        ciborium::de::Error::Semantic(..) => CodecError("CBOR of another shape".into()),
        ciborium::de::Error::RecursionLimitExceeded => CodecError("nested too deep".into()),
    })?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(CodecError("bytes after the value".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    enum Kind {
        Unit,
        Newtype(Vec<u8>),
        Tuple(u8, u64),
        Struct { key: [u8; 4], next: Option<Box<Kind>> },
    }

    fn round_trip<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: T) -> Vec<u8> {
        let bytes = encode(&value).unwrap();
        assert_eq!(decode::<T>(&bytes).unwrap(), value);
        bytes.to_vec()
    }

    #[test]
    fn a_sequence_of_u8_becomes_a_byte_string_whatever_its_values() {
        assert_eq!(round_trip(vec![1u8, 2, 255]), [0x43, 1, 2, 255]);
        assert_eq!(round_trip([7u8; 2]), [0x42, 7, 7]);
    }

    #[test]
    fn small_integers_of_another_type_stay_an_array() {
        assert_eq!(round_trip(vec![1u32, 2]), [0x82, 1, 2]);
    }

    #[test]
    fn a_tuple_that_only_begins_with_u8_falls_back_to_an_array() {
        assert_eq!(round_trip((200u8, 3u8, "x".to_string())), [0x83, 0x18, 200, 3, 0x61, b'x']);
    }

    #[test]
    fn empty_and_missing_and_negative_values_come_back() {
        round_trip(Vec::<u8>::new());
        round_trip(Vec::<Option<Vec<u8>>>::from([None, Some(vec![]), Some(vec![0; 300])]));
        round_trip((-1i64, i64::MIN, u64::MAX, true, 'ß'));
    }

    #[test]
    fn every_shape_of_enum_comes_back() {
        round_trip(vec![
            Kind::Unit,
            Kind::Newtype(vec![0; 70_000]),
            Kind::Tuple(3, 5_000_000_000),
            Kind::Struct { key: [1, 2, 3, 4], next: Some(Box::new(Kind::Unit)) },
        ]);
    }

    #[test]
    fn a_row_that_is_cut_or_has_a_tail_is_an_error() {
        let bytes = encode(&vec![vec![1u8, 2, 3], vec![4]]).unwrap().to_vec();
        for end in 0..bytes.len() {
            assert!(decode::<Vec<Vec<u8>>>(&bytes[..end]).is_err(), "accepted {end} bytes");
        }
        assert!(decode::<Vec<Vec<u8>>>(&[bytes, vec![0]].concat()).is_err());
    }
}
