"""Fuzz targets that are also tests."""

def fuzz_target(name, srcs, deps, random_inputs):
    """Makes a fuzzer of sources that define LLVMFuzzerTestOneInput().

    With ASan, under `--config=asan` and `--config=fuzz`, it is a libFuzzer binary
    (tools/fuzz runs it), and as a test runs the corpus, which is in corpus/<name>,
    and then so many inputs that it makes of it, others each time. In all other
    configurations it is a test that runs the corpus and some random inputs, always
    the same.

    Args:
      name: of the target and its corpus.
      srcs: the sources.
      deps: what they need.
      random_inputs: how many inputs more make the test run for about a second
        longer (three with ASan).
    """
    corpus = native.glob(["corpus/%s/*" % name])
    native.cc_test(
        name = name,
        size = "small",
        srcs = srcs,
        args = ["fuzz/corpus/" + name] + select({
            ":fuzzing": [
                # libFuzzer's weighing of its corpus takes longer than our inputs.
                "-entropic=0",
                "-runs=%d" % (len(corpus) + random_inputs),
                "-max_total_time=8",
            ],
            "//conditions:default": [str(random_inputs)],
        }),
        data = corpus,
        linkopts = select({
            ":fuzzing": ["-fsanitize=fuzzer"],
            "//conditions:default": [],
        }),
        deps = deps + select({
            ":fuzzing": [":libfuzzer_as_test"],
            "//conditions:default": [":replay"],
        }),
    )
