#!/usr/bin/env python3
# Copyright 2026 The ivshmem Authors
# SPDX-License-Identifier: Apache-2.0

"""A VMM in Python, whose guest this program plays.

  vmm.py                 the guest rings itself
  vmm.py SOCKET PEER     it and the guest of the peer of this id ring each other,
                         by the server at SOCKET

ctypes finds libivshmem.so.0 where the system does (LD_LIBRARY_PATH).
"""

import ctypes
import queue
import sys
import threading

import ivshmem

HELLO = 0x600D0000
MSI_ADDRESS, MSI_DATA = 0xFEE00000, 0x40
WAIT_SECONDS = 60


def expect(holds, what):
    if not holds:
        sys.exit("vmm.py: expected that " + what)


def made_by(function, *arguments):
    """The handle that a function of the library makes."""
    handle = ctypes.c_void_p()
    function(*arguments, ctypes.byref(handle))
    return handle


class Vmm:
    def __init__(self, memory):
        self.memory = memory
        self.messages = queue.Queue()  # To the guest.
        # ctypes' callbacks live as long as these.
        self._send_msi = ivshmem.SendMsi(lambda _, address, data: self.messages.put((address, data)))
        self._host = ivshmem.Host(send_msi=self._send_msi)
        self._options = ivshmem.PciOptions(
            memory=memory, host=ctypes.pointer(self._host), flags=ivshmem.DEVICE_HAS_ID, vectors=1
        )
        self.device = made_by(ivshmem.pci_create, self._options)

    def config_read(self, offset):
        value = ctypes.c_uint32()
        ivshmem.device_config_read(self.device, offset, ctypes.byref(value), 4)
        return value.value

    def config_write(self, offset, value):
        ivshmem.device_config_write(self.device, offset, ctypes.byref(ctypes.c_uint32(value)), 4)

    def read(self, region, offset):
        value = ctypes.c_uint32()
        ivshmem.device_read(self.device, region, offset, ctypes.byref(value), 4)
        return value.value

    def write(self, region, offset, value):
        ivshmem.device_write(self.device, region, offset, ctypes.byref(ctypes.c_uint32(value)), 4)

    def enumerate(self):
        """What firmware and a driver do."""
        expect(self.config_read(0) == 0x11101AF4, "the device is 1af4:1110")
        for bar, address in ((0x10, 0xF0000000), (0x14, 0xF0001000), (0x18, 0xE0000000), (0x1C, 0)):
            self.config_write(bar, address)
        self.config_write(0x04, 0x6)  # Answers at its BARs, sends messages.
        capability = self.config_read(0x34) & 0xFF
        while capability and self.config_read(capability) & 0xFF != 0x11:
            capability = self.config_read(capability) >> 8 & 0xFF
        expect(capability, "the device has MSI-X")
        for offset, value in ((0, MSI_ADDRESS), (4, 0), (8, MSI_DATA), (12, 0)):
            self.write(ivshmem.MSIX, offset, value)
        self.config_write(capability, 0x80000000 | self.config_read(capability))

    def guest(self, peer):
        """Says hello, rings, waits for an interrupt: (its id, what it heard)."""
        memory = (ctypes.c_uint32 * (ivshmem.memory_size(self.memory) // 4)).from_address(
            ivshmem.memory_data(self.memory)
        )
        own_id = self.read(ivshmem.REGISTERS, 8)
        memory[own_id] = HELLO | own_id
        self.write(ivshmem.REGISTERS, 12, peer << 16)
        expect(self.messages.get(timeout=WAIT_SECONDS) == (MSI_ADDRESS, MSI_DATA), "the message is its own")
        return own_id, memory[peer]

    def save_and_restore(self):
        """An interrupt that is held is not lost. Returns the state's size."""
        self.write(ivshmem.MSIX, 12, 1)
        expect(ivshmem.device_interrupt(self.device, 0) == ivshmem.INTERRUPT_HELD, "an interrupt is held")
        size = ivshmem.device_save(self.device, None, 0)
        state = ctypes.create_string_buffer(size)
        expect(ivshmem.device_save(self.device, state, size) == size, "the state is as long as it was")
        ivshmem.device_destroy(self.device)
        self.device = made_by(ivshmem.pci_restore, self._options, state, size)
        expect(self.messages.empty(), "what is masked is not sent")
        self.write(ivshmem.MSIX, 12, 0)
        expect(self.messages.get_nowait() == (MSI_ADDRESS, MSI_DATA), "the interrupt comes after all")
        return size


class Link:
    """To a server."""

    def __init__(self, loop, socket, peer):
        self.peer_is_there = threading.Event()

        def event(_, event):
            if event.contents.kind == ivshmem.LINK_PEER_JOINED and event.contents.peer == peer:
                self.peer_is_there.set()

        self._event = ivshmem.LinkEventCall(event)
        options = ivshmem.LinkOptions(socket_path=socket.encode(), event=self._event)
        self.handle = made_by(ivshmem.link_start, loop, options)
        ivshmem.link_wait_joined(self.handle, 10000)


def main():
    if len(sys.argv) not in (1, 3):
        sys.exit("usage: vmm.py [SOCKET PEER]")
    expect(ivshmem.abi_version() == ivshmem.ABI_VERSION, "the library is the one that this was written for")
    peer = int(sys.argv[2]) if len(sys.argv) == 3 else 0
    loop = made_by(ivshmem.loop_start, b"ivshmem")
    link = Link(loop, sys.argv[1], peer) if len(sys.argv) == 3 else None
    memory = made_by(ivshmem.link_memory, link.handle) if link else made_by(ivshmem.memory_create, 1 << 20)

    vmm = Vmm(memory)
    vmm.enumerate()
    if link:
        ivshmem.link_attach(link.handle, vmm.device)
        expect(link.peer_is_there.wait(WAIT_SECONDS), "the peer comes")
    else:  # Its own peer, by hand.
        ivshmem.device_vector_fd(vmm.device, 0)
        ivshmem.device_serve(vmm.device, loop)
    own_id, heard = vmm.guest(peer)
    expect(heard == HELLO | peer, "the peer said hello")
    print("guest %d (Python) rang %d, was interrupted, and read 0x%x from it" % (own_id, peer, heard))

    if link:
        ivshmem.link_detach(vmm.device)
    print("saved in %d bytes and restored: the interrupt that was held came" % vmm.save_and_restore())

    ivshmem.device_destroy(vmm.device)
    ivshmem.memory_destroy(memory)
    if link:
        ivshmem.link_destroy(link.handle)
    ivshmem.loop_destroy(loop)


if __name__ == "__main__":
    main()
