// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CAPI_ERRORS_H_
#define IVSHMEM_CAPI_ERRORS_H_

#include <cerrno>
#include <exception>
#include <new>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

// How errors cross into C: a negative errno, and a text for the thread.
namespace ivshmem::capi {

// What ivshmem_last_error() gives from now on. Returns -`error`.
int Fail(int error, absl::string_view text) noexcept;

// The same by what `status`, which is no success, says. The one place where a
// code becomes an errno.
int Fail(const absl::Status& status) noexcept;

// 0 for success.
int Result(const absl::Status& status) noexcept;

// -ENOMEM, with a text that needs none.
int FailWithoutMemory() noexcept;

const char* LastError() noexcept;

// What a callback gave: 0, or a negative errno. `name` is its name.
absl::Status CallbackStatus(const char* name, int result);

// Runs `body`, the whole of a function of the interface. Nothing here throws by
// itself, but the standard library does when memory runs out, and C cannot
// catch that.
template <typename Body>
auto Guard(Body body) noexcept -> decltype(body()) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return FailWithoutMemory();
  } catch (const std::exception& unexpected) {
    return Fail(EIO, unexpected.what());
  }
}

}  // namespace ivshmem::capi

#endif  // IVSHMEM_CAPI_ERRORS_H_
