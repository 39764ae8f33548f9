/// \file
/// Files that are well-formed GGUF but no sensible model: an error that names the key or tensor, never a crash.
#include "support/tiny_model.hpp"

#include <loquat/backend/reference.hpp>
#include <loquat/model/load.hpp>

#include <doctest/doctest.h>

#include <string>

namespace model_malformed_test {

using namespace loquat;

namespace {

std::string message_for(test::tiny_options options) {
  auto const bytes = test::tiny_model(options);
  auto const file = gguf::file::parse(bytes, "tiny.gguf");
  if (!file) return std::string(file.error().message());
  auto const model = load(*file, reference{});
  return model ? "no error" : std::string(model.error().message());
}

// the message for a file that is like a tiny model, but for what `change` adds
template <class F> std::string message_with(F change) {
  auto const bytes = test::tiny_model();
  auto const from = gguf::file::parse(bytes).value();
  gguf::writer w;
  std::vector<std::string_view> replaced = change(w);
  for (auto const& [key, value] : from.metadata())
    if (std::ranges::find(replaced, key) == replaced.end()) w.add(key, value);
  for (auto const& tensor : from.tensors())
    if (std::ranges::find(replaced, tensor.name) == replaced.end()) w.add(tensor);
  auto const spoiled = w.bytes().value();
  auto const file = gguf::file::parse(spoiled, "tiny.gguf").value();
  auto const model = load(file, reference{});
  return model ? "no error" : std::string(model.error().message());
}

TEST_CASE("the tiny model itself is sound") { CHECK(message_for({}) == "no error"); }

TEST_CASE("missing keys and tensors are named") {
  for (std::string_view tensor :
       {"token_embd.weight", "blk.0.attn_norm.weight", "blk.0.attn_q.weight", "blk.0.attn_k.weight",
        "blk.0.attn_v.weight", "blk.0.attn_output.weight", "blk.0.ffn_norm.weight", "blk.0.ffn_gate.weight",
        "blk.0.ffn_up.weight", "blk.0.ffn_down.weight", "output_norm.weight"}) {
    auto const message = message_for({.without = tensor});
    CHECK_MESSAGE(message.find(tensor) != message.npos, message);
  }
  for (std::string_view key :
       {"block_count", "embedding_length", "attention.head_count", "feed_forward_length", "context_length"}) {
    auto const message = message_for({.without = key});
    CHECK_MESSAGE(message.find("llama." + std::string(key)) != message.npos, message);
  }
  auto const message = message_for({.without = "general.architecture"});
  CHECK_MESSAGE(message.find("general.architecture") != message.npos, message);
}

TEST_CASE("wrong shapes are named with what was expected") {
  CHECK(message_for({.kv_heads = 1, .transposed = "blk.0.attn_k.weight"}) ==
        "tiny.gguf: tensor blk.0.attn_k.weight: expected 32 columns and 16 rows, found 16 and 32");
  CHECK(message_for({.feed_forward = 64, .transposed = "blk.0.ffn_up.weight"}) ==
        "tiny.gguf: tensor blk.0.ffn_up.weight: expected 32 columns and 64 rows, found 64 and 32");
}

TEST_CASE("sizes that contradict each other are errors") {
  CHECK(message_for({.heads = 3}) == "tiny.gguf: embedding_length 32 is no multiple of attention.head_count 3");
  CHECK(message_for({.heads = 4, .kv_heads = 3}) ==
        "tiny.gguf: attention.head_count 4 is no multiple of attention.head_count_kv 3");
  CHECK(message_for({.heads = 32}) == "tiny.gguf: rope.dimension_count 1: expected an even number up to the head's 1");
}

TEST_CASE("values out of range, of the wrong type or not supported are errors that name the key") {
  auto const with = [](std::string_view key, auto value) {
    return message_with([&](gguf::writer& w) {
      w.add(key, value);
      return std::vector{key};
    });
  };
  CHECK(with("llama.block_count", std::uint64_t{1} << 40) ==
        "tiny.gguf: key llama.block_count: expected 1 to 2^31, found 1099511627776");
  CHECK(with("llama.attention.head_count", 0u) ==
        "tiny.gguf: key llama.attention.head_count: expected 1 to 2^31, found 0");
  CHECK(with("llama.attention.key_length", std::uint32_t{1} << 31) ==
        "tiny.gguf: attention.head_count 2: expected at most 2^31 elements in all heads of 2147483648");
  CHECK(with("llama.block_count", std::uint32_t{1000}).find("blk.1.attn_norm.weight") != std::string::npos);
  CHECK(with("llama.block_count", std::string_view("two")).find("llama.block_count") != std::string::npos);
  CHECK(with("llama.rope.freq_base", -1.0f) == "tiny.gguf: key llama.rope.freq_base: expected a positive number");
  CHECK(with("llama.rope.freq_base", 1e-20f).find("no sensible frequency") != std::string::npos);
  CHECK(with("llama.rope.dimension_count", 40u) ==
        "tiny.gguf: rope.dimension_count 40: expected an even number up to the head's 16");
  CHECK(with("llama.rope.scaling.type", std::string_view("dynamic")) ==
        "tiny.gguf: rope.scaling.type dynamic: expected none, linear, yarn or longrope");
  CHECK(with("llama.expert_count", 8u) == "tiny.gguf: no key llama.expert_used_count (expected u64)");
  CHECK(with("llama.attention.layer_norm_rms_epsilon", 0.0f).find("layer_norm_rms_epsilon") != std::string::npos);
  CHECK(with("general.architecture", 7u).find("general.architecture") != std::string::npos);
  CHECK(with("tokenizer.ggml.eos_token_id", std::string_view("x")).find("eos_token_id") != std::string::npos);
}

TEST_CASE("the frequencies of a rotary embedding can be divided by a tensor or by a factor") {
  std::vector<std::byte> const zeros(32), wrong(16);
  auto const factors = [](std::vector<std::byte> const& bytes, std::uint64_t n) {
    return message_with([&](gguf::writer& w) {
      w.add(tensor_view{"rope_freqs.weight", tensor_type::f32, 1, {n, 1, 1, 1}, bytes});
      return std::vector<std::string_view>{};
    });
  };
  CHECK(factors(zeros, 8).find("no sensible frequency") != std::string::npos);
  CHECK(factors(wrong, 4) == "tiny.gguf: tensor rope_freqs.weight: expected 8 columns and 1 rows, found 4 and 1");
  CHECK(message_with([](gguf::writer& w) {
          w.add("llama.rope.scaling.type", "linear");
          w.add("llama.rope.scaling.factor", 4.0f);
          return std::vector<std::string_view>{};
        }) == "no error");
}

} // namespace

} // namespace model_malformed_test
