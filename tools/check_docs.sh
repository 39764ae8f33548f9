#!/usr/bin/env bash
# Fails when a public name has no documentation, or documentation that Doxygen cannot read.
# Data fields, constructors, deduction guides, operators, the type names that the standard library prescribes and
# macros (none is for users) may go without a comment: their class says what they are. So may functions that a contract
# prescribes: the contract says what they do.
set -uo pipefail
cd "$(dirname "$0")/.."
command -v doxygen >/dev/null || { echo "doxygen is not there"; exit 77; }

spared='\(variable\) of (struct|class|union)
Member ([a-z0-9_]+)\(.*\(function\) of (struct|class) ([a-z0-9_]+::)*\1( ?<.*>)? is
Member ([a-z0-9_]+)\(.*\) -> \1
Member operator[^a-z]+
Member (value|error|difference|reference|iterator)_(type|concept|category) \(typedef\)
\(macro definition\)
Member (next|begin|end|pack|unpack|quants|scale|minimum|group_scales|group_minima)\(
class for member .* cannot be found
No output formats selected'
warnings=$({ cat docs/Doxyfile; echo GENERATE_HTML=NO; echo OUTPUT_DIRECTORY=; echo INPUT=include; } | doxygen - 2>&1) ||
  { echo "$warnings"; exit 1; }
wrong=$(grep -vE "$spared" <<<"$warnings" | sed "s|^$PWD/||" | grep -v '^$')
[ -z "$wrong" ] && exit 0
echo "$wrong"
exit 1
