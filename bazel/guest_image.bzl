"""Guest programs: freestanding C as a flat image, and as bytes to include."""

_FLAGS = [
    "-std=c11",
    "-Os",
    "-ffreestanding",
    "-fno-builtin",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-I.",
    "-nostdlib",
    "-static",
    "-fuse-ld=lld",
    "-Wl,--oformat=binary",
    "-Wl,--build-id=none",
]

def guest_image(name, srcs, hdrs, linker_script, flags):
    """Compiles and links `srcs` with clang and lld for a bare machine.

    Makes `<name>.bin`, the image, and `<name>.inc`, its bytes as C++ writes
    them between braces.

    Args:
      name: Of the image.
      srcs: C and assembly.
      hdrs: What they include.
      linker_script: Where things are in the image.
      flags: The target and what is special to it.
    """
    native.genrule(
        name = name + "_bin",
        srcs = srcs + hdrs + [linker_script],
        outs = [name + ".bin"],
        cmd = " ".join(["clang"] + flags + _FLAGS + ["-Wl,-T,$(location %s)" % linker_script] +
                       ["$(location %s)" % src for src in srcs] + ["-o $@"]),
        message = "Compiling guest",
    )
    native.genrule(
        name = name + "_inc",
        srcs = [name + ".bin"],
        outs = [name + ".inc"],
        cmd = "od -An -v -tx1 $< | sed 's/ \\([0-9a-f][0-9a-f]\\)/0x\\1,/g' > $@",
    )
