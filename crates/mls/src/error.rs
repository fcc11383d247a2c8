//! What is refused, as one code per cause. OpenMLS's error trees are folded here and nowhere else.

use std::fmt::Display;

use openmls::framing::errors::{MessageDecryptionError, SecretTreeError};
use openmls::group::{
    CommitBuilderStageError, CreateCommitError, ExportSecretError, MergeCommitError, MergePendingCommitError,
    ProcessMessageError, ProposalValidationError, StageCommitError, ValidationError, WelcomeError,
};
use openmls::prelude::{
    CreateMessageError, KeyPackageNewError, KeyPackageVerifyError, LibraryError, MlsGroupStateError, NewGroupError,
};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use crate::codec::CodecError;

pyo3::create_exception!(
    coterie_mls,
    MlsError,
    PyException,
    "What was refused. `code` is one of `CODES`; the text is for a log, it holds no secret and no content."
);

macro_rules! codes {
    ($($variant:ident $name:literal;)*) => {
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Code {
            $($variant,)*
        }

        impl Code {
            pub const ALL: [Code; codes!(@count $($variant)*)] = [$(Code::$variant,)*];

            pub fn name(self) -> &'static str {
                match self {
                    $(Code::$variant => $name,)*
                }
            }
        }
    };
    (@count) => { 0 };
    (@count $first:ident $($rest:ident)*) => { 1 + codes!(@count $($rest)*) };
}

codes! {
    Malformed "malformed";
    WrongEpoch "wrong-epoch";
    WrongGroup "wrong-group";
    OwnMessage "own-message";
    UnknownSender "unknown-sender";
    BadSignature "bad-signature";
    CannotDecrypt "cannot-decrypt";
    SecretReused "secret-reused";
    PendingCommit "pending-commit";
    NoPendingCommit "no-pending-commit";
    NotAMember "not-a-member";
    DuplicateKey "duplicate-key";
    CannotRemoveSelf "cannot-remove-self";
    BadKeyPackage "bad-key-package";
    NoKeyPackage "no-key-package";
    BadWelcome "bad-welcome";
    BadTree "bad-tree";
    Unsupported "unsupported";
    RefusedProposal "refused-proposal";
    StaleCommit "stale-commit";
    NotStored "not-stored";
    InvalidCommit "invalid-commit";
    Internal "internal";
}

#[derive(Debug)]
pub struct Refusal {
    pub code: Code,
    reason: String,
}

pub type Result<T> = std::result::Result<T, Refusal>;

impl Refusal {
    pub fn new(code: Code, reason: impl Display) -> Self {
        Refusal { code, reason: reason.to_string() }
    }

    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl From<Refusal> for PyErr {
    fn from(refusal: Refusal) -> Self {
        Python::attach(|py| {
            let error = MlsError::new_err(format!("{}: {}", refusal.code.name(), refusal.reason));
            match error.value(py).setattr("code", refusal.code.name()) {
                Ok(()) => error,
                Err(other) => other,
            }
        })
    }
}

macro_rules! always {
    ($($error:ty => $code:ident;)*) => {
        $(impl From<$error> for Refusal {
            fn from(error: $error) -> Self {
                Refusal::new(Code::$code, error)
            }
        })*
    };
}

always! {
    LibraryError => Internal;
    CodecError => Internal;
    KeyPackageNewError => Internal;
    KeyPackageVerifyError => BadKeyPackage;
    NewGroupError<CodecError> => Internal;
    CommitBuilderStageError<CodecError> => Internal;
}

impl From<MlsGroupStateError> for Refusal {
    fn from(error: MlsGroupStateError) -> Self {
        let code = match &error {
            MlsGroupStateError::UseAfterEviction => Code::NotAMember,
            MlsGroupStateError::PendingCommit => Code::PendingCommit,
            MlsGroupStateError::NoPendingCommit => Code::NoPendingCommit,
            _ => Code::Internal,
        };
        Refusal::new(code, error)
    }
}

impl From<CreateMessageError> for Refusal {
    fn from(error: CreateMessageError) -> Self {
        match error {
            CreateMessageError::GroupStateError(state) => state.into(),
            other => Refusal::new(Code::Internal, other),
        }
    }
}

impl From<ExportSecretError> for Refusal {
    fn from(error: ExportSecretError) -> Self {
        match error {
            ExportSecretError::GroupStateError(state) => state.into(),
            ExportSecretError::KeyLengthTooLong => Refusal::new(Code::Unsupported, error),
            other => Refusal::new(Code::Internal, other),
        }
    }
}

fn decryption(error: &MessageDecryptionError) -> Code {
    match error {
        MessageDecryptionError::LibraryError(_) => Code::Internal,
        MessageDecryptionError::WrongWireFormat | MessageDecryptionError::MalformedContent => Code::Malformed,
        MessageDecryptionError::SecretTreeError(
            SecretTreeError::SecretReuseError | SecretTreeError::TooDistantInThePast,
        ) => Code::SecretReused,
        _ => Code::CannotDecrypt,
    }
}

impl From<ValidationError> for Refusal {
    fn from(error: ValidationError) -> Self {
        let code = match &error {
            ValidationError::LibraryError(_) => Code::Internal,
            ValidationError::WrongGroupId => Code::WrongGroup,
            ValidationError::WrongEpoch | ValidationError::NoPastEpochData => Code::WrongEpoch,
            ValidationError::UnknownMember => Code::UnknownSender,
            ValidationError::InvalidSignature | ValidationError::InvalidLeafNodeSignature => Code::BadSignature,
            ValidationError::UnableToDecrypt(reason) => decryption(reason),
            ValidationError::KeyPackageVerifyError(_) | ValidationError::InvalidAddProposalCiphersuite => {
                Code::BadKeyPackage
            }
            ValidationError::UpdatePathError(_)
            | ValidationError::InvalidLeafNodeSourceType
            | ValidationError::CommitterIncludedOwnUpdate
            | ValidationError::ExternalCommitValidation(_) => Code::InvalidCommit,
            _ => Code::Malformed,
        };
        Refusal::new(code, error)
    }
}

fn proposal(error: &ProposalValidationError) -> Code {
    match error {
        ProposalValidationError::LibraryError(_) => Code::Internal,
        ProposalValidationError::DuplicateSignatureKey
        | ProposalValidationError::DuplicateEncryptionKey
        | ProposalValidationError::DuplicateInitKey
        | ProposalValidationError::InitEncryptionKeyCollision => Code::DuplicateKey,
        ProposalValidationError::InsufficientCapabilities
        | ProposalValidationError::InvalidAddProposalCiphersuiteOrVersion => Code::Unsupported,
        ProposalValidationError::UnknownMember | ProposalValidationError::UnknownMemberRemoval => Code::NotAMember,
        _ => Code::RefusedProposal,
    }
}

impl From<StageCommitError> for Refusal {
    fn from(error: StageCommitError) -> Self {
        let code = match &error {
            StageCommitError::LibraryError(_) => Code::Internal,
            StageCommitError::EpochMismatch => Code::WrongEpoch,
            StageCommitError::OwnCommitMismatch => Code::OwnMessage,
            StageCommitError::ProposalValidationError(reason) => proposal(reason),
            StageCommitError::MissingProposal
            | StageCommitError::PskError(_)
            | StageCommitError::GroupContextExtensionsProposalValidationError(_) => Code::RefusedProposal,
            _ => Code::InvalidCommit,
        };
        Refusal::new(code, error)
    }
}

impl From<ProcessMessageError<CodecError>> for Refusal {
    fn from(error: ProcessMessageError<CodecError>) -> Self {
        match error {
            ProcessMessageError::ValidationError(reason) => reason.into(),
            ProcessMessageError::GroupStateError(reason) => reason.into(),
            ProcessMessageError::InvalidCommit(reason) => reason.into(),
            ProcessMessageError::LibraryError(_) | ProcessMessageError::StorageError(_) => {
                Refusal::new(Code::Internal, error)
            }
            ProcessMessageError::UnsupportedProposalType => Refusal::new(Code::RefusedProposal, error),
            other => Refusal::new(Code::Malformed, other),
        }
    }
}

impl From<CreateCommitError> for Refusal {
    fn from(error: CreateCommitError) -> Self {
        let code = match &error {
            CreateCommitError::CannotRemoveSelf => Code::CannotRemoveSelf,
            CreateCommitError::ProposalValidationError(reason) => proposal(reason),
            CreateCommitError::GroupContextExtensionsProposalValidationError(_)
            | CreateCommitError::InvalidExtensionError(_) => Code::Unsupported,
            CreateCommitError::LeafNodeValidation(_) => Code::BadKeyPackage,
            _ => Code::Internal,
        };
        Refusal::new(code, error)
    }
}

impl From<MergeCommitError<CodecError>> for Refusal {
    fn from(error: MergeCommitError<CodecError>) -> Self {
        Refusal::new(Code::Internal, error)
    }
}

impl From<MergePendingCommitError<CodecError>> for Refusal {
    fn from(error: MergePendingCommitError<CodecError>) -> Self {
        match error {
            MergePendingCommitError::MlsGroupStateError(state) => state.into(),
            other => Refusal::new(Code::Internal, other),
        }
    }
}

impl From<WelcomeError<CodecError>> for Refusal {
    fn from(error: WelcomeError<CodecError>) -> Self {
        let code = match &error {
            WelcomeError::LibraryError(_) | WelcomeError::StorageError(_) => Code::Internal,
            WelcomeError::NotAWelcomeMessage | WelcomeError::MalformedWelcomeMessage => Code::Malformed,
            WelcomeError::NoMatchingKeyPackage
            | WelcomeError::JoinerSecretNotFound
            | WelcomeError::PrivateInitKeyNotFound
            | WelcomeError::NoMatchingEncryptionKey => Code::NoKeyPackage,
            WelcomeError::MissingRatchetTree
            | WelcomeError::PublicTreeError(_)
            | WelcomeError::PublicGroupError(_)
            | WelcomeError::LeafNodeValidation(_)
            | WelcomeError::UnknownSender => Code::BadTree,
            _ => Code::BadWelcome,
        };
        Refusal::new(code, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replayed_message_and_one_from_another_epoch_have_their_own_codes() {
        let replayed = ValidationError::UnableToDecrypt(SecretTreeError::SecretReuseError.into());
        assert_eq!(Refusal::from(replayed).code, Code::SecretReused);
        let stale = ProcessMessageError::<CodecError>::ValidationError(ValidationError::WrongEpoch);
        assert_eq!(Refusal::from(stale).code, Code::WrongEpoch);
    }

    #[test]
    fn the_same_key_twice_is_told_from_a_refused_proposal() {
        let twice = StageCommitError::ProposalValidationError(ProposalValidationError::DuplicateSignatureKey);
        assert_eq!(Refusal::from(twice).code, Code::DuplicateKey);
        let update = StageCommitError::ProposalValidationError(ProposalValidationError::CommitterIncludedOwnUpdate);
        assert_eq!(Refusal::from(update).code, Code::RefusedProposal);
    }

    #[test]
    fn an_evicted_member_is_not_a_member_whatever_it_calls() {
        let create: CreateMessageError = MlsGroupStateError::UseAfterEviction.into();
        assert_eq!(Refusal::from(create).code, Code::NotAMember);
        let process: ProcessMessageError<CodecError> = MlsGroupStateError::UseAfterEviction.into();
        assert_eq!(Refusal::from(process).code, Code::NotAMember);
    }

    #[test]
    fn names_of_codes_are_distinct() {
        let mut names = Code::ALL.map(Code::name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
