"""Fuzz targets that are also tests."""

def fuzz_target(name, srcs, deps, random_inputs):
    """Makes a fuzzer of sources that define LLVMFuzzerTestOneInput().

    Under `--config=fuzz` it is a libFuzzer binary (tools/fuzz runs it). In all
    other configurations it is a test that runs the corpus, which is in
    corpus/<name>, and some random inputs, always the same.

    Args:
      name: of the target and its corpus.
      srcs: the sources.
      deps: what they need.
      random_inputs: how many inputs make the test run for about a second.
    """
    native.cc_test(
        name = name,
        size = "small",
        srcs = srcs,
        args = ["fuzz/corpus/" + name] + select({
            ":fuzzing": ["-runs=0"],
            "//conditions:default": [str(random_inputs)],
        }),
        data = native.glob(["corpus/%s/*" % name]),
        linkopts = select({
            ":fuzzing": ["-fsanitize=fuzzer"],
            "//conditions:default": [],
        }),
        deps = deps + select({
            ":fuzzing": [],
            "//conditions:default": [":replay"],
        }),
    )
