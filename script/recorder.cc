// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/recorder.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "bus/access.h"
#include "core/registers.h"

namespace ivshmem::script {
namespace {

constexpr size_t kMostBytes = 64;  // Of an access in a Script.

void SetPlace(Access::PlaceCase place, uint64_t offset, Access& access) {
  switch (place) {
    case Access::kConfig:
      return access.set_config(offset);
    case Access::kRegisters:
      return access.set_registers(offset);
    case Access::kMsix:
      return access.set_msix(offset);
    case Access::kMemory:
      return access.set_memory(offset);
    case Access::kAddress:
      return access.set_address(offset);
    case Access::PLACE_NOT_SET:
      return;
  }
}

uint64_t Value(absl::Span<const uint8_t> bytes) {
  return LoadLittleEndian(
      bytes.first(std::min(bytes.size(), sizeof(uint64_t))));
}

}  // namespace

// An access that is under way on this thread.
class Recorder::Call {
 public:
  Call(Recorder& recorder, Access::PlaceCase place, uint64_t offset,
       size_t size, std::optional<uint64_t> written)
      : recorder_(recorder),
        place_(place),
        only_rings_(place == Access::kRegisters && written.has_value() &&
                    offset >= kPositionOffset),
        outer_(std::exchange(innermost_, this)) {
    absl::MutexLock lock(&recorder.mutex_);
    if (recorder.device_ != nullptr && only_rings_) recorder.LookForPeers();
    alone_ = recorder.under_way_++ == 0;
    const bool fits = size >= 1 && size <= kMostBytes;
    Step* const step =
        recorder.device_ != nullptr && fits ? recorder.Add() : nullptr;
    happened_ = recorder.happened_;
    if (step == nullptr) return;
    index_ = recorder.script_.steps_size() - 1;
    Access& access =
        written.has_value() ? *step->mutable_write() : *step->mutable_read();
    SetPlace(place, offset, access);
    if (size != 4) access.set_size(static_cast<uint32_t>(size));
    if (written.has_value()) access.set_value(*written);
  }

  void Finish(std::optional<uint64_t> read) {
    absl::MutexLock lock(&recorder_.mutex_);
    innermost_ = outer_;
    --recorder_.under_way_;
    alone_ = alone_ && recorder_.happened_ == happened_ && !interrupted_;
    if (index_ < 0 || !alone_) return;
    Step& step = *recorder_.script_.mutable_steps(index_);
    if (read.has_value() && place_ != Access::kMemory) step.set_gives(*read);
    if (only_rings_ && rang_) *step.mutable_effects() = effects_;
  }

  // The access of `recorder` that is under way on this thread, if any.
  static Call* Innermost(const Recorder* recorder) {
    Call* call = innermost_;
    while (call != nullptr && &call->recorder_ != recorder) call = call->outer_;
    return call;
  }

  void OnInterrupt() { interrupted_ = true; }
  void OnRing(const DeviceEvent& event) {
    rang_ = true;
    if (event.ring != RingResult::kDelivered &&
        event.ring != RingResult::kCarrierFull) {
      return;
    }
    Ring& ring = *effects_.add_rings();
    ring.set_peer(event.doorbell.peer);
    ring.set_vector(event.doorbell.vector);
  }

 private:
  static thread_local Call* innermost_;

  Recorder& recorder_;
  const Access::PlaceCase place_;
  // Rings are all that may come of it.
  const bool only_rings_;
  Call* const outer_;
  int index_ = -1;
  uint64_t happened_ = 0;
  bool alone_ = false;
  bool interrupted_ = false;
  bool rang_ = false;
  Effects effects_;
};

thread_local Recorder::Call* Recorder::Call::innermost_ = nullptr;

class Recorder::Handler : public MmioHandler {
 public:
  Handler(Recorder& recorder, Access::PlaceCase place, MmioHandler& handler)
      : recorder_(recorder), place_(place), handler_(handler) {}

  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override {
    Call call(recorder_, place_, offset, bytes.size(), std::nullopt);
    handler_.Read(offset, bytes);
    call.Finish(Value(bytes));
  }

  void Write(uint64_t offset,
             absl::Span<const uint8_t> bytes) noexcept override {
    Call call(recorder_, place_, offset, bytes.size(), Value(bytes));
    handler_.Write(offset, bytes);
    call.Finish(std::nullopt);
  }

 private:
  Recorder& recorder_;
  const Access::PlaceCase place_;
  MmioHandler& handler_;
};

Recorder::Recorder(const config::World& world, absl::string_view device,
                   const Options& options)
    : keep_(options.keep), next_(options.next) {
  for (const auto& each : world.devices()) {
    if (each.name() != device) continue;
    *script_.mutable_world()->add_devices() = each;
    for (const auto& region : world.regions()) {
      if (region.name() != each.region()) continue;
      *script_.mutable_world()->add_regions() = region;
    }
  }
}

void Recorder::Start(Device& device) {
  absl::MutexLock lock(&mutex_);
  device_ = &device;
  const std::optional<PeerId> id = told_id_ = device.id();
  if (!script_.world().devices().empty() && id.has_value()) {
    script_.mutable_world()->mutable_devices(0)->set_id(*id);
  } else if (Step* const step = Add(); step != nullptr) {
    step->mutable_set_id();
  }
  LookForPeers();
}

std::unique_ptr<MmioHandler> Recorder::Wrap(Access::PlaceCase place,
                                            MmioHandler& handler) {
  return std::make_unique<Handler>(*this, place, handler);
}

void Recorder::PeersChanged() {
  absl::MutexLock lock(&mutex_);
  if (device_ != nullptr) LookForPeers();
}

Script Recorder::script() const {
  absl::MutexLock lock(&mutex_);
  return script_;
}

uint64_t Recorder::dropped() const {
  absl::MutexLock lock(&mutex_);
  return dropped_;
}

Step* Recorder::Add() {
  ++happened_;
  // What comes after a gap cannot be played.
  if (dropped_ != 0 || static_cast<size_t>(script_.steps_size()) >= keep_) {
    ++dropped_;
    return nullptr;
  }
  return script_.add_steps();
}

Recorder::Peers Recorder::ConnectedPeers() {
  Peers peers;
  for (const PeerTable::Connection& each : device_->peers().Connections()) {
    peers[each.doorbell.peer].insert(each.doorbell.vector);
  }
  // The device may have an id that no event has told of yet.
  if (const auto own = device_->id(); own.has_value()) peers.erase(*own);
  if (told_id_.has_value()) peers.erase(*told_id_);
  // By these its own vectors are known until they have gone once.
  for (auto id = former_ids_.begin(); id != former_ids_.end();) {
    id = peers.erase(*id) != 0 ? std::next(id) : former_ids_.erase(id);
  }
  return peers;
}

void Recorder::ForgetPeers(const Peers& now) {
  for (auto known = peers_.begin(); known != peers_.end();) {
    // A vector goes with its peer only.
    const auto peer = now.find(known->first);
    if (peer != now.end() &&
        std::includes(peer->second.begin(), peer->second.end(),
                      known->second.begin(), known->second.end())) {
      ++known;
      continue;
    }
    if (Step* const step = Add(); step != nullptr) {
      step->mutable_peer_leaves()->set_id(known->first);
    }
    known = peers_.erase(known);
  }
}

void Recorder::LookForPeers() {
  const Peers now = ConnectedPeers();
  ForgetPeers(now);
  for (const auto& [id, vectors] : now) {
    const auto [known, is_new] = peers_.try_emplace(id);
    uint32_t joined_with = 0;
    if (is_new) {
      while (vectors.contains(static_cast<Vector>(joined_with))) ++joined_with;
      if (Step* const step = Add(); step != nullptr) {
        step->mutable_peer_joins()->set_id(id);
        step->mutable_peer_joins()->set_vectors(joined_with);
      }
    }
    for (const Vector vector : vectors) {
      if (!known->second.insert(vector).second || vector < joined_with) {
        continue;
      }
      if (Step* const step = Add(); step != nullptr) {
        step->mutable_vector_arrives()->set_id(id);
        step->mutable_vector_arrives()->set_vector(vector);
      }
    }
  }
}

void Recorder::OnEvent(const DeviceEvent& event) noexcept {
  Call* const call = Call::Innermost(this);
  if (event.kind == DeviceEvent::Kind::kRing) {
    if (call != nullptr) call->OnRing(event);
  } else if (event.kind == DeviceEvent::Kind::kInterrupt && call != nullptr) {
    // The device rang itself.
    call->OnInterrupt();
  } else {
    absl::MutexLock lock(&mutex_);
    if (device_ != nullptr) {
      switch (event.kind) {
        case DeviceEvent::Kind::kInterrupt:
          if (Step* const step = Add(); step != nullptr) {
            step->mutable_interrupt()->set_vector(event.doorbell.vector);
          }
          break;
        case DeviceEvent::Kind::kReset:
          if (Step* const step = Add(); step != nullptr) step->mutable_reset();
          break;
        case DeviceEvent::Kind::kIdChanged:
          if (told_id_.has_value()) former_ids_.insert(*told_id_);
          told_id_ = event.text.empty() ? std::optional(event.doorbell.peer)
                                        : std::nullopt;
          // Whose id it now has is gone.
          ForgetPeers(ConnectedPeers());
          if (Step* const step = Add(); step != nullptr) {
            step->mutable_set_id();
            if (told_id_.has_value()) step->mutable_set_id()->set_id(*told_id_);
          }
          break;
        default:
          break;
      }
    }
  }
  if (next_ != nullptr) next_->OnEvent(event);
}

}  // namespace ivshmem::script
