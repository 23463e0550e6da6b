// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CAPI_CONFORMANCE_C_GUEST_H_
#define IVSHMEM_CAPI_CONFORMANCE_C_GUEST_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backends/mock/address_space.h"
#include "backends/registration.h"
#include "bus/mmio_handler.h"
#include "capi/owned.h"
#include "capi/recording_host.h"
#include "ivshmem/ivshmem.h"
#include "proto/config.h"
#include "proto/script.pb.h"

namespace ivshmem::script {

// How rings and interrupts travel.
enum class Carriage : uint8_t {
  // Everything traps, and peers are called.
  kCalls,
  // By eventfds, doorbells bound and interrupts routed; memory is mapped.
  kEvents,
};

// What carries rings to one vector of somebody: a call, or an eventfd.
class Carrier {
 public:
  virtual ~Carrier() = default;
  // Somebody rang. Not once it is closed.
  virtual void Ring() = 0;
  // What a device is connected to; -1 for a call.
  virtual int fd() const { return -1; }

  void Close() { closed_ = true; }
  bool closed() const { return closed_; }

 private:
  bool closed_ = false;
};

using Vectors = std::map<uint32_t, std::shared_ptr<Carrier>>;

// A guest with its device, which can be unplugged and plugged in, on a host in
// memory; by the C interface alone.
//
// Threading: one thread.
class CGuest {
 public:
  // What is named outlives the object.
  CGuest(const DeviceConfig& config, const capi::MemoryPtr& memory,
         Carriage carriage);
  ~CGuest();

  absl::Status Plug();
  void Unplug();
  absl::StatusOr<std::string> Save();
  // The id in `state`, if such a device may have been in it.
  absl::StatusOr<std::optional<uint32_t>> CheckState(const std::string& state);
  absl::Status Restore(const std::string& state);

  const DeviceConfig& config() const { return config_; }
  ivshmem_device* device() const { return device_.get(); }
  std::optional<uint32_t> id() const;
  const Vectors& vectors() const { return vectors_; }

  absl::StatusOr<uint64_t> Read(const Access& access);
  absl::Status Write(const Access& access);
  void Reset();
  void Interrupt(uint32_t vector);

  // Brings on what is on its way. False when there was nothing.
  bool Settle();
  // Adds what the host saw since the last time.
  void TakeEffects(Effects& effects);

 private:
  class Own;

  // What the device claims, as the address space calls it.
  class Range : public MmioHandler {
   public:
    explicit Range(ivshmem_range* range) : range_(range) {}
    void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override {
      ivshmem_range_read(range_, offset, bytes.data(), bytes.size());
    }
    void Write(uint64_t offset,
               absl::Span<const uint8_t> bytes) noexcept override {
      ivshmem_range_write(range_, offset, bytes.data(), bytes.size());
    }

   private:
    ivshmem_range* const range_;
  };

  // A host with an address space.
  struct Host : capi::RecordingHost {
    static Host& Of(void* opaque) {
      // What the callbacks are given is the base.
      return static_cast<Host&>(*static_cast<capi::RecordingHost*>(opaque));
    }

    mock::AddressSpace space{{}};
    // By their bases.
    std::map<uint64_t, std::pair<std::unique_ptr<Range>, RegistrationPtr>>
        claims;
    std::map<uint64_t, RegistrationPtr> mappings;
  };

  // `quiet` is a host that hears nothing.
  absl::StatusOr<capi::DevicePtr> Make(const std::string* state, Host& host,
                                       bool quiet) const;
  ivshmem_host Callbacks(Host& host, bool quiet) const;
  void MakeVectors();
  absl::Status CheckAccess(const Access& access) const;
  std::optional<uint64_t> Address(const Access& access) const;
  std::optional<uint64_t> Base(uint32_t region) const;
  uint32_t Config32(uint64_t offset) const;
  // Whether a bound doorbell was rung.
  bool RingBound(uint64_t address, absl::Span<const uint8_t> bytes) const;

  const DeviceConfig& config_;
  const capi::MemoryPtr& memory_;
  const Carriage carriage_;
  Host host_;
  bool line_seen_ = false;
  capi::DevicePtr device_;
  Vectors vectors_;
};

}  // namespace ivshmem::script

#endif  // IVSHMEM_CAPI_CONFORMANCE_C_GUEST_H_
