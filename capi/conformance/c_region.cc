// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "capi/conformance/c_region.h"

#include <memory>

#include "gtest/gtest.h"

namespace ivshmem::script {

// Rings a peer that is no device, and counts.
class CRegion::Outside : public Carrier {
 public:
  Outside(uint32_t id, uint32_t vector, Carriage carriage)
      : id_(id), vector_(vector) {
    if (carriage == Carriage::kEvents) event_.emplace();
  }
  void Ring() override {
    if (!closed()) ++rings_;
  }
  int fd() const override { return event_.has_value() ? event_->fd() : -1; }

  void TakeRings(Effects& effects) {
    if (event_.has_value() && !closed()) {
      rings_ += event_->Take();
    }
    for (; rings_ != 0; --rings_) {
      script::Ring& ring = *effects.add_rings();
      ring.set_peer(id_);
      ring.set_vector(vector_);
    }
  }

 private:
  const uint32_t id_;
  const uint32_t vector_;
  std::optional<capi::Event> event_;
  uint64_t rings_ = 0;
};

CRegion::CRegion(uint64_t size, Carriage carriage)
    : carriage_(carriage), bytes_(std::calloc(size, 1)) {
  ivshmem_memory* memory = nullptr;
  if (ivshmem_memory_wrap(bytes_.get(), size, &memory) == 0) {
    memory_.reset(memory);
  }
}

std::optional<uint32_t> CRegion::LowestFree() const {
  uint32_t lowest = 0;
  while (present_.contains(lowest)) ++lowest;
  if (lowest > 0xffff) return std::nullopt;
  return lowest;
}

void CRegion::Connect(ivshmem_device* device, Link& link, uint32_t id,
                      const Vectors& vectors) const {
  for (const auto& [vector, carrier] : vectors) {
    std::shared_ptr<Carrier>& known = link.known[id][vector];
    if (known == carrier) continue;
    known = carrier;
    if (carriage_ == Carriage::kEvents) {
      // It has its own by itself.
      if (static_cast<int>(id) == ivshmem_device_id(device)) continue;
      EXPECT_EQ(ivshmem_device_connect(device, id, vector, carrier->fd()), 0)
          << ivshmem_last_error();
      continue;
    }
    EXPECT_EQ(ivshmem_device_connect_call(
                  device, id, vector,
                  [](void* opaque) {
                    (*static_cast<std::shared_ptr<Carrier>*>(opaque))->Ring();
                    return 0;
                  },
                  [](void* opaque) {
                    delete static_cast<std::shared_ptr<Carrier>*>(opaque);
                  },
                  new std::shared_ptr<Carrier>(carrier)),
              0)
        << ivshmem_last_error();
  }
}

void CRegion::Disconnect(ivshmem_device* device, Link& link, uint32_t id) {
  // A device that was given another id has let go of itself.
  ivshmem_device_disconnect(device, id);
  link.known.erase(id);
}

void CRegion::Set(uint32_t id, const Vectors& vectors) {
  present_[id] = vectors;
  for (auto& [device, link] : links_) {
    if (link.up) Connect(device, link, id, vectors);
  }
}

void CRegion::Remove(uint32_t id) {
  present_.erase(id);
  for (auto& [device, link] : links_) {
    if (link.up) Disconnect(device, link, id);
  }
}

void CRegion::Tell(ivshmem_device* device) {
  Link& link = links_[device];
  for (const auto& [id, vectors] : present_) {
    Connect(device, link, id, vectors);
  }
}

void CRegion::Forget(ivshmem_device* device) { links_.erase(device); }

void CRegion::SetLink(ivshmem_device* device, bool up) {
  Link& link = links_[device];
  if (std::exchange(link.up, up) == up || !up) return;
  std::vector<uint32_t> gone;
  for (const auto& [id, vectors] : link.known) {
    const auto peer = present_.find(id);
    bool left = peer == present_.end();
    for (const auto& [vector, carrier] : vectors) {
      left = left || !peer->second.contains(vector);
    }
    if (left) gone.push_back(id);
  }
  for (const uint32_t id : gone) Disconnect(device, link, id);
  for (const auto& [id, vectors] : present_) {
    Connect(device, link, id, vectors);
  }
}

std::shared_ptr<Carrier> CRegion::NewOutside(uint32_t id, uint32_t vector) {
  return carriers_.emplace_back(
      std::make_shared<Outside>(id, vector, carriage_));
}

void CRegion::Join(uint32_t id, uint32_t vectors) {
  Vectors& made = outside_[id];
  for (uint32_t v = 0; v < vectors; ++v) made[v] = NewOutside(id, v);
  Set(id, made);
}

bool CRegion::Leave(uint32_t id) {
  const auto peer = outside_.find(id);
  if (peer == outside_.end()) return false;
  Remove(id);
  for (auto& [vector, carrier] : peer->second) carrier->Close();
  outside_.erase(peer);
  return true;
}

bool CRegion::Arrive(uint32_t id, uint32_t vector) {
  const auto peer = outside_.find(id);
  if (peer == outside_.end()) return false;
  std::shared_ptr<Carrier>& carrier = peer->second[vector];
  if (carrier != nullptr) carrier->Close();
  carrier = NewOutside(id, vector);
  Set(id, peer->second);
  return true;
}

void CRegion::TakeRings(Effects& effects) {
  for (const auto& carrier : carriers_) carrier->TakeRings(effects);
  std::erase_if(carriers_, [](const auto& each) { return each->closed(); });
}

}  // namespace ivshmem::script
