#pragma once
/// \file
/// A llama model of a few hundred random weights as a GGUF file in memory, also at compile time, with a hook to spoil
/// it.

#include <loquat/core/math.hpp>
#include <loquat/format/gguf_writer.hpp>
#include <loquat/model/weights.hpp>
#include <loquat/quant/formats.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string_view>
#include <vector>

namespace test {

/// Random numbers in [−1, 1), the same everywhere.
struct random_floats {
  std::uint32_t state = 1;
  constexpr float operator()() {
    state = state * 1664525u + 1013904223u;
    return static_cast<float>(static_cast<std::int32_t>(state) >> 8) * 0x1p-23f;
  }
  constexpr std::vector<float> operator()(std::size_t n) {
    std::vector<float> out(n, 0.0f);
    for (float& x : out) x = (*this)();
    return out;
  }
};

/// Sizes of a tiny model, and what to leave out of it or to add.
struct tiny_options {
  std::uint32_t layers = 1, embedding = 32, heads = 2, kv_heads = 1, feed_forward = 32, vocabulary = 16, context = 32;
  bool biases = false, own_output = true, gated = true;
  std::string_view architecture = "llama";
  std::string_view without = "";    ///< tensor or key to leave out
  std::string_view transposed = ""; ///< matrix whose shape is turned round
};

/// Bytes of a row-major matrix in format F.
template <loquat::BlockFormat F> constexpr std::vector<std::byte> packed(std::vector<float> const& weights) {
  std::vector<std::byte> out(weights.size() / F::block_length * F::block_bytes, std::byte{});
  loquat::pack_row<F>(weights.data(), out.data(), weights.size());
  return out;
}

/// A GGUF file of a random model whose matrices are in format F.
template <loquat::BlockFormat F = loquat::f32> constexpr std::vector<std::byte> tiny_model(tiny_options o = {}) {
  loquat::gguf::writer w;
  struct text {
    std::vector<char> characters;
    constexpr operator std::string_view() const { return {characters.data(), characters.size()}; }
  };
  auto const joined = [](auto const&... parts) {
    text out;
    (loquat::detail::append(out.characters, parts), ...);
    return out;
  };
  auto const key = [&](std::string_view suffix, auto value) {
    if (suffix != o.without) w.add(joined(o.architecture, ".", suffix), value);
  };
  if (o.without != "general.architecture") w.add("general.architecture", o.architecture);
  key("block_count", o.layers);
  key("embedding_length", o.embedding);
  key("attention.head_count", o.heads);
  key("attention.head_count_kv", o.kv_heads);
  key("feed_forward_length", o.feed_forward);
  key("context_length", o.context);
  w.add("tokenizer.ggml.eos_token_id", std::uint32_t{2});

  // names and bytes must outlive the writer
  std::vector<text> names;
  std::vector<std::vector<std::byte>> data;
  names.reserve(32 * o.layers + 8);
  data.reserve(32 * o.layers + 8);
  random_floats random;
  auto const tensor = [&]<class G>(G, auto const& name, std::uint64_t columns, std::uint64_t rows, float gain,
                                   float mean) {
    auto weights = random(static_cast<std::size_t>(columns * rows));
    for (float& x : weights) x = x * gain + mean;
    if (std::string_view(name) == o.without) return;
    names.push_back(joined(std::string_view(name)));
    data.push_back(packed<G>(weights));
    loquat::tensor_view view{names.back(), G::type, rows == 1 ? 1u : 2u, {columns, rows, 1, 1}, data.back()};
    if (view.name == o.transposed) view.shape = {rows, columns, 1, 1};
    w.add(view);
  };
  auto const matrix = [&](auto const& prefix, std::uint64_t columns, std::uint64_t rows) {
    tensor(F{}, joined(std::string_view(prefix), ".weight"), columns, rows, 0.5f, 0);
    if (o.biases) tensor(loquat::f32{}, joined(std::string_view(prefix), ".bias"), rows, 1, 0.1f, 0);
  };
  auto const norm = [&](auto const& name) { tensor(loquat::f32{}, name, o.embedding, 1, 0.1f, 1); };
  std::uint64_t const head = o.embedding / (o.heads == 0 ? 1 : o.heads);
  tensor(F{}, std::string_view("token_embd.weight"), o.embedding, o.vocabulary, 1, 0);
  for (std::uint32_t l = 0; l < o.layers; ++l) {
    auto const named = [&](std::string_view part) { return joined("blk.", l, ".", part); };
    norm(named("attn_norm.weight"));
    matrix(named("attn_q"), o.embedding, o.heads * head);
    matrix(named("attn_k"), o.embedding, o.kv_heads * head);
    matrix(named("attn_v"), o.embedding, o.kv_heads * head);
    matrix(named("attn_output"), o.heads * head, o.embedding);
    norm(named("ffn_norm.weight"));
    if (o.gated) matrix(named("ffn_gate"), o.embedding, o.feed_forward);
    matrix(named("ffn_up"), o.embedding, o.feed_forward);
    matrix(named("ffn_down"), o.feed_forward, o.embedding);
  }
  norm(std::string_view("output_norm.weight"));
  if (o.own_output) tensor(F{}, std::string_view("output.weight"), o.embedding, o.vocabulary, 1, 0);
  return w.bytes().value();
}

} // namespace test
