#pragma once
/// \file
/// The tokenizer: everything that a `tokenizer_definition` describes, from a text to ids and back, as Hugging Face
/// tokenizers do it, of which SentencePiece, tiktoken and RWKV are special cases:
///
///     text → added tokens → normalizers → added tokens → pre-tokenizers → model → ids
///
/// `encodings.hpp` has what comes after that (templates, truncation, padding), `load.hpp` the files.

#include <loquat/tokenizer/pipeline/cursor.hpp>
#include <loquat/tokenizer/pipeline/encode.hpp>
#include <loquat/tokenizer/pipeline/make.hpp>
