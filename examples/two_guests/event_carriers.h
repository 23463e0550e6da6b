// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_EVENT_CARRIERS_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_EVENT_CARRIERS_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/event_loop.h"
#include "core/device.h"
#include "core/doorbell.h"

namespace ivshmem::two_guests {

// Has the rings between two devices carried by eventfds, as between those that
// have joined a server: what the kernel can signal and take by itself. It may
// do so for the first device, the PC's; the board's is rung by this program.
//
// Threading: one thread.
class EventCarriers {
 public:
  // Takes the place of what carries rings between the two now; they have their
  // ids. `on_ring` is called when somebody has rung the board, from the thread
  // that runs `loop`; a Deliver() after that finds the ring. All outlive the
  // object. Errors: what the kernel says.
  static absl::StatusOr<std::unique_ptr<EventCarriers>> Create(
      Device& pc, Device& board, EventLoop& loop,
      const std::function<void()>& on_ring);

  // Hands to the devices what has arrived for them, but for what the kernel has
  // taken.
  void Deliver();

  // So often the kernel did by itself what else the PC's device does: rang the
  // board, took an interrupt of the board's.
  uint64_t rung_by_kernel() const;
  uint64_t taken_by_kernel() const;

 private:
  struct ToBoard {
    std::shared_ptr<EventFd> event;
    std::atomic<uint64_t> arrived{0};
    std::unique_ptr<EventLoop::Watch> watch;
  };

  EventCarriers(Device& pc, Device& board) : pc_(pc), board_(board) {}
  absl::Status ConnectPc();
  absl::Status ConnectBoard(EventLoop& loop,
                            const std::function<void()>& on_ring);

  Device& pc_;
  Device& board_;
  std::vector<std::shared_ptr<EventFd>> to_pc_;  // By the vector.
  std::vector<std::unique_ptr<ToBoard>> to_board_;
  uint64_t rings_of_board_ = 0;  // That were delivered.
};

}  // namespace ivshmem::two_guests

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_EVENT_CARRIERS_H_
