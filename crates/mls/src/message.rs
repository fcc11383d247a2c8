//! What a message turned out to be, and what it takes to prove it to an outsider.

use pyo3::prelude::*;

use crate::leaf::Leaf;

#[pyclass(frozen, get_all, module = "coterie_mls")]
#[derive(Clone)]
pub struct Evidence {
    pub tbs: Vec<u8>,
    pub key: Vec<u8>,
    pub signature: Vec<u8>,
}

#[pyclass(frozen, get_all, module = "coterie_mls")]
pub struct Application {
    pub sender: Leaf,
    pub epoch: u64,
    pub aad: Vec<u8>,
    pub plaintext: Vec<u8>,
    pub evidence: Evidence,
}

#[pyclass(frozen, get_all, module = "coterie_mls")]
pub struct Proposal {
    pub sender: Leaf,
    pub aad: Vec<u8>,
    pub kind: &'static str,
}

#[pyclass(frozen, get_all, module = "coterie_mls")]
pub struct Own {
    pub epoch: u64,
    pub content: &'static str,
}

#[pyclass(frozen, get_all, module = "coterie_mls")]
pub struct Encrypted {
    pub wire: Vec<u8>,
    pub evidence: Evidence,
}
