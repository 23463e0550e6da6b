#!/usr/bin/env bash
# Copies what Bazel built to where a system has it: see `tools/install --help`.
set -euo pipefail

usage="usage: tools/install --prefix DIR [--libdir DIR] [--destdir DIR]

Builds the library and the command optimised, and installs them with all that
belongs to them: header, pkg-config and CMake files, manual, completion, systemd
units, documents. Prints the shared library's size and what it is linked to.
  --prefix DIR    where it is to be used: /usr/local, /opt/ivshmem, ...
  --libdir DIR    for libraries, below the prefix (lib)
  --destdir DIR   put before the prefix: for packages"

fail() {
  echo "tools/install: $1 (see --help)" >&2
  exit 2
}

prefix='' libdir=lib destdir=''
while (($#)); do
  case $1 in
    --help) echo "$usage" && exit ;;
    --prefix | --libdir | --destdir)
      [[ -n ${2-} ]] || fail "$1: expected a folder, got nothing"
      declare "${1#--}=$2"
      shift
      ;;
    --prefix=?* | --libdir=?* | --destdir=?*)
      name=${1%%=*}
      declare "${name#--}=${1#*=}"
      ;;
    *) fail "unknown argument '$1'" ;;
  esac
  shift
done
[[ $prefix == /* ]] || fail "--prefix: expected an absolute path, got '$prefix'"
[[ $destdir == '' || $destdir == /* ]] || fail "--destdir: expected an absolute path, got '$destdir'"
[[ $libdir != /* && /$libdir/ != */../* ]] || fail "--libdir: expected a path below the prefix, got '$libdir'"
# Both are written into files that have their own ideas of these.
[[ $prefix$libdir != *[!A-Za-z0-9/._+~-]* ]] \
  || fail "--prefix and --libdir: expected letters, digits and /._+~-, got '$prefix' and '$libdir'"
while [[ $prefix == */ && $prefix != / ]]; do prefix=${prefix%/}; done

version=$(< packaging/version.txt)
soversion=${version%%.*}
shared=capi/libivshmem.so
to=$destdir$prefix

put() { # MODE FILE... FOLDER
  local mode=$1 folder=${*: -1}
  install -d -m 755 "$folder"
  install -m "$mode" "${@:2:$#-2}" "$folder"
}

# The dynamic dependencies are also what a static libivshmem needs.
needed=$(readelf -d "$shared" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
private=()
for library in $needed; do
  case $library in
    # A compiler links those by itself.
    libc.so.* | libgcc_s.so.* | ld-linux*) ;;
    lib*.so*)
      library=${library#lib}
      private+=("-l${library%%.so*}")
      ;;
  esac
done

# From below LIBDIR back to the prefix, so that it all can be moved.
up=$(sed 's|[^/]\+|..|g' <<< "$libdir")
# A system's own prefix is written out, as compilers know it by that name.
case $prefix in
  /usr | /usr/local) pc_prefix=$prefix ;;
  *) pc_prefix="\${pcfiledir}/../$up" ;;
esac

fill() { # TEMPLATE SEPARATOR
  local separator=$2 libraries
  printf -v libraries "%s$separator" "${private[@]}"
  sed -e "s|@PREFIX@|$pc_prefix|; s|@LIBDIR@|$libdir|; s|@TO_PREFIX@|../../$up|" \
    -e "s|@VERSION@|$version|; s|@SOVERSION@|$soversion|; s|@LIBS_PRIVATE@|${libraries%"$separator"}|" "$1"
}

put 644 capi/include/ivshmem/ivshmem.h "$to/include/ivshmem"

put 644 packaging/libivshmem.a "$to/$libdir"
strip --strip-unneeded -o "$to/$libdir/libivshmem.so.$version" "$shared"
chmod 644 "$to/$libdir/libivshmem.so.$version"
ln -sfn "libivshmem.so.$version" "$to/$libdir/libivshmem.so.$soversion"
ln -sfn "libivshmem.so.$soversion" "$to/$libdir/libivshmem.so"

install -d -m 755 "$to/$libdir/pkgconfig" "$to/$libdir/cmake/ivshmem"
fill packaging/templates/ivshmem.pc ' ' > "$to/$libdir/pkgconfig/ivshmem.pc"
for file in ivshmem-config.cmake ivshmem-config-version.cmake; do
  fill "packaging/templates/$file" ';' > "$to/$libdir/cmake/ivshmem/$file"
done

install -d -m 755 "$to/bin"
strip -o "$to/bin/ivshmem" tools/ivshmem/ivshmem
chmod 755 "$to/bin/ivshmem"
put 644 packaging/command/*.1 "$to/share/man/man1"
install -D -m 644 packaging/command/ivshmem.bash "$to/share/bash-completion/completions/ivshmem"
install -d -m 755 "$to/lib/systemd/system"
for unit in ivshmem-server@.service ivshmem-server@.socket; do
  sed "s|/usr/bin/ivshmem|$prefix/bin/ivshmem|" "packaging/systemd/$unit" > "$to/lib/systemd/system/$unit"
done

put 644 LICENSE packaging/NOTICE docs/*.md "$to/share/doc/ivshmem"

find "$to/$libdir/pkgconfig/ivshmem.pc" "$to/$libdir/cmake/ivshmem" "$to/lib/systemd/system" -type f -name '*ivshmem*' \
  -exec chmod 644 {} +

echo "Installed ivshmem $version in $to"
printf '  %-24s %s bytes\n' "libivshmem.so.$version" "$(stat -c %s "$to/$libdir/libivshmem.so.$version")"
echo "  linked to"
sed 's/^/    /' <<< "$needed"
