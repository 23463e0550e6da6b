// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_XEN_LIBRARIES_H_
#define IVSHMEM_BACKENDS_IOREQ_XEN_LIBRARIES_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "backends/ioreq/xen/hypervisor.h"

namespace ivshmem::xen {

// Xen by its own libraries, which talk to /dev/xen. They write no messages.
//
// A process that has forked may use the object in the parent only.
class Libraries : public Hypervisor {
 public:
  // For the domain with that number. Whether there is one shows at the first
  // call. The error names the library that could not be opened: here is no Xen,
  // say, or the process may not.
  static absl::StatusOr<std::unique_ptr<Libraries>> Open(uint16_t domain);

  // What was created or mapped by it has been given back before.
  ~Libraries() override;

  Libraries(const Libraries&) = delete;
  Libraries& operator=(const Libraries&) = delete;

  int VcpuCount() noexcept override;
  int CreateServer() noexcept override;
  int DestroyServer(int server) noexcept override;
  int EnableServer(int server, bool enabled) noexcept override;
  int MapRange(int server, uint32_t type, uint64_t first,
               uint64_t last) noexcept override;
  int UnmapRange(int server, uint32_t type, uint64_t first,
                 uint64_t last) noexcept override;
  int InjectMsi(uint64_t address, uint32_t data) noexcept override;

  int MapServerPage(int server, ServerPage* page) noexcept override;
  int UnmapServerPage(const ServerPage& page) noexcept override;
  int MapFrame(uint64_t frame, int protection, void** data) noexcept override;
  int UnmapFrame(void* data) noexcept override;

  int EventDescriptor() noexcept override;
  int Bind(uint32_t remote) noexcept override;
  int Unbind(uint32_t port) noexcept override;
  int Notify(uint32_t port) noexcept override;
  int Pending() noexcept override;
  int Unmask(uint32_t port) noexcept override;

 private:
  struct Handles;

  explicit Libraries(std::unique_ptr<Handles> handles);

  const std::unique_ptr<Handles> handles_;
};

}  // namespace ivshmem::xen

#endif  // IVSHMEM_BACKENDS_IOREQ_XEN_LIBRARIES_H_
