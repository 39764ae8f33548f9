#pragma once
/// \file
/// Tokenizers from files of any kind: `tokenizer_from(path)` finds out which kind it is.

#include <loquat/tokenizer/loader.hpp>
#ifndef LOQUAT_SEPARATE_TOKENIZERS
#  include <loquat/tokenizer/read.hpp>
#endif
