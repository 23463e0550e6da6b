// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What options may be, and what the caller is told when they are wrong; structs
// of callers who were compiled with another version.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "capi/owned.h"
#include "capi/recording_host.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem::capi {
namespace {

using testing::HasSubstr;

// A struct of `size` bytes in memory of exactly that many, so that a byte read
// behind it is found; `fill` is what those have that `from` lacks.
template <typename Struct>
class Sized {
 public:
  Sized(const Struct& from, size_t size, uint8_t fill = 0)
      : bytes_(std::malloc(size)) {
    std::memset(bytes_, fill, size);
    std::memcpy(bytes_, &from, std::min(size, sizeof(from)));
    std::memcpy(bytes_, &size, std::min(size, sizeof(size)));
  }
  ~Sized() { std::free(bytes_); }
  Sized(const Sized&) = delete;
  Sized& operator=(const Sized&) = delete;

  Struct* get() const { return static_cast<Struct*>(bytes_); }

 private:
  void* const bytes_;
};

int Create(const ivshmem_pci_options* options) {
  ivshmem_device* device = nullptr;
  const int result = ivshmem_pci_create(options, &device);
  EXPECT_EQ(device != nullptr, result == 0) << "written only on success";
  EXPECT_EQ(ivshmem_device_destroy(device), 0);
  return result;
}

int Create(const ivshmem_flat_options* options) {
  ivshmem_device* device = nullptr;
  const int result = ivshmem_flat_create(options, &device);
  EXPECT_EQ(device != nullptr, result == 0) << "written only on success";
  EXPECT_EQ(ivshmem_device_destroy(device), 0);
  return result;
}

class OptionsTest : public testing::Test {
 protected:
  OptionsTest() : memory_(NewMemory()), pci_(PciOptions(memory_)) {}

  const MemoryPtr memory_;
  ivshmem_pci_options pci_;
};

// An older caller's struct ends earlier: what it does not have is the default,
// whatever follows in memory.
TEST_F(OptionsTest, SmallerStructHasDefaults) {
  pci_.flags = IVSHMEM_DEVICE_HAS_ID;
  pci_.id = 5;
  pci_.vectors = 3;
  const Sized<ivshmem_pci_options> without_id(
      pci_, offsetof(ivshmem_pci_options, id));
  ivshmem_device* made = nullptr;
  ASSERT_EQ(ivshmem_pci_create(without_id.get(), &made), 0)
      << ivshmem_last_error();
  const DevicePtr device(made);
  EXPECT_EQ(ivshmem_device_id(made), 0) << "the default of `id`";
  EXPECT_EQ(ivshmem_device_vectors(made), 3);
}

// The smallest struct has nothing but its size: then memory is missing.
TEST_F(OptionsTest, SmallestStructLacksMemory) {
  const Sized<ivshmem_pci_options> least(pci_, sizeof(size_t));
  EXPECT_EQ(Create(least.get()), -EINVAL);
  EXPECT_THAT(ivshmem_last_error(), HasSubstr("memory"));
}

// A size that no struct can have was never set.
TEST_F(OptionsTest, SizeThatWasNotSet) {
  for (const size_t size :
       {size_t{0}, size_t{1}, sizeof(size_t) - 1, sizeof(size_t) + 1,
        offsetof(ivshmem_pci_options, memory) + 4, sizeof(pci_) - 1,
        sizeof(pci_) + 4, size_t{4097}, SIZE_MAX}) {
    pci_.struct_size = size;
    EXPECT_EQ(Create(&pci_), -EINVAL) << size;
    EXPECT_THAT(ivshmem_last_error(), HasSubstr("options.struct_size"));
  }
}

// A newer caller's struct is larger: fine while it does not use what this
// library does not know.
TEST_F(OptionsTest, LargerStructWithZeros) {
  for (const size_t more : {size_t{8}, size_t{16}, size_t{1000}}) {
    const Sized<ivshmem_pci_options> larger(pci_, sizeof(pci_) + more);
    EXPECT_EQ(Create(larger.get()), 0) << ivshmem_last_error();
  }
}

// If it does, the caller would get something else than he asked for.
TEST_F(OptionsTest, LargerStructWithMore) {
  for (const size_t more : {size_t{8}, size_t{16}, size_t{1000}}) {
    const size_t size = sizeof(pci_) + more;
    for (const size_t at : {sizeof(pci_), size - 1}) {
      const Sized<ivshmem_pci_options> larger(pci_, size);
      reinterpret_cast<uint8_t*>(larger.get())[at] = 1;
      EXPECT_EQ(Create(larger.get()), -E2BIG);
      EXPECT_THAT(ivshmem_last_error(),
                  HasSubstr("byte " + std::to_string(at)));
    }
  }
}

// The same of the other structs.
TEST_F(OptionsTest, EveryStructHasItsSize) {
  ivshmem_flat_options flat = FlatOptions(memory_);
  EXPECT_EQ(Create(Sized(flat, sizeof(flat) + 8).get()), 0);
  EXPECT_EQ(Create(Sized(flat, sizeof(flat) + 8, 1).get()), -E2BIG);
  flat.struct_size = 0;
  EXPECT_EQ(Create(&flat), -EINVAL);

  RecordingHost recording;
  const ivshmem_host host = recording.Callbacks();
  const Sized<ivshmem_host> larger(host, sizeof(host) + 8);
  pci_.host = larger.get();
  EXPECT_EQ(Create(&pci_), 0) << ivshmem_last_error();
  const Sized<ivshmem_host> unknown(host, sizeof(host) + 8, 1);
  pci_.host = unknown.get();
  EXPECT_EQ(Create(&pci_), -E2BIG);
  EXPECT_THAT(ivshmem_last_error(), HasSubstr("host"));
  const Sized<ivshmem_host> few(host, offsetof(ivshmem_host, set_line));
  pci_.host = few.get();
  EXPECT_EQ(Create(&pci_), 0) << ivshmem_last_error();

  const LoopPtr loop = [] {
    ivshmem_loop* made = nullptr;
    EXPECT_EQ(ivshmem_loop_create(&made), 0);
    return LoopPtr(made);
  }();
  ivshmem_link_options options = {};
  options.struct_size = sizeof(options);
  options.socket_path = "/nobody";
  ivshmem_link* link = nullptr;
  EXPECT_EQ(
      ivshmem_link_start(loop.get(),
                         Sized(options, sizeof(options) + 8, 1).get(), &link),
      -E2BIG);
  ASSERT_EQ(ivshmem_link_start(
                loop.get(), Sized(options, sizeof(options) + 8).get(), &link),
            0)
      << ivshmem_last_error();
  EXPECT_EQ(ivshmem_link_destroy(link), 0);
}

struct WrongPci {
  std::string text;
  std::function<void(ivshmem_pci_options&)> make;
};

// Every option has its range; the text names it, what was expected and what
// came.
TEST_F(OptionsTest, WrongPciOptions) {
  const std::vector<WrongPci> all = {
      {"memory: expected", [](auto& o) { o.memory = nullptr; }},
      {"flags: expected", [](auto& o) { o.flags = 0x80000000; }},
      {"flags: expected", [](auto& o) { o.flags = 0x4; }},
      {"reserved: expected 0..0, got 1", [](auto& o) { o.reserved = 1; }},
      {"dialect: expected 0..3, got 4", [](auto& o) { o.dialect = 4; }},
      {"interrupts: expected 0..2, got 3", [](auto& o) { o.interrupts = 3; }},
      {"vectors: expected 0..2048, got 2049",
       [](auto& o) { o.vectors = 2049; }},
      {"vectors: expected 0..2048, got 4294967295",
       [](auto& o) { o.vectors = 0xffffffff; }},
      {"vectors",
       [](auto& o) {
         o.interrupts = IVSHMEM_INTERRUPTS_NONE;
         o.vectors = 1;
       }},
      {"id: expected 0 without IVSHMEM_DEVICE_HAS_ID, got 1",
       [](auto& o) { o.id = 1; }},
      {"id: expected 0..65535, got 65536",
       [](auto& o) {
         o.flags = IVSHMEM_DEVICE_HAS_ID;
         o.id = 65536;
       }},
      {"subsystem_vendor_id: expected 0 without",
       [](auto& o) { o.subsystem_vendor_id = 1; }},
      {"subsystem_vendor_id: expected 0..65535",
       [](auto& o) {
         o.flags = IVSHMEM_DEVICE_HAS_SUBSYSTEM_VENDOR_ID;
         o.subsystem_vendor_id = 65536;
       }},
      {"subsystem_id: expected 0 without", [](auto& o) { o.subsystem_id = 1; }},
      {"subsystem_id: expected 0..65535",
       [](auto& o) {
         o.flags = IVSHMEM_DEVICE_HAS_SUBSYSTEM_ID;
         o.subsystem_id = 65536;
       }},
      {"bar_addresses[0]: expected 0 without IVSHMEM_DEVICE_HAS_BAR0",
       [](auto& o) { o.bar_addresses[0] = 0x1000; }},
      {"bar_addresses[1]", [](auto& o) { o.bar_addresses[1] = 0x1000; }},
      {"bar_addresses[2]", [](auto& o) { o.bar_addresses[2] = 0x1000; }},
      {"interrupts", [](auto& o) { o.interrupts = IVSHMEM_INTERRUPTS_INTX; }},
  };
  for (const WrongPci& wrong : all) {
    ivshmem_pci_options options = pci_;
    wrong.make(options);
    EXPECT_EQ(Create(&options), -EINVAL) << wrong.text;
    EXPECT_THAT(ivshmem_last_error(), HasSubstr(wrong.text));
  }
  EXPECT_EQ(Create(static_cast<ivshmem_pci_options*>(nullptr)), -EINVAL);
  EXPECT_EQ(ivshmem_pci_create(&pci_, nullptr), -EINVAL);
  const MemoryPtr odd = NewMemory(0x3000);
  pci_.memory = odd.get();
  EXPECT_EQ(Create(&pci_), -EINVAL);
}

struct WrongFlat {
  std::string text;
  std::function<void(ivshmem_flat_options&)> make;
};

TEST_F(OptionsTest, WrongFlatOptions) {
  const std::vector<WrongFlat> all = {
      {"memory: expected", [](auto& o) { o.memory = nullptr; }},
      {"flags: expected",
       [](auto& o) { o.flags = IVSHMEM_DEVICE_MULTI_FUNCTION; }},
      {"reserved", [](auto& o) { o.reserved = 1; }},
      {"vectors: expected 0..64, got 65", [](auto& o) { o.vectors = 65; }},
      {"id: expected 0 without", [](auto& o) { o.id = 1; }},
      {"registers_address", [](auto& o) { o.registers_address = 2; }},
      {"memory_address", [](auto& o) { o.memory_address = 2; }},
  };
  for (const WrongFlat& wrong : all) {
    ivshmem_flat_options options = FlatOptions(memory_);
    wrong.make(options);
    EXPECT_EQ(Create(&options), -EINVAL) << wrong.text;
    EXPECT_THAT(ivshmem_last_error(), HasSubstr(wrong.text));
  }
  const ivshmem_flat_options options = FlatOptions(memory_);
  EXPECT_EQ(ivshmem_flat_create(&options, nullptr), -EINVAL);
}

// What does needs what undoes, and the other way round.
TEST_F(OptionsTest, LonelyCallbacks) {
  RecordingHost recording;
  const std::vector<std::function<void(ivshmem_host&)>> all = {
      [](auto& h) { h.map_memory = nullptr; },
      [](auto& h) { h.unmap_memory = nullptr; },
      [](auto& h) { h.claim_range = nullptr; },
      [](auto& h) { h.release_range = nullptr; },
      [](auto& h) { h.add_ioeventfd = nullptr; },
      [](auto& h) { h.remove_ioeventfd = nullptr; },
      [](auto& h) { h.bind_irq = nullptr; },
      [](auto& h) { h.unbind_irq = nullptr; },
      [](auto& h) { h.flags = 0x8; },
      [](auto& h) { h.reserved = 1; }};
  for (size_t i = 0; i < all.size(); ++i) {
    ivshmem_host host = recording.Callbacks();
    all[i](host);
    pci_.host = &host;
    EXPECT_EQ(Create(&pci_), -EINVAL) << i;
    EXPECT_THAT(ivshmem_last_error(), HasSubstr("host."));
  }
}

// What a flag says counts.
TEST_F(OptionsTest, OptionsArePassedOn) {
  pci_.flags = IVSHMEM_DEVICE_HAS_ID | IVSHMEM_DEVICE_READ_ONLY |
               IVSHMEM_DEVICE_HAS_SUBSYSTEM_VENDOR_ID |
               IVSHMEM_DEVICE_HAS_SUBSYSTEM_ID | IVSHMEM_DEVICE_MULTI_FUNCTION |
               IVSHMEM_DEVICE_HAS_BAR0 | IVSHMEM_DEVICE_HAS_BAR1 |
               IVSHMEM_DEVICE_HAS_BAR2;
  pci_.id = 65535;
  pci_.vectors = 2048;
  pci_.subsystem_vendor_id = 0x1234;
  pci_.subsystem_id = 0x5678;
  pci_.bar_addresses[0] = kBar0;
  pci_.bar_addresses[1] = 0xfe800000;
  pci_.bar_addresses[2] = 0x123456000;
  const DevicePtr device = Make(pci_);
  EXPECT_EQ(ivshmem_device_id(device.get()), 65535);
  EXPECT_EQ(ivshmem_device_vectors(device.get()), 2048);
  EXPECT_EQ(ConfigRead(device, 0x2c), 0x56781234u);
  EXPECT_EQ(ConfigRead(device, 0x0c) & 0x800000, 0x800000u);
  ConfigWrite(device, 4, 2);
  const uint64_t places[] = {kBar0, 0xfe800000, 0x123456000};
  for (uint32_t region = 0; region < 3; ++region) {
    uint64_t address = 0;
    EXPECT_EQ(ivshmem_device_region_address(device.get(), region, &address), 0);
    EXPECT_EQ(address, places[region]);
  }
  Write(device, IVSHMEM_REGION_MEMORY, 0, 0x12345678);
  EXPECT_EQ(Read(device, IVSHMEM_REGION_MEMORY, 0), 0u) << "read-only";
}

// Each dialect is the one that its number says.
TEST_F(OptionsTest, Dialects) {
  const uint32_t revisions[] = {1, 0, 1, 1};
  const int vectors[] = {1, 1, 1, 8};
  const uint32_t subsystems[] = {0x11001af4, 0x11001af4, 0x11001af4,
                                 0x00008086};
  for (uint32_t dialect = 0; dialect < 4; ++dialect) {
    pci_.dialect = dialect;
    const DevicePtr device = Make(pci_);
    EXPECT_EQ(ConfigRead(device, 8) & 0xff, revisions[dialect]);
    EXPECT_EQ(ivshmem_device_vectors(device.get()), vectors[dialect]);
    EXPECT_EQ(ConfigRead(device, 0x2c), subsystems[dialect]);
    PlaceBars(device);
    Write(device, IVSHMEM_REGION_REGISTERS, kMask, 0);
    const uint8_t byte = 0x12;  // In QEMU's a register; elsewhere nothing.
    ivshmem_device_write(device.get(), IVSHMEM_REGION_REGISTERS, kMask, &byte,
                         1);
    EXPECT_EQ(Read(device, IVSHMEM_REGION_REGISTERS, kMask),
              dialect == IVSHMEM_DIALECT_QEMU ? 0x12u : 0u);
  }
}

// The text is the thread's own.
TEST_F(OptionsTest, LastErrorIsOfTheThread) {
  EXPECT_EQ(Create(static_cast<ivshmem_pci_options*>(nullptr)), -EINVAL);
  const std::string here = ivshmem_last_error();
  EXPECT_THAT(here, HasSubstr("options"));
  std::thread([&] {
    EXPECT_STREQ(ivshmem_last_error(), "");
    EXPECT_EQ(ivshmem_device_reset(nullptr), -EINVAL);
    EXPECT_THAT(ivshmem_last_error(), HasSubstr("device"));
  }).join();
  EXPECT_EQ(ivshmem_last_error(), here);
  // A success leaves it.
  EXPECT_EQ(Create(&pci_), 0);
  EXPECT_EQ(ivshmem_last_error(), here);
}

TEST(MemoryTest, MapsADescriptor) {
  const int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  ASSERT_EQ(ftruncate(fd, 0x2000), 0);
  ivshmem_memory* memory = nullptr;
  EXPECT_EQ(ivshmem_memory_map_fd(fd, 0x1000, 0, &memory), -EINVAL);
  EXPECT_EQ(ivshmem_memory_map_fd(fd, 0, IVSHMEM_MEMORY_SEALED, &memory),
            -EACCES);
  EXPECT_THAT(ivshmem_last_error(), HasSubstr("sealed"));
  EXPECT_EQ(ivshmem_memory_map_fd(fd, 0, 0x2, &memory), -EINVAL);
  EXPECT_EQ(memory, nullptr);
  ASSERT_EQ(ivshmem_memory_map_fd(fd, 0x2000, 0, &memory), 0)
      << ivshmem_last_error();
  EXPECT_EQ(ivshmem_memory_size(memory), 0x2000u);
  const char text[] = "shared";
  ASSERT_EQ(pwrite(fd, text, sizeof(text), 16), ssize_t{sizeof(text)});
  EXPECT_STREQ(static_cast<char*>(ivshmem_memory_data(memory)) + 16, text);
  EXPECT_NE(ivshmem_memory_fd(memory), fd) << "a duplicate";
  ivshmem_memory_destroy(memory);

  ASSERT_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
  ASSERT_EQ(ivshmem_memory_map_fd(fd, 0, IVSHMEM_MEMORY_SEALED, &memory), 0)
      << ivshmem_last_error();
  ivshmem_memory_destroy(memory);
  EXPECT_EQ(close(fd), 0) << "it stayed the caller's";
}

TEST(MemoryTest, RefusesWhatIsNone) {
  ivshmem_memory* memory = nullptr;
  const Event event;
  EXPECT_EQ(ivshmem_memory_map_fd(event.fd(), 0, 0, &memory), -EINVAL);
  EXPECT_EQ(ivshmem_memory_map_fd(-1, 0, 0, &memory), -EINVAL);
  EXPECT_EQ(ivshmem_memory_map_fd(0, 0, 0, nullptr), -EINVAL);
  EXPECT_EQ(ivshmem_memory_create(0, &memory), -EINVAL);
  EXPECT_EQ(ivshmem_memory_create(0x1000, nullptr), -EINVAL);
  uint8_t byte = 0;
  EXPECT_EQ(ivshmem_memory_wrap(&byte, 0, &memory), -EINVAL);
  EXPECT_EQ(ivshmem_memory_wrap(nullptr, 1, &memory), -EINVAL);
  EXPECT_EQ(ivshmem_memory_wrap(&byte, 1, nullptr), -EINVAL);
  EXPECT_EQ(memory, nullptr);
  EXPECT_EQ(ivshmem_memory_data(nullptr), nullptr);
  EXPECT_EQ(ivshmem_memory_size(nullptr), 0u);
  EXPECT_EQ(ivshmem_memory_fd(nullptr), -EINVAL);
  ivshmem_memory_destroy(nullptr);
}

// Wrapped memory is the caller's own, and has no descriptor.
TEST(MemoryTest, Wraps) {
  static uint8_t bytes[64];
  ivshmem_memory* memory = nullptr;
  ASSERT_EQ(ivshmem_memory_wrap(bytes, sizeof(bytes), &memory), 0);
  EXPECT_EQ(ivshmem_memory_data(memory), bytes);
  EXPECT_EQ(ivshmem_memory_fd(memory), -ENOENT);
  ivshmem_memory_destroy(memory);
}

// The handle may go before the device.
TEST(MemoryTest, LivesAsLongAsTheDevice) {
  MemoryPtr memory = NewMemory();
  const DevicePtr device = Make(PciOptions(memory));
  memory.reset();
  PlaceBars(device);
  Write(device, IVSHMEM_REGION_MEMORY, 8, 0x1234);
  EXPECT_EQ(Read(device, IVSHMEM_REGION_MEMORY, 8), 0x1234u);
}

// Null handles are errors, or nothing.
TEST(NullTest, IsNoHandle) {
  uint64_t address = 0;
  uint32_t value = 0;
  EXPECT_EQ(ivshmem_device_destroy(nullptr), 0);
  EXPECT_EQ(ivshmem_loop_destroy(nullptr), 0);
  EXPECT_EQ(ivshmem_link_destroy(nullptr), 0);
  EXPECT_EQ(ivshmem_switchboard_destroy(nullptr), 0);
  ivshmem_work_run(nullptr);
  ivshmem_work_drop(nullptr);
  const std::vector<std::function<int()>> calls = {
      [&] { return ivshmem_device_region_address(nullptr, 0, &address); },
      [] { return ivshmem_device_reset(nullptr); },
      [] { return ivshmem_device_id(nullptr); },
      [] { return ivshmem_device_set_id(nullptr, 0); },
      [] { return ivshmem_device_clear_id(nullptr); },
      [] { return ivshmem_device_vectors(nullptr); },
      [] { return ivshmem_device_connect(nullptr, 0, 0, 0); },
      [] {
        return ivshmem_device_connect_call(
            nullptr, 0, 0, [](void*) { return 0; }, nullptr, nullptr);
      },
      [] { return ivshmem_device_disconnect(nullptr, 0); },
      [] { return ivshmem_device_interrupt(nullptr, 0); },
      [] { return ivshmem_device_vector_fd(nullptr, 0); },
      [] { return ivshmem_device_set_vector_fd(nullptr, 0, 0); },
      [] { return ivshmem_device_take_interrupts(nullptr, 0); },
      [] { return ivshmem_device_serve(nullptr, nullptr); },
      [] { return static_cast<int>(ivshmem_device_save(nullptr, nullptr, 0)); },
      [] { return ivshmem_pci_restore(nullptr, nullptr, 1, nullptr); },
      [] { return ivshmem_flat_restore(nullptr, nullptr, 1, nullptr); },
      [] { return ivshmem_loop_create(nullptr); },
      [] { return ivshmem_loop_start(nullptr, nullptr); },
      [] { return ivshmem_loop_fd(nullptr); },
      [] { return ivshmem_loop_dispatch(nullptr, 0); },
      [] { return ivshmem_link_start(nullptr, nullptr, nullptr); },
      [] { return ivshmem_link_wait_joined(nullptr, 0); },
      [] { return ivshmem_link_id(nullptr); },
      [] { return ivshmem_link_memory(nullptr, nullptr); },
      [] { return ivshmem_link_memory_sealed(nullptr); },
      [] { return ivshmem_link_attach(nullptr, nullptr); },
      [] { return ivshmem_link_detach(nullptr); },
      [] { return ivshmem_switchboard_create(nullptr); },
      [] { return ivshmem_switchboard_add_region(nullptr, "", nullptr); },
      [] { return ivshmem_switchboard_bind(nullptr, "", nullptr, 0); },
      [] { return ivshmem_switchboard_unbind(nullptr); },
  };
  for (size_t i = 0; i < calls.size(); ++i) {
    EXPECT_EQ(calls[i](), -EINVAL) << i;
    EXPECT_THAT(ivshmem_last_error(), HasSubstr("null")) << i;
  }
  ivshmem_device_config_read(nullptr, 0, &value, sizeof(value));
  EXPECT_EQ(value, 0xffffffff);
  value = 0;
  ivshmem_device_read(nullptr, 0, 0, &value, sizeof(value));
  EXPECT_EQ(value, 0xffffffff);
  value = 0;
  ivshmem_range_read(nullptr, 0, &value, sizeof(value));
  EXPECT_EQ(value, 0xffffffff);
  ivshmem_device_config_write(nullptr, 0, &value, sizeof(value));
  ivshmem_device_write(nullptr, 0, 0, &value, sizeof(value));
  ivshmem_range_write(nullptr, 0, &value, sizeof(value));
  EXPECT_EQ(ivshmem_device_region_size(nullptr, 0), 0u);
  EXPECT_EQ(ivshmem_device_count(nullptr, 0), 0u);
  EXPECT_EQ(ivshmem_link_count(nullptr, 0), 0u);
}

}  // namespace
}  // namespace ivshmem::capi
