#!/usr/bin/env bash
# Every public header compiles alone, and twice, without a warning; other compilers take all of them in one file, as
# what a header includes is the same for each. What a kernel includes once per instruction set (*.inl*,
# foreach_target.hpp) is no header for users.
source "$(dirname "$0")/common.sh"
compile() { # compiler name header...
  local compiler=$1 name=$2
  shift 2
  printf '#include <loquat/%s>\n' "$@" "$@" >"$name.cpp"
  $compiler -std=c++20 -fsyntax-only $warnings -I"$root/include" "$name.cpp" >&2 && echo passed ||
    { echo "FAILED: $compiler <loquat/$name>" >&2; echo failed; }
}
export -f compile
export root warnings
headers=$(cd "$root/include/loquat" && find . -name '*.hpp' ! -name '*.inl*' ! -name foreach_target.hpp -printf '%P\n' | sort)
{
  for compiler in $(clangs); do echo "$compiler" "${compiler##*/}" $headers; done
  for header in $headers; do echo "$CXX" "${header//\//-}" "$header"; done
} | xargs -d '\n' -n 1 -P "$(nproc)" bash -c 'compile $1' - >results.txt
passed=$(grep -c passed results.txt)
failed=$(grep -c failed results.txt)
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
