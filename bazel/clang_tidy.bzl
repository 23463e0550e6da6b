"""An aspect that runs clang-tidy on C++ sources (tools/tidy).

Being an aspect, it sees the flags and headers each target really has, and Bazel
remembers the files that were clean.
"""

def _is_ours(file):
    # Generated sources are protoc's business.
    return file.is_source and file.extension in ["c", "cc"] and not file.path.startswith("external/")

def _flags(ctx, context):
    flags = ["-D" + define for define in context.defines.to_list() + context.local_defines.to_list()]
    for option, directories in [
        ("-iquote", context.quote_includes),
        ("-I", context.includes),
        ("-isystem", context.system_includes),
    ]:
        for directory in directories.to_list():
            # No findings in the headers that protoc wrote.
            generated = directory.startswith(ctx.bin_dir.path)
            flags += ["-isystem" if generated else option, directory]
    return flags

def _clang_tidy_impl(target, ctx):
    if not CcInfo in target or not hasattr(ctx.rule.attr, "srcs"):
        return [OutputGroupInfo(clang_tidy = depset())]
    context = target[CcInfo].compilation_context
    flags = ctx.fragments.cpp.copts + getattr(ctx.rule.attr, "copts", []) + _flags(ctx, context)
    reports = []
    for attribute in ctx.rule.attr.srcs:
        for source in attribute.files.to_list():
            if not _is_ours(source):
                continue
            report = ctx.actions.declare_file("%s.%s.clang_tidy" % (target.label.name, source.basename))
            language = ctx.fragments.cpp.cxxopts if source.extension == "cc" else ctx.fragments.cpp.conlyopts
            ctx.actions.run_shell(
                inputs = depset([source, ctx.file._config], transitive = [context.headers]),
                outputs = [report],
                # Its stderr only counts the warnings in system headers, unless
                # it could not run at all.
                command = 'clang-tidy --quiet "$@" > $REPORT 2> $REPORT.err ||' +
                          ' { sed "s|$PWD/||" $REPORT; test -s $REPORT || cat $REPORT.err; exit 1; }',
                arguments = [source.path, "--"] + language + flags,
                env = {"REPORT": report.path, "PATH": "/usr/bin:/bin"},
                mnemonic = "ClangTidy",
                progress_message = "Linting %s" % source.short_path,
            )
            reports.append(report)
    return [OutputGroupInfo(clang_tidy = depset(reports))]

clang_tidy = aspect(
    implementation = _clang_tidy_impl,
    attrs = {
        "_config": attr.label(
            default = "//:.clang-tidy",
            allow_single_file = True,
        ),
    },
    fragments = ["cpp"],
)
