// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/vfio_user/client_config.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "bus/access.h"
#include "bus/pci/registers.h"

namespace ivshmem::vfio_user {
namespace {

constexpr int kBarBytes = 4;
constexpr uint64_t kBarsBegin = pci::kBar0;
constexpr uint64_t kBarsEnd = kBarsBegin + ClientConfig::kBars * kBarBytes;
constexpr uint64_t kEnd = pci::ConfigSpace::kSize;

constexpr bool InBars(uint64_t offset) {
  return offset >= kBarsBegin && offset < kBarsEnd;
}

constexpr int BarRegister(size_t i) {
  return pci::kBar0 + static_cast<int>(i) * kBarBytes;
}

pci::ConfigSpace Initial(const pci::BarSpecs& bars) {
  pci::ConfigSpace config;
  pci::InitBars(bars, config);
  config.AllowWrite(pci::kCommand, pci::kCommandMemorySpace);
  return config;
}

}  // namespace

ClientConfig::ClientConfig(const pci::BarSpecs& bars,
                           const std::array<uint32_t, kBars>& places)
    : initial_(Initial(bars)), client_(initial_), places_(places) {}

void ClientConfig::Place() {
  client_ = initial_;
  for (size_t i = 0; i < kBars; ++i) {
    if (places_[i] == 0) continue;
    std::array<uint8_t, kBarBytes> bar;
    StoreLittleEndian(places_[i], absl::MakeSpan(bar));
    config_->Write(BarRegister(i), bar);
  }
  constexpr std::array<uint8_t, 2> kDecode = {pci::kCommandMemorySpace, 0};
  config_->Write(pci::kCommand, kDecode);
}

void ClientConfig::Read(uint64_t offset, absl::Span<uint8_t> bytes) const {
  config_->Read(offset, bytes);
  for (uint64_t i = 0; i < bytes.size(); ++i) {
    uint8_t own;
    client_.Read(offset + i, {&own, 1});
    if (InBars(offset + i)) {
      bytes[i] = own;
    } else if (offset + i == pci::kCommand) {
      bytes[i] = (bytes[i] & ~pci::kCommandMemorySpace) | own;
    }
  }
}

void ClientConfig::Write(uint64_t offset, absl::Span<const uint8_t> bytes) {
  client_.Write(offset, bytes);
  std::array<uint8_t, kEnd> forwarded;
  const uint64_t end = std::min(offset + bytes.size(), kEnd);
  std::copy_n(bytes.begin(), end - offset, forwarded.begin());
  if (offset <= pci::kCommand && pci::kCommand < end) {
    forwarded[pci::kCommand - offset] |= pci::kCommandMemorySpace;
  }
  // What is before the BARs and what is behind them, each in one piece.
  const auto forward = [&](uint64_t from, uint64_t to) {
    from = std::max(from, offset);
    to = std::min(to, end);
    if (from >= to) return;
    config_->Write(
        from, absl::MakeConstSpan(forwarded).subspan(from - offset, to - from));
  };
  forward(0, kBarsBegin);
  forward(kBarsEnd, kEnd);
}

void ClientConfig::Export(pci::FunctionState& state) const {
  for (size_t i = 0; i < kBars; ++i) {
    state.bars[i] = client_.Get32(BarRegister(i));
  }
  state.command = (state.command & ~pci::kCommandMemorySpace) |
                  client_.Get16(pci::kCommand);
}

absl::Status ClientConfig::Import(pci::FunctionState& state) {
  std::array<uint8_t, kBarBytes> bytes;
  for (size_t i = 0; i < kBars; ++i) {
    StoreLittleEndian(state.bars[i], absl::MakeSpan(bytes));
    client_.Write(BarRegister(i), bytes);
    const uint32_t stored = client_.Get32(BarRegister(i));
    if (stored != state.bars[i]) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "state.function.bars[%d]: expected what that register can hold, as "
          "%#x, got %#x",
          i, stored, state.bars[i]));
    }
    state.bars[i] = places_[i] | initial_.Get32(BarRegister(i));
  }
  StoreLittleEndian(state.command, absl::MakeSpan(bytes));
  client_.Write(pci::kCommand, absl::MakeConstSpan(bytes).first(2));
  state.command |= pci::kCommandMemorySpace;
  return absl::OkStatus();
}

}  // namespace ivshmem::vfio_user
