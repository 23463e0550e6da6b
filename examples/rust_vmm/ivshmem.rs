// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

//! The part of ivshmem/ivshmem.h that main.rs uses.
//!
//! Structs may end before the header's do: what a caller does not have counts as
//! zero. What they do have is in the header's order.

use std::ffi::CStr;
use std::os::raw::{c_char, c_int, c_void};
use std::ptr::null_mut;

pub const ABI_VERSION: u32 = 0;
pub const REGISTERS: u32 = 0;
pub const MSIX: u32 = 1;
pub const INTERRUPT_HELD: c_int = 1;
pub const DEVICE_HAS_ID: u32 = 0x1;
pub const LINK_PEER_JOINED: u32 = 7;

/// What the library's pointers point to.
#[repr(C)]
pub struct Handle {
    _opaque: [u8; 0],
}

#[repr(C)]
pub struct Host {
    pub struct_size: usize,
    pub opaque: *mut c_void,
    pub flags: u32,
    pub reserved: u32,
    pub send_msi: extern "C" fn(*mut c_void, u64, u32),
}

#[repr(C)]
pub struct PciOptions {
    pub struct_size: usize,
    pub memory: *const Handle,
    pub host: *const Host,
    pub event_loop: *mut Handle,
    pub flags: u32,
    pub dialect: u32,
    pub interrupts: u32,
    pub vectors: u32,
    pub id: u32,
    pub subsystem_vendor_id: u32,
    pub subsystem_id: u32,
    pub reserved: u32,
    pub bar_addresses: [u64; 3],
}

#[repr(C)]
pub struct LinkEvent {
    pub struct_size: usize,
    pub kind: u32,
    pub peer: u32,
    pub old_peer: u32,
    pub reserved: u32,
    pub text: *const c_char,
}

#[repr(C)]
pub struct LinkOptions {
    pub struct_size: usize,
    pub socket_path: *const c_char,
    pub memory_size: u64,
    pub flags: u32,
    pub vectors: u32,
    pub greeting_deadline_ms: u32,
    pub retry_first_ms: u32,
    pub retry_most_ms: u32,
    pub absent_peers_ms: u32,
    pub max_descriptors: u32,
    pub reserved: u32,
    pub identity: *const c_char,
    pub event: extern "C" fn(*mut c_void, *const LinkEvent),
    pub opaque: *mut c_void,
}

#[link(name = "ivshmem")]
extern "C" {
    pub fn ivshmem_abi_version() -> u32;
    fn ivshmem_last_error() -> *const c_char;
    pub fn ivshmem_memory_create(size: u64, memory: *mut *mut Handle) -> c_int;
    pub fn ivshmem_memory_data(memory: *const Handle) -> *mut c_void;
    pub fn ivshmem_memory_destroy(memory: *mut Handle);
    pub fn ivshmem_pci_create(options: *const PciOptions, device: *mut *mut Handle) -> c_int;
    pub fn ivshmem_pci_restore(
        options: *const PciOptions,
        state: *const u8,
        size: usize,
        device: *mut *mut Handle,
    ) -> c_int;
    pub fn ivshmem_device_save(device: *mut Handle, buffer: *mut u8, size: usize) -> isize;
    pub fn ivshmem_device_destroy(device: *mut Handle) -> c_int;
    pub fn ivshmem_device_config_read(
        device: *const Handle,
        offset: u64,
        bytes: *mut u8,
        size: usize,
    );
    pub fn ivshmem_device_config_write(
        device: *mut Handle,
        offset: u64,
        bytes: *const u8,
        size: usize,
    );
    pub fn ivshmem_device_read(
        device: *mut Handle,
        region: u32,
        offset: u64,
        bytes: *mut u8,
        size: usize,
    );
    pub fn ivshmem_device_write(
        device: *mut Handle,
        region: u32,
        offset: u64,
        bytes: *const u8,
        size: usize,
    );
    pub fn ivshmem_device_vector_fd(device: *mut Handle, vector: u32) -> c_int;
    pub fn ivshmem_device_serve(device: *mut Handle, event_loop: *mut Handle) -> c_int;
    pub fn ivshmem_device_interrupt(device: *mut Handle, vector: u32) -> c_int;
    pub fn ivshmem_loop_start(name: *const c_char, event_loop: *mut *mut Handle) -> c_int;
    pub fn ivshmem_loop_destroy(event_loop: *mut Handle) -> c_int;
    pub fn ivshmem_link_start(
        event_loop: *mut Handle,
        options: *const LinkOptions,
        link: *mut *mut Handle,
    ) -> c_int;
    pub fn ivshmem_link_wait_joined(link: *mut Handle, timeout_ms: i64) -> c_int;
    pub fn ivshmem_link_memory(link: *mut Handle, memory: *mut *mut Handle) -> c_int;
    pub fn ivshmem_link_attach(link: *mut Handle, device: *mut Handle) -> c_int;
    pub fn ivshmem_link_detach(device: *mut Handle) -> c_int;
    pub fn ivshmem_link_destroy(link: *mut Handle) -> c_int;
}

/// `result`, or why the library's last call on this thread failed.
pub fn checked(result: c_int) -> Result<c_int, String> {
    if result >= 0 {
        return Ok(result);
    }
    let text = unsafe { CStr::from_ptr(ivshmem_last_error()) };
    Err(text.to_string_lossy().into_owned())
}

/// The handle that one of the library's functions makes.
pub fn made_by(function: impl FnOnce(*mut *mut Handle) -> c_int) -> Result<*mut Handle, String> {
    let mut handle = null_mut();
    checked(function(&mut handle))?;
    Ok(handle)
}
