// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/xen/decode.h"

#include <cstdint>

#include "bus/pci/config_ports.h"

namespace ivshmem::xen {
namespace {

using Kind = ioreq::Request::Kind;
using Direction = ioreq::Request::Direction;

Kind KindOf(const ioreq_t& request) {
  switch (request.type) {
    case IOREQ_TYPE_PIO:
      return Kind::kPorts;
    case IOREQ_TYPE_COPY:
      return Kind::kMemory;
    case IOREQ_TYPE_PCI_CONFIG:
      return static_cast<uint32_t>(request.addr) < pci::kEcamFunctionSize
                 ? Kind::kPciConfig
                 : Kind::kUnknown;
    default:
      return Kind::kUnknown;
  }
}

}  // namespace

ioreq::Request Decode(const ioreq_t& request) {
  const Kind kind = KindOf(request);
  uint64_t address = request.addr;
  if (kind == Kind::kPciConfig) {
    const uint64_t function = address >> 32;
    address =
        function * pci::kEcamFunctionSize + static_cast<uint32_t>(address);
  }
  return {.kind = kind,
          .direction =
              request.dir == IOREQ_READ ? Direction::kRead : Direction::kWrite,
          .address = address,
          .size = request.size,
          .value = request.data,
          .count = request.count,
          .backwards = request.df != 0,
          .value_is_address = request.data_is_ptr != 0};
}

bool IsNotice(const ioreq_t& request) {
  return request.type == IOREQ_TYPE_TIMEOFFSET ||
         request.type == IOREQ_TYPE_INVALIDATE;
}

bool ReturnsData(const ioreq_t& request) {
  return request.dir == IOREQ_READ && request.data_is_ptr == 0;
}

}  // namespace ivshmem::xen
