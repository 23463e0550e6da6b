"""What a package may depend on, asked of Bazel itself."""

def dependencies(name, of):
    """Makes a file that lists all targets that the targets `of` need."""
    native.genquery(
        name = name,
        expression = "deps(set(%s))" % " ".join(of),
        scope = of,
        opts = ["--noimplicit_deps"],
        testonly = True,
    )

def library_dependencies(name):
    """As dependencies(), of all cc_library rules above in the BUILD file."""
    dependencies(name, of = [
        "//%s:%s" % (native.package_name(), rule["name"])
        for rule in native.existing_rules().values()
        if rule["kind"] == "cc_library"
    ])
