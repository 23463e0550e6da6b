// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Devices that join a real server, by the C interface.

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "capi/owned.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ivshmem/ivshmem.h"
#include "testing/interop/server_process.h"

namespace ivshmem::capi {
namespace {

using testing::HasSubstr;

const std::string& Nobody() {
  static const std::string& path = *new std::string("/tmp/ivshmem.nobody");
  return path;
}

// For what must happen.
constexpr int64_t kPatienceMs = 60000;

// Whether `done` holds, or does within kPatienceMs.
bool Eventually(const std::function<bool()>& done) {
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

LoopPtr StartLoop() {
  ivshmem_loop* loop = nullptr;
  EXPECT_EQ(ivshmem_loop_start("link", &loop), 0) << ivshmem_last_error();
  return LoopPtr(loop);
}

// What a link told, and how many messages a device sent.
struct Heard {
  static void OnEvent(void* self, const ivshmem_link_event* event) {
    auto& heard = *static_cast<Heard*>(self);
    const std::lock_guard<std::mutex> lock(heard.mutex);
    heard.kinds[event->kind].emplace_back(event->peer, event->text);
    if (event->kind == IVSHMEM_LINK_JOINED && heard.on_joined) {
      heard.on_joined();
    }
  }
  static void SendMsi(void* self, uint64_t, uint32_t data) {
    auto& heard = *static_cast<Heard*>(self);
    const std::lock_guard<std::mutex> lock(heard.mutex);
    ++heard.messages[data];
  }
  bool Has(uint32_t kind) {
    const std::lock_guard<std::mutex> lock(mutex);
    return kinds.count(kind) != 0;
  }
  int Messages(uint32_t data) {
    const std::lock_guard<std::mutex> lock(mutex);
    return messages[data];
  }

  std::mutex mutex;
  std::map<uint32_t, std::vector<std::pair<uint32_t, std::string>>> kinds;
  std::map<uint32_t, int> messages;
  std::function<void()> on_joined;
};

// `path` outlives the options.
ivshmem_link_options LinkOptions(const std::string& path, Heard& heard) {
  ivshmem_link_options options = {};
  options.struct_size = sizeof(options);
  options.socket_path = path.c_str();
  options.event = Heard::OnEvent;
  options.opaque = &heard;
  return options;
}

// One guest that has joined: from the bottom up it goes.
struct Joined {
  explicit Joined(const std::string& path) : loop(StartLoop()) {
    const ivshmem_link_options options = LinkOptions(path, heard);
    ivshmem_link* made = nullptr;
    EXPECT_EQ(ivshmem_link_start(loop.get(), &options, &made), 0)
        << ivshmem_last_error();
    link.reset(made);
    EXPECT_EQ(ivshmem_link_wait_joined(made, kPatienceMs), 0)
        << ivshmem_last_error();
    ivshmem_memory* memory = nullptr;
    EXPECT_EQ(ivshmem_link_memory(made, &memory), 0) << ivshmem_last_error();
    const MemoryPtr owned(memory);
    ivshmem_host host = {};
    host.struct_size = sizeof(host);
    host.opaque = &heard;
    host.send_msi = Heard::SendMsi;
    ivshmem_pci_options pci = PciOptions(owned, &host);
    pci.vectors = 2;
    device = Make(pci);
    PlaceBars(device);
    EnableMsix(device, 2);
    EXPECT_EQ(ivshmem_link_attach(made, device.get()), 0)
        << ivshmem_last_error();
  }

  int id() const { return ivshmem_device_id(device.get()); }

  Heard heard;
  LoopPtr loop;
  LinkPtr link;
  DevicePtr device;
};

// Two guests share the server's memory and ring each other.
TEST(LinkTest, GuestsRingEachOther) {
  ServerProcess server({"--size", "64K", "--vectors", "2"});
  server.Start();
  Joined a(server.socket_path());
  Joined b(server.socket_path());
  EXPECT_EQ(a.id(), ivshmem_link_id(a.link.get()));
  EXPECT_NE(a.id(), b.id());
  EXPECT_EQ(Read(a.device, IVSHMEM_REGION_REGISTERS, kPosition),
            static_cast<uint32_t>(a.id()));

  Write(a.device, IVSHMEM_REGION_MEMORY, 0x100, 0xc0ffee);
  EXPECT_EQ(Read(b.device, IVSHMEM_REGION_MEMORY, 0x100), 0xc0ffeeu);
  EXPECT_EQ(ivshmem_device_region_size(a.device.get(), IVSHMEM_REGION_MEMORY),
            0x10000u);

  ASSERT_TRUE(
      Eventually([&] { return a.heard.Has(IVSHMEM_LINK_PEER_JOINED); }));
  // Until a knows both vectors of b.
  EXPECT_TRUE(Eventually([&] {
    Ring(a.device, b.id(), 1);
    return b.heard.Messages(0x41) > 0;
  }));
  EXPECT_TRUE(Eventually([&] {
    Ring(b.device, a.id(), 0);
    return a.heard.Messages(0x40) > 0;
  }));
  EXPECT_TRUE(a.heard.Has(IVSHMEM_LINK_JOINED));
  EXPECT_GE(ivshmem_link_count(a.link.get(), IVSHMEM_LINK_COUNT_PEERS_JOINED),
            1u);
  EXPECT_EQ(ivshmem_link_count(a.link.get(), IVSHMEM_LINK_COUNT_JOINS), 1u);
}

// What a handle needs goes after it.
TEST(LinkTest, NothingGoesWhileItIsUsed) {
  ServerProcess server({"--size", "64K", "--vectors", "2"});
  server.Start();
  Joined a(server.socket_path());
  const Event event;
  EXPECT_EQ(ivshmem_loop_destroy(a.loop.get()), -EBUSY);
  EXPECT_EQ(ivshmem_link_destroy(a.link.get()), -EBUSY);
  EXPECT_EQ(ivshmem_link_attach(a.link.get(), a.device.get()), -EBUSY);
  EXPECT_EQ(ivshmem_device_set_id(a.device.get(), 5), -EBUSY);
  EXPECT_EQ(ivshmem_device_vector_fd(a.device.get(), 0), -EBUSY);

  EXPECT_EQ(ivshmem_link_detach(a.device.get()), 0) << ivshmem_last_error();
  EXPECT_EQ(ivshmem_link_detach(a.device.get()), -ENOENT);
  EXPECT_EQ(ivshmem_link_destroy(a.link.get()), -EBUSY) << "its memory is used";
  EXPECT_EQ(ivshmem_link_attach(a.link.get(), a.device.get()), 0)
      << ivshmem_last_error();
  EXPECT_EQ(ivshmem_link_detach(a.device.get()), 0);
  // By hand instead.
  EXPECT_EQ(ivshmem_device_set_vector_fd(a.device.get(), 0, event.fd()), 0);
  EXPECT_EQ(ivshmem_link_attach(a.link.get(), a.device.get()), -EBUSY);

  ivshmem_memory* memory = nullptr;
  ASSERT_EQ(ivshmem_link_memory(a.link.get(), &memory), 0);
  EXPECT_EQ(ivshmem_memory_fd(memory), -ENOENT);
  a.device.reset();
  EXPECT_EQ(ivshmem_link_destroy(a.link.get()), -EBUSY) << "by the handle";
  ivshmem_memory_destroy(memory);
  const int sealed = ivshmem_link_memory_sealed(a.link.get());
  EXPECT_TRUE(sealed == 0 || sealed == 1);
}

// A link that has not joined has nothing; it says why.
TEST(LinkTest, NobodyIsThere) {
  const LoopPtr loop = StartLoop();
  Heard heard;
  ivshmem_link_options options = LinkOptions(Nobody(), heard);
  options.flags = IVSHMEM_LINK_NO_RETRY;
  ivshmem_link* made = nullptr;
  ASSERT_EQ(ivshmem_link_start(loop.get(), &options, &made), 0)
      << ivshmem_last_error();
  const LinkPtr link(made);
  EXPECT_LT(ivshmem_link_wait_joined(made, -1), 0);
  EXPECT_THAT(ivshmem_last_error(), HasSubstr(Nobody()));
  EXPECT_EQ(ivshmem_link_id(made), -ENOENT);
  ivshmem_memory* memory = nullptr;
  EXPECT_EQ(ivshmem_link_memory(made, &memory), -ENOENT);
  EXPECT_EQ(ivshmem_link_memory(made, nullptr), -EINVAL);
  EXPECT_EQ(ivshmem_link_memory_sealed(made), 0);
  const MemoryPtr other = NewMemory();
  const DevicePtr device = Make(PciOptions(other));
  EXPECT_EQ(ivshmem_link_attach(made, device.get()), -EBUSY);
  EXPECT_EQ(ivshmem_link_attach(made, nullptr), -EINVAL);
  EXPECT_TRUE(Eventually([&] { return heard.Has(IVSHMEM_LINK_FAILED); }));
  EXPECT_EQ(ivshmem_link_count(made, IVSHMEM_LINK_COUNT_FAILURES), 1u);
}

// From inside its event a link is neither waited for nor destroyed.
TEST(LinkTest, FromInsideAnEvent) {
  ServerProcess server({"--size", "64K"});
  server.Start();
  const LoopPtr loop = StartLoop();
  Heard heard;
  std::promise<ivshmem_link*> link;
  std::promise<std::pair<int, int>> results;
  heard.on_joined = [&] {
    ivshmem_link* const self = link.get_future().get();
    const int destroyed = ivshmem_link_destroy(self);
    results.set_value({destroyed, ivshmem_link_wait_joined(self, 0)});
  };
  const ivshmem_link_options options = LinkOptions(server.socket_path(), heard);
  ivshmem_link* made = nullptr;
  ASSERT_EQ(ivshmem_link_start(loop.get(), &options, &made), 0);
  const LinkPtr owned(made);
  link.set_value(made);
  EXPECT_EQ(results.get_future().get(), std::pair(-EDEADLK, -EDEADLK));
}

// Every option is passed on, or refused by name.
TEST(LinkTest, WrongOptions) {
  const LoopPtr loop = StartLoop();
  Heard heard;
  const std::vector<
      std::pair<std::string, std::function<void(ivshmem_link_options&)>>>
      all = {
          {"socket_path", [](auto& o) { o.socket_path = nullptr; }},
          {"socket_path", [](auto& o) { o.socket_path = ""; }},
          {"flags", [](auto& o) { o.flags = 0x4; }},
          {"reserved", [](auto& o) { o.reserved = 1; }},
          {"vectors", [](auto& o) { o.vectors = 2049; }},
          {"max_descriptors", [](auto& o) { o.max_descriptors = 0x80000000; }},
          {"identity", [](auto& o) { o.identity = "me"; }},
      };
  for (const auto& [name, wrong] : all) {
    ivshmem_link_options options = LinkOptions(Nobody(), heard);
    wrong(options);
    ivshmem_link* link = nullptr;
    EXPECT_EQ(ivshmem_link_start(loop.get(), &options, &link), -EINVAL) << name;
    EXPECT_THAT(ivshmem_last_error(), HasSubstr(name));
    EXPECT_EQ(link, nullptr);
  }
  const ivshmem_link_options options = LinkOptions(Nobody(), heard);
  EXPECT_EQ(ivshmem_link_start(loop.get(), &options, nullptr), -EINVAL);
  ivshmem_link* link = nullptr;
  EXPECT_EQ(ivshmem_link_start(nullptr, &options, &link), -EINVAL);
}

// Memory of another size than it must be is not joined.
TEST(LinkTest, MemoryOfAnotherSize) {
  ServerProcess server({"--size", "64K"});
  server.Start();
  const LoopPtr loop = StartLoop();
  Heard heard;
  ivshmem_link_options options = LinkOptions(server.socket_path(), heard);
  options.memory_size = 0x8000;
  options.greeting_deadline_ms = kPatienceMs;
  options.flags = IVSHMEM_LINK_NO_RETRY | IVSHMEM_LINK_FORGET_ID;
  ivshmem_link* made = nullptr;
  ASSERT_EQ(ivshmem_link_start(loop.get(), &options, &made), 0);
  const LinkPtr link(made);
  EXPECT_LT(ivshmem_link_wait_joined(made, kPatienceMs), 0);
  EXPECT_THAT(ivshmem_last_error(), HasSubstr("expected an object of 32768"));
}

TEST(LinkTest, CounterNames) {
  std::vector<std::string> names;
  for (uint32_t i = 0; ivshmem_link_counter_name(i) != nullptr; ++i) {
    names.emplace_back(ivshmem_link_counter_name(i));
  }
  EXPECT_THAT(names, testing::ElementsAre("joins", "failures", "losses",
                                          "id_changes", "memory_changes",
                                          "peers_joined", "peers_left"));
}

}  // namespace
}  // namespace ivshmem::capi
