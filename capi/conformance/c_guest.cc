// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "capi/conformance/c_guest.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <variant>

#include "absl/strings/str_format.h"
#include "bus/access.h"
#include "gtest/gtest.h"

namespace ivshmem::script {
namespace {

constexpr uint32_t kMostBytes = 64;

// Of PCI's config space.
constexpr uint64_t kCommand = 0x04;
constexpr uint32_t kMemorySpace = 0x2;
constexpr uint64_t kBars = 0x10;

uint32_t Size(const Access& access) {
  return access.has_size() ? access.size() : 4;
}

absl::Status Refused() {
  return absl::InvalidArgumentError(ivshmem_last_error());
}

uint32_t DialectOf(const Dialect& dialect) {
  if (dialect.name == "rev0") return IVSHMEM_DIALECT_REV0;
  if (dialect.name == "qemu") return IVSHMEM_DIALECT_QEMU;
  if (dialect.name == "acrn") return IVSHMEM_DIALECT_ACRN;
  return IVSHMEM_DIALECT_REV1;
}

uint32_t InterruptsOf(InterruptMode mode) {
  if (mode == InterruptMode::kIntx) return IVSHMEM_INTERRUPTS_INTX;
  if (mode == InterruptMode::kNone) return IVSHMEM_INTERRUPTS_NONE;
  return IVSHMEM_INTERRUPTS_MSIX;
}

ivshmem_pci_options OptionsOf(const PciDevice::Config& config,
                              const capi::MemoryPtr& memory) {
  ivshmem_pci_options options = capi::PciOptions(memory);
  options.dialect = DialectOf(config.dialect);
  options.interrupts = InterruptsOf(config.interrupts);
  options.vectors = static_cast<uint32_t>(config.vectors);
  if (config.id.has_value()) {
    options.flags |= IVSHMEM_DEVICE_HAS_ID;
    options.id = *config.id;
  }
  if (config.subsystem_vendor_id.has_value()) {
    options.flags |= IVSHMEM_DEVICE_HAS_SUBSYSTEM_VENDOR_ID;
    options.subsystem_vendor_id = *config.subsystem_vendor_id;
  }
  if (config.subsystem_id.has_value()) {
    options.flags |= IVSHMEM_DEVICE_HAS_SUBSYSTEM_ID;
    options.subsystem_id = *config.subsystem_id;
  }
  if (config.multi_function) options.flags |= IVSHMEM_DEVICE_MULTI_FUNCTION;
  if (config.access == MemoryAccess::kReadOnly) {
    options.flags |= IVSHMEM_DEVICE_READ_ONLY;
  }
  for (uint32_t bar = 0; bar < 3; ++bar) {
    if (!config.bar_addresses[bar].has_value()) continue;
    options.flags |= uint32_t{IVSHMEM_DEVICE_HAS_BAR0} << bar;
    options.bar_addresses[bar] = *config.bar_addresses[bar];
  }
  return options;
}

ivshmem_flat_options OptionsOf(const FlatDevice::Config& config,
                               const capi::MemoryPtr& memory) {
  ivshmem_flat_options options = capi::FlatOptions(memory);
  options.registers_address = config.registers_address;
  options.memory_address = config.memory_address;
  options.vectors = static_cast<uint32_t>(config.block.vectors);
  if (config.block.id.has_value()) {
    options.flags |= IVSHMEM_DEVICE_HAS_ID;
    options.id = *config.block.id;
  }
  if (config.block.access == MemoryAccess::kReadOnly) {
    options.flags |= IVSHMEM_DEVICE_READ_ONLY;
  }
  return options;
}

}  // namespace

// Rings one of the guest's own vectors.
class CGuest::Own : public Carrier {
 public:
  Own(ivshmem_device* device, uint32_t vector, int fd)
      : device_(device), vector_(vector), fd_(fd) {}
  void Ring() override {
    if (closed()) return;
    if (fd_ >= 0) {
      capi::Event::Signal(fd_);
    } else {
      ivshmem_device_interrupt(device_, vector_);
    }
  }
  int fd() const override { return fd_; }

 private:
  ivshmem_device* const device_;
  const uint32_t vector_;
  const int fd_;
};

CGuest::CGuest(const DeviceConfig& config, const capi::MemoryPtr& memory,
               Carriage carriage)
    : config_(config), memory_(memory), carriage_(carriage) {}

CGuest::~CGuest() { Unplug(); }

ivshmem_host CGuest::Callbacks(Host& host, bool quiet) const {
  ivshmem_host callbacks = host.Callbacks();
  const auto* flat = std::get_if<FlatDeviceConfig>(&config_.bus);
  if (flat != nullptr && !flat->irq.has_value()) callbacks.pulse = nullptr;
  if (quiet) {
    const auto pulse = callbacks.pulse;
    callbacks = {};
    callbacks.struct_size = sizeof(callbacks);
    callbacks.opaque = static_cast<capi::RecordingHost*>(&host);
    callbacks.pulse = pulse;
    return callbacks;
  }
  callbacks.claim_range = [](void* opaque, uint64_t base, uint64_t size,
                             ivshmem_range* range) {
    Host& self = Host::Of(opaque);
    auto handler = std::make_unique<Range>(range);
    auto claim = self.space.Claim(base, size, *handler);
    if (!claim.ok()) return -EEXIST;
    self.claims[base] = {std::move(handler), *std::move(claim)};
    return 0;
  };
  callbacks.release_range = [](void* opaque, uint64_t base, uint64_t,
                               ivshmem_range*) {
    Host::Of(opaque).claims.erase(base);
  };
  if (carriage_ == Carriage::kCalls) {
    callbacks.map_memory = nullptr;
    callbacks.unmap_memory = nullptr;
    callbacks.add_ioeventfd = nullptr;
    callbacks.remove_ioeventfd = nullptr;
    callbacks.bind_irq = nullptr;
    callbacks.unbind_irq = nullptr;
    return callbacks;
  }
  callbacks.map_memory = [](void* opaque, uint64_t base, void* data,
                            uint64_t size, int read_only) {
    Host& self = Host::Of(opaque);
    auto mapping = self.space.Map(
        base, {static_cast<uint8_t*>(data), size},
        read_only != 0 ? MemoryAccess::kReadOnly : MemoryAccess::kReadWrite);
    if (!mapping.ok()) return -EEXIST;
    self.mappings[base] = *std::move(mapping);
    return 0;
  };
  callbacks.unmap_memory = [](void* opaque, uint64_t base, void*, uint64_t) {
    Host::Of(opaque).mappings.erase(base);
  };
  return callbacks;
}

absl::StatusOr<capi::DevicePtr> CGuest::Make(const std::string* state,
                                             Host& host, bool quiet) const {
  const ivshmem_host callbacks = Callbacks(host, quiet);
  const auto* flat = std::get_if<FlatDeviceConfig>(&config_.bus);
  const void* const bytes = state != nullptr ? state->data() : nullptr;
  const size_t size = state != nullptr ? state->size() : 0;
  ivshmem_device* device = nullptr;
  int result = 0;
  if (flat != nullptr) {
    ivshmem_flat_options options = OptionsOf(flat->device, memory_);
    options.host = &callbacks;
    result = state == nullptr
                 ? ivshmem_flat_create(&options, &device)
                 : ivshmem_flat_restore(&options, bytes, size, &device);
  } else {
    ivshmem_pci_options options =
        OptionsOf(std::get<PciDeviceConfig>(config_.bus).device, memory_);
    options.host = &callbacks;
    result = state == nullptr
                 ? ivshmem_pci_create(&options, &device)
                 : ivshmem_pci_restore(&options, bytes, size, &device);
  }
  if (result != 0) return Refused();
  return capi::DevicePtr(device);
}

void CGuest::MakeVectors() {
  const int vectors = ivshmem_device_vectors(device());
  for (int v = 0; v < vectors; ++v) {
    int fd = -1;
    if (carriage_ == Carriage::kEvents) {
      fd = ivshmem_device_vector_fd(device(), v);
      EXPECT_GE(fd, 0) << ivshmem_last_error();
    }
    vectors_[v] = std::make_shared<Own>(device(), v, fd);
  }
}

absl::Status CGuest::Plug() {
  absl::StatusOr<capi::DevicePtr> made = Make(nullptr, host_, false);
  if (!made.ok()) return made.status();
  device_ = *std::move(made);
  MakeVectors();
  return absl::OkStatus();
}

void CGuest::Unplug() {
  for (auto& [vector, carrier] : vectors_) carrier->Close();
  vectors_.clear();
  device_.reset();
  host_.RunWork();
  EXPECT_TRUE(host_.Empty() && host_.claims.empty() && host_.mappings.empty())
      << "the device gave back all that it asked for";
  // What it held up falls.
  if (!host_.levels.empty() && host_.levels.back() != 0) {
    host_.levels.push_back(0);
  }
}

absl::StatusOr<std::string> CGuest::Save() {
  std::string bytes(IVSHMEM_STATE_BYTES_MAX, '\0');
  const ssize_t size =
      ivshmem_device_save(device(), bytes.data(), bytes.size());
  if (size < 0) return absl::InternalError(ivshmem_last_error());
  bytes.resize(size);
  return bytes;
}

absl::StatusOr<std::optional<uint32_t>> CGuest::CheckState(
    const std::string& state) {
  Host host;
  const absl::StatusOr<capi::DevicePtr> made = Make(&state, host, true);
  if (!made.ok()) return made.status();
  const int id = ivshmem_device_id(made->get());
  if (id < 0) return std::optional<uint32_t>();
  return std::optional<uint32_t>(id);
}

absl::Status CGuest::Restore(const std::string& state) {
  absl::StatusOr<capi::DevicePtr> made = Make(&state, host_, false);
  if (!made.ok()) return made.status();
  device_ = *std::move(made);
  MakeVectors();
  return absl::OkStatus();
}

std::optional<uint32_t> CGuest::id() const {
  const int id = ivshmem_device_id(device());
  if (id < 0) return std::nullopt;
  return static_cast<uint32_t>(id);
}

absl::Status CGuest::CheckAccess(const Access& access) const {
  if (Size(access) < 1 || Size(access) > kMostBytes) {
    return absl::InvalidArgumentError("size");
  }
  if (access.place_case() == Access::PLACE_NOT_SET) {
    return absl::InvalidArgumentError("place");
  }
  if ((access.has_config() || access.has_msix()) &&
      !std::holds_alternative<PciDeviceConfig>(config_.bus)) {
    return absl::InvalidArgumentError("place: not of a flat device");
  }
  return absl::OkStatus();
}

std::optional<uint64_t> CGuest::Address(const Access& access) const {
  if (access.has_address()) return access.address();
  uint32_t region = IVSHMEM_REGION_MEMORY;
  uint64_t offset = access.memory();
  if (access.has_registers()) {
    region = IVSHMEM_REGION_REGISTERS;
    offset = access.registers();
  } else if (access.has_msix()) {
    region = IVSHMEM_REGION_MSIX;
    offset = access.msix();
  }
  const std::optional<uint64_t> base = Base(region);
  if (!base.has_value()) return std::nullopt;
  return *base + offset;
}

// Where a guest takes the region to be. Something else may answer there, as
// where it put two BARs over each other.
std::optional<uint64_t> CGuest::Base(uint32_t region) const {
  uint64_t base = 0;
  if (std::holds_alternative<FlatDeviceConfig>(config_.bus)) {
    const int result = ivshmem_device_region_address(device(), region, &base);
    return result == 0 ? std::optional<uint64_t>(base) : std::nullopt;
  }
  const uint64_t size = ivshmem_device_region_size(device(), region);
  if (size == 0 || (Config32(kCommand) & kMemorySpace) == 0) {
    return std::nullopt;
  }
  base = Config32(kBars + 4 * region) & ~uint32_t{0xf};
  uint64_t last = uint32_t{0xffffffff};
  if (region == IVSHMEM_REGION_MEMORY) {
    base |= uint64_t{Config32(kBars + 4 * region + 4)} << 32;
    last = ~uint64_t{0};
  }
  if (base == 0 || base >= last - (size - 1)) return std::nullopt;
  return base;
}

uint32_t CGuest::Config32(uint64_t offset) const {
  std::array<uint8_t, 4> bytes;
  ivshmem_device_config_read(device(), offset, bytes.data(), bytes.size());
  return static_cast<uint32_t>(LoadLittleEndian(bytes));
}

bool CGuest::RingBound(uint64_t address,
                       absl::Span<const uint8_t> bytes) const {
  if (bytes.size() != 4) return false;
  const uint64_t value = LoadLittleEndian(bytes);
  for (const auto& [at, bound, fd] : host_.doorbells) {
    if (at != address || bound != value) continue;
    capi::Event::Signal(fd);
    return true;
  }
  return false;
}

absl::StatusOr<uint64_t> CGuest::Read(const Access& access) {
  if (absl::Status check = CheckAccess(access); !check.ok()) return check;
  std::array<uint8_t, kMostBytes> room;
  room.fill(0xff);
  const absl::Span<uint8_t> bytes(room.data(), Size(access));
  if (device() != nullptr && access.has_config()) {
    ivshmem_device_config_read(device(), access.config(), bytes.data(),
                               bytes.size());
  } else if (device() != nullptr) {
    const std::optional<uint64_t> address = Address(access);
    if (address.has_value()) host_.space.Read(*address, bytes);
  }
  return LoadLittleEndian(
      bytes.first(std::min<size_t>(bytes.size(), sizeof(uint64_t))));
}

absl::Status CGuest::Write(const Access& access) {
  if (absl::Status check = CheckAccess(access); !check.ok()) return check;
  std::array<uint8_t, kMostBytes> room = {};
  const absl::Span<uint8_t> bytes(room.data(), Size(access));
  StoreLittleEndian(access.value(), bytes.first(std::min<size_t>(
                                        bytes.size(), sizeof(uint64_t))));
  if (device() != nullptr && access.has_config()) {
    ivshmem_device_config_write(device(), access.config(), bytes.data(),
                                bytes.size());
  } else if (device() != nullptr) {
    const std::optional<uint64_t> address = Address(access);
    if (address.has_value() && !RingBound(*address, bytes)) {
      host_.space.Write(*address, bytes);
    }
  }
  return absl::OkStatus();
}

void CGuest::Reset() {
  EXPECT_EQ(ivshmem_device_reset(device()), 0) << ivshmem_last_error();
}

void CGuest::Interrupt(uint32_t vector) {
  const auto carrier = vectors_.find(vector);
  if (carrier != vectors_.end()) {
    carrier->second->Ring();
  } else {
    ivshmem_device_interrupt(device(), vector);
  }
}

bool CGuest::Settle() {
  bool busy = host_.RunWork();
  for (const auto& [fd, address, data] : host_.irqs) {
    for (uint64_t n = capi::Event::Take(fd); n != 0; --n) {
      host_.messages.emplace_back(address, data);
      busy = true;
    }
  }
  if (carriage_ != Carriage::kEvents) return busy;
  for (const auto& [vector, carrier] : vectors_) {
    busy |= ivshmem_device_take_interrupts(device(), vector) >= 0;
  }
  return busy;
}

void CGuest::TakeEffects(Effects& effects) {
  for (const auto& [address, data] : std::exchange(host_.messages, {})) {
    Message& message = *effects.add_messages();
    message.set_device(config_.name);
    message.set_address(address);
    message.set_data(data);
  }
  for (int pulses = std::exchange(host_.pulses, 0); pulses != 0; --pulses) {
    effects.add_pulses()->set_device(config_.name);
  }
  if (host_.levels.empty()) return;
  const bool level = host_.levels.back() != 0;
  host_.levels = {level ? 1 : 0};
  if (std::exchange(line_seen_, level) != level) {
    Line& line = *effects.add_lines();
    line.set_device(config_.name);
    line.set_asserted(level);
  }
}

}  // namespace ivshmem::script
