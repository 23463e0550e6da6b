#!/usr/bin/env bash
# What is installed is all that an outside program needs.
set -euo pipefail

fail() {
  echo "install_test: $*"
  exit 1
}

install=packaging/install
outside=$PWD/packaging/outside
version=$(< packaging/version.txt)
folder=$(mktemp -d /tmp/ivshmem.XXXXXX)
trap 'rm -rf "$folder"' EXIT

refused() { # TEXT ARGUMENT...
  local status=0 said
  said=$("$install" "${@:2}" 2>&1) || status=$?
  [[ $status == 2 && $said == *"$1"* && $said != *$'\n'* ]] || fail "${*:2}: status $status, '$said'"
}
refused "--prefix: expected an absolute path, got ''"
refused "expected an absolute path, got 'here'" --prefix here
refused "--prefix: expected a folder" --prefix
refused "below the prefix, got '../lib'" --prefix=/x --libdir=../lib
refused "expected letters" --prefix "/a b"
refused "unknown argument '--nonsense'" --nonsense

said=$("$install" --prefix "$folder/here")
[[ $said == *"libivshmem.so.$version"*" bytes"*"libprotobuf.so"* ]] || fail "no size or no dependencies: $said"

# It can be moved: nothing but the systemd units knows where it was.
prefix=$folder/moved
mv "$folder/here" "$prefix"
grep -q "^ExecStart=$folder/here/bin/ivshmem server " "$prefix/lib/systemd/system/ivshmem-server@.service" \
  || fail "the unit starts another command"
! grep -rIl --exclude='*.service' "$folder\|$PWD" "$prefix" || fail "these know where they were built"

[[ $("$prefix/bin/ivshmem" --version) == "ivshmem $version" ]] || fail "the command's version"
for file in share/man/man1/ivshmem-server.1 share/bash-completion/completions/ivshmem share/doc/ivshmem/NOTICE \
  share/doc/ivshmem/LICENSE lib/systemd/system/ivshmem-server@.socket; do
  [[ -s $prefix/$file ]] || fail "no $file"
done

[[ -z $(nm "$prefix/lib/libivshmem.so" 2> /dev/null) ]] || fail "the shared library is not stripped"

# Both libraries show ivshmem_* and nothing else, and the same of it.
lib=$prefix/lib
shared=$(nm -D --defined-only "$lib/libivshmem.so" | awk '{ sub("@.*", "", $3); print $3 }' | grep -v '^IVSHMEM_0$' | sort)
static=$(nm -g --defined-only "$lib/libivshmem.a" | awk 'NF == 3 { print $3 }' | sort)
[[ $(grep -c '^ivshmem_' <<< "$shared") -gt 50 ]] || fail "few names: $shared"
! grep -v '^ivshmem_' <<< "$shared" || fail "the shared library shows these"
diff <(echo "$shared") <(echo "$static") || fail "the libraries show different names"
[[ $(readelf -d "$lib/libivshmem.so") == *"Library soname: [libivshmem.so.${version%%.*}]"* ]] || fail "soname"

# protobuf ends a process in which two files of messages have the same path.
messages=$(strings -a "$lib/libivshmem.so" | grep -x '[a-z_/]*\.proto' | sort -u)
[[ -n $messages ]] || fail "no messages"
! grep -v '^ivshmem/' <<< "$messages" || fail "these messages are not under ivshmem/"

# An outside program, by pkg-config.
export PKG_CONFIG_PATH=$lib/pkgconfig
[[ $(pkg-config --modversion ivshmem) == "$version" ]] || fail "pkg-config's version"
warnings=(-Wall -Wextra -Werror -pedantic)
read -ra flags <<< "$(pkg-config --cflags ivshmem)"
read -ra libs <<< "$(pkg-config --libs ivshmem)"
read -ra private <<< "$(pkg-config --static --libs ivshmem)"
works() { # PROGRAM, and whether it needs the shared library
  local needs=no
  [[ $(readelf -d "$1") != *'[libivshmem.so.0]'* ]] || needs=yes
  [[ $needs == "$2" ]] || fail "$1: needs the shared library: $needs"
  [[ $(LD_LIBRARY_PATH=$([[ $2 == no ]] || echo "$lib") "$1") == "$version 11101af4" ]] || fail "$1 fails"
}
cc -std=c99 "${warnings[@]}" "${flags[@]}" "$outside/program.c" "${libs[@]}" -o "$folder/shared"
works "$folder/shared" yes
c++ -std=c++11 "${warnings[@]}" "${flags[@]}" -x c++ "$outside/program.c" -x none "${libs[@]}" -o "$folder/as_cc"
works "$folder/as_cc" yes
# As the manual of pkg-config has it, -lNAME is the static one where only that is.
cc -std=c99 "${flags[@]}" "$outside/program.c" "${private[@]/-livshmem/-l:libivshmem.a}" -o "$folder/static"
works "$folder/static" no
cc -c "${flags[@]}" "$outside/program.c" -o "$folder/program.o"
c++ "$outside/own_names.cc" "$folder/program.o" "${private[@]/-livshmem/-l:libivshmem.a}" -o "$folder/own_names"
works "$folder/own_names" no

# The same by CMake. A version that is not compatible is not found.
cmake_with() { # VERSION
  cmake -S "$outside" -B "$folder/build-$1" -DCMAKE_PREFIX_PATH="$prefix" -DWANTED_VERSION="$1" > "$folder/cmake.log" 2>&1
}
for wanted in 0.1 "$version"; do
  cmake_with "$wanted" || fail "CMake: $(< "$folder/cmake.log")"
done
for unwanted in 0.0.1 0.2 1.0 0.1.999; do
  ! cmake_with "$unwanted" || fail "CMake takes $version for $unwanted"
done
cmake --build "$folder/build-$version" > "$folder/cmake.log" 2>&1 || fail "CMake: $(< "$folder/cmake.log")"
works "$folder/build-$version/shared" yes
works "$folder/build-$version/static" no

# Which versions are compatible, also later.
takes() { # VERSION, WANTED
  sed "s|@VERSION@|$1|" packaging/templates/ivshmem-config-version.cmake > "$folder/version.cmake"
  printf 'set(PACKAGE_FIND_VERSION %s)\ninclude(%s)\nif(NOT PACKAGE_VERSION_COMPATIBLE)\n message(FATAL_ERROR no)\nendif()\n' \
    "$2" "$folder/version.cmake" > "$folder/takes.cmake"
  cmake -P "$folder/takes.cmake" 2> /dev/null
}
for pair in "0.1.3 0.1.1" "0.1.3 0" "1.2.0 1.1" "1.2.0 1"; do
  takes $pair || fail "CMake does not take ${pair% *} for ${pair#* }"
done
for pair in "0.2.0 0.1" "1.0.0 0.1" "2.0.0 1.1" "1.2.0 0.1" "1.2.0 1.3"; do
  ! takes $pair || fail "CMake takes ${pair% *} for ${pair#* }"
done

# A distribution's layout, put together elsewhere.
"$install" --prefix /usr --libdir lib/x86_64-linux-gnu --destdir "$folder/root" > /dev/null
root=$folder/root/usr
[[ -e $root/lib/x86_64-linux-gnu/libivshmem.so ]] || fail "no library in --libdir"
grep -qx 'prefix=/usr' "$root/lib/x86_64-linux-gnu/pkgconfig/ivshmem.pc" || fail "pkg-config's prefix"
grep -q '^ExecStart=/usr/bin/ivshmem ' "$root/lib/systemd/system/ivshmem-server@.service" || fail "the unit's command"
cmake -S "$outside" -B "$folder/build-root" -DCMAKE_PREFIX_PATH="$root" -DCMAKE_LIBRARY_ARCHITECTURE=x86_64-linux-gnu \
  > "$folder/cmake.log" 2>&1 || fail "CMake: $(< "$folder/cmake.log")"
cmake --build "$folder/build-root" --target static > "$folder/cmake.log" 2>&1 || fail "CMake: $(< "$folder/cmake.log")"
works "$folder/build-root/static" no
