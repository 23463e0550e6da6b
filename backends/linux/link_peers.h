// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_LINUX_LINK_PEERS_H_
#define IVSHMEM_BACKENDS_LINUX_LINK_PEERS_H_

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "backends/linux/device_attachment.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/link_hand_over.h"
#include "core/doorbell.h"

namespace ivshmem {

// Whom a link knows, over all the sessions that it had with its server: the
// peers of this session, those of the one before that this one has not named,
// and the device's own vectors. Every change goes to the attached device.
//
// Threading: under the link's lock.
class LinkPeers {
 public:
  // The server was joined and gave `own` as id. Whoever is known is absent now.
  void BeginSession(PeerId own);

  // `event` rings `vector` of `peer`, who may be this device itself. Does
  // nothing when the vector before is not known. Returns whether that peer was
  // unknown before.
  bool Connect(PeerId peer, Vector vector, std::shared_ptr<EventFd> event);

  // Returns whether the peer was known.
  bool Disconnect(PeerId peer);

  // The server had its time to name them: forgets the absent peers, and of
  // those that came back the vectors they no longer have. Returns who left.
  std::vector<PeerId> DropAbsent();

  // `attachment`'s device, which has `vectors` vectors of its own, gets all
  // that is known and what changes from then on. The caller applies.
  void Attach(std::shared_ptr<DeviceAttachment> attachment, int vectors);
  std::shared_ptr<DeviceAttachment> Detach();

  // Moves all that is known into `to`; an attached device keeps what it has.
  void HandOver(LinkHandOver& to);
  // Takes what another link handed over, before a device is attached.
  void Adopt(LinkHandOver& from);

  // Null when none is attached.
  const std::shared_ptr<DeviceAttachment>& attachment() const {
    return attachment_;
  }

  // How many descriptors all this holds.
  size_t descriptors() const { return descriptors_; }

 private:
  using Events = std::vector<std::shared_ptr<EventFd>>;  // By vector.
  using Peers = absl::btree_map<PeerId, Events>;

  void Push(DeviceAttachment::Change change);
  void PushVector(PeerId peer, Vector vector,
                  const std::shared_ptr<EventFd>& event);

  PeerId own_ = 0;
  Peers present_;
  Peers absent_;
  size_t descriptors_ = 0;
  // The device's own, from before the last session; of a link that was adopted.
  std::vector<LinkHandOver::EarlierEvent> earlier_;
  std::shared_ptr<DeviceAttachment> attachment_;
  int device_vectors_ = 0;
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_LINUX_LINK_PEERS_H_
