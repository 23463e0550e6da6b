// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Devices are made, restored, saved and destroyed.

#include "capi/device.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "capi/device_options.h"
#include "capi/errors.h"
#include "capi/inside.h"
#include "capi/limits.h"
#include "capi/loop.h"
#include "capi/options.h"
#include "core/limits.h"
#include "proto/device_state.h"

namespace ivshmem::capi {

int NoDevice() { return Fail(EINVAL, "device: expected one, got null"); }

namespace {

// What is told apart by the kind of a device.

absl::StatusOr<std::unique_ptr<PciDevice>> Build(
    const PciDevice::Config& config, const SharedMemory& memory,
    const PciDevice::Host& host, const PciDeviceState* state) {
  return state == nullptr ? PciDevice::Create(config, memory, host)
                          : PciDevice::Restore(config, memory, host, *state);
}

absl::StatusOr<std::unique_ptr<FlatDevice>> Build(
    const FlatDevice::Config& config, const SharedMemory& memory,
    const FlatDevice::Host& host, const FlatDeviceState* state) {
  return state == nullptr ? FlatDevice::Create(config, memory, host)
                          : FlatDevice::Restore(config, memory, host, *state);
}

absl::Status Fill(ivshmem_device& device, const PciDevice::Config& config,
                  EventLoop* loop, const PciDeviceState* state) {
  auto made =
      Build(config, device.memory->view, device.host.ForPci(loop), state);
  if (!made.ok()) return made.status();
  device.pci = *std::move(made);
  device.msix = &device.pci->bar(PciDevice::kMsixBar);
  return absl::OkStatus();
}

absl::Status Fill(ivshmem_device& device, const FlatDevice::Config& config,
                  EventLoop* loop, const FlatDeviceState* state) {
  auto made =
      Build(config, device.memory->view, device.host.ForFlat(loop), state);
  if (!made.ok()) return made.status();
  device.flat = *std::move(made);
  device.registers_address = config.registers_address;
  device.memory_address = config.memory_address;
  return absl::OkStatus();
}

Limits& LimitsOf(PciDevice::Config& config) { return config.limits; }
Limits& LimitsOf(FlatDevice::Config& config) { return config.block.limits; }

// `state` is null for a new device.
template <typename Options, typename State>
int Make(const Options* from, const State* state, ivshmem_device** device) {
  if (device == nullptr) {
    return Fail(EINVAL, "device: expected a place for the handle, got null");
  }
  Options options;
  if (const int error = CopyIn(from, "options", options); error != 0) {
    return error;
  }
  ivshmem_host host;
  if (const int error = CopyHost(options.host, host); error != 0) return error;
  if (options.memory == nullptr) {
    return Fail(EINVAL, "memory: expected some, got null");
  }
  auto config = ToConfig(options);
  if (!config.ok()) return Fail(config.status());
  const int error = CopyLimits(options.limits, LimitsOf(*config));
  if (error != 0) return error;

  auto made = std::make_unique<ivshmem_device>(host, options.memory->memory);
  EventLoop* loop = nullptr;
  if (options.loop != nullptr) {
    made->executor = InUse::Use(options.loop->in_use);
    loop = &options.loop->events();
  }
  const absl::Status filled = Fill(*made, *config, loop, state);
  if (!filled.ok()) return Fail(filled);
  made->own_vectors.emplace(made->core());
  *device = made.release();
  return 0;
}

template <typename State, typename Options>
int Restore(const Options* options, const void* bytes, size_t size,
            ivshmem_device** device) {
  if (bytes == nullptr && size != 0) {
    return Fail(EINVAL,
                absl::StrFormat("state: expected %d bytes, got null", size));
  }
  const absl::StatusOr<SavedDevice> saved =
      DecodeState(absl::string_view(static_cast<const char*>(bytes), size));
  if (!saved.ok()) return Fail(saved.status());
  const State* const state = std::get_if<State>(&*saved);
  if (state == nullptr) {
    constexpr bool kPci = std::is_same_v<State, PciDeviceState>;
    return Fail(EINVAL,
                absl::StrFormat("state: expected a %s device's, got a %s one's",
                                kPci ? "PCI" : "flat", kPci ? "flat" : "PCI"));
  }
  return Make(options, state, device);
}

}  // namespace
}  // namespace ivshmem::capi

using namespace ivshmem;        // NOLINT: this file is the interface.
using namespace ivshmem::capi;  // NOLINT

int ivshmem_pci_create(const ivshmem_pci_options* options,
                       ivshmem_device** device) {
  return Guard([&] {
    return Make(options, static_cast<const PciDeviceState*>(nullptr), device);
  });
}

int ivshmem_flat_create(const ivshmem_flat_options* options,
                        ivshmem_device** device) {
  return Guard([&] {
    return Make(options, static_cast<const FlatDeviceState*>(nullptr), device);
  });
}

int ivshmem_pci_restore(const ivshmem_pci_options* options, const void* state,
                        size_t size, ivshmem_device** device) {
  return Guard(
      [&] { return Restore<PciDeviceState>(options, state, size, device); });
}

int ivshmem_flat_restore(const ivshmem_flat_options* options, const void* state,
                         size_t size, ivshmem_device** device) {
  return Guard(
      [&] { return Restore<FlatDeviceState>(options, state, size, device); });
}

ssize_t ivshmem_device_save(ivshmem_device* device, void* buffer, size_t size) {
  return Guard([&]() -> ssize_t {
    if (device == nullptr) return NoDevice();
    if (buffer == nullptr && size != 0) {
      return Fail(EINVAL,
                  absl::StrFormat("buffer: expected %d bytes, got null", size));
    }
    std::string bytes;
    {
      const Inside inside(device);
      bytes = device->pci != nullptr ? EncodeState(device->pci->Save())
                                     : EncodeState(device->flat->Save());
    }
    if (bytes.size() <= size && !bytes.empty()) {
      std::memcpy(buffer, bytes.data(), bytes.size());
    }
    return static_cast<ssize_t>(bytes.size());
  });
}

int ivshmem_device_destroy(ivshmem_device* device) {
  return Guard([&] {
    if (Inside::Of(device)) {
      return Fail(EDEADLK,
                  "device: expected to be destroyed from outside of a call "
                  "that still uses it, got a callback of such a call");
    }
    if (device == nullptr) return 0;
    {
      // What the destruction calls may not destroy it once more.
      const Inside inside(device);
      device->port = nullptr;
      device->attachment = nullptr;
      device->own_vectors.reset();
      device->pci = nullptr;
      device->flat = nullptr;
    }
    delete device;
    return 0;
  });
}
