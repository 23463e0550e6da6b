// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BUS_PCI_REGISTERS_H_
#define IVSHMEM_BUS_PCI_REGISTERS_H_

#include <cstdint>

namespace ivshmem::pci {

// Offsets and bits of a type-0 configuration space (PCI Local Bus 3.0, 6.1 and
// 6.2) and of the MSI-X capability (6.8.2). Offsets are in bytes.

inline constexpr int kVendorId = 0x00;
inline constexpr int kDeviceId = 0x02;

inline constexpr int kCommand = 0x04;
inline constexpr uint16_t kCommandIoSpace = 1 << 0;
inline constexpr uint16_t kCommandMemorySpace = 1 << 1;
inline constexpr uint16_t kCommandBusMaster = 1 << 2;
inline constexpr uint16_t kCommandSerr = 1 << 8;
inline constexpr uint16_t kCommandInterruptDisable = 1 << 10;

inline constexpr int kStatus = 0x06;
inline constexpr uint16_t kStatusInterrupt = 1 << 3;
inline constexpr uint16_t kStatusCapabilities = 1 << 4;

inline constexpr int kRevision = 0x08;  // The class code in the bytes above.
inline constexpr int kCacheLineSize = 0x0c;
inline constexpr int kHeaderType = 0x0e;
inline constexpr uint8_t kHeaderTypeMultiFunction = 0x80;

inline constexpr int kBar0 = 0x10;
inline constexpr uint32_t kBar64Bit = 1 << 2;
inline constexpr uint32_t kBarPrefetchable = 1 << 3;
inline constexpr uint32_t kBarTypeBits = 0xf;

inline constexpr int kSubsystemVendorId = 0x2c;
inline constexpr int kSubsystemId = 0x2e;
inline constexpr int kCapabilities = 0x34;
inline constexpr int kInterruptLine = 0x3c;
inline constexpr int kInterruptPin = 0x3d;
inline constexpr uint8_t kInterruptPinA = 1;

// The MSI-X capability, the only one there is.
inline constexpr int kMsixCapability = 0x40;
inline constexpr uint8_t kMsixCapabilityId = 0x11;
inline constexpr int kMsixControl = kMsixCapability + 2;  // Table size - 1.
inline constexpr uint16_t kMsixControlFunctionMask = 1 << 14;
inline constexpr uint16_t kMsixControlEnable = 1 << 15;
inline constexpr int kMsixTable = kMsixCapability + 4;  // Offset | BAR.
inline constexpr int kMsixPba = kMsixCapability + 8;    // Offset | BAR.

}  // namespace ivshmem::pci

#endif  // IVSHMEM_BUS_PCI_REGISTERS_H_
