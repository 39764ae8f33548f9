"""A llama-architecture transformer in float32: RMSNorm, rotary positions on adjacent pairs, grouped-query attention, SwiGLU, tied embeddings.

Parameters carry the tensor names of GGUF, so that a state dictionary and a file hold the same names and shapes. Shape comments use
n sequences, t tokens, d width, h heads, g key and value heads, k = d / h.
"""
from dataclasses import dataclass

import torch
import torch.nn.functional as F


@dataclass
class Shape:
    vocabulary: int = 1024
    width: int = 128
    blocks: int = 5
    hidden: int = 256
    heads: int = 4
    kv_heads: int = 2
    context: int = 512
    epsilon: float = 1e-5
    rope_base: float = 10000.0


def parameter_shapes(s):
    kv = s.width // s.heads * s.kv_heads
    shapes = {"token_embd.weight": (s.vocabulary, s.width), "output_norm.weight": (s.width,)}
    for b in range(s.blocks):
        shapes |= {
            f"blk.{b}.attn_norm.weight": (s.width,),
            f"blk.{b}.attn_q.weight": (s.width, s.width),
            f"blk.{b}.attn_k.weight": (kv, s.width),
            f"blk.{b}.attn_v.weight": (kv, s.width),
            f"blk.{b}.attn_output.weight": (s.width, s.width),
            f"blk.{b}.ffn_norm.weight": (s.width,),
            f"blk.{b}.ffn_gate.weight": (s.hidden, s.width),
            f"blk.{b}.ffn_up.weight": (s.hidden, s.width),
            f"blk.{b}.ffn_down.weight": (s.width, s.hidden),
        }
    return shapes


def initial_weights(s):
    weights = {}
    for name, shape in parameter_shapes(s).items():
        if len(shape) == 1:
            weights[name] = torch.ones(shape)
        else:
            spread = 0.02 / (2 * s.blocks) ** 0.5 if "output" in name or "down" in name else 0.04
            weights[name] = torch.randn(shape) * spread
    return weights


def rms_norm(x, weight, epsilon):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + epsilon) * weight


def rotate(x, cos, sin):
    even, odd = x[..., 0::2], x[..., 1::2]  # n h t k/2
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


def forward(w, s, tokens):
    """Logits [n t vocabulary] of tokens [n t], with the weights w."""
    n, t = tokens.shape
    k = s.width // s.heads
    angles = torch.arange(t)[:, None] * s.rope_base ** (-torch.arange(0, k, 2) / k)  # t k/2
    cos, sin = angles.cos(), angles.sin()
    future = torch.full((t, t), -1e9).triu(1)
    x = w["token_embd.weight"][tokens]  # n t d
    for b in range(s.blocks):
        p = f"blk.{b}."
        y = rms_norm(x, w[p + "attn_norm.weight"], s.epsilon)
        q = (y @ w[p + "attn_q.weight"].T).view(n, t, s.heads, k).transpose(1, 2)  # n h t k
        key = (y @ w[p + "attn_k.weight"].T).view(n, t, s.kv_heads, k).transpose(1, 2)  # n g t k
        value = (y @ w[p + "attn_v.weight"].T).view(n, t, s.kv_heads, k).transpose(1, 2)  # n g t k
        q, key = rotate(q, cos, sin), rotate(key, cos, sin)
        key, value = (m.repeat_interleave(s.heads // s.kv_heads, 1) for m in (key, value))  # n h t k
        share = torch.softmax(q @ key.transpose(-1, -2) * k ** -0.5 + future, -1)  # n h t t
        x = x + (share @ value).transpose(1, 2).reshape(n, t, s.width) @ w[p + "attn_output.weight"].T
        y = rms_norm(x, w[p + "ffn_norm.weight"], s.epsilon)
        y = F.silu(y @ w[p + "ffn_gate.weight"].T) * (y @ w[p + "ffn_up.weight"].T)  # n t hidden
        x = x + y @ w[p + "ffn_down.weight"].T
    return rms_norm(x, w["output_norm.weight"], s.epsilon) @ w["token_embd.weight"].T


@torch.no_grad()
def generate(w, s, ids, count, temperature=0.0, seed=0, stop=None):
    """Up to `count` ids that follow `ids`; temperature 0 takes the likeliest."""
    random = torch.Generator().manual_seed(seed)
    ids, start = list(ids), len(ids)
    while len(ids) - start < count and (len(ids) == start or ids[-1] != stop):
        logits = forward(w, s, torch.tensor([ids[-s.context:]]))[0, -1]
        if temperature > 0:
            ids.append(torch.multinomial(torch.softmax(logits / temperature, -1), 1, generator=random).item())
        else:
            ids.append(logits.argmax().item())
    return ids[start:]
