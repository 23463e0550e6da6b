// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What Libraries asks of Xen's libraries, of which this file has the functions
// instead: the test does not link the real ones.

#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "backends/ioreq/xen/libraries.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

extern "C" {
#include <xen/memory.h>
#include <xendevicemodel.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
}

namespace {

std::vector<std::string>& Calls() {
  static std::vector<std::string> calls;
  return calls;
}

// Calls whose description begins with this fail with EXDEV.
std::string& Failing() {
  static std::string failing;
  return failing;
}

template <typename... Args>
bool Fails(const absl::FormatSpec<Args...>& format, const Args&... args) {
  Calls().push_back(absl::StrFormat(format, args...));
  if (Failing().empty() || !Calls().back().starts_with(Failing())) return false;
  errno = EXDEV;
  return true;
}

// No handle is looked into.
int model, memory, events, resource;
uint8_t page[4096];

template <typename Handle>
Handle* As(int& object) {
  return reinterpret_cast<Handle*>(&object);
}

bool IsModel(const void* handle) { return handle == &model; }
bool IsMemory(const void* handle) { return handle == &memory; }
bool IsEvents(const void* handle) { return handle == &events; }

}  // namespace

extern "C" {

xendevicemodel_handle* xendevicemodel_open(xentoollog_logger* logger,
                                           unsigned int flags) {
  EXPECT_NE(logger, nullptr);
  return Fails("model open %d", flags) ? nullptr
                                       : As<xendevicemodel_handle>(model);
}
int xendevicemodel_close(xendevicemodel_handle* handle) {
  EXPECT_TRUE(IsModel(handle));
  return Fails("model close") ? -1 : 0;
}
int xendevicemodel_nr_vcpus(xendevicemodel_handle* handle, domid_t domain,
                            unsigned int* vcpus) {
  EXPECT_TRUE(IsModel(handle));
  if (Fails("nr_vcpus %d", domain)) return -1;
  *vcpus = 3;
  return 0;
}
int xendevicemodel_create_ioreq_server(xendevicemodel_handle* handle,
                                       domid_t domain, int buffered,
                                       ioservid_t* id) {
  EXPECT_TRUE(IsModel(handle));
  if (Fails("create %d buffered %d", domain, buffered)) return -1;
  *id = 6;
  return 0;
}
int xendevicemodel_destroy_ioreq_server(xendevicemodel_handle* handle,
                                        domid_t domain, ioservid_t id) {
  EXPECT_TRUE(IsModel(handle));
  return Fails("destroy %d %d", domain, id) ? -1 : 0;
}
int xendevicemodel_set_ioreq_server_state(xendevicemodel_handle* handle,
                                          domid_t domain, ioservid_t id,
                                          int enabled) {
  EXPECT_TRUE(IsModel(handle));
  return Fails("state %d %d %d", domain, id, enabled) ? -1 : 0;
}
int xendevicemodel_map_io_range_to_ioreq_server(xendevicemodel_handle* handle,
                                                domid_t domain, ioservid_t id,
                                                int is_mmio, uint64_t start,
                                                uint64_t end) {
  EXPECT_TRUE(IsModel(handle));
  return Fails("map %d %d mmio %d %#x %#x", domain, id, is_mmio, start, end)
             ? -1
             : 0;
}
int xendevicemodel_unmap_io_range_from_ioreq_server(
    xendevicemodel_handle* handle, domid_t domain, ioservid_t id, int is_mmio,
    uint64_t start, uint64_t end) {
  EXPECT_TRUE(IsModel(handle));
  return Fails("unmap %d %d mmio %d %#x %#x", domain, id, is_mmio, start, end)
             ? -1
             : 0;
}
int xendevicemodel_map_pcidev_to_ioreq_server(xendevicemodel_handle* handle,
                                              domid_t domain, ioservid_t id,
                                              uint16_t segment, uint8_t bus,
                                              uint8_t device,
                                              uint8_t function) {
  EXPECT_TRUE(IsModel(handle));
  return Fails("map %d %d pci %x:%x:%x.%x", domain, id, segment, bus, device,
               function)
             ? -1
             : 0;
}
int xendevicemodel_unmap_pcidev_from_ioreq_server(xendevicemodel_handle* handle,
                                                  domid_t domain, ioservid_t id,
                                                  uint16_t segment, uint8_t bus,
                                                  uint8_t device,
                                                  uint8_t function) {
  EXPECT_TRUE(IsModel(handle));
  return Fails("unmap %d %d pci %x:%x:%x.%x", domain, id, segment, bus, device,
               function)
             ? -1
             : 0;
}
int xendevicemodel_inject_msi(xendevicemodel_handle* handle, domid_t domain,
                              uint64_t address, uint32_t data) {
  EXPECT_TRUE(IsModel(handle));
  return Fails("msi %d %#x %#x", domain, address, data) ? -1 : 0;
}

xenforeignmemory_handle* xenforeignmemory_open(xentoollog_logger* logger,
                                               unsigned flags) {
  EXPECT_NE(logger, nullptr);
  return Fails("memory open %d", flags) ? nullptr
                                        : As<xenforeignmemory_handle>(memory);
}
int xenforeignmemory_close(xenforeignmemory_handle* handle) {
  EXPECT_TRUE(IsMemory(handle));
  return Fails("memory close") ? -1 : 0;
}
xenforeignmemory_resource_handle* xenforeignmemory_map_resource(
    xenforeignmemory_handle* handle, domid_t domain, unsigned int type,
    unsigned int id, uint64_t frame, uint64_t count, void** address,
    int protection, int flags) {
  EXPECT_TRUE(IsMemory(handle));
  EXPECT_EQ(*address, nullptr);
  if (Fails("resource %d type %d id %d frame %d count %d prot %d flags %d",
            domain, type, id, frame, count, protection, flags)) {
    return nullptr;
  }
  *address = page;
  return As<xenforeignmemory_resource_handle>(resource);
}
int xenforeignmemory_unmap_resource(xenforeignmemory_handle* handle,
                                    xenforeignmemory_resource_handle* mapped) {
  EXPECT_TRUE(IsMemory(handle));
  EXPECT_EQ(static_cast<void*>(mapped), &resource);
  return Fails("unmap resource") ? -1 : 0;
}
void* xenforeignmemory_map(xenforeignmemory_handle* handle, uint32_t domain,
                           int protection, size_t pages,
                           const xen_pfn_t frames[], int errors[]) {
  EXPECT_TRUE(IsMemory(handle));
  EXPECT_EQ(errors, nullptr) << "all or nothing";
  return Fails("frame %d prot %d pages %d %#x", domain, protection, pages,
               frames[0])
             ? nullptr
             : page;
}
int xenforeignmemory_unmap(xenforeignmemory_handle* handle, void* address,
                           size_t pages) {
  EXPECT_TRUE(IsMemory(handle));
  EXPECT_EQ(address, page);
  return Fails("unmap frames %d", pages) ? -1 : 0;
}

xenevtchn_handle* xenevtchn_open(xentoollog_logger* logger, unsigned flags) {
  EXPECT_NE(logger, nullptr);
  return Fails("events open %d", flags) ? nullptr
                                        : As<xenevtchn_handle>(events);
}
int xenevtchn_close(xenevtchn_handle* handle) {
  EXPECT_TRUE(IsEvents(handle));
  return Fails("events close") ? -1 : 0;
}
int xenevtchn_fd(xenevtchn_handle* handle) {
  EXPECT_TRUE(IsEvents(handle));
  return Fails("fd") ? -1 : 55;
}
xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle* handle,
                                                     uint32_t domain,
                                                     evtchn_port_t remote) {
  EXPECT_TRUE(IsEvents(handle));
  return Fails("bind %d %d", domain, remote) ? -1 : 31;
}
int xenevtchn_unbind(xenevtchn_handle* handle, evtchn_port_t port) {
  EXPECT_TRUE(IsEvents(handle));
  return Fails("unbind %d", port) ? -1 : 0;
}
int xenevtchn_notify(xenevtchn_handle* handle, evtchn_port_t port) {
  EXPECT_TRUE(IsEvents(handle));
  return Fails("notify %d", port) ? -1 : 0;
}
xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle* handle) {
  EXPECT_TRUE(IsEvents(handle));
  return Fails("pending") ? -1 : 31;
}
int xenevtchn_unmask(xenevtchn_handle* handle, evtchn_port_t port) {
  EXPECT_TRUE(IsEvents(handle));
  return Fails("unmask %d", port) ? -1 : 0;
}

}  // extern "C"

namespace ivshmem::xen {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class XenLibrariesCallsTest : public ::testing::Test {
 protected:
  XenLibrariesCallsTest() {
    Failing().clear();
    absl::StatusOr<std::unique_ptr<Libraries>> libraries = Libraries::Open(9);
    EXPECT_TRUE(libraries.ok()) << libraries.status();
    xen_ = *std::move(libraries);
    Calls().clear();
  }

  std::unique_ptr<Libraries> xen_;
};

// Each library is opened once, and closed.
TEST_F(XenLibrariesCallsTest, OpensAndCloses) {
  xen_ = nullptr;
  EXPECT_THAT(std::exchange(Calls(), {}),
              ElementsAre("events close", "memory close", "model close"));
  xen_ = *Libraries::Open(1);
  EXPECT_THAT(Calls(),
              ElementsAre("model open 0", "memory open 0", "events open 0"));
}

// When one cannot be opened, the others are closed, and it is named.
TEST_F(XenLibrariesCallsTest, FailuresToOpen) {
  Failing() = "model open";
  EXPECT_THAT(Libraries::Open(9).status().message(),
              HasSubstr("opening libxendevicemodel for domain 9"));
  EXPECT_THAT(std::exchange(Calls(), {}), ElementsAre("model open 0"));
  Failing() = "memory open";
  EXPECT_THAT(Libraries::Open(9).status().message(),
              HasSubstr("opening libxenforeignmemory for domain 9"));
  EXPECT_THAT(std::exchange(Calls(), {}),
              ElementsAre("model open 0", "memory open 0", "model close"));
  Failing() = "events open";
  EXPECT_THAT(Libraries::Open(9).status().message(),
              HasSubstr("opening libxenevtchn for domain 9"));
  EXPECT_THAT(std::exchange(Calls(), {}),
              ElementsAre("model open 0", "memory open 0", "events open 0",
                          "memory close", "model close"));
}

// The server takes no buffered requests.
TEST_F(XenLibrariesCallsTest, Server) {
  EXPECT_EQ(xen_->VcpuCount(), 3);
  EXPECT_EQ(xen_->CreateServer(), 6);
  EXPECT_EQ(xen_->EnableServer(6, true), 0);
  EXPECT_EQ(xen_->EnableServer(6, false), 0);
  EXPECT_EQ(xen_->DestroyServer(6), 0);
  EXPECT_THAT(Calls(),
              ElementsAre("nr_vcpus 9", "create 9 buffered 0", "state 9 6 1",
                          "state 9 6 0", "destroy 9 6"));
}

TEST_F(XenLibrariesCallsTest, Ranges) {
  for (const bool map : {true, false}) {
    const auto call = [&](uint32_t type, uint64_t first, uint64_t last) {
      return map ? xen_->MapRange(6, type, first, last)
                 : xen_->UnmapRange(6, type, first, last);
    };
    const std::string name = map ? "map" : "unmap";
    EXPECT_EQ(call(XEN_DMOP_IO_RANGE_MEMORY, 0x123456789000, 0x123456789fff),
              0);
    EXPECT_EQ(call(XEN_DMOP_IO_RANGE_PORT, 0xc000, 0xc007), 0);
    const uint32_t sbdf = XEN_DMOP_PCI_SBDF(0x1234, 0xab, 0x1d, 5);
    EXPECT_EQ(call(XEN_DMOP_IO_RANGE_PCI, sbdf, sbdf), 0);
    EXPECT_EQ(call(XEN_DMOP_IO_RANGE_PCI, sbdf, sbdf + 1), -EINVAL);
    EXPECT_EQ(call(3, 0, 1), -EINVAL) << "there is no such type";
    EXPECT_THAT(std::exchange(Calls(), {}),
                ElementsAre(name + " 9 6 mmio 1 0x123456789000 0x123456789fff",
                            name + " 9 6 mmio 0 0xc000 0xc007",
                            name + " 9 6 pci 1234:ab:1d.5"));
  }
}

TEST_F(XenLibrariesCallsTest, Interrupts) {
  EXPECT_EQ(xen_->InjectMsi(0x1fee00000, 0x4041), 0);
  EXPECT_THAT(Calls(), ElementsAre("msi 9 0x1fee00000 0x4041"));
}

// Of the server's frames, 0 is the buffered ring, 1 the synchronous page.
TEST_F(XenLibrariesCallsTest, Memory) {
  ForeignMemory::ServerPage mapped;
  EXPECT_EQ(xen_->MapServerPage(6, &mapped), 0);
  EXPECT_EQ(mapped.data, page);
  EXPECT_EQ(xen_->UnmapServerPage(mapped), 0);
  void* data = nullptr;
  EXPECT_EQ(xen_->MapFrame(0x123456789, PROT_READ, &data), 0);
  EXPECT_EQ(data, page);
  EXPECT_EQ(xen_->UnmapFrame(data), 0);
  EXPECT_THAT(
      Calls(),
      ElementsAre("resource 9 type 0 id 6 frame 1 count 1 prot 3 flags 0",
                  "unmap resource", "frame 9 prot 1 pages 1 0x123456789",
                  "unmap frames 1"));
}

TEST_F(XenLibrariesCallsTest, EventChannels) {
  EXPECT_EQ(xen_->EventDescriptor(), 55);
  EXPECT_EQ(xen_->Bind(1000), 31);
  EXPECT_EQ(xen_->Notify(31), 0);
  EXPECT_EQ(xen_->Pending(), 31);
  EXPECT_EQ(xen_->Unmask(31), 0);
  EXPECT_EQ(xen_->Unbind(31), 0);
  EXPECT_THAT(Calls(), ElementsAre("fd", "bind 9 1000", "notify 31", "pending",
                                   "unmask 31", "unbind 31"));
}

// The libraries return -1 and set errno; a null pointer, where they return one.
TEST_F(XenLibrariesCallsTest, Failures) {
  ForeignMemory::ServerPage mapped = {.data = page, .resource = &resource};
  ForeignMemory::ServerPage not_mapped;
  void* no_data = nullptr;
  const std::vector<std::pair<std::string, std::function<int()>>> calls = {
      {"nr_vcpus", [&] { return xen_->VcpuCount(); }},
      {"create", [&] { return xen_->CreateServer(); }},
      {"destroy", [&] { return xen_->DestroyServer(6); }},
      {"state", [&] { return xen_->EnableServer(6, true); }},
      {"map", [&] { return xen_->MapRange(6, 1, 0, 1); }},
      {"map", [&] { return xen_->MapRange(6, 2, 0, 0); }},
      {"unmap", [&] { return xen_->UnmapRange(6, 1, 0, 1); }},
      {"unmap", [&] { return xen_->UnmapRange(6, 2, 0, 0); }},
      {"msi", [&] { return xen_->InjectMsi(0, 0); }},
      {"resource", [&] { return xen_->MapServerPage(6, &not_mapped); }},
      {"unmap resource", [&] { return xen_->UnmapServerPage(mapped); }},
      {"frame", [&] { return xen_->MapFrame(1, PROT_READ, &no_data); }},
      {"unmap frames", [&] { return xen_->UnmapFrame(page); }},
      {"fd", [&] { return xen_->EventDescriptor(); }},
      {"bind", [&] { return xen_->Bind(1); }},
      {"unbind", [&] { return xen_->Unbind(1); }},
      {"notify", [&] { return xen_->Notify(1); }},
      {"pending", [&] { return xen_->Pending(); }},
      {"unmask", [&] { return xen_->Unmask(1); }},
  };
  for (const auto& [name, call] : calls) {
    Failing() = name;
    EXPECT_EQ(call(), -EXDEV) << name;
  }
  EXPECT_EQ(not_mapped.data, nullptr);
  EXPECT_EQ(no_data, nullptr);
  Failing().clear();
}

}  // namespace
}  // namespace ivshmem::xen
