// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_ACRN_REQUESTS_H_
#define IVSHMEM_BACKENDS_IOREQ_ACRN_REQUESTS_H_

#include <linux/acrn.h>

#include <cstdint>

// Requests as a hypervisor fills them in, for tests.
namespace ivshmem::acrn {

inline acrn_io_request MmioRequest(uint32_t direction, uint64_t address,
                                   uint64_t size, uint64_t value = 0) {
  acrn_io_request request = {};
  request.type = ACRN_IOREQ_TYPE_MMIO;
  request.reqs.mmio_request = {.direction = direction,
                               .reserved = 0,
                               .address = address,
                               .size = size,
                               .value = value};
  return request;
}

inline acrn_io_request MmioRead(uint64_t address, uint64_t size) {
  return MmioRequest(ACRN_IOREQ_DIR_READ, address, size);
}

inline acrn_io_request MmioWrite(uint64_t address, uint64_t size,
                                 uint64_t value) {
  return MmioRequest(ACRN_IOREQ_DIR_WRITE, address, size, value);
}

inline acrn_io_request PortRequest(uint32_t direction, uint64_t port,
                                   uint64_t size, uint32_t value = 0) {
  acrn_io_request request = {};
  request.type = ACRN_IOREQ_TYPE_PORTIO;
  request.reqs.pio_request = {.direction = direction,
                              .reserved = 0,
                              .address = port,
                              .size = size,
                              .value = value};
  return request;
}

inline acrn_io_request PortRead(uint64_t port, uint64_t size) {
  return PortRequest(ACRN_IOREQ_DIR_READ, port, size);
}

inline acrn_io_request PortWrite(uint64_t port, uint64_t size, uint32_t value) {
  return PortRequest(ACRN_IOREQ_DIR_WRITE, port, size, value);
}

}  // namespace ivshmem::acrn

#endif  // IVSHMEM_BACKENDS_IOREQ_ACRN_REQUESTS_H_
