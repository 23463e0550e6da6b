// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_VFIO_USER_MODEL_FIXTURE_H_
#define IVSHMEM_BACKENDS_VFIO_USER_MODEL_FIXTURE_H_

#include <linux/vfio.h>
#include <poll.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "backends/linux/event_fd.h"
#include "backends/linux/memory_object.h"
#include "backends/vfio_user/ivshmem_model.h"
#include "core/dialect.h"
#include "gtest/gtest.h"
#include "testing/vfio_user/client.h"
#include "testing/vfio_user/served_model.h"

namespace ivshmem::vfio_user {

inline constexpr uint32_t kBar0 = VFIO_PCI_BAR0_REGION_INDEX;
inline constexpr uint32_t kBar1 = VFIO_PCI_BAR1_REGION_INDEX;
inline constexpr uint32_t kBar2 = VFIO_PCI_BAR2_REGION_INDEX;
inline constexpr uint32_t kConfig = VFIO_PCI_CONFIG_REGION_INDEX;
inline constexpr uint32_t kMsix = VFIO_PCI_MSIX_IRQ_INDEX;
inline constexpr uint32_t kSetEvents =
    VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
inline constexpr uint32_t kDisable =
    VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
inline constexpr uint32_t kSetSome =
    VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER;
inline constexpr uint32_t kMsixControl = 0x42;
inline constexpr uint32_t kPba = 0x800;

// The device, served, and a client of it.
class ModelTest : public testing::Test {
 protected:
  static constexpr uint64_t kSize = 1 << 20;

  explicit ModelTest(int vectors = 4, Dialect dialect = kRevision1)
      : options_{.device = {.dialect = dialect,
                            .interrupts = vectors == 0 ? InterruptMode::kNone
                                                       : InterruptMode::kMsix,
                            .vectors = vectors,
                            .id = 7}} {}

  IvshmemModel::Memory Memory() const {
    return {
        .view = mapped_.view(), .fd = object_.fd(), .sealed = object_.sealed()};
  }

  void SetUp() override {
    auto model = IvshmemModel::Create(options_, Memory());
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
    served_ = std::make_unique<ServedModel>(*model_);
    Connect();
  }

  // A new client, greeted.
  void Connect() {
    client_.reset();
    client_ = std::make_unique<Client>(served_->path());
    client_->Greet();
  }

  // As a guest's driver: memory, bus master, MSI-X.
  void Enable() {
    client_->Write(kConfig, 4, 0x6, 2);
    client_->Write(kConfig, kMsixControl, 0x8000, 2);
  }
  // A peer interrupts the device.
  void Interrupt(Vector vector) { model_->device().OnPeerInterrupt(vector); }

  static std::vector<std::shared_ptr<EventFd>> Events(int count) {
    std::vector<std::shared_ptr<EventFd>> events;
    for (int i = 0; i < count; ++i) events.push_back(*EventFd::Create());
    return events;
  }
  static std::vector<int> Fds(
      const std::vector<std::shared_ptr<EventFd>>& events) {
    std::vector<int> fds;
    for (const auto& event : events) fds.push_back(event->fd());
    return fds;
  }

  IvshmemModel::Options options_;
  const MemoryObject object_ = *MemoryObject::Memfd(kSize);
  const MappedMemory mapped_ = *object_.Map();
  std::unique_ptr<IvshmemModel> model_;
  std::unique_ptr<ServedModel> served_;
  std::unique_ptr<Client> client_;
};

}  // namespace ivshmem::vfio_user

#endif  // IVSHMEM_BACKENDS_VFIO_USER_MODEL_FIXTURE_H_
