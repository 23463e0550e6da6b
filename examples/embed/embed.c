/* Copyright 2026 The ivshmem Authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The least that a VMM in C does to have the device. */

#include <errno.h>
#include <ivshmem/ivshmem.h>
#include <stdio.h>

/* Yours: how a VMM interrupts its guest. */
static void send_msi(void* vmm, uint64_t address, uint32_t data) {
  fprintf(vmm, "message %#x to %#llx\n", (unsigned)data,
          (unsigned long long)address);
}

/* [embed] */
static int embed(void* vmm) {
  struct ivshmem_host host = {.struct_size = sizeof host,
                              .opaque = vmm, /* For each callback. */
                              .send_msi = send_msi};
  struct ivshmem_pci_options options = {
      .struct_size = sizeof options, .host = &host, .vectors = 2};
  ivshmem_memory* memory; /* What peers share. */
  ivshmem_device* device;
  int error = ivshmem_memory_create(1 << 20, &memory);
  if (error != 0) return error;
  options.memory = memory;
  error = ivshmem_pci_create(&options, &device);
  ivshmem_memory_destroy(memory); /* The device keeps it mapped. */
  if (error != 0) return error;

  uint8_t id[4]; /* A guest's config read; then BARs: ivshmem_device_read(). */
  ivshmem_device_config_read(device, 0, id, sizeof id);
  ivshmem_device_destroy(device);
  return id[0] == 0xf4 ? 0 : -ENODEV;
}
/* [embed] */

int main(void) {
  const int error = embed(stderr);
  if (error != 0) fprintf(stderr, "embed: %s\n", ivshmem_last_error());
  return error != 0;
}
