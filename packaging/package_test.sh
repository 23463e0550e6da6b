#!/usr/bin/env bash
# The Debian packages have all that is installed, each file once, and say what
# they need; a program is built with what they hold.
set -euo pipefail

fail() {
  echo "package_test: $*"
  exit 1
}

version=$(< packaging/version.txt)
folder=$(mktemp -d /tmp/ivshmem.XXXXXX)
trap 'rm -rf "$folder"' EXIT

status=0
said=$(packaging/package --output "$folder/nowhere" 2>&1) || status=$?
[[ $status == 2 && $said == *"--output: expected a folder, got '$folder/nowhere'"* ]] || fail "status $status: $said"

mkdir "$folder/debs"
DEBFULLNAME='Jo Doe' DEBEMAIL=jo@example.org packaging/package --output "$folder/debs" > "$folder/list"
mapfile -t debs < <(sort "$folder/list")
[[ $(ls "$folder/debs" | wc -l) == 3 && ${#debs[@]} == 3 ]] || fail "packages: ${debs[*]}"

field() { # PACKAGE FIELD
  dpkg-deb --field "$folder/debs/$1_$version-1_$(dpkg --print-architecture).deb" "$2"
}
library=libivshmem${version%%.*}
for needed in libprotobuf libabsl libstdc++6 libc6; do
  [[ $(field "$library" Depends) == *"$needed"* ]] || fail "$library does not need $needed: $(field "$library" Depends)"
done
[[ $(field ivshmem-tools Depends) == *libsystemd0* ]] || fail "ivshmem-tools: $(field ivshmem-tools Depends)"
[[ $(field ivshmem-tools Depends) != *libivshmem* ]] || fail "the command has the library inside"
[[ $(field libivshmem-dev Depends) == "$library (= $version-1)" ]] || fail "libivshmem-dev: $(field libivshmem-dev Depends)"

for package in "$library" libivshmem-dev ivshmem-tools; do
  [[ $(field "$package" Maintainer) == 'Jo Doe <jo@example.org>' ]] || fail "$package: $(field "$package" Maintainer)"
done

# Programs that link the library need its package; the loader hears of it.
dpkg-deb --control "$folder/debs/${library}_$version-1_"*.deb "$folder/library"
[[ $(< "$folder/library/shlibs") == "libivshmem ${version%%.*} $library (>= $version)" ]] || fail "shlibs"
[[ $(< "$folder/library/triggers") == "activate-noawait ldconfig" ]] || fail "triggers"

# No file is in two, and all are root's.
all=$folder/root
mkdir "$all"
for deb in "${debs[@]}"; do
  dpkg-deb --contents "$deb" | awk '$1 !~ /^d/ { print $6 }' >> "$folder/files"
  ! dpkg-deb --contents "$deb" | awk '$2 != "root/root" || $1 ~ /^-.*w.*w/' | grep . || fail "$deb: owners or modes"
  dpkg-deb --extract "$deb" "$all"
  dpkg-deb --control "$deb" "$folder/control"
  (cd "$all" && md5sum --quiet --check "$folder/control/md5sums") || fail "$deb: md5sums"
  [[ $(wc -l < "$folder/control/md5sums") == $(dpkg-deb --contents "$deb" | grep -c '^-') ]] || fail "$deb: not all sums"
done
[[ -z $(sort "$folder/files" | uniq -d) ]] || fail "twice: $(sort "$folder/files" | uniq -d)"

for package in "$library" libivshmem-dev ivshmem-tools; do
  doc=$all/usr/share/doc/$package
  grep -q '/usr/share/common-licenses/Apache-2.0' "$doc/copyright" || fail "$package: no licence"
  [[ $(zcat "$doc/changelog.Debian.gz") == "ivshmem ($version-1) "* ]] || fail "$package: changelog"
done
grep -q 'Niels Lohmann' "$all/usr/share/doc/ivshmem-tools/copyright" || fail "no notice of what is inside"
zcat "$all/usr/share/man/man1/ivshmem-server.1.gz" | grep -q '^.SH NAME' || fail "no manual"

# What is extracted works.
lib=$all/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
[[ $("$all/usr/bin/ivshmem" --version) == "ivshmem $version" ]] || fail "the command"
export PKG_CONFIG_SYSROOT_DIR=$all PKG_CONFIG_LIBDIR=$lib/pkgconfig
# -L and -I of the system's own folders are left out, but this is not the system.
read -ra flags <<< "$(PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 pkg-config --cflags --libs ivshmem)"
cc packaging/outside/program.c "${flags[@]}" -o "$folder/program"
[[ $(LD_LIBRARY_PATH=$lib "$folder/program") == "$version 11101af4" ]] || fail "the program"
