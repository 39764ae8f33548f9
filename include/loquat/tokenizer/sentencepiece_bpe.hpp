#pragma once
/// \file
/// SentencePiece's BPE (Kudo and Richardson 2018; github.com/google/sentencepiece), the tokenizer that GGUF calls
/// "llama": pieces with scores, a space for U+2581, byte tokens for what has no piece.
///
/// Two facts make it fast and lazy, and both are exact.
/// 1. Of all ways to split a piece in two, merging can only ever use one: the state of two symbols in which merging the
///    piece's own text, alone, ends. (A merge elsewhere in a text cannot change the order of the merges within a
///    stretch that no merge leaves.) So loading runs the merges on every piece, short ones first, and keeps one rule
///    for each; a piece for which this does not end in two symbols can never be produced.
/// 2. Where a rule joins two symbols, the last character of one meets the first of the other. Between two characters
///    that meet in no rule a text can be cut, and the stretches between cuts can be encoded one at a time.

#include <loquat/tokenizer/sentencepiece_cursor.hpp>
#include <loquat/tokenizer/sentencepiece_make.hpp>
#include <loquat/tokenizer/sentencepiece_tables.hpp>
