//! `Client`: one device's MLS identity and the shard of its key packages.

use std::sync::{Arc, Mutex};

use openmls::prelude::*;
use openmls_libcrux_crypto::CryptoProvider;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::context;
use crate::crypto::{LeafKey, Provider, Tap};
use crate::error::{Code, Refusal, Result};
use crate::group::Group;
use crate::guard::{caught, hold};
use crate::keypackage::{self, KeyPackage};
use crate::profile;
use crate::store::{Shard, Store, Write};
use crate::welcome::{self, StagedWelcome};

pub type Rows = Vec<(PyBackedBytes, PyBackedBytes)>;
pub type PyWrite<'py> = (Bound<'py, PyBytes>, Option<Bound<'py, PyBytes>>);

pub struct Identity {
    pub crypto: CryptoProvider,
    pub key: LeafKey,
    pub credential: CredentialWithKey,
    pub shard: Arc<Mutex<Shard>>,
    /// One call at a time: a savepoint belongs to one call.
    turn: Mutex<()>,
}

impl Identity {
    pub fn new(credential: &[u8], leaf_seed: &[u8], shard: Shard) -> Result<Arc<Self>> {
        let key = LeafKey::from_seed(leaf_seed)?;
        let credential = CredentialWithKey {
            credential: Credential::new(profile::credential_type(), credential.to_vec()),
            signature_key: key.public.to_vec().into(),
        };
        Ok(Arc::new(Identity {
            crypto: CryptoProvider::new().map_err(|error| Refusal::new(Code::Internal, error))?,
            key,
            credential,
            shard: Arc::new(Mutex::new(shard)),
            turn: Mutex::new(()),
        }))
    }

    /// Run a call that changes the client's shard, all of it or nothing.
    fn attempt<T>(&self, call: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        let _turn = hold(&self.turn);
        hold(&self.shard).save();
        let outcome = caught(|| call(self));
        match outcome {
            Ok(_) => hold(&self.shard).release(),
            Err(_) => {
                hold(&self.shard).restore();
            }
        }
        outcome
    }
}

pub fn to_python(py: Python<'_>, writes: Vec<Write>) -> Vec<PyWrite<'_>> {
    writes
        .into_iter()
        .map(|(row, piece)| (PyBytes::new(py, &row), piece.map(|piece| PyBytes::new(py, &piece))))
        .collect()
}

pub fn shard_from(rows: &Rows) -> Result<Shard> {
    Shard::from_rows(rows).map_err(|error| Refusal::new(Code::Malformed, error))
}

#[pyclass(frozen, module = "coterie_mls")]
pub struct Client {
    identity: Arc<Identity>,
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (credential, leaf_seed, rows = Vec::new()), text_signature = "(credential, leaf_seed, rows=())")]
    fn new(credential: &[u8], leaf_seed: &[u8], rows: Rows) -> PyResult<Self> {
        Ok(Client { identity: Identity::new(credential, leaf_seed, shard_from(&rows)?)? })
    }

    #[getter]
    fn leaf_key<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.identity.key.public)
    }

    #[pyo3(signature = (suite = profile::XWING, *, last_resort = false))]
    fn key_package(&self, py: Python<'_>, suite: u16, last_resort: bool) -> PyResult<KeyPackage> {
        Ok(py.detach(|| self.identity.attempt(|identity| keypackage::make(identity, suite, last_resort)))?)
    }

    fn forget_key_package(&self, py: Python<'_>, hash_ref: &[u8]) -> PyResult<()> {
        Ok(py.detach(|| self.identity.attempt(|identity| keypackage::forget(identity, hash_ref)))?)
    }

    #[pyo3(signature = (group_id, extension, suite = profile::XWING))]
    fn create(&self, py: Python<'_>, group_id: &[u8], extension: &[u8], suite: u16) -> PyResult<Group> {
        let group = py.detach(|| self.identity.attempt(|_| create(&self.identity, group_id, extension, suite)))?;
        Ok(group)
    }

    fn load(&self, py: Python<'_>, group_id: &[u8], rows: Rows) -> PyResult<Group> {
        Ok(py.detach(|| load(&self.identity, group_id, &rows))?)
    }

    fn stage_welcome(&self, py: Python<'_>, welcome: &[u8], tree: &[u8]) -> PyResult<StagedWelcome> {
        Ok(py.detach(|| self.identity.attempt(|_| welcome::stage(&self.identity, welcome, tree)))?)
    }

    fn take_writes<'py>(&self, py: Python<'py>) -> Vec<PyWrite<'py>> {
        let writes = py.detach(|| {
            let _turn = hold(&self.identity.turn);
            hold(&self.identity.shard).take()
        });
        to_python(py, writes)
    }

    fn rollback(&self, py: Python<'_>) {
        py.detach(|| {
            let _turn = hold(&self.identity.turn);
            hold(&self.identity.shard).rollback();
        });
    }
}

pub fn create(identity: &Arc<Identity>, group_id: &[u8], extension: &[u8], suite: u16) -> Result<Group> {
    let tap = Tap::on(&identity.crypto);
    let store = Store::for_group(&identity.shard, Shard::default());
    let mls = MlsGroup::new_with_group_id(
        &Provider { tap: &tap, store: &store },
        &identity.key.signer(&tap),
        &profile::create_config(suite, context::extensions(extension)?)?,
        GroupId::from_slice(group_id),
        identity.credential.clone(),
    )?;
    Ok(Group::new(identity, mls, store))
}

fn load(identity: &Arc<Identity>, group_id: &[u8], rows: &Rows) -> Result<Group> {
    let store = Store::for_group(&identity.shard, shard_from(rows)?);
    let wanted = GroupId::from_slice(group_id);
    let mls = caught(|| Ok(MlsGroup::load(&store, &wanted)?))
        .map_err(|refusal| Refusal::new(Code::Malformed, refusal.reason()))?
        .filter(|mls| *mls.group_id() == wanted)
        .ok_or_else(|| Refusal::new(Code::NotStored, "the rows hold no such group"))?;
    profile::suite(mls.ciphersuite().into()).map_err(|refusal| Refusal::new(Code::Malformed, refusal.reason()))?;
    let own = mls.own_leaf_node().map(|leaf| leaf.signature_key().as_slice());
    if mls.is_active() && own != Some(&identity.key.public[..]) {
        return Err(Refusal::new(Code::Malformed, "the rows are of another device"));
    }
    if mls.is_active() && !store.has_epoch_keys(&mls.epoch(), mls.own_leaf_index().u32())? {
        return Err(Refusal::new(Code::Malformed, "the rows lack the leaf's private key"));
    }
    Ok(Group::new(identity, mls, store))
}
