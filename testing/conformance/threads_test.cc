// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Several threads at once: what is delivered is what one thread would have had
// delivered, whoever's turn it is. The notifiers count each ring. Messages of
// one vector may fall into one, as PCI lets them: there is one at least, and
// one at most for each interrupt.

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "backends/mock/recorders.h"
#include "bus/pci/msi.h"
#include "core/device.h"
#include "core/doorbell.h"
#include "core/notifier.h"
#include "core/shared_memory.h"
#include "device/pci_device.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace ivshmem::conformance {
namespace {

constexpr int kVectors = 4;
constexpr int kPeers = 3;

class Counter : public Notifier {
 public:
  Outcome Signal() noexcept override {
    ++count;
    return Outcome::kSignalled;
  }
  std::atomic<int> count{0};
};

// A device with its driver's set-up done, and outside peers.
class World {
 public:
  explicit World(bool masked) {
    auto made =
        PciDevice::Create({.vectors = kVectors, .id = PeerId{0}},
                          {memory_.data(), memory_.size()}, {.msi = &msi});
    pci_ = *std::move(made);
    Config(0x10, 0x1000);
    Config(0x14, 0x2000);
    for (int vector = 0; vector < kVectors; ++vector) {
      Mask(vector, true);
      Table(16 * vector + 8, vector);
    }
    Config(4, 6);
    Table(0, 0);
    for (int vector = 0; vector < kVectors; ++vector) Mask(vector, masked);
    Config(0x40, 0x80000000);
    for (int peer = 1; peer <= kPeers; ++peer) {
      for (int vector = 0; vector < kVectors; ++vector) {
        auto& counter = rung[{peer, vector}];
        counter = std::make_shared<Counter>();
        EXPECT_TRUE(device()
                        .peers()
                        .Connect(static_cast<PeerId>(peer),
                                 static_cast<Vector>(vector), counter)
                        .ok());
      }
    }
  }

  Device& device() { return pci_->device(); }
  void Mask(int vector, bool mask) { Table(16 * vector + 12, mask ? 1 : 0); }
  bool Pending(int vector) {
    std::array<uint8_t, 4> bytes;
    pci_->bar(1).Read(0x800, absl::MakeSpan(bytes));
    return (bytes[0] >> vector & 1) != 0;
  }
  std::map<uint32_t, int> Messages() {
    std::map<uint32_t, int> messages;
    for (const pci::MsiMessage& message : msi.Take()) ++messages[message.data];
    return messages;
  }

  mock::MsiRecorder msi;
  std::map<std::pair<int, int>, std::shared_ptr<Counter>> rung;

 private:
  static std::array<uint8_t, 4> Bytes(uint32_t value) {
    return {static_cast<uint8_t>(value), static_cast<uint8_t>(value >> 8),
            static_cast<uint8_t>(value >> 16),
            static_cast<uint8_t>(value >> 24)};
  }
  void Config(uint64_t offset, uint32_t value) {
    pci_->ConfigWrite(offset, Bytes(value));
  }
  void Table(uint64_t offset, uint32_t value) {
    pci_->bar(1).Write(offset, Bytes(value));
  }

  std::vector<uint8_t> memory_ = std::vector<uint8_t>(4096);
  std::unique_ptr<PciDevice> pci_;
};

// What one thread does: rings of others, and interrupts from them.
struct Deed {
  bool ring;
  int peer;  // Beyond the last there is nobody.
  int vector;
};
using Program = std::vector<Deed>;

void Run(const Program& program, World& world) {
  for (const Deed& deed : program) {
    if (deed.ring) {
      world.device().Write(12, 4,
                           static_cast<uint32_t>(deed.peer) << 16 |
                               static_cast<uint32_t>(deed.vector));
    } else {
      world.device().OnPeerInterrupt(static_cast<Vector>(deed.vector));
    }
  }
}

void RunAtOnce(const std::vector<Program>& programs, World& world) {
  std::atomic<bool> go{false};
  std::vector<std::thread> threads;
  threads.reserve(programs.size());
  for (const Program& program : programs) {
    threads.emplace_back([&] {
      while (!go) std::this_thread::yield();
      Run(program, world);
    });
  }
  go = true;
  for (std::thread& thread : threads) thread.join();
}

rc::Gen<Program> AnyProgram() {
  return rc::gen::container<Program>(rc::gen::map(
      rc::gen::tuple(rc::gen::arbitrary<bool>(),
                     rc::gen::inRange(0, kPeers + 2),
                     rc::gen::inRange(0, kVectors + 1)),
      [](const auto& drawn) {
        return Deed{std::get<0>(drawn), std::get<1>(drawn), std::get<2>(drawn)};
      }));
}

std::vector<Program> AnyPrograms() {
  std::vector<Program> programs;
  for (int i = 0; i < 4; ++i) programs.push_back(*AnyProgram());
  return programs;
}

std::map<std::pair<int, int>, int> Rung(World& world) {
  std::map<std::pair<int, int>, int> rung;
  for (const auto& [doorbell, counter] : world.rung) {
    rung[doorbell] = counter->count;
  }
  return rung;
}

RC_GTEST_PROP(Threads, RingAsOneThread, ()) {
  const std::vector<Program> programs = AnyPrograms();
  World one(/*masked=*/false);
  for (const Program& program : programs) Run(program, one);
  World several(/*masked=*/false);
  RunAtOnce(programs, several);
  RC_ASSERT(Rung(several) == Rung(one));
  const std::map<uint32_t, int> most = one.Messages();
  const std::map<uint32_t, int> got = several.Messages();
  RC_ASSERT(got.size() == most.size());
  for (const auto& [vector, messages] : got) {
    RC_ASSERT(messages >= 1);
    RC_ASSERT(messages <= most.at(vector));
  }
}

// Interrupts of masked vectors become pending, and are sent once, whichever
// thread was first.
RC_GTEST_PROP(Threads, MaskedVectorsWaitAsForOneThread, ()) {
  const std::vector<Program> programs = AnyPrograms();
  World one(/*masked=*/true);
  for (const Program& program : programs) Run(program, one);
  World several(/*masked=*/true);
  RunAtOnce(programs, several);
  RC_ASSERT(several.Messages().empty());
  for (int vector = 0; vector < kVectors; ++vector) {
    RC_ASSERT(several.Pending(vector) == one.Pending(vector));
    one.Mask(vector, false);
    several.Mask(vector, false);
  }
  RC_ASSERT(several.Messages() == one.Messages());
  RC_ASSERT(Rung(several) == Rung(one));
}

// Nothing is lost while another thread masks and unmasks: what was rung last
// under the mask comes when it goes.
RC_GTEST_PROP(Threads, NothingIsLostWhileAnotherMasks, ()) {
  const std::vector<Program> programs = AnyPrograms();
  World one(/*masked=*/false);
  for (const Program& program : programs) Run(program, one);
  World several(/*masked=*/false);
  std::atomic<bool> stop{false};
  std::thread masking([&] {
    while (!stop) {
      for (int vector = 0; vector < kVectors; ++vector) {
        several.Mask(vector, true);
      }
      for (int vector = 0; vector < kVectors; ++vector) {
        several.Mask(vector, false);
      }
    }
  });
  RunAtOnce(programs, several);
  stop = true;
  masking.join();
  RC_ASSERT(Rung(several) == Rung(one));
  const std::map<uint32_t, int> most = one.Messages();
  const std::map<uint32_t, int> got = several.Messages();
  RC_ASSERT(got.size() == most.size());
  for (const auto& [vector, messages] : got) {
    RC_ASSERT(messages <= most.at(vector));
  }
}

}  // namespace
}  // namespace ivshmem::conformance
