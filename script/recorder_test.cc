// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/recorder.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "backends/mock/host.h"
#include "bus/access.h"
#include "core/events.h"
#include "core/notifier.h"
#include "device/pci_device.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/text.h"
#include "script/library_subject.h"
#include "script/play.h"
#include "script/recorded_space.h"
#include "script/text.h"

namespace ivshmem::script {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kWorld[] = R"(
  regions { name: "x" size: 16 } regions { name: "r" size: 4096 }
  devices { name: "board" region: "r" flat { } }
  devices { name: "pc" region: "r"
            pci { slot: 4 vectors: 2 bar0: 0xfe000000 bar1: 0xfe010000 } }
)";

class Silent : public Notifier {
 public:
  Outcome Signal() noexcept override {
    if (on_signal) on_signal();
    return Outcome::kSignalled;
  }
  std::function<void()> on_signal;
};

// Something happens between the change of an id and its being told.
class Relay : public DeviceEvents {
 public:
  explicit Relay(DeviceEvents& next) : next_(next) {}
  void OnEvent(const DeviceEvent& event) noexcept override {
    if (event.kind == DeviceEvent::Kind::kIdChanged && before_id) before_id();
    next_.OnEvent(event);
  }
  std::function<void()> before_id;

 private:
  DeviceEvents& next_;
};

// A device that is recorded, on a mock host.
class RecorderTest : public ::testing::Test {
 protected:
  explicit RecorderTest(size_t keep = 1000)
      : recorder_(World(), "pc", {.keep = keep}),
        space_(host_.space(), recorder_, [this](uint64_t base) {
          return base == device_->function().BarAddress(0) ? Access::kRegisters
                 : base == device_->function().BarAddress(1) ? Access::kMsix
                                                             : Access::kMemory;
        }) {
    PciDevice::Config config = {.vectors = 2, .id = 3};
    config.bar_addresses = {0xfe000000, 0xfe010000, {}};
    auto device = PciDevice::Create(
        config, {memory_.data(), memory_.size()},
        {.mmio = &space_, .msi = &host_.msi(), .events = &relay_});
    EXPECT_TRUE(device.ok()) << device.status();
    device_ = *std::move(device);
    config_ = recorder_.Wrap(Access::kConfig, device_->config());
  }

  static config::World World() {
    config::World world;
    EXPECT_TRUE(ParseText(kWorld, world).ok());
    return world;
  }

  void Config(uint64_t offset, int size, uint64_t value) {
    uint8_t bytes[8];
    StoreLittleEndian(value, absl::MakeSpan(bytes, size));
    config_->Write(offset, absl::MakeConstSpan(bytes, size));
  }
  std::shared_ptr<Silent> Connect(PeerId peer, Vector vector) {
    auto notifier = std::make_shared<Silent>();
    EXPECT_TRUE(device_->device().peers().Connect(peer, vector, notifier).ok());
    return notifier;
  }

  // The steps' text.
  std::string Steps() const {
    const std::string text = PrintScript(recorder_.script());
    const size_t steps = text.find("steps");
    return steps == std::string::npos ? "" : text.substr(steps);
  }
  absl::Status Replay() const {
    const Script script = recorder_.script();
    const auto subject = MakeLibrarySubject(script.world());
    if (!subject.ok()) return subject.status();
    return Play(script, **subject);
  }

  std::vector<uint8_t> memory_ = std::vector<uint8_t>(4096);
  mock::Host host_;
  Recorder recorder_;
  Relay relay_{recorder_};
  RecordedSpace space_;
  std::unique_ptr<PciDevice> device_;
  std::unique_ptr<MmioHandler> config_;
};

// The guest's accesses with what reads gave, the rings of a doorbell's write,
// interrupts, resets, ids and peers; and the Script plays.
TEST_F(RecorderTest, RecordsWhatHappens) {
  Connect(7, 0);
  Connect(7, 1);
  Connect(7, 4);
  recorder_.Start(device_->device());
  Config(4, 2, 6);
  EXPECT_EQ(host_.space().Read32(0xfe000008), 3u);
  host_.space().Write32(0xfe00000c, 0x70004);
  Connect(8, 0);
  host_.space().Write32(0xfe00000c, 0x80000);
  device_->device().peers().Disconnect(7);
  host_.space().Write32(0xfe00000c, 0x70000);
  Connect(7, 1);
  recorder_.PeersChanged();
  Config(0x42, 2, 0x8000);
  device_->device().OnPeerInterrupt(1);
  EXPECT_EQ(host_.space().Read<uint64_t>(0xfe010800), 2u);
  device_->device().SetId(9);
  host_.space().Write32(0xfe010000, 16);
  Config(0x10, 4, 0xfd000000);
  EXPECT_EQ(host_.space().Read32(0xfd000008), 9u);
  device_->Reset();
  EXPECT_EQ(Steps(),
            "steps { peer_joins { id: 7 vectors: 2 } }\n"
            "steps { vector_arrives { id: 7 vector: 4 } }\n"
            "steps { write { config: 4 size: 2 value: 6 } }\n"
            "steps { read { registers: 8 } gives: 3 }\n"
            "steps { write { registers: 0xc value: 0x70004 } "
            "effects { rings { peer: 7 vector: 4 } } }\n"
            "steps { peer_joins { id: 8 vectors: 1 } }\n"
            "steps { write { registers: 0xc value: 0x80000 } "
            "effects { rings { peer: 8 } } }\n"
            "steps { peer_leaves { id: 7 } }\n"
            "steps { write { registers: 0xc value: 0x70000 } effects { } }\n"
            "steps { peer_joins { id: 7 } }\n"
            "steps { vector_arrives { id: 7 vector: 1 } }\n"
            "steps { write { config: 0x42 size: 2 value: 0x8000 } }\n"
            "steps { interrupt { vector: 1 } }\n"
            "steps { read { msix: 0x800 size: 8 } gives: 2 }\n"
            "steps { set_id { id: 9 } }\n"
            "steps { write { msix: 0 value: 0x10 } }\n"
            "steps { write { config: 0x10 value: 0xfd000000 } }\n"
            "steps { read { registers: 8 } gives: 9 }\n"
            "steps { reset { } }\n");
  EXPECT_EQ(recorder_.script().world().regions_size(), 1);
  EXPECT_EQ(recorder_.script().world().devices_size(), 1);
  EXPECT_EQ(recorder_.script().world().devices(0).id(), 3u);
  EXPECT_EQ(Replay(), absl::OkStatus());
}

// What memory reads depends on the peers: it is not said.
TEST_F(RecorderTest, LeavesOutWhatMemoryReads) {
  recorder_.Start(device_->device());
  Config(0x18, 4, 0x10000000);
  Config(4, 2, 2);
  host_.space().Write32(0x10000000, 5);
  EXPECT_EQ(host_.space().Read32(0x10000000), 5u);
  EXPECT_THAT(Steps(), HasSubstr("steps { write { memory: 0 value: 5 } }\n"
                                 "steps { read { memory: 0 } }\n"));
  EXPECT_EQ(Replay(), absl::OkStatus());
}

// A device that rings itself is interrupted by that, not by a step of its own.
TEST_F(RecorderTest, RingsOfItselfAreOneStep) {
  Connect(3, 1)->on_signal = [this] { device_->device().OnPeerInterrupt(1); };
  recorder_.Start(device_->device());
  Config(4, 2, 6);
  Config(0x42, 2, 0x8000);
  host_.space().Write32(0xfe00000c, 0x30001);
  EXPECT_EQ(host_.space().Read32(0xfe010800), 2u);
  EXPECT_THAT(Steps(), HasSubstr("value: 0x30001 } }\n"));
  EXPECT_THAT(Steps(), Not(HasSubstr("interrupt")));
  EXPECT_EQ(Replay(), absl::OkStatus());
}

// What an access reads while another thread's step comes is not certain.
TEST_F(RecorderTest, LeavesOutWhatOverlaps) {
  class Interrupted : public MmioHandler {
   public:
    explicit Interrupted(Device& device) : device_(device) {}
    void Read(uint64_t, absl::Span<uint8_t> bytes) noexcept override {
      std::fill(bytes.begin(), bytes.end(), uint8_t{0});
      std::thread([this] { device_.OnPeerInterrupt(0); }).join();
    }
    void Write(uint64_t, absl::Span<const uint8_t>) noexcept override {}

   private:
    Device& device_;
  };
  recorder_.Start(device_->device());
  Interrupted interrupted(device_->device());
  const auto handler = recorder_.Wrap(Access::kRegisters, interrupted);
  uint8_t bytes[4];
  handler->Read(4, absl::MakeSpan(bytes));
  EXPECT_EQ(Steps(),
            "steps { read { registers: 4 } }\nsteps { interrupt { } }\n");
}

// An id of which a peer was known is the device's own: the peer has left.
TEST_F(RecorderTest, TakesTheIdOfOneWhoLeft) {
  Connect(5, 0);
  recorder_.Start(device_->device());
  device_->device().peers().DisconnectAll();
  device_->device().SetId(std::nullopt);
  device_->device().SetId(5);
  EXPECT_EQ(Steps(),
            "steps { peer_joins { id: 5 vectors: 1 } }\n"
            "steps { peer_leaves { id: 5 } }\n"
            "steps { set_id { } }\n"
            "steps { set_id { id: 5 } }\n");
  EXPECT_EQ(Replay(), absl::OkStatus());
}

// Nothing before Start(), and what no Script can hold is passed on all the
// same.
TEST_F(RecorderTest, RecordsFromTheStart) {
  Config(4, 2, 2);
  EXPECT_EQ(Steps(), "");
  recorder_.Start(device_->device());
  uint8_t bytes[65];
  config_->Read(0, absl::MakeSpan(bytes));
  EXPECT_EQ(bytes[0], 0xf4);
  EXPECT_EQ(Steps(), "");
}

// By the id that it has, had, or has not been told of yet, a device's own
// vectors are nobody else's, whenever its guest rings; a peer that has the id
// later is.
TEST_F(RecorderTest, OwnVectorsAreNoPeer) {
  Connect(3, 0);
  Connect(7, 0);
  recorder_.Start(device_->device());
  Config(4, 2, 6);
  const auto ring = [this](uint32_t doorbell) {
    host_.space().Write32(0xfe00000c, doorbell);
  };
  relay_.before_id = [&] {
    Connect(9, 0);
    ring(0x70000);
  };
  device_->device().SetId(9);
  relay_.before_id = nullptr;
  ring(0x70000);
  device_->device().peers().Disconnect(3);
  ring(0x70000);
  Connect(3, 0);
  ring(0x30000);
  EXPECT_EQ(Steps(),
            "steps { peer_joins { id: 7 vectors: 1 } }\n"
            "steps { write { config: 4 size: 2 value: 6 } }\n"
            "steps { write { registers: 0xc value: 0x70000 } "
            "effects { rings { peer: 7 } } }\n"
            "steps { set_id { id: 9 } }\n"
            "steps { write { registers: 0xc value: 0x70000 } "
            "effects { rings { peer: 7 } } }\n"
            "steps { write { registers: 0xc value: 0x70000 } "
            "effects { rings { peer: 7 } } }\n"
            "steps { peer_joins { id: 3 vectors: 1 } }\n"
            "steps { write { registers: 0xc value: 0x30000 } "
            "effects { rings { peer: 3 } } }\n");
  EXPECT_EQ(Replay(), absl::OkStatus());
}

class ShortRecorderTest : public RecorderTest {
 protected:
  ShortRecorderTest() : RecorderTest(3) {}
};

// No more than it was told to keep; the rest is counted.
TEST_F(ShortRecorderTest, KeepsTheFirst) {
  recorder_.Start(device_->device());
  for (int i = 0; i < 10; ++i) Config(0x3c, 1, i);
  EXPECT_EQ(recorder_.script().steps_size(), 3);
  EXPECT_EQ(recorder_.script().steps(2).write().value(), 2u);
  EXPECT_EQ(recorder_.dropped(), 7u);
  EXPECT_EQ(Replay(), absl::OkStatus());
}

// From any thread: whatever the order, the Script is one that plays.
TEST_F(RecorderTest, RecordsThreads) {
  Connect(7, 0);
  recorder_.Start(device_->device());
  Config(4, 2, 6);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < 50; ++i) {
        if (t == 0) device_->device().OnPeerInterrupt(0);
        if (t == 1) host_.space().Write32(0xfe00000c, 0x70000);
        if (t == 2) {
          EXPECT_EQ(host_.space().Read32(0xfe000008), 3u);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(recorder_.script().steps_size(), 152);
  EXPECT_EQ(Replay(), absl::OkStatus());
}

}  // namespace
}  // namespace ivshmem::script
