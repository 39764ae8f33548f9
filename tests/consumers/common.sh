# shellcheck shell=bash
# Sourced by every script here: a program outside of the repository uses the library one way, in an empty folder that
# is removed afterwards. Exit status 0: it works; 77: skipped, a tool is missing; else: it does not.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
app=$root/tests/consumers/app.cpp
model=${LOQUAT_TEST_MODEL:-$root/examples/story.gguf}
CXX=${CXX:-g++}
warnings="-Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wpedantic -Werror"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

skip() { echo "SKIPPED: $*"; exit 77; }
fails() { echo "FAILED: $*"; exit 1; }
needs() { for tool; do command -v "$tool" >/dev/null || skip "$tool is not there"; done; }
expect() { [ "$1" = "$2" ] || fails "expected: $2"$'\n'"found: $1"; }

# Runs a built app, which tells a story into told.txt.
runs() {
  [ -e "$model" ] || skip "it builds, but $model is not there"
  "$@" "$model" >told.txt || fails "$* ends with status $?: $(cat told.txt)"
  [ -s told.txt ] || fails "$* says nothing"
}
# The Clang compilers that are there, newest first.
clangs() { for v in -19 -18 -17 -16; do command -v clang++$v; done; true; }
