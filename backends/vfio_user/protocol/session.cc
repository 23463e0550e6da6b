// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/vfio_user/protocol/session.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_format.h"

namespace ivshmem::vfio_user {
namespace {

// Which messages may bring descriptors.
size_t MostFds(Command command) {
  switch (command) {
    case Command::kDmaMap:
      return 1;
    case Command::kSetIrqs:
      return kMostFds;
    default:
      return 0;
  }
}

// The part of an access that is inside of a region of `size` bytes.
size_t Inside(uint64_t size, const RegionAccess& access) {
  if (access.offset >= size) return 0;
  return std::min<uint64_t>(access.count, size - access.offset);
}

bool IsValid(const RegionAccess& access) {
  return access.region < kRegions && access.count >= 1 &&
         access.count <= kMostData;
}

}  // namespace

absl::StatusOr<size_t> Session::PayloadSize(const Header& header) const {
  const uint32_t most =
      agreement_.has_value() ? kMostMessage : sizeof(Header) + kMostVersion;
  if (header.size < sizeof(Header) || header.size > most) {
    return absl::InvalidArgumentError(
        absl::StrFormat("message size: expected %d to %d bytes, got %d",
                        sizeof(Header), most, header.size));
  }
  if ((header.flags & Header::kTypeBits) != Header::kRequest) {
    return absl::InvalidArgumentError(
        absl::StrFormat("message type: expected a request, got %d",
                        static_cast<int>(header.flags & Header::kTypeBits)));
  }
  const bool is_version =
      header.command == static_cast<uint16_t>(Command::kVersion);
  if (is_version == agreement_.has_value()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "command: expected %s, got %d",
        is_version ? "one VERSION" : "VERSION first", header.command));
  }
  return header.size - sizeof(Header);
}

absl::Status Session::Handle(const Header& header, Payload payload,
                             std::vector<UniqueFd> fds, Reply& reply) {
  reply.bytes.clear();
  reply.fds.clear();
  reply.last = false;
  const auto command = static_cast<Command>(header.command);
  if (fds.size() > MostFds(command)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "descriptors with command %d: expected at most %d, got %d",
        header.command, MostFds(command), fds.size()));
  }
  Header answer = {
      .id = header.id, .command = header.command, .flags = Header::kReply};
  Append(answer, reply.bytes);
  const int error = Answer(command, payload, std::move(fds), reply);
  if (error != 0) {
    answer.flags |= Header::kError;
    answer.error = error;
    reply.bytes.resize(sizeof(Header));
    reply.fds.clear();
  }
  if ((header.flags & Header::kNoReply) != 0) {
    reply.bytes.clear();
    reply.fds.clear();
    return absl::OkStatus();
  }
  answer.size = reply.bytes.size();
  std::memcpy(reply.bytes.data(), &answer, sizeof(answer));
  return absl::OkStatus();
}

int Session::Answer(Command command, Payload payload, std::vector<UniqueFd> fds,
                    Reply& reply) {
  switch (command) {
    case Command::kVersion:
      return AnswerVersion(payload, reply);
    case Command::kDmaMap:
      // The device does no DMA. The descriptor is never mapped: who has it can
      // make the file shorter.
      return payload.size() == sizeof(DmaMap) ? 0 : EINVAL;
    case Command::kDmaUnmap:
      if (payload.size() != sizeof(DmaUnmap)) return EINVAL;
      reply.bytes.insert(reply.bytes.end(), payload.begin(), payload.end());
      return 0;
    case Command::kGetInfo:
      return AnswerInfo(payload, reply);
    case Command::kGetRegionInfo:
      return AnswerRegionInfo(payload, reply);
    case Command::kGetRegionIoFds:
      return AnswerIoFds(payload, reply);
    case Command::kGetIrqInfo:
      return AnswerIrqInfo(payload, reply);
    case Command::kSetIrqs:
      return AnswerSetIrqs(payload, std::move(fds));
    case Command::kRegionRead:
      return AnswerRead(payload, reply);
    case Command::kRegionWrite:
      return AnswerWrite(payload, reply);
    case Command::kReset:
      if (!payload.empty()) return EINVAL;
      model_.Reset();
      return 0;
    case Command::kWriteMulti:
      return AnswerWriteMulti(payload, reply);
  }
  return ENOTSUP;
}

int Session::AnswerVersion(Payload payload, Reply& reply) {
  if (busy_) {
    reply.last = true;
    return EBUSY;
  }
  absl::StatusOr<Agreement> agreement = Agree(payload);
  if (!agreement.ok()) {
    reply.last = true;
    return EINVAL;
  }
  AppendAnswer(*agreement, reply.bytes);
  agreement_ = *std::move(agreement);
  return 0;
}

int Session::AnswerInfo(Payload payload, Reply& reply) const {
  const auto asked = Load<DeviceInfo>(payload);
  if (!asked.has_value() || asked->argsz < sizeof(DeviceInfo)) return EINVAL;
  Append(DeviceInfo{.argsz = sizeof(DeviceInfo),
                    .flags = DeviceInfo::kReset | DeviceInfo::kPci,
                    .regions = kRegions,
                    .irqs = kIrqs},
         reply.bytes);
  return 0;
}

int Session::AnswerRegionInfo(Payload payload, Reply& reply) const {
  const auto asked = Load<RegionInfo>(payload);
  if (!asked.has_value() || asked->argsz < sizeof(RegionInfo) ||
      asked->index >= kRegions) {
    return EINVAL;
  }
  const DeviceModel::Region region = model_.region(asked->index);
  RegionInfo info = {
      .argsz = sizeof(RegionInfo), .index = asked->index, .size = region.size};
  if (region.size != 0) info.flags = RegionInfo::kRead | RegionInfo::kWrite;
  if (region.fd >= 0) {
    info.flags |= RegionInfo::kMmap;
    info.offset = region.fd_offset;
    reply.fds.push_back({.fd = region.fd});
  }
  Append(info, reply.bytes);
  return 0;
}

int Session::AnswerIoFds(Payload payload, Reply& reply) const {
  const auto asked = Load<RegionIoFds>(payload);
  if (!asked.has_value() || asked->argsz < sizeof(RegionIoFds) ||
      asked->flags != 0 || asked->index >= kRegions) {
    return EINVAL;
  }
  std::vector<DeviceModel::IoEvent> events =
      model_.IoEvents(asked->index, agreement_->client_fds);
  const size_t needed = sizeof(RegionIoFds) + events.size() * sizeof(IoFd);
  RegionIoFds info = {.argsz = static_cast<uint32_t>(needed),
                      .index = asked->index,
                      .count = static_cast<uint32_t>(events.size())};
  // Who has no room for all is told how much they need, and gets none.
  if (asked->argsz < needed) events.clear();
  Append(info, reply.bytes);
  for (DeviceModel::IoEvent& event : events) {
    Append(IoFd{.offset = event.offset,
                .size = event.size,
                .fd_index = static_cast<uint32_t>(reply.fds.size()),
                .flags = IoFd::kDatamatch,
                .datamatch = event.value},
           reply.bytes);
    reply.fds.push_back(std::move(event.event));
  }
  return 0;
}

int Session::AnswerIrqInfo(Payload payload, Reply& reply) const {
  const auto asked = Load<IrqInfo>(payload);
  if (!asked.has_value() || asked->argsz < sizeof(IrqInfo) ||
      asked->index >= kIrqs) {
    return EINVAL;
  }
  const std::optional<uint32_t> count = model_.interrupts().count(asked->index);
  if (!count.has_value()) return EINVAL;
  Append(IrqInfo{.argsz = sizeof(IrqInfo),
                 .flags = IrqInfo::kEventfd,
                 .index = asked->index,
                 .count = *count},
         reply.bytes);
  return 0;
}

int Session::AnswerSetIrqs(Payload payload, std::vector<UniqueFd> fds) {
  const auto asked = Load<SetIrqs>(payload);
  if (!asked.has_value() || asked->argsz != payload.size() ||
      asked->index >= kIrqs) {
    return EINVAL;
  }
  Interrupts& interrupts = model_.interrupts();
  const std::optional<uint32_t> exist = interrupts.count(asked->index);
  if (!exist.has_value()) return EINVAL;
  const Payload data = payload.subspan(sizeof(SetIrqs));
  const bool is_bool = asked->flags == (SetIrqs::kBool | SetIrqs::kTrigger);
  if (data.size() != (is_bool ? asked->count : 0)) return EINVAL;

  if (asked->flags == (SetIrqs::kNone | SetIrqs::kTrigger) &&
      asked->start == 0 && asked->count == 0) {
    if (!fds.empty()) return EINVAL;
    interrupts.DropEvents(asked->index, 0, *exist);
    return 0;
  }
  if (asked->count == 0 || asked->start >= *exist ||
      asked->count > *exist - asked->start) {
    return EINVAL;
  }
  switch (asked->flags) {
    case SetIrqs::kEventfd | SetIrqs::kTrigger:
      if (fds.empty()) {
        interrupts.DropEvents(asked->index, asked->start, asked->count);
        return 0;
      }
      if (fds.size() != asked->count) return EINVAL;
      return interrupts.SetEvents(asked->index, asked->start, std::move(fds))
                     .ok()
                 ? 0
                 : EINVAL;
    case SetIrqs::kNone | SetIrqs::kTrigger:
    case SetIrqs::kBool | SetIrqs::kTrigger:
      if (!fds.empty()) return EINVAL;
      for (uint32_t i = 0; i < asked->count; ++i) {
        if (is_bool && data[i] == 0) continue;
        interrupts.Trigger(asked->index, asked->start + i);
      }
      return 0;
    default:
      // Masks and unmasks are for kinds that say that they are maskable.
      return EINVAL;
  }
}

int Session::AnswerRead(Payload payload, Reply& reply) {
  const auto access = Load<RegionAccess>(payload);
  if (!access.has_value() || payload.size() != sizeof(RegionAccess) ||
      !IsValid(*access)) {
    return EINVAL;
  }
  Append(*access, reply.bytes);
  const size_t data = reply.bytes.size();
  reply.bytes.resize(data + access->count);
  const size_t inside = Inside(model_.region(access->region).size, *access);
  if (inside != 0) {
    model_.Read(access->region, access->offset,
                absl::MakeSpan(reply.bytes).subspan(data, inside));
  }
  return 0;
}

int Session::AnswerWrite(Payload payload, Reply& reply) {
  const auto access = Load<RegionAccess>(payload);
  if (!access.has_value() || !IsValid(*access) ||
      payload.size() - sizeof(RegionAccess) != access->count) {
    return EINVAL;
  }
  Write(*access, payload.subspan(sizeof(RegionAccess)));
  Append(*access, reply.bytes);
  return 0;
}

int Session::AnswerWriteMulti(Payload payload, Reply& reply) {
  const auto count = Load<uint64_t>(payload);
  // Compared by a division, as a count may be anything.
  const Payload writes =
      payload.subspan(std::min(payload.size(), sizeof(uint64_t)));
  if (!count.has_value() || writes.size() % sizeof(MultiWrite) != 0 ||
      writes.size() / sizeof(MultiWrite) != *count) {
    return EINVAL;
  }
  // First all are looked at.
  for (size_t i = 0; i < writes.size(); i += sizeof(MultiWrite)) {
    const MultiWrite write = *Load<MultiWrite>(writes.subspan(i));
    if (write.region >= kRegions || write.count == 0 ||
        write.count > sizeof(write.data)) {
      return EINVAL;
    }
  }
  for (size_t i = 0; i < writes.size(); i += sizeof(MultiWrite)) {
    const MultiWrite write = *Load<MultiWrite>(writes.subspan(i));
    Write(
        {.offset = write.offset, .region = write.region, .count = write.count},
        Payload(write.data, write.count));
  }
  Append(*count, reply.bytes);
  return 0;
}

void Session::Write(const RegionAccess& access, Payload data) {
  const size_t inside = Inside(model_.region(access.region).size, access);
  if (inside == 0) return;
  model_.Write(access.region, access.offset, data.first(inside));
}

}  // namespace ivshmem::vfio_user
