/// \file
/// A whole llama at compile time: a GGUF file written, parsed, built on the reference backend, and made to generate.
#include "support/tiny_model.hpp"

#include <loquat/backend/cpu.hpp>
#include <loquat/backend/reference.hpp>
#include <loquat/generate/generate.hpp>
#include <loquat/model/zoo.hpp>

#include <doctest/doctest.h>

#include <array>
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

} // namespace

} // namespace model_constant_test
