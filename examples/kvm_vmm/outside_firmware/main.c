// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A firmware as somebody else would write it who has QEMU's ivshmem-doorbell
// device before him: nothing here is shared with this project, no header, no
// start-up code, no layout. outside_firmware_test.cc says what it checks.
//
// It keeps these words at the start of the shared memory:
//
//   0  0x1badb002 when all below is there        8  lines the PIC has latched
//   1  functions on all buses                    9  masks of the PICs
//   2  bus/device/function of the device        10  what absent ports read,
//   ANDed 3  its subsystem ids                        11  what absent functions
//   read 4  size of BAR0                             12  LAPIC version register
//   5  size of BAR1                             13  1: the ROM below 1 MiB is
//   the same 6  size of BAR2, in KiB                     14  word at 4 GiB -
//   128 KiB 7  timer interrupts taken in real mode      15  1: counter 2 of the
//   PIT ran out
//  16  IVPosition                               17  whom to ring, from the peer
//  18  1: the first interrupt was seen pending  20 + n: interrupts of vector n

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

#define DEVICE 0x11101af4u
#define BAR2_AT 0xe0000000u
#define BAR1_AT 0xf0000000u
#define BAR0_AT 0xf0001000u
#define APIC 0xfee00000u
#define FIRST_INTERRUPT 0x51
#define VECTORS 4

#define REG32(address) (*(volatile u32*)(address))

static struct { u32 low, high; } idt[256];
static u32 bdf;
static u32 early[16];

void vector0(void);
void vector1(void);
void vector2(void);
void vector3(void);
void main(void);
void on_vector(u32 n);

static void outb(u16 port, u8 v) {
  __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}
static u8 inb(u16 port) {
  u8 v;
  __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
  return v;
}
static u16 inw(u16 port) {
  u16 v;
  __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
  return v;
}
static void outw(u16 port, u16 v) {
  __asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}
static void outl(u16 port, u32 v) {
  __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}
static u32 inl(u16 port) {
  u32 v;
  __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
  return v;
}

static void select(u32 function, u32 reg) {
  outl(0xcf8, 0x80000000u | function << 8 | (reg & 0xfc));
}
static u8 pci8(u32 function, u32 reg) {
  select(function, reg);
  return inb((u16)(0xcfc + (reg & 3)));
}
static u16 pci16(u32 function, u32 reg) {
  select(function, reg);
  return inw((u16)(0xcfc + (reg & 2)));
}
static u32 pci32(u32 function, u32 reg) {
  select(function, reg);
  return inl(0xcfc);
}
static void pci_set16(u32 function, u32 reg, u16 v) {
  select(function, reg);
  outw((u16)(0xcfc + (reg & 2)), v);
}
static void pci_set32(u32 function, u32 reg, u32 v) {
  select(function, reg);
  outl(0xcfc, v);
}

// All buses, all devices, further functions where the header says so.
static void scan(void) {
  bdf = 0xffffffff;
  for (u32 bus = 0; bus < 256; ++bus) {
    for (u32 device = 0; device < 32; ++device) {
      for (u32 f = 0; f < 8; ++f) {
        const u32 function = bus << 8 | device << 3 | f;
        const u16 vendor = pci16(function, 0);
        if (vendor != 0xffff) {
          ++early[1];
          const u32 id = (u32)pci16(function, 2) << 16 | vendor;
          if (bdf == 0xffffffff && id == DEVICE) bdf = function;
        }
        if (f == 0 && (vendor == 0xffff || !(pci8(function, 0x0e) & 0x80))) {
          break;
        }
      }
    }
  }
}

static u32 bar_size(u32 reg) {
  const u32 before = pci32(bdf, reg);
  pci_set32(bdf, reg, 0xffffffff);
  const u32 size = ~(pci32(bdf, reg) & ~0xfu) + 1;
  pci_set32(bdf, reg, before);
  return size;
}

// Sizes with decode off, and places.
static void place(void) {
  pci_set16(bdf, 4, (u16)(pci16(bdf, 4) & ~3));
  early[4] = bar_size(0x10);
  early[5] = bar_size(0x14);
  const u32 size = bar_size(0x18);
  pci_set32(bdf, 0x1c, 0xffffffff);
  early[6] = pci32(bdf, 0x1c) == 0xffffffff ? size >> 10 : 0;
  pci_set32(bdf, 0x10, BAR0_AT);
  pci_set32(bdf, 0x14, BAR1_AT);
  pci_set32(bdf, 0x18, BAR2_AT);
  pci_set32(bdf, 0x1c, 0);
  pci_set16(bdf, 4, (u16)(pci16(bdf, 4) | 6));
}

static u32 msix_capability(void) {
  u32 at = pci8(bdf, 0x34) & 0xfc;
  for (int i = 0; i < 48 && at; ++i) {
    if (pci8(bdf, at) == 0x11) return at;
    at = pci8(bdf, at + 1) & 0xfc;
  }
  return 0;
}

// In the order of a well-known kernel: enabled with all masked by the function,
// each masked and written, then let through one after the other.
static void msix(void) {
  const u32 capability = msix_capability();
  const u32 control = capability + 2;
  pci_set16(bdf, control, pci16(bdf, control) | 0xc000);
  const u32 entries = (pci16(bdf, control) & 0x7ffu) + 1;
  const u32 table = pci32(bdf, capability + 4);
  const u32 at = BAR1_AT + (table & ~7u);
  pci_set16(bdf, 4, pci16(bdf, 4) | 0x400);
  for (u32 i = 0; i < entries; ++i) REG32(at + 16 * i + 12) = 1;
  for (u32 i = 0; i < VECTORS && i < entries; ++i) {
    REG32(at + 16 * i) = APIC | (REG32(APIC + 0x20) >> 24) << 12;
    REG32(at + 16 * i + 4) = 0;
    REG32(at + 16 * i + 8) = FIRST_INTERRUPT + 16 * i;
  }
  pci_set16(bdf, control, pci16(bdf, control) & 0xbfff);
  for (u32 i = 0; i < VECTORS && i < entries; ++i) {
    REG32(at + 16 * i + 12) &= ~1u;
  }
}

static void pic_and_pit(void) {
  early[7] = *(volatile u16*)0x500;
  // Masked, the timer's line is still latched, and can be polled.
  outb(0x21, 0xff);
  outb(0x20, 0x0a);
  for (u32 i = 0; i < 1000000 && !(inb(0x20) & 1); ++i) {
  }
  early[8] = inb(0x20) & 1;
  outb(0x21, 0x5a);
  early[9] = (u32)inb(0xa1) << 8 | inb(0x21);
  outb(0x21, 0xff);

  // Counter 2, as for measuring a clock: gate on, speaker off, 10 ms.
  outb(0x61, (u8)((inb(0x61) & ~2) | 1));
  outb(0x43, 0xb0);
  outb(0x42, 0x9c);
  outb(0x42, 0x2e);
  for (u32 i = 0; i < 10000000 && !(inb(0x61) & 0x20); ++i) {
  }
  early[15] = (inb(0x61) & 0x20) != 0;
}

// No keyboard, no serial line, no disk, no power management.
static void absent(void) {
  static const u16 ports[] = {0x60,  0x64,  0x92,  0x1f7, 0x2f8,
                              0x3f8, 0x3fd, 0x510, 0xb000};
  u32 ones = 0xffffffff;
  for (u32 i = 0; i < sizeof(ports) / sizeof(ports[0]); ++i) {
    outb(ports[i], 0);
    outw(ports[i], 0);
    outl(ports[i], 0);
    ones &= inl(ports[i]);
    ones &= 0xffff0000u | inw(ports[i]);
    ones &= 0xffffff00u | inb(ports[i]);
  }
  early[10] = ones;
  pci_set32(bdf + 1, 0x10, BAR0_AT);
  pci_set32(0xffff, 4, 0xffffffff);
  early[11] = pci32(bdf + 1, 0x10) & pci32(0xffff, 4) & pci32(0x0800, 0);
}

static void rom(void) {
  const u32* high = (const u32*)0xffff0000u;
  const u32* low = (const u32*)0x000f0000u;
  u32 same = 1;
  for (u32 i = 0; i < 0x4000; ++i) same &= high[i] == low[i];
  early[13] = same;
  early[14] = REG32(0xfffe0000u);
}

static void gate(u32 n, void (*handler)(void)) {
  idt[n].low = 8u << 16 | ((u32)handler & 0xffff);
  idt[n].high = ((u32)handler & 0xffff0000u) | 0x8e00;
}

static void apic(void) {
  REG32(APIC + 0xf0) = 0x1ff;
  REG32(APIC + 0x80) = 0;
  REG32(APIC + 0x320) = 0x10000;  // Timer, LINT0, LINT1: masked.
  REG32(APIC + 0x350) = 0x10000;
  REG32(APIC + 0x360) = 0x10000;
  early[12] = REG32(APIC + 0x30);
  gate(FIRST_INTERRUPT, vector0);
  gate(FIRST_INTERRUPT + 16, vector1);
  gate(FIRST_INTERRUPT + 32, vector2);
  gate(FIRST_INTERRUPT + 48, vector3);
  struct {
    u16 unused, limit;
    u32 base;
  } idtr = {0, sizeof(idt) - 1, (u32)idt};
  __asm__ volatile("lidt %0" : : "m"(idtr.limit), "m"(idtr) : "memory");
}

// The word and bit of the LAPIC's request register.
static int pending(u32 interrupt) {
  return (int)(REG32(APIC + 0x200 + interrupt / 32 * 16) >> interrupt % 32 & 1);
}

void main(void) {
  volatile u32* shared = (volatile u32*)BAR2_AT;
  scan();
  if (bdf == 0xffffffff) return;
  pic_and_pit();
  absent();
  rom();
  apic();
  place();
  msix();
  early[2] = bdf;
  early[3] = pci32(bdf, 0x2c);
  for (u32 i = 1; i < 16; ++i) shared[i] = early[i];
  shared[16] = REG32(BAR0_AT + 8);
  REG32(BAR0_AT) = 0xffffffff;  // What it has no use for.
  (void)REG32(BAR0_AT + 4);
  REG32(BAR0_AT + 12) = 0xfffe0000;  // Nobody.
  __asm__ volatile("" : : : "memory");
  shared[0] = 0x1badb002;

  // The first interrupt is waited for without taking it.
  while (!pending(FIRST_INTERRUPT)) __asm__ volatile("pause");
  shared[18] = shared[20] == 0;
  for (;;) __asm__ volatile("sti; hlt");
}

void on_vector(u32 n) {
  volatile u32* shared = (volatile u32*)BAR2_AT;
  shared[20 + n] = shared[20 + n] + 1;
  REG32(APIC + 0xb0) = 0;
  REG32(BAR0_AT + 12) = shared[17] << 16 | n;
}
