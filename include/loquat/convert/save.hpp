#pragma once
/// \file
/// GGUF files as folders of Hugging Face transformers.
///
///     auto file = loquat::gguf::open("model.gguf").value();
///     loquat::hugging_face::save(file, "model");

#include <loquat/convert/folder_saver.hpp>
#ifndef LOQUAT_SEPARATE_TOKENIZERS
#  include <loquat/convert/folder_writer.hpp>
#endif
