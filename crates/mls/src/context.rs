//! The group context extensions of a Coterie group: required capabilities and CONTEXT_EXTENSION, and nothing else.
//!
//! A change of extensions replaces the whole list (RFC 9420 §12.1.7), so an insider could smuggle in `external_senders`
//! beside a new room name: whatever else stands in a list is refused here, before anybody judges the content.

use openmls::prelude::*;

use crate::error::{Code, Refusal, Result};
use crate::profile::{credential_type, CONTEXT_EXTENSION};

fn required() -> RequiredCapabilitiesExtension {
    RequiredCapabilitiesExtension::new(&[ExtensionType::Unknown(CONTEXT_EXTENSION)], &[], &[credential_type()])
}

pub fn extensions(content: &[u8]) -> Result<Extensions<GroupContext>> {
    Extensions::from_vec(vec![
        Extension::RequiredCapabilities(required()),
        Extension::Unknown(CONTEXT_EXTENSION, UnknownExtension(content.to_vec())),
    ])
    .map_err(|error| Refusal::new(Code::Internal, error))
}

/// The content that a commit sets: its list must be the one that `extensions` makes.
pub fn replaced(list: &Extensions<GroupContext>) -> Result<Vec<u8>> {
    if list.required_capabilities().is_none() || list.unknown(CONTEXT_EXTENSION).is_none() {
        return Err(Refusal::new(Code::RefusedProposal, "the new group context lacks what every Coterie group has"));
    }
    content(list, Code::RefusedProposal)
}

/// The content of CONTEXT_EXTENSION, empty if there is none. Refuses a list that holds anything a Coterie group has not.
pub fn content(extensions: &Extensions<GroupContext>, code: Code) -> Result<Vec<u8>> {
    for extension in extensions.iter() {
        let ours = match extension {
            Extension::RequiredCapabilities(found) => *found == required(),
            Extension::Unknown(CONTEXT_EXTENSION, _) => true,
            _ => false,
        };
        if !ours {
            return Err(Refusal::new(code, "the group context holds an extension that no Coterie group has"));
        }
    }
    Ok(extensions.unknown(CONTEXT_EXTENSION).map(|found| found.0.clone()).unwrap_or_default())
}
