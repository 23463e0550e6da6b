// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_VFIO_USER_PROTOCOL_FAKE_MODEL_H_
#define IVSHMEM_BACKENDS_VFIO_USER_PROTOCOL_FAKE_MODEL_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "backends/linux/unique_fd.h"
#include "backends/vfio_user/protocol/device_model.h"
#include "backends/vfio_user/protocol/wire.h"

namespace ivshmem::vfio_user {

// A device that writes down what is done with it. Every region but the last is
// of one size, and reads as 0xee.
//
// Threading: one thread.
class FakeModel : public DeviceModel, private Interrupts {
 public:
  static constexpr uint64_t kSize = 64;

  // What was done, a line for each.
  std::string log;

  Region region(uint32_t index) const override {
    if (index == kRegions - 1) return {};
    // Any descriptor will do, where nobody sends it.
    return {.size = kSize, .fd = index == 2 ? 0 : -1};
  }
  void Read(uint32_t region, uint64_t offset,
            absl::Span<uint8_t> bytes) noexcept override {
    absl::StrAppend(&log, "read ", region, " ", offset, " ", bytes.size(),
                    "\n");
    std::fill(bytes.begin(), bytes.end(), uint8_t{0xee});
  }
  void Write(uint32_t region, uint64_t offset,
             absl::Span<const uint8_t> bytes) noexcept override {
    absl::StrAppend(&log, "write ", region, " ", offset, " ", bytes.size(),
                    "\n");
  }
  std::vector<IoEvent> IoEvents(uint32_t, size_t) override { return {}; }
  Interrupts& interrupts() override { return *this; }
  void Reset() override { log += "reset\n"; }
  void ClientLeft() override { log += "left\n"; }

 private:
  std::optional<uint32_t> count(uint32_t irq) const override {
    return irq == kMsixIrq ? 20 : 0;
  }
  absl::Status SetEvents(uint32_t irq, uint32_t start,
                         std::vector<UniqueFd> events) override {
    absl::StrAppend(&log, "events ", irq, " ", start, " ", events.size(), "\n");
    return absl::OkStatus();
  }
  void DropEvents(uint32_t irq, uint32_t start, uint32_t count) override {
    absl::StrAppend(&log, "drop ", irq, " ", start, " ", count, "\n");
  }
  void Trigger(uint32_t irq, uint32_t vector) override {
    absl::StrAppend(&log, "trigger ", irq, " ", vector, "\n");
  }
};

}  // namespace ivshmem::vfio_user

#endif  // IVSHMEM_BACKENDS_VFIO_USER_PROTOCOL_FAKE_MODEL_H_
