//! The libcrux provider as OpenMLS sees it, with a tap on signatures, and the leaf key that signs.
//!
//! OpenMLS has no API for evidence. But what it verifies for a received message, and signs for a sent one, is exactly
//! SignContent("FramedContentTBS", FramedContentTBS) (RFC 9420 §5.1.2, §6.1): plaintext, authenticated data, epoch, sender
//! and GroupContext. The tap keeps the last of those.

use std::sync::Mutex;

use openmls_libcrux_crypto::CryptoProvider;
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::random::OpenMlsRand;
use openmls_traits::signatures::{Signer, SignerError};
use openmls_traits::types::*;
use openmls_traits::OpenMlsProvider;
use tls_codec::SecretVLBytes;
use zeroize::Zeroizing;

use crate::error::{Code, Refusal, Result};
use crate::guard::hold;
use crate::message::Evidence;
use crate::store::Store;

/// The label as SignContent encodes it: one length byte, "MLS 1.0 " and the name.
const FRAMED_CONTENT: &[u8] = b"\x18MLS 1.0 FramedContentTBS";

/// One call's view of the provider.
pub struct Tap<'a> {
    provider: &'a CryptoProvider,
    seen: Mutex<Option<Evidence>>,
}

impl<'a> Tap<'a> {
    pub fn on(provider: &'a CryptoProvider) -> Self {
        Tap { provider, seen: Mutex::new(None) }
    }

    pub fn evidence(&self) -> Result<Evidence> {
        hold(&self.seen).take().ok_or_else(|| Refusal::new(Code::Internal, "no framed content was signed or verified"))
    }

    fn note(&self, tbs: &[u8], key: &[u8], signature: &[u8]) {
        if tbs.starts_with(FRAMED_CONTENT) {
            let evidence = Evidence { tbs: tbs.to_vec(), key: key.to_vec(), signature: signature.to_vec() };
            *hold(&self.seen) = Some(evidence);
        }
    }
}

macro_rules! forward {
    ($($method:ident($($argument:ident: $kind:ty),*) -> $result:ty;)*) => {
        $(fn $method(&self, $($argument: $kind),*) -> $result { self.provider.$method($($argument),*) })*
    };
}

type Crypted<T> = std::result::Result<T, CryptoError>;

impl OpenMlsCrypto for Tap<'_> {
    forward! {
        supports(suite: Ciphersuite) -> Crypted<()>;
        supported_ciphersuites() -> Vec<Ciphersuite>;
        hkdf_extract(hash: HashType, salt: &[u8], ikm: &[u8]) -> Crypted<SecretVLBytes>;
        hmac(hash: HashType, key: &[u8], message: &[u8]) -> Crypted<SecretVLBytes>;
        hkdf_expand(hash: HashType, prk: &[u8], info: &[u8], length: usize) -> Crypted<SecretVLBytes>;
        hash(hash: HashType, message: &[u8]) -> Crypted<Vec<u8>>;
        aead_encrypt(aead: AeadType, key: &[u8], message: &[u8], nonce: &[u8], aad: &[u8]) -> Crypted<Vec<u8>>;
        aead_decrypt(aead: AeadType, key: &[u8], sealed: &[u8], nonce: &[u8], aad: &[u8]) -> Crypted<Vec<u8>>;
        signature_key_gen(scheme: SignatureScheme) -> Crypted<(Vec<u8>, Vec<u8>)>;
        sign(scheme: SignatureScheme, message: &[u8], key: &[u8]) -> Crypted<Vec<u8>>;
        hpke_seal(config: HpkeConfig, key: &[u8], info: &[u8], aad: &[u8], message: &[u8]) -> Crypted<HpkeCiphertext>;
        hpke_open(config: HpkeConfig, sealed: &HpkeCiphertext, key: &[u8], info: &[u8], aad: &[u8]) -> Crypted<Vec<u8>>;
        hpke_setup_sender_and_export(config: HpkeConfig, key: &[u8], info: &[u8], context: &[u8], length: usize)
            -> Crypted<(KemOutput, ExporterSecret)>;
        hpke_setup_receiver_and_export(config: HpkeConfig, enc: &[u8], key: &[u8], info: &[u8], context: &[u8], length: usize)
            -> Crypted<ExporterSecret>;
        derive_hpke_keypair(config: HpkeConfig, ikm: &[u8]) -> Crypted<HpkeKeyPair>;
    }

    fn verify_signature(&self, scheme: SignatureScheme, message: &[u8], key: &[u8], signature: &[u8]) -> Crypted<()> {
        self.provider.verify_signature(scheme, message, key, signature)?;
        self.note(message, key, signature);
        Ok(())
    }
}

/// What a call hands to OpenMLS.
pub struct Provider<'a> {
    pub tap: &'a Tap<'a>,
    pub store: &'a Store,
}

impl<'a> OpenMlsProvider for Provider<'a> {
    type CryptoProvider = Tap<'a>;
    type RandProvider = CryptoProvider;
    type StorageProvider = Store;

    fn storage(&self) -> &Store {
        self.store
    }

    fn crypto(&self) -> &Tap<'a> {
        self.tap
    }

    fn rand(&self) -> &CryptoProvider {
        self.tap.provider
    }
}

impl Tap<'_> {
    pub fn rand(&self) -> &impl OpenMlsRand {
        self.provider
    }
}

/// A device's Ed25519 leaf key.
pub struct LeafKey {
    seed: Zeroizing<[u8; 32]>,
    pub public: [u8; 32],
}

impl LeafKey {
    pub fn from_seed(seed: &[u8]) -> Result<Self> {
        let seed: Zeroizing<[u8; 32]> = seed
            .try_into()
            .map(Zeroizing::new)
            .map_err(|_| Refusal::new(Code::Malformed, "a leaf seed has 32 bytes"))?;
        let mut public = [0; 32];
        libcrux_ed25519::secret_to_public(&mut public, &seed);
        Ok(LeafKey { seed, public })
    }

    pub fn signer<'a>(&'a self, tap: &'a Tap<'a>) -> LeafSigner<'a> {
        LeafSigner { key: self, tap }
    }
}

pub struct LeafSigner<'a> {
    key: &'a LeafKey,
    tap: &'a Tap<'a>,
}

impl Signer for LeafSigner<'_> {
    fn sign(&self, payload: &[u8]) -> std::result::Result<Vec<u8>, SignerError> {
        let signature =
            self.tap.sign(self.signature_scheme(), payload, &*self.key.seed).map_err(SignerError::CryptoError)?;
        self.tap.note(payload, &self.key.public, &signature);
        Ok(signature)
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}
