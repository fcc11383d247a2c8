//! `StagedWelcome`: a group that could be joined, opened and verified but not entered (RFC 9420 §12.4.3.1).

use std::sync::{Arc, Mutex};

use openmls::prelude::{StagedWelcome as MlsStagedWelcome, *};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use zeroize::Zeroizing;

use crate::client::Identity;
use crate::context;
use crate::crypto::{Provider, Tap};
use crate::error::{Code, Refusal, Result};
use crate::group::Group;
use crate::guard::{caught, decode_untrusted, hold};
use crate::leaf::Leaf;
use crate::profile::{self, export_length};
use crate::store::{Shard, Store};

#[pyclass(frozen, module = "coterie_mls")]
pub struct StagedWelcome {
    identity: Arc<Identity>,
    opened: Mutex<Option<(Box<MlsStagedWelcome>, Store)>>,
    #[pyo3(get)]
    group_id: Vec<u8>,
    #[pyo3(get)]
    epoch: u64,
    #[pyo3(get)]
    suite: u16,
    #[pyo3(get)]
    extension: Vec<u8>,
    #[pyo3(get)]
    sender: Leaf,
    #[pyo3(get)]
    members: Vec<Leaf>,
}

impl StagedWelcome {
    pub fn enter(&self) -> Result<Group> {
        let (staged, store) = hold(&self.opened).take().ok_or_else(used)?;
        caught(|| {
            let tap = Tap::on(&self.identity.crypto);
            let mls = staged.into_group(&Provider { tap: &tap, store: &store })?;
            Ok(Group::new(&self.identity, mls, store))
        })
    }
}

fn used() -> Refusal {
    Refusal::new(Code::BadWelcome, "already joined or dropped")
}

pub fn stage(identity: &Arc<Identity>, welcome: &[u8], tree: &[u8]) -> Result<StagedWelcome> {
    let message: MlsMessageIn = decode_untrusted(welcome, Code::Malformed, "an MLSMessage")?;
    let MlsMessageBodyIn::Welcome(welcome) = message.extract() else {
        return Err(Refusal::new(Code::Malformed, "another MLSMessage than a Welcome"));
    };
    let tree: RatchetTreeIn = decode_untrusted(tree, Code::BadTree, "a ratchet tree")?;

    let tap = Tap::on(&identity.crypto);
    let store = Store::for_group(&identity.shard, Shard::default());
    let staged =
        MlsStagedWelcome::build_from_welcome(&Provider { tap: &tap, store: &store }, &profile::join_config(), welcome)?
            .with_ratchet_tree(tree)
            // The client judges freshness by the device's signed bundle, never by this machine's clock.
            .skip_lifetime_validation()
            .build()?;

    let group = staged.group_context();
    Ok(StagedWelcome {
        identity: identity.clone(),
        group_id: group.group_id().as_slice().to_vec(),
        epoch: group.epoch().as_u64(),
        suite: group.ciphersuite().into(),
        extension: context::content(group.extensions(), Code::BadWelcome)?,
        sender: Leaf::of_node(staged.welcome_sender_index().u32(), staged.welcome_sender()?),
        members: staged.members().map(Leaf::from).collect(),
        opened: Mutex::new(Some((Box::new(staged), store))),
    })
}

#[pymethods]
impl StagedWelcome {
    fn export<'py>(
        &self,
        py: Python<'py>,
        label: &str,
        context: &[u8],
        length: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let secret = py.detach(|| {
            caught(|| {
                let opened = hold(&self.opened);
                let (staged, _) = opened.as_ref().ok_or_else(used)?;
                let tap = Tap::on(&self.identity.crypto);
                Ok(Zeroizing::new(staged.export_secret(&tap, label, context, export_length(length)?)?))
            })
        })?;
        Ok(PyBytes::new(py, &secret))
    }

    fn join(&self, py: Python<'_>) -> PyResult<Group> {
        Ok(py.detach(|| self.enter())?)
    }

    fn drop(&self, py: Python<'_>) {
        py.detach(|| hold(&self.opened).take());
    }
}
