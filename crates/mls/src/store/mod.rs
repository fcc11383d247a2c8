//! OpenMLS's storage: an in-memory map per scope that remembers what it was, so that calls and batches can be undone.
//!
//! Two scopes: the client's (key packages, loose encryption keys) and one per group. A shard holds one scope only, so the
//! keys of its rows name no group; the caller stores each scope's rows apart.

mod piece;
mod provider;
mod shard;

use std::sync::{Arc, Mutex};

pub use shard::{Shard, Write};

#[derive(Clone, Default)]
pub struct Store {
    pub client: Arc<Mutex<Shard>>,
    pub group: Arc<Mutex<Shard>>,
}

impl Store {
    /// A store for a new group of this client.
    pub fn for_group(client: &Arc<Mutex<Shard>>, group: Shard) -> Self {
        Store { client: client.clone(), group: Arc::new(Mutex::new(group)) }
    }
}
