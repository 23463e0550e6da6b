#!/usr/bin/env bash
# The embedding example that the README shows is the one that is built, and it
# runs.
set -euo pipefail

shown=$(sed -n '/^```cpp$/,/^```$/p' README.md | sed '1d;$d')
built=$(sed -n '/^\/\/ \[embed\]$/,/^\/\/ \[embed\]$/p' examples/embed/embed.cc | sed '1d;$d')
[[ -n $built ]] || { echo "readme_test: no example in embed.cc"; exit 1; }
diff <(echo "$shown") <(echo "$built") || { echo "readme_test: README.md and examples/embed/embed.cc differ"; exit 1; }
(($(grep -cv '^ *$' <<< "$built") <= 20)) || { echo "readme_test: more than 20 lines of example"; exit 1; }

examples/embed/embed || { echo "readme_test: the example fails"; exit 1; }
