"""Offers libraries installed on this machine under Bazel's usual labels.

`system_library_repository` makes an external repository whose `cc_library`
targets hold nothing but link options: the headers are in the compiler's own
include path. What to link is asked of pkg-config, which knows the transitive
closure and its order (Abseil's is long).
"""

# With `--define=sanitizer=thread`, one instrumented archive takes the place of
# every library of the repository.
_UNLESS_TSAN = """select({
        "//:tsan": ["-pthread"],
        "//conditions:default": %s,
    })"""
_IF_TSAN = """
    deps = select({
        "//:tsan": ["//:tsan_archive"],
        "//conditions:default": [],
    }),"""
_TSAN_RULES = """
config_setting(
    name = "tsan",
    define_values = {"sanitizer": "thread"},
)

cc_import(
    name = "tsan_archive",
    static_library = "libtsan.a",
)
"""

def _pkg_config(rctx, flag, modules):
    result = rctx.execute(["pkg-config", flag] + modules)
    if result.return_code != 0:
        fail("pkg-config %s %s: %s\nRun tools/setup to install what is missing." % (
            flag,
            " ".join(modules),
            result.stderr.strip(),
        ))
    return [word for word in result.stdout.strip().split(" ") if word]

def _cc_library(rctx, name, link):
    modules = [item for item in link if not item.startswith("-")]
    linkopts = [item for item in link if item.startswith("-")]
    defines = []
    if modules:
        linkopts += _pkg_config(rctx, "--libs", modules)
        for flag in _pkg_config(rctx, "--cflags", modules):
            if not flag.startswith("-D"):
                fail("%s wants %s: only libraries in the compiler's include path are supported" % (name, flag))
            if flag != "-DNOMINMAX":  # Abseil's, and only Windows' headers read it.
                defines.append(flag[len("-D"):])
    return """
cc_library(
    name = "{name}",
    defines = {defines},
    linkopts = {linkopts},{extra}
)
""".format(
        name = name,
        defines = defines,
        linkopts = linkopts if not rctx.attr.tsan_archive else _UNLESS_TSAN % linkopts,
        extra = _IF_TSAN if rctx.attr.tsan_archive else "",
    )

def _tsan_archive(rctx):
    # May not exist yet: only a build with TSan reads it.
    script = rctx.path(rctx.attr.tsan_archive)
    result = rctx.execute([script, "--path"])
    if result.return_code != 0:
        fail("%s --path: %s" % (script, result.stderr))
    rctx.symlink(result.stdout.strip(), "libtsan.a")
    return _TSAN_RULES

def _system_library_repository_impl(rctx):
    packages = {"": []}
    for label, link in rctx.attr.libraries.items():
        package, _, name = label.rpartition(":")
        packages.setdefault(package, []).append(_cc_library(rctx, name, link))
    for package, rules in packages.items():
        content = 'package(default_visibility = ["//visibility:public"])\n' + "".join(rules)
        if not package:
            content += rctx.attr.build_file_content
            if rctx.attr.tsan_archive:
                content += _tsan_archive(rctx)
        rctx.file((package + "/" if package else "") + "BUILD.bazel", content, executable = False)
    for name, path in rctx.attr.symlinks.items():
        rctx.symlink(path, name)

system_library_repository = repository_rule(
    implementation = _system_library_repository_impl,
    doc = "Libraries of this machine under the labels of their upstream repository.",
    attrs = {
        "libraries": attr.string_list_dict(
            mandatory = True,
            doc = "Label without the leading `//` -> pkg-config modules, or linker flags (`-lname`).",
        ),
        "build_file_content": attr.string(doc = "Further rules for the top package."),
        "tsan_archive": attr.label(
            allow_single_file = True,
            doc = "Script that prints, for `--path`, the archive to link instead under ThreadSanitizer.",
        ),
        "symlinks": attr.string_dict(doc = "File in the repository -> absolute path."),
    },
    local = True,  # Asked again when the Bazel server starts.
    environ = ["PATH", "PKG_CONFIG_PATH"],
)
