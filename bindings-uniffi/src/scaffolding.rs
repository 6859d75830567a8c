//! What `uniffi::setup_scaffolding!` would write, without the functions for futures of types that no function here returns: each
//! of 11 types would have four, together some 18 KB in every app. `bindgen.rs` removes their declarations.
#![allow(
    unsafe_code,
    unreachable_pub,
    missing_docs,
    clippy::missing_safety_doc,
    reason = "as UniFFI's macro writes it"
)]

use uniffi::{ForeignBytes, Handle, MetadataBuffer, RustBuffer, RustCallStatus, RustFutureContinuationCallback, ffi};

/// Selects this crate's implementations of `UniFFI`'s traits.
pub struct UniFfiTag;

const NAMESPACE: MetadataBuffer =
    MetadataBuffer::from_code(uniffi::metadata::codes::NAMESPACE).concat_str("celper_uniffi").concat_str("celper");

#[unsafe(no_mangle)]
pub static UNIFFI_META_NAMESPACE_CELPER: [u8; NAMESPACE.size] = NAMESPACE.into_array();

/// The version of what the glue code and this library expect of each other, as in this `UniFFI` version; the glue code checks it.
#[unsafe(no_mangle)]
pub extern "C" fn ffi_celper_uniffi_uniffi_contract_version() -> u32 {
    30
}

#[unsafe(no_mangle)]
pub extern "C" fn ffi_celper_uniffi_rustbuffer_alloc(size: u64, status: &mut RustCallStatus) -> RustBuffer {
    ffi::uniffi_rustbuffer_alloc(size, status)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ffi_celper_uniffi_rustbuffer_from_bytes(
    bytes: ForeignBytes,
    status: &mut RustCallStatus,
) -> RustBuffer {
    ffi::uniffi_rustbuffer_from_bytes(bytes, status)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ffi_celper_uniffi_rustbuffer_free(buffer: RustBuffer, status: &mut RustCallStatus) {
    ffi::uniffi_rustbuffer_free(buffer, status);
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ffi_celper_uniffi_rustbuffer_reserve(
    buffer: RustBuffer,
    additional: u64,
    status: &mut RustCallStatus,
) -> RustBuffer {
    ffi::uniffi_rustbuffer_reserve(buffer, additional, status)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ffi_celper_uniffi_rust_future_poll_rust_buffer(
    handle: Handle,
    callback: RustFutureContinuationCallback,
    data: u64,
) {
    // SAFETY: the glue code passes a future that it has got from this library.
    unsafe { ffi::rust_future_poll::<RustBuffer>(handle, callback, data) };
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ffi_celper_uniffi_rust_future_cancel_rust_buffer(handle: Handle) {
    // SAFETY: as above.
    unsafe { ffi::rust_future_cancel::<RustBuffer>(handle) };
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ffi_celper_uniffi_rust_future_complete_rust_buffer(
    handle: Handle,
    status: &mut RustCallStatus,
) -> RustBuffer {
    // SAFETY: as above.
    unsafe { ffi::rust_future_complete::<RustBuffer>(handle, status) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ffi_celper_uniffi_rust_future_free_rust_buffer(handle: Handle) {
    // SAFETY: as above.
    unsafe { ffi::rust_future_free::<RustBuffer>(handle) };
}
