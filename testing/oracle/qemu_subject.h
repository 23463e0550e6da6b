// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_ORACLE_QEMU_SUBJECT_H_
#define IVSHMEM_TESTING_ORACLE_QEMU_SUBJECT_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/linux/unique_fd.h"
#include "proto/config.pb.h"
#include "proto/script.pb.h"
#include "script/subject.h"
#include "testing/oracle/qemu_messages.h"
#include "testing/qemu/qemu.h"
#include "testing/qemu/server_end.h"

namespace ivshmem::qemu {

// Debian's QEMU with its own device as what a Script is played on: the world
// has one device, PCI with QEMU's dialect, with MSI-X (ivshmem-doorbell, on a
// server that this object plays) or without interrupts (ivshmem-plain).
//
// What it does not have, and answers with Unimplemented: accesses that a PC's
// CPU does not make in one go (config ones across a dword, others than of 1, 2,
// 4 and 8 bytes), a vector of a peer out of its order, an id that comes back
// after its peer has left (which corrupts QEMU's heap), peers of more than 64
// vectors, other ids for the device, save and restore, a lost link, unplugging.
//
// A message shows in its effects when it goes where the drivers of
// script/worlds.h have it go (QemuMessages).
//
// Threading: one thread, that of a GoogleTest test: failures to talk to QEMU
// are its failures too.
class QemuSubject : public script::Subject {
 public:
  struct Options {
    // See DoorbellDevice.
    bool ioeventfd = true;
  };

  static absl::StatusOr<std::unique_ptr<QemuSubject>> Create(
      const config::World& world, const Options& options);
  ~QemuSubject() override;

  absl::StatusOr<script::Outcome> Do(const script::Step& step) override;

  // What config space says, as of the last step.
  struct State {
    uint16_t command = 0;
    uint16_t msix_control = 0;
    // Of BARs 0, 1 and 2: where each is decoded, and its size.
    std::array<std::optional<uint64_t>, 3> bars;
    std::array<uint64_t, 3> sizes = {};
  };
  const State& state() const { return state_; }

  // How many vectors the device has, its id.
  int vectors() const { return vectors_; }
  uint32_t id() const { return id_; }

 private:
  QemuSubject(const config::World& world, UniqueFd memory, uint64_t size);

  absl::Status Start(const Options& options);
  // One operation, without its effects.
  absl::Status Perform(const script::Step& step, script::Outcome& outcome);
  absl::Status Access(const script::Access& access, bool write,
                      script::Outcome& outcome);
  absl::Status Config(const script::Access& access, uint32_t size, bool write,
                      script::Outcome& outcome);
  absl::Status PeerJoins(const script::PeerJoins& peer);
  absl::Status PeerLeaves(uint32_t id);
  absl::Status VectorArrives(const script::VectorArrives& arrival);
  absl::Status Share(const script::Share& share, bool write,
                     script::Outcome& outcome);
  absl::Status Reset();

  // Has the server say so many vectors of `id`.
  void Announce(uint32_t id, uint32_t vectors);
  // Waits until QEMU has heard what the server said: one message a turn.
  void Heard(uint32_t messages);
  void CollectRings(script::Outcome& outcome);
  void ReadState();

  const config::Device device_;
  const int vectors_;
  const uint32_t id_;
  const UniqueFd memory_;
  const uint64_t memory_size_;
  uint8_t* view_ = nullptr;

  ServerEnd server_;
  std::vector<UniqueFd> own_;
  std::map<uint32_t, std::vector<UniqueFd>> peers_;
  std::map<uint32_t, bool> left_;  // Those that QEMU knew.
  std::unique_ptr<Qemu> qemu_;
  std::optional<QemuMessages> messages_;
  State state_;
};

}  // namespace ivshmem::qemu

#endif  // IVSHMEM_TESTING_ORACLE_QEMU_SUBJECT_H_
