#!/usr/bin/python3
"""Let the story model tell stories, check them against the grammar, or write the reference ids of the tests.

Everything is computed in float32 from the dequantized weights of the GGUF file. `--check` counts how many word trigrams of the sampled stories
also occur in a large sample of the grammar.
"""
import argparse
import json
import re
from collections import Counter
from pathlib import Path

import torch

import gguf
from grammar import Grammar
from model import Shape, generate
from vocabulary import BOS, EOS, Vocabulary


def load(path):
    metadata, tensors = gguf.read(path)
    pieces = zip(*(metadata["tokenizer.ggml." + key] for key in ("tokens", "scores", "token_type")))
    shape = Shape(
        vocabulary=metadata["llama.vocab_size"], width=metadata["llama.embedding_length"], blocks=metadata["llama.block_count"],
        hidden=metadata["llama.feed_forward_length"], heads=metadata["llama.attention.head_count"],
        kv_heads=metadata["llama.attention.head_count_kv"], context=metadata["llama.context_length"],
        epsilon=metadata["llama.attention.layer_norm_rms_epsilon"], rope_base=metadata["llama.rope.freq_base"])
    return {name: torch.tensor(x) for name, x in tensors.items()}, shape, Vocabulary(list(pieces))


def words_of(text):
    return re.findall(r"[^\W\d_]+(?:'[a-z]+)?|[^\w\s]", text)


def trigrams(words, common):
    words = [word if word in common else "RARE" for word in words]
    return list(zip(words, words[1:], words[2:]))


def check(stories, known_stories, report):
    """Prints the share of words and trigrams that the grammar says, too; rare words (names, invented words) stand for one another."""
    grammar = Grammar(12345)
    names = {name for key in ("girl", "boy", "petname") for name in grammar.phrases[key]}
    told = [words_of(grammar.story()) for _ in range(known_stories)]
    seen = Counter(word for words in told for word in set(words))
    common = {word for word, count in seen.items() if count > known_stories / 10000} - names
    known = {t for words in told for t in trigrams(words, common)}
    stories = [words_of(story) for story in stories]
    rare = [word for words in stories for word in words if word not in common | names]
    found = [(t, t in known) for words in stories for t in trigrams(words, common)]
    if report:
        print("rare words:", " ".join(rare))
        print("unknown trigrams:", *(" ".join(t) for t, ok in found if not ok), sep="\n")
    print(f"{sum(map(len, stories))} words, {len(rare)} of them rare")
    print(f"{sum(ok for _, ok in found)} of {len(found)} trigrams known: {sum(ok for _, ok in found) / len(found):.2%}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("model", type=Path, help="the GGUF file")
    parser.add_argument("--prompt", action="append", help="how the story begins; may be given more than once")
    parser.add_argument("--count", type=int, default=1, help="stories for every prompt")
    parser.add_argument("--temperature", type=float, default=0.8, help="0 takes the likeliest token")
    parser.add_argument("--seed", type=int, default=0, help="random seed of the first story")
    parser.add_argument("--tokens", type=int, default=400, help="longest story, in tokens")
    parser.add_argument("--check", type=int, metavar="N", help="compare the trigrams with N stories of the grammar")
    parser.add_argument("--report", action="store_true", help="with --check: print the unknown trigrams")
    parser.add_argument("--reference", type=Path, metavar="FILE", help="write the greedy ids of the prompts, one JSON object per line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    w, shape, vocabulary = load(arguments.model)
    prompts = arguments.prompt or [""]
    if arguments.reference:
        with arguments.reference.open("w", encoding="utf-8") as out:
            for prompt in prompts:
                ids = [BOS] + vocabulary.encode(prompt)
                greedy = generate(w, shape, ids, 24)
                out.write(json.dumps({"model": arguments.model.name, "text": prompt, "ids": ids, "greedy": greedy}, ensure_ascii=False) + "\n")
        return
    stories = []
    for prompt in prompts:
        ids = [BOS] + vocabulary.encode(prompt)
        for i in range(arguments.count):
            new = generate(w, shape, ids, arguments.tokens, arguments.temperature, arguments.seed + i, stop=EOS)
            stories.append(vocabulary.decode(ids + new))
            print(stories[-1] + ("" if new[-1] == EOS else " ...") + "\n", flush=True)
    if arguments.check:
        check(stories, arguments.check, arguments.report)


if __name__ == "__main__":
    main()
