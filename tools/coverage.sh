#!/usr/bin/env bash
# Line coverage of include/ by the tests: prints gcovr's table, writes build-coverage/coverage.html, fails below 95 %.
# Code that only constant expressions or another CPU run counts as not covered.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v gcovr >/dev/null || { echo "gcovr is not there"; exit 77; }
build="build-coverage"
[ -e $build/build.ninja ] || CXX=g++ meson setup $build -Db_coverage=true -Doptimization=0 \
  -Dcpp_args=-fno-inline -Dexamples=false -Dtools=false
ninja -C $build --quiet tests/loquat_tests
find $build -name '*.gcda' -delete
$build/tests/loquat_tests
gcovr --root . --filter include/ --gcov-executable gcov --exclude-unreachable-branches --exclude-throw-branches \
  --html-details $build/coverage.html --print-summary --fail-under-line 95 $build
