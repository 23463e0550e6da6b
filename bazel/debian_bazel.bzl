"""The tool repositories that Bazel 4.2.3 would otherwise download.

Bazel names rules_cc, rules_java, rules_proto and its coverage tools as
archives on the network. Debian's Bazel packages leave them out or install them
under /usr/share/bazel; this file says where they are, so that a build needs no
network at all. A WORKSPACE that builds with another Bazel does not need it.
"""

def debian_bazel_repositories():
    """Defines Bazel's own tool repositories from files on this machine."""

    # Two stubs of ours. Debian's rules_cc is too new for Bazel 4.2.3, and the
    # coverage tools are not packaged.
    native.local_repository(name = "rules_cc", path = "bazel/rules_cc")
    native.local_repository(name = "remote_coverage_tools", path = "bazel/remote_coverage_tools")

    # Debian packages bazel-rules-java, bazel-rules-proto, bazel-platforms and
    # bazel-skylib.
    native.local_repository(name = "rules_java", path = "/usr/share/bazel/rules/java")
    native.local_repository(name = "rules_proto", path = "/usr/share/bazel/rules/proto")
    native.local_repository(name = "platforms", path = "/usr/share/bazel/platforms")
    native.local_repository(name = "bazel_skylib", path = "/usr/share/bazel/tools/skylib")
