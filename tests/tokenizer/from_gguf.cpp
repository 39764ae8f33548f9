#include "tokenizer/toy.hpp"

#include <loquat/format/gguf_writer.hpp>
#include <loquat/tokenizer/from_gguf.hpp>
#include <loquat/tokenizer/text.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace {

/// A file with the toy vocabulary; `change` may add keys, and leave out those named in `without`.
template <class F> loquat::result<loquat::sentencepiece_bpe> load(F change, std::string_view without = {}) {
  auto const v = test::toy();
  std::vector<std::int32_t> types;
  for (auto const kind : v.kinds) types.push_back(static_cast<std::int32_t>(kind));
  loquat::gguf::writer writer;
  auto const add = [&](std::string_view key, auto const& value) {
    if (key != without) writer.add(key, value);
  };
  add("tokenizer.ggml.model", std::string_view("llama"));
  add("tokenizer.ggml.tokens", v.pieces);
  add("tokenizer.ggml.scores", v.scores);
  add("tokenizer.ggml.token_type", types);
  add("tokenizer.ggml.bos_token_id", std::uint32_t{1});
  add("tokenizer.ggml.eos_token_id", std::uint32_t{2});
  change(writer);
  auto const bytes = writer.bytes().value();
  auto const file = loquat::gguf::file::parse(bytes, "toy.gguf").value();
  return loquat::tokenizer_from(file); // the file and its bytes go: the tokenizer must not need them
}
constexpr auto nothing = [](auto&) {};

void refuses(loquat::result<loquat::sentencepiece_bpe> const& loaded, loquat::errc code, std::string_view part) {
  REQUIRE_FALSE(loaded);
  INFO(std::string(loaded.error().message()));
  CHECK(loaded.error().code() == code);
  CHECK(loaded.error().message().find(part) != std::string_view::npos);
  CHECK(loaded.error().message().find("toy.gguf") != std::string_view::npos);
}

using ids = std::vector<loquat::token>;
using loquat::errc;

} // namespace

TEST_CASE("tokenizer_from: a file's tokenizer outlives the file") {
  auto const tokenizer = load(nothing).value();
  CHECK(loquat::encode(tokenizer, "hello world") == ids{1, 265, 269});
  CHECK(loquat::decode(tokenizer, ids{1, 265, 269}) == "hello world");
  CHECK(tokenizer.unknown_token() == 0); // by its kind
}

TEST_CASE("tokenizer_from: the settings of the file are followed") {
  CHECK(loquat::encode(load([](auto& w) { w.add("tokenizer.ggml.add_bos_token", false); }).value(), "hello") ==
        ids{265});
  CHECK(loquat::encode(load([](auto& w) { w.add("tokenizer.ggml.add_eos_token", true); }).value(), "hello") ==
        ids{1, 265, 2});
  CHECK(loquat::encode(load([](auto& w) { w.add("tokenizer.ggml.add_space_prefix", false); }).value(), "hello") ==
        ids{1, 264});
  CHECK(loquat::encode(load([](auto& w) { w.add("tokenizer.ggml.remove_extra_whitespaces", true); }).value(),
                       "  hello   ") == ids{1, 265});
  CHECK(loquat::encode(load(nothing, "tokenizer.ggml.bos_token_id").value(), "hello") == ids{265});
  CHECK(load([](auto& w) { w.add("tokenizer.ggml.unknown_token_id", std::uint32_t{0xFFFFFFFF}); })
            .value()
            .unknown_token() == 0);
}

TEST_CASE("tokenizer_from: errors name the file and the key") {
  for (std::string const key : {"model", "tokens", "scores", "token_type"})
    refuses(load(nothing, "tokenizer.ggml." + key), errc::missing, "tokenizer.ggml." + key);
  refuses(load([](auto& w) { w.add("tokenizer.ggml.model", std::string_view("gpt2")); }, "tokenizer.ggml.model"),
          errc::unsupported, "gpt2 tokenizers are not supported; supported: llama");
  refuses(load([](auto& w) { w.add("tokenizer.ggml.scores", std::vector<float>(5)); }, "tokenizer.ggml.scores"),
          errc::mismatch, "found 5 and 289");
  refuses(load([](auto& w) { w.add("tokenizer.ggml.scores", std::vector<std::string_view>(289)); },
               "tokenizer.ggml.scores"),
          errc::mismatch, "tokenizer.ggml.scores");
  refuses(load([](auto& w) { w.add("tokenizer.ggml.token_type", std::vector<std::int32_t>(289, 7)); },
               "tokenizer.ggml.token_type"),
          errc::malformed, "found 7 for token 0");
  refuses(load([](auto& w) { w.add("tokenizer.ggml.token_type", std::vector<std::int32_t>(289, -1)); },
               "tokenizer.ggml.token_type"),
          errc::malformed, "found -1 for token 0");
  refuses(load([](auto& w) { w.add("tokenizer.ggml.token_type", std::vector<std::int32_t>(289, 6)); },
               "tokenizer.ggml.token_type"),
          errc::malformed, "byte token 0 is named <unk>");
  refuses(
      load([](auto& w) { w.add("tokenizer.ggml.bos_token_id", std::uint32_t{289}); }, "tokenizer.ggml.bos_token_id"),
      errc::malformed, "tokenizer.ggml.bos_token_id: token 289 of 289");
  refuses(load([](auto& w) { w.add("tokenizer.ggml.unknown_token_id", std::uint32_t{0x80000000}); }), errc::malformed,
          "unknown_token_id");
  refuses(load([](auto& w) { w.add("tokenizer.ggml.add_bos_token", std::uint32_t{1}); }), errc::mismatch,
          "tokenizer.ggml.add_bos_token");
}
