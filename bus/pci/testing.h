// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BUS_PCI_TESTING_H_
#define IVSHMEM_BUS_PCI_TESTING_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <ostream>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "bus/access.h"
#include "bus/interrupt_lines.h"
#include "bus/mmio_handler.h"
#include "bus/pci/function.h"
#include "bus/pci/intx.h"
#include "bus/pci/msi.h"
#include "bus/pci/msix.h"

// What the tests of this folder put around a function, and how they access it.
namespace ivshmem::pci {

inline std::ostream& operator<<(std::ostream& out, const MsiMessage& message) {
  return out << "{0x" << std::hex << message.address << ", 0x" << message.data
             << std::dec << "}";
}

inline std::ostream& operator<<(std::ostream& out, Msix::Outcome outcome) {
  constexpr const char* kNames[] = {"kSent", "kPending", "kDisabled",
                                    "kNoSuchVector"};
  return out << kNames[static_cast<int>(outcome)];
}

// Keeps what was sent. `on_send` runs inside each sending. Any thread.
class RecordingMsiSink : public MsiSink {
 public:
  void Send(const MsiMessage& message) noexcept override {
    {
      std::lock_guard lock(mutex_);
      sent_.push_back(message);
    }
    if (on_send) on_send(message);
  }

  // What was sent since the last call.
  std::vector<MsiMessage> Take() {
    std::lock_guard lock(mutex_);
    return std::exchange(sent_, {});
  }

  std::function<void(const MsiMessage&)> on_send;

 private:
  std::mutex mutex_;
  std::vector<MsiMessage> sent_;
};

class RecordingListener : public Msix::Listener {
 public:
  void MsixChanged() noexcept override {
    ++changes;
    if (on_change) on_change();
  }

  std::atomic<int> changes{0};
  std::function<void()> on_change;
};

class FakeIntxSource : public IntxSource {
 public:
  bool IntxLevel() const noexcept override { return level; }

  std::atomic<bool> level{false};
};

// Keeps the levels it was given, one after the other.
class RecordingLine : public LineSink {
 public:
  void SetLevel(bool asserted) noexcept override {
    levels.push_back(asserted);
    if (on_level) on_level(asserted);
  }

  bool level() const { return !levels.empty() && levels.back(); }

  std::vector<bool> levels;
  std::function<void(bool)> on_level;
};

// Bytes behind a BAR, and how often they were reached.
class FakeBar : public MmioHandler {
 public:
  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override {
    ++reads;
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = memory.at(offset + i);
  }

  void Write(uint64_t offset,
             absl::Span<const uint8_t> bytes) noexcept override {
    ++writes;
    for (size_t i = 0; i < bytes.size(); ++i) memory.at(offset + i) = bytes[i];
  }

  std::array<uint8_t, 0x1000> memory = {};
  int reads = 0;
  int writes = 0;
};

template <typename T>
T Read(MmioHandler& handler, uint64_t offset) {
  std::array<uint8_t, sizeof(T)> bytes;
  bytes.fill(0xaa);  // What a read must not leave behind.
  handler.Read(offset, absl::MakeSpan(bytes));
  return static_cast<T>(LoadLittleEndian(bytes));
}

template <typename T>
void Write(MmioHandler& handler, uint64_t offset, T value) {
  std::array<uint8_t, sizeof(T)> bytes = {};
  StoreLittleEndian(value, absl::MakeSpan(bytes));
  handler.Write(offset, bytes);
}

template <typename T>
T ReadConfig(const Function& function, uint64_t offset) {
  std::array<uint8_t, sizeof(T)> bytes;
  bytes.fill(0xaa);  // What a read must not leave behind.
  function.ConfigRead(offset, absl::MakeSpan(bytes));
  return static_cast<T>(LoadLittleEndian(bytes));
}

template <typename T>
Function::Change WriteConfig(Function& function, uint64_t offset, T value) {
  std::array<uint8_t, sizeof(T)> bytes = {};
  StoreLittleEndian(value, absl::MakeSpan(bytes));
  return function.ConfigWrite(offset, bytes);
}

}  // namespace ivshmem::pci

#endif  // IVSHMEM_BUS_PCI_TESTING_H_
