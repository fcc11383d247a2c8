//! What every call into OpenMLS needs: a lock that survives a panic, panics turned into errors, and one way to decode.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tls_codec::DeserializeBytes;

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

/// Decode a TLS structure (RFC 8446 §3, RFC 9420 §2.1.2) that fills `bytes` exactly; whatever goes wrong is `code`.
pub fn decode_untrusted<T: DeserializeBytes>(bytes: &[u8], code: Code, what: &str) -> Result<T> {
    // In debug builds tls_codec asserts, where a release build returns an error.
    caught(|| T::tls_deserialize_exact_bytes(bytes).map_err(|_| Refusal::new(code, "")))
        .map_err(|_| Refusal::new(code, format_args!("not {what}")))
}
