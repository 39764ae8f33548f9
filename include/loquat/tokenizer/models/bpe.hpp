#pragma once
/// \file
/// Byte-pair encoding of words, in all the forms of Hugging Face tokenizers' `BPE` (merges in the order of their ranks;
/// symbols that begin as bytes or as characters; affixes, unknown tokens, byte fallback) and of tiktoken (any two
/// neighbours merge whose bytes are a piece, the lowest id first).

#include <loquat/tokenizer/models/bpe_make.hpp>  // IWYU pragma: export
#include <loquat/tokenizer/models/bpe_model.hpp> // IWYU pragma: export
