"""The libraries this project uses, taken from the machine.

A WORKSPACE that embeds this project calls `ivshmem_dependencies()` last: a
repository that it has defined before (a newer Abseil, say) is left alone.
"""

load("//bazel:system_library.bzl", "system_library_repository")

# Label -> pkg-config modules. Targets of Abseil that have no library of their
# own still name their module: it brings what their headers call.
_ABSL = {
    "absl/algorithm:algorithm": ["absl_algorithm"],
    "absl/algorithm:container": ["absl_algorithm_container"],
    "absl/base:base": ["absl_base"],
    "absl/base:config": ["absl_config"],
    "absl/base:core_headers": ["absl_core_headers"],
    "absl/base:dynamic_annotations": ["absl_dynamic_annotations"],
    "absl/base:log_severity": ["absl_log_severity"],
    "absl/cleanup:cleanup": ["absl_cleanup"],
    "absl/container:btree": ["absl_btree"],
    "absl/container:fixed_array": ["absl_fixed_array"],
    "absl/container:flat_hash_map": ["absl_flat_hash_map"],
    "absl/container:flat_hash_set": ["absl_flat_hash_set"],
    "absl/container:inlined_vector": ["absl_inlined_vector"],
    "absl/container:node_hash_map": ["absl_node_hash_map"],
    "absl/container:node_hash_set": ["absl_node_hash_set"],
    "absl/debugging:failure_signal_handler": ["absl_failure_signal_handler"],
    "absl/debugging:leak_check": ["absl_leak_check"],
    "absl/debugging:stacktrace": ["absl_stacktrace"],
    "absl/debugging:symbolize": ["absl_symbolize"],
    "absl/flags:commandlineflag": ["absl_flags_commandlineflag"],
    "absl/flags:config": ["absl_flags_config"],
    "absl/flags:flag": ["absl_flags"],
    "absl/flags:marshalling": ["absl_flags_marshalling"],
    "absl/flags:parse": ["absl_flags_parse"],
    "absl/flags:reflection": ["absl_flags_reflection"],
    "absl/flags:usage": ["absl_flags_usage"],
    "absl/functional:any_invocable": ["absl_any_invocable"],
    "absl/functional:bind_front": ["absl_bind_front"],
    "absl/functional:function_ref": ["absl_function_ref"],
    "absl/hash:hash": ["absl_hash"],
    "absl/memory:memory": ["absl_memory"],
    "absl/meta:type_traits": ["absl_type_traits"],
    "absl/numeric:bits": ["absl_bits"],
    "absl/numeric:int128": ["absl_int128"],
    "absl/random:bit_gen_ref": ["absl_random_bit_gen_ref"],
    "absl/random:distributions": ["absl_random_distributions"],
    "absl/random:random": ["absl_random_random"],
    "absl/status:status": ["absl_status"],
    "absl/status:statusor": ["absl_statusor"],
    "absl/strings:cord": ["absl_cord"],
    "absl/strings:str_format": ["absl_str_format"],
    "absl/strings:strings": ["absl_strings"],
    "absl/synchronization:synchronization": ["absl_synchronization"],
    "absl/time:time": ["absl_time"],
    "absl/types:any": ["absl_any"],
    "absl/types:compare": ["absl_compare"],
    "absl/types:optional": ["absl_optional"],
    "absl/types:span": ["absl_span"],
    "absl/types:variant": ["absl_variant"],
    "absl/utility:utility": ["absl_utility"],
}

# What Bazel's native proto_library and cc_proto_library ask this repository
# for: the compiler, and the toolchain that says what generated C++ links.
_PROTOBUF_RULES = """
exports_files(["protoc"])

proto_lang_toolchain(
    name = "cc_toolchain",
    command_line = "--cpp_out=$(OUT)",
    runtime = ":protobuf",
)
"""

# clang's own header; g++ builds it as well.
_FUZZED_DATA_PROVIDER = """
cc_library(
    name = "fuzzed_data_provider",
    hdrs = ["fuzzer/FuzzedDataProvider.h"],
    includes = ["."],
)
"""

def _system_library(name, **kwargs):
    if not native.existing_rule(name):
        system_library_repository(name = name, **kwargs)

def ivshmem_dependencies():
    """Defines each library's repository, unless it is defined already."""
    _system_library(
        "com_google_absl",
        libraries = _ABSL,
        tsan_archive = Label("//bazel:absl_tsan.sh"),
    )
    _system_library(
        "com_google_protobuf",
        libraries = {":protobuf": ["protobuf"]},
        build_file_content = _PROTOBUF_RULES,
        symlinks = {"protoc": "/usr/bin/protoc"},
    )
    _system_library(
        "com_google_googletest",
        libraries = {
            ":gtest": ["gmock"],
            ":gtest_main": ["gmock_main"],
        },
    )
    _system_library(
        "rapidcheck",  # Has no pkg-config file.
        libraries = {
            ":rapidcheck": ["-lrapidcheck"],
            ":rapidcheck_gtest": ["-lrapidcheck", "gmock"],
        },
    )
    _system_library(
        "com_github_google_benchmark",
        libraries = {
            ":benchmark": ["benchmark"],
            ":benchmark_main": ["-lbenchmark_main", "benchmark"],
        },
    )
    _system_library("libsystemd", libraries = {":systemd": ["libsystemd"]})
    _system_library(
        "xen",
        libraries = {
            ":devicemodel": ["xendevicemodel"],
            ":evtchn": ["xenevtchn"],
            ":foreignmemory": ["xenforeignmemory"],
        },
    )
    _system_library("unicorn", libraries = {":unicorn": ["unicorn"]})
    _system_library(
        "libfuzzer",
        libraries = {},
        build_file_content = _FUZZED_DATA_PROVIDER,
        symlinks = {
            "fuzzer/FuzzedDataProvider.h": "/usr/lib/clang/14/include/fuzzer/FuzzedDataProvider.h",
        },
    )
