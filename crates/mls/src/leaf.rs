//! A leaf as the caller must check it: index, credential, signature key (RFC 9420 §5.3.1 leaves that to the application).

use openmls::prelude::*;
use pyo3::prelude::*;

use crate::error::{Code, Refusal, Result};

#[pyclass(frozen, get_all, eq, hash, module = "coterie_mls")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Leaf {
    pub index: u32,
    pub credential: Vec<u8>,
    pub signature_key: Vec<u8>,
}

#[pymethods]
impl Leaf {
    fn __repr__(&self) -> String {
        format!("Leaf(index={})", self.index)
    }
}

impl From<Member> for Leaf {
    fn from(member: Member) -> Self {
        Leaf {
            index: member.index.u32(),
            credential: member.credential.serialized_content().to_vec(),
            signature_key: member.signature_key,
        }
    }
}

impl Leaf {
    pub fn of_node(index: u32, node: &LeafNode) -> Self {
        Leaf {
            index,
            credential: node.credential().serialized_content().to_vec(),
            signature_key: node.signature_key().as_slice().to_vec(),
        }
    }
}

pub fn member(group: &MlsGroup, index: LeafNodeIndex) -> Result<Leaf> {
    group
        .member_at(index)
        .map(Leaf::from)
        .ok_or_else(|| Refusal::new(Code::NotAMember, "no member has this leaf index"))
}

/// The member a message claims, and OpenMLS verified, as its sender. Only members speak in a Coterie group.
pub fn sender(group: &MlsGroup, sender: &Sender) -> Result<Leaf> {
    match sender {
        Sender::Member(index) => member(group, *index),
        _ => Err(Refusal::new(Code::UnknownSender, "the sender is not a member")),
    }
}
