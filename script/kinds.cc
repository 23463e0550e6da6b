// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/kinds.h"

#include <cstddef>

#include "absl/strings/string_view.h"
#include "proto/script.pb.h"

namespace ivshmem::script {
namespace {

constexpr absl::string_view kNames[] = {"read config",
                                        "read registers",
                                        "read msix",
                                        "read memory",
                                        "read address",
                                        "write config",
                                        "write registers",
                                        "write msix",
                                        "write memory",
                                        "write address",
                                        "peer joins",
                                        "peer leaves",
                                        "vector arrives",
                                        "interrupt",
                                        "store",
                                        "load",
                                        "set id",
                                        "reset",
                                        "save",
                                        "restore",
                                        "link lost",
                                        "link back",
                                        "unplug",
                                        "plug",
                                        "nothing"};
static_assert(std::size(kNames) == kKinds + 1);

Kind KindOf(const Access& access, bool write) {
  switch (access.place_case()) {
    case Access::kConfig:
      return write ? Kind::kWriteConfig : Kind::kReadConfig;
    case Access::kRegisters:
      return write ? Kind::kWriteRegisters : Kind::kReadRegisters;
    case Access::kMsix:
      return write ? Kind::kWriteMsix : Kind::kReadMsix;
    case Access::kMemory:
      return write ? Kind::kWriteMemory : Kind::kReadMemory;
    case Access::kAddress:
      return write ? Kind::kWriteAddress : Kind::kReadAddress;
    case Access::PLACE_NOT_SET:
      break;
  }
  return Kind::kNothing;
}

}  // namespace

Kind KindOf(const Step& step) {
  switch (step.operation_case()) {
    case Step::kRead:
      return KindOf(step.read(), /*write=*/false);
    case Step::kWrite:
      return KindOf(step.write(), /*write=*/true);
    case Step::kPeerJoins:
      return Kind::kPeerJoins;
    case Step::kPeerLeaves:
      return Kind::kPeerLeaves;
    case Step::kVectorArrives:
      return Kind::kVectorArrives;
    case Step::kInterrupt:
      return Kind::kInterrupt;
    case Step::kStore:
      return Kind::kStore;
    case Step::kLoad:
      return Kind::kLoad;
    case Step::kSetId:
      return Kind::kSetId;
    case Step::kReset:
      return Kind::kReset;
    case Step::kSave:
      return Kind::kSave;
    case Step::kRestore:
      return Kind::kRestore;
    case Step::kLinkLost:
      return Kind::kLinkLost;
    case Step::kLinkBack:
      return Kind::kLinkBack;
    case Step::kUnplug:
      return Kind::kUnplug;
    case Step::kPlug:
      return Kind::kPlug;
    case Step::OPERATION_NOT_SET:
      break;
  }
  return Kind::kNothing;
}

absl::string_view Name(Kind kind) { return kNames[static_cast<size_t>(kind)]; }

}  // namespace ivshmem::script
