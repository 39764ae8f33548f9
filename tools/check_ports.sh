#!/usr/bin/env bash
# The library on 64-bit ARM and in WebAssembly: cross-compiles most tests, runs them under qemu and Node, and has a model
# tell the story that it tells here. The last line says how many test cases passed, failed and were skipped.
#
#   tools/check_ports.sh [arm | wasm]   one of them, or both
#
# On Debian: g++-aarch64-linux-gnu and qemu-user; clang-19, lld-19, wasi-libc, libc++-19-dev-wasm32,
# libc++abi-19-dev-wasm32, libclang-rt-19-dev-wasm32 and nodejs; doctest-dev.
set -uo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in "" | arm | wasm) ;; *) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2 ;; esac
build=$PWD/build-ports
model=examples/story.gguf
mkdir -p "$build/headers"
ln -sfn /usr/include/doctest "$build/headers/doctest" # the one header of the host that cross compilers may see

passed=0 failed=0 skipped=0
fail() { echo "FAILED: $*"; failed=$((failed + 1)); }
skip() { echo "SKIPPED: $*"; skipped=$((skipped + 1)); }
# Whether all tools of a port are there.
have() {
  local port=$1 tool missing=()
  shift
  for tool; do command -v "$tool" >/dev/null || missing+=("$tool"); done
  [ -e /usr/include/doctest/doctest.h ] || missing+=(doctest)
  [ ${#missing[@]} = 0 ] || { skip "$port: not there: ${missing[*]}"; return 1; }
}

flags="-std=c++20 -O2 -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wpedantic -Werror -Wno-psabi -Iinclude -Itests"
flags+=" -isystem $build/headers -DLOQUAT_SOURCE_DIR='\"$PWD\"' -DLOQUAT_SEPARATE_KERNELS"
# What needs neither files nor threads nor exceptions; the rest runs on ARM only.
portable="backend/cpu backend/recurrence $(cd tests && echo kernel/*.cpp) core/arena core/json core/math core/utf8 format/gguf_malformed
  generate/generator generate/samplers io/bytes model/malformed plugin/host quant/formats quant/iq_formats quant/k_formats
  quant/legacy_formats quant/mixes quant/quantize quant/ternary_and_fp4 simd/targets simd/vocabulary tokenizer/added_tokens
  tokenizer/bpe tokenizer/decoders tokenizer/encoding tokenizer/models tokenizer/normalize tokenizer/pair_map
  tokenizer/pipeline tokenizer/pretokenize tokenizer/regex tokenizer/scored_bpe tokenizer/sources"
others="format/gguf format/gguf_writer io/mmap model/constant model/forward model/goldens model/story parallel/pool"

# link FOLDER "COMPILER OPTIONS" "SOURCES" "LINK OPTIONS": compiles what is older than the sources, and links `tests`.
link() {
  local folder=$build/$1 compiler=$2 sources=$3 options=$4 source
  mkdir -p "$folder"
  for source in tools/kernels/kernels.cpp $sources; do
    local object=$folder/${source//\//_}.o
    [ -e "$object" ] && [ -z "$(find include tests tools/kernels -newer "$object" -print -quit)" ] && continue
    printf '%s\0' "$compiler $flags -c $source -o $object || { rm -f $object; exit 255; }"
  done | xargs -0 -r -P "$(nproc)" -I{} bash -c {} || return 1
  # shellcheck disable=SC2046,SC2086
  $compiler $(for source in tools/kernels/kernels.cpp $sources; do echo "$folder/${source//\//_}.o"; done) $options \
    -o "$folder/tests"
}
# run NAME COMMAND...: runs a test program and counts what its last line says.
run() {
  local name=$1 line
  shift
  printf '\n== %s\n' "$name"
  "$@" </dev/null 2>&1 | tee "$build/run.log" | grep -vE '^\[doctest\]|^=+$'
  line=$(tail -n 1 "$build/run.log")
  if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
    passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2])) skipped=$((skipped + BASH_REMATCH[3]))
  else
    fail "$name: no result"
  fi
}
# same_story NAME COMMAND...: the program tells what the one compiled for this machine tells.
same_story() {
  local name=$1
  shift
  "$@" "$model" >"$build/told.txt" 2>/dev/null
  if cmp -s "$build/here.txt" "$build/told.txt"; then passed=$((passed + 1)); else fail "$name tells another story"; fi
}

story="-std=c++20 -O2 -fno-exceptions -Iinclude tests/consumers/app.cpp"
g++ $story -o "$build/story" && "$build/story" "$model" >"$build/here.txt" || fail "the story is not told here"

if [ "${1:-arm}" = arm ] && have ARM aarch64-linux-gnu-g++ qemu-aarch64; then
  support="tests/main.cpp tests/support/allocations.cpp tests/support/data.cpp"
  sources="$support $(printf 'tests/%s.cpp ' ${portable//.cpp/} $others)"
  if link arm "aarch64-linux-gnu-g++ -Wno-maybe-uninitialized" "$sources" -static; then # GCC 12 warns of `one_of` at -O2
    export LOQUAT_EXPECTED_TARGET=neon_i8mm
    run "ARM with matrix products" qemu-aarch64 -cpu max "$build/arm/tests"
    export LOQUAT_EXPECTED_TARGET=neon_dotprod
    run "ARM with dot products" qemu-aarch64 -cpu neoverse-n1 "$build/arm/tests"
    export LOQUAT_EXPECTED_TARGET=neon
    run "ARM without either" qemu-aarch64 -cpu cortex-a72 "$build/arm/tests"
    unset LOQUAT_EXPECTED_TARGET
  else
    fail "ARM: the tests do not compile"
  fi
  if aarch64-linux-gnu-g++ $story -static -o "$build/arm/story"; then
    for cpu in max neoverse-n1 cortex-a72; do same_story "ARM, $cpu" qemu-aarch64 -cpu $cpu "$build/arm/story"; done
  else
    fail "ARM: the program does not compile"
  fi
fi

if [ "${1:-wasm}" = wasm ] && have WebAssembly clang++-19 wasm-ld-19 node; then
  wasm="clang++-19 --target=wasm32-wasi -fno-exceptions" # the standard library there has none
  node="node --no-warnings tools/run_wasi.mjs"
  sources="tests/main.cpp tests/support/allocations.cpp tests/support/no_data.cpp $(printf 'tests/%s.cpp ' ${portable//.cpp/})"
  # what doctest wants of a system that is not there
  doctest="-DDOCTEST_CONFIG_NO_EXCEPTIONS_BUT_WITH_ALL_ASSERTS -D_WASI_EMULATED_SIGNAL -include $PWD/tests/support/no_files.hpp"
  if link wasm "$wasm -msimd128 $doctest" "$sources" "-lwasi-emulated-signal -lc-printscan-long-double"; then
    export LOQUAT_EXPECTED_TARGET=wasm128
    run "WebAssembly" $node "$build/wasm/tests"
    unset LOQUAT_EXPECTED_TARGET
  else
    fail "WebAssembly: the tests do not compile"
  fi
  for simd in -msimd128 ""; do
    if $wasm $simd $story -o "$build/wasm/story$simd"; then same_story "WebAssembly $simd" $node "$build/wasm/story$simd"
    else fail "WebAssembly: the program does not compile"
    fi
  done
fi

printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
