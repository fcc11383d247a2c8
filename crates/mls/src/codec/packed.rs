//! A CBOR writer: what ciborium writes, except that a sequence whose elements are of type u8 becomes a byte string.
//!
//! serde hands `Vec<u8>` over as a sequence of integers, which costs half of a row. The type decides, never the values,
//! and ciborium's reader takes a byte string wherever a sequence is asked for.

use serde::ser::{self, Serialize};

use super::buffer::Buffer;
use super::byte::ByteProbe;
use super::CodecError;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;

fn head(out: &mut Buffer, major: u8, argument: u64) {
    let major = major << 5;
    match argument {
        0..=23 => out.push(major | argument as u8),
        24..=0xff => out.extend(&[major | 24, argument as u8]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend(&(argument as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend(&(argument as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend(&argument.to_be_bytes());
        }
    }
}

pub struct Writer<'a> {
    pub out: &'a mut Buffer,
}

/// A sequence under way. It begins as a byte string and is rewritten as an array at the first element that is no u8.
pub struct Sequence<'a> {
    out: &'a mut Buffer,
    length: usize,
    head_at: usize,
    body_at: usize,
    bytes: bool,
}

impl<'a> Sequence<'a> {
    fn new(out: &'a mut Buffer, length: usize) -> Self {
        let bytes = length > 0;
        let head_at = out.len();
        head(out, if bytes { BYTES } else { ARRAY }, length as u64);
        let body_at = out.len();
        Sequence { out, length, head_at, body_at, bytes }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        if self.bytes {
            if let Ok(byte) = value.serialize(ByteProbe) {
                self.out.push(byte);
                return Ok(());
            }
            self.bytes = false;
            let so_far = self.out.take_from(self.body_at);
            self.out.take_from(self.head_at);
            head(self.out, ARRAY, self.length as u64);
            for byte in so_far.iter() {
                head(self.out, UNSIGNED, u64::from(*byte));
            }
        }
        value.serialize(Writer { out: self.out })
    }
}

pub struct Entries<'a> {
    out: &'a mut Buffer,
}

macro_rules! integers {
    ($($method:ident $kind:ty;)*) => {
        $(fn $method(self, value: $kind) -> Result<(), CodecError> {
            let value = i128::from(value);
            if value >= 0 {
                head(self.out, UNSIGNED, value as u64);
            } else {
                head(self.out, NEGATIVE, (-1 - value) as u64);
            }
            Ok(())
        })*
    };
}

fn known(length: Option<usize>) -> Result<usize, CodecError> {
    length.ok_or_else(|| CodecError("a collection of unknown length".into()))
}

impl<'a> ser::Serializer for Writer<'a> {
    type Ok = ();
    type Error = CodecError;
    type SerializeSeq = Sequence<'a>;
    type SerializeTuple = Sequence<'a>;
    type SerializeTupleStruct = Sequence<'a>;
    type SerializeTupleVariant = Sequence<'a>;
    type SerializeMap = Entries<'a>;
    type SerializeStruct = Entries<'a>;
    type SerializeStructVariant = Entries<'a>;

    integers! {
        serialize_i8 i8;
        serialize_i16 i16;
        serialize_i32 i32;
        serialize_i64 i64;
        serialize_u8 u8;
        serialize_u16 u16;
        serialize_u32 u32;
        serialize_u64 u64;
    }

    fn serialize_bool(self, value: bool) -> Result<(), CodecError> {
        self.out.push(if value { 0xf5 } else { 0xf4 });
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), CodecError> {
        self.serialize_f64(f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Result<(), CodecError> {
        self.out.push(0xfb);
        self.out.extend(&value.to_be_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), CodecError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), CodecError> {
        head(self.out, TEXT, value.len() as u64);
        self.out.extend(value.as_bytes());
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), CodecError> {
        head(self.out, BYTES, value.len() as u64);
        self.out.extend(value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), CodecError> {
        self.out.push(0xf6);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), CodecError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), CodecError> {
        self.serialize_none()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), CodecError> {
        self.serialize_none()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), CodecError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), CodecError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), CodecError> {
        value.serialize(self.tagged(variant)?)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Sequence<'a>, CodecError> {
        Ok(Sequence::new(self.out, known(length)?))
    }

    fn serialize_tuple(self, length: usize) -> Result<Sequence<'a>, CodecError> {
        Ok(Sequence::new(self.out, length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Sequence<'a>, CodecError> {
        Ok(Sequence::new(self.out, length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Sequence<'a>, CodecError> {
        Ok(Sequence::new(self.tagged(variant)?.out, length))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Entries<'a>, CodecError> {
        head(self.out, MAP, known(length)? as u64);
        Ok(Entries { out: self.out })
    }

    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Entries<'a>, CodecError> {
        self.serialize_map(Some(length))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Entries<'a>, CodecError> {
        self.tagged(variant)?.serialize_map(Some(length))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl<'a> Writer<'a> {
    /// An enum's variant that has content: a map of one entry, from its name.
    fn tagged(self, variant: &'static str) -> Result<Writer<'a>, CodecError> {
        head(self.out, MAP, 1);
        ser::Serializer::serialize_str(Writer { out: self.out }, variant)?;
        Ok(Writer { out: self.out })
    }
}

macro_rules! sequences {
    ($($kind:ident $method:ident;)*) => {
        $(impl ser::$kind for Sequence<'_> {
            type Ok = ();
            type Error = CodecError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
                self.element(value)
            }

            fn end(self) -> Result<(), CodecError> {
                Ok(())
            }
        })*
    };
}

sequences! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

impl ser::SerializeMap for Entries<'_> {
    type Ok = ();
    type Error = CodecError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), CodecError> {
        key.serialize(Writer { out: self.out })
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        value.serialize(Writer { out: self.out })
    }

    fn end(self) -> Result<(), CodecError> {
        Ok(())
    }
}

macro_rules! structs {
    ($($kind:ident;)*) => {
        $(impl ser::$kind for Entries<'_> {
            type Ok = ();
            type Error = CodecError;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), CodecError> {
                name.serialize(Writer { out: self.out })?;
                value.serialize(Writer { out: self.out })
            }

            fn end(self) -> Result<(), CodecError> {
                Ok(())
            }
        })*
    };
}

structs! {
    SerializeStruct;
    SerializeStructVariant;
}
