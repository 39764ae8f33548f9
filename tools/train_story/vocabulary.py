"""A SentencePiece-style BPE vocabulary: learning it from text, encoding and decoding.

Pieces follow the conventions of SentencePiece and llama: a space is written U+2581 in front of the word, ids 0..2 are <unk>, <s> and </s>,
then come 256 byte pieces, the merges in the order they were learned (score = -rank) and the single characters. Encoding starts from single
characters and merges, again and again, the adjacent pair whose concatenation has the best score. Pieces never cross the border between
letters and punctuation and hold a space only in front, so every word can be encoded, and remembered, by itself.
"""
import re
from collections import Counter

SPACE = "\u2581"
UNIT = re.compile(rf"{SPACE}?[A-Za-z]+|{SPACE}?[^A-Za-z{SPACE}]+|{SPACE}")  # merges stay inside of these
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6
BOS, EOS, FIRST_BYTE = 1, 2, 3


def merged(parts, whole):
    """`parts` with every adjacent pair that spells `whole` joined, from left to right."""
    out, at = [], 0
    while at < len(parts):
        step = 2 if at + 1 < len(parts) and parts[at] + parts[at + 1] == whole else 1
        out.append("".join(parts[at:at + step]))
        at += step
    return out


def learn(texts, size):
    """Returns the pieces of a vocabulary of `size` ids, learned from `texts`, as (piece, score, type)."""
    counts = Counter(unit for text in texts for unit in UNIT.findall(SPACE + text.replace(" ", SPACE)))
    letters = Counter()
    for unit, count in counts.items():
        for letter in unit:
            letters[letter] += count
    alphabet = [SPACE] + [chr(c) for c in range(33, 127)]  # the rest is spelled in bytes
    alphabet.sort(key=lambda c: -letters[c])
    words = {unit: list(unit) for unit in counts}
    merges = []
    for _ in range(size - FIRST_BYTE - 256 - len(alphabet)):
        pairs = Counter()
        for unit, parts in words.items():
            for left, right in zip(parts, parts[1:]):
                if left[0] in alphabet and right[0] in alphabet:
                    pairs[left + right] += counts[unit]
        best = max(pairs, key=lambda p: (pairs[p], p))
        merges.append(best)
        words = {unit: merged(parts, best) if best in unit else parts for unit, parts in words.items()}
    pieces = [("<unk>", 0.0, UNKNOWN), ("<s>", 0.0, CONTROL), ("</s>", 0.0, CONTROL)]
    pieces += [(f"<0x{byte:02X}>", 0.0, BYTE) for byte in range(256)]
    pieces += [(piece, float(-rank), NORMAL) for rank, piece in enumerate(merges + alphabet)]
    return pieces


class Vocabulary:
    def __init__(self, pieces):
        self.pieces = pieces
        self.ids = {piece: i for i, (piece, _, kind) in enumerate(pieces) if kind == NORMAL}
        self.known = {}

    def encode(self, text):
        """The ids of `text`, without <s>; a space is put in front, as add_space_prefix demands."""
        if not text:
            return []
        units = UNIT.findall(SPACE + text.replace(" ", SPACE))
        return [i for unit in units for i in self.encode_unit(unit)]

    def encode_unit(self, unit):
        if unit not in self.known:
            parts = list(unit)
            while True:
                scores = [self.score(a + b) for a, b in zip(parts, parts[1:])]
                best = max(scores, default=None)
                if best is None or best == -float("inf"):
                    break
                at = scores.index(best)
                parts[at:at + 2] = [parts[at] + parts[at + 1]]
            self.known[unit] = [i for part in parts for i in self.part_ids(part)]
        return self.known[unit]

    def score(self, piece):
        return self.pieces[self.ids[piece]][1] if piece in self.ids else -float("inf")

    def part_ids(self, part):
        return [self.ids[part]] if part in self.ids else [FIRST_BYTE + byte for byte in part.encode()]

    def decode(self, ids):
        data = b""
        for i in ids:
            piece, _, kind = self.pieces[i]
            data += bytes([i - FIRST_BYTE]) if kind == BYTE else b"" if kind == CONTROL else piece.replace(SPACE, " ").encode()
        return data.decode(errors="replace").removeprefix(" ")

    def unreachable(self):
        """Pieces that encoding their own text does not give: there must be none."""
        return [piece for piece, i in self.ids.items() if self.encode_unit(piece) != [i]]
