/* Copyright 2026 The ivshmem Authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* A VMM in C with an ivshmem device.
 *
 *   vmm                 its guest rings itself
 *   vmm SOCKET PEER     its guest and that of the peer of this id ring each
 *                       other, by the server at SOCKET
 *   vmm --no-kvm ...    without KVM, also where there is one
 *
 *   cc vmm.c guest.c $(pkg-config --cflags --libs ivshmem)
 */

#include <errno.h>
#include <ivshmem/ivshmem.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"

static void check(int result, const char* what) {
  if (result >= 0) return;
  fprintf(stderr, "vmm: %s: %s\n", what, ivshmem_last_error());
  exit(1);
}

static void expect(int holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "vmm: expected that %s\n", what);
  exit(1);
}

/* ---- What this VMM offers the device ----------------------------------- */

struct vmm {
  struct guest guest;
  ivshmem_device* device;
  int messages; /* Sent to the guest. */
  struct {
    uint64_t base, size;
    ivshmem_range* range;
  } ranges[3];
  /* Told by the link's thread. */
  pthread_mutex_t lock;
  pthread_cond_t joined;
  uint32_t peer;
  int peer_is_there;
};

static void send_msi(void* opaque, uint64_t address, uint32_t data) {
  struct vmm* vmm = opaque;
  __atomic_add_fetch(&vmm->messages, 1, __ATOMIC_SEQ_CST);
  guest_send_msi(&vmm->guest, address, data);
}

static int map_memory(void* opaque, uint64_t base, void* data, uint64_t size,
                      int read_only) {
  struct vmm* vmm = opaque;
  (void)read_only; /* Only if the device was made so. */
  return guest_map(&vmm->guest, base, data, size) < 0 ? -errno : 0;
}

static void unmap_memory(void* opaque, uint64_t base, void* data,
                         uint64_t size) {
  struct vmm* vmm = opaque;
  (void)data, (void)size;
  guest_map(&vmm->guest, base, NULL, 0);
}

/* Called on the one vCPU's thread: BARs move when the guest moves them. */
static int claim_range(void* opaque, uint64_t base, uint64_t size,
                       ivshmem_range* range) {
  struct vmm* vmm = opaque;
  for (int i = 0; i < 3; ++i) {
    if (vmm->ranges[i].range != NULL) continue;
    vmm->ranges[i].base = base;
    vmm->ranges[i].size = size;
    vmm->ranges[i].range = range;
    return 0;
  }
  return -ENOSPC;
}

static void release_range(void* opaque, uint64_t base, uint64_t size,
                          ivshmem_range* range) {
  struct vmm* vmm = opaque;
  (void)base, (void)size;
  for (int i = 0; i < 3; ++i) {
    if (vmm->ranges[i].range == range) vmm->ranges[i].range = NULL;
  }
}

/* The guest's access of what is no RAM. */
static void dispatch(void* opaque, uint64_t address, void* bytes, uint32_t size,
                     int is_write) {
  struct vmm* vmm = opaque;
  for (int i = 0; i < 3; ++i) {
    const uint64_t offset = address - vmm->ranges[i].base;
    if (vmm->ranges[i].range == NULL || address < vmm->ranges[i].base ||
        offset >= vmm->ranges[i].size) {
      continue;
    }
    if (is_write) {
      ivshmem_range_write(vmm->ranges[i].range, offset, bytes, size);
    } else {
      ivshmem_range_read(vmm->ranges[i].range, offset, bytes, size);
    }
    return;
  }
  if (!is_write) memset(bytes, 0xff, size);
}

/* ---- What firmware and a driver do ------------------------------------- */

static uint32_t config_read(struct vmm* vmm, uint32_t offset) {
  uint32_t value;
  ivshmem_device_config_read(vmm->device, offset, &value, sizeof(value));
  return value;
}

static void config_write(struct vmm* vmm, uint32_t offset, uint32_t value) {
  ivshmem_device_config_write(vmm->device, offset, &value, sizeof(value));
}

static void store(struct vmm* vmm, uint64_t address, uint32_t value) {
  dispatch(vmm, address, &value, sizeof(value), 1);
}

#define REGISTERS 0xf0000000u
#define MSIX_TABLE 0xf0001000u
#define MEMORY 0xe0000000u

static void enumerate(struct vmm* vmm) {
  expect(config_read(vmm, 0) == 0x11101af4, "the device is 1af4:1110");
  config_write(vmm, 0x10, 0xffffffff);
  expect((config_read(vmm, 0x10) & ~0xfu) == 0xffffff00,
         "BAR0 is of 256 bytes");
  config_write(vmm, 0x10, REGISTERS);
  config_write(vmm, 0x14, MSIX_TABLE);
  config_write(vmm, 0x18, MEMORY); /* 64 bits */
  config_write(vmm, 0x1c, 0);
  config_write(vmm, 0x04, 0x6); /* Answers at its BARs, sends messages. */

  uint32_t capability = config_read(vmm, 0x34) & 0xff;
  while (capability != 0 && (config_read(vmm, capability) & 0xff) != 0x11) {
    capability = config_read(vmm, capability) >> 8 & 0xff;
  }
  expect(capability != 0, "the device has MSI-X");
  store(vmm, MSIX_TABLE + 0, GUEST_MSI_ADDRESS);
  store(vmm, MSIX_TABLE + 4, 0);
  store(vmm, MSIX_TABLE + 8, GUEST_MSI_DATA);
  store(vmm, MSIX_TABLE + 12, 0); /* Not masked. */
  config_write(vmm, capability, 0x80000000 | config_read(vmm, capability));
}

/* ---- Saved with an interrupt pending, and restored ---------------------- */

/* The guest has ended and its peer has rung: the device is at rest. */
static void save_and_restore(struct vmm* vmm,
                             const struct ivshmem_pci_options* options) {
  store(vmm, MSIX_TABLE + 12, 1); /* Masked: what comes is held. */
  expect(ivshmem_device_interrupt(vmm->device, 0) == IVSHMEM_INTERRUPT_HELD,
         "an interrupt is held");
  const int sent = vmm->messages;

  const ssize_t size = ivshmem_device_save(vmm->device, NULL, 0);
  check((int)size, "save");
  void* state = malloc((size_t)size);
  expect(ivshmem_device_save(vmm->device, state, (size_t)size) == size,
         "the state is as long as it was");
  check(ivshmem_device_destroy(vmm->device), "destroy");
  check(ivshmem_pci_restore(options, state, (size_t)size, &vmm->device),
        "restore");
  free(state);

  expect(vmm->messages == sent, "what is masked is not sent");
  store(vmm, MSIX_TABLE + 12, 0);
  expect(vmm->messages == sent + 1, "the interrupt comes after all");
  printf("saved in %zd bytes and restored: the interrupt that was held came\n",
         size);
}

/* ---- Peers -------------------------------------------------------------- */

static void link_event(void* opaque, const struct ivshmem_link_event* event) {
  struct vmm* vmm = opaque;
  if (event->kind != IVSHMEM_LINK_PEER_JOINED || event->peer != vmm->peer)
    return;
  pthread_mutex_lock(&vmm->lock);
  vmm->peer_is_there = 1;
  pthread_cond_signal(&vmm->joined);
  pthread_mutex_unlock(&vmm->lock);
}

static void wait_for_peer(struct vmm* vmm) {
  pthread_mutex_lock(&vmm->lock);
  while (!vmm->peer_is_there) pthread_cond_wait(&vmm->joined, &vmm->lock);
  pthread_mutex_unlock(&vmm->lock);
}

int main(int argc, char** argv) {
  static struct vmm vmm = {.lock = PTHREAD_MUTEX_INITIALIZER,
                           .joined = PTHREAD_COND_INITIALIZER};
  const int no_kvm = argc > 1 && strcmp(argv[1], "--no-kvm") == 0;
  const char* socket_path = argc == no_kvm + 3 ? argv[no_kvm + 1] : NULL;
  if (socket_path == NULL && argc != no_kvm + 1) {
    fprintf(stderr, "usage: vmm [--no-kvm] [SOCKET PEER]\n");
    return 2;
  }
  if (socket_path != NULL) vmm.peer = (uint32_t)atoi(argv[no_kvm + 2]);
  alarm(60); /* The peer may never come. */
  expect(ivshmem_abi_version() == IVSHMEM_ABI_VERSION,
         "the library is the one that this was compiled for");

  const struct guest_machine machine = {&vmm, dispatch};
  expect(guest_create(&vmm.guest, machine, !no_kvm) == 0, "there is a guest");

  ivshmem_loop* loop = NULL;
  check(ivshmem_loop_start("ivshmem", &loop), "loop");
  ivshmem_link* link = NULL;
  ivshmem_memory* memory = NULL;
  if (socket_path != NULL) {
    const struct ivshmem_link_options options = {.struct_size = sizeof(options),
                                                 .socket_path = socket_path,
                                                 .event = link_event,
                                                 .opaque = &vmm};
    check(ivshmem_link_start(loop, &options, &link), "link");
    check(ivshmem_link_wait_joined(link, 10000), socket_path);
    check(ivshmem_link_memory(link, &memory), "the server's memory");
  } else {
    check(ivshmem_memory_create(1 << 20, &memory), "memory");
  }

  const struct ivshmem_host host = {.struct_size = sizeof(host),
                                    .opaque = &vmm,
                                    .send_msi = send_msi,
                                    .map_memory = map_memory,
                                    .unmap_memory = unmap_memory,
                                    .claim_range = claim_range,
                                    .release_range = release_range};
  const struct ivshmem_pci_options options = {.struct_size = sizeof(options),
                                              .memory = memory,
                                              .host = &host,
                                              .flags = IVSHMEM_DEVICE_HAS_ID,
                                              .vectors = 1};
  check(ivshmem_pci_create(&options, &vmm.device), "create");
  enumerate(&vmm);

  if (link != NULL) {
    check(ivshmem_link_attach(link, vmm.device), "attach");
    wait_for_peer(&vmm);
  } else { /* Its own peer, by hand. */
    check(ivshmem_device_vector_fd(vmm.device, 0), "vector");
    check(ivshmem_device_serve(vmm.device, loop), "serve");
  }

  struct guest_report report = {0, 0};
  const struct guest_task task = {REGISTERS, MEMORY, vmm.peer};
  expect(guest_run(&vmm.guest, task, &report) == 0, "the guest runs");
  expect(report.heard == (GUEST_HELLO | vmm.peer), "the peer said hello");
  printf("guest %u (%s) rang %u, was interrupted, and read 0x%x from it\n",
         report.id, vmm.guest.on_kvm ? "KVM" : "played", vmm.peer,
         report.heard);

  if (link != NULL) check(ivshmem_link_detach(vmm.device), "detach");
  save_and_restore(&vmm, &options);

  check(ivshmem_device_destroy(vmm.device), "destroy");
  ivshmem_memory_destroy(memory);
  check(ivshmem_link_destroy(link), "the link's end");
  check(ivshmem_loop_destroy(loop), "the loop's end");
  guest_destroy(&vmm.guest);
  return 0;
}
