//! `Group`: one MLS group as this device sees it. Every call either does all it says or leaves everything as it was.

use std::sync::{Arc, Mutex};

use openmls::prelude::tls_codec::Serialize as _;
use openmls::prelude::*;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use pyo3::IntoPyObjectExt;
use zeroize::Zeroizing;

use crate::client::{to_python, Identity, PyWrite};
use crate::context;
use crate::crypto::{Provider, Tap};
use crate::error::{Code, Refusal, Result};
use crate::guard::{caught, decode_untrusted, hold};
use crate::keypackage::decode_to_add_untrusted;
use crate::leaf::{member, sender, Leaf};
use crate::message::{Application, Encrypted, Own, Proposal};
use crate::pending::{none, Made, PendingCommit};
use crate::profile::export_length;
use crate::staged::{kind, Origin, StagedCommit};
use crate::store::Store;
use crate::wire::decode_private_untrusted;

pub struct Live {
    pub mls: MlsGroup,
    pub store: Store,
    pub made: Option<Made>,
    /// Counts what ends a pending commit, so that a `PendingCommit` knows whether it is still the one.
    pub serial: u64,
}

pub struct GroupCore {
    pub identity: Arc<Identity>,
    live: Mutex<Live>,
}

impl GroupCore {
    pub fn look<T: Send>(&self, py: Python<'_>, call: impl FnOnce(&Live) -> Result<T> + Send) -> PyResult<T> {
        Ok(py.detach(|| {
            let live = hold(&self.live);
            caught(|| call(&live))
        })?)
    }

    /// Run a call that changes the group, all of it or nothing. Writes not yet taken survive a failure.
    pub fn attempt<T>(&self, call: impl FnOnce(&mut Live) -> Result<T>) -> Result<T> {
        let mut live = hold(&self.live);
        hold(&live.store.group).save();
        let outcome = caught(|| call(&mut live));
        match &outcome {
            Ok(_) => hold(&live.store.group).release(),
            Err(refusal) => {
                let changed = hold(&live.store.group).restore();
                if changed || refusal.code == Code::Internal {
                    live.reload()?;
                }
            }
        }
        outcome
    }

    fn change<T: Send>(&self, py: Python<'_>, call: impl FnOnce(&mut Live) -> Result<T> + Send) -> PyResult<T> {
        Ok(py.detach(|| self.attempt(call))?)
    }
}

impl Live {
    fn reload(&mut self) -> Result<()> {
        let group_id = self.mls.group_id().clone();
        let store = self.store.clone();
        self.mls = caught(|| Ok(MlsGroup::load(&store, &group_id)?))?
            .ok_or_else(|| Refusal::new(Code::NotStored, "the group's rows are gone"))?;
        Ok(())
    }

    fn forget_pending(&mut self) {
        self.made = None;
        self.serial += 1;
    }

    fn active(&self) -> Result<()> {
        if self.mls.is_active() {
            Ok(())
        } else {
            Err(Refusal::new(Code::NotAMember, "this device was removed from the group"))
        }
    }

    fn transcript(&self) -> Vec<u8> {
        self.mls.public_group().group_context().confirmed_transcript_hash().to_vec()
    }
}

const EMPTY: &[u8] = &[];

pub struct Wanted<'a> {
    pub add: Vec<&'a [u8]>,
    pub remove: Vec<u32>,
    pub extension: Option<&'a [u8]>,
    pub path: bool,
    pub aad: &'a [u8],
}

pub fn commit(identity: &Identity, live: &mut Live, wanted: Wanted<'_>) -> Result<()> {
    live.active()?;
    if live.mls.pending_commit().is_some() {
        return Err(Refusal::new(Code::PendingCommit, "merge or discard the pending commit first"));
    }
    let tap = Tap::on(&identity.crypto);
    let suite = live.mls.ciphersuite();
    let packages =
        wanted.add.iter().map(|wire| decode_to_add_untrusted(wire, suite, &tap)).collect::<Result<Vec<_>>>()?;
    let mut removals: Vec<LeafNodeIndex> = wanted.remove.iter().copied().map(LeafNodeIndex::new).collect();
    removals.sort_unstable();
    removals.dedup();
    for index in &removals {
        if *index == live.mls.own_leaf_index() {
            return Err(Refusal::new(Code::CannotRemoveSelf, "another member must commit a device's removal"));
        }
        member(&live.mls, *index)?;
    }
    // A commit of nothing is an update of the path (RFC 9420 §12.4).
    let path = wanted.path || (packages.is_empty() && removals.is_empty() && wanted.extension.is_none());

    let provider = Provider { tap: &tap, store: &live.store };
    live.mls.set_aad(wanted.aad.to_vec());
    let mut builder = live.mls.commit_builder().consume_proposal_store(false);
    if let Some(content) = wanted.extension {
        builder = builder.propose_group_context_extensions(context::extensions(content)?)?;
    }
    let bundle = builder
        .propose_adds(packages)
        .propose_removals(removals)
        .force_self_update(path)
        .load_psks(&live.store)?
        .build(tap.rand(), &tap, &identity.key.signer(&tap), |_| true)?
        .stage_commit(&provider)?;
    let (wire, welcome, _) = bundle.into_messages();
    let bytes = |message: MlsMessageOut| message.to_bytes().map_err(|error| Refusal::new(Code::Internal, error));
    live.forget_pending();
    live.made = Some(Made { wire: bytes(wire)?, welcome: welcome.map(bytes).transpose()? });
    Ok(())
}

pub enum Received {
    Application(Application),
    Commit(Box<StagedCommit>),
    Proposal(Proposal),
    Own(Own),
}

pub fn process(core: &Arc<GroupCore>, live: &mut Live, message: &[u8]) -> Result<Received> {
    live.active()?;
    // Refuses PublicMessage: OpenMLS lets external commits through whatever the wire format policy says.
    let envelope = decode_private_untrusted(message)?;
    if envelope.group_id != live.mls.group_id().as_slice() {
        return Err(Refusal::new(Code::WrongGroup, "a message of another group"));
    }
    // OpenMLS calls a message of a past epoch too old or reused, depending on its kind.
    if envelope.epoch != live.mls.epoch().as_u64() {
        return Err(Refusal::new(Code::WrongEpoch, "a message of another epoch"));
    }
    let incoming = decode_untrusted::<MlsMessageIn>(message, Code::Malformed, "an MLSMessage")?
        .try_into_protocol_message()
        .map_err(|error| Refusal::new(Code::Malformed, error))?;
    let tap = Tap::on(&core.identity.crypto);
    let processed = live.mls.process_message(&Provider { tap: &tap, store: &live.store }, incoming)?;

    let epoch = processed.epoch().as_u64();
    let aad = processed.aad().to_vec();
    let sender = sender(&live.mls, processed.sender())?;
    Ok(match processed.into_content() {
        ProcessedMessageContent::ApplicationMessage(application) => Received::Application(Application {
            sender,
            epoch,
            aad,
            plaintext: application.into_bytes(),
            evidence: tap.evidence()?,
        }),
        ProcessedMessageContent::StagedCommitMessage(staged) => {
            let origin = Origin { group: core.clone(), transcript: live.transcript() };
            Received::Commit(Box::new(StagedCommit::describe(origin, &live.mls, sender, aad, staged)?))
        }
        ProcessedMessageContent::ProposalMessage(queued) => {
            Received::Proposal(Proposal { sender, aad, kind: kind(queued.proposal()) })
        }
        ProcessedMessageContent::OwnPrivateMessage => Received::Own(Own { epoch, content: envelope.content }),
        _ => return Err(Refusal::new(Code::Malformed, "a message that no Coterie member sends")),
    })
}

#[pyclass(frozen, module = "coterie_mls")]
pub struct Group {
    pub core: Arc<GroupCore>,
    #[pyo3(get)]
    group_id: Vec<u8>,
    #[pyo3(get)]
    suite: u16,
}

impl Group {
    pub fn new(identity: &Arc<Identity>, mls: MlsGroup, store: Store) -> Self {
        Group {
            group_id: mls.group_id().as_slice().to_vec(),
            suite: mls.ciphersuite().into(),
            core: Arc::new(GroupCore {
                identity: identity.clone(),
                live: Mutex::new(Live { mls, store, made: None, serial: 0 }),
            }),
        }
    }
}

#[pymethods]
impl Group {
    #[getter]
    fn epoch(&self, py: Python<'_>) -> PyResult<u64> {
        self.core.look(py, |live| Ok(live.mls.epoch().as_u64()))
    }

    #[getter]
    fn own_index(&self, py: Python<'_>) -> PyResult<u32> {
        self.core.look(py, |live| Ok(live.mls.own_leaf_index().u32()))
    }

    #[getter]
    fn active(&self, py: Python<'_>) -> PyResult<bool> {
        self.core.look(py, |live| Ok(live.mls.is_active()))
    }

    #[getter]
    fn extension(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        self.core.look(py, |live| context::content(live.mls.extensions(), Code::Internal))
    }

    #[getter]
    fn has_pending(&self, py: Python<'_>) -> PyResult<bool> {
        self.core.look(py, |live| Ok(live.mls.pending_commit().is_some()))
    }

    #[getter]
    fn epoch_authenticator(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        self.core.look(py, |live| Ok(live.mls.epoch_authenticator().as_slice().to_vec()))
    }

    #[getter]
    fn group_context(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        self.core.look(py, |live| {
            let context = live.mls.public_group().group_context();
            context.tls_serialize_detached().map_err(|error| Refusal::new(Code::Internal, error))
        })
    }

    fn members(&self, py: Python<'_>) -> PyResult<Vec<Leaf>> {
        self.core.look(py, |live| Ok(live.mls.members().map(Leaf::from).collect()))
    }

    fn tree(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        self.core.look(py, |live| {
            let tree = live.mls.export_ratchet_tree();
            tree.tls_serialize_detached().map_err(|error| Refusal::new(Code::Internal, error))
        })
    }

    fn export<'py>(
        &self,
        py: Python<'py>,
        label: &str,
        context: &[u8],
        length: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let secret = self.core.look(py, |live| {
            let tap = Tap::on(&self.core.identity.crypto);
            Ok(Zeroizing::new(live.mls.export_secret(&tap, label, context, export_length(length)?)?))
        })?;
        Ok(PyBytes::new(py, &secret))
    }

    fn encrypt(&self, py: Python<'_>, plaintext: &[u8], aad: &[u8]) -> PyResult<Encrypted> {
        self.core.change(py, |live| {
            let identity = &self.core.identity;
            let tap = Tap::on(&identity.crypto);
            live.mls.set_aad(aad.to_vec());
            let provider = Provider { tap: &tap, store: &live.store };
            let message = live.mls.create_message(&provider, &identity.key.signer(&tap), plaintext)?;
            let wire = message.to_bytes().map_err(|error| Refusal::new(Code::Internal, error))?;
            Ok(Encrypted { wire, evidence: tap.evidence()? })
        })
    }

    #[pyo3(
        signature = (*, add = Vec::new(), remove = Vec::new(), extension = None, path = true, aad = EMPTY),
        text_signature = "($self, *, add=(), remove=(), extension=None, path=True, aad=b'')"
    )]
    fn commit(
        &self,
        py: Python<'_>,
        add: Vec<PyBackedBytes>,
        remove: Vec<u32>,
        extension: Option<&[u8]>,
        path: bool,
        aad: &[u8],
    ) -> PyResult<PendingCommit> {
        let add = add.iter().map(|wire| &wire[..]).collect();
        let wanted = Wanted { add, remove, extension, path, aad };
        self.core.change(py, |live| {
            commit(&self.core.identity, live, wanted)?;
            PendingCommit::describe(&self.core, live)
        })
    }

    fn pending(&self, py: Python<'_>) -> PyResult<Option<PendingCommit>> {
        self.core.look(py, |live| match live.mls.pending_commit() {
            Some(_) => PendingCommit::describe(&self.core, live).map(Some),
            None => Ok(None),
        })
    }

    fn merge_pending(&self, py: Python<'_>) -> PyResult<()> {
        self.core.change(py, |live| {
            if live.mls.pending_commit().is_none() {
                return Err(none());
            }
            let tap = Tap::on(&self.core.identity.crypto);
            live.mls.merge_pending_commit(&Provider { tap: &tap, store: &live.store })?;
            live.forget_pending();
            Ok(())
        })
    }

    fn discard_pending(&self, py: Python<'_>) -> PyResult<()> {
        self.core.change(py, |live| {
            live.mls.clear_pending_commit(&live.store)?;
            live.forget_pending();
            Ok(())
        })
    }

    fn process<'py>(&self, py: Python<'py>, message: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        match self.core.change(py, |live| process(&self.core, live, message))? {
            Received::Application(application) => application.into_bound_py_any(py),
            Received::Commit(commit) => (*commit).into_bound_py_any(py),
            Received::Proposal(proposal) => proposal.into_bound_py_any(py),
            Received::Own(own) => own.into_bound_py_any(py),
        }
    }

    fn merge(&self, py: Python<'_>, staged: &StagedCommit) -> PyResult<()> {
        self.core.change(py, |live| {
            let here = Arc::ptr_eq(&staged.origin.group, &self.core);
            if !here || staged.origin.transcript != live.transcript() {
                return Err(Refusal::new(Code::StaleCommit, "staged in another epoch or by another group"));
            }
            let commit = staged.take()?;
            let tap = Tap::on(&self.core.identity.crypto);
            live.mls.merge_staged_commit(&Provider { tap: &tap, store: &live.store }, *commit)?;
            live.forget_pending();
            Ok(())
        })
    }

    fn drop(&self, py: Python<'_>, staged: &StagedCommit) {
        py.detach(|| staged.take().ok());
    }

    fn take_writes<'py>(&self, py: Python<'py>) -> PyResult<Vec<PyWrite<'py>>> {
        let writes = self.core.look(py, |live| Ok(hold(&live.store.group).take()))?;
        Ok(to_python(py, writes))
    }

    fn rollback(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py.detach(|| {
            let mut live = hold(&self.core.live);
            if !hold(&live.store.group).stored() {
                return Err(Refusal::new(Code::NotStored, "the group was never handed over by take_writes"));
            }
            hold(&live.store.group).rollback();
            live.forget_pending();
            live.reload()
        })?)
    }
}
