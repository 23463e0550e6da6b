// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/linux/server_link.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "backends/linux/identity.h"
#include "backends/linux/link_worker.h"

namespace ivshmem {
namespace {

absl::Status Check(const ServerLink::Options& options) {
  if (options.socket_path.empty()) {
    return absl::InvalidArgumentError(
        "socket_path: expected the path of a server's socket, got none");
  }
  if (options.vectors < 0 || options.vectors > kMaxVectors) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "vectors: expected 0..%d, got %d", kMaxVectors, options.vectors));
  }
  if (options.max_descriptors < 1) {
    return absl::InvalidArgumentError(
        absl::StrFormat("max_descriptors: expected at least 1, got %d",
                        options.max_descriptors));
  }
  if (options.retry_first <= absl::ZeroDuration() ||
      options.retry_most < options.retry_first) {
    return absl::InvalidArgumentError(absl::StrCat(
        "retry_first, retry_most: expected 0 < first <= most, got ",
        absl::FormatDuration(options.retry_first), " and ",
        absl::FormatDuration(options.retry_most)));
  }
  if (options.greeting_deadline <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        absl::StrCat("greeting_deadline: expected more than 0, got ",
                     absl::FormatDuration(options.greeting_deadline)));
  }
  if (!options.identity.empty() && !IsIdentity(options.identity)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "identity: expected 32 lower case hexadecimal digits, got '%s'",
        options.identity));
  }
  return absl::OkStatus();
}

}  // namespace

// The attachment as the embedder holds it.
class ServerLink::Attachment : public Registration {
 public:
  explicit Attachment(Worker& worker) : worker_(worker) {}
  ~Attachment() override { worker_.Detach(); }

 private:
  Worker& worker_;
};

absl::StatusOr<std::unique_ptr<ServerLink>> ServerLink::Start(
    EventLoop& loop, const Options& options, LinkEvents* events) {
  absl::Status status = Check(options);
  if (!status.ok()) return status;
  auto worker = std::make_unique<Worker>(loop, options, events);
  status = worker->Start();
  if (!status.ok()) return status;
  return absl::WrapUnique(new ServerLink(std::move(worker)));
}

absl::StatusOr<std::unique_ptr<ServerLink>> ServerLink::Adopt(
    EventLoop& loop, const Options& options, LinkEvents* events,
    LinkHandOver from) {
  absl::Status status = Check(options);
  if (!status.ok()) return status;
  auto worker = std::make_unique<Worker>(loop, options, events);
  status = worker->Adopt(std::move(from));
  if (status.ok()) status = worker->Start();
  if (!status.ok()) return status;
  return absl::WrapUnique(new ServerLink(std::move(worker)));
}

absl::StatusOr<LinkHandOver> ServerLink::HandOver() {
  return worker_->HandOver();
}

ServerLink::ServerLink(std::unique_ptr<Worker> worker)
    : worker_(std::move(worker)) {}

ServerLink::~ServerLink() { worker_->Close(); }

absl::Status ServerLink::WaitJoined(absl::Duration timeout) {
  return worker_->WaitJoined(timeout);
}

std::optional<PeerId> ServerLink::id() const { return worker_->id(); }

SharedMemory ServerLink::memory() const { return worker_->memory(); }

int ServerLink::memory_fd() const { return worker_->memory_fd(); }

bool ServerLink::memory_sealed() const { return worker_->memory_sealed(); }

absl::StatusOr<RegistrationPtr> ServerLink::Attach(Device& device) {
  absl::StatusOr<std::shared_ptr<DeviceAttachment>> attachment =
      worker_->Attach(device);
  if (!attachment.ok()) return attachment.status();
  return std::make_unique<Attachment>(*worker_);
}

uint64_t ServerLink::count(Count count) const { return worker_->count(count); }

std::string ServerLink::identity() const { return worker_->identity(); }

}  // namespace ivshmem
