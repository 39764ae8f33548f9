#!/usr/bin/env python3
"""What including a header costs, as the Markdown table of docs/inclusion.md.

  tools/measure_inclusion.py [--compiler g++] [--flags "-std=c++20 -O2"] [--example examples/01_generate.cpp]
                             [--repeat 3] [--only loquat/index/]

For every public header, and the umbrella last: CPU seconds (user + system, median of the repetitions) to compile a file that only
includes it, and its preprocessed lines that are not blank. Then the stripped size of the example's program.
"""
import argparse
import os
import pathlib
import resource
import statistics
import subprocess
import tempfile


def cpu_seconds(command):
    """User and system time of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compiler", default=os.environ.get("CXX", "g++"))
    parser.add_argument("--flags", default="-std=c++20 -O2")
    parser.add_argument("--example", default="examples/01_generate.cpp")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", default="", help="headers whose path begins so")
    options = parser.parse_args()
    compiler = [*options.compiler.split(), *options.flags.split(), f"-I{root / 'include'}"]

    include = root / "include"
    headers = [p for p in include.rglob("*.hpp") if ".inl" not in p.name and p.name != "foreach_target.hpp"]
    headers = [p for p in headers if p.relative_to(include).as_posix().startswith(options.only)]
    headers.sort(key=lambda p: (p.name == "loquat.hpp", p))
    version = subprocess.run([*options.compiler.split(), "--version"], check=True, capture_output=True, text=True)
    print(f"`{version.stdout.splitlines()[0]}`, `{options.flags}`\n")
    print("| header | CPU seconds | preprocessed lines |\n| --- | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        source, output = os.path.join(folder, "a.cpp"), os.path.join(folder, "a")
        for header in headers:
            name = header.relative_to(include).as_posix()
            pathlib.Path(source).write_text(f"#include <{name}>\n", encoding="utf-8")
            seconds = statistics.median(cpu_seconds([*compiler, "-c", source, "-o", output]) for _ in range(options.repeat))
            text = subprocess.run([*compiler, "-E", "-P", source], check=True, capture_output=True).stdout
            lines = sum(1 for line in text.splitlines() if line.strip())
            print(f"| `<{name}>` | {seconds:.2f} | {lines:,} |", flush=True)
        example = root / options.example
        if example.is_file() and not options.only:
            seconds = cpu_seconds([*compiler, "-pthread", str(example), "-o", output, "-s"])
            print(f"\n`{options.example}`: {seconds:.1f} CPU seconds to build, {os.path.getsize(output):,} bytes stripped")


main()
