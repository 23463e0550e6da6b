// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_VFIO_USER_CLIENT_VMM_H_
#define IVSHMEM_TESTING_VFIO_USER_CLIENT_VMM_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "backends/address_map.h"
#include "backends/linux/event_fd.h"
#include "backends/registration.h"
#include "bus/mmio_handler.h"
#include "testing/vfio_user/client.h"

namespace ivshmem::vfio_user {

// What a VMM does around a vfio-user client: shows the BARs where the guest
// places them, and is the MSI-X table between the guest and the server.
//
// Threading: one thread.
class ClientVmm {
 public:
  struct Message {
    uint64_t address = 0;
    uint32_t data = 0;
  };

  // `vectors` 0: no MSI-X.
  ClientVmm(const std::string& socket, int vectors);

  // The guest's accesses, of 1, 2, 4 or 8 bytes.
  uint64_t ReadConfig(uint64_t offset, uint32_t size) {
    return client_.Read(kConfig, offset, size);
  }
  void WriteConfig(uint64_t offset, uint64_t value, uint32_t size);
  uint64_t Read(uint64_t address, uint32_t size);
  void Write(uint64_t address, uint64_t value, uint32_t size);

  // Where the guest sees a BAR, if it is decoded.
  std::optional<uint64_t> BarAddress(uint32_t bar);

  // The machine's reset.
  void Reset();

  // Messages that the guest got since the last call, in no order.
  std::vector<Message> TakeMessages();

 private:
  static constexpr uint32_t kConfig = VFIO_PCI_CONFIG_REGION_INDEX;
  static constexpr uint32_t kMsixBar = 1;
  static constexpr uint64_t kEntry = 16;

  // A BAR of the server's.
  class Region : public MmioHandler {
   public:
    Region(ClientVmm& vmm, uint32_t index) : vmm_(vmm), index_(index) {}
    void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override;
    void Write(uint64_t offset,
               absl::Span<const uint8_t> bytes) noexcept override;

   private:
    ClientVmm& vmm_;
    const uint32_t index_;
  };

  struct Placed {
    std::optional<uint64_t> address;
    RegistrationPtr claim;
  };

  // Shows the BARs where they are now.
  void Place();
  // Gives and takes events as the table says.
  void Follow();
  bool InTable(uint32_t bar, uint64_t offset) const {
    return bar == kMsixBar && offset < table_.size();
  }

  Client client_;
  const int vectors_;
  std::array<uint64_t, 3> sizes_ = {};
  std::array<Region, 3> regions_ = {Region(*this, 0), Region(*this, 1),
                                    Region(*this, 2)};
  AddressMap map_;
  std::array<Placed, 3> placed_;
  std::vector<uint8_t> table_;
  std::vector<std::shared_ptr<EventFd>> events_;
  std::vector<bool> given_;
};

}  // namespace ivshmem::vfio_user

#endif  // IVSHMEM_TESTING_VFIO_USER_CLIENT_VMM_H_
