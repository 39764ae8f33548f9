#pragma once
/// \file
/// What programs call to load a tokenizer; `read.hpp` has the code.

#include <loquat/core/result.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/tokenizer/pipeline.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace loquat {

/// `tokenizer_from`, a template so that programs can have it compiled once; see `tokenizer_code`.
template <class = void> struct tokenizer_loader {
  static result<tokenizer> load(std::string const& path);                                 ///< from a path,
  static result<tokenizer> load(std::span<std::byte const> bytes, std::string_view name); ///< from bytes,
  static result<tokenizer> load(gguf::file const& file);                                  ///< and from a GGUF file
};
#ifdef LOQUAT_SEPARATE_TOKENIZERS
extern template struct tokenizer_loader<>;
#endif

/// The tokenizer that a file describes: a path, the bytes of a file, or a GGUF file that is open. It owns what it
/// needs. Errors: those of `read_tokenizer` and `tokenizer::make`.
inline result<tokenizer> tokenizer_from(std::string const& path) { return tokenizer_loader<>::load(path); }
inline result<tokenizer> tokenizer_from(std::span<std::byte const> bytes,
                                        std::string_view name = "tokenizer") { ///< \overload
  return tokenizer_loader<>::load(bytes, name);
}
inline result<tokenizer> tokenizer_from(gguf::file const& file) { ///< \overload
  return tokenizer_loader<>::load(file);
}

} // namespace loquat
