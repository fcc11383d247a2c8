//! HPKE base mode (RFC 9180 §6.1) with X-Wing, HKDF-SHA256 and ChaCha20-Poly1305, for inbox entries.

use std::sync::OnceLock;

use openmls_libcrux_crypto::CryptoProvider;
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::types::{HpkeCiphertext, HpkeConfig};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use zeroize::Zeroizing;

use crate::error::{Code, Refusal, Result};
use crate::guard::caught;
use crate::profile::{suite, XWING};

const SEED: usize = 32;
const PUBLIC: usize = 1216;
const ENC: usize = 1120;
const TAG: usize = 16;

fn provider() -> Result<&'static CryptoProvider> {
    static PROVIDER: OnceLock<Option<CryptoProvider>> = OnceLock::new();
    PROVIDER
        .get_or_init(|| CryptoProvider::new().ok())
        .as_ref()
        .ok_or_else(|| Refusal::new(Code::Internal, "no system randomness"))
}

fn config() -> Result<HpkeConfig> {
    Ok(suite(XWING)?.hpke_config())
}

fn keypair(seed: &[u8]) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>)> {
    if seed.len() != SEED {
        return Err(Refusal::new(Code::Malformed, "an X-Wing seed has 32 bytes"));
    }
    let pair = provider()?.derive_hpke_keypair(config()?, seed).map_err(|error| Refusal::new(Code::Internal, error))?;
    Ok((Zeroizing::new(pair.private.to_vec()), pair.public))
}

fn seal(public: &[u8], info: &[u8], aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>> {
    if public.len() != PUBLIC {
        return Err(Refusal::new(Code::Malformed, "an X-Wing public key has 1,216 bytes"));
    }
    let sealed = provider()?
        .hpke_seal(config()?, public, info, aad, plaintext)
        .map_err(|error| Refusal::new(Code::Malformed, error))?;
    Ok([sealed.kem_output.as_slice(), sealed.ciphertext.as_slice()].concat())
}

fn open(private: &[u8], info: &[u8], aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    if private.len() != SEED {
        return Err(Refusal::new(Code::Malformed, "an X-Wing private key has 32 bytes"));
    }
    if sealed.len() < ENC + TAG {
        return Err(Refusal::new(Code::Malformed, "shorter than an encapsulation and a tag"));
    }
    let (enc, ciphertext) = sealed.split_at(ENC);
    let input = HpkeCiphertext { kem_output: enc.to_vec().into(), ciphertext: ciphertext.to_vec().into() };
    provider()?
        .hpke_open(config()?, &input, private, info, aad)
        .map(Zeroizing::new)
        .map_err(|_| Refusal::new(Code::CannotDecrypt, "not sealed to this key, or altered"))
}

#[pyfunction]
pub fn hpke_keypair<'py>(py: Python<'py>, seed: &[u8]) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
    let (private, public) = py.detach(|| caught(|| keypair(seed)))?;
    Ok((PyBytes::new(py, &private), PyBytes::new(py, &public)))
}

#[pyfunction]
pub fn hpke_seal<'py>(
    py: Python<'py>,
    public: &[u8],
    info: &[u8],
    aad: &[u8],
    plaintext: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let sealed = py.detach(|| caught(|| seal(public, info, aad, plaintext)))?;
    Ok(PyBytes::new(py, &sealed))
}

#[pyfunction]
pub fn hpke_open<'py>(
    py: Python<'py>,
    private: &[u8],
    info: &[u8],
    aad: &[u8],
    sealed: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let plaintext = py.detach(|| caught(|| open(private, info, aad, sealed)))?;
    Ok(PyBytes::new(py, &plaintext))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Agrees with the ML-KEM of another library. hpke-rs after 0.7.0 derives otherwise: then every stored key would be lost.
    #[test]
    fn xwing_key_derivation_is_the_one_that_was_pinned() {
        let seed: Vec<u8> = (0..32).collect();
        let (private, public) = keypair(&seed).unwrap();
        assert_eq!(hex(&private), "69f07c8840ce80024db30939882c3d5bbc9c98b3e31e4513ebd2ca9b4503cdd3");
        let digest = provider().unwrap().hash(openmls_traits::types::HashType::Sha2_256, &public).unwrap();
        assert_eq!(hex(&digest), "e735f8e75ba7883aae5d6456ae03c14086b769d73502147370f2963b397e4d4a");
    }

    #[test]
    fn sealed_opens_only_with_the_same_key_info_and_aad() {
        let (private, public) = keypair(&[7; 32]).unwrap();
        let (other, _) = keypair(&[8; 32]).unwrap();
        let sealed = seal(&public, b"info", b"aad", b"text").unwrap();
        assert_eq!(sealed.len(), ENC + 4 + TAG);
        assert_eq!(*open(&private, b"info", b"aad", &sealed).unwrap(), b"text");
        let refused = [(&other, "info", "aad"), (&private, "", "aad"), (&private, "info", "")];
        for (key, info, aad) in refused {
            let refusal = open(key, info.as_bytes(), aad.as_bytes(), &sealed).unwrap_err();
            assert_eq!(refusal.code, Code::CannotDecrypt);
        }
    }

    #[test]
    fn keys_and_ciphertexts_of_another_length_are_malformed() {
        assert_eq!(keypair(&[0; 31]).unwrap_err().code, Code::Malformed);
        assert_eq!(seal(&[0; 1215], b"", b"", b"").unwrap_err().code, Code::Malformed);
        assert_eq!(open(&[0; 32], b"", b"", &[0; ENC + TAG - 1]).unwrap_err().code, Code::Malformed);
        assert_eq!(open(&[0; 33], b"", b"", &[0; ENC + TAG]).unwrap_err().code, Code::Malformed);
    }
}
