#pragma once
/// \file
/// How `hugging_face::open` reads a folder: what it holds, as a GGUF file whose data are made when they are asked for.

#include <loquat/convert/config.hpp>
#include <loquat/convert/families.hpp>
#include <loquat/convert/family.hpp>
#include <loquat/convert/folder_loader.hpp>
#include <loquat/convert/metadata.hpp>
#include <loquat/convert/tokenizer_files.hpp>
#include <loquat/convert/weights.hpp>
#include <loquat/core/result.hpp>
#include <loquat/format/gguf_writer.hpp>
#include <loquat/format/safetensors.hpp>
#include <loquat/format/tensor.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat::hugging_face {

/// A folder, open, as a GGUF file whose data are made when they are asked for. Move-only.
class folder {
 public:
  /// Reads all but the weights. Errors name the file, and the value or tensor: `errc::missing`, `errc::malformed`,
  /// `errc::mismatch`, and `errc::unsupported` for kinds of models, tokenizers and quantization that are not known.
  static result<folder> open(std::string path, folder_options const& options = {}) {
    if (path.empty()) path = ".";
    if (path.back() != '/' && path.back() != '\\') path += '/';
    auto text = detail::text_of_file(path + "config.json");
    if (!text) return text.error();
    if (!*text) return fail(errc::missing, path, "config.json: there is none; expected a folder of a model");
    detail::make_finite(**text);
    auto c = config::parse(**text, path + "config.json");
    if (!c) return c.error();
    auto const kind = kind_of(*c);
    if (!kind) return kind.error();
    family const& f = **kind;
    if (auto good = c->use_defaults(f.defaults); !good) return good.error();
    folder out;
    out.path_ = path;
    out.family_ = &f;
    auto weights = open_weights(path, options.access);
    if (!weights) return weights.error();
    out.weights_ = *std::move(weights);

    out.writer_.add("general.architecture", f.architecture);
    out.writer_.add("general.type", std::string_view("model"));
    if (auto const name = name_of(path, *c); !name.empty()) out.writer_.add("general.name", name);
    std::vector<made_tensor> made;
    auto const sizes = write_metadata(out.writer_, f, *c, made);
    if (!sizes) return sizes.error();
    if (detail::is_encoder(f) && !detail::classifies(*c)) { // as sentence-transformers have it
      auto const pooling = detail::json_file::open(path + "1_Pooling/config.json");
      if (!pooling) return pooling.error();
      bool const first = (*pooling)["pooling_mode_cls_token"].as_bool().value_or(false);
      bool const mean = (*pooling)["pooling_mode_mean_tokens"].as_bool().value_or(false);
      if (first || mean) out.writer_.add(std::string(f.architecture) + ".pooling_type", std::uint32_t{first ? 2u : 1u});
    }
    auto plan = weight_plan::make(out.weights_, f, *c, *sizes, std::move(made));
    if (!plan) return plan.error().within(path);
    if (c->failed()) return c->first_error();
    out.plan_ = *std::move(plan);
    std::size_t tokens = 0;
    for (auto const& r : out.plan_.recipes()) {
      out.tensors_.push_back({r.name, r.type, r.rank, r.shape, {}});
      if (r.name == "token_embd.weight") tokens = static_cast<std::size_t>(r.shape[1]);
    }
    detail::tokenizer_files files(path, out.writer_);
    if (auto done = options.tokenizer ? files.write(*c, tokens) : files.write_none(*c); !done) return done.error();
    return out;
  }

  family const& kind() const noexcept { return *family_; } ///< what kind of model it is
  /// The tensors of the GGUF file, without their data.
  std::span<tensor_view const> tensors() const noexcept { return tensors_; }
  /// The data of tensor number `i`: where they lie, or in `room`. Errors name the tensor, or the file that has shrunk.
  result<std::span<std::byte const>> data(std::size_t i, std::vector<std::byte>& room) const {
    if (auto whole = weights_.intact(); !whole) return whole.error();
    return plan_.data(plan_.recipes()[i], room);
  }
  /// A writer with the metadata, to which neither tensors nor `general.file_type` are added yet.
  gguf::writer const& metadata() const noexcept { return writer_; }
  /// What most of its weights are.
  tensor_type main_type() const noexcept {
    std::array<std::uint64_t, 3> counts{};
    constexpr std::array types{tensor_type::bf16, tensor_type::f16, tensor_type::f32};
    for (auto const& t : tensors_)
      for (std::size_t i = 0; i < types.size(); ++i)
        if (t.type == types[i]) counts[i] += t.elements();
    return types[static_cast<std::size_t>(std::ranges::max_element(counts) - counts.begin())];
  }

  /// All of it as a GGUF file. What need not be changed stays where it is mapped; the rest, such as matrices of
  /// experts, takes memory.
  result<gguf::file> load() && {
    auto const type = main_type();
    writer_.add("general.file_type", std::uint32_t{type == tensor_type::f32   ? 0u
                                                   : type == tensor_type::f16 ? 1u
                                                                              : 32u});
    std::vector<std::vector<std::byte>> owned;
    std::vector<std::span<std::byte const>> all;
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      std::vector<std::byte> room;
      auto const made = data(i, room);
      if (!made) return made.error().within(path_);
      all.push_back(*made);
      if (!room.empty()) owned.push_back(std::move(room));
      writer_.add(tensors_[i]);
    }
    auto header = writer_.header();
    if (!header) return header.error().within(path_);
    return gguf::file::assemble(path_, *std::move(header), all, std::move(weights_).release(), std::move(owned));
  }

 private:
  static result<family const*> kind_of(config const& c) {
    auto const wanted = c.root()["architectures"][std::size_t{0}].as_string().value_or("");
    auto const type = c.root()["model_type"].as_string().value_or("");
    auto const* const found = find_family(wanted, type);
    if (found) return found;
    std::string known;
    for (auto const& f : families) known.append(" ").append(f.model_class);
    return fail(errc::unsupported, c.name(), ": architectures: ", wanted.empty() ? "none" : wanted,
                "; known:", std::string_view(known));
  }
  static result<safetensors::file> open_weights(std::string const& path, file_access access) {
    auto one = safetensors::open(path + "model.safetensors", access);
    if (one || one.error().code() != errc::missing) return one;
    auto index = safetensors::open(path + "model.safetensors.index.json", access);
    if (index || index.error().code() != errc::missing || mapped_file::open(path + "model.safetensors.index.json"))
      return index;
    return fail(errc::missing, path, ": expected model.safetensors or model.safetensors.index.json; pickled weights ",
                "(pytorch_model.bin) have to be saved as SafeTensors first");
  }
  static std::string name_of(std::string_view path, config const& c) {
    path.remove_suffix(1);
    auto name = path.substr(path.find_last_of("/\\") + 1); // all of it if there is none
    if (name.empty() || name == "." || name == "..") {
      name = c.root()["_name_or_path"].as_string().value_or("");
      name = name.substr(name.find_last_of("/\\") + 1);
    }
    return std::string(name);
  }

  std::string path_;
  family const* family_ = nullptr;
  safetensors::file weights_;
  weight_plan plan_;
  std::vector<tensor_view> tensors_;
  gguf::writer writer_;
};

template <class T> result<gguf::file> folder_loader<T>::open(std::string const& path, folder_options const& options) {
  auto found = folder::open(path, options);
  if (!found) return found.error();
  return std::move(*found).load();
}

} // namespace loquat::hugging_face
