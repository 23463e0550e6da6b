// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_FUZZ_PLACED_BARS_H_
#define IVSHMEM_FUZZ_PLACED_BARS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "proto/config.pb.h"
#include "script/worlds.h"

namespace ivshmem::script {

// Where the BARs of a world's PCI devices are, by what config space says.
class PlacedBars {
 public:
  // `read_config` reads 4 bytes of a device's config space.
  using ReadConfig = std::function<uint32_t(const std::string&, uint64_t)>;
  // `world` is one of Worlds().
  PlacedBars(const config::World& world, ReadConfig read_config)
      : world_(world), read_config_(std::move(read_config)) {}

  // Whether byte `offset` of a BAR that is where firmware puts it is decoded
  // there, and no BAR else.
  bool Answers(const std::string& device, int bar, uint64_t offset) const;

 private:
  static uint64_t Size(const Aims& aims, int bar);
  bool Decodes(const std::string& device) const;
  uint64_t Address(const std::string& device, int bar) const;

  const config::World world_;
  const ReadConfig read_config_;
};

}  // namespace ivshmem::script

#endif  // IVSHMEM_FUZZ_PLACED_BARS_H_
