// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/switchboard.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/notifier.h"

namespace ivshmem {

// A bound device, for the others. The way into it outlives the binding: whoever
// comes too late finds no device there.
struct Switchboard::Bound {
  std::shared_ptr<Revocable<Device>> receiver;
  int vectors;
};

// One vector of a bound device, as the other devices' tables hold it.
class Switchboard::Inlet : public Notifier {
 public:
  Inlet(std::shared_ptr<Revocable<Device>> receiver, Vector vector)
      : receiver_(std::move(receiver)), vector_(vector) {}

  Outcome Signal() noexcept override {
    const Vector vector = vector_;
    const bool reached = receiver_->With(
        [vector](Device& device) { device.OnPeerInterrupt(vector); });
    return reached ? Outcome::kSignalled : Outcome::kFailed;
  }

  // Lets the device at the end of `way` ring all vectors of `peer`. Whoever is
  // told of one vector may unbind either device, so each vector asks anew
  // whether both are still there.
  static void ConnectAll(Revocable<Device>& way, PeerId id, const Bound& peer) {
    for (int v = 0; v < peer.vectors; ++v) {
      const auto vector = static_cast<Vector>(v);
      way.With([&](Device& device) {
        peer.receiver->With([&](Device&) {
          // Cannot fail: a device has no more vectors than a table takes.
          device.peers()
              .Connect(id, vector,
                       std::make_shared<Inlet>(peer.receiver, vector))
              .IgnoreError();
        });
      });
    }
  }

 private:
  const std::shared_ptr<Revocable<Device>> receiver_;
  const Vector vector_;
};

struct Switchboard::Region {
  SharedMemory memory;
  // An id stays here until nobody's table has it any more.
  absl::btree_map<PeerId, Bound> ports;
};

Switchboard::Switchboard() = default;

Switchboard::~Switchboard() = default;

absl::Status Switchboard::AddRegion(absl::string_view name,
                                    const SharedMemory& memory) {
  if (name.empty()) {
    return absl::InvalidArgumentError(
        "region name: expected one character at least, got none");
  }
  if (memory.data == nullptr || memory.size == 0) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "memory of region '%s': expected some, got none", name));
  }
  absl::MutexLock lock(&mutex_);
  std::unique_ptr<Region>& region = regions_[std::string(name)];
  if (region != nullptr) {
    return absl::AlreadyExistsError(absl::StrFormat(
        "region name: expected a new one, got '%s' twice", name));
  }
  region = std::make_unique<Region>(Region{memory, {}});
  return absl::OkStatus();
}

absl::StatusOr<SharedMemory> Switchboard::FindRegion(
    absl::string_view name) const {
  absl::MutexLock lock(&mutex_);
  const auto it = regions_.find(name);
  if (it == regions_.end()) {
    return absl::NotFoundError(
        absl::StrFormat("region: expected one of [%s], got '%s'",
                        absl::StrJoin(regions_, ", ",
                                      [](std::string* out, const auto& known) {
                                        absl::StrAppend(out, known.first);
                                      }),
                        name));
  }
  return it->second->memory;
}

absl::StatusOr<std::unique_ptr<Switchboard::Port>> Switchboard::Bind(
    absl::string_view region_name, uint64_t size, Device& device,
    std::optional<PeerId> id) {
  const absl::StatusOr<SharedMemory> memory = FindRegion(region_name);
  if (!memory.ok()) return memory.status();
  if (memory->size != size) {
    return absl::InvalidArgumentError(
        absl::StrFormat("size of region '%s': expected %d bytes, got %d",
                        region_name, memory->size, size));
  }
  const Bound self = {std::make_shared<Revocable<Device>>(device),
                      device.config().vectors};
  Region* region = nullptr;
  absl::btree_map<PeerId, Bound> others;
  {
    absl::MutexLock lock(&mutex_);
    region = regions_.find(region_name)->second.get();
    others = region->ports;
    if (id.has_value() && others.contains(*id)) {
      return absl::AlreadyExistsError(absl::StrFormat(
          "id in region '%s': expected a free one, got %d, which is in use",
          region_name, *id));
    }
    if (others.size() == kMaxPeers) {
      return absl::ResourceExhaustedError(absl::StrFormat(
          "region '%s': expected at most %d devices, got one more", region_name,
          kMaxPeers));
    }
    if (!id.has_value()) {
      PeerId lowest = 0;
      for (const auto& [used, port] : others) {
        if (used != lowest) break;
        ++lowest;
      }
      id = lowest;
    }
    region->ports.emplace(*id, self);
  }
  // From here on an unbinding peer finds this one, and this one is connected
  // only with peers that are not past the point where they look for it.
  device.SetId(*id);
  Inlet::ConnectAll(*self.receiver, *id, self);
  for (const auto& [other_id, other] : others) {
    Inlet::ConnectAll(*self.receiver, other_id, other);
    Inlet::ConnectAll(*other.receiver, *id, self);
  }
  return absl::WrapUnique(
      new Port(*this, *region, *memory, *id, device, self.receiver));
}

Switchboard::Port::~Port() {
  // First closed, so that no peer that is being bound still connects with it.
  receiver_->Revoke();
  absl::btree_map<PeerId, Bound> others;
  {
    absl::MutexLock lock(&switchboard_.mutex_);
    others = region_.ports;
  }
  // A peer that unbinds at this moment may have left the region already, so the
  // device's own table is cleared whatever `others` says.
  device_.peers().DisconnectAll();
  for (const auto& [id, other] : others) {
    other.receiver->With(
        [this](Device& peer) { peer.peers().Disconnect(id_); });
  }
  device_.SetId(std::nullopt);
  absl::MutexLock lock(&switchboard_.mutex_);
  region_.ports.erase(id_);
}

}  // namespace ivshmem
