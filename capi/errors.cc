// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "capi/errors.h"

#include <limits>
#include <string>

#include "absl/strings/str_format.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem::capi {
namespace {

struct ThreadError {
  std::string text;
  bool out_of_memory = false;
};

ThreadError& OfThread() {
  static thread_local ThreadError error;
  return error;
}

int ErrnoOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
      return EINVAL;
    case absl::StatusCode::kOutOfRange:
      return ERANGE;
    case absl::StatusCode::kNotFound:
      return ENOENT;
    case absl::StatusCode::kAlreadyExists:
      return EEXIST;
    case absl::StatusCode::kFailedPrecondition:
      return EBUSY;
    case absl::StatusCode::kUnavailable:
      return EAGAIN;
    case absl::StatusCode::kDeadlineExceeded:
      return ETIMEDOUT;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return EACCES;
    case absl::StatusCode::kResourceExhausted:
      return ENOBUFS;
    case absl::StatusCode::kUnimplemented:
      return EOPNOTSUPP;
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kAborted:
      return ECANCELED;
    default:
      return EIO;
  }
}

}  // namespace

int Fail(int error, absl::string_view text) noexcept {
  try {
    ThreadError& last = OfThread();
    last.text.assign(text.data(), text.size());
    last.out_of_memory = false;
  } catch (const std::bad_alloc&) {
    FailWithoutMemory();
  }
  return -error;
}

int Fail(const absl::Status& status) noexcept {
  return Fail(ErrnoOf(status.code()), status.message());
}

int Result(const absl::Status& status) noexcept {
  return status.ok() ? 0 : Fail(status);
}

int FailWithoutMemory() noexcept {
  OfThread().out_of_memory = true;
  return -ENOMEM;
}

const char* LastError() noexcept {
  const ThreadError& last = OfThread();
  return last.out_of_memory ? "memory: expected some, got none"
                            : last.text.c_str();
}

absl::Status CallbackStatus(const char* name, int result) {
  if (result == 0) return absl::OkStatus();
  if (result > 0 || result == std::numeric_limits<int>::min()) {
    return absl::InternalError(absl::StrFormat(
        "%s: expected 0 or a negative errno, got %d", name, result));
  }
  return absl::ErrnoToStatus(-result, name);
}

}  // namespace ivshmem::capi

const char* ivshmem_last_error(void) { return ivshmem::capi::LastError(); }
