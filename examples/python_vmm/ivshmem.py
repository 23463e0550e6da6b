# Copyright 2026 The ivshmem Authors
# SPDX-License-Identifier: Apache-2.0

"""The part of ivshmem/ivshmem.h that vmm.py uses, for ctypes.

Structs may end before the header's do: what a caller does not have counts as
zero. What they do have is in the header's order.
"""

import ctypes
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_ssize_t, c_uint32, c_uint64, c_void_p

ABI_VERSION = 0
REGISTERS, MSIX, MEMORY = range(3)
INTERRUPT_HELD = 1
LINK_PEER_JOINED = 7

SendMsi = ctypes.CFUNCTYPE(None, c_void_p, c_uint64, c_uint32)


class Struct(ctypes.Structure):
    def __init__(self, **fields):
        super().__init__(ctypes.sizeof(self), **fields)


class Host(Struct):
    _fields_ = [
        ("struct_size", c_size_t),
        ("opaque", c_void_p),
        ("flags", c_uint32),
        ("reserved", c_uint32),
        ("send_msi", SendMsi),
    ]


class PciOptions(Struct):
    _fields_ = [
        ("struct_size", c_size_t),
        ("memory", c_void_p),
        ("host", POINTER(Host)),
        ("loop", c_void_p),
        ("flags", c_uint32),
        ("dialect", c_uint32),
        ("interrupts", c_uint32),
        ("vectors", c_uint32),
        ("id", c_uint32),
        ("subsystem_vendor_id", c_uint32),
        ("subsystem_id", c_uint32),
        ("reserved", c_uint32),
        ("bar_addresses", c_uint64 * 3),
    ]


DEVICE_HAS_ID = 0x1


class LinkEvent(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("kind", c_uint32),
        ("peer", c_uint32),
        ("old_peer", c_uint32),
        ("reserved", c_uint32),
        ("text", c_char_p),
    ]


LinkEventCall = ctypes.CFUNCTYPE(None, c_void_p, POINTER(LinkEvent))


class LinkOptions(Struct):
    _fields_ = [
        ("struct_size", c_size_t),
        ("socket_path", c_char_p),
        ("memory_size", c_uint64),
        ("flags", c_uint32),
        ("vectors", c_uint32),
        ("greeting_deadline_ms", c_uint32),
        ("retry_first_ms", c_uint32),
        ("retry_most_ms", c_uint32),
        ("absent_peers_ms", c_uint32),
        ("max_descriptors", c_uint32),
        ("reserved", c_uint32),
        ("identity", c_char_p),
        ("event", LinkEventCall),
        ("opaque", c_void_p),
    ]


class Error(Exception):
    pass


_library = ctypes.CDLL("libivshmem.so.0")
_library.ivshmem_last_error.restype = c_char_p


def _declare(name, result, *arguments, fails=False):
    function = getattr(_library, "ivshmem_" + name)
    function.restype = result
    function.argtypes = arguments
    if fails:  # A negative result is an exception.

        def check(value, _function, _arguments):
            if value < 0:
                raise Error("%s: %s" % (name, _library.ivshmem_last_error().decode()))
            return value

        function.errcheck = check
    globals()[name] = function


_handle = POINTER(c_void_p)
_declare("abi_version", c_uint32)
_declare("memory_create", c_int, c_uint64, _handle, fails=True)
_declare("memory_data", c_void_p, c_void_p)
_declare("memory_size", c_uint64, c_void_p)
_declare("memory_destroy", None, c_void_p)
_declare("pci_create", c_int, POINTER(PciOptions), _handle, fails=True)
_declare("pci_restore", c_int, POINTER(PciOptions), c_void_p, c_size_t, _handle, fails=True)
_declare("device_save", c_ssize_t, c_void_p, c_void_p, c_size_t, fails=True)
_declare("device_destroy", c_int, c_void_p, fails=True)
_declare("device_config_read", None, c_void_p, c_uint64, c_void_p, c_size_t)
_declare("device_config_write", None, c_void_p, c_uint64, c_void_p, c_size_t)
_declare("device_read", None, c_void_p, c_uint32, c_uint64, c_void_p, c_size_t)
_declare("device_write", None, c_void_p, c_uint32, c_uint64, c_void_p, c_size_t)
_declare("device_vector_fd", c_int, c_void_p, c_uint32, fails=True)
_declare("device_serve", c_int, c_void_p, c_void_p, fails=True)
_declare("device_interrupt", c_int, c_void_p, c_uint32, fails=True)
_declare("loop_start", c_int, c_char_p, _handle, fails=True)
_declare("loop_destroy", c_int, c_void_p, fails=True)
_declare("link_start", c_int, c_void_p, POINTER(LinkOptions), _handle, fails=True)
_declare("link_wait_joined", c_int, c_void_p, c_int64, fails=True)
_declare("link_memory", c_int, c_void_p, _handle, fails=True)
_declare("link_attach", c_int, c_void_p, c_void_p, fails=True)
_declare("link_detach", c_int, c_void_p, fails=True)
_declare("link_destroy", c_int, c_void_p, fails=True)
