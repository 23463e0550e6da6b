// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_FUZZ_C_WORLD_H_
#define IVSHMEM_FUZZ_C_WORLD_H_

#include <fuzzer/FuzzedDataProvider.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "fuzz/c_host.h"
#include "fuzz/c_server.h"
#include "fuzz/require.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem {

// What a call gave, when it keeps the rules for errors.
template <typename Result>
Result Checked(Result result) {
  if (result >= 0) return result;
  const char* const text = ivshmem_last_error();
  Require(result > -4096, "an errno");
  Require(*text != '\0' && text[std::strlen(text) - 1] != '\n', "a text");
  return result;
}

// A VMM that uses the C interface with any arguments, in any order, and again
// from inside of callbacks. Only handles that are gone are not used.
class CWorld {
 public:
  explicit CWorld(FuzzedDataProvider& input) : input_(input) {}
  // The host gets all back.
  ~CWorld();

  // Until the input ends, or for long enough.
  void Play();

 private:
  static constexpr uint64_t kMemory = 4096;

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
  uint32_t Any(uint32_t most);
  uint64_t AnyOffset();
  // Bytes of a guest's; of any size.
  std::vector<uint8_t> AnyBytes();
  ivshmem_memory*& AnyMemory();

  // From inside of a callback: perhaps another step.
  void CallBack();
  void Step();

  // c_world_devices.cc
  void NewMemory();
  // What options point to.
  template <typename Options>
  Options With(Options options, const ivshmem_host* host,
               const ivshmem_limits* limits);
  // `state`: null for a new one.
  void NewDevice(const std::vector<uint8_t>* state);
  void Save();
  void Restore();
  void ConfigAccess();
  void Access();
  void Destroy(Slot& slot);

  // c_world_connections.cc
  void Peers();
  void Regions();
  ivshmem_loop* Loop();
  void Loops();
  void Links();
  void StartLink();

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

}  // namespace ivshmem

#endif  // IVSHMEM_FUZZ_C_WORLD_H_
