/* Copyright 2026 The ivshmem Authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The ivshmem device for VMMs of any language: the library's C interface.
 *
 *   ivshmem_memory_map_fd(fd, 0, 0, &memory);
 *   options.memory = memory;
 *   options.host = &host;                      (what your VMM offers)
 *   ivshmem_pci_create(&options, &device);
 *   ivshmem_device_config_write(device, offset, bytes, size);    (each exit)
 *
 * Results: functions that return an int give 0, or a number that their text
 * names, or a negative errno; ivshmem_last_error() then says what was expected
 * and what came. What a pointer should receive is written only on success.
 *   -EINVAL     an argument, option or state is wrong; the text names it
 *   -E2BIG      a struct is larger than this library knows, and its unknown
 *               part is not zero
 *   -ERANGE     a number is past what there can be
 *   -ENOENT     there is no such thing, or not now
 *   -EEXIST     there is one already
 *   -EBUSY      it is in use, or the moment is wrong
 *   -EDEADLK    called from inside a call of the library's where it may not
 *   -EAGAIN     not now; later perhaps
 *   -ETIMEDOUT  the time is over
 *   -EACCES     not permitted
 *   -ENOBUFS    out of descriptors, memory or room; the text says which
 *   -ENOMEM     this process has no memory left
 *   -EOPNOTSUPP not supported, -ECANCELED given up, -EIO anything else
 *
 * Structs: `struct_size` is the first field of each struct that may grow. The
 * caller sets it to sizeof the struct as it was compiled. What a smaller one
 * does not have is taken as zero, and zero is the default of every field. Set
 * the whole struct to zero before you fill it.
 *
 * Handles are opaque. A null handle gives -EINVAL (where there is no int to
 * return: nothing is done, reads give ones). Destroying null does nothing. No
 * call with a handle may begin once its destruction has; those that other
 * threads have under way then are in a callback.
 *
 * Threading: every function may be called from any thread, and by several at
 * once, unless its text says otherwise. "One at a time" is meant for one
 * handle. Callbacks are never called under a lock of the library's and may call
 * the library again, unless their text says otherwise; they must not block, nor
 * leave by longjmp() or an exception.
 */

#ifndef IVSHMEM_IVSHMEM_H_
#define IVSHMEM_IVSHMEM_H_

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- The library ------------------------------------------------------- */

#define IVSHMEM_ABI_VERSION 0

/* The ABI of the library that runs: the number of its soname. Programs that
 * were compiled with another IVSHMEM_ABI_VERSION cannot use it. */
uint32_t ivshmem_abi_version(void);

/* The library's version for people, as "0.1.0". Valid for ever. */
const char* ivshmem_version_string(void);

/* Why the calling thread's last failing call failed: English, one line, without
 * a newline at its end. Valid until the thread's next failing call. "" when
 * none has failed; never null. */
const char* ivshmem_last_error(void);

typedef struct ivshmem_memory ivshmem_memory;
typedef struct ivshmem_device ivshmem_device;
typedef struct ivshmem_range ivshmem_range;
typedef struct ivshmem_work ivshmem_work;
typedef struct ivshmem_loop ivshmem_loop;
typedef struct ivshmem_link ivshmem_link;
typedef struct ivshmem_switchboard ivshmem_switchboard;

/* ---- Memory that peers share ------------------------------------------- */

/* ivshmem_memory_map_fd: fail with -EACCES unless the object is sealed against
 * shrinking (F_SEAL_SHRINK). Where it is not, whoever has it open can shrink
 * it, and an access past its new end raises SIGBUS in this process. */
#define IVSHMEM_MEMORY_SEALED 0x1u

/* Maps the object behind `fd` (memfd, POSIX shared memory, a file), shared and
 * for reading and writing. `fd` stays the caller's, who may close it. `size` is
 * what it must have in bytes, or 0 for any. Errors: -EINVAL for what is no such
 * object, is empty, or has another size. */
int ivshmem_memory_map_fd(int fd, uint64_t size, uint32_t flags,
                          ivshmem_memory** memory);

/* New anonymous memory of `size` bytes, zeros, sealed, with a descriptor
 * (ivshmem_memory_fd()). */
int ivshmem_memory_create(uint64_t size, ivshmem_memory** memory);

/* `size` bytes at `data`, which the caller keeps mapped and writable until
 * the handle and all devices that were made with it are destroyed. */
int ivshmem_memory_wrap(void* data, uint64_t size, ivshmem_memory** memory);

/* Where the memory is in this process, and its size in bytes. Null and 0 for a
 * null handle. Peers write it at any time. */
void* ivshmem_memory_data(const ivshmem_memory* memory);
uint64_t ivshmem_memory_size(const ivshmem_memory* memory);

/* The object's descriptor, open as long as the handle is. -ENOENT for memory
 * that was wrapped, or came from a link. */
int ivshmem_memory_fd(const ivshmem_memory* memory);

/* The handle goes. The memory stays mapped for the devices that were made with
 * it; the handle may be destroyed as soon as they are made. */
void ivshmem_memory_destroy(ivshmem_memory* memory);

/* ---- What a VMM offers: the host --------------------------------------- */

/* What happened to a doorbell that the guest wrote. */
enum {
  IVSHMEM_RING_DELIVERED = 0,
  IVSHMEM_RING_CARRIER_FULL = 1, /* The peer has one waiting anyway. */
  IVSHMEM_RING_CARRIER_FAILED = 2,
  IVSHMEM_RING_NO_SUCH_PEER = 3,
  IVSHMEM_RING_NO_SUCH_VECTOR = 4,
  /* The device is not configured for interrupts, or has no id yet. */
  IVSHMEM_RING_NOT_CONFIGURED = 5,
  IVSHMEM_RING_NOT_ALLOWED = 6, /* Lost: ivshmem_limits.may_ring. */
  IVSHMEM_RING_OVER_RATE = 7    /* Lost: ivshmem_limits.rings_per_second. */
};

/* What happened to a peer's interrupt. */
enum {
  IVSHMEM_INTERRUPT_DELIVERED = 0,
  IVSHMEM_INTERRUPT_HELD = 1,     /* Until the guest unmasks the vector. */
  IVSHMEM_INTERRUPT_DISABLED = 2, /* Lost: the guest has not enabled them. */
  IVSHMEM_INTERRUPT_NO_SUCH_VECTOR = 3,
  IVSHMEM_INTERRUPT_NOT_CONFIGURED = 4,
  /* ivshmem_limits.interrupts_per_second: it comes later, with others of its
   * vector, and has another result then. */
  IVSHMEM_INTERRUPT_DEFERRED = 5
};

enum {
  /* The guest wrote the doorbell: peer, vector, result (IVSHMEM_RING_...). */
  IVSHMEM_EVENT_RING = 0,
  /* A peer rang: vector, result (IVSHMEM_INTERRUPT_...). */
  IVSHMEM_EVENT_INTERRUPT = 1,
  IVSHMEM_EVENT_RESET = 2,
  /* The device's id is `peer` now, or it has none (`text` says so). */
  IVSHMEM_EVENT_ID_CHANGED = 3,
  /* What was asked for holds with a restriction: text. */
  IVSHMEM_EVENT_WARNING = 4,
  /* A BAR cannot be shown where the guest put it: address, text. It is out of
   * the guest's sight until it is placed anew. */
  IVSHMEM_EVENT_MAP_FAILED = 5,
  /* A doorbell stays on the trapped path: peer, vector, text. No fault. */
  IVSHMEM_EVENT_DOORBELL_NOT_ACCELERATED = 6,
  /* A vector stays on the trapped path: vector, text. No fault. */
  IVSHMEM_EVENT_INTERRUPT_NOT_ROUTED = 7
};

/* Something to log, trace or act upon. What the kind does not name is 0 or "".
 * Made by the library; valid during the call. Kinds may be added: ignore those
 * that you do not know. */
struct ivshmem_event {
  size_t struct_size;
  uint32_t kind;
  uint32_t result;
  uint32_t peer;
  uint32_t vector;
  uint64_t address;
  const char* text; /* Never null. */
};

/* One message by which an event interrupts the guest. */
struct ivshmem_irq {
  int32_t fd; /* An eventfd of the library's, valid until it is unbound. */
  uint32_t data;
  uint64_t address;
};

/* ivshmem_host.flags */

/* A guest's write to a doorbell that matches no ioeventfd is lost there, as
 * with ACRN, instead of trapped, as with KVM. Then all are bound or none is. */
#define IVSHMEM_HOST_MISSES_ARE_SWALLOWED 0x1u
/* bind_irq leaves in the eventfd the signals that it has sent (ACRN), instead
 * of taking them (KVM). */
#define IVSHMEM_HOST_SIGNALS_STAY 0x2u
/* A guest's write to memory that map_memory shows read-only traps, as with KVM:
 * claim_range is called for that range as well, and such writes are counted
 * (IVSHMEM_COUNT_MEMORY_WRITES_REFUSED). */
#define IVSHMEM_HOST_READ_ONLY_WRITES_TRAP 0x4u

/* What the hypervisor offers a device. The struct is copied when a device is
 * made. Each callback may be null: the device then does without, as its comment
 * says. `opaque` is handed to all of them and stays valid as long as the
 * device.
 *
 * Callbacks that return an int give 0 or a negative errno. Guest-physical
 * addresses and sizes are in bytes.
 *
 * Threading: send_msi, pulse and event come from any thread, by several at
 * once, and may destroy the device if they were called for a guest's write to
 * the registers or a peer's interrupt; all others come from any thread, one
 * call of each kind at a time for a device, and may not destroy it (-EDEADLK).
 */
struct ivshmem_host {
  size_t struct_size;
  void* opaque;
  uint32_t flags;    /* IVSHMEM_HOST_... */
  uint32_t reserved; /* 0 */

  /* PCI with MSI-X: interrupts the guest. A message that the platform refuses
   * is the guest's loss. Null: interrupts go nowhere. */
  void (*send_msi)(void* opaque, uint64_t address, uint32_t data);

  /* PCI with INTx: the line's level now. */
  void (*set_line)(void* opaque, int asserted);

  /* Flat: one edge of the line. Null: the device has no line, and notifies
   * neither way; an event warns of that. */
  void (*pulse)(void* opaque);

  /* Shows `size` bytes at `data` to the guest at `base`, write-back cached,
   * until unmap_memory is called with the same numbers. Null: accesses of the
   * memory trap as others do. Both or none are null. */
  int (*map_memory)(void* opaque, uint64_t base, void* data, uint64_t size,
                    int read_only);
  void (*unmap_memory)(void* opaque, uint64_t base, void* data, uint64_t size);

  /* From now on the guest's accesses to [base, base + size) go to
   * ivshmem_range_read() and ivshmem_range_write() with `range`, until
   * release_range is called with the same. `range` is valid as long as the
   * device: an access under way at the release is harmless. May be called
   * before ivshmem_pci_restore() or ivshmem_flat_create() has returned.
   * Null: the VMM finds the ranges itself (ivshmem_device_region_address()).
   * Both or none are null. */
  int (*claim_range)(void* opaque, uint64_t base, uint64_t size,
                     ivshmem_range* range);
  void (*release_range)(void* opaque, uint64_t base, uint64_t size,
                        ivshmem_range* range);

  /* A guest's write of exactly 4 bytes of `value` at `address` signals the
   * eventfd `fd`, and does not trap, until remove_ioeventfd is called with the
   * same. `fd` stays open till then. -ENOSPC, when there is no more room, is no
   * fault. Null: doorbells trap. Both or none are null. */
  int (*add_ioeventfd)(void* opaque, uint64_t address, uint32_t value, int fd);
  void (*remove_ioeventfd)(void* opaque, uint64_t address, uint32_t value,
                           int fd);

  /* PCI with MSI-X: a signal of irq->fd sends the message, until unbind_irq is
   * called with the same; also a signal that the eventfd holds already. A
   * failure is no fault: the vector traps. Null: interrupts come by send_msi.
   * Both or none are null. */
  int (*bind_irq)(void* opaque, const struct ivshmem_irq* irq);
  void (*unbind_irq)(void* opaque, const struct ivshmem_irq* irq);

  /* As bind_irq for `count` of them, where one replacement of a table is
   * cheaper than many: sets each of `results` to 0 or a negative errno. Null:
   * bind_irq is called for each. Needs unbind_irq. */
  void (*bind_irqs)(void* opaque, const struct ivshmem_irq* irqs, size_t count,
                    int* results);

  /* Takes work off the path that a guest waits for: call ivshmem_work_run()
   * later, once, on a thread of your choosing, never inside this call; in the
   * order in which it came, one at a time. It is harmless after the device is
   * gone. Null: see `loop` of the device's options. */
  void (*run)(void* opaque, ivshmem_work* work);

  /* It is on the access path: whoever logs from here bounds the rate. */
  void (*event)(void* opaque, const struct ivshmem_event* event);
};

/* Does the work, or drops it, and frees it. */
void ivshmem_work_run(ivshmem_work* work);
void ivshmem_work_drop(ivshmem_work* work);

/* ---- Making a device --------------------------------------------------- */

/* Where the references disagree. */
enum {
  IVSHMEM_DIALECT_REV1 = 0, /* The specification's device. */
  IVSHMEM_DIALECT_REV0 = 1, /* The one before QEMU 2.6, with INTx. */
  IVSHMEM_DIALECT_QEMU = 2, /* QEMU's, down to bytes and words. */
  IVSHMEM_DIALECT_ACRN = 3  /* The one in ACRN's hypervisor. */
};

enum {
  IVSHMEM_INTERRUPTS_MSIX = 0, /* ivshmem-doorbell */
  IVSHMEM_INTERRUPTS_INTX = 1, /* Dialect REV0 only. */
  IVSHMEM_INTERRUPTS_NONE = 2  /* ivshmem-plain: memory only. */
};

/* flags of ivshmem_pci_options and ivshmem_flat_options */
#define IVSHMEM_DEVICE_HAS_ID 0x1u /* `id` counts. */
#define IVSHMEM_DEVICE_READ_ONLY              \
  0x2u /* The guest may not write the memory. \
        */
/* flags of ivshmem_pci_options */
#define IVSHMEM_DEVICE_HAS_SUBSYSTEM_VENDOR_ID 0x100u
#define IVSHMEM_DEVICE_HAS_SUBSYSTEM_ID 0x200u
#define IVSHMEM_DEVICE_MULTI_FUNCTION 0x400u
#define IVSHMEM_DEVICE_HAS_BAR0 0x1000u /* bar_addresses[0] counts. */
#define IVSHMEM_DEVICE_HAS_BAR1 0x2000u
#define IVSHMEM_DEVICE_HAS_BAR2 0x4000u

/* Doorbells that a guest may ring. */
struct ivshmem_allowed_rings {
  int32_t peer;   /* 0..65535; -1 for any. */
  int32_t vector; /* 0..2047; -1 for any. */
};

/* What a device does for its neighbours, or against them; all off by default. A
 * rate: in any time of t seconds no more than per_second * t + burst. What a
 * limit counts, no hypervisor does past it: with a rate of rings no doorbell is
 * bound, with one of interrupts no vector routed; an event warns of that. */
struct ivshmem_limits {
  size_t struct_size;
  /* Rings that leave the device: 1..1000000; 0 for no limit. Others are lost.
   */
  uint32_t rings_per_second;
  uint32_t rings_burst; /* 1..1000000; 0 for 1. */
  /* Interrupts that come: the same. Others come later. Needs `loop`. */
  uint32_t interrupts_per_second;
  uint32_t interrupts_burst;
  /* If not null, the guest may ring these alone. Copied. With no entries, it
   * may ring nobody. */
  const struct ivshmem_allowed_rings* may_ring;
  size_t may_ring_count; /* At most 65536. */
};

/* The PCI function 1af4:1110: registers in BAR0 (256 bytes), MSI-X in BAR1
 * (only with vectors), the memory in BAR2 (64-bit, prefetchable). */
struct ivshmem_pci_options {
  size_t struct_size;
  /* Of a power of two of at least 16 bytes. */
  const ivshmem_memory* memory;
  const struct ivshmem_host* host; /* Null: the host offers nothing. */
  /* What runs the device's work where host->run is null. Null as well: it is
   * done at once, by the thread that has it. Also the clock of limits. */
  ivshmem_loop* loop;
  uint32_t flags;
  uint32_t dialect;    /* IVSHMEM_DIALECT_... */
  uint32_t interrupts; /* IVSHMEM_INTERRUPTS_... */
  /* How many vectors peers can interrupt: 1..2048; 0 for the dialect's default
   * (1, or 8 for ACRN). 0 with NONE, at most 1 with INTX. */
  uint32_t vectors;
  /* The device's own id, 0..65535, where no link or switchboard gives it. */
  uint32_t id;
  /* 0..0xffff; absent: 1af4:1100, or ACRN's 8086:0000. */
  uint32_t subsystem_vendor_id;
  uint32_t subsystem_id;
  uint32_t reserved; /* 0 */
  /* Addresses that BARs have before the guest moves them, as if firmware had
   * been there. Decode is off all the same. */
  uint64_t bar_addresses[3];
  const struct ivshmem_limits* limits; /* Null for none. */
};

/* Errors: -EINVAL that names the option. */
int ivshmem_pci_create(const struct ivshmem_pci_options* options,
                       ivshmem_device** device);

/* The flat block of machines without PCI: 16 bytes of registers, the memory,
 * and one line that is pulsed. */
struct ivshmem_flat_options {
  size_t struct_size;
  const ivshmem_memory* memory;    /* Of any size. */
  const struct ivshmem_host* host; /* As of ivshmem_pci_options. */
  ivshmem_loop* loop;
  uint32_t flags;
  uint32_t vectors; /* 1..64; 0 for the default, 2. */
  uint32_t id;
  uint32_t reserved; /* 0 */
  /* Where the guest sees them; multiples of 4. */
  uint64_t registers_address;
  uint64_t memory_address;
  const struct ivshmem_limits* limits; /* Null for none. */
};

/* Errors: -EINVAL that names the option; what claim_range or map_memory refuse.
 */
int ivshmem_flat_create(const struct ivshmem_flat_options* options,
                        ivshmem_device** device);

/* Takes the device from its link or switchboard, undoes all that the host was
 * asked for, waits for calls that other threads have under way in callbacks,
 * and frees it. Errors: -EDEADLK from inside a callback that may not, and then
 * nothing has happened. */
int ivshmem_device_destroy(ivshmem_device* device);

/* ---- The guest's accesses ---------------------------------------------- */

/* The guest's accesses, as an offset and `size` bytes in the guest's
 * (little-endian) order. A guest's are of 1, 2, 4 or 8 bytes; all others, and
 * those past the end, have a result as well: reads fill all bytes, with ones
 * where nothing answers, and writes change nothing. Nothing here blocks,
 * fails or sets ivshmem_last_error().
 */

/* PCI: config space. When a write moved a BAR or toggled decode, the host has
 * been told when it returns. A flat device reads ones. */
void ivshmem_device_config_read(const ivshmem_device* device, uint64_t offset,
                                void* bytes, size_t size);
void ivshmem_device_config_write(ivshmem_device* device, uint64_t offset,
                                 const void* bytes, size_t size);

/* The parts of a device that the guest sees at addresses: a PCI function's BARs
 * by their numbers, the flat block's ranges under the same. */
enum {
  IVSHMEM_REGION_REGISTERS = 0,
  IVSHMEM_REGION_MSIX = 1,
  IVSHMEM_REGION_MEMORY = 2
};

/* A PCI function answers only while the BAR is decoded. */
void ivshmem_device_read(ivshmem_device* device, uint32_t region,
                         uint64_t offset, void* bytes, size_t size);
void ivshmem_device_write(ivshmem_device* device, uint32_t region,
                          uint64_t offset, const void* bytes, size_t size);

/* The same by what claim_range gave. */
void ivshmem_range_read(ivshmem_range* range, uint64_t offset, void* bytes,
                        size_t size);
void ivshmem_range_write(ivshmem_range* range, uint64_t offset,
                         const void* bytes, size_t size);

/* Where the guest sees the region now. Errors: -ENOENT when it does not (no
 * such region, not placed, decode off, refused by the host there). */
int ivshmem_device_region_address(const ivshmem_device* device, uint32_t region,
                                  uint64_t* address);

/* Its size in bytes; 0 when there is none. */
uint64_t ivshmem_device_region_size(const ivshmem_device* device,
                                    uint32_t region);

/* The bus's RST#, or a machine reset: all that the guest wrote is forgotten. Id
 * and peers stay. */
int ivshmem_device_reset(ivshmem_device* device);

/* ---- Peers by hand ----------------------------------------------------- */

/* A device gets its id and its peers from one of: these functions, a link, a
 * switchboard. */

/* The device's id, 0..65535; -ENOENT while it has none (no error text). */
int ivshmem_device_id(const ivshmem_device* device);

/* One at a time, as all that gives own vectors an event. -ERANGE past 65535. */
int ivshmem_device_set_id(ivshmem_device* device, uint32_t id);
int ivshmem_device_clear_id(ivshmem_device* device);

/* How many vectors peers can interrupt; 0 without interrupts. */
int ivshmem_device_vectors(const ivshmem_device* device);

/* From now on the guest's ring of `vector` (0..2047) of `peer` (0..65535)
 * signals the eventfd `fd`. Replaces what was there. The library keeps a
 * duplicate (which is what add_ioeventfd gets) and makes the file
 * non-blocking; `fd` stays the caller's. Errors: -ERANGE; -EINVAL for what is
 * no eventfd; -ENOBUFS. */
int ivshmem_device_connect(ivshmem_device* device, uint32_t peer,
                           uint32_t vector, int fd);

/* The same, but calls `ring(opaque)`, from any thread and by several at once:
 * 0 when the peer was signalled, -EAGAIN when it holds as many signals as it
 * can, anything else when it is gone. `release(opaque)`, unless null, is
 * called once, after the last ring, from any thread (also when this fails). */
int ivshmem_device_connect_call(ivshmem_device* device, uint32_t peer,
                                uint32_t vector, int (*ring)(void* opaque),
                                void (*release)(void* opaque), void* opaque);

/* The peer is gone with all its vectors. A ring that is under way may still
 * come. Errors: -ENOENT when it was not there. */
int ivshmem_device_disconnect(ivshmem_device* device, uint32_t peer);

/* A peer rang `vector`: interrupts the guest. Returns IVSHMEM_INTERRUPT_...;
 * -ERANGE past 65535. */
int ivshmem_device_interrupt(ivshmem_device* device, uint32_t vector);

/* The eventfd by which peers ring the device's own `vector`, to be handed to
 * them; made by the first call, valid as long as the device, closed with it.
 * The guest rings it too, under its own id, and bind_irq gets it. Read it
 * only by ivshmem_device_take_interrupts() or ivshmem_device_serve(). One at a
 * time. Errors: -ERANGE, -ENOBUFS; -EBUSY with a link or a switchboard. */
int ivshmem_device_vector_fd(ivshmem_device* device, uint32_t vector);

/* As that, but with an eventfd that the caller has: `fd` stays his, the library
 * keeps a duplicate. Replaces the one that was there. One at a time. */
int ivshmem_device_set_vector_fd(ivshmem_device* device, uint32_t vector,
                                 int fd);

/* For VMMs that poll: ivshmem_device_vector_fd() is readable. Takes the signals
 * that it holds and interrupts the guest once. Does not wait. Returns
 * IVSHMEM_INTERRUPT_..., or -EAGAIN when there were none (no error text). */
int ivshmem_device_take_interrupts(ivshmem_device* device, uint32_t vector);

/* Instead: from now on `loop` does that for all own vectors, until the device
 * goes. The loop outlives the device. One at a time. Errors: -EBUSY when a loop
 * does already, or with a link or a switchboard. */
int ivshmem_device_serve(ivshmem_device* device, ivshmem_loop* loop);

/* ---- Saving ------------------------------------------------------------ */

/* No saved device has more bytes. */
#define IVSHMEM_STATE_BYTES_MAX 524288

/* Saves all that the guest can see of the device, but for peers and the
 * memory's content, as bytes. Returns how many these are: when more than
 * `size`, nothing was written (`buffer` may be null if `size` is 0; the next
 * call may need some more).
 *
 * The vCPUs are paused, nobody takes interrupts at the same time, and
 * host->run has nothing left. Interrupts that were signalled before the call
 * are in the state, or have been delivered when it returns: save the interrupt
 * controller after this. The device goes on. */
ssize_t ivshmem_device_save(ivshmem_device* device, void* buffer, size_t size);

/* The device that was saved. It has the state's id and BARs; all else of the
 * options has to agree. The bytes may come from anybody: first everything is
 * checked; then BARs are shown and what is pending is sent, so the host is
 * ready for that. Errors: as of the functions that create, and -EINVAL that
 * names the field of the state. */
int ivshmem_pci_restore(const struct ivshmem_pci_options* options,
                        const void* state, size_t size,
                        ivshmem_device** device);
int ivshmem_flat_restore(const struct ivshmem_flat_options* options,
                         const void* state, size_t size,
                         ivshmem_device** device);

/* ---- Counters ---------------------------------------------------------- */

/* How often each result came since the device was made. */
enum {
  IVSHMEM_COUNT_RINGS_DELIVERED = 0,
  IVSHMEM_COUNT_RINGS_CARRIER_FULL = 1,
  IVSHMEM_COUNT_RINGS_CARRIER_FAILED = 2,
  IVSHMEM_COUNT_RINGS_NO_SUCH_PEER = 3,
  IVSHMEM_COUNT_RINGS_NO_SUCH_VECTOR = 4,
  IVSHMEM_COUNT_RINGS_NOT_CONFIGURED = 5,
  IVSHMEM_COUNT_INTERRUPTS_DELIVERED = 6,
  IVSHMEM_COUNT_INTERRUPTS_HELD = 7,
  IVSHMEM_COUNT_INTERRUPTS_DISABLED = 8,
  IVSHMEM_COUNT_INTERRUPTS_NO_SUCH_VECTOR = 9,
  IVSHMEM_COUNT_INTERRUPTS_NOT_CONFIGURED = 10,
  IVSHMEM_COUNT_RINGS_NOT_ALLOWED = 11,
  IVSHMEM_COUNT_RINGS_OVER_RATE = 12,
  IVSHMEM_COUNT_INTERRUPTS_DEFERRED = 13,
  /* Writes to read-only memory (IVSHMEM_DEVICE_READ_ONLY) that changed nothing.
   */
  IVSHMEM_COUNT_MEMORY_WRITES_REFUSED = 14
};

/* 0 for a counter that there is not. What the hypervisor rings, routes or drops
 * by itself is not counted. */
uint64_t ivshmem_device_count(const ivshmem_device* device, uint32_t counter);

/* As "rings_no_such_peer"; null for a counter that there is not, so that all
 * can be listed from 0 on. Valid for ever. */
const char* ivshmem_counter_name(uint32_t counter);

/* ---- The event loop ---------------------------------------------------- */

/* A loop that the VMM drives: when ivshmem_loop_fd() is readable, it calls
 * ivshmem_loop_dispatch(loop, 0). */
int ivshmem_loop_create(ivshmem_loop** loop);

/* A loop with a thread of the library's that drives it. All signals are blocked
 * in it. `name` is the thread's, of which 15 characters count; null for
 * "ivshmem". */
int ivshmem_loop_start(const char* name, ivshmem_loop** loop);

/* An epoll descriptor; open as long as the loop. */
int ivshmem_loop_fd(const ivshmem_loop* loop);

/* Waits at most so many milliseconds (less than 0: for ever) until something is
 * ready, handles it, and returns how much that was. Callbacks come from here.
 * From one thread at a time. Errors: -EBUSY for a loop with a thread of its
 * own, -EDEADLK from inside itself. */
int ivshmem_loop_dispatch(ivshmem_loop* loop, int64_t timeout_ms);

/* Errors: -EBUSY while a link or a device uses it (one that was destroyed from
 * inside a callback does until the call of that has returned); -EDEADLK from
 * inside it. */
int ivshmem_loop_destroy(ivshmem_loop* loop);

/* ---- Joining a server -------------------------------------------------- */

enum {
  IVSHMEM_LINK_JOINED = 0,      /* Id and memory have come: peer is the id. */
  IVSHMEM_LINK_REJOINED = 1,    /* The same, again. */
  IVSHMEM_LINK_PEERS_KNOWN = 2, /* All that were there have been told of. */
  IVSHMEM_LINK_FAILED = 3,      /* An attempt to join failed: text. */
  IVSHMEM_LINK_LOST = 4,        /* The connection ended: text. Peers stay. */
  IVSHMEM_LINK_ID_CHANGED = 5,  /* Is `peer`, was `old_peer`. */
  /* Another memory than the device's: the link is over. */
  IVSHMEM_LINK_MEMORY_CHANGED = 6,
  IVSHMEM_LINK_PEER_JOINED = 7,
  IVSHMEM_LINK_PEER_LEFT = 8,
  IVSHMEM_LINK_WARNING = 9 /* text */
};

/* Made by the library; valid during the call. Kinds may be added. */
struct ivshmem_link_event {
  size_t struct_size;
  uint32_t kind;
  uint32_t peer;
  uint32_t old_peer;
  uint32_t reserved;
  const char* text; /* Never null. */
};

/* flags of ivshmem_link_options */
#define IVSHMEM_LINK_NO_RETRY 0x1u /* One attempt. */
/* The server is not to keep the id for the device when it has gone. */
#define IVSHMEM_LINK_FORGET_ID 0x2u

/* Times are in milliseconds, 0 for the default. Strings are copied. */
struct ivshmem_link_options {
  size_t struct_size;
  const char* socket_path;
  uint64_t memory_size; /* What it must be, in bytes; 0 for any. */
  uint32_t flags;
  uint32_t vectors; /* Of the device's own, so many are kept; 0 for all. */
  uint32_t greeting_deadline_ms; /* 5000: until id and memory have come. */
  uint32_t retry_first_ms;       /* 50: before the first further attempt, ... */
  uint32_t retry_most_ms;        /* 5000: ... twice as long each time, up to. */
  /* 15000: how long peers are kept that a re-joined server does not name. */
  uint32_t absent_peers_ms;
  /* 16384: most that a server can make this process hold. */
  uint32_t max_descriptors;
  uint32_t reserved; /* 0 */
  /* By which this project's server knows the device again: 32 lower case
   * hexadecimal digits. Null: random. */
  const char* identity;
  /* May be null. From the loop's thread (a WARNING also from the one that
   * attaches). May use the link and the device, not destroy the link. */
  void (*event)(void* opaque, const struct ivshmem_link_event* event);
  void* opaque;
};

/* Begins to connect, by itself and, after a loss, again. `loop` outlives the
 * link. Errors: -EINVAL that names the option. */
int ivshmem_link_start(ivshmem_loop* loop,
                       const struct ivshmem_link_options* options,
                       ivshmem_link** link);

/* Waits until id and memory have come; at most so many milliseconds (less than
 * 0: for ever). A loop without a thread must be dispatched by another one
 * meanwhile. Errors: why the last attempt failed; -ETIMEDOUT or that when the
 * time is over; -EDEADLK from inside the loop. */
int ivshmem_link_wait_joined(ivshmem_link* link, int64_t timeout_ms);

/* The id that the server gave last; -ENOENT before (no error text). */
int ivshmem_link_id(const ivshmem_link* link);

/* The server's memory, for a device. Errors: -ENOENT before the link has
 * joined.
 */
int ivshmem_link_memory(ivshmem_link* link, ivshmem_memory** memory);

/* 1 when nobody can shrink the memory, else 0. */
int ivshmem_link_memory_sealed(const ivshmem_link* link);

/* From now on the device has the link's id, can ring its peers and is
 * interrupted by them. Rings that came before are not lost. One at a time.
 * Errors: -EBUSY before the link has joined, or when one of the two is attached
 * already or the device has peers otherwise. */
int ivshmem_link_attach(ivshmem_link* link, ivshmem_device* device);

/* Undoes that, as the device's destruction does. Errors: -ENOENT when it is not
 * attached. One at a time. */
int ivshmem_link_detach(ivshmem_device* device);

enum {
  IVSHMEM_LINK_COUNT_JOINS = 0,
  IVSHMEM_LINK_COUNT_FAILURES = 1,
  IVSHMEM_LINK_COUNT_LOSSES = 2,
  IVSHMEM_LINK_COUNT_ID_CHANGES = 3,
  IVSHMEM_LINK_COUNT_MEMORY_CHANGES = 4,
  IVSHMEM_LINK_COUNT_PEERS_JOINED = 5,
  IVSHMEM_LINK_COUNT_PEERS_LEFT = 6
};

/* As ivshmem_device_count() and ivshmem_counter_name(). */
uint64_t ivshmem_link_count(const ivshmem_link* link, uint32_t counter);
const char* ivshmem_link_counter_name(uint32_t counter);

/* Errors: -EBUSY while a device is attached, or its memory is in use (by a
 * handle or a device); -EDEADLK from inside its event. */
int ivshmem_link_destroy(ivshmem_link* link);

/* ---- Devices of one process ------------------------------------------- */

/* Joins devices without a server: those that are bound to the same named region
 * ring each other, and themselves. */
int ivshmem_switchboard_create(ivshmem_switchboard** switchboard);

/* Errors: -EEXIST; -EINVAL for an empty name. */
int ivshmem_switchboard_add_region(ivshmem_switchboard* switchboard,
                                   const char* name,
                                   const ivshmem_memory* memory);

/* Gives the device the lowest id that is free, and its peers. `id` less than
 * 0, or else the id that it is to have. Returns the id. One at a time for a
 * device. Errors: -ENOENT for the region, -EEXIST for an id in use, -EINVAL
 * when the device's memory has another size, -EBUSY when it has peers
 * otherwise. */
int ivshmem_switchboard_bind(ivshmem_switchboard* switchboard, const char* name,
                             ivshmem_device* device, int32_t id);

/* Undoes that, as the device's destruction does. The device has no id then.
 * Errors: -ENOENT when it is not bound. */
int ivshmem_switchboard_unbind(ivshmem_device* device);

/* Errors: -EBUSY while a device is bound. */
int ivshmem_switchboard_destroy(ivshmem_switchboard* switchboard);

#ifdef __cplusplus
}
#endif

#endif /* IVSHMEM_IVSHMEM_H_ */
