/* Copyright 2026 The ivshmem Authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* A guest of eleven instructions, on KVM where /dev/kvm can be used, else
 * played by this program:
 *
 *   its id is what the device's register says
 *   writes GUEST_HELLO + its id into the shared memory, at 4 * its id
 *   rings the peer's vector 0
 *   waits for an interrupt
 *   reads what the peer wrote, at 4 * the peer's id
 */

#ifndef IVSHMEM_EXAMPLES_C_VMM_GUEST_H_
#define IVSHMEM_EXAMPLES_C_VMM_GUEST_H_

#include <stdint.h>

#define GUEST_HELLO 0x600d0000u

/* What the VMM does for its guest. */
struct guest_machine {
  void* opaque;
  /* The guest's access of what is no RAM. */
  void (*access)(void* opaque, uint64_t address, void* bytes, uint32_t size,
                 int is_write);
};

struct guest {
  struct guest_machine machine;
  int on_kvm;
  /* On KVM */
  int vm_fd, vcpu_fd;
  void *ram, *run;
  long run_size;
  /* Played */
  int interrupted; /* An eventfd. */
  void* memory;
  uint64_t memory_base;
};

/* Where the guest finds the device, and whom it rings. */
struct guest_task {
  uint64_t registers, memory;
  uint32_t peer;
};

/* What it found. */
struct guest_report {
  uint32_t id, heard;
};

/* 0 or -1: nothing is left then. `use_kvm` 0: the guest is played. */
int guest_create(struct guest* guest, struct guest_machine machine,
                 int use_kvm);
void guest_destroy(struct guest* guest);

/* `size` bytes at `data` are RAM of the guest's at `base`; 0 bytes: no more. */
int guest_map(struct guest* guest, uint64_t base, void* data, uint64_t size);

/* A message-signalled interrupt, from any thread. */
void guest_send_msi(struct guest* guest, uint64_t address, uint32_t data);

/* Runs it to its end. The interrupt that it waits for has GUEST_MSI_ADDRESS and
 * GUEST_MSI_DATA. */
#define GUEST_MSI_ADDRESS 0xfee00000u
#define GUEST_MSI_DATA 0x40u
int guest_run(struct guest* guest, struct guest_task task,
              struct guest_report* report);

#endif /* IVSHMEM_EXAMPLES_C_VMM_GUEST_H_ */
