"""Writing and reading the model as a GGUF file, version 3: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md

Matrices become Q8_0 (blocks of 32 weights: a float16 scale, amax / 127, and 32 int8), everything else stays float32.
"""
import struct

import numpy as np

U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
CODES = {U32: "<I", I32: "<i", F32: "<f", BOOL: "<?"}
TENSOR_F32, TENSOR_Q8_0 = 0, 8
ALIGNMENT = 32
BLOCK = np.dtype([("scale", "<f2"), ("q", "i1", 32)])


def quantize(x):
    blocks = x.reshape(-1, 32).astype(np.float32)
    scale = np.abs(blocks).max(1) / np.float32(127)
    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
    out = np.empty(len(blocks), BLOCK)
    out["scale"], out["q"] = scale, np.rint(blocks * inverse[:, None])
    return out


def dequantize(blocks):
    return blocks["scale"].astype(np.float32)[:, None] * blocks["q"].astype(np.float32)


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def value(kind, v):
    if kind == STRING:
        return string(v)
    if isinstance(kind, tuple):  # (ARRAY, element kind)
        return struct.pack("<IQ", kind[1], len(v)) + b"".join(value(kind[1], e) for e in v)
    return struct.pack(CODES[kind], v)


def padding(length):
    return b"\0" * (-length % ALIGNMENT)


def write(path, metadata, tensors):
    """`metadata` maps a key to (kind, value); `tensors` maps a name to a float32 array, rows first."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, (kind, v) in metadata.items():
        head += string(key) + struct.pack("<I", kind[0] if isinstance(kind, tuple) else kind) + value(kind, v)
    data = b""
    for name, x in tensors.items():
        matrix = x.ndim == 2
        head += string(name) + struct.pack("<I", x.ndim) + struct.pack(f"<{x.ndim}Q", *reversed(x.shape))
        head += struct.pack("<IQ", TENSOR_Q8_0 if matrix else TENSOR_F32, len(data))
        data += quantize(x).tobytes() if matrix else x.astype("<f4").tobytes()
        data += padding(len(data))
    path.write_bytes(head + padding(len(head)) + data)


def read(path):
    """Returns (metadata, tensors) of a file that `write` wrote, with the matrices dequantized to float32."""
    data, at = path.read_bytes(), 24

    def take(code):
        nonlocal at
        at += struct.calcsize(code)
        return struct.unpack_from(code, data, at - struct.calcsize(code))[0]

    def take_value(kind):
        nonlocal at
        if kind == STRING:
            length = take("<Q")
            at += length
            return data[at - length:at].decode()
        if kind == ARRAY:
            element = take("<I")
            return [take_value(element) for _ in range(take("<Q"))]
        return take(CODES[kind])

    magic, version, tensor_count, key_count = struct.unpack_from("<4sIQQ", data)
    assert magic == b"GGUF" and version == 3
    metadata = {}
    for _ in range(key_count):
        key = take_value(STRING)
        metadata[key] = take_value(take("<I"))
    infos = []
    for _ in range(tensor_count):
        name = take_value(STRING)
        shape = [take("<Q") for _ in range(take("<I"))][::-1]
        infos.append((name, shape, take("<I"), take("<Q")))
    start = at + len(padding(at))
    tensors = {}
    for name, shape, kind, offset in infos:
        count = int(np.prod(shape))
        if kind == TENSOR_Q8_0:
            x = dequantize(np.frombuffer(data, BLOCK, count // 32, start + offset))
        else:
            x = np.frombuffer(data, "<f4", count, start + offset)
        tensors[name] = x.reshape(shape)
    return metadata, tensors
