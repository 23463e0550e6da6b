// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_ENGINE_H_
#define IVSHMEM_BACKENDS_IOREQ_ENGINE_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/ioreq/dispatcher.h"
#include "backends/ioreq/transport.h"

namespace ivshmem::ioreq {

// Serves the requests of a transport, on threads of its own.
//
// One thread waits, and answers what it finds: no request is handed from one
// thread to another. When a handler takes longer than `patience`, another
// thread takes over the waiting, so that one blocked handler does not hold the
// vCPUs of other slots; at most one thread for each slot, and one more.
//
// Threading: any thread.
class Engine {
 public:
  struct Options {
    enum class Wait : uint8_t {
      kBlock,  // The thread sleeps in the transport.
      kPoll,   // It looks at the slots all the time: a processor for latency.
    };
    Wait wait = Wait::kBlock;
    // At least 100 us.
    absl::Duration patience = absl::Milliseconds(1);
  };

  // Begins to serve. Both outlive the object.
  static absl::StatusOr<std::unique_ptr<Engine>> Start(Transport& transport,
                                                       Dispatcher& dispatcher,
                                                       const Options& options);

  // Stops the transport, and waits for the handlers that are running.
  ~Engine();

  // Why it serves no more, if the transport failed: OK while it serves.
  absl::Status status() const;
};

}  // namespace ivshmem::ioreq

#endif  // IVSHMEM_BACKENDS_IOREQ_ENGINE_H_
