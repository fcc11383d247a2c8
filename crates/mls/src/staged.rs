//! `StagedCommit`: a verified commit and what it would do, before it does it.

use std::sync::{Arc, Mutex};

use openmls::prelude::{Proposal as MlsProposal, StagedCommit as MlsStagedCommit, *};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use zeroize::Zeroizing;

use crate::context;
use crate::crypto::Tap;
use crate::error::{Code, Refusal, Result};
use crate::group::GroupCore;
use crate::guard::{caught, hold};
use crate::leaf::{member, Leaf};
use crate::profile::export_length;

/// Where a commit was staged: the group object, and the transcript that stands for all its history.
pub struct Origin {
    pub group: Arc<GroupCore>,
    pub transcript: Vec<u8>,
}

#[pyclass(frozen, module = "coterie_mls")]
pub struct StagedCommit {
    pub origin: Origin,
    commit: Mutex<Option<Box<MlsStagedCommit>>>,
    #[pyo3(get)]
    pub sender: Leaf,
    #[pyo3(get)]
    pub epoch: u64,
    #[pyo3(get)]
    aad: Vec<u8>,
    #[pyo3(get)]
    pub added: Vec<Leaf>,
    #[pyo3(get)]
    removed: Vec<Leaf>,
    #[pyo3(get)]
    pub updated: Vec<Leaf>,
    #[pyo3(get)]
    pub extension: Option<Vec<u8>>,
    #[pyo3(get)]
    removes_me: bool,
    #[pyo3(get)]
    has_path: bool,
    #[pyo3(get)]
    pub proposals: Vec<&'static str>,
}

pub fn kind(proposal: &MlsProposal) -> &'static str {
    match proposal {
        MlsProposal::Add(_) => "add",
        MlsProposal::Update(_) => "update",
        MlsProposal::Remove(_) => "remove",
        MlsProposal::PreSharedKey(_) => "psk",
        MlsProposal::ReInit(_) => "reinit",
        MlsProposal::ExternalInit(_) => "external-init",
        MlsProposal::GroupContextExtensions(_) => "group-context-extensions",
        _ => "other",
    }
}

/// The index each added leaf will get: the leftmost that is free once the removals are done (RFC 9420 §7.7, §12.3).
fn seats(group: &MlsGroup, removed: &[Leaf], count: usize) -> Vec<u32> {
    let mut taken: Vec<u32> = group
        .members()
        .map(|member| member.index.u32())
        .filter(|index| removed.iter().all(|leaf| leaf.index != *index))
        .collect();
    taken.sort_unstable();
    let mut taken = taken.into_iter().peekable();
    (0..).filter(|index| taken.next_if_eq(index).is_none()).take(count).collect()
}

impl StagedCommit {
    pub fn describe(
        origin: Origin,
        group: &MlsGroup,
        sender: Leaf,
        aad: Vec<u8>,
        commit: Box<MlsStagedCommit>,
    ) -> Result<Self> {
        let removed = commit
            .remove_proposals()
            .map(|proposal| member(group, proposal.remove_proposal().removed()))
            .collect::<Result<Vec<_>>>()?;
        let new_leaves: Vec<&LeafNode> = commit
            .queued_proposals()
            .filter_map(|queued| match queued.proposal() {
                MlsProposal::Add(add) => Some(add.key_package().leaf_node()),
                _ => None,
            })
            .collect();
        let added = seats(group, &removed, new_leaves.len())
            .into_iter()
            .zip(new_leaves)
            .map(|(index, node)| Leaf::of_node(index, node))
            .collect();
        let mut updated = Vec::new();
        let mut changes_context = false;
        for queued in commit.queued_proposals() {
            match (queued.proposal(), queued.sender()) {
                (MlsProposal::Update(update), Sender::Member(index)) => {
                    updated.push(Leaf::of_node(index.u32(), update.leaf_node()));
                }
                (MlsProposal::GroupContextExtensions(_), _) => changes_context = true,
                _ => (),
            }
        }
        let path_leaf = commit.update_path_leaf_node();
        updated.extend(path_leaf.map(|node| Leaf::of_node(sender.index, node)));
        let extension = changes_context.then(|| context::replaced(commit.group_context().extensions())).transpose()?;
        Ok(StagedCommit {
            origin,
            sender,
            epoch: group.epoch().as_u64(),
            aad,
            added,
            removed,
            updated,
            extension,
            removes_me: commit.self_removed(),
            has_path: path_leaf.is_some(),
            proposals: commit.queued_proposals().map(|queued| kind(queued.proposal())).collect(),
            commit: Mutex::new(Some(commit)),
        })
    }

    /// The commit itself, once.
    pub fn take(&self) -> Result<Box<MlsStagedCommit>> {
        hold(&self.commit).take().ok_or_else(|| Refusal::new(Code::StaleCommit, "already merged or dropped"))
    }
}

#[pymethods]
impl StagedCommit {
    fn export<'py>(
        &self,
        py: Python<'py>,
        label: &str,
        context: &[u8],
        length: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let secret = py.detach(|| {
            caught(|| {
                if self.removes_me {
                    return Err(Refusal::new(Code::NotAMember, "the commit removes this device"));
                }
                let commit = hold(&self.commit);
                let commit =
                    commit.as_ref().ok_or_else(|| Refusal::new(Code::StaleCommit, "already merged or dropped"))?;
                let tap = Tap::on(&self.origin.group.identity.crypto);
                Ok(Zeroizing::new(commit.export_secret(&tap, label, context, export_length(length)?)?))
            })
        })?;
        Ok(PyBytes::new(py, &secret))
    }
}
