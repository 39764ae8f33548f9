#pragma once
/// \file
/// What programs call to open an adapter; `peft_reader.hpp` has the code.

#include <loquat/core/result.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/model/lora.hpp>

#include <string>

namespace loquat::hugging_face {

/// `open_adapter`, a template so that programs can have it compiled once (see `tokenizer_code`).
template <class = void> struct adapter_loader {
  static result<lora> open(std::string path, gguf::file const& base); ///< what `open_adapter` returns
};
#ifdef LOQUAT_SEPARATE_TOKENIZERS
extern template struct adapter_loader<>;
#endif

/// Reads an adapter for the model in `base` from wherever it is: a GGUF file, or a folder of PEFT, which may also be
/// named by its `adapter_model.safetensors`. Nothing stays open. Errors: those of `lora::open`, `read_adapter`, and of
/// opening files.
inline result<lora> open_adapter(std::string const& path, gguf::file const& base) {
  return adapter_loader<>::open(path, base);
}

} // namespace loquat::hugging_face
