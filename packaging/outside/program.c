/* Copyright 2026 The ivshmem Authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* A program that knows only what is installed: exits 0 when a device that it
 * makes is what its guest expects. Valid as C++, too. */

#include <ivshmem/ivshmem.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  struct ivshmem_pci_options options;
  ivshmem_memory* memory = NULL;
  ivshmem_device* device = NULL;
  uint32_t id = 0;
  memset(&options, 0, sizeof(options));
  options.struct_size = sizeof(options);
  if (ivshmem_memory_create(1 << 16, &memory) != 0) return 1;
  options.memory = memory;
  /* An error crosses the border as a text. */
  options.vectors = 4096;
  if (ivshmem_pci_create(&options, &device) == 0) return 1;
  if (strstr(ivshmem_last_error(), "vectors") == NULL) return 1;
  options.vectors = 2;
  if (ivshmem_pci_create(&options, &device) != 0) return 1;
  ivshmem_device_config_read(device, 0, &id, sizeof(id));
  printf("%s %x\n", ivshmem_version_string(), id);
  if (ivshmem_device_destroy(device) != 0) return 1;
  ivshmem_memory_destroy(memory);
  return 0;
}
