#!/usr/bin/env python3
"""Drives the `loquat` program like its users: right usage, wrong usage, Ctrl-C, closed pipes, hostile files.

  tests/tools/loquat.py PROGRAM [unittest arguments, e.g. Inspect]

The model is examples/story.gguf of the repository; comparisons with reference outputs need the reference data
(LOQUAT_TEST_DATA, default ../shared/data beside the source root). The last line counts; exit status 77: all skipped.
"""
import json
import os
import pathlib
import random
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(os.environ.get("LOQUAT_TEST_DATA", ROOT.parent / "shared/data")) / "models"
MODEL = next((p for p in (ROOT / "examples/story.gguf", DATA / "stories260K-f32.gguf") if p.exists()), None)
PROGRAM = ""
DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130


def run(*arguments, stdin=b"", **options):
    """Runs the program; its `stdout` is bytes, its `stderr` text."""
    done = subprocess.run([PROGRAM, *map(os.fsencode, arguments)], input=stdin, capture_output=True, timeout=300, **options)
    done.stderr = done.stderr.decode()
    return done


def start(*arguments, **options):
    return subprocess.Popen([PROGRAM, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, **options)


def data(name):
    if not (DATA / name).exists():
        raise unittest.SkipTest(f"{DATA / name} is not there")
    return DATA / name


def gguf_string(text):
    return struct.pack("<Q", len(text)) + text


def gguf(metadata, tensors=()):
    """A GGUF file: metadata as (key, kind, payload), tensors as (name, shape, type, data of a multiple of 32 bytes)."""
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, kind, payload in metadata:
        out += gguf_string(key) + struct.pack("<I", kind) + payload
    offset = 0
    for name, shape, kind, bytes_ in tensors:
        out += gguf_string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)
        offset += len(bytes_)
    out += b"\0" * (-len(out) % 32)
    return out + b"".join(t[3] for t in tensors)


def goldens():
    return [json.loads(line) for line in data("goldens.jsonl").read_text().splitlines()]


STRING, ARRAY, U16, I32, F32, F64 = 8, 9, 2, 5, 6, 12


class Case(unittest.TestCase):
    def ends(self, done, status):
        self.assertEqual(done.returncode, status, f"{done.args}\n{done.stderr}")
        return done

    def complains(self, status, *arguments, about):
        """The program ends with that status, says nothing on stdout, and names each of the things."""
        done = self.ends(run(*arguments), status)
        self.assertEqual(done.stdout, b"")
        self.assertTrue(done.stderr.startswith("loquat: "), done.stderr)
        for thing in about:
            self.assertIn(thing, done.stderr)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def file(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path


class Usage(Case):
    def test_help_names_commands_options_examples_and_statuses(self):
        text = self.ends(run("--help"), DONE).stdout.decode()
        for command in ("convert", "generate", "inspect", "merge-lora", "quantize", "tokenize", "train-tokenizer", "verify"):
            self.assertIn(command, text)
            own = self.ends(run(command, "--help"), DONE).stdout.decode()
            self.assertTrue(own.startswith(f"usage: loquat {command} [OPTION]... "))
            self.assertIn(f"examples:\n  loquat {command} ", own)
            self.assertIn("130 interrupted", own)
        self.assertIn("--top-p P", run("generate", "-h").stdout.decode())

    def test_version(self):
        self.assertRegex(self.ends(run("--version"), DONE).stdout, rb"^loquat \d+\.\d+\.\d+\n$")

    def test_wrong_commands(self):
        self.complains(MISUSED, about=["which command?", "--help"])
        self.complains(MISUSED, "genrate", about=["unknown command genrate; did you mean generate?", "--help"])
        self.complains(MISUSED, "x\x1b[2J", about=["unknown command x\\x1b[2J"])

    def test_wrong_options_suggest_the_right_one(self):
        self.complains(MISUSED, "generate", MODEL, "x", "--temprature", "1",
                       about=["--temprature", "did you mean --temperature?", "loquat generate --help"])
        self.complains(MISUSED, "generate", MODEL, "- a list", about=["goes behind --"])
        self.complains(MISUSED, "inspect", "--json=yes", MODEL, about=["--json takes no value"])
        self.complains(MISUSED, "generate", MODEL, "x", "--seed", about=["--seed: the value S is missing"])

    def test_wrong_numbers_of_arguments(self):
        self.complains(MISUSED, "generate", about=["MODEL is missing"])
        self.complains(MISUSED, "generate", MODEL, about=["PROMPT is missing"])
        self.complains(MISUSED, "generate", MODEL, "Once", "upon", about=['too many: "upon"', "quotes"])

    def test_wrong_values(self):
        for option, value, expected in [
            ("--top-p", "1.5", "--top-p 1.5: expected 0 to 1"), ("--top-p", "nan", "0 to 1"), ("--min-p", "-0.1", "0 to 1"),
            ("--min-p", "", "--min-p '': expected"), ("--temperature", "inf", "0 to 100"), ("--temperature", "1x", "0 to 100"),
            ("--repetition-penalty", "0", "0.01 to 100"), ("--frequency-penalty", "1e9", "-100 to 100"),
            ("--max-tokens", "-1", "a whole number, 0 or more"), ("--max-tokens", "1.5", "a whole number"),
            ("--seed", "18446744073709551616", "a whole number"), ("--threads", "9999", "0 to 1024"),
            ("--batch", "0", "1 or more"), ("--kv", "q8", "f16, f32, q8_0 or q4_0"), ("--target", "mmx", "scalar"), ("--stop", "", "not empty"),
        ]:
            with self.subTest(option=option, value=value):
                self.complains(MISUSED, "generate", MODEL, "x", option, value, about=[f"{option} {value or chr(39) * 2}: ", expected])

    def test_models_that_are_none(self):
        missing, garbage = self.folder / "none.gguf", self.file("garbage.gguf", b"garbage" * 99)
        truncated = self.file("truncated.gguf", MODEL.read_bytes()[:5000])
        no_tokenizer = self.file("empty.gguf", gguf([]))
        for command in ("generate", "tokenize", "verify"):
            for path in (missing, garbage, truncated) + (() if command == "verify" else (no_tokenizer,)):
                self.complains(FAILED, command, path, self.folder / "x", about=[path.name])
        self.complains(FAILED, "inspect", self.folder, about=[self.folder.name])


class Generate(Case):
    def text(self, *arguments, stdin=b"", status=DONE):
        return self.ends(run("generate", MODEL, *arguments, stdin=stdin), status).stdout

    def test_it_goes_on_and_summarises(self):
        done = self.ends(run("generate", MODEL, "Once upon a time", "--max-tokens", "20"), DONE)
        self.assertGreater(len(done.stdout.strip()), 20)
        self.assertRegex(done.stderr, r"^prompt +\d+ tokens, [\d.]+ tokens/s\ngenerated +20 tokens, [\d.]+ tokens/s, the "
                         r"first after [\d.]+ s\nmemory +[\d.]+ MB .*session [\d.]+ .*cache or state .*\nended by +20 tokens")

    def test_quiet_leaves_the_same_text_alone(self):
        quiet = self.ends(run("generate", MODEL, "Once", "--max-tokens", "9", "--quiet"), DONE)
        self.assertEqual(quiet.stderr, "")
        self.assertEqual(quiet.stdout, self.text("Once", "--max-tokens", "9"))

    def test_a_model_read_into_memory_tells_the_same(self):
        self.assertEqual(self.text("Once", "--max-tokens", "9", "--no-mmap"), self.text("Once", "--max-tokens", "9"))

    def test_standard_input_is_a_prompt_and_options_may_stand_anywhere(self):
        expected = self.text("One day", "--max-tokens=12")
        self.assertEqual(self.text("--max-tokens", "12", "-", stdin=b"One day"), expected)
        self.assertEqual(self.text("--max-tokens=12", "--", "One day"), expected)
        self.assertEqual(self.text("One day", "--max-tokens=12", "--echo"), b"One day" + expected)

    def test_a_prompt_that_begins_with_a_dash(self):
        self.text("--max-tokens=3", "--", "- one")

    def test_the_text_depends_on_neither_batch_threads_nor_target(self):
        prompt = "Once upon a time there was a girl. " * 4
        expected = self.text(prompt, "--max-tokens", "30")
        for options in (["--batch", "1"], ["--batch", "7"], ["--threads", "3"], ["--target", "scalar"], ["--context", "400"]):
            self.assertEqual(self.text(prompt, "--max-tokens", "30", *options), expected, options)

    def test_seeds(self):
        options = ["Once", "--max-tokens", "40", "--temperature", "1.2"]
        texts = [self.text(*options, "--seed", str(seed)) for seed in (1, 1, 2, 18446744073709551615)]
        self.assertEqual(texts[0], texts[1])
        self.assertEqual(len(set(texts)), 3)

    def test_narrow_samplers_are_greedy(self):
        greedy = self.text("Once", "--max-tokens", "40")
        for option in (["--top-k", "1"], ["--top-p", "0"], ["--min-p", "1"]):
            self.assertEqual(self.text("Once", "--max-tokens", "40", "--temperature", "1", *option), greedy, option)

    def test_penalties_change_the_text(self):
        greedy = self.text("Once", "--max-tokens", "60")
        for option in ("--repetition-penalty", "--frequency-penalty", "--presence-penalty"):
            self.assertNotEqual(self.text("Once", "--max-tokens", "60", option, "5"), greedy, option)
            self.assertEqual(self.text("Once", "--max-tokens", "60", option, "5", "--penalty-window", "0"), greedy, option)

    def test_sampling_options_without_temperature_are_noted(self):
        self.assertIn("nothing at --temperature 0", run("generate", MODEL, "x", "--top-k", "3", "--max-tokens", "1").stderr)

    def test_stop_texts_end_the_text_before_them(self):
        text = self.text("Once upon a time", "--max-tokens", "40").decode()
        stop, other = text[25:29], text[12:15]
        done = run("generate", MODEL, "Once upon a time", "--max-tokens", "40", "--stop", stop)
        self.assertEqual(done.stdout.decode(), text[:text.index(stop)])
        self.assertIn("ended by   a stop text", done.stderr)
        both = self.text("Once upon a time", "--max-tokens", "40", "--stop", stop, "--stop", other).decode()
        self.assertEqual(both, text[:min(text.index(stop), text.index(other))])

    def test_logprobs_list_every_token(self):
        done = self.ends(run("generate", MODEL, "Once", "--max-tokens", "6", "--logprobs", "--quiet"), DONE)
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 6)
        self.assertEqual("".join(line.split('"', 1)[1][:-1] for line in lines), done.stdout.decode())
        for line in lines:
            self.assertLessEqual(float(line.split()[1]), 0)

    def test_bytes_that_are_no_utf8(self):
        self.text(b"caf\xe9 \xff\xc3", "--max-tokens", "5").decode()  # and the text is UTF-8
        self.text("-", "--max-tokens", "5", stdin=b"\x00\x80\xff").decode()

    def test_an_empty_prompt_begins_with_the_begin_token(self):
        self.assertNotEqual(self.text("", "--max-tokens", "20"), b"")
        self.assertEqual(self.text("", "--max-tokens", "20"), self.text("-", "--max-tokens", "20"))

    def test_an_empty_prompt_without_a_begin_token_is_an_error(self):
        flag = MODEL.read_bytes().find(b"tokenizer.ggml.add_bos_token")
        if flag < 0:
            self.skipTest("the model does not say add_bos_token")
        changed = bytearray(MODEL.read_bytes())
        changed[flag + len("tokenizer.ggml.add_bos_token") + 4] = 0
        path = self.file("no_begin.gguf", changed)
        self.complains(FAILED, "generate", path, "", about=["the prompt is empty"])
        self.ends(run("generate", path, "Once", "--max-tokens", "1"), DONE)

    def test_a_prompt_beyond_the_context_says_what_would_do(self):
        self.complains(FAILED, "generate", MODEL, "Once upon a time " * 9, "--context", "8", about=["holds 8: try --context "])

    def test_a_full_context_ends_the_text(self):
        self.assertIn("the context is full", run("generate", MODEL, "Once upon a time", "--context", "12").stderr)

    def test_a_full_context_can_forget_and_go_on(self):
        path = self.file("endless.gguf", MODEL.read_bytes().replace(b".eos_token_id", b".eos_token_no"))
        for how in ("rotate", "recompute"):
            shift = ["--context", "40", "--context-shift", how, "--max-tokens", "150"]
            done = self.ends(run("generate", path, "Once upon a time", *shift), DONE)
            self.assertRegex(done.stderr, r"\nforgotten +\d+ tokens \(--context-shift\)\nended by   150 tokens")
            self.assertEqual(run("generate", path, "Once upon a time", *shift, "--batch", "3").stdout, done.stdout)
            self.assertNotEqual(run("generate", path, "Once upon a time", *shift, "--keep", "30").stdout, done.stdout)
            long = "Once upon a time " * 20  # more than the context holds
            self.ends(run("generate", path, long, *shift), DONE)
        self.complains(FAILED, "generate", MODEL, "Once", "--context", "8", "--context-shift", "rotate", "--keep", "8",
                       about=["8 tokens to keep leave no room in a context of 8"])

    def test_the_rotary_embedding_can_be_extended(self):
        plain = self.text("Once upon a time", "--max-tokens", "30")
        self.assertEqual(self.text("Once upon a time", "--max-tokens", "30", "--rope-scaling", "linear", "--rope-scale", "1.0000001"), plain)
        for kind in ("linear", "ntk", "yarn"):
            self.assertNotEqual(self.text("Once upon a time", "--max-tokens", "30", "--rope-scaling", kind, "--rope-scale", "8"), plain)
        self.assertNotEqual(self.text("Once upon a time", "--max-tokens", "30", "--rope-base", "100"), plain)
        self.complains(FAILED, "generate", MODEL, "x", "--rope-scaling", "yarn", about=[str(MODEL), "needs a factor"])

    def test_a_context_beyond_all_memory(self):
        self.complains(FAILED, "generate", MODEL, "x", "--context", "18446744073709551615", about=["session", "--context"])

    def test_no_tokens_wanted(self):
        self.assertEqual(self.text("Once", "--max-tokens", "0"), b"")

    def endless(self, *arguments, **options):
        """Starts a generation that never comes to an end by itself: the model has no end token."""
        path = self.folder / "endless.gguf"
        path.write_bytes(MODEL.read_bytes().replace(b".eos_token_id", b".eos_token_no"))
        return start("generate", path, "Once", "--context", 1000000, "--max-tokens", 1000000, *arguments, **options)

    def test_ctrl_c_ends_the_prompt_whose_progress_shows(self):
        terminal, stderr = os.openpty()
        self.addCleanup(os.close, terminal)
        program = subprocess.Popen([PROGRAM, "generate", MODEL, "-", "--context", "500000", "--batch", "16", "--threads", "1",
                                    "--target", "scalar"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr)
        os.close(stderr)
        program.stdin.write(b"Once upon a time there was a cat. " * 10000)  # minutes of work
        program.stdin.close()
        shown = os.read(terminal, 100)
        program.send_signal(signal.SIGINT)
        self.assertEqual(program.stdout.read(), b"")
        program.stdout.close()
        self.assertEqual(program.wait(timeout=60), INTERRUPTED)
        self.assertRegex(shown, rb"^\rprompt: \d+ of \d+ tokens")
        self.assertIn(b"ended by   interrupted", os.read(terminal, 10000))

    def test_ctrl_c_ends_the_text(self):
        program = self.endless()
        begin = os.read(program.stdout.fileno(), 1 << 16)
        self.assertNotEqual(len(begin) % 4096, 0, "the text comes in blocks, not piece by piece")
        program.send_signal(signal.SIGINT)
        summary = program.communicate(timeout=60)[1]
        self.assertEqual(program.returncode, INTERRUPTED, summary)
        self.assertIn(b"ended by   interrupted", summary)

    def test_a_closed_pipe_ends_the_text(self):
        for ignored in (False, True):  # without and with an ignored SIGPIPE
            program = self.endless(restore_signals=not ignored)
            program.stdout.read(20)
            program.stdout.close()
            program.stdout = None
            message = program.communicate(timeout=60)[1]
            if ignored:
                self.assertEqual(program.returncode, FAILED)
                self.assertIn(b"cannot write to the standard output", message)
            else:
                self.assertEqual(program.returncode, -signal.SIGPIPE)

    def test_a_full_disk_is_an_error(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full here")
        for arguments in (["--help"], ["inspect", MODEL], ["tokenize", MODEL, "x"], ["generate", MODEL, "x"]):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([PROGRAM, *map(str, arguments)], stdout=full, stderr=subprocess.PIPE, timeout=60)
            self.assertEqual(done.returncode, FAILED, arguments)
            self.assertIn(b"cannot write to the standard output", done.stderr)

    def test_greedy_tokens_are_those_of_the_reference(self):
        model = data("stories260K-f32.gguf")
        for golden in (g for g in goldens() if g["model"] == model.name):
            n = str(len(golden["greedy"]))
            done = self.ends(run("generate", model, golden["text"], "--temperature", "0", "--max-tokens", n, "--logprobs"), DONE)
            found = [int(line.split()[0]) for line in done.stderr.splitlines()[:int(n)]]
            self.assertEqual(found, golden["greedy"])


def fvecs(rows):
    return b"".join(struct.pack(f"<i{len(row)}f", len(row), *row) for row in rows)


class Index(Case):
    def setUp(self):
        super().setUp()
        self.rows = [[x, y] for y in range(20) for x in range(20)]
        self.base = self.file("base.fvecs", fvecs(self.rows))
        self.out = self.folder / "out.index"

    def build(self, *options, status=DONE, **more):
        return self.ends(run("index", "build", self.base, self.out, *options, **more), status)

    def search(self, *arguments):
        lines = self.ends(run("index", "search", self.out, *arguments), DONE).stdout.decode().splitlines()
        return [tuple(map(float, line.split("\t"))) for line in lines]

    def test_help(self):
        text = self.ends(run("index", "--help"), DONE).stdout.decode()
        for command in ("build", "search", "info"):
            self.assertIn(f"  index {command} ", text)
            own = self.ends(run("index", command, "--help"), DONE).stdout.decode()
            self.assertTrue(own.startswith(f"usage: loquat index {command} [OPTION]... "))
            self.assertIn(f"examples:\n  loquat index {command} ", own)
        self.complains(MISUSED, "index", about=["build, search or info?"])
        self.complains(MISUSED, "index", "biuld", about=["unknown command biuld"])

    def test_the_nearest_are_found(self):
        self.assertRegex(self.build().stdout, rb"^400 vectors of 2 in [\d.]+ s, \d+ vectors/s; [\d.]+ kB, \d+ bytes each\n$")
        self.assertEqual(self.search("3,4.25", "--k", "2"), [(83, 0.0625), (103, 0.5625)])
        self.assertEqual(self.search("--k", "1", "--", "-1,0"), [(0, 1)])
        query = self.file("query.csv", b"x,y\n0,0\n19,19\n")
        self.assertEqual(self.search(query, "--k", "1"), [(0, 0, 0), (1, 399, 0)])
        self.assertEqual(len(self.search("3,4", "--k", "1000")), 400)

    def test_every_metric_and_codec_comes_back(self):
        self.base = self.file("base.fvecs", fvecs([[x + 1, y + 1] for x, y in self.rows])) # all have a direction
        for metric, codec, rerank in [("l2", "f16", ""), ("l2", "sq8", "f32"), ("cosine", "rabitq4", "f32"), ("l2", "rabitq1", "f16"),
                                      ("inner_product", "sq8", ""), ("l2", "pq32", "f16"), ("jaccard", "binary", ""), ("hamming", "", "")]:
            with self.subTest(metric=metric, codec=codec):
                self.build("--metric", metric, *(["--codec", codec] if codec else []), *(["--rerank", rerank] if rerank else []))
                self.assertEqual(len(self.search("3,4", "--k", "5")), 5)
                text = self.ends(run("index", "info", self.out, "--verify"), DONE).stdout.decode().lower()
                self.assertRegex(text, rf"(?m)^metric +{metric}$")
                self.assertRegex(text, rf"(?m)^codec +{codec or 'binary'}" + (f", measured again with {rerank}$" if rerank else "$"))
                self.assertRegex(text, r"(?m)^vectors +400 of 2$")
                self.assertIn("checked", text)

    def setup_vectors(self):
        self.rows = [[(i * 7919 + d * d * 104729 + i * d * 31) % 1009 / 1009 for d in range(16)] for i in range(600)]
        self.base = self.file("base.fvecs", fvecs(self.rows))

    def test_recall_is_that_of_the_truth(self):
        self.setup_vectors()
        queries = self.rows[::60]
        truth = b""
        for q in queries:
            order = sorted(range(len(self.rows)), key=lambda i: sum((a - b) ** 2 for a, b in zip(q, self.rows[i])))
            truth += struct.pack("<i10i", 10, *order[:10])
        self.build()
        arguments = self.file("q.fvecs", fvecs(queries)), "--truth", self.file("t.ivecs", truth), "--k", "5", "--ef", "300"
        done = self.ends(run("index", "search", self.out, *arguments), DONE)
        self.assertRegex(done.stdout, rb"^recall@5 (1\.0000|0\.9[0-9]+) of 10 queries, \d+ queries/s\n$")
        wrong = self.file("t.ivecs", struct.pack("<i5i", 5, *[9999] * 5) * 10)
        self.assertIn(b"recall@5 0.0000", self.ends(run("index", "search", self.out, *arguments), DONE).stdout)
        self.complains(FAILED, "index", "search", self.out, arguments[0], "--truth", wrong, about=["t.ivecs", "too few"])

    def test_the_file_does_not_depend_on_threads(self):
        self.setup_vectors()
        for codec in ("sq8", "f32"):
            self.build("--threads", "1", "--codec", codec)
            first = self.out.read_bytes()
            self.build("--threads", "3", "--codec", codec)
            self.assertEqual(self.out.read_bytes(), first)

    def test_what_is_wrong_is_named_and_leaves_nothing(self):
        for options, about in [(["--metric", "l3"], ["l3: expected l2"]), (["--codec", "pq7"], ["pq7", "sq8 + f32"]),
                               (["--m", "1"], ["2 to 256"]), (["--codec", "sq8", "--rerank", "sq8"], ["--rerank sq8"])]:
            self.complains(MISUSED, "index", "build", self.base, self.out, *options, about=about)
        for name, content, about in [("x.csv", b"1,2\n3,x\n", ['row 1: "x" is no number']), ("x.fvecs", b"123", ["byte 0"]),
                                     ("x.csv", b"", ["has no vectors"]), ("x.txt", b"1", [".fvecs, .bvecs"]),
                                     ("x.fvecs", fvecs([[1, float("nan")]]), ["x.fvecs", "not a finite number"])]:
            self.complains(FAILED, "index", "build", self.file(name, content), self.out, about=about)
        self.complains(FAILED, "index", "build", self.folder / "none.npy", self.out, about=["none.npy"])
        self.complains(FAILED, "index", "build", self.base, self.base, about=["is the input"])
        zero = self.file("zero.csv", b"1,1\n0,0\n")
        self.complains(FAILED, "index", "build", zero, self.out, "--metric", "cosine", about=["zero.csv", "vector 1", "length 0"])
        self.assertFalse(self.out.exists())

    def test_files_that_are_no_index(self):
        self.build()
        content = self.out.read_bytes()
        for name, part in ("cut", content[:-1]), ("head", content[:100]), ("other", self.base.read_bytes()), ("empty", b""):
            path = self.file(name, part)
            self.complains(FAILED, "index", "search", path, "1,2", about=[name])
            self.complains(FAILED, "index", "info", path, about=[name])
        flipped = bytearray(content)
        flipped[-30] ^= 4
        done = self.ends(run("index", "info", self.file("flipped", bytes(flipped)), "--verify"), FAILED)
        self.assertIn("flipped", done.stderr)
        self.complains(FAILED, "index", "search", self.out, "1,2,3", about=["QUERY: vectors of 3 numbers, the index has 2"])
        self.complains(FAILED, "index", "search", self.out, "one", about=["QUERY"])


class Inspect(Case):
    def json(self, path):
        return json.loads(self.ends(run("inspect", path, "--json"), DONE).stdout)

    def test_the_table_and_the_json_say_the_same(self):
        table = self.ends(run("inspect", MODEL), DONE).stdout.decode()
        found = self.json(MODEL)
        self.assertIn(f"{len(found['metadata'])} keys, {len(found['tensors'])} tensors", table)
        for key in found["metadata"]:
            self.assertIn(key, table)
        for t in found["tensors"]:
            self.assertRegex(table, rf"(?m)^{t['name']} +{t['type']} +{' x '.join(map(str, t['shape']))} +{t['bytes']} bytes$")
        self.assertEqual(found["totals"]["bytes"], sum(t["bytes"] for t in found["tensors"]))
        self.assertEqual(found["totals"]["tensors"], len(found["tensors"]))
        self.assertEqual(found["totals"]["parameters"], sum(t["parameters"] for t in found["totals"]["types"].values()))
        self.assertIn("bits per weight", table.splitlines()[-1])
        self.assertTrue(table.splitlines()[-1].startswith("all "))

    def test_long_arrays_are_abbreviated_but_not_in_full_nor_in_json(self):
        tokens = self.json(MODEL)["metadata"]["tokenizer.ggml.tokens"]
        self.assertEqual((tokens["kind"], tokens["element_kind"]), ("array", "string"))
        count = len(tokens["value"])
        self.assertGreater(count, 100)
        line = next(l for l in run("inspect", MODEL).stdout.decode().splitlines() if l.startswith("tokenizer.ggml.tokens "))
        self.assertTrue(line.endswith(f"… {count}]"), line)
        full = run("inspect", MODEL, "--full").stdout.decode()
        self.assertNotIn(f"… {count}]", full)
        self.assertGreater(len(full), len(run("inspect", MODEL).stdout.decode()) + count)

    def test_odd_strings_cannot_command_the_terminal(self):
        odd = b"k\x1b[2J\n\xff\xc2\x9b\xe2\x80\xae\x7f"
        path = self.file("odd.gguf", gguf([(odd, STRING, gguf_string(odd))], [(b"t" + odd, [8], 0, bytes(32))]))
        table = self.ends(run("inspect", path), DONE).stdout
        escaped = rb"k\x1b[2J\n\xff\xc2\x9b\xe2\x80\xae\x7f"
        self.assertEqual(table.count(escaped), 3, table)
        for wrong in (b"\x1b", b"\xff", b"\xc2\x9b", b"\xe2\x80\xae", b"\x7f"):
            self.assertNotIn(wrong, table)
        found = self.json(path)["metadata"]
        self.assertEqual(list(found), ["k\x1b[2J\n\ufffd\x9b\u202e\x7f"])
        self.complains(FAILED, "generate", path, "x", about=["odd.gguf"])

    def test_names_in_messages_cannot_command_the_terminal(self):
        path = self.file("odd.gguf", gguf([(b"\x1b[2J", 99, b"")]))
        self.complains(FAILED, "inspect", path, about=["\\x1b[2J", "99"])

    def test_numbers_that_json_has_not(self):
        path = self.file("numbers.gguf", gguf([
            (b"a", F32, struct.pack("<f", float("nan"))), (b"b", F64, struct.pack("<d", float("-inf"))),
            (b"c", 10, struct.pack("<Q", 2**64 - 1)), (b"d", 11, struct.pack("<q", -2**63)), (b"e", 7, b"\1"),
            (b"f", ARRAY, struct.pack("<IQIQff", ARRAY, 2, F32, 2, 0.1, 1e30) + struct.pack("<IQ", STRING, 0))]))
        values = {key: v["value"] for key, v in self.json(path)["metadata"].items()}
        self.assertEqual(values, {"a": None, "b": None, "c": 2**64 - 1, "d": -2**63, "e": True, "f": [[0.1, 1e30], []]})
        self.ends(run("inspect", path), DONE)

    def test_a_file_without_anything(self):
        path = self.file("empty.gguf", gguf([]))
        self.ends(run("inspect", path), DONE)
        self.assertEqual(self.json(path)["totals"], {"tensors": 0, "parameters": 0, "bytes": 0, "types": {}})

    def test_a_split_file_by_any_of_its_parts(self):
        for i in range(2):
            keys = [(b"split.no", U16, struct.pack("<H", i)), (b"split.count", U16, struct.pack("<H", 2)),
                    (b"split.tensors.count", I32, struct.pack("<i", 2))]
            part = self.file(f"m-0000{i + 1}-of-00002.gguf", gguf(keys, [(b"t%d" % i, [8, 2], 0, bytes(64))]))
        self.assertEqual([t["name"] for t in self.json(part)["tensors"]], ["t0", "t1"])
        (self.folder / "m-00001-of-00002.gguf").unlink()
        self.complains(FAILED, "inspect", part, about=["part 1 of 2"])

    def test_every_type_and_architecture(self):
        data("goldens.jsonl")
        for path in sorted(DATA.glob("*.gguf")):
            self.assertEqual(self.json(path)["version"], 3)
            self.ends(run("inspect", path), DONE)


def adapter(tensors, alpha=1.0, **more):
    """A LoRA adapter in GGUF: tensors as (name, shape of A, shape of B, A, B)."""
    text = {"general.type": "adapter", "general.architecture": "llama", "adapter.type": "lora", **more}
    metadata = [(key.encode(), STRING, gguf_string(value.encode())) for key, value in text.items()]
    metadata.append((b"adapter.lora.alpha", F32, struct.pack("<f", alpha)))
    pairs = []
    for name, shape_a, shape_b, a, b in tensors:
        for end, shape, values in ((b".lora_a", shape_a, a), (b".lora_b", shape_b, b)):
            bytes_ = struct.pack(f"<{len(values)}f", *values)
            pairs.append((name + end, shape, 0, bytes_ + b"\0" * (-len(bytes_) % 32)))
    return gguf(metadata, pairs)


class MergeLora(Case):
    def setUp(self):
        super().setUp()
        self.out = self.folder / "out.gguf"
        noise = [((i * 7919) % 1009 - 504) / 5040 for i in range(1024)]
        # of rank 1, for the vectors of tokens: what merging does to them is exact
        self.style = self.file("style.gguf", adapter([(b"token_embd.weight", [1, 1024], [1, 128], noise, noise[:128])]))
        self.other = self.file("other.gguf", adapter([(b"blk.0.attn_q.weight", [128, 2], [2, 128], noise[:256], noise[:256])]))

    def text(self, model, *options):
        return self.ends(run("generate", model, "Once upon a time", "--max-tokens", "20", *options), DONE).stdout

    def test_an_adapter_changes_the_text_by_its_scale(self):
        plain = self.text(MODEL)
        self.assertEqual(self.text(MODEL, "--lora", f"{self.style}:0"), plain)
        self.assertNotEqual(self.text(MODEL, "--lora", f"{self.style}:200"), plain)
        self.assertEqual(self.text(MODEL, "--lora", f"{self.other}:0.5", "--lora", f"{self.other}:-0.5", "--lora", f"{self.style}:200"),
                         self.text(MODEL, f"--lora={self.style}:200"))

    def test_a_merged_model_says_what_the_adapter_says(self):
        done = self.ends(run("merge-lora", MODEL, self.out, f"{self.style}:200", "--type", "F32"), DONE)
        self.assertIn(f"{self.style}: 1 tensors of rank 1, scale 200\n", done.stdout.decode())
        self.assertEqual(self.text(self.out), self.text(MODEL, "--lora", f"{self.style}:200"))

    def test_weights_keep_their_type(self):
        self.ends(run("merge-lora", MODEL, self.out, self.style, self.other), DONE)
        def types(path):
            return {t["name"]: t["type"] for t in json.loads(self.ends(run("inspect", path, "--json"), DONE).stdout)["tensors"]}
        self.assertEqual(types(self.out), {**types(MODEL), "output.weight": "Q8_0"}) # which was the embeddings

    def test_a_folder_of_peft_is_an_adapter(self):
        a, b = [0.01] * 256, [0.02] * 256
        tensors = {f"base_model.model.model.layers.0.self_attn.v_proj.lora_{x}.weight": {"dtype": "F32", "shape": shape,
                   "data_offsets": offsets} for x, shape, offsets in (("A", [2, 128], [0, 1024]), ("B", [64, 2], [1024, 1536]))}
        header = json.dumps(tensors).encode()
        folder = self.folder / "peft"
        folder.mkdir()
        (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 2, "lora_alpha": 64}')
        (folder / "adapter_model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + struct.pack("<256f", *a) +
                                                           struct.pack("<128f", *b[:128]))
        self.assertNotEqual(self.text(MODEL, "--lora", f"{folder}:100"), self.text(MODEL))
        self.assertIn("1 tensors of rank 2", self.ends(run("merge-lora", MODEL, self.out, folder), DONE).stdout.decode())

    def test_wrong_adapters_are_named(self):
        garbage = self.file("garbage.gguf", b"garbage" * 99)
        qwen = self.file("qwen.gguf", adapter([], **{"general.architecture": "qwen2"}))
        for path, about in ((self.folder / "none.gguf", ["none.gguf"]), (garbage, ["garbage.gguf"]), (MODEL, ["general.type"]),
                            (qwen, ["qwen.gguf", "expected llama, found qwen2"])):
            self.complains(FAILED, "generate", MODEL, "x", "--lora", path, about=about)
            self.complains(FAILED, "merge-lora", MODEL, self.out, path, about=about)
        self.complains(MISUSED, "generate", MODEL, "x", "--lora", f"{self.style}:nan", about=["--lora", "finite number"])
        self.complains(MISUSED, "merge-lora", MODEL, self.out, f"{self.style}:inf", about=["finite number"])
        self.complains(MISUSED, "merge-lora", MODEL, self.out, about=["ADAPTER[:SCALE]... is missing"])
        self.complains(FAILED, "merge-lora", MODEL, MODEL, self.style, about=["is the input"])
        self.complains(FAILED, "merge-lora", MODEL, self.out, self.style, "--type", "Q4_K", about=["token_embd.weight", "128 columns"])
        self.assertFalse(self.out.exists())


def safetensors(tensors):
    """A SafeTensors file of F32 tensors: name to (shape, floats)."""
    header, out = {}, b""
    for name, (shape, values) in tensors.items():
        piece = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(out), len(out) + len(piece)]}
        out += piece
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + out


class Convert(Case):
    def setUp(self):
        super().setUp()
        self.source, self.out = self.folder / "tiny", self.folder / "out.gguf"
        self.source.mkdir()
        self.config = {"architectures": ["LlamaForCausalLM"], "hidden_size": 32, "num_attention_heads": 4,
                       "num_hidden_layers": 1, "intermediate_size": 64, "max_position_embeddings": 64}
        shapes = {"model.embed_tokens": [16, 32], "model.norm": [32], "lm_head": [16, 32]}
        layer = {"input_layernorm": [32], "post_attention_layernorm": [32], "mlp.gate_proj": [64, 32],
                 "mlp.up_proj": [64, 32], "mlp.down_proj": [32, 64]}
        layer |= {f"self_attn.{x}_proj": [32, 32] for x in "qkvo"}
        shapes |= {"model.layers.0." + name: shape for name, shape in layer.items()}
        source = random.Random(1)
        self.tensors = {name + ".weight": (shape, [source.uniform(-1, 1) for _ in range(shape[0] * (shape + [1])[1])])
                        for name, shape in shapes.items()}
        self.write()

    def write(self):
        (self.source / "config.json").write_text(json.dumps(self.config))
        (self.source / "model.safetensors").write_bytes(safetensors(self.tensors))

    def convert(self, *arguments):
        done = self.ends(run("convert", *arguments), DONE)
        self.assertEqual(done.stderr, "")
        return done.stdout.decode()

    def inspect(self, path):
        return json.loads(self.ends(run("inspect", path, "--json"), DONE).stdout)

    def test_a_folder_becomes_a_file_and_a_folder_again(self):
        self.assertRegex(self.convert(self.source, self.out), r"^12 tensors, 11.\d k parameters, [\d.]+ kB in [\d.]+ s\n$")
        found = self.inspect(self.out)
        self.assertEqual(found["metadata"]["general.architecture"]["value"], "llama")
        self.assertEqual(found["metadata"]["general.name"]["value"], "tiny")
        self.assertEqual(len(found["tensors"]), 12)
        back = self.folder / "back"
        self.convert(self.out, back)
        again = self.folder / "again.gguf"
        self.convert(back, again)
        other = self.inspect(again)
        self.assertEqual(found["tensors"], other["tensors"])
        self.assertEqual(self.out.read_bytes()[-4096:], again.read_bytes()[-4096:])
        config = json.loads((back / "config.json").read_text())
        self.assertEqual({k: config[k] for k in self.config if k in config}, self.config)

    def test_types(self):
        self.convert(self.source, self.out, "--type", "q8_0")
        found = self.inspect(self.out)
        types = {t["name"]: t["type"] for t in found["tensors"]}
        self.assertEqual((types["blk.0.attn_q.weight"], types["output_norm.weight"]), ("Q8_0", "F32"))
        self.assertEqual(found["metadata"]["general.file_type"]["value"], 7)
        weights = self.folder / "w.safetensors"
        self.convert(self.out, weights, "--type", "F16")
        length = struct.unpack("<Q", weights.read_bytes()[:8])[0]
        header = json.loads(weights.read_bytes()[8:8 + length])
        self.assertEqual(header["model.layers.0.self_attn.q_proj.weight"]["dtype"], "F16")
        shards = self.folder / "shards"
        self.convert(self.out, shards, "--shard-size", "4KB")
        index = json.loads((shards / "model.safetensors.index.json").read_text())
        self.assertGreater(len(set(index["weight_map"].values())), 1)
        self.convert(shards, self.folder / "whole.gguf")
        self.complains(MISUSED, "convert", self.out, self.folder / "y", "--shard-size", "5XB", about=["5GB"])

    def test_a_real_model_comes_back_with_its_tokenizer(self):
        model = data("stories260K-f32.gguf")
        folder = self.folder / "stories"
        self.convert(model, folder)
        self.convert(folder, self.out)
        lines = [{**g, "model": "out.gguf"} for g in goldens() if g["model"] == model.name]
        path = self.file("goldens.jsonl", "".join(json.dumps(g) + "\n" for g in lines).encode())
        self.ends(run("verify", self.out, path), DONE)
        path = self.file("goldens2.jsonl", path.read_bytes().replace(b"out.gguf", b"stories"))
        self.ends(run("verify", folder, path), DONE)  # as it is
        told = [self.ends(run("generate", m, "Once", "--temperature", "0", "--max-tokens", "9"), DONE).stdout for m in (model, folder)]
        self.assertEqual(*told)
        self.assertEqual(self.inspect(folder)["totals"], self.inspect(self.out)["totals"])
        ids = lambda source: self.ends(run("tokenize", source, "Once upon a time"), DONE).stdout
        self.assertEqual(ids(model), ids(self.out))

    def test_every_architecture_comes_back(self):
        data("goldens.jsonl")
        for path in sorted(DATA.glob("arch-*.gguf")):
            folder, out = self.folder / path.stem, self.folder / path.name
            done = run("convert", path, folder, "--no-tokenizer")
            if path.stem in ("arch-deepseek2", "arch-llama3"):  # the last one's factors are random
                self.ends(done, FAILED)
                self.assertFalse(folder.exists())
                continue
            self.ends(done, DONE)
            self.convert(folder, out, "--no-tokenizer")
            before, after = self.inspect(path), self.inspect(out)
            if path.stem == "arch-phi2":  # its queries, keys and values are one matrix
                self.assertEqual(before["totals"]["parameters"], after["totals"]["parameters"])
                continue
            key = lambda t: t["name"]
            self.assertEqual(sorted(before["tensors"], key=key), sorted(after["tensors"], key=key), path)

    def test_wrong_usage_and_broken_folders(self):
        self.complains(MISUSED, "convert", self.source, self.folder / "x", about=[".gguf"])
        self.complains(MISUSED, "convert", self.out, self.folder / "x.gguf", about=["quantize"])
        self.complains(MISUSED, "convert", self.source / "model.safetensors", self.out, about=["the folder"])
        self.complains(MISUSED, "convert", self.source, self.out, "--type", "Q9", about=["Q4_K_M"])
        self.complains(FAILED, "convert", self.folder / "nothing", self.out, about=["nothing: there is no such folder"])
        self.complains(FAILED, "convert", self.folder, self.out, about=["config.json"])
        self.tensors.pop("model.norm.weight")
        self.tensors["model.layers.0.other.weight"] = ([1], [0.0])
        self.write()
        self.complains(FAILED, "convert", self.source, self.out, about=["model.layers.0.other.weight has no place"])
        self.assertFalse(self.out.exists())
        self.convert_once()
        self.complains(FAILED, "convert", self.out, self.source, about=["there already"])

    def convert_once(self):
        self.tensors.pop("model.layers.0.other.weight")
        self.write()
        self.convert(self.source, self.out)


class Quantize(Case):
    def setUp(self):
        super().setUp()
        self.out = self.folder / "out.gguf"
        self.model = self.file("model.gguf", gguf([(b"general.architecture", STRING, gguf_string(b"llama"))], [
            self.matrix(64), self.matrix(32, name=b"output.weight"), (b"output_norm.weight", [256], 0, bytes(1024))]))

    def quantize(self, source, kind, *options, status=DONE, **more):
        return self.ends(run("quantize", source, self.out, kind, *options, **more), status)

    def inspect(self, path):
        return json.loads(self.ends(run("inspect", path, "--json"), DONE).stdout)

    def types(self):
        return {t["name"]: t["type"] for t in self.inspect(self.out)["tensors"]}

    def nothing_is_left(self):
        self.assertEqual([p.name for p in self.folder.glob("out*")], [])

    def matrix(self, rows, columns=256, name=b"blk.0.ffn_up.weight"):
        values = [((i * 7919) % 1009 - 504) / 504 for i in range(1009)]
        row = struct.pack("<1009f", *values)
        data_ = (row * (rows * columns // 1009 + 1))[:4 * rows * columns]
        return name, [columns, rows], 0, data_

    def test_q8_0_is_near_the_float_model(self):
        model = data("stories260K-f32.gguf")
        done = self.quantize(model, "q8_0")
        self.assertEqual(done.stderr, "")
        types = self.types()
        self.assertEqual((types["output.weight"], types["blk.0.ffn_down.weight"], types["blk.0.attn_norm.weight"]),
                         ("Q8_0", "F16", "F32"))
        metadata = self.inspect(self.out)["metadata"]
        self.assertEqual((metadata["general.file_type"]["value"], metadata["general.quantization_version"]["value"]), (7, 2))
        before = self.inspect(model)
        kept = {k: v for k, v in before["metadata"].items() if k not in ("general.file_type", "general.quantization_version")}
        self.assertEqual(kept, {k: metadata[k] for k in kept})
        self.assertEqual([(t["name"], t["shape"]) for t in before["tensors"]],
                         [(t["name"], t["shape"]) for t in self.inspect(self.out)["tensors"]])
        lines = [{**g, "model": "out.gguf"} for g in goldens() if g["model"] == model.name]
        path = self.file("goldens.jsonl", "".join(json.dumps(g) + "\n" for g in lines).encode())
        self.ends(run("verify", self.out, path, "--tolerance", "0.05"), DONE)

    def test_the_table_counts_what_was_written(self):
        done = self.quantize(self.model, "Q5_0")
        table = done.stdout.decode()
        totals = self.inspect(self.out)["totals"]
        self.assertRegex(table, rf"(?m)^all +{totals['tensors']} +")
        for kind, t in totals["types"].items():
            self.assertRegex(table, rf"(?m)^{kind} +{t['tensors']} +.* {8 * t['bytes'] / t['parameters']:.3f} +[-\d]")
        self.assertRegex(table, r"(?m)^[\d.]+ \w+ -> [\d.]+ \w+ \([\d.]+ %\) in [\d.]+ s, [\d.]+ M weights/s$")
        self.assertRegex(table, r"largest relative errors:\n  \S+ +Q5_0 +[2-6]\.\d\de-02\n")

    def test_a_mix_gives_more_bits_where_they_matter(self):
        names = [b"output.weight", b"token_embd.weight", b"blk.0.attn_v.weight", b"blk.0.attn_q.weight"]
        model = self.file("m.gguf", gguf([], [self.matrix(4, name=n) for n in names]))
        self.quantize(model, "Q4_K_M")
        self.assertEqual(list(self.types().values()), ["Q6_K", "Q4_K", "Q6_K", "Q4_K"])
        self.quantize(model, "Q4_K_M", "--output-type", "f16", "--token-embedding-type=Q8_0")
        self.assertEqual(list(self.types().values()), ["F16", "Q8_0", "Q6_K", "Q4_K"])
        planned = self.ends(run("quantize", model, self.folder / "none.gguf", "Q4_K_M", "--dry-run"), DONE).stdout.decode()
        self.assertIn("output.weight                     F32     -> Q6_K\n", planned)
        self.assertFalse((self.folder / "none.gguf").exists())

    def test_the_result_does_not_depend_on_threads(self):
        self.quantize(self.model, "Q4_0", "--threads", "1")
        first = self.out.read_bytes()
        self.quantize(self.model, "Q4_0", "--threads", "5")
        self.assertEqual(self.out.read_bytes(), first)

    def test_wrong_types_suggest_the_right_one_and_list_all(self):
        self.complains(MISUSED, "quantize", self.model, self.out, "Q4_KM", about=["Q4_KM is not known; did you mean Q4_K_M?", "TQ1_0"])
        self.complains(MISUSED, "quantize", self.model, self.out, "Q8_0", "--output-type", "IQ3_S", about=["expected one of F32, F16, "])
        self.complains(MISUSED, "quantize", self.model, self.out, about=["TYPE is missing"])
        self.nothing_is_left()

    def test_wrong_files_leave_nothing(self):
        garbage = self.file("garbage.gguf", b"garbage" * 99)
        self.complains(FAILED, "quantize", garbage, self.out, "Q8_0", about=["garbage.gguf"])
        self.complains(FAILED, "quantize", self.folder / "none.gguf", self.out, "Q8_0", about=["none.gguf"])
        self.complains(FAILED, "quantize", self.model, self.folder / "none" / "out.gguf", "Q8_0", about=["none", "cannot create"])
        self.complains(FAILED, "quantize", self.model, self.folder, "Q8_0", about=["is no regular file"])
        weights = struct.pack("<128f", *[1] * 100, float("inf"), *[1] * 27)
        infinite = self.file("inf.gguf", gguf([], [(b"x.weight", [32, 4], 0, weights)]))
        self.complains(FAILED, "quantize", infinite, self.out, "Q8_0", about=["inf.gguf: tensor x.weight: row 3", "not finite"])
        self.complains(FAILED, "quantize", infinite, self.out, "Q8_0", "--imatrix", garbage, about=["garbage.gguf"])
        self.nothing_is_left()

    def test_the_input_is_not_overwritten(self):
        model, content = self.model, self.model.read_bytes()
        os.link(model, self.folder / "link.gguf")
        for same in (model, os.path.join(self.folder, ".", "model.gguf"), self.folder / "link.gguf"):
            self.complains(FAILED, "quantize", model, same, "Q8_0", about=["is the input"])
        self.assertEqual(model.read_bytes(), content)

    def test_a_former_output_is_replaced_whole_or_stays(self):
        self.out.write_bytes(b"former")
        wrong = b"x.weight", [32, 4], 0, struct.pack("<f", float("nan")) * 128
        infinite = self.file("nan.gguf", gguf([], [self.matrix(64), wrong]))
        self.quantize(infinite, "Q8_0", status=FAILED)
        self.assertEqual(self.out.read_bytes(), b"former")
        self.quantize(self.model, "Q8_0")
        self.inspect(self.out)

    def test_a_full_disk_leaves_nothing(self):
        model = self.file("m.gguf", gguf([], [self.matrix(1024)]))

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))
        done = self.quantize(model, "Q8_0", status=FAILED, preexec_fn=limit)
        self.assertIn("cannot write", done.stderr)
        self.nothing_is_left()

    def test_ctrl_c_leaves_nothing(self):
        model = self.file("m.gguf", gguf([], [self.matrix(16384, 1024)]))
        program = start("quantize", model, self.out, "Q3_K_S", "--threads", "1")
        for _ in range(6000):
            if list(self.folder.glob("out*")) or program.poll() is not None:
                break
            time.sleep(0.01)
        program.send_signal(signal.SIGINT)
        message = program.communicate(timeout=60)[1]
        self.assertEqual(program.returncode, INTERRUPTED, message)
        self.nothing_is_left()

    def test_progress_shows_on_a_terminal_only(self):
        terminal, stderr = os.openpty()
        self.addCleanup(os.close, terminal)
        subprocess.run([PROGRAM, "quantize", self.model, self.out, "Q8_0"], stdout=subprocess.DEVNULL, stderr=stderr, check=True)
        os.close(stderr)
        self.assertRegex(os.read(terminal, 1000), rb"^\r\x1b\[K\[[#.]{24}\] +\d+%  \S+\.weight ")

    def test_weights_that_are_quantized_already(self):
        self.quantize(self.model, "Q8_0")
        small = self.folder / "small.gguf"
        self.complains(FAILED, "quantize", self.out, small, "Q4_0",
                       about=["out.gguf: tensor ", "is Q8_0 already", "--allow-requantize"])
        self.assertFalse(small.exists())
        done = self.ends(run("quantize", self.out, small, "Q4_0", "--allow-requantize"), DONE)
        self.assertIn("note: the weights are quantized already", done.stderr)
        again = self.folder / "again.gguf"
        self.ends(run("quantize", self.out, again, "Q8_0"), DONE)  # nothing to do
        self.assertEqual(again.read_bytes(), self.out.read_bytes())

    def test_split_inputs_become_one_file(self):
        for i in range(2):
            keys = [(b"split.no", U16, struct.pack("<H", i)), (b"split.count", U16, struct.pack("<H", 2)),
                    (b"split.tensors.count", I32, struct.pack("<i", 2))]
            part = self.file(f"m-0000{i + 1}-of-00002.gguf", gguf(keys, [self.matrix(4, name=b"blk.%d.ffn_up.weight" % i)]))
        self.complains(FAILED, "quantize", part, self.folder / "m-00001-of-00002.gguf", "Q8_0", about=["is the input"])
        self.quantize(part, "Q8_0")
        found = self.inspect(self.out)
        self.assertEqual([t["name"] for t in found["tensors"]], ["blk.0.ffn_up.weight", "blk.1.ffn_up.weight"])
        self.assertEqual(set(found["metadata"]), {"general.file_type", "general.quantization_version"})

    def test_importance_changes_the_bytes(self):
        name, sums = b"blk.0.ffn_up.weight", struct.pack("<256f", *[1000] * 128, *[1] * 128)
        old = self.file("i.dat", struct.pack("<ii", 1, len(name)) + name + struct.pack("<ii", 4, 256) + sums)
        new = self.file("i.gguf", gguf([], [(name + b".in_sum2", [256, 1], 0, sums),
                                            (name + b".counts", [1, 1], 0, struct.pack("<f", 4) + bytes(28))]))
        results = []
        model = self.file("m.gguf", gguf([], [self.matrix(64)]))
        for options in ([], ["--imatrix", old], ["--imatrix", new]):
            self.assertEqual(self.quantize(model, "Q4_K_S", *options).stderr, "")
            results.append(self.out.read_bytes())
        self.assertNotEqual(results[0], results[1])
        self.assertEqual(results[1], results[2])
        short = self.file("short.dat", struct.pack("<ii", 1, len(name)) + name + struct.pack("<ii", 4, 128) + sums[:512])
        self.complains(FAILED, "quantize", model, self.out, "Q4_K_S", "--imatrix", short,
                       about=[name.decode(), "128 columns, expected 256"])
        other = self.file("other.dat", struct.pack("<ii", 1, 1) + b"x" + struct.pack("<ii", 4, 1) + sums[:4])
        self.assertIn("says nothing about 1 of", self.quantize(model, "Q4_K_S", "--imatrix", other).stderr)

    def test_a_suspicious_loss_is_warned_of(self):
        normal = random.Random(1)
        weights = struct.pack("<1024f", *[normal.gauss(0, 1) for _ in range(1024)])  # three values each are not enough
        model = self.file("m.gguf", gguf([], [(b"x.weight", [256, 4], 0, weights)]))
        self.assertIn("warning: 1 tensors lost more", self.quantize(model, "TQ1_0").stderr)
        self.assertEqual(self.quantize(model, "Q4_K_S").stderr, "")


class Tokenize(Case):
    def ids(self, *arguments, stdin=b""):
        found = json.loads(self.ends(run("tokenize", MODEL, "--json", *arguments, stdin=stdin), DONE).stdout)
        self.assertEqual(len(found["ids"]), len(found["pieces"]))
        return found

    def test_pieces_make_the_text(self):
        found = self.ids("--no-bos", "Once upon a time")
        self.assertEqual("".join(found["pieces"]).strip(), "Once upon a time")
        self.assertEqual(self.ids("-", "--no-bos", stdin=b"Once upon a time"), found)

    def test_the_table_lists_ids_pieces_and_counts(self):
        found = self.ids("a\nb")
        lines = self.ends(run("tokenize", MODEL, "a\nb"), DONE).stdout.decode().splitlines()
        self.assertEqual([int(line.split()[0]) for line in lines[:-1]], found["ids"])
        self.assertTrue(any('"\\n"' in line or "\\n" in line for line in lines), lines)
        self.assertEqual(lines[-1], f"{len(found['ids'])} tokens, 3 bytes")

    def test_special_reads_the_names_of_control_tokens(self):
        begin = self.ids("")
        self.assertEqual(len(begin["ids"]), 1)
        name = begin["pieces"][0]
        self.assertEqual(self.ids("--no-bos", "--special", "parse", name)["ids"], begin["ids"])
        self.assertGreater(len(self.ids("--no-bos", name)["ids"]), 1)
        refused = self.ends(run("tokenize", MODEL, "a" + name, "--special", "error"), FAILED)
        self.assertIn(f"a special token at byte 1: {name}", refused.stderr)

    def test_offsets_say_where_tokens_come_from(self):
        text = "One day, two birds"
        found = self.ids("--no-bos", "--offsets", text)
        self.assertEqual(found["offsets"][-1][1], len(text))
        for piece, (begin, end) in zip(found["pieces"], found["offsets"]):
            self.assertEqual(text[begin:end].strip(), piece.strip())
        table = self.ends(run("tokenize", MODEL, "--no-bos", "--offsets", text), DONE).stdout.decode().splitlines()
        self.assertEqual([int(n) for n in table[0].split()[1:3]], found["offsets"][0])

    def test_counts(self):
        counted = self.ends(run("tokenize", MODEL, "--count", "Once upon a time"), DONE).stdout
        self.assertEqual(int(counted), len(self.ids("Once upon a time")["ids"]))

    def test_lines_are_texts_of_their_own(self):
        lines = b"One day\n\nTwo birds"
        found = self.ends(run("tokenize", MODEL, "-", "--lines", "--json", stdin=lines), DONE).stdout.splitlines()
        self.assertEqual([json.loads(line)["ids"] for line in found],
                         [self.ids(line.decode())["ids"] for line in lines.split(b"\n")])
        self.assertEqual(self.ids("--no-bos", "")["ids"], [])

    def test_bytes_that_are_no_utf8_stay_bytes(self):
        self.assertNotEqual(self.ids(b"\xff")["ids"], self.ids(b"\xfe")["ids"])


class TrainTokenizer(Case):
    TEXT = "Once upon a time a little cat met a little dog. The cat said hello, and the dog ran to the cat.\n" * 20

    def train(self, *options, text=TEXT, name="tokenizer.json"):
        """What the program writes for a text, and what it says."""
        out = self.folder / name
        done = self.ends(run("train-tokenizer", self.file("text.txt", text.encode()), "--out", out, *options), DONE)
        return json.loads(out.read_text()), done

    def test_the_file_has_the_model_and_the_steps_around_it(self):
        written, done = self.train("--vocabulary", "300", "--special", "<|end|>")
        self.assertEqual(written["model"]["type"], "BPE")
        self.assertEqual(len(written["model"]["vocab"]), 300)
        self.assertEqual(len(written["model"]["merges"]), 300 - 256 - 1)
        self.assertEqual(written["model"]["vocab"]["<|end|>"], 0)
        self.assertEqual([(t["content"], t["special"]) for t in written["added_tokens"]], [("<|end|>", True)])
        self.assertEqual(written["pre_tokenizer"]["type"], "ByteLevel")
        self.assertIn("\u0120the", written["model"]["vocab"])
        self.assertRegex(done.stdout.decode(), r"tokenizer.json: 300 tokens of 1.92 kB, \d+ different words, [\d.]+ s\n$")
        self.assertEqual(done.stderr, "")

    def test_every_kind_of_model(self):
        for kind, type_, piece in [("wordpiece", "WordPiece", "cat"), ("unigram", "Unigram", "\u2581cat"),
                                   ("sentencepiece-bpe", "BPE", "\u2581cat")]:
            with self.subTest(kind=kind):
                written, _ = self.train("--model", kind, "--vocabulary", "90", "--coverage", "1", "--lowercase")
                model = written["model"]
                self.assertEqual(model["type"], type_)
                pieces = [p for p, _ in model["vocab"]] if kind == "unigram" else list(model["vocab"])
                self.assertIn(piece, pieces)
                self.assertFalse([p for p in pieces if p != p.lower() and not p.startswith("[")], pieces)
                self.assertLessEqual(len(pieces), 90)

    def test_patterns(self):
        for pattern in ("cl100k", "qwen2", "o200k", r"[a-z]+|[^a-z]+"):
            with self.subTest(pattern=pattern):
                steps = self.train("--vocabulary", "280", "--pattern", pattern)[0]["pre_tokenizer"]["pretokenizers"]
                self.assertEqual([s["type"] for s in steps], ["Split", "ByteLevel"])
                self.assertFalse(steps[1]["use_regex"])
        self.assertNotEqual(*(self.train("--vocabulary", "290", "--pattern", p)[0]["model"]["vocab"] for p in ("gpt2", "[a-z]")))

    def test_the_same_texts_give_the_same_file(self):
        first = self.train("--vocabulary", "290")[0]
        self.assertEqual(self.train("--vocabulary", "290", name="second.json")[0], first)
        out = self.folder / "third.json"
        self.ends(run("train-tokenizer", "-", "--vocabulary", "290", "--out", out, stdin=self.TEXT.encode()), DONE)
        self.assertEqual(json.loads(out.read_text()), first)

    def test_little_text_gives_fewer_tokens_and_a_note(self):
        written, done = self.train("--vocabulary", "5000")
        self.assertLess(len(written["model"]["vocab"]), 400)
        self.assertIn("the texts give no more than", done.stderr)

    def test_wrong_usage(self):
        text = self.file("text.txt", b"a b c")
        self.complains(MISUSED, "train-tokenizer", about=["FILE... is missing"])
        for option, value, expected in [("--model", "bpee", "bpe, wordpiece, unigram or sentencepiece-bpe"), ("--vocabulary", "0", "1 to"),
                                        ("--coverage", "0.5", "0.98 to 1"), ("--normalize", "nfx", "nfkc"), ("--special", "", "not empty"),
                                        ("--out", "", "not empty"), ("--longest", "65", "0 to 64")]:
            with self.subTest(option=option):
                self.complains(MISUSED, "train-tokenizer", text, option, value, about=[option, expected])

    def test_failures_leave_no_file(self):
        out, text = self.folder / "out.json", self.file("text.txt", b"a b c")
        self.complains(FAILED, "train-tokenizer", self.folder / "none.txt", "--out", out, about=["none.txt"])
        self.complains(FAILED, "train-tokenizer", self.file("empty.txt", b""), "--out", out, about=["no words"])
        self.complains(FAILED, "train-tokenizer", text, "--out", out, "--pattern", "(", about=["offset 0"])
        self.complains(FAILED, "train-tokenizer", text, "--out", out, "--model", "unigram", "--vocabulary", "4", about=["no room"])
        self.complains(FAILED, "train-tokenizer", text, "--out", self.folder / "none" / "out.json", about=["none"])
        self.assertFalse(out.exists())

    def test_ctrl_c_leaves_no_file(self):
        out = self.folder / "out.json"
        process = start("train-tokenizer", "-", "--out", out)
        process.stdin.write(self.TEXT.encode())
        process.stdin.flush()
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        try:
            process.stdin.write(b"more text\n" * 500_000)
        except BrokenPipeError:
            pass
        _, stderr = process.communicate(timeout=60)
        self.assertEqual(process.returncode, INTERRUPTED, stderr)
        self.assertFalse(out.exists())


class Verify(Case):
    def setUp(self):
        super().setUp()
        self.model = data("stories260K-f32.gguf")
        self.golden = next(g for g in goldens() if g["model"] == self.model.name)

    def verify(self, status, model=None, *options, **changes):
        path = self.file("goldens.jsonl", b"\n" + json.dumps({**self.golden, **changes}).encode() + b"\r\n")
        return self.ends(run("verify", model or self.model, path, *options), status)

    def test_float_models_agree_with_the_reference(self):
        for name in ("arch-llama", "arch-llama3", "stories260K-f32"):
            for options in ([], ["--backend", "reference"], ["--target", "scalar", "--threads", "1"]):
                done = self.ends(run("verify", data(name + ".gguf"), DATA / "goldens.jsonl", *options), DONE)
                self.assertRegex(done.stdout.decode().splitlines()[-1], r"^all .* ok$")

    def test_quantized_models_agree_with_the_reference(self):
        for name in ("stories260K-q8_0", "quant-Q4_0", "quant-Q8_0"):
            done = self.ends(run("verify", data(name + ".gguf"), DATA / "goldens.jsonl"), DONE)
            self.assertIn(b"quantized weights, tolerance 0.01 of logits_rms", done.stdout)

    def test_every_wrong_number_is_found(self):
        self.verify(DONE)
        wrong = {"nll": [x + 0.002 * (i == 1) for i, x in enumerate(self.golden["nll"])],
                 "top_logits": self.golden["top_logits"][:-1] + [self.golden["top_logits"][-1] - 0.002],
                 "logits_mean": self.golden["logits_mean"] + 0.002, "logits_rms": self.golden["logits_rms"] - 0.002}
        for key, value in wrong.items():
            self.assertIn(b"FAILED: more than 1.0e-03 off", self.verify(FAILED, **{key: value}).stdout, key)
            self.verify(DONE, None, "--tolerance", "0.003", **{key: value})
        greedy = list(self.golden["greedy"])
        greedy[3] += 1
        self.assertIn(b"greedy token 3 is the first that differs", self.verify(FAILED, greedy=greedy).stdout)

    def test_a_tolerance_below_rounding_fails(self):
        self.verify(FAILED, None, "--tolerance", "1e-12")

    def test_a_file_without_lines_for_the_model_is_wrong_usage(self):
        path = self.file("goldens.jsonl", b'{"model": "other.gguf"}\n')
        self.complains(MISUSED, "verify", self.model, path, about=['no line with "model": "stories260K-f32.gguf"'])

    def test_malformed_lines_are_named(self):
        for line, about in [(b"{", "JSON"), (b'{"model": "stories260K-f32.gguf"}', "ids"),
                            (json.dumps({**self.golden, "nll": []}).encode(), "one nll less"),
                            (json.dumps({**self.golden, "greedy": [99999]}).encode(), "99999"),
                            (json.dumps({**self.golden, "top_ids": [-1] * 16}).encode(), "-1 is no token")]:
            done = self.ends(run("verify", self.model, self.file("goldens.jsonl", b"\n" + line)), FAILED)
            self.assertIn("line 2", done.stderr)
            self.assertIn(about, done.stderr)

    def test_embeddings_are_not_passed_silently(self):
        self.assertIn(b"not supported yet", self.verify(FAILED, embedding=[1.0]).stdout)

    def test_an_architecture_that_is_not_there_is_named(self):
        self.complains(FAILED, "verify", data("arch-bert.gguf"), DATA / "goldens.jsonl", about=["bert", "llama"])


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    PROGRAM = str(pathlib.Path(sys.argv.pop(1)).resolve())
    if MODEL is None:
        print("there is no model\n0 passed, 0 failed, 1 skipped")
        sys.exit(77)
    result = unittest.main(exit=False).result
    bad, skipped = len(result.failures) + len(result.errors), len(result.skipped)
    passed = max(0, result.testsRun - bad - skipped)  # several parts of one test may fail
    print(f"{passed} passed, {bad} failed, {skipped} skipped", flush=True)
    sys.exit(1 if bad else 0 if passed else 77)
