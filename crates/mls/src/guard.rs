//! Two things every call into OpenMLS needs: a lock that survives a panic, and panics turned into errors.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Code, Refusal, Result};

/// Take the lock. A poisoned one is taken as well: whoever panicked under it was rolled back by its caller.
pub fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Run `call`; a panic in it is `internal`. Nothing of the panic's text is kept: it could quote what was being handled.
pub fn caught<T>(call: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|_| Err(Refusal::new(Code::Internal, "a panic below this crate")))
}
