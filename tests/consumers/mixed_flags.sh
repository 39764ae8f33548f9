#!/usr/bin/env bash
# One program of two translation units with different -m flags: both get the same results, whatever the linker keeps.
source "$(dirname "$0")/common.sh"
grep -qw avx2 /proc/cpuinfo 2>/dev/null || skip "no AVX2"
sources=$root/tests/consumers
$CXX -std=c++20 -O1 -I"$root/include" -DTELL=baseline -c "$sources/mixed_flags.cpp" -o baseline.o &&
  $CXX -std=c++20 -O1 -I"$root/include" -mavx2 -mfma -DTELL=with_avx2 -c "$sources/mixed_flags.cpp" -o with_avx2.o &&
  $CXX -std=c++20 -c "$sources/mixed_flags_main.cpp" -o main.o || fails "$CXX"
$CXX main.o baseline.o with_avx2.o -o one && $CXX main.o with_avx2.o baseline.o -o other || fails "link"
runs ./one && mv told.txt one.txt && runs ./other
cmp told.txt one.txt || fails "the order of linking matters"
