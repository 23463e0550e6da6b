/* Copyright 2026 The ivshmem Authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* A whole ivshmem-plain and a whole ivshmem-doorbell in C99, on the shared
 * library alone. */

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ivshmem/ivshmem.h"

#define CHECK(condition)                                                 \
  do {                                                                   \
    if (!(condition)) {                                                  \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, \
              ivshmem_last_error());                                     \
      exit(1);                                                           \
    }                                                                    \
  } while (0)

struct vmm {
  int messages;
  uint64_t address;
  uint32_t data;
  int rings;
};

static void send_msi(void* opaque, uint64_t address, uint32_t data) {
  struct vmm* vmm = opaque;
  ++vmm->messages;
  vmm->address = address;
  vmm->data = data;
}

static int ring(void* opaque) {
  struct vmm* vmm = opaque;
  ++vmm->rings;
  return 0;
}

static uint32_t config_read(const ivshmem_device* device, uint64_t offset) {
  uint32_t value;
  ivshmem_device_config_read(device, offset, &value, sizeof value);
  return value;
}

static void config_write(ivshmem_device* device, uint64_t offset,
                         uint32_t value) {
  ivshmem_device_config_write(device, offset, &value, sizeof value);
}

static void write32(ivshmem_device* device, uint32_t region, uint64_t offset,
                    uint32_t value) {
  ivshmem_device_write(device, region, offset, &value, sizeof value);
}

static void place_bars(ivshmem_device* device) {
  config_write(device, 0x10, 0xfe000000u);
  config_write(device, 0x14, 0xfe001000u);
  config_write(device, 0x18, 0x80000000u);
  config_write(device, 0x1c, 0x1);
  config_write(device, 0x04, 0x6);
}

/* Memory alone: peers share it, nobody is interrupted. */
static void plain(void) {
  static uint8_t bytes[1 << 16];
  struct ivshmem_pci_options options = {.struct_size = sizeof options};
  ivshmem_memory* memory;
  ivshmem_device* device;
  uint64_t address = 0;
  uint8_t byte = 0x5a;

  CHECK(ivshmem_memory_wrap(bytes, sizeof bytes, &memory) == 0);
  options.memory = memory;
  options.interrupts = IVSHMEM_INTERRUPTS_NONE;
  CHECK(ivshmem_pci_create(&options, &device) == 0);
  ivshmem_memory_destroy(memory);

  CHECK(config_read(device, 0) == 0x11101af4u);
  CHECK(ivshmem_device_region_size(device, IVSHMEM_REGION_MEMORY) ==
        sizeof bytes);
  CHECK(ivshmem_device_region_size(device, IVSHMEM_REGION_MSIX) == 0);
  CHECK(ivshmem_device_region_address(device, IVSHMEM_REGION_MEMORY,
                                      &address) == -ENOENT);
  place_bars(device);
  CHECK(ivshmem_device_region_address(device, IVSHMEM_REGION_MEMORY,
                                      &address) == 0);
  CHECK(address == 0x180000000u);
  ivshmem_device_write(device, IVSHMEM_REGION_MEMORY, 123, &byte, 1);
  CHECK(bytes[123] == 0x5a);
  CHECK(ivshmem_device_vectors(device) == 0);
  CHECK(ivshmem_device_destroy(device) == 0);
}

/* Two vectors: a peer rings the guest, the guest rings the peer. */
static void doorbell(void) {
  struct vmm vmm = {0, 0, 0, 0};
  struct ivshmem_host host = {
      .struct_size = sizeof host, .opaque = &vmm, .send_msi = send_msi};
  struct ivshmem_pci_options options = {.struct_size = sizeof options,
                                        .host = &host,
                                        .flags = IVSHMEM_DEVICE_HAS_ID,
                                        .vectors = 2,
                                        .id = 7};
  ivshmem_memory* memory;
  ivshmem_device* device;
  uint32_t position;
  uint32_t msix;

  CHECK(ivshmem_memory_create(1 << 20, &memory) == 0);
  options.memory = memory;
  CHECK(ivshmem_pci_create(&options, &device) == 0);
  place_bars(device);
  ivshmem_device_read(device, IVSHMEM_REGION_REGISTERS, 8, &position,
                      sizeof position);
  CHECK(position == 7);

  CHECK(ivshmem_device_interrupt(device, 1) == IVSHMEM_INTERRUPT_DISABLED);
  write32(device, IVSHMEM_REGION_MSIX, 16, 0xfee00000u);
  write32(device, IVSHMEM_REGION_MSIX, 24, 0x41);
  write32(device, IVSHMEM_REGION_MSIX, 28, 0);
  msix = config_read(device, 0x34) & 0xff;
  config_write(device, msix, config_read(device, msix) | 0x80000000u);
  CHECK(ivshmem_device_interrupt(device, 1) == IVSHMEM_INTERRUPT_DELIVERED);
  CHECK(vmm.messages == 1 && vmm.address == 0xfee00000u && vmm.data == 0x41);

  CHECK(ivshmem_device_connect_call(device, 3, 1, ring, NULL, &vmm) == 0);
  write32(device, IVSHMEM_REGION_REGISTERS, 12, 3u << 16 | 1);
  write32(device, IVSHMEM_REGION_REGISTERS, 12, 4u << 16 | 1);
  CHECK(vmm.rings == 1);
  CHECK(ivshmem_device_count(device, IVSHMEM_COUNT_RINGS_DELIVERED) == 1);
  CHECK(ivshmem_device_count(device, IVSHMEM_COUNT_RINGS_NO_SUCH_PEER) == 1);

  CHECK(ivshmem_device_destroy(device) == 0);
  ivshmem_memory_destroy(memory);
}

int main(void) {
  CHECK(ivshmem_abi_version() == IVSHMEM_ABI_VERSION);
  CHECK(strlen(ivshmem_version_string()) != 0);
  CHECK(strcmp(ivshmem_last_error(), "") == 0);
  plain();
  doorbell();
  return 0;
}
