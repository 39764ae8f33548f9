#!/usr/bin/env bash
# Fails when a source file is missing from the meson.build of its folder: it would neither be built nor run.
set -uo pipefail
cd "$(dirname "$0")/.."
missing=0
for folder in tests examples bench tools; do
  while read -r file; do
    case $file in consumers/* | support/counts* | support/no_data.cpp | kernels/*) continue ;; esac # built by scripts, or with its own list
    name=${file%.cpp}
    grep -qE "'${name#fuzz/}(\.cpp)?'" "$folder/meson.build" && continue
    echo "$folder/$file is not in $folder/meson.build"
    missing=1
  done < <(find "$folder" -name '*.cpp' -printf '%P\n' | sort)
done
exit $missing
