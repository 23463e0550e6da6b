#!/usr/bin/env bash
# The shared library shows the symbols of capi/exported.txt, of version IVSHMEM_0,
# and nothing else. One that was shown once is shown for ever: programs ask for
# it.
set -euo pipefail

library=capi/libivshmem.so
# Without nm's line for the version itself (A).
shown=$(nm --dynamic --defined-only --with-symbol-versions "$library" | awk '$2 != "A" { print $2, $3 }' | LC_ALL=C sort)
diff <(sed 's/.*/T &@@IVSHMEM_0/' capi/exported.txt) <(echo "$shown") || {
  echo "capi/exported.txt (<) and $library (>) differ"
  exit 1
}
# What the header declares is what there is.
diff <(grep -o '\bivshmem_[a-z_]*(' capi/include/ivshmem/ivshmem.h | tr -d '(' | LC_ALL=C sort -u |
  grep -Fx -f capi/exported.txt) capi/exported.txt || {
  echo "the header does not declare all of capi/exported.txt (>)"
  exit 1
}
readelf --dynamic "$library" | grep 'SONAME.*\[libivshmem.so.0\]' > /dev/null || {
  echo "soname: expected libivshmem.so.0"
  exit 1
}
