// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_VFIO_USER_CLIENT_CONFIG_H_
#define IVSHMEM_BACKENDS_VFIO_USER_CLIENT_CONFIG_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "bus/mmio_handler.h"
#include "bus/pci/bars.h"
#include "bus/pci/config_space.h"
#include "bus/pci/function_state.h"

namespace ivshmem::vfio_user {

// A function's config space as a client is shown it.
//
// Clients say by region and offset what they mean, and some (Cloud Hypervisor)
// leave the mask of a sizing in the BARs: so access may not depend on what a
// client has in BARs and Memory Space Enable. These are kept here, and read
// back as from any function, while the function's own BARs stay where we put
// them, decoded. All else is the function's.
//
// Threading: one thread.
class ClientConfig {
 public:
  static constexpr size_t kBars = pci::kBars;

  // The function's BARs, and where each of them is to stay: the six registers'
  // content, without the bits that they have anyway.
  ClientConfig(const pci::BarSpecs& bars,
               const std::array<uint32_t, kBars>& places);

  // The function's config space, which outlives the object; before all else
  // but Import().
  void Attach(MmioHandler& config) { config_ = &config; }

  // Puts the function's BARs where they stay, and forgets what a client wrote.
  // Of a function that is new or has been reset.
  void Place();

  // The client's accesses, inside of the 256 bytes.
  void Read(uint64_t offset, absl::Span<uint8_t> bytes) const;
  void Write(uint64_t offset, absl::Span<const uint8_t> bytes);

  // Makes a saved function's state one that has what the client sees, and back
  // again: then what the client had is taken out, and our places are put in.
  // Errors: InvalidArgument that names the field, for what no BAR can hold.
  void Export(pci::FunctionState& state) const;
  absl::Status Import(pci::FunctionState& state);

 private:
  const pci::ConfigSpace initial_;  // BARs, and Memory Space Enable, alone.
  pci::ConfigSpace client_;
  const std::array<uint32_t, kBars> places_;
  MmioHandler* config_ = nullptr;
};

}  // namespace ivshmem::vfio_user

#endif  // IVSHMEM_BACKENDS_VFIO_USER_CLIENT_CONFIG_H_
