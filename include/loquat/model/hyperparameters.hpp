#pragma once
/// \file
/// The sizes of a transformer, from its file's metadata, checked against each other.

#include <loquat/core/math.hpp>
#include <loquat/core/token.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/model/architecture.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace loquat {

/// Sizes and constants of one model.
struct hyperparameters {
  std::size_t layers = 0;
  std::size_t embedding = 0;     ///< elements of a token's vector
  std::size_t heads = 0;         ///< query heads
  std::size_t kv_heads = 0;      ///< key-value heads; divides `heads`
  std::size_t head_dim = 0;      ///< elements of a head
  std::size_t feed_forward = 0;  ///< elements between the feed-forward matrices
  std::size_t context = 0;       ///< positions the model was trained for
  std::size_t rope_dims = 0;     ///< elements of a head that rotate; even
  float rope_base = 10000;       ///< wavelengths grow as rope_base^(2i / rope_dims)
  float rope_factor = 1;         ///< positions are divided by it (linear scaling)
  float epsilon = 1e-5f;         ///< of the norms
  std::vector<token> end_tokens; ///< tokens after which there is no more
};

namespace detail {

/// Reads `ARCHITECTURE.KEY` of a file.
class parameter_reader {
 public:
  constexpr parameter_reader(gguf::file const& file, std::string_view prefix) : file_(&file), prefix_(prefix) {}

  /// A size of 1 … 2³¹; `fallback` where the file has none, and 0 as fallback makes it required.
  constexpr std::size_t size(std::string_view suffix, std::size_t fallback = 0) {
    auto const key = key_of(suffix);
    if (fallback != 0 && !file_->find(view(key))) return fallback;
    auto const value = file_->get<std::uint64_t>(view(key));
    if (!value) return note(value.error()), 1;
    if (*value == 0 || *value > std::uint64_t{1} << 31)
      return note(fail(errc::malformed, file_->name(), ": key ", view(key), ": expected 1 to 2^31, found ", *value)), 1;
    return static_cast<std::size_t>(*value);
  }
  /// A positive, finite number.
  constexpr float number(std::string_view suffix, float fallback) {
    auto const key = key_of(suffix);
    auto const value = file_->get_or<float>(view(key), fallback);
    if (!value) return note(value.error()), fallback;
    if (!(*value > 0 && *value < 1e30f))
      return note(fail(errc::malformed, file_->name(), ": key ", view(key), ": expected a positive number")), fallback;
    return *value;
  }
  /// A text, empty where the file has none.
  constexpr std::string_view word(std::string_view suffix) {
    auto const value = file_->get_or<std::string_view>(view(key_of(suffix)), "");
    return value ? *value : (note(value.error()), "");
  }
  constexpr bool has(std::string_view suffix) const { return file_->find(view(key_of(suffix))) != nullptr; }

  constexpr void require(bool holds, errc code, auto const&... message) {
    if (!holds) note(fail(code, file_->name(), ": ", message...));
  }
  constexpr error const& first_error() const { return error_; }
  constexpr bool failed() const { return failed_; }

 private:
  constexpr std::vector<char> key_of(std::string_view suffix) const {
    std::vector<char> key;
    (append(key, prefix_), append(key, '.'), append(key, suffix));
    return key;
  }
  static constexpr std::string_view view(std::vector<char> const& key) { return {key.data(), key.size()}; }
  constexpr void note(error const& e) {
    if (!failed_) error_ = e, failed_ = true;
  }

  gguf::file const* file_;
  std::string_view prefix_;
  error error_;
  bool failed_ = false;
};

} // namespace detail

/// Reads the sizes of a model of architecture `a`. Errors name the key.
constexpr result<hyperparameters> read_hyperparameters(gguf::file const& file, architecture const& a) {
  detail::parameter_reader read(file, name(a));
  hyperparameters h;
  h.layers = read.size("block_count");
  h.embedding = read.size("embedding_length");
  h.heads = read.size("attention.head_count");
  h.kv_heads = read.size("attention.head_count_kv", h.heads);
  h.feed_forward = read.size("feed_forward_length");
  h.context = read.size("context_length");
  read.require(read.has("attention.key_length") || h.embedding % h.heads == 0, errc::malformed, "embedding_length ",
               h.embedding, " is no multiple of attention.head_count ", h.heads);
  read.require(h.heads % h.kv_heads == 0, errc::malformed, "attention.head_count ", h.heads,
               " is no multiple of attention.head_count_kv ", h.kv_heads);
  h.head_dim = read.size("attention.key_length", h.embedding / h.heads == 0 ? 1 : h.embedding / h.heads);
  read.require(read.size("attention.value_length", h.head_dim) == h.head_dim, errc::unsupported,
               "attention.value_length differs from attention.key_length");
  constexpr std::uint64_t most = std::uint64_t{1} << 31; // fits 32 bits, and its product with another size 64
  read.require(std::uint64_t{h.heads} * h.head_dim <= most, errc::malformed, "attention.head_count ", h.heads,
               ": expected at most 2^31 elements in all heads of ", h.head_dim);
  h.rope_dims = read.size("rope.dimension_count", h.head_dim);
  read.require(h.rope_dims % 2 == 0 && h.rope_dims <= h.head_dim, errc::malformed, "rope.dimension_count ", h.rope_dims,
               ": expected an even number up to the head's ", h.head_dim);
  h.rope_base = read.number("rope.freq_base", h.rope_base);
  h.epsilon = read.number(
      a.norm == normalisation::rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon", h.epsilon);
  auto const scaling = read.word("rope.scaling.type");
  read.require(scaling.empty() || scaling == "none" || scaling == "linear", errc::unsupported, "rope.scaling.type ",
               scaling, ": expected none or linear");
  if (scaling == "linear") h.rope_factor = read.number("rope.scaling.factor", 1);
  read.require(!read.has("expert_count"), errc::unsupported, "a mixture of experts (key ", name(a), ".expert_count)");
  if (read.failed()) return read.first_error();

  for (std::string_view key :
       {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"})
    if (file.find(key)) {
      auto const id = file.get<token>(key);
      if (!id) return id.error();
      h.end_tokens.push_back(*id);
    }
  return h;
}

} // namespace loquat
