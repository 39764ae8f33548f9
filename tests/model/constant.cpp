/// \file
/// A whole llama at compile time: a GGUF file written, parsed, built on the reference backend, and made to generate.
#include "support/tiny_model.hpp"

#include <loquat/backend/cpu.hpp>
#include <loquat/backend/reference.hpp>
#include <loquat/generate/generate.hpp>
#include <loquat/model/zoo.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace model_constant_test {

using namespace loquat;

namespace {

// small enough for Clang's default limit on constant evaluation
constexpr test::tiny_options sizes{
    .embedding = 4, .heads = 2, .kv_heads = 1, .feed_forward = 4, .vocabulary = 5, .context = 8};

template <Backend B> constexpr std::array<token, 4> four_tokens(B const& backend) {
  auto const bytes = test::tiny_model(sizes);
  auto const file = gguf::file::parse(bytes).value();
  auto const model = transformer<arch::llama>::build(file, backend).value();
  auto talk = model.make_session({.kv = kv_type::f32}).value();
  std::array<token, 2> const prompt{1, 3};
  std::array<token, 4> out{};
  std::size_t n = 0;
  for (token id : prompt | generate(model, talk, {.max_tokens = 4})) out[n++] = id;
  return out;
}

constexpr auto at_compile_time = four_tokens(reference{});
static_assert(at_compile_time[0] >= 0 && at_compile_time[0] < 5);

TEST_CASE("a model says the same at compile time and at run time") {
  CHECK(four_tokens(reference{}) == at_compile_time);
  CHECK(four_tokens(cpu({2})) == at_compile_time);
}

// the same of a recurrent network, whose file is written here
template <Backend B> constexpr std::array<token, 4> four_tokens_of_gru(B const& backend) {
  constexpr std::uint32_t vocabulary = 5, width = 3;
  gguf::writer out;
  out.add("general.architecture", std::string_view("gru"));
  out.add("gru.block_count", std::uint32_t{1});
  out.add("gru.embedding_length", width);
  auto const weights = test::random_floats{3}(3 * width * width);
  auto const packed = test::packed<f32>(weights);
  for (auto [name, rows] : {std::pair<std::string_view, std::uint64_t>{"token_embd.weight", vocabulary},
                            {"blk.0.rnn_ih.weight", 3 * width},
                            {"blk.0.rnn_hh.weight", 3 * width}})
    out.add(tensor_view{name,
                        tensor_type::f32,
                        2,
                        {width, rows, 1, 1},
                        std::span(packed).first(static_cast<std::size_t>(rows * width * 4))});
  auto const bytes = out.bytes().value();
  auto const file = gguf::file::parse(bytes).value();
  auto const model = gru::build(file, backend).value();
  auto talk = model.make_session({.context = 8}).value();
  std::array<token, 2> const prompt{1, 3};
  std::array<token, 4> said{};
  std::size_t n = 0;
  for (token id : prompt | generate(model, talk, {.max_tokens = 4})) said[n++] = id;
  return said;
}

constexpr auto gru_at_compile_time = four_tokens_of_gru(reference{});

TEST_CASE("a recurrent network says the same at compile time and at run time") {
  CHECK(four_tokens_of_gru(reference{}) == gru_at_compile_time);
  CHECK(four_tokens_of_gru(cpu({2})) == gru_at_compile_time);
}

} // namespace

} // namespace model_constant_test
