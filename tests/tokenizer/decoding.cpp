/// \file
/// Whole texts of ids: what is put together of pieces is what the decoders, one after another, make of all tokens.

#include "support/allocations.hpp"
#include "tokenizer/toy_definitions.hpp"

#include <loquat/tokenizer/pipeline.hpp>

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tokenizer_decoding_test {

using namespace loquat;

namespace {

constexpr std::string_view space = "\u2581";

/// 0 <unk>, 1 <s>, special, the pieces below from 2 on, and the 256 byte tokens behind them.
tokenizer_definition definition(std::vector<decode_step::step> decoders) {
  token_model::word_level model{.unknown = 0};
  test::add_pieces(model.pieces, {"<unk>", "<s>", "a", "##b", "\u2581c", "\u2581", "", "\u65E5", ".", "n't", "d</w>",
                                  "fifteen bytes..", "sixteen bytes...", "##seventeen bytes.", " e ", "\u2581 f"});
  constexpr std::string_view hex = "0123456789ABCDEF";
  for (unsigned b = 0; b < 256; ++b)
    (void)model.pieces.add(std::string("<0x") + hex[b / 16] + hex[b % 16] + '>', token_kind::normal);
  tokenizer_definition d;
  d.model = std::move(model);
  d.decoders = std::move(decoders);
  d.added.push_back({.content = std::string_view("<s>"), .special = true});
  return d;
}

/// The steps themselves, with the texts of the tokens.
std::string decoded_plainly(tokenizer const& tok, std::vector<token> const& ids, bool skip) {
  token_texts now, next;
  decode_step::workspace room;
  for (token const id : ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= tok.size() || (skip && tok.is_special(id))) continue;
    now.add(tok.name(id));
  }
  for (auto const& s : tok.definition().decoders) {
    next.clear();
    s.visit([&](auto const& step) {
      if constexpr (requires { decode_step::apply(step, now, next, room); }) {
        decode_step::apply(step, now, next, room);
      } else {
        for (std::size_t i = 0; i < now.size(); ++i) {
          decode_step::detail::append_replaced(next, now[i], step.what.text, step.content);
          next.close();
        }
      }
    });
    now.swap(next);
  }
  std::string out(now.joined());
  utf8::replace_invalid(out, 0);
  return out;
}

} // namespace

TEST_CASE("decoding: texts put together of pieces are those of the steps") {
  decode_step::replace const to_space{{space, false}, std::string_view(" ")};
  decode_step::strip const first_space{.content = U' ', .start = 1};
  std::vector<std::vector<decode_step::step>> const chains{
      {decode_step::wordpiece{}},
      {decode_step::wordpiece{.cleanup = false}, decode_step::strip{.content = U'b', .stop = 1}},
      {decode_step::metaspace{}},
      {decode_step::metaspace{.prepend = pretokenize::prepend_scheme::never}, to_space},
      {decode_step::bpe{}},
      {to_space},
      {to_space, decode_step::fuse{}, first_space},
      {to_space, decode_step::byte_fallback{}, decode_step::fuse{}, first_space},
      {decode_step::byte_fallback{}, decode_step::metaspace{}},
      {first_space, decode_step::byte_level{}, first_space},
      {decode_step::metaspace{}, decode_step::byte_fallback{}, decode_step::fuse{}},
      {decode_step::ctc{}},
  };
  std::mt19937 random(9);
  token_decoder::workspace room;
  for (std::size_t chain = 0; chain < chains.size(); ++chain) {
    auto const tok = tokenizer::make(definition(chains[chain])).value();
    for (int round = 0; round < 400; ++round) {
      std::vector<token> ids;
      for (auto n = round < 200 ? random() % 6 : random() % 700; n > 0; --n) {
        auto const any = random() % 8;
        ids.push_back(any == 0   ? static_cast<token>(random() % 600) - 100
                      : any == 1 ? 16 + 0xE3
                      : any == 2 ? 16 + 0x81
                                 : static_cast<token>(random() % 16));
      }
      for (bool const skip : {true, false}) {
        INFO(chain, " ", round, " ", skip);
        std::string out = "kept";
        tok.decode(ids, out, room, {.skip_special = skip});
        CHECK(out == "kept" + decoded_plainly(tok, ids, skip));
      }
    }
  }
}

TEST_CASE("decoding: pieces of any length, over several blocks, allocate nothing once the buffers have grown") {
  decode_step::replace const to_space{{space, false}, std::string_view(" ")};
  auto const tok = tokenizer::make(definition({to_space, decode_step::byte_fallback{}, decode_step::fuse{}})).value();
  std::mt19937 random(10);
  std::vector<token> ids;
  std::string joined;
  for (int i = 0; i < 10'000; ++i) {
    ids.push_back(static_cast<token>(random() % 16)); // no bytes
    joined += tok.piece(ids.back());
  }
  token_decoder::workspace room;
  std::size_t before = 0;
  for (bool const starts : {true, false}) {
    std::string out;
    for (int round = 0; round < 3; ++round) { // two buffers take turns
      before = test::allocations();
      out.clear();
      tok.decode(ids, out, room, {.skip_special = false, .starts_text = starts});
    }
    CHECK(test::allocations() == before);
    CHECK(out == joined);
  }
}

} // namespace tokenizer_decoding_test
