//! `PendingCommit`: our own commit, made and not merged.

use std::sync::Arc;

use openmls::prelude::tls_codec::Serialize as _;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use zeroize::Zeroizing;

use crate::crypto::Tap;
use crate::error::{Code, Refusal, Result};
use crate::group::{GroupCore, Live};
use crate::profile::export_length;

#[pyclass(frozen, module = "coterie_mls")]
pub struct PendingCommit {
    group: Arc<GroupCore>,
    serial: u64,
    #[pyo3(get)]
    wire: Vec<u8>,
    #[pyo3(get)]
    welcome: Option<Vec<u8>>,
    #[pyo3(get)]
    tree: Vec<u8>,
    #[pyo3(get)]
    epoch: u64,
}

/// What only the making of a commit yields; not stored.
#[derive(Clone, Default)]
pub struct Made {
    pub wire: Vec<u8>,
    pub welcome: Option<Vec<u8>>,
}

pub fn none() -> Refusal {
    Refusal::new(Code::NoPendingCommit, "no commit of ours is pending")
}

impl PendingCommit {
    pub fn describe(group: &Arc<GroupCore>, live: &Live) -> Result<Self> {
        let tap = Tap::on(&group.identity.crypto);
        let tree = live
            .mls
            .pending_commit()
            .ok_or_else(none)?
            .export_ratchet_tree(&tap, live.mls.export_ratchet_tree())
            .map_err(|error| Refusal::new(Code::Internal, error))?
            .ok_or_else(|| Refusal::new(Code::Internal, "an own commit without a tree"))?;
        let made = live.made.clone().unwrap_or_default();
        Ok(PendingCommit {
            group: group.clone(),
            serial: live.serial,
            wire: made.wire,
            welcome: made.welcome,
            tree: tree.tls_serialize_detached().map_err(|error| Refusal::new(Code::Internal, error))?,
            epoch: live.mls.epoch().as_u64(),
        })
    }
}

#[pymethods]
impl PendingCommit {
    fn export<'py>(
        &self,
        py: Python<'py>,
        label: &str,
        context: &[u8],
        length: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let secret = self.group.look(py, |live| {
            if live.serial != self.serial {
                return Err(none());
            }
            let commit = live.mls.pending_commit().ok_or_else(none)?;
            let tap = Tap::on(&self.group.identity.crypto);
            Ok(Zeroizing::new(commit.export_secret(&tap, label, context, export_length(length)?)?))
        })?;
        Ok(PyBytes::new(py, &secret))
    }
}
