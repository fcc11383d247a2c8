//! Key packages: making, reading, checking (RFC 9420 §10).

use openmls::prelude::tls_codec::{DeserializeBytes as _, Serialize as _, VLBytes};
use openmls::prelude::{KeyPackage as MlsKeyPackage, *};
use openmls_libcrux_crypto::CryptoProvider;
use openmls_traits::storage::StorageProvider as _;
use pyo3::prelude::*;

use crate::client::Identity;
use crate::crypto::{Provider, Tap};
use crate::error::{Code, Refusal, Result};
use crate::guard::{caught, decode_untrusted};
use crate::profile;
use crate::store::Store;

#[pyclass(frozen, get_all, module = "coterie_mls")]
pub struct KeyPackage {
    pub wire: Vec<u8>,
    pub suite: u16,
    pub credential: Vec<u8>,
    pub signature_key: Vec<u8>,
    pub hash_ref: Vec<u8>,
    pub last_resort: bool,
    pub not_before: u64,
    pub not_after: u64,
}

impl KeyPackage {
    fn of(wire: Vec<u8>, package: &MlsKeyPackage, tap: &Tap<'_>) -> Result<Self> {
        Ok(KeyPackage {
            wire,
            suite: package.ciphersuite().into(),
            credential: package.leaf_node().credential().serialized_content().to_vec(),
            signature_key: package.leaf_node().signature_key().as_slice().to_vec(),
            hash_ref: package.hash_ref(tap)?.as_slice().to_vec(),
            last_resort: package.last_resort(),
            not_before: package.life_time().not_before(),
            not_after: package.life_time().not_after(),
        })
    }
}

/// Decode and verify, all but the credential, which only the caller can judge.
pub fn decode_package_untrusted(wire: &[u8], tap: &Tap<'_>) -> Result<MlsKeyPackage> {
    let message: MlsMessageIn = decode_untrusted(wire, Code::Malformed, "an MLSMessage")?;
    let MlsMessageBodyIn::KeyPackage(unverified) = message.extract() else {
        return Err(Refusal::new(Code::Malformed, "another MLSMessage than a key package"));
    };
    let package = caught(|| Ok(unverified.validate(tap, ProtocolVersion::Mls10)?))
        .map_err(|refusal| Refusal::new(Code::BadKeyPackage, refusal.reason()))?;
    profile::suite(package.ciphersuite().into())
        .map_err(|refusal| Refusal::new(Code::BadKeyPackage, refusal.reason()))?;
    if package.leaf_node().credential().credential_type() != profile::credential_type() {
        return Err(Refusal::new(Code::BadKeyPackage, "the credential is of another type"));
    }
    Ok(package)
}

/// For a commit: also of the group's suite and of a lifetime that no receiver's clock can end.
pub fn decode_to_add_untrusted(wire: &[u8], suite: Ciphersuite, tap: &Tap<'_>) -> Result<MlsKeyPackage> {
    let package = decode_package_untrusted(wire, tap)?;
    if package.ciphersuite() != suite {
        return Err(Refusal::new(Code::Unsupported, "the key package is of another suite than the group"));
    }
    let lifetime = package.life_time();
    if lifetime.not_before() != 0 || lifetime.not_after() < profile::NOT_AFTER {
        return Err(Refusal::new(Code::BadKeyPackage, "the lifetime ends; receivers would refuse the commit one day"));
    }
    Ok(package)
}

pub fn make(identity: &Identity, suite: u16, last_resort: bool) -> Result<KeyPackage> {
    let tap = Tap::on(&identity.crypto);
    let store = Store::for_group(&identity.shard, Default::default());
    let mut builder = MlsKeyPackage::builder()
        .leaf_node_capabilities(profile::capabilities()?)
        .key_package_lifetime(profile::lifetime());
    if last_resort {
        builder = builder.mark_as_last_resort();
    }
    let bundle = builder.build(
        profile::suite(suite)?,
        &Provider { tap: &tap, store: &store },
        &identity.key.signer(&tap),
        identity.credential.clone(),
    )?;
    let package = bundle.into_key_package();
    let wire = MlsMessageOut::from(package.clone()).to_bytes().map_err(|error| Refusal::new(Code::Internal, error))?;
    KeyPackage::of(wire, &package, &tap)
}

pub fn forget(identity: &Identity, hash_ref: &[u8]) -> Result<()> {
    let encoded = VLBytes::new(hash_ref.to_vec())
        .tls_serialize_detached()
        .and_then(|bytes| KeyPackageRef::tls_deserialize_exact_bytes(&bytes))
        .map_err(|error| Refusal::new(Code::Malformed, error))?;
    Store::for_group(&identity.shard, Default::default()).delete_key_package(&encoded)?;
    Ok(())
}

#[pyfunction]
pub fn parse_key_package(py: Python<'_>, wire: &[u8]) -> PyResult<KeyPackage> {
    let package = py.detach(|| {
        caught(|| {
            let provider = CryptoProvider::new().map_err(|error| Refusal::new(Code::Internal, error))?;
            let tap = Tap::on(&provider);
            let package = decode_package_untrusted(wire, &tap)?;
            KeyPackage::of(wire.to_vec(), &package, &tap)
        })
    })?;
    Ok(package)
}
