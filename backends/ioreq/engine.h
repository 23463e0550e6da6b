// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_ENGINE_H_
#define IVSHMEM_BACKENDS_IOREQ_ENGINE_H_

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "backends/ioreq/dispatcher.h"
#include "backends/ioreq/request.h"
#include "backends/ioreq/transport.h"

namespace ivshmem::ioreq {

// Serves the requests of a transport, on threads of its own.
//
// One thread, the leader, waits, and answers what it finds: no request is
// handed from one thread to another. Another one, its relief, looks now and
// then whether the leader is still in the same request. When one takes longer
// than `patience`, the relief leads on, so that one blocked handler does not
// hold the vCPUs of other slots; the old leader completes its request and is a
// relief in turn. There is at most one thread for each slot, and one more. The
// relief sleeps while no requests come.
//
// Threading: any thread. All signals are blocked in its threads, except those
// that a fault raises.
class Engine {
 public:
  struct Options {
    enum class Wait : uint8_t {
      kBlock,  // The thread sleeps in the transport.
      kPoll,   // It looks at the slots all the time: a processor for latency.
    };
    Wait wait = Wait::kBlock;
    // At least 100 us. A relief comes after once to twice this.
    absl::Duration patience = absl::Milliseconds(1);
  };

  // Begins to serve. Both outlive the object. Errors: InvalidArgument for
  // `patience`, or no thread can be had.
  static absl::StatusOr<std::unique_ptr<Engine>> Start(Transport& transport,
                                                       Dispatcher& dispatcher,
                                                       const Options& options);

  // Stops the transport, answers what waits in it, and waits for the handlers
  // that are running.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Why it serves no more, if the transport failed: OK while it serves. What
  // waited then was answered, but for what a vCPU asked at the moment in which
  // it got a late answer: that may have to wait for the destructor.
  absl::Status status() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  Engine(Transport& transport, Dispatcher& dispatcher, const Options& options);

  static void* LeaderMain(void* self);
  static void* ReliefMain(void* self);
  absl::Status NewThread(void* (*main)(void*))
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Serves until all is over (false) or until it is relieved (true).
  bool Lead() ABSL_LOCKS_EXCLUDED(mutex_);
  // Returns when all is over (false) or when it is the leader (true).
  bool Relieve() ABSL_LOCKS_EXCLUDED(mutex_);

  // Of the leader. Whether it still leads afterwards.
  bool Serve(int slot, const Request& request);
  absl::Status Wait();
  void WakeRelief() ABSL_LOCKS_EXCLUDED(mutex_);
  void Finish(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);

  Transport& transport_;
  Dispatcher& dispatcher_;
  const Options options_;
  const int slots_;

  // Steps of the leaders: odd while the leader is in a request. Whoever makes
  // an odd one even leads, its leader or its relief. kReliefSleeps is set only
  // in an even one.
  static constexpr uint64_t kReliefSleeps = uint64_t{1} << 63;
  alignas(64) std::atomic<uint64_t> steps_{0};
  // Which slots are begun and not completed.
  const std::unique_ptr<std::atomic<bool>[]> begun_;
  std::atomic<bool> stopping_{false};

  alignas(64) mutable absl::Mutex mutex_;
  absl::CondVar relief_;  // Something has changed for the relief.
  absl::CondVar spare_;   // There is no relief, or all is over.
  bool has_relief_ ABSL_GUARDED_BY(mutex_) = false;
  int spares_ ABSL_GUARDED_BY(mutex_) = 0;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::vector<pthread_t> threads_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ivshmem::ioreq

#endif  // IVSHMEM_BACKENDS_IOREQ_ENGINE_H_
