// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/words.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace ivshmem::script {
namespace {

std::string Count(uint32_t count, const char* of) {
  return absl::StrFormat("%d %s%s", count, of, count == 1 ? "" : "s");
}

std::string Place(const Access& access) {
  switch (access.place_case()) {
    case Access::kConfig:
      return absl::StrFormat("config+%#x", access.config());
    case Access::kRegisters:
      return absl::StrFormat("registers+%#x", access.registers());
    case Access::kMsix:
      return absl::StrFormat("msix+%#x", access.msix());
    case Access::kMemory:
      return absl::StrFormat("memory+%#x", access.memory());
    case Access::kAddress:
      return absl::StrFormat("address %#x", access.address());
    case Access::PLACE_NOT_SET:
      break;
  }
  return "nowhere";
}

std::string Bytes(const Access& access) {
  return Count(access.has_size() ? access.size() : 4, "byte");
}

// What the device's machine does, without its name.
std::string Deed(const Step& step) {
  switch (step.operation_case()) {
    case Step::kRead:
      return absl::StrFormat("reads %s at %s", Bytes(step.read()),
                             Place(step.read()));
    case Step::kWrite:
      return absl::StrFormat("writes %#x, %s, to %s", step.write().value(),
                             Bytes(step.write()), Place(step.write()));
    case Step::kInterrupt:
      return absl::StrFormat("is rung at vector %d", step.interrupt().vector());
    case Step::kSetId:
      return step.set_id().has_id()
                 ? absl::StrFormat("gets id %d", step.set_id().id())
                 : "loses its id";
    case Step::kReset:
      return "is reset";
    case Step::kSave:
      return absl::StrFormat("is saved as '%s'", step.save().name());
    case Step::kRestore:
      return absl::StrFormat("is restored from '%s'", step.restore().name());
    case Step::kLinkLost:
      return "loses its link";
    case Step::kLinkBack:
      return "has its link back";
    case Step::kUnplug:
      return "is unplugged";
    case Step::kPlug:
      return "is plugged in";
    default:
      return "does nothing";
  }
}

}  // namespace

std::string InWords(const Step& step) {
  switch (step.operation_case()) {
    case Step::kPeerJoins:
      return absl::StrFormat("peer %d joins with %s", step.peer_joins().id(),
                             Count(step.peer_joins().vectors(), "vector"));
    case Step::kPeerLeaves:
      return absl::StrFormat("peer %d leaves", step.peer_leaves().id());
    case Step::kVectorArrives:
      return absl::StrFormat("vector %d of peer %d arrives",
                             step.vector_arrives().vector(),
                             step.vector_arrives().id());
    case Step::kStore:
      return absl::StrFormat("%#x, %s, is stored at %#x", step.store().value(),
                             Count(step.store().size(), "byte"),
                             step.store().offset());
    case Step::kLoad:
      return absl::StrFormat("%s loaded at %#x",
                             Count(step.load().size(), "byte"),
                             step.load().offset());
    default:
      return absl::StrCat(
          step.device().empty() ? "the first device" : step.device(), " ",
          Deed(step));
  }
}

std::string InWords(const Ring& ring) {
  return absl::StrFormat("peer %d rung at vector %d", ring.peer(),
                         ring.vector());
}

std::string InWords(const Message& message) {
  return absl::StrFormat("message %#x to %#x of %s", message.data(),
                         message.address(), message.device());
}

std::string InWords(const Line& line) {
  return absl::StrFormat("line of %s %s", line.device(),
                         line.asserted() ? "high" : "low");
}

std::string InWords(const Pulse& pulse) {
  return absl::StrFormat("pulse of %s", pulse.device());
}

}  // namespace ivshmem::script
