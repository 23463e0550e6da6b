// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/xen/libraries.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstdarg>
#include <limits>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_format.h"

// The libraries' headers do not say that they are C. (__XEN_TOOLS__, without
// which they leave out some constants, is defined by the build.)
extern "C" {
#include <xen/memory.h>
#include <xendevicemodel.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xentoollog.h>
}

namespace ivshmem::xen {
namespace {

__attribute__((format(printf, 5, 0))) void Discard(
    xentoollog_logger* /*logger*/, xentoollog_level /*level*/, int /*error*/,
    const char* /*context*/, const char* /*format*/, va_list /*arguments*/) {}

// Without one the libraries write to stderr.
xentoollog_logger* Silence() {
  static xentoollog_logger logger = {
      .vmessage = Discard,
      .progress = nullptr,
      .destroy = [](xentoollog_logger* /*logger*/) {},
  };
  return &logger;
}

// The libraries return -1, and have set errno.
int Result(int result) { return result >= 0 ? result : -errno; }

absl::Status OpenError(const char* library, uint16_t domain) {
  return CallError(
      -errno, absl::StrFormat("opening %s for domain %d", library, domain));
}

struct Sbdf {
  explicit Sbdf(uint64_t sbdf)
      : segment(static_cast<uint16_t>(sbdf >> 16)),
        bus(static_cast<uint8_t>(sbdf >> 8)),
        device((sbdf >> 3) & 0x1f),
        function(sbdf & 0x7) {}

  uint16_t segment;
  uint8_t bus;
  uint8_t device;
  uint8_t function;
};

}  // namespace

struct Libraries::Handles {
  explicit Handles(uint16_t domain) : domain(domain) {}
  ~Handles() {
    if (events != nullptr) xenevtchn_close(events);
    if (memory != nullptr) xenforeignmemory_close(memory);
    if (model != nullptr) xendevicemodel_close(model);
  }
  Handles(const Handles&) = delete;
  Handles& operator=(const Handles&) = delete;

  const domid_t domain;
  xendevicemodel_handle* model = nullptr;
  xenforeignmemory_handle* memory = nullptr;
  xenevtchn_handle* events = nullptr;
};

absl::StatusOr<std::unique_ptr<Libraries>> Libraries::Open(uint16_t domain) {
  auto handles = std::make_unique<Handles>(domain);
  handles->model = xendevicemodel_open(Silence(), 0);
  if (handles->model == nullptr) return OpenError("libxendevicemodel", domain);
  handles->memory = xenforeignmemory_open(Silence(), 0);
  if (handles->memory == nullptr) {
    return OpenError("libxenforeignmemory", domain);
  }
  handles->events = xenevtchn_open(Silence(), 0);
  if (handles->events == nullptr) return OpenError("libxenevtchn", domain);
  return absl::WrapUnique(new Libraries(std::move(handles)));
}

Libraries::Libraries(std::unique_ptr<Handles> handles)
    : handles_(std::move(handles)) {}

Libraries::~Libraries() = default;

int Libraries::VcpuCount() noexcept {
  unsigned int count = 0;
  const int result =
      xendevicemodel_nr_vcpus(handles_->model, handles_->domain, &count);
  if (result < 0) return -errno;
  return count > std::numeric_limits<int>::max() ? -ERANGE
                                                 : static_cast<int>(count);
}

int Libraries::CreateServer() noexcept {
  ioservid_t server = 0;
  const int result = xendevicemodel_create_ioreq_server(
      handles_->model, handles_->domain, HVM_IOREQSRV_BUFIOREQ_OFF, &server);
  return result < 0 ? -errno : server;
}

int Libraries::DestroyServer(int server) noexcept {
  return Result(xendevicemodel_destroy_ioreq_server(handles_->model,
                                                    handles_->domain, server));
}

int Libraries::EnableServer(int server, bool enabled) noexcept {
  return Result(xendevicemodel_set_ioreq_server_state(
      handles_->model, handles_->domain, server, enabled ? 1 : 0));
}

int Libraries::MapRange(int server, uint32_t type, uint64_t first,
                        uint64_t last) noexcept {
  if (type == XEN_DMOP_IO_RANGE_PCI) {
    if (first != last) return -EINVAL;
    const Sbdf sbdf(first);
    return Result(xendevicemodel_map_pcidev_to_ioreq_server(
        handles_->model, handles_->domain, server, sbdf.segment, sbdf.bus,
        sbdf.device, sbdf.function));
  }
  const bool is_memory = type == XEN_DMOP_IO_RANGE_MEMORY;
  if (!is_memory && type != XEN_DMOP_IO_RANGE_PORT) return -EINVAL;
  return Result(xendevicemodel_map_io_range_to_ioreq_server(
      handles_->model, handles_->domain, server, is_memory ? 1 : 0, first,
      last));
}

int Libraries::UnmapRange(int server, uint32_t type, uint64_t first,
                          uint64_t last) noexcept {
  if (type == XEN_DMOP_IO_RANGE_PCI) {
    if (first != last) return -EINVAL;
    const Sbdf sbdf(first);
    return Result(xendevicemodel_unmap_pcidev_from_ioreq_server(
        handles_->model, handles_->domain, server, sbdf.segment, sbdf.bus,
        sbdf.device, sbdf.function));
  }
  const bool is_memory = type == XEN_DMOP_IO_RANGE_MEMORY;
  if (!is_memory && type != XEN_DMOP_IO_RANGE_PORT) return -EINVAL;
  return Result(xendevicemodel_unmap_io_range_from_ioreq_server(
      handles_->model, handles_->domain, server, is_memory ? 1 : 0, first,
      last));
}

int Libraries::InjectMsi(uint64_t address, uint32_t data) noexcept {
  return Result(xendevicemodel_inject_msi(handles_->model, handles_->domain,
                                          address, data));
}

int Libraries::MapServerPage(int server, ServerPage* page) noexcept {
  void* data = nullptr;
  xenforeignmemory_resource_handle* const resource =
      xenforeignmemory_map_resource(handles_->memory, handles_->domain,
                                    XENMEM_resource_ioreq_server, server,
                                    XENMEM_resource_ioreq_server_frame_ioreq(0),
                                    1, &data, PROT_READ | PROT_WRITE, 0);
  if (resource == nullptr) return -errno;
  *page = {.data = data, .resource = resource};
  return 0;
}

int Libraries::UnmapServerPage(const ServerPage& page) noexcept {
  return Result(xenforeignmemory_unmap_resource(
      handles_->memory,
      static_cast<xenforeignmemory_resource_handle*>(page.resource)));
}

int Libraries::MapFrame(uint64_t frame, int protection, void** data) noexcept {
  const xen_pfn_t frames[] = {frame};
  void* const mapped = xenforeignmemory_map(handles_->memory, handles_->domain,
                                            protection, 1, frames, nullptr);
  if (mapped == nullptr) return -errno;
  *data = mapped;
  return 0;
}

int Libraries::UnmapFrame(void* data) noexcept {
  return Result(xenforeignmemory_unmap(handles_->memory, data, 1));
}

int Libraries::EventDescriptor() noexcept {
  return Result(xenevtchn_fd(handles_->events));
}

int Libraries::Bind(uint32_t remote) noexcept {
  return Result(
      xenevtchn_bind_interdomain(handles_->events, handles_->domain, remote));
}

int Libraries::Unbind(uint32_t port) noexcept {
  return Result(xenevtchn_unbind(handles_->events, port));
}

int Libraries::Notify(uint32_t port) noexcept {
  return Result(xenevtchn_notify(handles_->events, port));
}

int Libraries::Pending() noexcept {
  return Result(xenevtchn_pending(handles_->events));
}

int Libraries::Unmask(uint32_t port) noexcept {
  return Result(xenevtchn_unmask(handles_->events, port));
}

}  // namespace ivshmem::xen
