// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_LINUX_BLOCKED_SIGNALS_H_
#define IVSHMEM_BACKENDS_LINUX_BLOCKED_SIGNALS_H_

#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigset_t.

namespace ivshmem {

// While it lives, the calling thread blocks all signals, except those that a
// fault in it raises. A thread that is started meanwhile begins so, and leaves
// signals to the embedder.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t blocked;
    sigfillset(&blocked);
    // A fault is of the thread that makes it, and cannot be anybody else's.
    for (const int fault : {SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP}) {
      sigdelset(&blocked, fault);
    }
    pthread_sigmask(SIG_SETMASK, &blocked, &before_);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_LINUX_BLOCKED_SIGNALS_H_
