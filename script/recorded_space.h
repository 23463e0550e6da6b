// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SCRIPT_RECORDED_SPACE_H_
#define IVSHMEM_SCRIPT_RECORDED_SPACE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "backends/mmio_space.h"
#include "backends/registration.h"
#include "bus/mmio_handler.h"
#include "proto/script.pb.h"
#include "script/recorder.h"

namespace ivshmem::script {

// An address space for one device, which is recorded: what it claims is
// recorded on the way. `Host::mmio` of the device.
//
// Threading: as MmioSpace says for one device.
class RecordedSpace : public MmioSpace {
 public:
  // Asked which of its places the device claims at an address; once for each.
  using PlaceOf = absl::AnyInvocable<Access::PlaceCase(uint64_t base) const>;

  // The references outlive the space and its claims.
  RecordedSpace(MmioSpace& space, Recorder& recorder, PlaceOf place_of)
      : space_(space), recorder_(recorder), place_of_(std::move(place_of)) {}

  absl::StatusOr<RegistrationPtr> Claim(uint64_t base, uint64_t size,
                                        MmioHandler& handler) override {
    // It stays, as an access may reach it after the claim was released.
    std::unique_ptr<MmioHandler>& recorded = recorded_[&handler];
    if (recorded == nullptr) {
      recorded = recorder_.Wrap(place_of_(base), handler);
    }
    return space_.Claim(base, size, *recorded);
  }

 private:
  MmioSpace& space_;
  Recorder& recorder_;
  const PlaceOf place_of_;
  std::map<MmioHandler*, std::unique_ptr<MmioHandler>> recorded_;
};

}  // namespace ivshmem::script

#endif  // IVSHMEM_SCRIPT_RECORDED_SPACE_H_
