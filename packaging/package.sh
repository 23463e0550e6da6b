#!/usr/bin/env bash
# Makes Debian packages of what Bazel built: see `tools/package --help`.
set -euo pipefail

usage="usage: tools/package [--output DIR]

Builds everything optimised and writes three Debian packages into DIR (by default
the current folder):
  libivshmem0      the shared library, for programs that use it
  libivshmem-dev   header, static library, pkg-config and CMake files
  ivshmem-tools    the ivshmem command, manual, completion, systemd units
DEBFULLNAME and DEBEMAIL say who the packages' maintainer is."

fail() {
  echo "tools/package: $1 (see --help)" >&2
  exit 2
}

# `bazel run` says so where it was called.
here=${BUILD_WORKING_DIRECTORY:-$PWD}
output=$here
while (($#)); do
  case $1 in
    --help) echo "$usage" && exit ;;
    --output)
      [[ -n ${2-} ]] || fail "--output: expected a folder, got nothing"
      output=$2
      shift
      ;;
    --output=?*) output=${1#*=} ;;
    *) fail "unknown argument '$1'" ;;
  esac
  shift
done
[[ $output == /* ]] || output=$here/$output
[[ -d $output ]] || fail "--output: expected a folder, got '$output'"

version=$(< packaging/version.txt)
release=$version-1
maintainer="${DEBFULLNAME:-The ivshmem Authors} <${DEBEMAIL:-ivshmem@localhost}>"
architecture=$(dpkg --print-architecture)
libdir=lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
library=libivshmem${version%%.*}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
packaging/install --prefix /usr --libdir "$libdir" --destdir "$work/all" > /dev/null

give() { # PACKAGE PATH...    below /usr
  local package=$1 path
  for path in "${@:2}"; do
    mkdir -p "$work/$package/usr/$(dirname "$path")"
    mv "$work/all/usr/$path" "$work/$package/usr/$path"
  done
}
give_doc() { # PACKAGE FILE...
  local package=$1 file
  for file in "${@:2}"; do
    install -D -m 644 "$work/all/usr/share/doc/ivshmem/$file" "$work/$package/usr/share/doc/$package/$file"
    rm "$work/all/usr/share/doc/ivshmem/$file"
  done
}

give "$library" "$libdir/libivshmem.so.$version" "$libdir/libivshmem.so.${version%%.*}"
give libivshmem-dev include/ivshmem "$libdir"/{libivshmem.so,libivshmem.a,pkgconfig,cmake}
give ivshmem-tools bin/ivshmem share/man share/bash-completion lib/systemd
gzip -9n "$work"/ivshmem-tools/usr/share/man/man1/*
give_doc ivshmem-tools server.md
[[ ! -e $work/all/usr/share/doc/ivshmem/embedding.md ]] || give_doc libivshmem-dev embedding.md
# Debian has that license once for all.
{
  cat "$work/all/usr/share/doc/ivshmem/NOTICE"
  printf '\n%s\n' "On Debian systems, the Apache License 2.0 is in /usr/share/common-licenses/Apache-2.0."
} > "$work/copyright"
rm "$work/all/usr/share/doc/ivshmem/"{NOTICE,LICENSE}
left=$(find "$work/all" ! -type d)
[[ -z $left ]] || { echo "tools/package: no package has $left" >&2 && exit 1; }

# What the programs of a package need, as Debian says it.
mkdir -p "$work/$library/DEBIAN" "$work/libivshmem-dev/DEBIAN" "$work/ivshmem-tools/DEBIAN" "$work/debian"
printf 'Source: ivshmem\n\nPackage: %s\nArchitecture: any\n' "$library" > "$work/debian/control"
needs() { # FILE
  (cd "$work" && dpkg-shlibdeps -O --ignore-missing-info "$1" 2> /dev/null) | sed -n 's/^shlibs:Depends=//p'
}
echo "libivshmem ${version%%.*} $library (>= $version)" > "$work/$library/DEBIAN/shlibs"
echo "activate-noawait ldconfig" > "$work/$library/DEBIAN/triggers"

control() { # PACKAGE SECTION DEPENDS FURTHER-FIELD DESCRIPTION
  local root=$work/$1 doc=$work/$1/usr/share/doc/$1
  install -D -m 644 "$work/copyright" "$doc/copyright"
  printf 'ivshmem (%s) unstable; urgency=medium\n\n  * %s\n\n -- %s  %s\n' "$release" \
    "Version $version." "$maintainer" "Thu, 01 Jan 2026 00:00:00 +0000" \
    | gzip -9n > "$doc/changelog.Debian.gz"
  chmod 644 "$doc/changelog.Debian.gz"
  (cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum > DEBIAN/md5sums)
  cat > "$root/DEBIAN/control" << END
Package: $1
Source: ivshmem
Version: $release
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f 1)
Depends: $3
${4:+$4
}Section: $2
Priority: optional
Multi-Arch: $([[ $1 == ivshmem-tools ]] && echo foreign || echo same)
Description: $5
END
  dpkg-deb --root-owner-group --build "$root" "$output/$1_${release}_$architecture.deb" > /dev/null
  echo "$output/$1_${release}_$architecture.deb"
}

about=" ivshmem lets virtual machines share memory and ring each other's doorbells."
control "$library" libs "$(needs "$library/usr/$libdir/libivshmem.so.$version")" "" \
  "ivshmem device for any virtual machine monitor
$about
 This library is the device, for virtual machine monitors to embed."
control libivshmem-dev libdevel "$library (= $release)" "Suggests: libabsl-dev, libprotobuf-dev" \
  "ivshmem device for any virtual machine monitor - development files
$about
 These are the header and what a compiler needs. The static library also needs
 the suggested packages."
control ivshmem-tools misc "$(needs ivshmem-tools/usr/bin/ivshmem)" "" \
  "server and command for memory that virtual machines share
$about
 This command serves QEMU's ivshmem-doorbell devices and all others that speak
 its protocol, and shows, rings and watches who is there."
