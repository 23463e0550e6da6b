"""The version, in this place only.

The command, the shared library's file name, pkg-config, CMake, the manual and
the Debian packages have it from here. The first number is the soname's too.
"""

IVSHMEM_VERSION = "0.1.0"
