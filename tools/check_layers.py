#!/usr/bin/env python3
"""Fails when an #include of include/loquat points up the layers of docs/design.md.

  tools/check_layers.py [TREE]       checks TREE (default: the repository this file is in)
  tools/check_layers.py --self-test  checks that each kind of wrong include is found

Rules: a folder includes folders of its own layer or below, and no two folders include each other, even in a circle;
headers include the library as <loquat/...>, cheap parts of the standard library, and system headers only where listed.
"""
import pathlib
import re
import sys
import tempfile

LAYERS = [  # from the bottom up; folders on one line are equals
    ["core"],
    ["simd", "io", "parallel"],
    ["quant", "format"],
    ["kernel"],
    ["backend"],
    ["model", "tokenizer"],
    ["generate", "chat", "grammar", "convert"],
    ["index", "embed"],
    ["rag", "nlu", "route", "cache", "store", "train", "explain"],
    ["plugin", "serve"],
]
RANK = {folder: rank for rank, folders in enumerate(LAYERS) for folder in folders}

# Folders that may see less than their layer allows.
ONLY = {"tokenizer": {"tokenizer", "core", "io", "format", "parallel"}}
NEVER = {("model", "tokenizer"), ("index", "backend"), ("index", "model"), ("rag", "model")}

INTRINSICS = {"immintrin.h", "arm_neon.h", "wasm_simd128.h", "cpuid.h"}
SYSTEM = {  # which folders may include which headers from outside of the standard library
    "simd": INTRINSICS | {"sys/auxv.h", "asm/hwcap.h", "sys/sysctl.h"},
    "kernel": INTRINSICS,
    "io": {"fcntl.h", "unistd.h", "sys/file.h", "sys/mman.h", "sys/stat.h", "sys/types.h", "windows.h"},
    "parallel": {"pthread.h", "sched.h", "unistd.h", "windows.h"} | INTRINSICS,
    "plugin": {"dlfcn.h", "windows.h"},
}
EXPENSIVE = {"regex", "iostream", "istream", "ostream", "fstream", "sstream", "functional", "filesystem", "format"}
STANDARD = set("""
algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono cinttypes climits clocale
cmath compare complex concepts condition_variable coroutine csignal cstdarg cstddef cstdint cstdio cstdlib cstring ctime
cuchar cwchar deque exception execution forward_list functional future initializer_list iomanip ios iosfwd iterator latch
limits list locale map memory memory_resource mutex new numbers numeric optional queue random ranges ratio
scoped_allocator semaphore set shared_mutex source_location span stack stdexcept stop_token streambuf string
string_view strstream syncstream system_error thread tuple type_traits typeindex typeinfo unordered_map unordered_set
utility valarray variant vector version
""".split())

# Also what a macro names: kernels are included as `#define LOQUAT_KERNEL_FILE <loquat/kernel/body/...>`.
INCLUDE = re.compile(r'^\s*#\s*(?:include\s*|define\s+\w+\s+)(<[\w./+-]+>|"[^"]*")', re.M)


def includes(text):
    """(line number, name with its brackets) of every include in `text`."""
    for match in INCLUDE.finditer(text):
        name = match[1]
        if "include" in match[0] or name.startswith("<loquat/"):
            yield text.count("\n", 0, match.start(1)) + 1, name


def folder_of(path):
    """The folder of "folder/file.hpp"; "" for the headers beside the folders, which stand above all of them."""
    return path.split("/")[0] if "/" in path else ""


def objection(root, path, name):
    """What is wrong with `path` (below include/loquat) including `name`, or None."""
    folder = folder_of(path)
    if name[0] == '"':
        return "include the library as <loquat/...>"
    name = name[1:-1]
    if name.startswith("loquat/"):
        target = name.removeprefix("loquat/")
        if not (root / target).is_file():
            return "no such file"
        to = folder_of(target)
        if folder == "":
            return None
        if to == "":
            return "a folder cannot include a header that is above all folders"
        if to not in RANK:
            return None  # reported once, as an unknown folder
        if RANK[to] > RANK[folder]:
            return f"points up: {folder} is below {to}"
        if (folder, to) in NEVER or to not in ONLY.get(folder, {to}):
            return f"{folder} must not know {to}"
        return None
    if name in EXPENSIVE:
        return "too expensive to include for every user"
    if name in STANDARD or name in SYSTEM.get(folder, ()):
        return None
    return "neither of the standard library nor listed for this folder in tools/check_layers.py"


def circle(edges):
    """A list of nodes that lead back to the first one, or None."""
    done, path = set(), []

    def visit(node):
        if node in path:
            return path[path.index(node):] + [node]
        if node in done:
            return None
        path.append(node)
        found = next((c for c in map(visit, sorted(edges.get(node, ()))) if c), None)
        path.pop()
        done.add(node)
        return found

    return next((c for c in map(visit, sorted(edges)) if c), None)


def check(tree):
    """All complaints about the headers of a tree, and how many headers there are."""
    root = pathlib.Path(tree) / "include" / "loquat"
    complaints, files, folders = [], {}, {}
    headers = sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
    for folder in sorted({folder_of(h) for h in headers} - RANK.keys() - {""}):
        complaints.append(f"{folder}/: unknown folder; give it a layer in tools/check_layers.py")
    for path in headers:
        for line, name in includes((root / path).read_text(encoding="utf-8")):
            why = objection(root, path, name)
            if why:
                complaints.append(f"include/loquat/{path}:{line}: {name}: {why}")
            if name.startswith("<loquat/"):
                target = name[8:-1]
                files.setdefault(path, set()).add(target)
                if folder_of(target) != folder_of(path):
                    folders.setdefault(folder_of(path), set()).add(folder_of(target))
    for what, edges in ("files", files), ("folders", folders):
        found = circle(edges)
        if found:
            complaints.append(f"{what} in a circle: " + " -> ".join(found))
    return complaints, len(headers)


def self_test():
    """Runs `check` on small trees: the good one passes, and each wrong line added to it is found."""
    good = {
        "core/a.hpp": "#include <vector>\n",
        "simd/s.hpp": "#include <immintrin.h>\n#include <loquat/core/a.hpp>\n",
        "quant/q.hpp": "#include <loquat/format/f.hpp>\n",
        "format/f.hpp": "#include <loquat/core/a.hpp>\n",
        "kernel/k.hpp": "#define LOQUAT_KERNEL_FILE <loquat/kernel/body/k.inl>\n#include LOQUAT_KERNEL_FILE\n",
        "kernel/body/k.inl": "",
        "backend/b.hpp": "#include <loquat/kernel/k.hpp>\n",
        "tokenizer/t.hpp": "#include <loquat/format/f.hpp>\n",
        "model/m.hpp": "#include <loquat/backend/b.hpp>\n",
        "generate/g.hpp": "#include <loquat/model/m.hpp>\n#include <loquat/tokenizer/t.hpp>\n",
        "loquat.hpp": "#include <loquat/generate/g.hpp>\n",
    }
    wrong = {  # file, line to add, part of the complaint
        "an arrow up": ("core/a.hpp", "#include <loquat/model/m.hpp>", "points up"),
        "the backend in a kernel": ("kernel/k.hpp", "#  include <loquat/backend/b.hpp>", "points up"),
        "an arrow up by a macro": ("core/a.hpp", "#define FILE <loquat/kernel/body/k.inl>", "points up"),
        "a model in a tokenizer": ("tokenizer/t.hpp", "#include <loquat/model/m.hpp>", "must not know"),
        "a tokenizer in a model": ("model/m.hpp", "#include <loquat/tokenizer/t.hpp>", "must not know"),
        "kernels in a tokenizer": ("tokenizer/t.hpp", "#include <loquat/kernel/k.hpp>", "must not know"),
        "equals that include each other": ("format/f.hpp", "#include <loquat/quant/q.hpp>", "folders in a circle"),
        "a file that includes itself": ("core/a.hpp", "#include <loquat/core/a.hpp>", "files in a circle"),
        "the umbrella in a folder": ("model/m.hpp", "#include <loquat/loquat.hpp>", "above all folders"),
        "a missing file": ("core/a.hpp", "#include <loquat/core/none.hpp>", "no such file"),
        "a quoted include": ("core/a.hpp", '#include "b.hpp"', "as <loquat/"),
        "an expensive header": ("core/a.hpp", "#include <iostream>", "too expensive"),
        "another library": ("core/a.hpp", "#include <fmt/core.h>", "neither"),
        "intrinsics outside of the kernels": ("model/m.hpp", "#include <immintrin.h>", "neither"),
        "a system header outside of io": ("core/a.hpp", "#include <sys/mman.h>", "neither"),
        "a new folder": ("news/n.hpp", "", "unknown folder"),
    }

    def complaints(extra_file="", extra_line=""):
        with tempfile.TemporaryDirectory() as tree:
            for path, text in {**good, extra_file: good.get(extra_file, "") + extra_line + "\n"}.items():
                if path:
                    file = pathlib.Path(tree, "include/loquat", path)
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text(text, encoding="utf-8")
            return check(tree)[0]

    failed = [f"the good tree: {c}" for c in complaints()]
    for what, (path, line, expected) in wrong.items():
        if not any(expected in c for c in complaints(path, line)):
            failed.append(f"not found: {what}")
    print(*failed, sep="\n", end="\n" if failed else "")
    print(f"{1 + len(wrong) - len(failed)} passed, {len(failed)} failed, 0 skipped")
    return bool(failed)


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    tree = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent
    complaints, headers = check(tree)
    print(*complaints, sep="\n", end="\n" if complaints else "")
    print(f"{headers} headers, {len(complaints)} wrong includes")
    return bool(complaints) or headers == 0


sys.exit(main())
