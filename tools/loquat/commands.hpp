#pragma once
/// \file
/// The commands of `loquat`, one source file each.

#include "options.hpp"

namespace tool {

int run_convert(command const& self, arguments);
int run_generate(command const& self, arguments);
int run_index(command const& self, arguments);
int run_inspect(command const& self, arguments);
int run_merge_lora(command const& self, arguments);
int run_quantize(command const& self, arguments);
int run_tokenize(command const& self, arguments);
int run_train_tokenizer(command const& self, arguments);
int run_verify(command const& self, arguments);

inline constexpr command commands[]{
    {"convert", "Makes a GGUF file of a Hugging Face folder, or the other way.", run_convert},
    {"generate", "Goes on with a text, and writes what follows to the standard output.", run_generate},
    {"index", "Builds and searches indices of vectors.", run_index},
    {"inspect", "Lists what is in a GGUF file: metadata, tensors, totals.", run_inspect},
    {"merge-lora", "Writes a model with LoRA adapters in its weights.", run_merge_lora},
    {"quantize", "Writes a model with smaller weights.", run_quantize},
    {"tokenize", "Shows the tokens of a text.", run_tokenize},
    {"train-tokenizer", "Makes a tokenizer of texts.", run_train_tokenizer},
    {"verify", "Compares a model with reference outputs, line by line.", run_verify},
};

} // namespace tool
