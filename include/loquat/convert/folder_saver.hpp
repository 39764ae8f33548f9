#pragma once
/// \file
/// What programs call to write a folder of Hugging Face; `folder_writer.hpp` has the code, and more: weights alone, and
/// what shows progress.

#include <loquat/core/result.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/format/tensor.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace loquat::hugging_face {

/// What a folder is to have.
struct save_options {
  std::optional<tensor_type> type{}; ///< of all weights: F32, F16 or BF16; else floats stay and the rest becomes BF16
  bool tokenizer = true;             ///< write the tokenizer, too
  std::uint64_t max_shard_bytes = 0; ///< weights of a file, of which there may be several, with an index; 0: one file
};

/// `save`, a template so that programs can have it compiled once (see `tokenizer_code`).
template <class = void> struct folder_saver {
  /// What `save` does.
  static result<void> save(gguf::file const& file, std::string const& path, save_options const& options);
};
#ifdef LOQUAT_SEPARATE_TOKENIZERS
extern template struct folder_saver<>;
#endif

/// Writes a file as the folder `path`, which must be there: `config.json`, `model.safetensors` or several files and
/// their index, and the tokenizer's files. Errors name the file, tensor or key: `errc::unsupported` for models of a
/// family that is not known, and what `config.json` or `tokenizer.json` have no words for; `errc::io`.
inline result<void> save(gguf::file const& file, std::string const& path, save_options const& options = {}) {
  return folder_saver<>::save(file, path, options);
}

} // namespace loquat::hugging_face
