/* Copyright 2026 The ivshmem Authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Programs that were compiled long ago pass structs of the layout that they
 * know: nothing in one ever moves, and new fields come at the end. These are
 * the numbers of 64-bit Linux. That it compiles is the test. */

#include <stddef.h>

#include "ivshmem/ivshmem.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define CHECK(condition) \
  typedef char JOIN(check_, __LINE__)[(condition) ? 1 : -1] /* NOLINT */

CHECK(sizeof(struct ivshmem_event) == 40);
CHECK(offsetof(struct ivshmem_event, struct_size) == 0);
CHECK(offsetof(struct ivshmem_event, kind) == 8);
CHECK(offsetof(struct ivshmem_event, result) == 12);
CHECK(offsetof(struct ivshmem_event, peer) == 16);
CHECK(offsetof(struct ivshmem_event, vector) == 20);
CHECK(offsetof(struct ivshmem_event, address) == 24);
CHECK(offsetof(struct ivshmem_event, text) == 32);

CHECK(sizeof(struct ivshmem_irq) == 16);
CHECK(offsetof(struct ivshmem_irq, fd) == 0);
CHECK(offsetof(struct ivshmem_irq, data) == 4);
CHECK(offsetof(struct ivshmem_irq, address) == 8);

CHECK(sizeof(struct ivshmem_host) == 136);
CHECK(offsetof(struct ivshmem_host, struct_size) == 0);
CHECK(offsetof(struct ivshmem_host, opaque) == 8);
CHECK(offsetof(struct ivshmem_host, flags) == 16);
CHECK(offsetof(struct ivshmem_host, reserved) == 20);
CHECK(offsetof(struct ivshmem_host, send_msi) == 24);
CHECK(offsetof(struct ivshmem_host, set_line) == 32);
CHECK(offsetof(struct ivshmem_host, pulse) == 40);
CHECK(offsetof(struct ivshmem_host, map_memory) == 48);
CHECK(offsetof(struct ivshmem_host, unmap_memory) == 56);
CHECK(offsetof(struct ivshmem_host, claim_range) == 64);
CHECK(offsetof(struct ivshmem_host, release_range) == 72);
CHECK(offsetof(struct ivshmem_host, add_ioeventfd) == 80);
CHECK(offsetof(struct ivshmem_host, remove_ioeventfd) == 88);
CHECK(offsetof(struct ivshmem_host, bind_irq) == 96);
CHECK(offsetof(struct ivshmem_host, unbind_irq) == 104);
CHECK(offsetof(struct ivshmem_host, bind_irqs) == 112);
CHECK(offsetof(struct ivshmem_host, run) == 120);
CHECK(offsetof(struct ivshmem_host, event) == 128);

CHECK(sizeof(struct ivshmem_pci_options) == 96);
CHECK(offsetof(struct ivshmem_pci_options, struct_size) == 0);
CHECK(offsetof(struct ivshmem_pci_options, memory) == 8);
CHECK(offsetof(struct ivshmem_pci_options, host) == 16);
CHECK(offsetof(struct ivshmem_pci_options, loop) == 24);
CHECK(offsetof(struct ivshmem_pci_options, flags) == 32);
CHECK(offsetof(struct ivshmem_pci_options, dialect) == 36);
CHECK(offsetof(struct ivshmem_pci_options, interrupts) == 40);
CHECK(offsetof(struct ivshmem_pci_options, vectors) == 44);
CHECK(offsetof(struct ivshmem_pci_options, id) == 48);
CHECK(offsetof(struct ivshmem_pci_options, subsystem_vendor_id) == 52);
CHECK(offsetof(struct ivshmem_pci_options, subsystem_id) == 56);
CHECK(offsetof(struct ivshmem_pci_options, reserved) == 60);
CHECK(offsetof(struct ivshmem_pci_options, bar_addresses) == 64);
CHECK(offsetof(struct ivshmem_pci_options, limits) == 88);

CHECK(sizeof(struct ivshmem_allowed_rings) == 8);
CHECK(offsetof(struct ivshmem_allowed_rings, peer) == 0);
CHECK(offsetof(struct ivshmem_allowed_rings, vector) == 4);

CHECK(sizeof(struct ivshmem_limits) == 40);
CHECK(offsetof(struct ivshmem_limits, struct_size) == 0);
CHECK(offsetof(struct ivshmem_limits, rings_per_second) == 8);
CHECK(offsetof(struct ivshmem_limits, rings_burst) == 12);
CHECK(offsetof(struct ivshmem_limits, interrupts_per_second) == 16);
CHECK(offsetof(struct ivshmem_limits, interrupts_burst) == 20);
CHECK(offsetof(struct ivshmem_limits, may_ring) == 24);
CHECK(offsetof(struct ivshmem_limits, may_ring_count) == 32);

CHECK(sizeof(struct ivshmem_flat_options) == 72);
CHECK(offsetof(struct ivshmem_flat_options, struct_size) == 0);
CHECK(offsetof(struct ivshmem_flat_options, memory) == 8);
CHECK(offsetof(struct ivshmem_flat_options, host) == 16);
CHECK(offsetof(struct ivshmem_flat_options, loop) == 24);
CHECK(offsetof(struct ivshmem_flat_options, flags) == 32);
CHECK(offsetof(struct ivshmem_flat_options, vectors) == 36);
CHECK(offsetof(struct ivshmem_flat_options, id) == 40);
CHECK(offsetof(struct ivshmem_flat_options, reserved) == 44);
CHECK(offsetof(struct ivshmem_flat_options, registers_address) == 48);
CHECK(offsetof(struct ivshmem_flat_options, memory_address) == 56);
CHECK(offsetof(struct ivshmem_flat_options, limits) == 64);

CHECK(sizeof(struct ivshmem_link_event) == 32);
CHECK(offsetof(struct ivshmem_link_event, struct_size) == 0);
CHECK(offsetof(struct ivshmem_link_event, kind) == 8);
CHECK(offsetof(struct ivshmem_link_event, peer) == 12);
CHECK(offsetof(struct ivshmem_link_event, old_peer) == 16);
CHECK(offsetof(struct ivshmem_link_event, reserved) == 20);
CHECK(offsetof(struct ivshmem_link_event, text) == 24);

CHECK(sizeof(struct ivshmem_link_options) == 80);
CHECK(offsetof(struct ivshmem_link_options, struct_size) == 0);
CHECK(offsetof(struct ivshmem_link_options, socket_path) == 8);
CHECK(offsetof(struct ivshmem_link_options, memory_size) == 16);
CHECK(offsetof(struct ivshmem_link_options, flags) == 24);
CHECK(offsetof(struct ivshmem_link_options, vectors) == 28);
CHECK(offsetof(struct ivshmem_link_options, greeting_deadline_ms) == 32);
CHECK(offsetof(struct ivshmem_link_options, retry_first_ms) == 36);
CHECK(offsetof(struct ivshmem_link_options, retry_most_ms) == 40);
CHECK(offsetof(struct ivshmem_link_options, absent_peers_ms) == 44);
CHECK(offsetof(struct ivshmem_link_options, max_descriptors) == 48);
CHECK(offsetof(struct ivshmem_link_options, reserved) == 52);
CHECK(offsetof(struct ivshmem_link_options, identity) == 56);
CHECK(offsetof(struct ivshmem_link_options, event) == 64);
CHECK(offsetof(struct ivshmem_link_options, opaque) == 72);

int main(void) { return 0; }
