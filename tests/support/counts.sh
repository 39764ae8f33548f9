#!/usr/bin/env bash
# Passes when main.cpp counts the cases of counts_cases.cpp right and says why two of them were skipped.
source "$(dirname "$0")/../consumers/common.sh"
$CXX -std=c++20 -O0 -DLOQUAT_SOURCE_DIR=\"/nowhere/source\" \
  "$root"/tests/{main.cpp,support/data.cpp,support/counts_cases.cpp} -o counts || exit 1
unset LOQUAT_TEST_DATA

./counts >all.txt && fails "the program reports success though cases failed"
expect "$(tail -n 1 all.txt)" "2 passed, 4 failed, 2 skipped"
expect "$(grep ^SKIPPED all.txt)" "SKIPPED: lacks data in a subcase: /nowhere/shared/data/none/such.gguf is not there
SKIPPED: marked: marked as skipped"

./counts --test-case='passes*' >some.txt || fails "the program reports failure though no case failed"
expect "$(tail -n 1 some.txt)" "2 passed, 0 failed, 1 skipped" # a mark counts whatever the filter

mkdir -p data/none && : >data/none/such.gguf
LOQUAT_TEST_DATA=$PWD/data ./counts --test-case='lacks*' >found.txt && fails "the data folder is not looked at"
expect "$(tail -n 1 found.txt)" "0 passed, 1 failed, 1 skipped"
