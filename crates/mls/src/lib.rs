//! MLS (RFC 9420) for Coterie, over OpenMLS and libcrux. The surface is documented in `python/coterie_mls/__init__.pyi`.
//!
//! No I/O: state lives in memory and leaves as rows. Malformed bytes, refused messages and even a panic below this crate
//! reach Python as `MlsError`; nothing is left half-done by a call that raised. Rayon runs underneath: never fork.

mod client;
mod codec;
mod context;
mod crypto;
mod error;
mod group;
mod guard;
mod hpke;
mod keypackage;
mod leaf;
mod message;
mod pending;
mod profile;
#[cfg(test)]
mod rogue;
mod staged;
mod store;
mod welcome;
mod wire;

use pyo3::prelude::*;
use pyo3::types::PyFrozenSet;

#[pymodule]
fn _native(py: Python<'_>, module: &Bound<'_, PyModule>) -> PyResult<()> {
    // A panic below is caught and raised as MlsError(internal); its own report on stderr could quote key material.
    std::panic::set_hook(Box::new(|_| ()));

    module.add("SUITE_XWING", profile::XWING)?;
    module.add("SUITE_CLASSICAL", profile::CLASSICAL)?;
    module.add("CREDENTIAL_TYPE", profile::CREDENTIAL_TYPE)?;
    module.add("CONTEXT_EXTENSION", profile::CONTEXT_EXTENSION)?;
    module.add("CODES", PyFrozenSet::new(py, error::Code::ALL.map(error::Code::name))?)?;
    let mls_error = py.get_type::<error::MlsError>();
    mls_error.setattr("code", error::Code::Internal.name())?;
    module.add("MlsError", mls_error)?;

    module.add_class::<leaf::Leaf>()?;
    module.add_class::<message::Evidence>()?;
    module.add_class::<message::Application>()?;
    module.add_class::<message::Proposal>()?;
    module.add_class::<message::Own>()?;
    module.add_class::<message::Encrypted>()?;
    module.add_class::<keypackage::KeyPackage>()?;
    module.add_class::<wire::Envelope>()?;
    module.add_class::<client::Client>()?;
    module.add_class::<welcome::StagedWelcome>()?;
    module.add_class::<staged::StagedCommit>()?;
    module.add_class::<pending::PendingCommit>()?;
    module.add_class::<group::Group>()?;

    module.add_function(wrap_pyfunction!(keypackage::parse_key_package, module)?)?;
    module.add_function(wrap_pyfunction!(wire::peek, module)?)?;
    module.add_function(wrap_pyfunction!(wire::cut_welcome, module)?)?;
    module.add_function(wrap_pyfunction!(hpke::hpke_keypair, module)?)?;
    module.add_function(wrap_pyfunction!(hpke::hpke_seal, module)?)?;
    module.add_function(wrap_pyfunction!(hpke::hpke_open, module)?)?;
    Ok(())
}
