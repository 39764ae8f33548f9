#pragma once
/// \file
/// The unigram language model (T. Kudo, "Subword regularization", ACL 2018, arXiv:1804.10959): the pieces of a word
/// whose scores have the largest sum, found by Viterbi's algorithm. Sums and ties are those of Hugging Face tokenizers,
/// or of SentencePiece, to the bit.

#include <loquat/tokenizer/models/unigram_model.hpp> // IWYU pragma: export
#include <loquat/tokenizer/models/unigram_paths.hpp> // IWYU pragma: export
