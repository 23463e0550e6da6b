// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/kvm/kvm_guest.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "examples/kvm_vmm/protected_mode.h"

namespace ivshmem {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr uint64_t kGdtAddress = 0x1000;

constexpr uint8_t kImage[] = {
#include "testing/kvm/guest.inc"
};

[[noreturn]] void GiveUp(const char* why) {
  std::fprintf(stderr, "the guest on KVM: %s\n", why);
  std::abort();
}

void Expect(const absl::Status& status) {
  if (!status.ok()) GiveUp(status.ToString().c_str());
}

template <typename Condition>
bool Within(Condition condition) {
  const absl::Time end = absl::Now() + kPatience;
  while (!condition()) {
    if (absl::Now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace

std::unique_ptr<KvmGuest> KvmGuest::Start() {
  absl::StatusOr<std::unique_ptr<kvm_vmm::Machine>> machine =
      kvm_vmm::Machine::Create(kGuestRamSize);
  Expect(machine.status());
  std::copy(std::begin(kImage), std::end(kImage),
            (*machine)->ram() + kGuestImageAddress);
  Expect(
      kvm_vmm::EnterProtectedMode(**machine, kGdtAddress, kGuestImageAddress));
  auto guest = absl::WrapUnique(new KvmGuest(*std::move(machine)));
  guest->machine_->vcpu().Start();
  if (!Within([&] { return guest->mailbox().ready != 0; })) {
    GiveUp("it does not begin");
  }
  return guest;
}

KvmGuest::KvmGuest(std::unique_ptr<kvm_vmm::Machine> machine)
    : machine_(std::move(machine)), msi_(machine_->vm()) {}

volatile GuestMailbox& KvmGuest::mailbox() const {
  return *reinterpret_cast<volatile GuestMailbox*>(machine_->ram() +
                                                   kGuestMailboxAddress);
}

void KvmGuest::Send(GuestOperation operation) {
  mailbox().operation = operation;
  mailbox().sent = mailbox().sent + 1;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  msi_.Send({.address = 0xfee00000, .data = kCommandInterrupt});
}

void KvmGuest::Finish() {
  if (!Within([&] { return mailbox().done == mailbox().sent; })) {
    machine_->vcpu().Stop();
    GiveUp(absl::StrCat("it does not finish a command; ",
                        machine_->vcpu().Wait().ToString())
               .c_str());
  }
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

uint32_t KvmGuest::Read(uint32_t address, uint32_t size) {
  mailbox().address = address;
  mailbox().size = size;
  Send(kGuestRead);
  Finish();
  return mailbox().result;
}

void KvmGuest::Write(uint32_t address, uint32_t value, uint32_t size,
                     uint32_t count) {
  mailbox().address = address;
  mailbox().value = value;
  mailbox().size = size;
  mailbox().count = count;
  Send(kGuestWrite);
  Finish();
}

void KvmGuest::WriteMany(uint32_t address, uint32_t value, uint32_t count) {
  mailbox().address = address;
  mailbox().value = value;
  mailbox().size = 4;
  mailbox().count = count;
  Send(kGuestWrite);
}

uint32_t KvmGuest::In(uint16_t port, uint32_t size) {
  mailbox().address = port;
  mailbox().size = size;
  Send(kGuestIn);
  Finish();
  return mailbox().result;
}

void KvmGuest::Out(uint16_t port, uint32_t value, uint32_t size) {
  mailbox().address = port;
  mailbox().value = value;
  mailbox().size = size;
  mailbox().count = 1;
  Send(kGuestOut);
  Finish();
}

void KvmGuest::WritePaced(uint32_t address, uint32_t value, uint32_t count,
                          uint32_t watch) {
  mailbox().address = address;
  mailbox().value = value;
  mailbox().count = count;
  mailbox().watch = watch;
  Send(kGuestWritePaced);
}

void KvmGuest::CountAt(uint32_t address) {
  mailbox().address = address;
  Send(kGuestCountAt);
  Finish();
}

void KvmGuest::AcknowledgeAt(uint32_t address) {
  mailbox().address = address;
  Send(kGuestAcknowledgeAt);
  Finish();
}

uint32_t KvmGuest::strays() const { return mailbox().strays; }

uint32_t KvmGuest::interrupts(int number) const {
  return mailbox().interrupts[number];
}

bool KvmGuest::InterruptsBecome(int number, uint32_t count) const {
  return Within([&] { return interrupts(number) == count; });
}

}  // namespace ivshmem
