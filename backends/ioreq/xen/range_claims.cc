// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/xen/range_claims.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "backends/ioreq/xen/ioreq_abi.h"
#include "bus/pci/config_ports.h"

namespace ivshmem::xen {
namespace {

using ioreq::Space;

constexpr uint64_t kFunctionsPerBus = 256;

// As Xen has it.
struct Range {
  uint32_t type;
  uint64_t first;
  uint64_t last;  // Inclusive.
};

absl::string_view NameOf(Space space) {
  switch (space) {
    case Space::kMemory:
      return "memory";
    case Space::kPorts:
      return "I/O ports";
    case Space::kPciConfig:
      return "config space";
  }
  return "an unknown space";
}

// The last address of `space`.
uint64_t LastOf(Space space) {
  switch (space) {
    case Space::kMemory:
      break;
    case Space::kPorts:
      return 0xffff;
    case Space::kPciConfig:  // 256 buses.
      return (uint64_t{256} << 20) - 1;
  }
  return std::numeric_limits<uint64_t>::max();
}

absl::StatusOr<std::vector<Range>> ToRanges(Space space, uint64_t base,
                                            uint64_t size) {
  const uint64_t last = base + (size - 1);
  if (size == 0 || last < base || last > LastOf(space)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("cannot claim %#x bytes at %#x of %s, which ends at "
                        "%#x",
                        size, base, NameOf(space), LastOf(space)));
  }
  if (space == Space::kMemory) {
    return std::vector<Range>{{XEN_DMOP_IO_RANGE_MEMORY, base, last}};
  }
  if (space == Space::kPorts) {
    return std::vector<Range>{{XEN_DMOP_IO_RANGE_PORT, base, last}};
  }
  constexpr uint64_t kFunction = pci::kEcamFunctionSize;
  if (base % kFunction != 0 || size % kFunction != 0 ||
      size > kFunctionsPerBus * kFunction) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "config space: expected 1 to 256 whole functions of %#x bytes, got "
        "%#x bytes at %#x",
        kFunction, size, base));
  }
  std::vector<Range> functions;
  for (uint64_t sbdf = base / kFunction; sbdf <= last / kFunction; ++sbdf) {
    functions.push_back({XEN_DMOP_IO_RANGE_PCI, sbdf, sbdf});
  }
  return functions;
}

}  // namespace

class RangeClaims::Server {
 public:
  Server(DeviceModel& device_model, int server)
      : device_model_(device_model), server_(server) {}

  // Claims all of them or none.
  absl::Status Map(const std::vector<Range>& ranges)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    std::erase_if(stuck_, [this](const Range& range)
                              ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
                                return Remove(range);
                              });
    for (size_t i = 0; i < ranges.size(); ++i) {
      const Range& range = ranges[i];
      const int result =
          device_model_.MapRange(server_, range.type, range.first, range.last);
      if (result >= 0) continue;
      while (i > 0) RemoveOrKeep(ranges[--i]);
      return CallError(result,
                       absl::StrFormat("claiming range %#x to %#x of type %d",
                                       range.first, range.last, range.type));
    }
    return absl::OkStatus();
  }

  void Unmap(const std::vector<Range>& ranges) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (gone_) return;
    for (const Range& range : ranges) RemoveOrKeep(range);
  }

  // Its number may be another's from now on.
  void SetGone() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    gone_ = true;
  }

 private:
  // -ENOENT: it is not there.
  bool Remove(const Range& range) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const int result =
        device_model_.UnmapRange(server_, range.type, range.first, range.last);
    return result >= 0 || result == -ENOENT;
  }

  // Xen joins ranges that touch, and needs memory to cut one in two: what it
  // does not remove is tried again before the next claim.
  void RemoveOrKeep(const Range& range) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!Remove(range)) stuck_.push_back(range);
  }

  DeviceModel& device_model_;
  const int server_;
  absl::Mutex mutex_;
  bool gone_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Range> stuck_ ABSL_GUARDED_BY(mutex_);
};

class RangeClaims::Ranges : public Registration {
 public:
  Ranges(std::shared_ptr<Server> server, std::vector<Range> ranges)
      : server_(std::move(server)), ranges_(std::move(ranges)) {}
  ~Ranges() override { server_->Unmap(ranges_); }

 private:
  const std::shared_ptr<Server> server_;
  const std::vector<Range> ranges_;
};

RangeClaims::RangeClaims(DeviceModel& device_model, int server)
    : server_(std::make_shared<Server>(device_model, server)) {}

RangeClaims::~RangeClaims() { server_->SetGone(); }

absl::StatusOr<RegistrationPtr> RangeClaims::Claim(Space space, uint64_t base,
                                                   uint64_t size) {
  absl::StatusOr<std::vector<Range>> ranges = ToRanges(space, base, size);
  if (!ranges.ok()) return ranges.status();
  absl::Status status = server_->Map(*ranges);
  if (!status.ok()) return status;
  return std::make_unique<Ranges>(server_, *std::move(ranges));
}

}  // namespace ivshmem::xen
