#!/usr/bin/env python3
"""Writes the tables of include/loquat/tokenizer/unicode from the Unicode Character Database.

  tools/make_unicode.py [UCD]          writes the *_data.hpp files
  tools/make_unicode.py --check [UCD]  fails if they differ from what it would write

UCD is a folder like /usr/share/unicode of Debian's package unicode-data (the default); the version is that of the
folder. What the headers around the tables say in code (ranges beyond a table, Hangul, white space, characters that
changed) is checked here against the database, so that a new version cannot break it unseen.
"""
import pathlib
import re
import sys

ARGS = [a for a in sys.argv[1:] if a != "--check"]
CHECK = "--check" in sys.argv
UCD = pathlib.Path(ARGS[0] if ARGS else "/usr/share/unicode")
OUT = pathlib.Path(__file__).resolve().parent.parent / "include/loquat/tokenizer/unicode"
END = 0x110000
VERSION = re.search(r"DerivedAge-(\d+\.\d+\.\d+)", (UCD / "DerivedAge.txt").read_text()).group(1)


def read_property(name, default, column=1, only=None):
    """The value of a property for each code point, from a file of ranges."""
    values = [default] * END
    for line in (UCD / name).read_text().splitlines():
        fields = [f.strip() for f in line.split("#")[0].split(";")]
        if len(fields) <= column or (only and fields[1] != only):
            continue
        first, _, last = fields[0].partition("..")
        for c in range(int(first, 16), int(last or first, 16) + 1):
            values[c] = fields[column]
    return values


category = read_property("extracted/DerivedGeneralCategory.txt", "Cn")
script = read_property("Scripts.txt", "Unknown")
age = [tuple(map(int, a.split("."))) for a in read_property("DerivedAge.txt", "99.0")]
grapheme = read_property("auxiliary/GraphemeBreakProperty.txt", "Other")
pictographic = read_property("emoji/emoji-data.txt", "", only="Extended_Pictographic")
syllabic = read_property("IndicSyllabicCategory.txt", "Other")
unicode_data = {}
for row in (UCD / "UnicodeData.txt").read_text().splitlines():
    row = row.split(";")
    if not row[1].endswith((" First>", " Last>")):
        unicode_data[int(row[0], 16)] = row
combining_class = {c: int(row[3]) for c, row in unicode_data.items() if int(row[3])}
mapping = {c: row[5] for c, row in unicode_data.items() if row[5]}
LATER = (9, 0)  # the forms of Hugging Face tokenizers are those of Unicode 9.0


# --- writing --------------------------------------------------------------------------------------------------------

def lines(values, width=118):
    """Comma-separated values in full lines."""
    out, line = [], ""
    for v in values:
        item = f"{v},"
        if len(line) + len(item) > width:
            out.append(line)
            line = ""
        line += item
    return "\n".join(out + [line])


def array(kind, name, values, doc):
    return f"/// {doc}\ninline constexpr {kind} {name}[{len(values)}]{{\n{lines(values)}\n}};\n"


WIDTH = {"std::uint8_t": 1, "std::uint16_t": 2}


def in_blocks(values, shift):
    """The distinct blocks of 2^shift values one after another, and the number of the block of each place."""
    size = 1 << shift
    blocks = {}
    numbers = [blocks.setdefault(tuple((values[i:i + size] + [0] * size)[:size]), len(blocks))
               for i in range(0, len(values), size)]
    return [v for b in blocks for v in b], numbers, "std::uint8_t" if len(blocks) <= 256 else "std::uint16_t"


def two_stage(kind, name, values, doc):
    """A table of two stages with the block size that takes the least room."""
    def make(shift):
        data, numbers, number = in_blocks(values, shift)
        return len(data) * WIDTH[kind] + len(numbers) * WIDTH[number], shift, data, numbers, number
    _, shift, data, numbers, number = min(map(make, range(3, 9)))
    return (array(number, f"{name}_blocks", numbers, f"Of which block of `{name}_values` are 2^{shift} code points.")
            + array(kind, f"{name}_values", data, doc)
            + f"/// {doc}\ninline constexpr two_stage<{number}, {kind}, {shift}> {name}_table{{"
            f"{name}_blocks, {name}_values, {len(numbers) << shift}}};\n")


def three_stage(kind, name, values, doc):
    """A table of three stages with the block sizes that take the least room."""
    def make(shift, group):
        data, numbers, number = in_blocks(values, shift)
        inner, groups, outer = in_blocks(numbers, group)
        size = len(data) * WIDTH[kind] + len(inner) * WIDTH[number] + len(groups)
        return size if outer == "std::uint8_t" else END, shift, group, data, inner, groups, number
    _, shift, group, data, inner, groups, number = min(make(s, g) for s in range(2, 8) for g in range(2, 8))
    return (array("std::uint8_t", f"{name}_groups", groups,
                  f"Of which group of `{name}_blocks` are 2^{shift + group} code points.")
            + array(number, f"{name}_blocks", inner, f"Of which block of `{name}_values` are 2^{shift} code points.")
            + array(kind, f"{name}_values", data, doc)
            + f"/// {doc}\ninline constexpr three_stage<{number}, {kind}, {shift}, {group}> {name}_table{{"
            f"{name}_groups, {{{name}_blocks, {name}_values, {len(inner) << shift}}}, {len(groups) << shift + group}}};\n")


different = []


def write(name, about, body, includes=("loquat/tokenizer/unicode/lookup.hpp",), before=""):
    text = (f"#pragma once\n/// \\file\n/// {about}\n/// Written by tools/make_unicode.py from the Unicode Character"
            f" Database {VERSION}; not to be edited.\n\n")
    own = [f"#include <{i}>\n" for i in includes if "/" in i]
    standard = [f"#include <{i}>\n" for i in ["cstdint", *includes] if "/" not in i]
    text += "".join([*own, *(["\n"] if own else []), *standard]) + "\n// clang-format off\n"
    if before:
        text += f"namespace loquat::unicode {{\n\n{before}\n}} // namespace loquat::unicode\n\n"
    text += "namespace loquat::unicode::detail {\n\n" + body + "\n} // namespace loquat::unicode::detail\n"
    path = OUT / f"{name}_data.hpp"
    if CHECK:
        if not path.exists() or path.read_text() != text:
            different.append(path)
    else:
        path.write_text(text)


# --- general categories ---------------------------------------------------------------------------------------------

CATEGORIES = ("Cn Cc Cf Co Cs Ll Lm Lo Lt Lu Mc Me Mn Nd Nl No Pc Pd Pe Pf Pi Po Ps Sc Sk Sm So Zl Zp Zs").split()
CATEGORY_END = 0x32400


def category_byte(c):
    later = 0 if age[c] <= (8, 0) or category[c] == "Cn" else 1 if age[c] <= (9, 0) else 2
    return CATEGORIES.index(category[c]) | later << 5


def category_beyond(c):
    """category() of the header, from CATEGORY_END on."""
    if c == 0xE0001 or 0xE0020 <= c <= 0xE007F:
        return "Cf"
    if 0xE0100 <= c <= 0xE01EF:
        return "Mn"
    return "Co" if c >= 0xF0000 and c & 0xFFFE != 0xFFFE else "Cn"


assert all(category[c] == category_beyond(c) and (category[c] == "Cn" or age[c] <= (8, 0))
           for c in range(CATEGORY_END, END))
SPACES = {*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}
assert SPACES == {c for c, v in enumerate(read_property("PropList.txt", "", only="White_Space")) if v}
ALPHABETIC_SYMBOLS = {*range(0x24B6, 0x24EA), *range(0x1F130, 0x1F14A), *range(0x1F150, 0x1F16A),
                      *range(0x1F170, 0x1F18A)}
alphabetic = {c for c, v in enumerate(read_property("DerivedCoreProperties.txt", "", only="Alphabetic")) if v}
assert {c for c in alphabetic if category[c][0] not in "LM" and category[c] != "Nl"} == ALPHABETIC_SYMBOLS
write("category", "General categories and how old characters are.",
      two_stage("std::uint8_t", "category", [category_byte(c) for c in range(CATEGORY_END)],
                "Bits 0-4: `general_category`; 5-6: assigned by Unicode 8.0 (0), in 9.0 (1), later (2)."))

# --- scripts --------------------------------------------------------------------------------------------------------

scripts = ["Unknown"] + sorted({s for s in script} - {"Unknown"})
aliases = {"Unknown": "Zzzz"}
for row in (UCD / "PropertyValueAliases.txt").read_text().splitlines():
    fields = [f.strip() for f in row.split("#")[0].split(";")]
    if fields[0] == "sc":
        aliases[fields[2]] = fields[1]
assert len(scripts) <= 256
runs = [c << 8 | scripts.index(script[c]) for c in range(END) if c == 0 or script[c] != script[c - 1]]
enumerators = "\n".join(f"  {s.lower()}, ///< {aliases[s]}" for s in scripts)
names = "\n".join(f'{{"{s}","{aliases[s]}"}},' for s in scripts)
write("script", "Scripts, and their names.",
      "/// Long and short (ISO 15924) names by number.\n"
      f"inline constexpr std::string_view script_names[][2]{{\n{names}\n}};\n"
      + array("std::uint32_t", "script_runs", runs,
              "First code point << 8 | script of each run of one script, in order."),
      before=f"/// A script; each with its ISO 15924 code.\nenum class script : unsigned char {{\n{enumerators}\n}};\n",
      includes=["string_view"])

# --- lower case -----------------------------------------------------------------------------------------------------

special = {}
for row in (UCD / "SpecialCasing.txt").read_text().splitlines():
    fields = [f.strip() for f in row.split("#")[0].split(";")]
    if len(fields) == 5 and " " in fields[1]:
        special[int(fields[0], 16)] = fields[1]
assert special == {0x130: "0069 0307"}  # the only character whose lower case is two, whatever stands around it
LOWER_END = 0x1F000
change = [0] * END
for c, row in unicode_data.items():
    if row[13] and c not in special:
        change[c] = int(row[13], 16) - c
deltas = sorted(set(change), key=lambda d: (d != 0, d))
assert not any(change[LOWER_END:]) and len(deltas) <= 256
write("lowercase", "Lower case.",
      array("std::int32_t", "lowercase_changes", deltas, "What is added to a code point.")
      + two_stage("std::uint8_t", "lowercase", [deltas.index(d) for d in change[:LOWER_END]],
                  "The place of a character's change in `lowercase_changes`."))

# --- grapheme clusters ----------------------------------------------------------------------------------------------

BREAKS = ("Other CR LF Control Extend ZWJ Regional_Indicator Prepend SpacingMark L V T LV LVT Pictographic Consonant "
          "Linker Nonjoiner").split()
GRAPHEME_END = 0x20000
INDIC = {"Bengali", "Devanagari", "Gujarati", "Malayalam", "Oriya", "Telugu"}  # with conjuncts (GB9c)


def grapheme_class(c):
    if pictographic[c]:
        assert grapheme[c] == "Other"
        return "Pictographic"
    if script[c] in INDIC and syllabic[c] == "Virama":
        assert grapheme[c] == "Extend"
        return "Linker"
    if script[c] in INDIC and syllabic[c] == "Consonant" and grapheme[c] == "Other":
        return "Consonant"
    return "Nonjoiner" if c == 0x200C else grapheme[c]


def grapheme_beyond(c):
    if 0xE0000 <= c <= 0xE0FFF:
        return "Extend" if 0xE0020 <= c <= 0xE007F or 0xE0100 <= c <= 0xE01EF else "Control"
    return "Other"


assert all(grapheme_class(c) == grapheme_beyond(c) for c in range(GRAPHEME_END, END))
assert all(grapheme[c] == ("LV" if (c - 0xAC00) % 28 == 0 else "LVT") for c in range(0xAC00, 0xD7A4))
write("grapheme", "How grapheme clusters break.",
      three_stage("std::uint8_t", "grapheme", [
          0 if 0xAC00 <= c < 0xD7A4 else BREAKS.index(grapheme_class(c)) for c in range(GRAPHEME_END)],
                "`grapheme_break`; not of Hangul syllables."))

# --- normalization forms --------------------------------------------------------------------------------------------


def decompose(c, compatibility):
    """The full decomposition of a character."""
    m = mapping.get(c)
    if m is None or (m[0] == "<" and not compatibility):
        return [c]
    return [d for part in m.split("> ")[-1].split() for d in decompose(int(part, 16), compatibility)]


def in_order(text):
    classes = [combining_class.get(c, 0) for c in text]
    return all(b == 0 or a <= b for a, b in zip(classes, classes[1:]))


def units(text):
    return [u for c in text for u in ([c] if c < 0x10000 else [0xD800 + (c - 0x10000 >> 10), 0xDC00 + (c & 0x3FF)])]


derived = "DerivedNormalizationProps.txt"
excluded = read_property(derived, "", 1, "Full_Composition_Exclusion")
nfc_check = read_property(derived, "Y", 2, "NFC_QC")
nfkc_check = read_property(derived, "Y", 2, "NFKC_QC")
pairs = {}
for c, m in mapping.items():
    if m[0] != "<" and not excluded[c]:
        a, b = (int(x, 16) for x in m.split())
        pairs[a, b] = c
seconds = {b for _, b in pairs}
jamo = {*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)}
assert {c for c in range(END) if nfc_check[c] == "M"} == seconds | jamo

NORMAL_END = 0x2FB00
kinds = [(0, False, False)]  # combining class, is the second of a pair, later than LATER
groups = [{}, {}, {}, {}]  # records of characters that decompose, by what the quick checks say
place = {}
for c in sorted({*combining_class, *seconds, *jamo} - {*mapping}):
    kind = combining_class.get(c, 0), c in seconds or c in jamo, age[c] > LATER
    if kind not in kinds:
        kinds.append(kind)
    place[c] = kinds.index(kind)
for c in sorted(mapping):
    canonical, compatible = decompose(c, False), decompose(c, True)
    assert in_order(canonical) and in_order(compatible)
    if canonical == [c]:
        canonical = []
    if compatible == canonical:
        compatible = []
    if nfc_check[c] == "N":
        group = 3
    elif not canonical:
        group = 2
    else:
        group = 1 if nfkc_check[c] == "N" else 0
    if group != 3:  # what stands before combines neither with it nor with what it decomposes into
        assert nfc_check[c] == "Y" and c not in combining_class
        first = (canonical or [c])[0]
        assert first not in combining_class and first not in seconds and first not in jamo
    if group == 0:
        assert nfkc_check[c] == "Y" and not compatible
    else:
        assert nfkc_check[c] == "N"
    a, b = units(canonical), units(compatible)
    # normal() looks at the first unit: what begins with a surrogate has to be a starter that stays
    assert all(t[0] < 0x10000 or (t[0] not in combining_class and t[0] not in seconds)
               for t in (canonical, compatible) if t)
    record = (len(a) | len(b) << 4 | (age[c] > LATER) << 15, *a, *b)
    groups[group][record] = True
    place[c] = group, record
pool, starts = [], []
where = {}
for g, group in enumerate(groups):
    starts.append(len(kinds) + len(pool))
    for record in group:
        where[g, record] = len(kinds) + len(pool)
        pool += record
values = [0] * NORMAL_END
for c, p in place.items():
    values[c] = where[p] if isinstance(p, tuple) else p


def inert(form):
    """For blocks of 64 code points below U+10000: bits of those whose characters all stay and start something new.
    Blocks of surrogates, and below U+0800 in `blocks`, which the first two of three bytes would name, are not there."""
    def touched(c):
        v = values[c] if c < NORMAL_END else 0
        if 0 < v < starts[0]:
            return bool(kinds[v][0]) or kinds[v][1] and form in ("nfc", "nfkc")
        ok = {"nfc": v < starts[3], "nfkc": v < starts[1], "nfd": v == 0 or starts[2] <= v < starts[3], "nfkd": v == 0}[form]
        return not ok or (form in ("nfd", "nfkd") and 0xAC00 <= c < 0xD7A4) or 0xD800 <= c < 0xE000
    bits = [not any(touched(c) for c in range(64 * b, 64 * b + 64)) for b in range(1024)]
    low = sum(bit << i for i, bit in enumerate(bits[:32]) if i > 1)
    high = [sum(bit << i for i, bit in enumerate(bits[64 * w:64 * w + 64]) if 64 * w + i > 31) for w in range(16)]
    return "{%s}" % ",".join(f"0x{w:X}" for w in [low, *high])


assert max(place) < NORMAL_END and len(kinds) + len(pool) < 65536
# Where a form of an older version meets no second character that it does not know, it makes no composition either.
assert all(age[b] > LATER for (_, b), c in pairs.items() if age[c] > LATER)
small = sorted((a << 16 | b, c) for (a, b), c in pairs.items() if c < 0x10000)
large = sorted((a, b, c) for (a, b), c in pairs.items() if c >= 0x10000)
assert all(a < 0x10000 and b < 0x10000 for a, b in (p for p, c in pairs.items() if c < 0x10000))
write("normal", "What normalization forms need: combining classes, decompositions, compositions.",
      three_stage("std::uint16_t", "normal", values,
                "0: nothing to do; below `normal_records`: place in `normal_kinds`; else where the character's record begins.")
      + f"/// Where records begin, and those of characters that NFKC changes; NFC does not, and NFD does not; NFC changes.\n"
      + f"inline constexpr std::uint16_t normal_records = {starts[0]}, normal_nfkc = {starts[1]}, "
      + f"normal_compatible = {starts[2]}, normal_nfc = {starts[3]};\n"
      + "/// Blocks of 64 code points in which nothing is to be done, for NFC, NFD, NFKC, NFKD: bits by the low five bits of the"
      " first byte\n/// of two, then by the first two of three.\ninline constexpr std::uint64_t normal_inert[4][17]{\n"
      + "".join(f"{inert(form)},\n" for form in ("nfc", "nfd", "nfkc", "nfkd")) + "};\n"
      + array("std::uint16_t", "normal_kinds", [k | second << 8 | later << 9 for k, second, later in kinds],
              "Bits 0-7: canonical combining class; 8: may compose with what stands before; 9: later than Unicode 9.0.")
      + array("std::uint16_t", "normal_pool", pool,
              "Records: lengths of the canonical (bits 0-3) and the compatibility decomposition (4-8; 0: the same), 15: later"
              " than 9.0;\n/// then both in UTF-16.")
      + array("std::uint32_t", "composition_pairs", [k for k, _ in small], "First character << 16 | second, in order.")
      + array("std::uint16_t", "compositions", [c for _, c in small], "What the pairs compose to.")
      + array("std::uint32_t", "large_compositions", [x for t in large for x in t], "First, second and composition above U+FFFF."))

if different:
    sys.exit("\n".join(f"{p} is not what {UCD} gives" for p in different))
