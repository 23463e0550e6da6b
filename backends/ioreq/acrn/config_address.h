// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_ACRN_CONFIG_ADDRESS_H_
#define IVSHMEM_BACKENDS_IOREQ_ACRN_CONFIG_ADDRESS_H_

#include <linux/acrn.h>

#include <cstdint>

namespace ivshmem::acrn {

// A VM's register at I/O port 0xCF8, which says whose config space is at ports
// 0xCFC to 0xCFF (PCI Local Bus 3.0, 3.2.2.3.2; bits 27:24 are the high bits of
// the register's number, as AMD's processors have it). The kernel answers the
// register, and turns what comes to the data ports into config requests, so
// that a device model sees no such port.
//
// Threading: one call at a time.
class ConfigAddress {
 public:
  // Whether `request` is for the register, or for the data ports while the
  // register names nobody. Then it is carried out: what a read reads is in
  // `request`. Of the register the low bytes are written or read, whatever the
  // size; all ones are read of nobody's.
  bool Answer(acrn_io_request& request) noexcept {
    if (request.type != ACRN_IOREQ_TYPE_PORTIO) return false;
    acrn_pio_request& access = request.reqs.pio_request;
    const bool write = access.direction == ACRN_IOREQ_DIR_WRITE;
    if (access.address == kAddressPort) {
      if (write) {
        value_ = access.value;
      } else {
        access.value = value_;
      }
      return true;
    }
    if (!IsData(access.address) || (value_ & kEnable) != 0) return false;
    if (!write) access.value = 0xffffffff;
    return true;
  }

  // Makes what is for the data ports, and was not answered, a request for the
  // config space that the register names.
  void Translate(acrn_io_request& request) const noexcept {
    const uint64_t port = request.reqs.pio_request.address;
    if (request.type != ACRN_IOREQ_TYPE_PORTIO || !IsData(port)) return;
    request.type = ACRN_IOREQ_TYPE_PCICFG;
    acrn_pci_request& access = request.reqs.pci_request;
    access.bus = value_ >> 16 & 0xff;
    access.dev = value_ >> 11 & 0x1f;
    access.func = value_ >> 8 & 0x7;
    access.reg = (value_ & 0xfc) + (value_ >> 16 & 0xf00) +
                 static_cast<uint32_t>(port - kDataPort);
  }

 private:
  static constexpr uint64_t kAddressPort = 0xcf8;
  static constexpr uint64_t kDataPort = 0xcfc;
  static constexpr uint32_t kEnable = 0x80000000;

  static bool IsData(uint64_t port) {
    return port >= kDataPort && port < kDataPort + 4;
  }

  uint32_t value_ = 0;
};

}  // namespace ivshmem::acrn

#endif  // IVSHMEM_BACKENDS_IOREQ_ACRN_CONFIG_ADDRESS_H_
