// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The offsets that the hypervisor and this project agree on, as facts about the
// system's header.

#include <linux/acrn.h>

#include <cstddef>
#include <type_traits>

#include "gtest/gtest.h"

namespace ivshmem::acrn {
namespace {

using Requests = decltype(acrn_io_request::reqs);

// A page of 4 KiB with 16 slots of 256 bytes.
TEST(AcrnLayout, ThePageHas16Slots) {
  EXPECT_EQ(ACRN_IO_REQUEST_MAX, 16);
  EXPECT_EQ(sizeof(acrn_io_request), 256u);
  EXPECT_EQ(alignof(acrn_io_request), 256u);
  EXPECT_EQ(sizeof(acrn_io_request_buffer), 4096u);
  EXPECT_EQ(offsetof(acrn_io_request_buffer, req_slot), 0u);
}

// The head of a slot, the kernel's flag and the state's word.
TEST(AcrnLayout, Slot) {
  EXPECT_EQ(offsetof(acrn_io_request, type), 0u);
  EXPECT_EQ(offsetof(acrn_io_request, completion_polling), 4u);
  EXPECT_EQ(offsetof(acrn_io_request, reqs), 64u);
  EXPECT_EQ(sizeof(Requests), 64u);
  EXPECT_EQ(offsetof(acrn_io_request, kernel_handled), 132u);
  EXPECT_EQ(offsetof(acrn_io_request, processed), 136u);
}

// Direction 64, address 72, size 80, value 88; of memory with 8 bytes of value,
// of ports with 4.
TEST(AcrnLayout, MemoryAndPorts) {
  EXPECT_EQ(offsetof(acrn_mmio_request, direction), 0u);
  EXPECT_EQ(offsetof(acrn_mmio_request, address), 8u);
  EXPECT_EQ(offsetof(acrn_mmio_request, size), 16u);
  EXPECT_EQ(offsetof(acrn_mmio_request, value), 24u);
  EXPECT_EQ(sizeof(acrn_mmio_request::value), 8u);
  EXPECT_EQ(offsetof(acrn_pio_request, direction), 0u);
  EXPECT_EQ(offsetof(acrn_pio_request, address), 8u);
  EXPECT_EQ(offsetof(acrn_pio_request, size), 16u);
  EXPECT_EQ(offsetof(acrn_pio_request, value), 24u);
  EXPECT_EQ(sizeof(acrn_pio_request::value), 4u);
}

// Config: size and value where the others have them, and bus 92, device 96,
// function 100, register 104: right after the 4 bytes of the value.
TEST(AcrnLayout, Config) {
  EXPECT_EQ(offsetof(acrn_pci_request, direction), 0u);
  EXPECT_EQ(offsetof(acrn_pci_request, size), 16u);
  EXPECT_EQ(offsetof(acrn_pci_request, value), 24u);
  EXPECT_EQ(sizeof(acrn_pci_request::value), 4u);
  EXPECT_EQ(offsetof(acrn_pci_request, bus), 28u);
  EXPECT_EQ(offsetof(acrn_pci_request, dev), 32u);
  EXPECT_EQ(offsetof(acrn_pci_request, func), 36u);
  EXPECT_EQ(offsetof(acrn_pci_request, reg), 40u);
}

TEST(AcrnLayout, Numbers) {
  EXPECT_EQ(ACRN_IOREQ_STATE_PENDING, 0);
  EXPECT_EQ(ACRN_IOREQ_STATE_COMPLETE, 1);
  EXPECT_EQ(ACRN_IOREQ_STATE_PROCESSING, 2);
  EXPECT_EQ(ACRN_IOREQ_STATE_FREE, 3);
  EXPECT_EQ(ACRN_IOREQ_TYPE_PORTIO, 0);
  EXPECT_EQ(ACRN_IOREQ_TYPE_MMIO, 1);
  EXPECT_EQ(ACRN_IOREQ_TYPE_PCICFG, 2);
  EXPECT_EQ(ACRN_IOREQ_DIR_READ, 0);
  EXPECT_EQ(ACRN_IOREQ_DIR_WRITE, 1);
}

}  // namespace
}  // namespace ivshmem::acrn
