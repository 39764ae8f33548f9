/// \file
/// A whole pipeline allocates nothing.

#include "../support/allocations.hpp"
#include "toy.hpp"

#include <loquat/generate/adjust.hpp>
#include <loquat/generate/choose.hpp>
#include <loquat/generate/decode.hpp>
#include <loquat/generate/encode.hpp>
#include <loquat/generate/generate.hpp>
#include <loquat/generate/stop.hpp>
#include <loquat/generate/truncate.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <memory>
#include <string_view>

namespace generate_allocations_test {

using namespace loquat;

TEST_CASE("allocations are counted") {
  auto const before = test::allocations();
  auto const one = std::make_unique<int>(1);
  CHECK(test::allocations() == before + 1);
}

TEST_CASE("a pipeline from text to text allocates nothing") {
  toy::bytes const tok;
  toy::successor<1024> const model;
  toy::successor<1024>::session talk;
  std::array<float, toy::vocabulary> logprobs{};
  std::array const biases{token_bias{'q', -1.0f}};
  std::array const ends{token{'!'}};
  std::atomic<bool> cancel = false;
  generate_report report;
  std::size_t length = 0;

  auto const before = test::allocations();
  auto sampler = logit_bias{biases} | repetition_penalty{.factor = 1.1f, .window = 64} |
                 frequency_penalty{.amount = 0.1f} | presence_penalty{.amount = 0.1f} | top_k{40} | top_p{0.95f} |
                 min_p{0.05f} | temperature{0.8f} | draw{.seed = 42};
  generate_options const options{
      .max_tokens = 500, .stop_tokens = ends, .cancel = &cancel, .logprobs = logprobs, .report = &report};
  for (int turn = 0; turn < 3; ++turn)
    for (auto piece :
         "abc" | encode(tok) | generate(model, talk, sampler, options) | decode(tok) | until("\nUser:", "###"))
      length += piece.size();
  auto const after = test::allocations();

  CHECK(after == before);
  CHECK(length > 0);
}

} // namespace generate_allocations_test
