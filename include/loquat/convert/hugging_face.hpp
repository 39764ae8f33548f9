#pragma once
/// \file
/// Models in folders of Hugging Face transformers (`config.json`, `*.safetensors`, `tokenizer.json` …), presented as
/// the GGUF file that they would be converted to: whatever takes one takes them, and both give the same bits.
///
///     auto file = loquat::hugging_face::open("SmolLM2-135M").value();
///     auto model = loquat::load(file, machine).value();
///     auto tok = loquat::tokenizer_from(file).value();

#include <loquat/convert/folder_loader.hpp>
#ifndef LOQUAT_SEPARATE_TOKENIZERS
#  include <loquat/convert/folder.hpp>
#endif
