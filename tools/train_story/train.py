#!/usr/bin/python3
"""Train the story model and write it as a GGUF file.

The text comes from the story grammar next to this file, the vocabulary is learned from that text, and the model (see model.py) reads rows of
whole stories, each `<s> story </s>`. In some rows a few tokens are replaced by random ones, which are not to be predicted: so the model learns
to carry on after words that the grammar does not know. Everything is seeded.
"""
import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import gguf
from grammar import Grammar
from model import Shape, forward, generate, initial_weights
from vocabulary import BOS, EOS, FIRST_BYTE, Vocabulary, learn


def rows(stories, vocabulary, length, random):
    """Endless rows of length + 1 ids: stories in random order, one after another, the last one cut off."""
    order = []
    while True:
        row = []
        while len(row) <= length:
            if not order:
                order = list(range(len(stories)))
                random.shuffle(order)
            row += [BOS] + vocabulary.encode(stories[order.pop()]) + [EOS]
        yield np.array(row[:length + 1])


def batch_of(source, count, vocabulary_size, random, noise):
    """Inputs and targets [count length]; -100 marks targets that do not count."""
    ids = np.stack([next(source) for _ in range(count)])
    hit = (random.random(ids.shape) < 0.03) & (random.random((count, 1)) < noise) & (ids != BOS) & (ids != EOS)
    shown = np.where(hit, random.integers(FIRST_BYTE, vocabulary_size, ids.shape), ids)
    wanted = np.where(hit, -100, ids)
    return torch.from_numpy(shown[:, :-1].copy()), torch.from_numpy(wanted[:, 1:].copy())


def learning_rate(step, steps, peak):
    """A short rise, then half a cosine down to nothing."""
    return peak * min(1, (step + 1) / 200) * 0.5 * (1 + math.cos(math.pi * step / steps))


@torch.no_grad()
def loss_of(w, shape, ids):
    return F.cross_entropy(forward(w, shape, ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten()).item()


def metadata_of(shape, vocabulary):
    pieces, scores, kinds = zip(*vocabulary.pieces)
    u32, f32, flag, text = gguf.U32, gguf.F32, gguf.BOOL, gguf.STRING
    return {
        "general.architecture": (text, "llama"),
        "general.name": (text, "loquat story"),
        "general.author": (text, "The loquat authors"),
        "general.license": (text, "MIT"),
        "general.description": (text, "Tells little stories. Trained from the story grammar of the loquat project."),
        "general.alignment": (u32, gguf.ALIGNMENT),
        "general.file_type": (u32, 7),  # mostly Q8_0
        "general.quantization_version": (u32, 2),
        "llama.context_length": (u32, shape.context),
        "llama.embedding_length": (u32, shape.width),
        "llama.block_count": (u32, shape.blocks),
        "llama.feed_forward_length": (u32, shape.hidden),
        "llama.attention.head_count": (u32, shape.heads),
        "llama.attention.head_count_kv": (u32, shape.kv_heads),
        "llama.attention.layer_norm_rms_epsilon": (f32, shape.epsilon),
        "llama.rope.dimension_count": (u32, shape.width // shape.heads),
        "llama.rope.freq_base": (f32, shape.rope_base),
        "llama.vocab_size": (u32, shape.vocabulary),
        "tokenizer.ggml.model": (text, "llama"),
        "tokenizer.ggml.tokens": ((gguf.ARRAY, text), pieces),
        "tokenizer.ggml.scores": ((gguf.ARRAY, f32), scores),
        "tokenizer.ggml.token_type": ((gguf.ARRAY, gguf.I32), kinds),
        "tokenizer.ggml.bos_token_id": (u32, BOS),
        "tokenizer.ggml.eos_token_id": (u32, EOS),
        "tokenizer.ggml.unknown_token_id": (u32, 0),
        "tokenizer.ggml.add_bos_token": (flag, True),
        "tokenizer.ggml.add_eos_token": (flag, False),
        "tokenizer.ggml.add_space_prefix": (flag, True),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("story.gguf"), help="the file to write")
    parser.add_argument("--stories", type=int, default=80000, help="stories to tell for training")
    parser.add_argument("--steps", type=int, default=4500, help="optimizer steps")
    parser.add_argument("--tokens", type=int, default=2048, help="tokens per step")
    parser.add_argument("--rate", type=float, default=4e-3, help="peak learning rate")
    parser.add_argument("--noise", type=float, default=0.2, help="share of rows with random tokens in them")
    parser.add_argument("--sharpness", type=float, default=2, help="factor of the logits in the file: temperature 1 is then as sure as 1 / factor")
    parser.add_argument("--seed", type=int, default=1, help="random seed")
    parser.add_argument("--threads", type=int, default=1, help="threads")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    torch.set_flush_denormal(True)
    random = np.random.default_rng(arguments.seed)
    start = time.time()

    grammar = Grammar(arguments.seed)
    stories = [grammar.story() for _ in range(arguments.stories)]
    vocabulary = Vocabulary(learn(stories[:10000], Shape.vocabulary))
    assert not vocabulary.unreachable()
    shape = Shape()
    w = initial_weights(shape)
    print(f"{len(stories)} stories, {sum(x.numel() for x in w.values())} parameters, {time.time() - start:.0f} s", flush=True)

    fresh = Grammar(arguments.seed + 1)
    check = rows([fresh.story() for _ in range(300)], vocabulary, shape.context, random)
    check = torch.from_numpy(np.stack([next(check) for _ in range(32)]))
    matrices = [x.requires_grad_() for x in w.values() if x.ndim == 2]
    vectors = [x.requires_grad_() for x in w.values() if x.ndim == 1]
    optimizer = torch.optim.AdamW([dict(params=matrices, weight_decay=0.1), dict(params=vectors, weight_decay=0)], betas=(0.9, 0.98))
    short, long = (rows(stories, vocabulary, length, random) for length in (shape.context // 2, shape.context))
    for step in range(arguments.steps):
        # Half of the context holds a whole story and is cheaper; the last quarter shows the positions up to the end.
        length, source = (shape.context // 2, short) if step < arguments.steps * 3 // 4 else (shape.context, long)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, arguments.steps, arguments.rate)
        shown, wanted = batch_of(source, arguments.tokens // length, shape.vocabulary, random, arguments.noise)
        loss = F.cross_entropy(forward(w, shape, shown).flatten(0, 1), wanted.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(matrices + vectors, 1.0)
        optimizer.step()
        if step % 100 == 99:
            print(f"step {step + 1}  loss {loss.item():.4f}  fresh stories {loss_of(w, shape, check):.4f}  {time.time() - start:.0f} s", flush=True)

    print(f"loss on fresh stories: {loss_of(w, shape, check):.4f}")
    with torch.no_grad():
        w["output_norm.weight"] *= arguments.sharpness
    gguf.write(arguments.output, metadata_of(shape, vocabulary), {name: x.detach().numpy() for name, x in w.items()})
    reread = {name: torch.tensor(x) for name, x in gguf.read(arguments.output)[1].items()}
    print(f"after sharpening {loss_of(w, shape, check):.4f}, after quantization {loss_of(reread, shape, check):.4f}")
    greedy = [generate(weights, shape, [BOS], 200, stop=EOS) for weights in (w, reread)]
    print(f"greedy story before and after: {'the same' if greedy[0] == greedy[1] else 'different'}\n{vocabulary.decode(greedy[1])}")


if __name__ == "__main__":
    main()
