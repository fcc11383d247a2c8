//! What every Coterie client and group has in common: suites, capabilities, lifetimes, ratchet and padding settings.

use openmls::prelude::*;

use crate::error::{Code, Refusal, Result};

/// MLS_256_XWING_CHACHA20POLY1305_SHA256_Ed25519.
pub const XWING: u16 = 0x004D;
/// MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519.
pub const CLASSICAL: u16 = 0x0003;
pub const CREDENTIAL_TYPE: u16 = 0xF0C0;
pub const CONTEXT_EXTENSION: u16 = 0xF0C1;

/// 9999-12-31T23:59:59Z. OpenMLS judges lifetimes by the *receiver's* clock while it processes a commit: a shorter one
/// would make a device that slept, or whose clock is wrong, refuse good commits.
pub const NOT_AFTER: u64 = 253_402_300_799;

const PADDING: usize = 256;
/// Entries arrive in the queue's order; this is for what a caller hands over in another.
const OUT_OF_ORDER: u32 = 16;
/// Messages of one sender in one epoch that a device may have missed.
const FORWARD: u32 = 100_000;

pub fn suite(number: u16) -> Result<Ciphersuite> {
    match number {
        XWING | CLASSICAL => {
            Ciphersuite::try_from(number).map_err(|_| Refusal::new(Code::Unsupported, "this build lacks the suite"))
        }
        _ => Err(Refusal::new(Code::Unsupported, "the suite is neither 0x004D nor 0x0003")),
    }
}

pub fn credential_type() -> CredentialType {
    CredentialType::Other(CREDENTIAL_TYPE)
}

pub fn lifetime() -> Lifetime {
    Lifetime::init(0, NOT_AFTER)
}

/// Both suites, so that a leaf says the same in every group.
pub fn capabilities() -> Result<Capabilities> {
    Ok(Capabilities::builder()
        .versions(vec![ProtocolVersion::Mls10])
        .ciphersuites(vec![suite(XWING)?, suite(CLASSICAL)?])
        .extensions(vec![ExtensionType::LastResort, ExtensionType::Unknown(CONTEXT_EXTENSION)])
        .proposals(vec![])
        .credentials(vec![credential_type()])
        .build())
}

/// HKDF-SHA256 yields no more (RFC 5869 §2.3), and OpenMLS calls that its own error.
const EXPORT_AT_MOST: usize = 255 * 32;

pub fn export_length(length: usize) -> Result<usize> {
    if length <= EXPORT_AT_MOST {
        Ok(length)
    } else {
        Err(Refusal::new(Code::Unsupported, "an exporter yields at most 8,160 bytes"))
    }
}

fn ratchet() -> SenderRatchetConfiguration {
    SenderRatchetConfiguration::new(OUT_OF_ORDER, FORWARD)
}

/// No past epochs: the queue is ordered and a post is bound to its epoch, and each kept epoch is rewritten with every message.
pub fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .padding_size(PADDING)
        .max_past_epochs(0)
        .sender_ratchet_configuration(ratchet())
        .use_ratchet_tree_extension(false)
        .build()
}

pub fn create_config(number: u16, extensions: Extensions<GroupContext>) -> Result<MlsGroupCreateConfig> {
    Ok(MlsGroupCreateConfig::builder()
        .ciphersuite(suite(number)?)
        .capabilities(capabilities()?)
        .lifetime(lifetime())
        .with_group_context_extensions(extensions)
        .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .padding_size(PADDING)
        .max_past_epochs(0)
        .sender_ratchet_configuration(ratchet())
        .use_ratchet_tree_extension(false)
        .build())
}
