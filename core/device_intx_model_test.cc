// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Any program of a guest and its peers leaves revision 0's line where the level
// is: "INTx is asserted when the bit-wise AND of Status and Mask is non-zero".

#include <atomic>
#include <functional>
#include <memory>
#include <ostream>
#include <thread>
#include <vector>

#include "core/device.h"
#include "core/settle.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "rapidcheck/state.h"

namespace ivshmem {
namespace {

// The bus, as it should be: a line that follows the level through a Settler.
// `in_apply` runs after each time, as a guest whose handler runs at once.
class Line : public LevelListener {
 public:
  void LevelMayHaveChanged() noexcept override {
    settler_.Kick([this] {
      asserted = device->interrupt_level();
      if (in_apply) in_apply();
    });
  }

  Device* device = nullptr;
  bool asserted = false;
  std::function<void()> in_apply;

 private:
  Settler settler_;
};

std::unique_ptr<Device> MakeIntx(Line& line) {
  auto device = *Device::Create({.dialect = kRevision0,
                                 .interrupts = InterruptMode::kIntx,
                                 .vectors = 1,
                                 .id = 3},
                                {.level = &line});
  line.device = device.get();
  return device;
}

// What a guest's program should come to.
struct Model {
  uint32_t mask = 0;
  uint32_t status = 0;
  bool handles;  // Whether the guest reads Status as soon as the line is up.

  bool level() const { return (mask & status) != 0; }
  void Settle() {
    if (handles && level()) status = 0;
  }
};

struct Sut {
  Line line;
  std::unique_ptr<Device> device = MakeIntx(line);
};

enum class Op {
  kWriteMask,
  kWriteStatus,
  kWriteBoth,
  kReadMask,
  kReadStatus,
  kReadBoth,
  kInterrupt,
  kReset
};

struct Access : rc::state::Command<Model, Sut> {
  void apply(Model& model) const override {
    switch (op) {
      case Op::kWriteMask:
        model.mask = first;
        break;
      case Op::kWriteStatus:
        model.status = first;
        break;
      case Op::kWriteBoth:
        model.mask = first;
        model.status = second;
        break;
      case Op::kReadStatus:
      case Op::kReadBoth:
        model.status = 0;
        break;
      case Op::kInterrupt:
        model.status |= 1;
        break;
      case Op::kReset:
        model.mask = model.status = 0;
        break;
      case Op::kReadMask:
        break;
    }
    model.Settle();
  }

  void run(const Model& before, Sut& sut) const override {
    const uint64_t both = uint64_t{before.status} << 32 | before.mask;
    switch (op) {
      case Op::kWriteMask:
        sut.device->Write(kMaskOffset, 4, first);
        break;
      case Op::kWriteStatus:
        sut.device->Write(kStatusOffset, 4, first);
        break;
      case Op::kWriteBoth:
        sut.device->Write(kMaskOffset, 8, uint64_t{second} << 32 | first);
        break;
      case Op::kReadMask:
        RC_ASSERT(sut.device->Read(kMaskOffset, 4) == before.mask);
        break;
      case Op::kReadStatus:
        RC_ASSERT(sut.device->Read(kStatusOffset, 4) == before.status);
        break;
      case Op::kReadBoth:
        RC_ASSERT(sut.device->Read(kMaskOffset, 8) == both);
        break;
      case Op::kInterrupt:
        RC_ASSERT(sut.device->OnPeerInterrupt(0) ==
                  ((before.mask & 1) != 0 || (before.mask & before.status) != 0
                       ? InterruptResult::kDelivered
                       : InterruptResult::kHeld));
        break;
      case Op::kReset:
        sut.device->Reset();
        break;
    }
    const Model after = nextState(before);
    RC_ASSERT(sut.device->interrupt_level() == after.level());
    RC_ASSERT(sut.line.asserted == after.level());
  }

  void show(std::ostream& out) const override {
    out << "op " << static_cast<int>(op) << " " << first << " " << second;
  }

  static uint32_t Value() {
    return *rc::gen::element<uint32_t>(0, 1, 2, 3, 0x80000000, 0xffffffff);
  }
  const Op op = *rc::gen::element(
      Op::kWriteMask, Op::kWriteStatus, Op::kWriteBoth, Op::kReadMask,
      Op::kReadStatus, Op::kReadBoth, Op::kInterrupt, Op::kReset);
  const uint32_t first = Value();
  const uint32_t second = Value();
};

// The line is where the model's level is after every access, also when the
// guest's handler answers from inside the change of the line.
RC_GTEST_PROP(DeviceIntxModel, TheLineFollows, (bool handles)) {
  Sut sut;
  if (handles) {
    sut.line.in_apply = [&sut] {
      if (sut.line.asserted) sut.device->Read(kStatusOffset, 4);
    };
  }
  rc::state::check(Model{.handles = handles}, sut,
                   rc::state::gen::execOneOfWithArgs<Access>());
}

// Whatever several vCPUs and peers do at once, the line ends where the level
// is, and no interrupt is lost: each was either seen by a read or is still up.
TEST(DeviceIntxStress, TheLineEndsWhereTheLevelIs) {
  for (int run = 0; run < 30; ++run) {
    Line line;
    const auto device = MakeIntx(line);
    std::vector<std::thread> threads;
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) device->Write(kMaskOffset, 4, i % 2);
    });
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) device->Read(kStatusOffset, 4);
    });
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) device->OnPeerInterrupt(0);
    });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(line.asserted, device->interrupt_level());
    device->Write(kMaskOffset, 4, 1);
    device->OnPeerInterrupt(0);
    EXPECT_TRUE(line.asserted);
  }
}

// "Reading the register clears it" in one piece: of two vCPUs that read, one
// gets an interrupt, and none gets lost between the read and the clearing.
TEST(DeviceIntxStress, EachInterruptIsReadOnce) {
  Line line;
  const auto device = MakeIntx(line);
  std::vector<std::thread> readers;
  std::vector<int> seen(2);
  std::atomic<bool> stop{false};
  std::atomic<int> handled{0};
  for (int t = 0; t < 2; ++t) {
    readers.emplace_back([&, t] {
      while (!stop) {
        if (device->Read(kStatusOffset, 4) == 0) {
          std::this_thread::yield();
          continue;
        }
        ++seen[t];
        ++handled;
      }
    });
  }
  for (int i = 1; i <= 300; ++i) {
    device->OnPeerInterrupt(0);
    while (handled < i) std::this_thread::yield();
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(seen[0] + seen[1], 300);
}

}  // namespace
}  // namespace ivshmem
