// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>

#include "absl/numeric/bits.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "core/events.h"
#include "core/shared_memory.h"
#include "proto/config.pb.h"
#include "proto/script.pb.h"
#include "script/recorder.h"
#include "script/text.h"
#include "tools/ivshmem/client_options.h"
#include "tools/ivshmem/command.h"
#include "tools/ivshmem/joined_client.h"
#include "tools/ivshmem/stop.h"

namespace ivshmem::tool {
namespace {

struct RecordOptions {
  ClientOptions client;
  bool ignore_input = false;
  uint64_t count = 0;
  uint64_t keep = 100000;
};

// The recorder is made when it is known what the device is.
class LateRecorder : public DeviceEvents {
 public:
  void OnEvent(const DeviceEvent& event) noexcept override {
    if (recorder_.has_value()) recorder_->OnEvent(event);
  }
  script::Recorder& Make(const config::World& world, uint64_t keep) {
    script::Recorder::Options options;
    options.keep = keep;
    return recorder_.emplace(world, world.devices(0).name(), options);
  }
  std::optional<script::Recorder>& recorder() { return recorder_; }

 private:
  std::optional<script::Recorder> recorder_;
};

// A device as the command is one: PCI where its memory's size allows it.
absl::StatusOr<config::World> WorldOf(const JoinedClient& client) {
  constexpr int kMostOfFlat = 64;
  const uint64_t size = client.memory().size;
  const auto peers = client.Peers();
  const auto own = peers.find(client.id());
  const int vectors = own == peers.end() ? 0 : own->second;
  config::World world;
  config::Region& region = *world.add_regions();
  region.set_name("shared");
  region.set_size(size);
  config::Device& device = *world.add_devices();
  device.set_name("recorded");
  device.set_region(region.name());
  if (absl::has_single_bit(size)) {
    device.mutable_pci()->set_vectors(vectors);
    if (vectors == 0) device.mutable_pci()->set_interrupts(config::Pci::NONE);
    return world;
  }
  if (vectors > kMostOfFlat) {
    return absl::FailedPreconditionError(absl::StrCat(
        "no device has memory of ", size, " bytes and ", vectors, " vectors"));
  }
  device.mutable_flat()->set_memory_address(uint64_t{1} << 32);
  device.mutable_flat()->set_irq(0);
  device.mutable_flat()->set_vectors(vectors);
  return world;
}

absl::Status Record(const RecordOptions& options) {
  absl::StatusOr<Stop> stop = Stop::OnSignals();
  if (!stop.ok()) return stop.status();
  LateRecorder late;
  uint64_t interrupts = 0;
  absl::StatusOr<std::unique_ptr<JoinedClient>> client =
      Join(options.client, {.joined = {},
                            .left = {},
                            .interrupted = [&](Vector) { ++interrupts; },
                            .peers_changed =
                                [&late] {
                                  if (late.recorder().has_value()) {
                                    late.recorder()->PeersChanged();
                                  }
                                },
                            .events = &late});
  if (!client.ok()) return client.status();
  const absl::StatusOr<config::World> world = WorldOf(**client);
  if (!world.ok()) return world.status();
  script::Recorder& recorder = late.Make(*world, options.keep);
  recorder.Start((*client)->device());

  // Its watches go before the client's loop.
  Stop ending = *std::move(stop);
  absl::Status status = ending.Watch((*client)->loop());
  if (status.ok() && !options.ignore_input) {
    status = ending.WatchInput((*client)->loop());
  }
  if (!status.ok()) return status;
  std::cerr << "ivshmem record: recording as " << (*client)->id() << std::endl;
  status = (*client)->RunUntil([&] {
    return ending.requested() ||
           (options.count != 0 && interrupts >= options.count);
  });
  // Also of a server that was lost: what came before is worth having.
  std::cout << script::PrintScript(recorder.script());
  if (recorder.dropped() != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("--keep ", options.keep, ": there was no room for ",
                     recorder.dropped(), " steps more"));
  }
  return status;
}

}  // namespace

void AddRecord(CLI::App& app, Work& work) {
  auto options = std::make_shared<RecordOptions>();
  CLI::App* record = app.add_subcommand(
      "record",
      "Joins a server as a device without a guest, and when it is told to "
      "stop\n"
      "prints a Script of what happened: who was there, came, went and rang.");
  AddClientOptions(*record, options->client);
  record->add_option("--count", options->count, "Stop after so many interrupts")
      ->type_name("N");
  record->add_option("--keep", options->keep, "Steps that there is room for")
      ->type_name("N")
      ->capture_default_str();
  record->add_flag("--ignore-input", options->ignore_input,
                   "Do not stop when the input ends (for services)");
  record->footer(
      "Examples:\n"
      "  ivshmem record --socket /run/ivshmem.sock > seen.textproto\n"
      "  ivshmem replay seen.textproto");
  record->callback(
      [options, &work] { work = [options] { return Record(*options); }; });
}

}  // namespace ivshmem::tool
