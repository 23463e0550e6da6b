// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_IOREQ_HOST_COUNTING_TRANSPORT_H_
#define IVSHMEM_EXAMPLES_IOREQ_HOST_COUNTING_TRANSPORT_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "backends/ioreq/request.h"
#include "backends/ioreq/transport.h"

namespace ivshmem::ioreq_host {

// Counts what comes through another transport, by kind. Threading: as that one.
class CountingTransport : public ioreq::Transport {
 public:
  // `transport` outlives the object.
  explicit CountingTransport(ioreq::Transport& transport)
      : transport_(transport) {}

  int slots() const override { return transport_.slots(); }
  absl::Status Wait() override { return transport_.Wait(); }
  void Stop() noexcept override { transport_.Stop(); }
  std::optional<ioreq::Request> Begin(int slot) noexcept override {
    std::optional<ioreq::Request> request = transport_.Begin(slot);
    if (request.has_value()) {
      ++counts_[static_cast<size_t>(request->kind)]
               [static_cast<size_t>(request->direction)];
    }
    return request;
  }
  void Complete(int slot, uint64_t value) noexcept override {
    transport_.Complete(slot, value);
  }
  ioreq::RangeClaims* claims() override { return transport_.claims(); }

  uint64_t total() const {
    uint64_t total = 0;
    for (const auto& kind : counts_) {
      for (const std::atomic<uint64_t>& count : kind) total += count;
    }
    return total;
  }

  // A table, a line for each kind.
  std::string Text() const {
    constexpr const char* kKinds[] = {"memory", "ports", "config", "unknown"};
    std::string text = absl::StrFormat("requests: %d\n", total());
    for (size_t kind = 0; kind < counts_.size(); ++kind) {
      absl::StrAppendFormat(&text, "  %-8s %8d reads %8d writes\n",
                            kKinds[kind], counts_[kind][0].load(),
                            counts_[kind][1].load());
    }
    return text;
  }

 private:
  ioreq::Transport& transport_;
  // By kind and direction.
  std::array<std::array<std::atomic<uint64_t>, 3>, 4> counts_ = {};
};

}  // namespace ivshmem::ioreq_host

#endif  // IVSHMEM_EXAMPLES_IOREQ_HOST_COUNTING_TRANSPORT_H_
