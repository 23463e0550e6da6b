// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A VMM that uses the C interface with any arguments, in any order, and again
// from inside of callbacks: structs of all sizes, null for everything, numbers
// past all ends, states that were cut and changed, descriptors of all kinds,
// and a server that says anything. Only handles that are gone are not used. An
// error has an errno and a text, and leaves what should receive a handle alone;
// the host gets all back; no descriptor is lost.

#include <fuzzer/FuzzedDataProvider.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "fuzz/c_host.h"
#include "fuzz/c_options.h"
#include "fuzz/c_server.h"
#include "fuzz/c_structs.h"
#include "fuzz/open_count.h"
#include "fuzz/require.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem {
namespace {

constexpr int kMostSteps = 80;
constexpr int kDeepest = 3;
constexpr uint64_t kMemory = 4096;

// What a call gave, when it keeps the rules for errors.
template <typename Result>
Result Checked(Result result) {
  if (result >= 0) return result;
  const char* const text = ivshmem_last_error();
  Require(result > -4096, "an errno");
  Require(*text != '\0' && text[std::strlen(text) - 1] != '\n', "a text");
  return result;
}

class World {
 public:
  explicit World(FuzzedDataProvider& input) : input_(input) {}
  ~World() {
    ending_ = true;
    for (Slot& slot : slots_) {
      Destroy(slot);
      Require(slot.device == nullptr, "a device is destroyed from outside");
    }
    for (const auto& host : hosts_) host->RunWork(true);
    for (ivshmem_memory* each : memories_) ivshmem_memory_destroy(each);
    // A region of it may be the link's memory.
    Require(ivshmem_switchboard_destroy(switchboard_) == 0,
            "nobody has the switchboard");
    Require(ivshmem_link_destroy(link_) == 0, "nor the link");
    Require(ivshmem_loop_destroy(loop_) == 0, "nor the loop");
    Require(released_ == connected_,
            "each call that was connected is released");
  }

  void Play() {
    while (input_.remaining_bytes() > 0 && steps_ < kMostSteps) Step();
  }

 private:
  struct Slot {
    ivshmem_device* device = nullptr;
    CHost* host = nullptr;
    // Some calls are one at a time for a device.
    bool busy = false;
  };

  class Busy {
   public:
    explicit Busy(bool& busy) : busy_(busy) { busy_ = true; }
    ~Busy() { busy_ = false; }

   private:
    bool& busy_;
  };

  Slot& AnySlot() {
    return slots_[input_.ConsumeIntegralInRange<size_t>(0, slots_.size() - 1)];
  }
  uint32_t Any(uint32_t most) { return Around(input_, most); }
  uint64_t AnyOffset() {
    return Mostly<uint64_t>(
        input_, input_.ConsumeIntegralInRange<uint64_t>(0, 0x110),
        {kMemory - 1, kMemory, ~0ull, ~0ull - 3, 1ull << 32});
  }

  void CallBack() {
    if (ending_ || depth_ >= kDeepest || steps_ >= kMostSteps) return;
    if (input_.ConsumeIntegralInRange(0, 3) != 1) return;
    ++depth_;
    Step();
    --depth_;
  }

  void Step() {
    ++steps_;
    switch (input_.ConsumeIntegralInRange(0, 15)) {
      case 0:
        return NewMemory();
      case 1:
      case 2:
        return NewDevice(nullptr);
      case 3:
        return Restore();
      case 4:
        return Save();
      case 5:
      case 6:
        return ConfigAccess();
      case 7:
      case 8:
      case 9:
        return Access();
      case 10:
        return Destroy(AnySlot());
      case 11:
      case 12:
        return Peers();
      case 13:
        return Regions();
      case 14:
        return Loops();
      default:
        return Links();
    }
  }

  void NewMemory() {
    ivshmem_memory*& memory = AnyMemory();
    ivshmem_memory_destroy(std::exchange(memory, nullptr));
    const uint64_t size = Mostly<uint64_t>(
        input_, kMemory, {0, 1, 16, 4095, 1 << 20, 1ull << 63, ~0ull});
    int result = 0;
    switch (input_.ConsumeIntegralInRange(0, 3)) {
      case 0:
        result = ivshmem_memory_create(size, &memory);
        break;
      case 1: {
        const AnyFd fd(input_);
        result = ivshmem_memory_map_fd(fd.get(), size, Any(1), &memory);
        break;
      }
      case 2:
        // What is said of it has to be there.
        result = ivshmem_memory_wrap(
            input_.ConsumeIntegralInRange(0, 7) == 1 ? nullptr
                                                     : wrapped_.data(),
            size <= wrapped_.size() ? size : 16, &memory);
        break;
      default:
        Require(ivshmem_memory_create(size, nullptr) == -EINVAL, "null");
        result = ivshmem_link_memory(link_, &memory);
        break;
    }
    Checked(result);
    Require((result == 0) == (memory != nullptr), "memory or an error");
    Require((ivshmem_memory_data(memory) != nullptr) == (result == 0), "data");
    if (ivshmem_memory_fd(memory) < 0) Checked(ivshmem_memory_fd(memory));
  }
  ivshmem_memory*& AnyMemory() {
    return memories_[input_.ConsumeIntegralInRange<size_t>(
        0, memories_.size() - 1)];
  }

  // What options point to.
  template <typename Options>
  Options With(Options options, const ivshmem_host* host,
               const ivshmem_limits* limits) {
    if (memories_[0] == nullptr) {
      Checked(ivshmem_memory_create(kMemory, &memories_[0]));
    }
    options.memory =
        Mostly<ivshmem_memory*>(input_, memories_[0], {memories_[1], nullptr});
    options.host = Mostly<const ivshmem_host*>(input_, host, {nullptr});
    options.loop = input_.ConsumeBool() ? Loop() : nullptr;
    if (input_.ConsumeIntegralInRange(0, 3) == 1) options.limits = limits;
    return options;
  }

  // `state`: null for a new one.
  void NewDevice(const std::vector<uint8_t>* state) {
    Slot& slot = AnySlot();
    if (slot.device != nullptr || slot.busy) return;
    const Busy busy(slot.busy);
    hosts_.push_back(std::make_unique<CHost>(input_, [this] { CallBack(); }));
    CHost* const host = hosts_.back().get();
    const AnySize<ivshmem_host> callbacks(host->Callbacks(), input_);
    std::vector<ivshmem_allowed_rings> allowed;
    const AnySize<ivshmem_limits> limits(AnyLimits(input_, allowed), input_);
    ivshmem_device* made = nullptr;
    ivshmem_device** const place =
        Mostly<ivshmem_device**>(input_, &made, {nullptr});
    const void* const bytes = state == nullptr ? nullptr : state->data();
    const size_t size = state == nullptr ? 0 : state->size();
    int result = 0;
    if (input_.ConsumeIntegralInRange(0, 3) != 1) {
      const AnySize<ivshmem_pci_options> options(
          With(AnyPciOptions(input_), callbacks.get(), limits.get()), input_);
      result = state == nullptr
                   ? ivshmem_pci_create(options.get(), place)
                   : ivshmem_pci_restore(options.get(), bytes, size, place);
    } else {
      const AnySize<ivshmem_flat_options> options(
          With(AnyFlatOptions(input_), callbacks.get(), limits.get()), input_);
      result = state == nullptr
                   ? ivshmem_flat_create(options.get(), place)
                   : ivshmem_flat_restore(options.get(), bytes, size, place);
    }
    Checked(result);
    Require((result == 0) == (made != nullptr), "a device or an error");
    if (made == nullptr) return host->Gone();
    slot.device = made;
    slot.host = host;
  }

  void Save() {
    Slot& slot = AnySlot();
    // The vCPUs are paused, and no work is left.
    if (depth_ != 0) return;
    if (slot.host != nullptr) slot.host->RunWork(false);
    if (slot.host != nullptr && !slot.host->idle()) return;
    std::vector<uint8_t> buffer(
        Mostly<size_t>(input_, 1000, {0, 1, 50, 100, 200}));
    const ssize_t size =
        Checked(ivshmem_device_save(slot.device, buffer.data(), buffer.size()));
    Require((size > 0) == (slot.device != nullptr), "a state of a device");
    Require(size <= IVSHMEM_STATE_BYTES_MAX, "of some bytes");
    if (size < 0 || static_cast<size_t>(size) > buffer.size()) return;
    buffer.resize(static_cast<size_t>(size));
    saved_ = buffer;
  }

  void Restore() {
    std::vector<uint8_t> state = saved_;
    for (int i = input_.ConsumeIntegralInRange(0, 3); i > 0; --i) {
      if (state.empty()) break;
      const auto at =
          input_.ConsumeIntegralInRange<size_t>(0, state.size() - 1);
      if (input_.ConsumeIntegralInRange(0, 3) == 1) {
        state.resize(at);
      } else {
        state[at] = input_.ConsumeIntegral<uint8_t>();
      }
    }
    if (input_.ConsumeIntegralInRange(0, 7) == 1) {
      state = input_.ConsumeBytes<uint8_t>(
          input_.ConsumeIntegralInRange<size_t>(0, 64));
    }
    NewDevice(&state);
  }

  // Bytes of a guest's; of any size.
  std::vector<uint8_t> AnyBytes() {
    const auto size =
        input_.PickValueInArray<size_t>({4, 4, 4, 4, 1, 2, 8, 0, 3, 16, 300});
    std::vector<uint8_t> bytes = input_.ConsumeBytes<uint8_t>(
        size < 8 ? size : input_.ConsumeIntegralInRange<size_t>(0, 8));
    bytes.resize(size);
    return bytes;
  }

  void ConfigAccess() {
    ivshmem_device* const device = AnySlot().device;
    std::vector<uint8_t> bytes = AnyBytes();
    switch (input_.ConsumeIntegralInRange(0, 3)) {
      case 0:
        ivshmem_device_config_read(device, AnyOffset(), bytes.data(),
                                   bytes.size());
        return;
      case 1:
        ivshmem_device_config_write(device, AnyOffset(), bytes.data(),
                                    bytes.size());
        return;
      default:
        break;
    }
    // What a guest does, so that there is something to ring.
    static constexpr std::array<std::pair<uint64_t, uint32_t>, 6> kWrites = {
        {{0x10, 0xfe000000},
         {0x14, 0xfe001000},
         {0x18, 0x80000000},
         {4, 6},
         {4, 4},
         {0x40, 0x80000000}}};
    for (const auto& [offset, value] : kWrites) {
      if (input_.ConsumeIntegralInRange(0, 3) == 1) continue;
      // The device may go meanwhile.
      if (AnySlot().device != device || device == nullptr) return;
      ivshmem_device_config_write(device, offset, &value, sizeof(value));
    }
  }

  void Access() {
    Slot& slot = AnySlot();
    std::vector<uint8_t> bytes = AnyBytes();
    const uint64_t offset = AnyOffset();
    const uint32_t region = Any(2);
    ivshmem_range* const range =
        slot.host == nullptr ? nullptr : slot.host->range();
    uint64_t address = 0;
    switch (input_.ConsumeIntegralInRange(0, 7)) {
      case 0:
        return ivshmem_device_read(slot.device, region, offset, bytes.data(),
                                   bytes.size());
      case 1:
        return ivshmem_device_write(slot.device, region, offset, bytes.data(),
                                    bytes.size());
      case 2:
        return ivshmem_range_read(range, offset, bytes.data(), bytes.size());
      case 3:
        return ivshmem_range_write(range, offset, bytes.data(), bytes.size());
      case 4:
        Checked(ivshmem_device_region_address(
            slot.device, region,
            Mostly<uint64_t*>(input_, &address, {nullptr})));
        ivshmem_device_region_size(slot.device, region);
        ivshmem_device_count(slot.device, region);
        ivshmem_counter_name(region);
        return;
      case 5:
        Checked(ivshmem_device_reset(slot.device));
        return;
      default: {
        const uint32_t doorbell = Any(4) << 16 | Any(3);
        ivshmem_device_write(slot.device, IVSHMEM_REGION_REGISTERS, 12,
                             &doorbell, sizeof(doorbell));
      }
    }
  }

  void Destroy(Slot& slot) {
    if (slot.device == nullptr) {
      Require(ivshmem_device_destroy(nullptr) == 0, "null");
      return;
    }
    // No call may begin with it now, and nobody takes its place.
    ivshmem_device* const device = std::exchange(slot.device, nullptr);
    CHost* const host = std::exchange(slot.host, nullptr);
    const bool busy = std::exchange(slot.busy, true);
    const int result = Checked(ivshmem_device_destroy(device));
    slot.busy = busy;
    Require(result == 0 || (result == -EDEADLK && depth_ > 0), "or inside");
    if (result == 0) return host->Gone();
    slot.device = device;
    slot.host = host;
  }

  void Peers() {
    Slot& slot = AnySlot();
    ivshmem_device* const device = slot.device;
    const uint32_t peer = Any(4);
    const uint32_t vector = Any(3);
    const auto which = input_.ConsumeIntegralInRange(0, 9);
    if (which < 4 && slot.busy) return;
    // Not those that may destroy the device.
    bool none = false;
    const Busy busy(which < 4 ? slot.busy : none);
    switch (which) {
      case 0: {
        Checked(input_.ConsumeIntegralInRange(0, 3) == 1
                    ? ivshmem_device_clear_id(device)
                    : ivshmem_device_set_id(device, peer));
        return;
      }
      case 1: {
        const int fd = Checked(ivshmem_device_vector_fd(device, vector));
        if (fd >= 0) Ring(fd);
        return;
      }
      case 2: {
        const AnyFd fd(input_);
        Checked(ivshmem_device_set_vector_fd(device, vector, fd.get()));
        return;
      }
      case 3:
        Checked(ivshmem_device_serve(device, Loop()));
        return;
      case 4: {
        const AnyFd fd(input_);
        Checked(ivshmem_device_connect(device, peer, vector, fd.get()));
        return;
      }
      case 5:
        ++connected_;
        Checked(ivshmem_device_connect_call(
            device, peer, vector,
            Mostly<int (*)(void*)>(
                input_,
                [](void* self) {
                  auto& world = *static_cast<World*>(self);
                  world.CallBack();
                  return world.ending_
                             ? 0
                             : Mostly<int>(world.input_, 0, {-EAGAIN, -EIO, 1});
                },
                {nullptr}),
            [](void* self) {
              ++static_cast<World*>(self)->released_;
              static_cast<World*>(self)->CallBack();
            },
            this));
        return;
      case 6:
        Checked(ivshmem_device_disconnect(device, peer));
        return;
      case 7:
        Checked(ivshmem_device_interrupt(device, vector));
        return;
      case 8: {
        const int result = ivshmem_device_take_interrupts(device, vector);
        if (result != -EAGAIN) Checked(result);
        return;
      }
      default:
        if (slot.host != nullptr) slot.host->RunWork(input_.ConsumeBool());
        if (ivshmem_device_id(device) != -ENOENT) {
          Checked(ivshmem_device_id(device));
        }
        Checked(ivshmem_device_vectors(device));
    }
  }

  void Regions() {
    if (switchboard_ == nullptr) {
      Require(ivshmem_switchboard_create(nullptr) == -EINVAL, "null");
      Checked(ivshmem_switchboard_create(&switchboard_));
    }
    const char* const name =
        Mostly<const char*>(input_, "r", {"", "s", nullptr});
    Slot& slot = AnySlot();
    switch (input_.ConsumeIntegralInRange(0, 7)) {
      case 0:
        Checked(
            ivshmem_switchboard_add_region(switchboard_, name, AnyMemory()));
        return;
      case 1: {
        if (slot.busy) return;
        const Busy busy(slot.busy);
        Checked(ivshmem_switchboard_unbind(slot.device));
        return;
      }
      case 2:
        if (Checked(ivshmem_switchboard_destroy(switchboard_)) == 0) {
          switchboard_ = nullptr;
        }
        return;
      case 3:
        Checked(ivshmem_switchboard_bind(nullptr, name, slot.device, 0));
        return;
      default: {
        if (slot.busy) return;
        const Busy busy(slot.busy);
        const int32_t id =
            Mostly<int32_t>(input_, input_.ConsumeIntegralInRange(-1, 4),
                            {INT32_MIN, 65535, 65536, INT32_MAX});
        Checked(ivshmem_switchboard_bind(switchboard_, name, slot.device, id));
      }
    }
  }

  ivshmem_loop* Loop() {
    if (loop_ == nullptr) Checked(ivshmem_loop_create(&loop_));
    return Mostly<ivshmem_loop*>(input_, loop_, {nullptr});
  }

  void Loops() {
    if (input_.ConsumeIntegralInRange(0, 7) != 1) {
      Checked(ivshmem_loop_dispatch(Loop(), 0));
      return;
    }
    Checked(ivshmem_loop_fd(Loop()));
    if (Checked(ivshmem_loop_destroy(loop_)) == 0) loop_ = nullptr;
  }

  void Links() {
    if (link_ == nullptr) return StartLink();
    Slot& slot = AnySlot();
    switch (input_.ConsumeIntegralInRange(0, 11)) {
      case 0:
      case 1: {
        if (slot.busy || link_busy_) return;
        const Busy busy(slot.busy);
        const Busy link_busy(link_busy_);
        Checked(ivshmem_link_attach(link_, slot.device));
        return;
      }
      case 2: {
        if (slot.busy) return;
        const Busy busy(slot.busy);
        Checked(ivshmem_link_detach(slot.device));
        return;
      }
      case 3:
        if (Checked(ivshmem_link_destroy(link_)) == 0) link_ = nullptr;
        return;
      case 4: {
        Checked(ivshmem_link_wait_joined(link_, 0));
        const uint32_t counter = Any(6);
        Require((ivshmem_link_counter_name(counter) != nullptr) ==
                    (counter <= IVSHMEM_LINK_COUNT_PEERS_LEFT),
                "a counter's name");
        ivshmem_link_count(link_, counter);
        Checked(ivshmem_link_memory_sealed(link_));
        if (ivshmem_link_id(link_) != -ENOENT) Checked(ivshmem_link_id(link_));
        return;
      }
      case 5:
      case 6:
        server_.Greet(input_);
        break;
      default:
        server_.Say(input_);
        break;
    }
    // What it said is read, and what was to be done is done.
    for (int i = 0; i < 3; ++i) ivshmem_loop_dispatch(loop_, 0);
  }

  void StartLink() {
    ivshmem_link_options options = AnyLinkOptions(input_, CServer::path());
    options.opaque = this;
    if (input_.ConsumeBool()) {
      options.event = [](void* self, const ivshmem_link_event* event) {
        Require(self != nullptr && event->text != nullptr &&
                    event->struct_size == sizeof(*event) &&
                    event->kind <= IVSHMEM_LINK_WARNING,
                "an event of a link");
        static_cast<World*>(self)->CallBack();
      };
    }
    const AnySize<ivshmem_link_options> given(options, input_);
    ivshmem_link* made = nullptr;
    const int result = Checked(ivshmem_link_start(Loop(), given.get(), &made));
    Require((result == 0) == (made != nullptr), "a link or an error");
    link_ = made;
    if (made == nullptr) return;
    // Connects.
    ivshmem_loop_dispatch(loop_, 1);
    server_.Accept();
  }

  FuzzedDataProvider& input_;
  std::vector<uint8_t> wrapped_ = std::vector<uint8_t>(kMemory);
  CServer server_;
  std::array<Slot, 3> slots_;
  std::array<ivshmem_memory*, 2> memories_{};
  ivshmem_switchboard* switchboard_ = nullptr;
  ivshmem_loop* loop_ = nullptr;
  ivshmem_link* link_ = nullptr;
  bool link_busy_ = false;
  // Each as long as what its device left to do.
  std::vector<std::unique_ptr<CHost>> hosts_;
  std::vector<uint8_t> saved_;
  int connected_ = 0;
  int released_ = 0;
  int steps_ = 0;
  int depth_ = 0;
  bool ending_ = false;
};

}  // namespace
}  // namespace ivshmem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bool listens = [] {
    ivshmem::CServer::Listen();
    return true;
  }();
  static_cast<void>(listens);
  const int open = ivshmem::OpenCount();
  {
    FuzzedDataProvider input(data, size);
    ivshmem::World(input).Play();
  }
  ivshmem::Require(ivshmem::OpenCount() == open, "no descriptor is lost");
  return 0;
}
