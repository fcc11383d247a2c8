//! The outer TLS structures that can be read or cut without any key: PrivateMessage (RFC 9420 §6.3), Welcome (§12.4.3.1).
//!
//! OpenMLS keeps these fields private, so they are spelled out here. Everything they say is unauthenticated.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tls_codec::{Serialize, TlsDeserializeBytes, TlsSerialize, TlsSize, VLBytes};

use crate::error::{Code, Refusal, Result};
use crate::guard::decode_untrusted;

const MLS10: u16 = 1;
const PRIVATE_MESSAGE: u16 = 2;
const WELCOME: u16 = 3;

#[derive(TlsDeserializeBytes, TlsSerialize, TlsSize)]
struct PrivateMessageWire {
    version: u16,
    wire_format: u16,
    group_id: VLBytes,
    epoch: u64,
    content_type: u8,
    authenticated_data: VLBytes,
    encrypted_sender_data: VLBytes,
    ciphertext: VLBytes,
}

#[derive(TlsDeserializeBytes, TlsSerialize, TlsSize)]
struct WelcomeWire {
    version: u16,
    wire_format: u16,
    cipher_suite: u16,
    secrets: Vec<EncryptedGroupSecrets>,
    encrypted_group_info: VLBytes,
}

#[derive(Debug, TlsDeserializeBytes, TlsSerialize, TlsSize)]
struct EncryptedGroupSecrets {
    new_member: VLBytes,
    kem_output: VLBytes,
    ciphertext: VLBytes,
}

#[pyclass(frozen, get_all, module = "coterie_mls")]
pub struct Envelope {
    pub group_id: Vec<u8>,
    pub epoch: u64,
    pub content: &'static str,
    pub aad: Vec<u8>,
}

/// Decode the outside of a PrivateMessage. Everything else, PublicMessage included, is malformed here: Coterie has none.
pub fn decode_private_untrusted(message: &[u8]) -> Result<Envelope> {
    let outside: PrivateMessageWire = decode_untrusted(message, Code::Malformed, "a whole PrivateMessage")?;
    if outside.version != MLS10 || outside.wire_format != PRIVATE_MESSAGE {
        return Err(Refusal::new(Code::Malformed, "not a PrivateMessage of MLS 1.0"));
    }
    let content = match outside.content_type {
        1 => "application",
        2 => "proposal",
        3 => "commit",
        _ => return Err(Refusal::new(Code::Malformed, "unknown content type")),
    };
    Ok(Envelope {
        group_id: outside.group_id.into(),
        epoch: outside.epoch,
        content,
        aad: outside.authenticated_data.into(),
    })
}

pub fn cut(welcome: &[u8], hash_ref: &[u8]) -> Result<Vec<u8>> {
    let mut whole: WelcomeWire = decode_untrusted(welcome, Code::Malformed, "a whole Welcome")?;
    if whole.version != MLS10 || whole.wire_format != WELCOME {
        return Err(Refusal::new(Code::Malformed, "not a Welcome of MLS 1.0"));
    }
    whole.secrets.retain(|secret| secret.new_member.as_slice() == hash_ref);
    if whole.secrets.is_empty() {
        return Err(Refusal::new(Code::NoKeyPackage, "the Welcome is not for this key package"));
    }
    whole.tls_serialize_detached().map_err(|error| Refusal::new(Code::Internal, error))
}

#[pyfunction]
pub fn peek(message: &[u8]) -> PyResult<Envelope> {
    Ok(decode_private_untrusted(message)?)
}

#[pyfunction]
pub fn cut_welcome<'py>(py: Python<'py>, welcome: &[u8], hash_ref: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &cut(welcome, hash_ref)?))
}
