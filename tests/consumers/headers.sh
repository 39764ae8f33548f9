#!/usr/bin/env bash
# Every public header compiles alone, and twice, without a warning, by every compiler that is there.
# What a kernel includes once per instruction set (*.inl*, foreach_target.hpp) is no header for users.
source "$(dirname "$0")/common.sh"
compile() { # compiler header
  printf '#include <loquat/%s>\n' "$2" "$2" >"${1##*/}-${2//\//-}.cpp"
  $1 -std=c++20 -fsyntax-only $warnings -I"$root/include" "${1##*/}-${2//\//-}.cpp" >&2 && echo passed ||
    { echo "FAILED: $1 <loquat/$2>" >&2; echo failed; }
}
export -f compile
export root warnings
headers=$(cd "$root/include/loquat" && find . -name '*.hpp' ! -name '*.inl*' ! -name foreach_target.hpp -printf '%P\n' | sort)
for compiler in "$CXX" $(clangs); do
  for header in $headers; do printf '%s\n%s\n' "$compiler" "$header"; done
done | xargs -d '\n' -n 2 -P "$(nproc)" bash -c 'compile "$@"' - >results.txt
passed=$(grep -c passed results.txt)
failed=$(grep -c failed results.txt)
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
