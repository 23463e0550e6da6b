// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Any program of comings, goings and keepings does what a plain list of ids
// does that is searched for everything.

#include <cstddef>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "core/doorbell.h"
#include "core/protocol/id_pool.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace ivshmem::protocol {
namespace {

absl::Time At(int second) { return absl::FromUnixSeconds(second); }

// A list of ids.
class Model {
 public:
  explicit Model(int size) : ids_(size) {}

  std::optional<PeerId> Take(std::string owner, int now) {
    for (Id& id : ids_) {
      if (id.state == Id::kKept && id.until <= now) id = {};
    }
    int found = -1;
    if (const int own = OwnedBy(owner); own >= 0) {
      if (ids_[own].state == Id::kKept) found = own;
      if (ids_[own].state == Id::kInUse) owner = "";
    }
    if (found < 0) found = LowestFree();
    if (found < 0) found = FirstToEnd();
    if (found < 0) return std::nullopt;
    ids_[found] = {Id::kInUse, owner, 0};
    return static_cast<PeerId>(found);
  }

  void Release(size_t id, int until) {
    if (id >= ids_.size() || ids_[id].state != Id::kInUse) return;
    if (ids_[id].owner.empty()) {
      ids_[id] = {};
    } else {
      ids_[id].state = Id::kKept;
      ids_[id].until = until;
    }
  }

  bool Keep(size_t id, const std::string& owner, int until) {
    if (id >= ids_.size() || ids_[id].state != Id::kFree) return false;
    if (OwnedBy(owner) >= 0) return false;
    ids_[id] = {Id::kKept, owner, until};
    return true;
  }

  std::vector<IdPool::Holding> Holdings(int now) const {
    std::vector<IdPool::Holding> holdings;
    for (size_t i = 0; i < ids_.size(); ++i) {
      const Id& id = ids_[i];
      if (id.state == Id::kInUse || (id.state == Id::kKept && id.until > now)) {
        holdings.push_back({static_cast<PeerId>(i), id.owner});
      }
    }
    return holdings;
  }

  int in_use() const {
    int count = 0;
    for (const Id& id : ids_) count += id.state == Id::kInUse ? 1 : 0;
    return count;
  }

 private:
  struct Id {
    enum State { kFree, kInUse, kKept };
    State state = kFree;
    std::string owner;
    int until = 0;
  };

  int OwnedBy(const std::string& owner) const {
    for (size_t i = 0; i < ids_.size(); ++i) {
      if (!owner.empty() && ids_[i].owner == owner) return static_cast<int>(i);
    }
    return -1;
  }
  int LowestFree() const {
    for (size_t i = 0; i < ids_.size(); ++i) {
      if (ids_[i].state == Id::kFree) return static_cast<int>(i);
    }
    return -1;
  }
  int FirstToEnd() const {
    int first = -1;
    for (size_t i = 0; i < ids_.size(); ++i) {
      if (ids_[i].state != Id::kKept) continue;
      if (first < 0 || ids_[i].until < ids_[first].until) {
        first = static_cast<int>(i);
      }
    }
    return first;
  }

  std::vector<Id> ids_;
};

struct Step {
  enum Kind { kTake, kRelease, kKeep };
  Kind kind;
  int id;
  std::string owner;
  int time;

  friend std::ostream& operator<<(std::ostream& out, const Step& step) {
    constexpr const char* kNames[] = {"Take", "Release", "Keep"};
    return out << kNames[step.kind] << "(id " << step.id << ", owner '"
               << step.owner << "', time " << step.time << ")";
  }
};

rc::Gen<Step> AnyStep() {
  return rc::gen::apply(
      [](Step::Kind kind, int id, const char* owner, int time) {
        return Step{kind, id, owner, time};
      },
      rc::gen::weightedElement<Step::Kind>(
          {{4, Step::kTake}, {3, Step::kRelease}, {1, Step::kKeep}}),
      rc::gen::inRange(0, 7),
      rc::gen::element<const char*>("", "a", "b", "c", "d"),
      rc::gen::inRange(0, 10));
}

RC_GTEST_PROP(IdPoolModel, DoesWhatAListDoes, ()) {
  const int size = *rc::gen::inRange(1, 6);
  IdPool pool(size);
  Model model(size);
  for (const auto& [kind, id, owner, time] :
       *rc::gen::container<std::vector<Step>>(AnyStep())) {
    const auto peer = static_cast<PeerId>(id);
    switch (kind) {
      case Step::kTake:
        RC_ASSERT(pool.Take(owner, At(time)) == model.Take(owner, time));
        break;
      case Step::kRelease:
        pool.Release(peer, At(time));
        model.Release(id, time);
        break;
      case Step::kKeep:
        RC_ASSERT(pool.Keep({peer, owner}, At(time)) ==
                  model.Keep(id, owner, time));
        break;
    }
    RC_ASSERT(pool.in_use() == model.in_use());
    for (const int now : {-1, time, 5}) {
      RC_ASSERT(pool.Holdings(At(now)) == model.Holdings(now));
    }
  }
}

}  // namespace
}  // namespace ivshmem::protocol
