// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

//! A VMM in Rust, whose guest this program plays.
//!
//!   vmm                 the guest rings itself
//!   vmm SOCKET PEER     it and the guest of the peer of this id ring each other,
//!                       by the server at SOCKET
//!
//!   rustc --edition 2021 -L DIR main.rs    (DIR: where libivshmem.so is)

mod ivshmem;

use ivshmem::*;
use std::ffi::CString;
use std::mem::size_of;
use std::os::raw::c_void;
use std::ptr::{null, null_mut};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Mutex;
use std::time::Duration;

const HELLO: u32 = 0x600d0000;
const MESSAGE: (u64, u32) = (0xfee00000, 0x40);
const WAIT: Duration = Duration::from_secs(60);

fn expect(holds: bool, what: &str) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(format!("expected that {}", what))
    }
}

// What the library calls, from threads of its own: the guest gets messages, and
// is told of its peer.

type Messages = Mutex<Sender<(u64, u32)>>;

extern "C" fn send_msi(opaque: *mut c_void, address: u64, data: u32) {
    let messages = unsafe { &*(opaque as *const Messages) };
    // A guest that has gone needs none.
    let _ = messages.lock().unwrap().send((address, data));
}

struct Awaited {
    peer: u32,
    joined: Mutex<Sender<()>>,
}

extern "C" fn link_event(opaque: *mut c_void, event: *const LinkEvent) {
    let (awaited, event) = unsafe { (&*(opaque as *const Awaited), &*event) };
    if event.kind == LINK_PEER_JOINED && event.peer == awaited.peer {
        let _ = awaited.joined.lock().unwrap().send(());
    }
}

struct Vmm {
    options: PciOptions,
    device: *mut Handle,
    memory: *mut Handle,
    messages: Receiver<(u64, u32)>,
}

impl Vmm {
    fn config_read(&self, offset: u64) -> u32 {
        let mut bytes = [0; 4];
        unsafe { ivshmem_device_config_read(self.device, offset, bytes.as_mut_ptr(), 4) };
        u32::from_le_bytes(bytes)
    }

    fn config_write(&self, offset: u64, value: u32) {
        let bytes = value.to_le_bytes();
        unsafe { ivshmem_device_config_write(self.device, offset, bytes.as_ptr(), 4) };
    }

    fn read(&self, region: u32, offset: u64) -> u32 {
        let mut bytes = [0; 4];
        unsafe { ivshmem_device_read(self.device, region, offset, bytes.as_mut_ptr(), 4) };
        u32::from_le_bytes(bytes)
    }

    fn write(&self, region: u32, offset: u64, value: u32) {
        let bytes = value.to_le_bytes();
        unsafe { ivshmem_device_write(self.device, region, offset, bytes.as_ptr(), 4) };
    }

    /// What firmware and a driver do.
    fn enumerate(&self) -> Result<(), String> {
        expect(self.config_read(0) == 0x11101af4, "the device is 1af4:1110")?;
        for (bar, address) in [
            (0x10, 0xf0000000),
            (0x14, 0xf0001000),
            (0x18, 0xe0000000),
            (0x1c, 0),
        ] {
            self.config_write(bar, address);
        }
        self.config_write(0x04, 0x6); // Answers at its BARs, sends messages.
        let mut capability = u64::from(self.config_read(0x34) & 0xff);
        while capability != 0 && self.config_read(capability) & 0xff != 0x11 {
            capability = u64::from(self.config_read(capability) >> 8 & 0xff);
        }
        expect(capability != 0, "the device has MSI-X")?;
        for (offset, value) in [(0, MESSAGE.0 as u32), (4, 0), (8, MESSAGE.1), (12, 0)] {
            self.write(MSIX, offset, value);
        }
        self.config_write(capability, 0x80000000 | self.config_read(capability));
        Ok(())
    }

    /// Says hello, rings, waits for an interrupt: (its id, what it heard).
    fn guest(&self, peer: u32) -> Result<(u32, u32), String> {
        let memory = unsafe { ivshmem_memory_data(self.memory) } as *mut u32;
        let id = self.read(REGISTERS, 8);
        unsafe { memory.add(id as usize).write_volatile(HELLO | id) };
        self.write(REGISTERS, 12, peer << 16);
        let message = self
            .messages
            .recv_timeout(WAIT)
            .map_err(|_| "no interrupt came")?;
        expect(message == MESSAGE, "the message is its own")?;
        Ok((id, unsafe { memory.add(peer as usize).read_volatile() }))
    }

    /// An interrupt that is held is not lost. Returns the state's size.
    fn save_and_restore(&mut self) -> Result<usize, String> {
        self.write(MSIX, 12, 1);
        let result = unsafe { ivshmem_device_interrupt(self.device, 0) };
        expect(checked(result)? == INTERRUPT_HELD, "an interrupt is held")?;

        let size = unsafe { ivshmem_device_save(self.device, null_mut(), 0) };
        checked(size as i32)?;
        let mut state = vec![0; size as usize];
        let saved = unsafe { ivshmem_device_save(self.device, state.as_mut_ptr(), state.len()) };
        expect(saved == size, "the state is as long as it was")?;
        checked(unsafe { ivshmem_device_destroy(self.device) })?;
        self.device = made_by(|device| unsafe {
            ivshmem_pci_restore(&self.options, state.as_ptr(), state.len(), device)
        })?;

        expect(
            self.messages.try_recv().is_err(),
            "what is masked is not sent",
        )?;
        self.write(MSIX, 12, 0);
        expect(
            self.messages.try_recv() == Ok(MESSAGE),
            "the interrupt comes after all",
        )?;
        Ok(state.len())
    }
}

fn run(server: Option<(&str, u32)>) -> Result<(), String> {
    expect(
        unsafe { ivshmem_abi_version() } == ABI_VERSION,
        "the library is the one that this was written for",
    )?;
    let event_loop = made_by(|l| unsafe { ivshmem_loop_start(null(), l) })?;

    let peer = server.map_or(0, |(_, peer)| peer);
    let (joined, peer_joined) = channel();
    // These stay for good: whatever fails below, no call comes too late.
    let awaited: &Awaited = Box::leak(Box::new(Awaited {
        peer,
        joined: Mutex::new(joined),
    }));
    let (sender, messages) = channel();
    let sender: &Messages = Box::leak(Box::new(Mutex::new(sender)));

    let (link, memory): (*mut Handle, *mut Handle) = match server {
        Some((socket, _)) => {
            let path = CString::new(socket).map_err(|e| e.to_string())?;
            let options = LinkOptions {
                struct_size: size_of::<LinkOptions>(),
                socket_path: path.as_ptr(),
                memory_size: 0,
                flags: 0,
                vectors: 0,
                greeting_deadline_ms: 0,
                retry_first_ms: 0,
                retry_most_ms: 0,
                absent_peers_ms: 0,
                max_descriptors: 0,
                reserved: 0,
                identity: null(),
                event: link_event,
                opaque: awaited as *const Awaited as *mut c_void,
            };
            let link = made_by(|l| unsafe { ivshmem_link_start(event_loop, &options, l) })?;
            checked(unsafe { ivshmem_link_wait_joined(link, 10000) })?;
            (link, made_by(|m| unsafe { ivshmem_link_memory(link, m) })?)
        }
        None => (
            null_mut(),
            made_by(|m| unsafe { ivshmem_memory_create(1 << 20, m) })?,
        ),
    };

    let host = Host {
        struct_size: size_of::<Host>(),
        opaque: sender as *const Messages as *mut c_void,
        flags: 0,
        reserved: 0,
        send_msi,
    };
    let options = PciOptions {
        struct_size: size_of::<PciOptions>(),
        memory,
        host: &host,
        event_loop: null_mut(),
        flags: DEVICE_HAS_ID,
        dialect: 0,
        interrupts: 0,
        vectors: 1,
        id: 0,
        subsystem_vendor_id: 0,
        subsystem_id: 0,
        reserved: 0,
        bar_addresses: [0; 3],
    };
    let device = made_by(|d| unsafe { ivshmem_pci_create(&options, d) })?;
    let mut vmm = Vmm {
        options,
        device,
        memory,
        messages,
    };
    vmm.enumerate()?;

    if server.is_some() {
        checked(unsafe { ivshmem_link_attach(link, vmm.device) })?;
        peer_joined
            .recv_timeout(WAIT)
            .map_err(|_| "the peer did not come")?;
    } else {
        // Its own peer, by hand.
        checked(unsafe { ivshmem_device_vector_fd(vmm.device, 0) })?;
        checked(unsafe { ivshmem_device_serve(vmm.device, event_loop) })?;
    }
    let (id, heard) = vmm.guest(peer)?;
    expect(heard == HELLO | peer, "the peer said hello")?;
    println!(
        "guest {} (Rust) rang {}, was interrupted, and read {:#x} from it",
        id, peer, heard
    );

    if server.is_some() {
        checked(unsafe { ivshmem_link_detach(vmm.device) })?;
    }
    let size = vmm.save_and_restore()?;
    println!(
        "saved in {} bytes and restored: the interrupt that was held came",
        size
    );

    checked(unsafe { ivshmem_device_destroy(vmm.device) })?;
    unsafe { ivshmem_memory_destroy(memory) };
    checked(unsafe { ivshmem_link_destroy(link) })?;
    checked(unsafe { ivshmem_loop_destroy(event_loop) })?;
    Ok(())
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let server = match &arguments[..] {
        [] => None,
        [socket, peer] => match peer.parse() {
            Ok(peer) => Some((socket.as_str(), peer)),
            Err(_) => usage(),
        },
        _ => usage(),
    };
    if let Err(error) = run(server) {
        eprintln!("vmm: {}", error);
        std::process::exit(1);
    }
}

fn usage() -> ! {
    eprintln!("usage: vmm [SOCKET PEER]");
    std::process::exit(2);
}
