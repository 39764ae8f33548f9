#!/usr/bin/env bash
# Projects without exceptions and RTTI, with all warnings on.
source "$(dirname "$0")/common.sh"
for compiler in $CXX $(clangs | head -n 1); do
  $compiler -std=c++20 -fno-exceptions -fno-rtti $warnings -I"$root/include" "$app" -o app || fails "$compiler"
  runs ./app
  $compiler -std=c++20 -fno-exceptions -fno-rtti $warnings -I"$root/include" -fsyntax-only \
    "$root/tools/kernels/kernels.cpp" || fails "$compiler"
done
