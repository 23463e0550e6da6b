// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SCRIPT_RECORDER_H_
#define IVSHMEM_SCRIPT_RECORDER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "bus/mmio_handler.h"
#include "core/device.h"
#include "core/doorbell.h"
#include "core/events.h"
#include "proto/config.pb.h"
#include "proto/script.pb.h"

namespace ivshmem::script {

// Makes a Script of what happens to a live device, from its first moment on:
// its guest's accesses with what they read, interrupts from peers, resets, ids,
// and who can be rung. The device is alone in the Script's world; those that it
// rings are outside peers there.
//
//   Recorder recorder(world, "pc", {});
//   PciDevice::Create(config, memory, {..., .events = &recorder});
//   auto config = recorder.Wrap(Access::kConfig, device->config());
//   recorder.Start(device->device());
//   ... the guest runs, its bus calls `config`; see also RecordedSpace ...
//   recorder.script();
//
// It sees what goes through this process: no mapped memory, no doorbell that
// the kernel rings. What is not certain is left out: what memory reads, what
// was read while another step was under way, and effects but for the rings of a
// doorbell's write. Two steps that overlap are in either order. A ring of the
// device's own vectors is a step of its own if it arrives on another thread
// than it was rung on, and then plays twice.
//
// Threading: everything from any thread at once.
class Recorder : public DeviceEvents {
 public:
  struct Options {
    size_t keep = 100000;          // Steps; those that come later are counted.
    DeviceEvents* next = nullptr;  // Gets the events as well.
  };

  // Of the device that `world` calls `device`.
  Recorder(const config::World& world, absl::string_view device,
           const Options& options);

  // `device` is new, but for its id and peers, and outlives the recording.
  void Start(Device& device) ABSL_LOCKS_EXCLUDED(mutex_);

  // To be called in the stead of `handler`, which is behind that place. Both
  // outlive what is made.
  std::unique_ptr<MmioHandler> Wrap(Access::PlaceCase place,
                                    MmioHandler& handler);

  // Peers have come or gone. It looks by itself before each doorbell.
  void PeersChanged() ABSL_LOCKS_EXCLUDED(mutex_);

  Script script() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Steps that there was no room for.
  uint64_t dropped() const ABSL_LOCKS_EXCLUDED(mutex_);

  void OnEvent(const DeviceEvent& event) noexcept override
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  class Handler;
  class Call;

  using Peers = std::map<PeerId, std::set<Vector>>;

  // Null when there is no room.
  Step* Add() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LookForPeers() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The device's own vectors are not among them, by whatever id.
  Peers ConnectedPeers() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Those who are not among `now`.
  void ForgetPeers(const Peers& now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t keep_;
  DeviceEvents* const next_;
  mutable absl::Mutex mutex_;
  Device* device_ ABSL_GUARDED_BY(mutex_) = nullptr;
  Script script_ ABSL_GUARDED_BY(mutex_);
  uint64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t happened_ ABSL_GUARDED_BY(mutex_) = 0;  // Steps, kept or not.
  int under_way_ ABSL_GUARDED_BY(mutex_) = 0;      // Accesses.
  // Who can be rung, as the Script has it.
  Peers peers_ ABSL_GUARDED_BY(mutex_);
  // The device's id as the Script has it; and those before it by which its own
  // vectors may still be known.
  std::optional<PeerId> told_id_ ABSL_GUARDED_BY(mutex_);
  std::set<PeerId> former_ids_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ivshmem::script

#endif  // IVSHMEM_SCRIPT_RECORDER_H_
