/// \file
/// The formats of 32 weights with one scale (Q4_0, Q5_0) or a scale and a minimum (Q4_1, Q5_1).
#include "quant/goldens.hpp"

#include <loquat/quant/q4_0.hpp>
#include <loquat/quant/q4_1.hpp>
#include <loquat/quant/q5_0.hpp>
#include <loquat/quant/q5_1.hpp>

#include <doctest/doctest.h>

namespace quant_legacy_formats_test {

using namespace loquat;

namespace {

static_assert(integer_format<q4_0> && WeightedFormat<q4_0> && integer_format<q4_1> && WeightedFormat<q4_1> &&
              integer_format<q5_0> && WeightedFormat<q5_0> && integer_format<q5_1> && WeightedFormat<q5_1>);

// weights that the format holds exactly: both ends of the range, every q, out of order
template <class F> constexpr std::array<float, 32> exact_weights() {
  std::array<float, 32> weights{};
  for (std::size_t i = 0; i < 32; ++i) {
    int const q = static_cast<int>(i * 5 % 32) % (F::integer.highest + 1);
    weights[i] = 0.5f * static_cast<float>(q - F::integer.offset) - (F::integer.minima ? 3.0f : 0.0f);
  }
  return weights;
}
template <class F, class... Importance> constexpr bool keeps_exact_weights(Importance... importance) {
  auto const weights = exact_weights<F>();
  std::array<std::byte, F::block_bytes> block{};
  std::array<float, 32> out{};
  F::pack(weights.data(), importance..., block.data());
  F::unpack(block.data(), out.data());
  return out == weights;
}
static_assert(keeps_exact_weights<q4_0>() && keeps_exact_weights<q4_1>() && keeps_exact_weights<q5_0>() &&
              keeps_exact_weights<q5_1>());
constexpr float const* equal = detail::equal_importance.data();
static_assert(keeps_exact_weights<q4_0>(equal) && keeps_exact_weights<q4_1>(equal) &&
              keeps_exact_weights<q5_0>(equal) && keeps_exact_weights<q5_1>(equal));

template <BlockFormat F> void check_packed(std::string const& name) {
  auto const path = test::data("quants/" + name + ".bin");
  auto const input = test::golden_floats("input.f32");
  if (!path || input.empty()) return;
  std::string const expected = test::read(*path);
  std::vector<std::byte> blocks(row_bytes<F>(input.size()));
  REQUIRE(blocks.size() == expected.size());
  pack_row<F>(input.data(), blocks.data(), input.size());
  CHECK(std::memcmp(blocks.data(), expected.data(), expected.size()) == 0);
}

TEST_CASE_TEMPLATE("a format with one scale unpacks and packs exactly as the golden", F, q4_0, q4_1, q5_0, q5_1) {
  std::string const name = F::type == tensor_type::q4_0   ? "q4_0"
                           : F::type == tensor_type::q4_1 ? "q4_1"
                           : F::type == tensor_type::q5_0 ? "q5_0"
                                                          : "q5_1";
  test::check_unpacked<F>(name);
  check_packed<F>(name);
}
TEST_CASE_TEMPLATE("importance moves the error of formats with one scale", F, q4_0, q4_1, q5_0, q5_1) {
  test::check_importance<F>();
}
TEST_CASE_TEMPLATE("formats with one scale take any weights", F, q4_0, q4_1, q5_0, q5_1) {
  test::check_odd_weights<F>();
}
TEST_CASE_TEMPLATE("weighted packing to one scale stays within binary16", F, q4_0, q4_1, q5_0, q5_1) {
  for (float const sign : {1.0f, -1.0f}) {
    std::vector<float> weights(32);
    for (std::size_t i = 0; i < 32; ++i) weights[i] = sign * 1e12f * static_cast<float>(static_cast<int>(i) - 20);
    for (float const w : test::round_trip<F>(weights, equal)) CHECK(std::isfinite(w));
  }
}
TEST_CASE_TEMPLATE("weighted packing to a scale and a minimum may have a positive minimum", F, q4_1, q5_1) {
  std::vector<float> weights(32);
  for (std::size_t i = 0; i < 32; ++i) weights[i] = 2 + static_cast<float>(i * 11 % 32) / 32;
  auto const out = test::round_trip<F>(weights, equal);
  for (std::size_t i = 0; i < 32; ++i)
    CHECK(std::abs(out[i] - weights[i]) < 0.6f / static_cast<float>(F::integer.highest));
}

} // namespace

} // namespace quant_legacy_formats_test
