// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Peers, regions, event loops and links.

#include <cerrno>
#include <cstdint>

#include "fuzz/c_host.h"
#include "fuzz/c_options.h"
#include "fuzz/c_structs.h"
#include "fuzz/c_world.h"
#include "fuzz/require.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem {

void CWorld::Peers() {
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
          Mostly<int (*)(void*)>(input_,
                                 [](void* self) {
                                   auto& world = *static_cast<CWorld*>(self);
                                   world.CallBack();
                                   return world.ending_
                                              ? 0
                                              : Mostly<int>(world.input_, 0,
                                                            {-EAGAIN, -EIO, 1});
                                 },
                                 {nullptr}),
          [](void* self) {
            ++static_cast<CWorld*>(self)->released_;
            static_cast<CWorld*>(self)->CallBack();
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

void CWorld::Regions() {
  if (switchboard_ == nullptr) {
    Require(ivshmem_switchboard_create(nullptr) == -EINVAL, "null");
    Checked(ivshmem_switchboard_create(&switchboard_));
  }
  const char* const name = Mostly<const char*>(input_, "r", {"", "s", nullptr});
  Slot& slot = AnySlot();
  switch (input_.ConsumeIntegralInRange(0, 7)) {
    case 0:
      Checked(ivshmem_switchboard_add_region(switchboard_, name, AnyMemory()));
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

ivshmem_loop* CWorld::Loop() {
  if (loop_ == nullptr) Checked(ivshmem_loop_create(&loop_));
  return Mostly<ivshmem_loop*>(input_, loop_, {nullptr});
}

void CWorld::Loops() {
  if (input_.ConsumeIntegralInRange(0, 7) != 1) {
    Checked(ivshmem_loop_dispatch(Loop(), 0));
    return;
  }
  Checked(ivshmem_loop_fd(Loop()));
  if (Checked(ivshmem_loop_destroy(loop_)) == 0) loop_ = nullptr;
}

void CWorld::Links() {
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

void CWorld::StartLink() {
  ivshmem_link_options options = AnyLinkOptions(input_, CServer::path());
  options.opaque = this;
  if (input_.ConsumeBool()) {
    options.event = [](void* self, const ivshmem_link_event* event) {
      Require(self != nullptr && event->text != nullptr &&
                  event->struct_size == sizeof(*event) &&
                  event->kind <= IVSHMEM_LINK_WARNING,
              "an event of a link");
      static_cast<CWorld*>(self)->CallBack();
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
}  // namespace ivshmem
