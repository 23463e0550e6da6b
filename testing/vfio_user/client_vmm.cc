// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/vfio_user/client_vmm.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "bus/access.h"
#include "gtest/gtest.h"

namespace ivshmem::vfio_user {
namespace {

constexpr uint32_t kGive =
    VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
constexpr uint32_t kDisable =
    VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
constexpr uint32_t kMsix = VFIO_PCI_MSIX_IRQ_INDEX;
constexpr uint64_t kCommand = 4;
constexpr uint64_t kBars = 0x10;

uint64_t Ones(uint32_t size) {
  return size == 8 ? ~uint64_t{0} : (uint64_t{1} << 8 * size) - 1;
}

}  // namespace

ClientVmm::ClientVmm(const std::string& socket, int vectors)
    : client_(socket), vectors_(vectors), table_(vectors * kEntry) {
  client_.Greet();
  for (uint32_t bar = 0; bar < sizes_.size(); ++bar) {
    sizes_[bar] = client_.GetRegionInfo(bar).size;
  }
  for (int i = 0; i < vectors; ++i) events_.push_back(*EventFd::Create());
  given_.resize(vectors);
  Reset();
}

void ClientVmm::Reset() {
  if (vectors_ != 0) {
    EXPECT_EQ(client_.SetIrqs(kDisable, kMsix, 0, 0), 0u);
  }
  client_.Reset();
  std::fill(table_.begin(), table_.end(), uint8_t{0});
  for (int i = 0; i < vectors_; ++i) table_[i * kEntry + 12] = 1;
  given_.assign(vectors_, false);
  Place();
}

void ClientVmm::WriteConfig(uint64_t offset, uint64_t value, uint32_t size) {
  client_.Write(kConfig, offset, value, size);
  Place();
}

std::optional<uint64_t> ClientVmm::BarAddress(uint32_t bar) {
  if (sizes_[bar] == 0 || (client_.Read(kConfig, kCommand, 2) & 2) == 0) {
    return std::nullopt;
  }
  uint64_t address = client_.Read(kConfig, kBars + 4 * bar, 4);
  uint64_t top = Ones(4);
  if ((address & 4) != 0) {
    address |= client_.Read(kConfig, kBars + 4 * bar + 4, 4) << 32;
    top = Ones(8);
  }
  address &= ~uint64_t{0xf};
  // Not placed, or being sized.
  if (address == 0 || address + (sizes_[bar] - 1) == top) return std::nullopt;
  return address;
}

void ClientVmm::Place() {
  std::array<std::optional<uint64_t>, 3> wanted;
  for (uint32_t bar = 0; bar < 3; ++bar) {
    wanted[bar] = BarAddress(bar);
    if (wanted[bar] != placed_[bar].address) placed_[bar].claim.reset();
  }
  for (uint32_t bar = 0; bar < 3; ++bar) {
    if (wanted[bar] == placed_[bar].address) continue;
    placed_[bar].address = wanted[bar];
    if (!wanted[bar].has_value()) continue;
    auto claim = map_.Claim(*wanted[bar], sizes_[bar], regions_[bar]);
    // One that lies over another is not shown.
    if (claim.ok()) placed_[bar].claim = *std::move(claim);
  }
}

uint64_t ClientVmm::Read(uint64_t address, uint32_t size) {
  std::array<uint8_t, 8> bytes;
  const auto some = absl::MakeSpan(bytes).first(size);
  map_.Read(address, some);
  return LoadLittleEndian(some);
}

void ClientVmm::Write(uint64_t address, uint64_t value, uint32_t size) {
  std::array<uint8_t, 8> bytes;
  const auto some = absl::MakeSpan(bytes).first(size);
  StoreLittleEndian(value, some);
  map_.Write(address, some);
}

void ClientVmm::Region::Read(uint64_t offset,
                             absl::Span<uint8_t> bytes) noexcept {
  const auto size = static_cast<uint32_t>(bytes.size());
  if (!vmm_.InTable(index_, offset)) {
    StoreLittleEndian(vmm_.client_.Read(index_, offset, size), bytes);
    return;
  }
  std::fill(bytes.begin(), bytes.end(), uint8_t{0});
  if (size < 4 || offset % size != 0) return;
  std::copy_n(vmm_.table_.begin() + static_cast<ptrdiff_t>(offset), size,
              bytes.begin());
}

void ClientVmm::Region::Write(uint64_t offset,
                              absl::Span<const uint8_t> bytes) noexcept {
  const auto size = static_cast<uint32_t>(bytes.size());
  if (!vmm_.InTable(index_, offset)) {
    vmm_.client_.Write(index_, offset, LoadLittleEndian(bytes), size);
    return;
  }
  if (size < 4 || offset % size != 0) return;
  std::copy(bytes.begin(), bytes.end(),
            vmm_.table_.begin() + static_cast<ptrdiff_t>(offset));
  vmm_.Follow();
}

void ClientVmm::Follow() {
  for (int i = 0; i < vectors_; ++i) {
    const bool unmasked = (table_[i * kEntry + 12] & 1) == 0;
    if (unmasked == given_[i]) continue;
    given_[i] = unmasked;
    std::vector<int> fds;
    if (unmasked) fds.push_back(events_[i]->fd());
    EXPECT_EQ(client_.SetIrqs(kGive, kMsix, i, 1, fds), 0u);
  }
}

std::vector<ClientVmm::Message> ClientVmm::TakeMessages() {
  std::vector<Message> messages;
  for (int i = 0; i < vectors_; ++i) {
    // As many as the event was signalled: one write of a guest's may ring
    // twice.
    uint64_t times = 0;
    if (read(events_[i]->fd(), &times, sizeof(times)) != sizeof(times))
      continue;
    const auto entry = absl::MakeConstSpan(table_).subspan(i * kEntry, kEntry);
    messages.insert(
        messages.end(), times,
        {.address = LoadLittleEndian(entry.first(8)),
         .data = static_cast<uint32_t>(LoadLittleEndian(entry.subspan(8, 4)))});
  }
  return messages;
}

}  // namespace ivshmem::vfio_user
