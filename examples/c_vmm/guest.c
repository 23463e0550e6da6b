/* Copyright 2026 The ivshmem Authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "guest.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
  RAM_SIZE = 0x10000,
  CODE = 0x1000,
  HANDLER = 0x1100,
  IDT = 0x2000,
  GDT = 0x3000,
  STACK = 0x8000,
  /* Ports by which the guest reports. */
  PORT_ID = 0x10,
  PORT_HEARD = 0x11
};

/* ---- On KVM ------------------------------------------------------------ */

static uint8_t* put32(uint8_t* at, uint32_t value) {
  memcpy(at, &value, 4);
  return at + 4;
}

/* 32 bits, flat, interrupts by one gate. */
static void write_program(uint8_t* ram, struct guest_task task) {
  const uint32_t registers = (uint32_t)task.registers;
  const uint32_t memory = (uint32_t)task.memory;
  uint8_t* at = ram + CODE;
  *at++ = 0xa1, at = put32(at, registers + 8); /* mov eax, [IVPosition] */
  *at++ = 0xe7, *at++ = PORT_ID;               /* out PORT_ID, eax      */
  *at++ = 0x89, *at++ = 0xc3;                  /* mov ebx, eax          */
  *at++ = 0x0d, at = put32(at, GUEST_HELLO);   /* or eax, GUEST_HELLO   */
  *at++ = 0x89, *at++ = 0x04, *at++ = 0x9d;    /* mov [memory+4*ebx],   */
  at = put32(at, memory);                      /*     eax               */
  *at++ = 0xc7, *at++ = 0x05;                  /* mov [Doorbell],       */
  at = put32(at, registers + 12);              /*     peer, vector 0    */
  at = put32(at, task.peer << 16);
  *at++ = 0xfb;               /* sti                   */
  *at++ = 0xf4;               /* hlt                   */
  *at++ = 0xeb, *at++ = 0xfd; /* jmp to the hlt        */
  at = ram + HANDLER;
  *at++ = 0xa1, at = put32(at, memory + 4 * task.peer); /* mov eax, [...] */
  *at++ = 0xe7, *at++ = PORT_HEARD;                     /* out            */

  const uint64_t flat_code = 0x00cf9b000000ffff;
  const uint64_t gate = 0x00008e0000080000 | HANDLER;
  memcpy(ram + GDT + 8, &flat_code, 8);
  memcpy(ram + IDT + 8 * GUEST_MSI_DATA, &gate, 8);
}

static int set_registers(int vcpu) {
  const struct kvm_segment code = {.limit = 0xffffffff,
                                   .selector = 8,
                                   .type = 11,
                                   .present = 1,
                                   .db = 1,
                                   .s = 1,
                                   .g = 1};
  struct kvm_segment data = code;
  struct kvm_regs regs = {.rip = CODE, .rsp = STACK, .rflags = 2};
  struct kvm_sregs sregs;
  struct kvm_lapic_state lapic;
  uint32_t spurious;
  if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0 ||
      ioctl(vcpu, KVM_GET_LAPIC, &lapic) < 0) {
    return -1;
  }
  data.selector = 16;
  data.type = 3;
  sregs.cs = code;
  sregs.ds = sregs.es = sregs.ss = data;
  sregs.cr0 |= 1;
  sregs.gdt.base = GDT, sregs.gdt.limit = 15;
  sregs.idt.base = IDT, sregs.idt.limit = 8 * 256 - 1;
  /* Firmware would have enabled the interrupt controller. */
  memcpy(&spurious, lapic.regs + 0xf0, 4);
  spurious |= 0x1ff;
  memcpy(lapic.regs + 0xf0, &spurious, 4);
  return ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0 ||
                 ioctl(vcpu, KVM_SET_LAPIC, &lapic) < 0 ||
                 ioctl(vcpu, KVM_SET_REGS, &regs) < 0
             ? -1
             : 0;
}

static int create_on_kvm(struct guest* guest) {
  const int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  guest->vm_fd = ioctl(kvm, KVM_CREATE_VM, 0);
  guest->run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
  close(kvm);
  if (guest->vm_fd < 0) return -1;
  guest->ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (guest->ram == MAP_FAILED || guest->run_size <= 0 ||
      ioctl(guest->vm_fd, KVM_SET_TSS_ADDR, 0xfffbd000) < 0 ||
      ioctl(guest->vm_fd, KVM_CREATE_IRQCHIP, 0) < 0 ||
      guest_map(guest, 0, guest->ram, RAM_SIZE) < 0) {
    return -1;
  }
  guest->vcpu_fd = ioctl(guest->vm_fd, KVM_CREATE_VCPU, 0);
  if (guest->vcpu_fd < 0) return -1;
  guest->run = mmap(NULL, (size_t)guest->run_size, PROT_READ | PROT_WRITE,
                    MAP_SHARED, guest->vcpu_fd, 0);
  return guest->run == MAP_FAILED ? -1 : set_registers(guest->vcpu_fd);
}

static int run_on_kvm(struct guest* guest, struct guest_task task,
                      struct guest_report* report) {
  struct kvm_run* run = guest->run;
  write_program(guest->ram, task);
  while (ioctl(guest->vcpu_fd, KVM_RUN, 0) == 0) {
    if (run->exit_reason == KVM_EXIT_MMIO) {
      guest->machine.access(guest->machine.opaque, run->mmio.phys_addr,
                            run->mmio.data, run->mmio.len, run->mmio.is_write);
    } else if (run->exit_reason == KVM_EXIT_IO) {
      const void* data = (const uint8_t*)run + run->io.data_offset;
      memcpy(run->io.port == PORT_ID ? &report->id : &report->heard, data, 4);
      if (run->io.port == PORT_HEARD) return 0;
    } else {
      fprintf(stderr, "KVM exit %u\n", run->exit_reason);
      return -1;
    }
  }
  perror("KVM_RUN");
  return -1;
}

/* ---- Played ------------------------------------------------------------ */

static int play(struct guest* guest, struct guest_task task,
                struct guest_report* report) {
  volatile uint32_t* memory = guest->memory;
  uint32_t doorbell = task.peer << 16;
  uint64_t signals;
  if (memory == NULL || guest->memory_base != task.memory) return -1;
  guest->machine.access(guest->machine.opaque, task.registers + 8, &report->id,
                        4, 0);
  memory[report->id] = GUEST_HELLO | report->id;
  guest->machine.access(guest->machine.opaque, task.registers + 12, &doorbell,
                        4, 1);
  if (read(guest->interrupted, &signals, sizeof(signals)) < 0) return -1;
  report->heard = memory[task.peer];
  return 0;
}

/* ---- Either ------------------------------------------------------------ */

int guest_create(struct guest* guest, struct guest_machine machine,
                 int use_kvm) {
  memset(guest, 0, sizeof(*guest));
  guest->machine = machine;
  guest->vm_fd = guest->vcpu_fd = guest->interrupted = -1;
  guest->ram = guest->run = MAP_FAILED;
  guest->on_kvm = use_kvm && access("/dev/kvm", R_OK | W_OK) == 0;
  if (guest->on_kvm) {
    if (create_on_kvm(guest) == 0) return 0;
    perror("/dev/kvm");
  } else {
    guest->interrupted = eventfd(0, EFD_CLOEXEC);
    if (guest->interrupted >= 0) return 0;
  }
  guest_destroy(guest);
  return -1;
}

void guest_destroy(struct guest* guest) {
  if (guest->run != MAP_FAILED) munmap(guest->run, (size_t)guest->run_size);
  if (guest->vcpu_fd >= 0) close(guest->vcpu_fd);
  if (guest->vm_fd >= 0) close(guest->vm_fd);
  if (guest->ram != MAP_FAILED) munmap(guest->ram, RAM_SIZE);
  if (guest->interrupted >= 0) close(guest->interrupted);
}

/* Slot 0 is the RAM, slot 1 the device's memory. */
int guest_map(struct guest* guest, uint64_t base, void* data, uint64_t size) {
  struct kvm_userspace_memory_region region = {.guest_phys_addr = base,
                                               .memory_size = size};
  region.slot = data == guest->ram ? 0 : 1;
  region.userspace_addr = (uint64_t)(uintptr_t)data;
  guest->memory = size ? data : NULL;
  guest->memory_base = base;
  if (!guest->on_kvm) return 0;
  return ioctl(guest->vm_fd, KVM_SET_USER_MEMORY_REGION, &region);
}

void guest_send_msi(struct guest* guest, uint64_t address, uint32_t data) {
  if (guest->on_kvm) {
    struct kvm_msi msi = {.address_lo = (uint32_t)address,
                          .address_hi = (uint32_t)(address >> 32),
                          .data = data};
    ioctl(guest->vm_fd, KVM_SIGNAL_MSI, &msi);
  } else if (address == GUEST_MSI_ADDRESS && data == GUEST_MSI_DATA) {
    const uint64_t one = 1;
    if (write(guest->interrupted, &one, sizeof(one)) < 0) perror("eventfd");
  }
}

int guest_run(struct guest* guest, struct guest_task task,
              struct guest_report* report) {
  return guest->on_kvm ? run_on_kvm(guest, task, report)
                       : play(guest, task, report);
}
