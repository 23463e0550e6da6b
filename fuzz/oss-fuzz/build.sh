#!/bin/bash -eu
# Copyright 2026 The ivshmem Authors
# SPDX-License-Identifier: Apache-2.0

# Builds the fuzz targets as OSS-Fuzz asks: with its compilers and flags (CC, CXX,
# CFLAGS, CXXFLAGS), linked with its engine (LIB_FUZZING_ENGINE), into OUT, beside
# each the zipped corpus and options. Libraries whose sources are in SRC are built
# from them; the others are the machine's. WORK keeps what was compiled.
#
# No Bazel: that of this project is Debian's, and uses Debian's libraries, which
# know nothing of libc++. fuzz/oss-fuzz/rules.py says what has to be compiled.
#
# usage: in the repository's root, fuzz/oss-fuzz/build.sh [TARGET]...
# (OSS-Fuzz calls it from there, without arguments: all targets).

targets=("$@")
((${#targets[@]})) || mapfile -t targets < <(ls fuzz/corpus)

prefix=$WORK/prefix
export PATH=$prefix/bin:$PATH
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig

# library FOLDER CMAKE_OPTION...
library() {
  local source=$SRC/$1
  [[ -d $source ]] || return 0
  shift
  cmake -S "$source" -B "$WORK/${source##*/}" -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_STANDARD=20 \
    -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib -DBUILD_SHARED_LIBS=OFF "$@"
  cmake --build "$WORK/${source##*/}" --target install --parallel "$(nproc)"
}
library abseil-cpp
library protobuf -Dprotobuf_BUILD_TESTS=OFF
library googletest

modules=(protobuf gmock absl_any_invocable absl_cleanup absl_flat_hash_map absl_flat_hash_set
  absl_inlined_vector absl_int128 absl_node_hash_map absl_random_random absl_span absl_statusor
  absl_str_format absl_strings absl_synchronization absl_time)
mkdir -p "$WORK/generated"
ln -sfn . "$WORK/generated/ivshmem" # Some are included as ivshmem/proto/x.pb.h.
python3 fuzz/oss-fuzz/rules.py "${targets[@]}" > "$WORK/rules.mk"
make --file "$WORK/rules.mk" --jobs "$(nproc)" --no-print-directory \
  WORK="$WORK" OUT="$OUT" CXX="$CXX" LIB_FUZZING_ENGINE="$LIB_FUZZING_ENGINE" \
  CXXFLAGS="$CXXFLAGS -std=c++20 -I. -I$WORK/generated -Icapi/include -DIVSHMEM_VERSION='\"fuzz\"' $(pkg-config --cflags "${modules[@]}")" \
  LIBRARIES="$(pkg-config --libs "${modules[@]}")"

for target in "${targets[@]}"; do
  rm -f "$OUT/${target}_seed_corpus.zip"
  python3 -m zipfile --create "$OUT/${target}_seed_corpus.zip" "fuzz/corpus/$target"/*
  printf '[libfuzzer]\nlen_control = 0\nentropic = 0\nmax_len = 4096\n' > "$OUT/$target.options"
done
