"""A static library of which only a C interface is visible.

Its objects are linked into one (`ld -r`), where they find each other; then all
other names are made local. A program may so contain the same names, or another
version of what is inside, and neither notices.
"""

def _archives_of(dep):
    whole, others = [], []
    for linker_input in dep[CcInfo].linking_context.linker_inputs.to_list():
        for library in linker_input.libraries:
            archive = library.pic_static_library or library.static_library
            if archive == None:
                continue
            (whole if library.alwayslink else others).append(archive)
    return whole, others

def _relocatable_archive_impl(ctx):
    whole, others = _archives_of(ctx.attr.dep)
    if not whole:
        fail("%s has no library with alwayslink: nothing would be in the archive" % ctx.attr.dep.label)
    archive = ctx.actions.declare_file(ctx.attr.name)
    ctx.actions.run_shell(
        inputs = whole + others,
        outputs = [archive],
        # --force-group-allocation: an inline function's section is kept as it is,
        # not dropped for the program's, which a local name would not find.
        # objcopy makes no unique symbol local (nm's "u"), but a weak one. It fails
        # on an empty list, which clang's objects give.
        command = """
            set -e
            object="$1.objects/{name}.o"
            mkdir "$1.objects"
            ld -r --force-group-allocation -o "$object" --whole-archive {whole} --no-whole-archive \
                --start-group {others} --end-group
            nm "$object" | sed -n 's/^[0-9a-f]* u //p' > "$1.unique"
            test ! -s "$1.unique" || objcopy --weaken-symbols="$1.unique" "$object"
            objcopy --wildcard --keep-global-symbol='{exported}' --strip-unneeded "$object"
            ar rcsD "$1" "$object"
            rm -r "$1.objects" "$1.unique"
        """.format(
            whole = " ".join([file.path for file in whole]),
            others = " ".join([file.path for file in others]),
            exported = ctx.attr.exported,
            name = ctx.attr.name[:-len(".a")],
        ),
        arguments = [archive.path],
        env = {"PATH": "/usr/bin:/bin"},
        mnemonic = "RelocatableArchive",
        progress_message = "Linking %s" % archive.short_path,
    )
    return [DefaultInfo(files = depset([archive]), runfiles = ctx.runfiles([archive]))]

relocatable_archive = rule(
    implementation = _relocatable_archive_impl,
    attrs = {
        "dep": attr.label(
            mandatory = True,
            providers = [CcInfo],
            doc = "A cc_library with alwayslink; of its dependencies comes what it needs.",
        ),
        "exported": attr.string(
            mandatory = True,
            doc = "The names that stay visible, as a shell's pattern.",
        ),
    },
)
