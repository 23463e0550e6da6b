"""The tool repositories that Bazel 4.2.3 would otherwise download.

Bazel names rules_cc, rules_java, rules_proto and its coverage tools as
archives on the network. Debian's Bazel packages leave them out or install them
under /usr/share/bazel; this file says where they are, so that a build needs no
network at all. A WORKSPACE that is built with another Bazel does without it.
"""

# The rules that Bazel 4 has built in, under the names rules_cc gives them.
_RULES_CC_DEFS = """
cc_binary = native.cc_binary
cc_import = native.cc_import
cc_library = native.cc_library
cc_proto_library = native.cc_proto_library
cc_test = native.cc_test
cc_toolchain = native.cc_toolchain
cc_toolchain_suite = native.cc_toolchain_suite
fdo_prefetch_hints = native.fdo_prefetch_hints
fdo_profile = native.fdo_profile
objc_import = native.objc_import
objc_library = native.objc_library
"""

_RULES_CC_BUILD = """
package(default_visibility = ["//visibility:public"])

alias(
    name = "toolchain_type",
    actual = "@bazel_tools//tools/cpp:toolchain_type",
)

alias(
    name = "current_cc_toolchain",
    actual = "@bazel_tools//tools/cpp:current_cc_toolchain",
)
"""

# `bazel test` asks for this label even when it measures no coverage.
_COVERAGE_BUILD = """
filegroup(
    name = "coverage_report_generator",
    visibility = ["//visibility:public"],
)
"""

def _stub_repository_impl(rctx):
    for path, content in rctx.attr.files.items():
        rctx.file(path, content, executable = False)

_stub_repository = repository_rule(
    implementation = _stub_repository_impl,
    attrs = {"files": attr.string_dict(doc = "Path -> content.")},
)

def debian_bazel_repositories():
    """Defines Bazel's own tool repositories from files on this machine."""

    # Debian's bazel-rules-cc is too new for its Bazel, and the coverage tools
    # are not packaged: stubs serve.
    _stub_repository(
        name = "rules_cc",
        files = {
            "cc/BUILD.bazel": _RULES_CC_BUILD,
            "cc/defs.bzl": _RULES_CC_DEFS,
        },
    )
    _stub_repository(
        name = "remote_coverage_tools",
        files = {"BUILD.bazel": _COVERAGE_BUILD},
    )

    # The packages bazel-rules-java, bazel-rules-proto, bazel-platforms and
    # bazel-skylib.
    native.local_repository(name = "rules_java", path = "/usr/share/bazel/rules/java")
    native.local_repository(name = "rules_proto", path = "/usr/share/bazel/rules/proto")
    native.local_repository(name = "platforms", path = "/usr/share/bazel/platforms")
    native.local_repository(name = "bazel_skylib", path = "/usr/share/bazel/tools/skylib")
