// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/interop/vfio_guest.h"

#include <signal.h>  // NOLINT(modernize-deprecated-headers): SIGTERM.

#include <cstdlib>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "testing/interop/server_process.h"

namespace ivshmem {

void DeviceProcess::Start() {
  std::vector<std::string> arguments = {"device"};
  for (int device = 0; device < devices_; ++device) {
    arguments.insert(arguments.end(), {"--vfio-user", socket(device)});
  }
  for (const std::string& argument : arguments_) {
    arguments.push_back(
        absl::StrReplaceAll(argument, {{"%d", folder_.path()}}));
  }
  absl::StatusOr<std::unique_ptr<Process>> process = Process::Start(
      {.program = "tools/ivshmem/ivshmem", .arguments = arguments});
  ASSERT_TRUE(process.ok()) << process.status();
  process_ = *std::move(process);
  ASSERT_TRUE(Writes(*process_, absl::StrCat("serving ", devices_)));
}

void DeviceProcess::Stop() {
  process_->Signal(SIGTERM);
  const absl::StatusOr<std::string> end = process_->Wait(kPatience);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(*end, "exit status 0") << process_->Output();
}

std::string DeviceProcess::socket(int device) const {
  return File(absl::StrCat("vfio", device));
}

std::string VfioGuest::Program() {
  const char* const program = std::getenv("QEMU_VFIO_USER");
  return program == nullptr ? "" : program;
}

std::unique_ptr<VfioGuest> VfioGuest::Start(
    const std::string& socket, const std::vector<std::string>& arguments) {
  qemu::Qemu::Options options = {.arguments = arguments, .program = Program()};
  options.arguments.insert(
      options.arguments.end(),
      {"-device",
       absl::StrCat(R"({"driver":"vfio-user-pci","addr":"4","socket":)",
                    R"({"type":"unix","path":")", socket, R"("}})")});
  absl::StatusOr<std::unique_ptr<qemu::Qemu>> qemu = qemu::Qemu::Start(options);
  EXPECT_TRUE(qemu.ok()) << qemu.status();
  if (!qemu.ok()) return nullptr;
  std::unique_ptr<qemu::IvshmemDevice> device =
      qemu::IvshmemDevice::SetUp((*qemu)->qtest());
  if (device == nullptr) return nullptr;
  return std::unique_ptr<VfioGuest>(
      new VfioGuest(*std::move(qemu), std::move(device)));
}

bool VfioGuest::Hears(qemu::Qemu& qemu, qemu::IvshmemDevice& device,
                      Vector vector) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (absl::Now() < deadline && qemu.qtest().status().ok()) {
    if (device.Take(vector)) return true;
    qemu.qtest().Settle();
  }
  return false;
}

bool VfioGuest::HearsNothing() {
  for (int vector = 0; vector < device_->msix().vectors(); ++vector) {
    // The first lets go what the server holds, the second what QEMU holds.
    const bool heard = device_->Take(static_cast<Vector>(vector));
    qemu_->qtest().Settle();
    if (heard || device_->Take(static_cast<Vector>(vector))) return false;
  }
  return true;
}

void TwoVfioGuests::Start() {
  ASSERT_NO_FATAL_FAILURE(server.Start());
  ASSERT_NO_FATAL_FAILURE(devices.Start());
  a = VfioGuest::Start(devices.socket(0));
  b = VfioGuest::Start(devices.socket(1));
  ASSERT_TRUE(a != nullptr && b != nullptr);
}

}  // namespace ivshmem
