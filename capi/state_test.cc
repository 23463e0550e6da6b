// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Saved devices as bytes, which may come from anybody.

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "capi/owned.h"
#include "capi/recording_host.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem::capi {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

std::string Save(ivshmem_device* device) {
  std::string bytes(IVSHMEM_STATE_BYTES_MAX, '\0');
  const ssize_t size = ivshmem_device_save(device, bytes.data(), bytes.size());
  EXPECT_GT(size, 0) << ivshmem_last_error();
  bytes.resize(size > 0 ? size : 0);
  return bytes;
}

class StateTest : public testing::Test {
 protected:
  StateTest() : callbacks_(host_.Callbacks()) {
    pci_ = PciOptions(memory_, &callbacks_);
    pci_.vectors = 2;
  }
  // One whose guest has done things; vector 1 is pending.
  DevicePtr Used() {
    DevicePtr device = Make(pci_);
    ivshmem_device_set_id(device.get(), 3);
    PlaceBars(device);
    EnableMsix(device, 2);
    Write(device, IVSHMEM_REGION_MSIX, 16 + 12, 1);
    ivshmem_device_interrupt(device.get(), 1);
    Write(device, IVSHMEM_REGION_REGISTERS, kMask, 0x1234);
    return device;
  }
  int Restore(const std::string& state, ivshmem_device** device) const {
    return ivshmem_pci_restore(&pci_, state.data(), state.size(), device);
  }

  RecordingHost host_;
  const ivshmem_host callbacks_;
  const MemoryPtr memory_ = NewMemory();
  ivshmem_pci_options pci_;
};

// As snprintf: the size is told, and nothing is written that does not fit.
TEST_F(StateTest, BufferThatIsTooSmall) {
  const DevicePtr device = Used();
  const ssize_t size = ivshmem_device_save(device.get(), nullptr, 0);
  ASSERT_GT(size, 0);
  std::string buffer(size + 1, '#');
  EXPECT_EQ(ivshmem_device_save(device.get(), buffer.data(), size - 1), size);
  EXPECT_EQ(buffer, std::string(size + 1, '#'));
  EXPECT_EQ(ivshmem_device_save(device.get(), buffer.data(), size), size);
  EXPECT_EQ(buffer.back(), '#');
  buffer.pop_back();
  EXPECT_EQ(buffer, Save(device.get())) << "the same state, the same bytes";
  EXPECT_EQ(ivshmem_device_save(device.get(), nullptr, 8), -EINVAL);
}

// The largest device fits the largest buffer.
TEST_F(StateTest, LargestDevice) {
  pci_.vectors = 2048;
  const DevicePtr device = Make(pci_);
  EXPECT_LT(Save(device.get()).size(), size_t{IVSHMEM_STATE_BYTES_MAX});
}

// The guest cannot tell the restored device from the one that was saved.
TEST_F(StateTest, RestoredDeviceIsTheSame) {
  DevicePtr device = Used();
  const std::string state = Save(device.get());
  device.reset();
  host_.RunWork();
  ivshmem_device* made = nullptr;
  ASSERT_EQ(Restore(state, &made), 0) << ivshmem_last_error();
  device.reset(made);
  EXPECT_EQ(Save(made), state);
  EXPECT_EQ(ivshmem_device_id(made), 3);
  EXPECT_EQ(Read(device, IVSHMEM_REGION_REGISTERS, kMask), 0x1234u);
  EXPECT_THAT(host_.ranges,
              ElementsAre(Pair(kBar0, testing::_), Pair(kBar1, testing::_)));
  EXPECT_THAT(host_.messages, IsEmpty());
  Write(device, IVSHMEM_REGION_MSIX, 16 + 12, 0);
  EXPECT_THAT(host_.messages, ElementsAre(Pair(0xfee01000, 0x41)));
  // It rings itself as before, once its vectors have events.
  const int fd = ivshmem_device_vector_fd(made, 0);
  Ring(device, 3, 0);
  EXPECT_EQ(Event::Take(fd), 1u);
}

// A range that restoring claims answers before the device is handed out.
TEST_F(StateTest, RangesAnswerAtOnce) {
  DevicePtr device = Used();
  const std::string state = Save(device.get());
  device.reset();
  uint32_t position = 0;
  host_.hook = [&](const std::string& name) {
    if (name != "claim_range" || host_.ranges.empty()) return;
    ivshmem_range* const range = host_.ranges.begin()->second.second;
    ivshmem_range_read(range, kPosition, &position, sizeof(position));
    const uint32_t mask = 5;
    ivshmem_range_write(range, kMask, &mask, sizeof(mask));
  };
  ivshmem_device* made = nullptr;
  ASSERT_EQ(Restore(state, &made), 0) << ivshmem_last_error();
  device.reset(made);
  host_.hook = nullptr;
  EXPECT_EQ(position, 3u);
  EXPECT_EQ(Read(device, IVSHMEM_REGION_REGISTERS, kMask), 5u);
}

// Signals that nobody has read yet are saved.
TEST_F(StateTest, SignalsAreSaved) {
  DevicePtr device = Used();
  Write(device, IVSHMEM_REGION_MSIX, 12, 1);
  const int fd = ivshmem_device_vector_fd(device.get(), 0);
  Event::Signal(fd);
  const std::string state = Save(device.get());
  EXPECT_EQ(Event::Take(fd), 0u);
  device.reset();
  ivshmem_device* made = nullptr;
  ASSERT_EQ(Restore(state, &made), 0);
  device.reset(made);
  Write(device, IVSHMEM_REGION_MSIX, 12, 0);
  EXPECT_THAT(host_.messages, ElementsAre(Pair(0xfee00000, 0x40)));
}

TEST_F(StateTest, FlatDevice) {
  ivshmem_flat_options options = FlatOptions(memory_, &callbacks_);
  DevicePtr device = Make(options);
  ivshmem_device_set_id(device.get(), 9);
  const std::string state = Save(device.get());
  device.reset();
  ivshmem_device* made = nullptr;
  ASSERT_EQ(ivshmem_flat_restore(&options, state.data(), state.size(), &made),
            0)
      << ivshmem_last_error();
  device.reset(made);
  EXPECT_EQ(Save(made), state);
  EXPECT_EQ(Read(device, IVSHMEM_REGION_REGISTERS, kPosition), 9u);

  // A device is restored as what it is.
  ivshmem_device* none = nullptr;
  EXPECT_EQ(Restore(state, &none), -EINVAL);
  EXPECT_THAT(ivshmem_last_error(),
              HasSubstr("expected a PCI device's, got a flat one's"));
  const DevicePtr pci = Make(pci_);
  const std::string other = Save(pci.get());
  EXPECT_EQ(ivshmem_flat_restore(&options, other.data(), other.size(), &none),
            -EINVAL);
  EXPECT_THAT(ivshmem_last_error(),
              HasSubstr("expected a flat device's, got a PCI one's"));
  options.memory_address += 4;
  EXPECT_EQ(ivshmem_flat_restore(&options, state.data(), state.size(), &none),
            -EINVAL);
  EXPECT_EQ(none, nullptr);
}

// What the options say otherwise is refused, with the field's name.
TEST_F(StateTest, OtherOptions) {
  DevicePtr device = Used();
  const std::string state = Save(device.get());
  device.reset();
  host_.RunWork();
  ivshmem_device* none = nullptr;
  pci_.vectors = 3;
  EXPECT_EQ(Restore(state, &none), -EINVAL);
  EXPECT_THAT(ivshmem_last_error(), HasSubstr("state.vectors"));
  pci_.vectors = 2;
  pci_.dialect = IVSHMEM_DIALECT_ACRN;
  EXPECT_EQ(Restore(state, &none), -EINVAL);
  EXPECT_THAT(ivshmem_last_error(), HasSubstr("state.dialect"));
  pci_.dialect = IVSHMEM_DIALECT_REV1;
  pci_.struct_size = 0;
  EXPECT_EQ(Restore(state, &none), -EINVAL);
  EXPECT_EQ(ivshmem_pci_restore(&pci_, state.data(), state.size(), nullptr),
            -EINVAL);
  EXPECT_EQ(ivshmem_pci_restore(&pci_, nullptr, 5, &none), -EINVAL);
  EXPECT_EQ(none, nullptr);
}

// Bytes of anybody: an error with a text, and a host that has heard nothing; or
// a device that works.
void CheckHostile(const std::string& state) {
  RecordingHost recording;
  const ivshmem_host host = recording.Callbacks();
  const MemoryPtr memory = NewMemory();
  ivshmem_pci_options pci = PciOptions(memory, &host);
  pci.vectors = 2;
  const ivshmem_flat_options flat = FlatOptions(memory, &host);
  for (const bool is_pci : {true, false}) {
    ivshmem_device* made = nullptr;
    const int result =
        is_pci ? ivshmem_pci_restore(&pci, state.data(), state.size(), &made)
               : ivshmem_flat_restore(&flat, state.data(), state.size(), &made);
    if (result != 0) {
      EXPECT_EQ(result, -EINVAL);
      EXPECT_STRNE(ivshmem_last_error(), "");
      EXPECT_EQ(made, nullptr);
      EXPECT_TRUE(recording.Empty());
      continue;
    }
    const DevicePtr device(made);
    for (uint32_t region = 0; region < 3; ++region) {
      Write(device, region, 0, Read(device, region, 0));
    }
    ivshmem_device_interrupt(made, 0);
    EXPECT_FALSE(Save(made).empty());
    recording.RunWork();
  }
}

TEST_F(StateTest, HostileBytes) {
  const std::string good = Save(Used().get());
  host_.RunWork();
  CheckHostile("");
  CheckHostile(std::string(IVSHMEM_STATE_BYTES_MAX + 1, '\x08'));
  for (size_t size = 0; size <= good.size(); ++size) {
    CheckHostile(good.substr(0, size));
  }
  for (size_t at = 0; at < good.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xff, 0x10}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      CheckHostile(bad);
    }
  }
}

// Devices that were saved long ago, of every kind.
TEST_F(StateTest, HostileGoldenBytes) {
  int files = 0;
  const std::filesystem::path root = std::getenv("TEST_SRCDIR");
  for (const auto& entry : std::filesystem::directory_iterator(
           root / std::getenv("TEST_WORKSPACE") / "testdata/states")) {
    if (entry.path().extension() != ".state") continue;
    ++files;
    std::ifstream file(entry.path(), std::ios::binary);
    std::ostringstream bytes;
    bytes << file.rdbuf();
    std::string state = bytes.str();
    CheckHostile(state);
    for (size_t at = 0; at < state.size(); ++at) {
      state[at] = static_cast<char>(state[at] ^ 0x04);
      CheckHostile(state);
      state[at] = static_cast<char>(state[at] ^ 0x04);
    }
  }
  EXPECT_GE(files, 7);
}

}  // namespace
}  // namespace ivshmem::capi
