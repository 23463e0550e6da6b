// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What QEMU's own tests of its ivshmem device look at, from a description of
// them, with real QEMU's device and with this project's in its place, wherever
// there is one.

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "backends/linux/unique_fd.h"
#include "backends/mock/host.h"
#include "core/dialect.h"
#include "core/registers.h"
#include "device/pci_guest.h"
#include "gtest/gtest.h"
#include "testing/qemu/arguments.h"
#include "testing/qemu/ivshmem_device.h"
#include "testing/qemu/qemu.h"
#include "testing/qemu/server_end.h"

namespace ivshmem {
namespace {

constexpr uint64_t kSize = 1 << 20;

enum class Whose : uint8_t { kQemus, kOurs, kOursLikeQemus };

std::string NameOf(Whose whose) {
  switch (whose) {
    case Whose::kQemus:
      return "Qemus";
    case Whose::kOurs:
      return "Ours";
    case Whose::kOursLikeQemus:
      return "OursLikeQemus";
  }
  return "";
}

// A guest with a device without interrupts on somebody's memory, its BARs
// placed.
class PlainGuest {
 public:
  virtual ~PlainGuest() = default;
  virtual uint32_t Read(uint64_t offset) = 0;
  virtual void Write(uint64_t offset, uint32_t value) = 0;
  virtual std::vector<uint8_t> ReadMemory() = 0;
  virtual void WriteMemory(absl::Span<const uint8_t> bytes) = 0;
};

class QemusPlainGuest : public PlainGuest {
 public:
  explicit QemusPlainGuest(const UniqueFd& memory) {
    absl::StatusOr<std::unique_ptr<qemu::Qemu>> qemu = qemu::Qemu::Start(
        {.arguments = Arguments(qemu::PlainDevice{.memory_fd = memory.get(),
                                                  .memory_size = kSize}),
         .inherit = {memory.get()}});
    EXPECT_TRUE(qemu.ok()) << qemu.status();
    if (!qemu.ok()) return;
    qemu_ = *std::move(qemu);
    device_ = qemu::IvshmemDevice::SetUp(qemu_->qtest());
  }

  uint32_t Read(uint64_t offset) override {
    return static_cast<uint32_t>(device_->Read(offset));
  }
  void Write(uint64_t offset, uint32_t value) override {
    device_->Write(offset, value);
  }
  std::vector<uint8_t> ReadMemory() override {
    return device_->ReadMemory(0, kSize);
  }
  void WriteMemory(absl::Span<const uint8_t> bytes) override {
    device_->WriteMemory(0, bytes);
  }

 private:
  std::unique_ptr<qemu::Qemu> qemu_;
  std::unique_ptr<qemu::IvshmemDevice> device_;
};

class OurPlainGuest : public PlainGuest {
 public:
  OurPlainGuest(const UniqueFd& memory, const Dialect& dialect)
      : view_(mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED,
                   memory.get(), 0)),
        guest_(
            host_,
            {.dialect = dialect, .interrupts = InterruptMode::kNone, .id = {}},
            {.mmio = &host_.space(), .mapper = &host_.space()},
            {static_cast<uint8_t*>(view_), kSize}) {
    EXPECT_NE(view_, MAP_FAILED);
    guest_.Enumerate();
  }
  ~OurPlainGuest() override { munmap(view_, kSize); }

  uint32_t Read(uint64_t offset) override { return guest_.Read(offset); }
  void Write(uint64_t offset, uint32_t value) override {
    guest_.Write(offset, value);
  }
  std::vector<uint8_t> ReadMemory() override {
    std::vector<uint8_t> bytes(kSize);
    host_.space().Read(PciGuest::kBar2, absl::MakeSpan(bytes));
    return bytes;
  }
  void WriteMemory(absl::Span<const uint8_t> bytes) override {
    host_.space().Write(PciGuest::kBar2, bytes);
  }

 private:
  void* const view_;
  mock::Host host_;
  PciGuest guest_;
};

std::unique_ptr<PlainGuest> MakeGuest(Whose whose, const UniqueFd& memory) {
  if (whose == Whose::kQemus) return std::make_unique<QemusPlainGuest>(memory);
  return std::make_unique<OurPlainGuest>(
      memory, whose == Whose::kOurs ? kRevision1 : kQemu);
}

// Each byte another than the same byte of the other's and than its neighbours.
std::vector<uint8_t> Pattern(uint32_t seed) {
  std::vector<uint8_t> bytes(kSize);
  uint32_t state = seed;
  for (uint8_t& byte : bytes) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<uint8_t>(state >> 24);
  }
  return bytes;
}

// --- single ----------------------------------------------------------------

class Single : public ::testing::TestWithParam<Whose> {
 protected:
  const UniqueFd memory_ = qemu::MakeMemory(kSize);
  const std::unique_ptr<PlainGuest> guest_ = MakeGuest(GetParam(), memory_);
};

INSTANTIATE_TEST_SUITE_P(Of, Single,
                         ::testing::Values(Whose::kQemus, Whose::kOurs,
                                           Whose::kOursLikeQemus),
                         [](const auto& info) { return NameOf(info.param); });

// At reset nothing is masked in, nothing is pending, and the id of a device
// that is not configured for interrupts is 0.
TEST_P(Single, RegistersAtReset) {
  for (const uint64_t offset :
       {kMaskOffset, kStatusOffset, kPositionOffset, kDoorbellOffset}) {
    EXPECT_EQ(guest_->Read(offset), 0) << offset;
  }
}

// Mask keeps what is written; Status does until it is read.
TEST_P(Single, MaskStaysAndStatusIsClearedByReading) {
  guest_->Write(kMaskOffset, 0xffffffff);
  EXPECT_EQ(guest_->Read(kMaskOffset), 0xffffffff);
  EXPECT_EQ(guest_->Read(kMaskOffset), 0xffffffff);
  EXPECT_EQ(guest_->Read(kStatusOffset), 0);
  guest_->Write(kStatusOffset, 0x1);
  EXPECT_EQ(guest_->Read(kStatusOffset), 0x1);
  EXPECT_EQ(guest_->Read(kStatusOffset), 0);
}

// A write of the id, and the doorbell of nobody, do no harm.
TEST_P(Single, HarmlessWrites) {
  guest_->Write(kPositionOffset, 0xffffffff);
  EXPECT_EQ(guest_->Read(kPositionOffset), 0);
  for (const uint32_t value : {0u, 1u, 0x10000u, 0xffff0001u, 0xffffffffu}) {
    guest_->Write(kDoorbellOffset, value);
  }
  EXPECT_EQ(guest_->Read(kDoorbellOffset), 0);
  EXPECT_EQ(guest_->Read(kStatusOffset), 0);
  EXPECT_EQ(guest_->Read(kMaskOffset), 0);
}

// The memory is zeros, then what was written, in the guest and outside it.
TEST_P(Single, Memory) {
  EXPECT_TRUE(guest_->ReadMemory() == std::vector<uint8_t>(kSize));
  const std::vector<uint8_t> bytes = Pattern(1);
  guest_->WriteMemory(bytes);
  EXPECT_TRUE(guest_->ReadMemory() == bytes);
  std::vector<uint8_t> outside(kSize);
  ASSERT_EQ(pread(memory_.get(), outside.data(), kSize, 0),
            static_cast<ssize_t>(kSize));
  EXPECT_TRUE(outside == bytes);
}

// --- pair ------------------------------------------------------------------

class Pair : public ::testing::TestWithParam<std::tuple<Whose, Whose>> {};

INSTANTIATE_TEST_SUITE_P(
    Of, Pair,
    ::testing::Values(std::tuple(Whose::kQemus, Whose::kQemus),
                      std::tuple(Whose::kQemus, Whose::kOurs),
                      std::tuple(Whose::kOurs, Whose::kOurs)),
    [](const auto& info) {
      return absl::StrCat(NameOf(std::get<0>(info.param)), "And",
                          NameOf(std::get<1>(info.param)));
    });

// Every byte that one guest writes the other reads, both ways, and what is
// outside sees the same.
TEST_P(Pair, EveryByteBothWays) {
  const UniqueFd memory = qemu::MakeMemory(kSize);
  const std::unique_ptr<PlainGuest> a =
      MakeGuest(std::get<0>(GetParam()), memory);
  const std::unique_ptr<PlainGuest> b =
      MakeGuest(std::get<1>(GetParam()), memory);
  EXPECT_TRUE(b->ReadMemory() == std::vector<uint8_t>(kSize));
  uint32_t seed = 0;
  for (const auto& [from, to] :
       {std::pair(a.get(), b.get()), std::pair(b.get(), a.get())}) {
    const std::vector<uint8_t> bytes = Pattern(++seed);
    from->WriteMemory(bytes);
    EXPECT_TRUE(to->ReadMemory() == bytes);
    std::vector<uint8_t> inverse = bytes;
    for (uint8_t& byte : inverse) byte = static_cast<uint8_t>(~byte);
    from->WriteMemory(inverse);
    EXPECT_TRUE(to->ReadMemory() == inverse);
  }
}

}  // namespace
}  // namespace ivshmem
