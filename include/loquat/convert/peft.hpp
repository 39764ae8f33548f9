#pragma once
/// \file
/// LoRA adapters, from GGUF files and from folders of Hugging Face PEFT (github.com/huggingface/peft).

#include <loquat/convert/adapter_loader.hpp>
#ifndef LOQUAT_SEPARATE_TOKENIZERS
#  include <loquat/convert/peft_reader.hpp>
#endif
