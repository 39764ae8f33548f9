#pragma once
/// \file
/// What programs call to open a folder of Hugging Face; `folder.hpp` has the code.

#include <loquat/core/result.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/io/mmap.hpp>

#include <string>

namespace loquat::hugging_face {

/// How a folder is opened.
struct folder_options {
  bool tokenizer = true; ///< read the tokenizer, too; without, a model whose tokenizer is not understood can be opened
  file_access access = file_access::mapped; ///< of the weights
};

/// `open`, a template so that programs can have it compiled once (see `tokenizer_code`).
template <class = void> struct folder_loader {
  static result<gguf::file> open(std::string const& path, folder_options const& options); ///< what `open` returns
};
#ifdef LOQUAT_SEPARATE_TOKENIZERS
extern template struct folder_loader<>;
#endif

/// Opens a folder and presents it as a GGUF file. Errors: those of `folder::open`.
inline result<gguf::file> open(std::string const& path, folder_options const& options = {}) {
  return folder_loader<>::open(path, options);
}

} // namespace loquat::hugging_face
