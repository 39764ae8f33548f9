/// \file
/// The K formats: super-blocks of 256 weights whose groups have small integer scales.
#include "quant/goldens.hpp"

#include <loquat/quant/integer_block.hpp>
#include <loquat/quant/q2_k.hpp>
#include <loquat/quant/q3_k.hpp>
#include <loquat/quant/q4_k.hpp>
#include <loquat/quant/q5_k.hpp>
#include <loquat/quant/q6_k.hpp>

#include <doctest/doctest.h>

#include <algorithm>

namespace quant_k_formats_test {

using namespace loquat;

namespace {

static_assert(integer_format<q2_k> && WeightedFormat<q2_k> && integer_format<q3_k> && WeightedFormat<q3_k> &&
              integer_format<q4_k> && WeightedFormat<q4_k> && integer_format<q5_k> && WeightedFormat<q5_k> &&
              integer_format<q6_k> && WeightedFormat<q6_k>);

// A block that the format holds exactly: q all over its range, many g and m, the extreme g in the last group.
template <class F> constexpr std::array<float, 256> exact_weights(int extreme_g) {
  constexpr std::size_t length = F::integer.group, groups = 256 / length;
  std::array<float, 256> weights{};
  for (std::size_t i = 0; i < 256; ++i) {
    int const less = static_cast<int>((groups - 1 - i / length) * 3);
    int const g = extreme_g < 0 ? extreme_g + less : extreme_g - less % (extreme_g + 1);
    int const q = static_cast<int>(i % length * 7 % 64) % (F::integer.highest + 1) - F::integer.offset;
    weights[i] = 0.25f * static_cast<float>(g * q);
    if (F::integer.minima) weights[i] -= 0.5f * static_cast<float>(extreme_g - static_cast<int>(i / length));
  }
  return weights;
}
template <class F> constexpr bool keeps_exact_weights(int extreme_g) {
  auto const weights = exact_weights<F>(extreme_g);
  std::array<std::byte, F::block_bytes> block{};
  std::array<float, 256> out{};
  F::pack(weights.data(), block.data());
  F::unpack(block.data(), out.data());
  return out == weights;
}
static_assert(keeps_exact_weights<q2_k>(15) && keeps_exact_weights<q4_k>(63) && keeps_exact_weights<q5_k>(63));
static_assert(keeps_exact_weights<q3_k>(-32) && keeps_exact_weights<q6_k>(-128));

// the name of the golden files: Q4_K's are q4_K.bin and q4_K.f32
template <class F> std::string golden() { return "q" + std::string(F::name.substr(1)); }

TEST_CASE_TEMPLATE("a K format unpacks exactly as the golden", F, q2_k, q3_k, q4_k, q5_k, q6_k) {
  test::check_unpacked<F>(golden<F>());
}
TEST_CASE_TEMPLATE("a K format packs with no larger error than the golden", F, q2_k, q3_k, q4_k, q5_k, q6_k) {
  test::check_packing_errors<F>(golden<F>());
}
constexpr bool fits(bool below_zero, float scale, float minimum) {
  constexpr float x[] = {5, 6, 7, 8}, w[] = {1, 2, 3, 4};
  auto const line = detail::fit_line<4>(x, w, 3, below_zero);
  return line.scale == scale && line.minimum == minimum;
}
static_assert(fits(false, 1, 5) && fits(true, 193.0f / 75, 0),
              "the best line, and the best through 0 with q = 2 2 3 3");

// the squared error of packing, as a fraction of the golden's; 0 where the data are missing
template <class F> double relative_error() {
  auto const input = test::golden_floats("input.f32"), reference = test::golden_floats(golden<F>() + ".f32");
  if (input.empty() || reference.empty()) return 0;
  auto const ours = test::round_trip<F>(input);
  return test::squared_error(ours.data(), input.data(), input.size()) /
         test::squared_error(reference.data(), input.data(), input.size());
}
TEST_CASE("the search keeps the errors that it was tuned to") {
  CHECK(relative_error<q2_k>() < 0.812);
  CHECK(relative_error<q3_k>() < 0.960);
  CHECK(relative_error<q4_k>() < 0.978);
  CHECK(relative_error<q5_k>() < 0.950);
  CHECK(relative_error<q6_k>() < 0.967);
}
TEST_CASE_TEMPLATE("importance moves the error of K formats", F, q2_k, q3_k, q4_k, q5_k, q6_k) {
  test::check_importance<F>();
}
TEST_CASE_TEMPLATE("K formats take any weights", F, q2_k, q3_k, q4_k, q5_k, q6_k) { test::check_odd_weights<F>(); }

template <class F>
std::vector<std::byte> packed(std::vector<float> const& weights, std::vector<float> const& importance) {
  std::vector<std::byte> block(F::block_bytes);
  F::pack(weights.data(), importance.data(), block.data());
  return block;
}
TEST_CASE_TEMPLATE("only the ratios of importances matter, and weights of none still count", F, q2_k, q3_k, q4_k, q5_k,
                   q6_k) {
  auto weights = test::golden_floats("input.f32");
  if (weights.empty()) return;
  weights.resize(256);
  std::vector<float> importance(256), larger(256), half(256, 0.0f), none(256, 0.0f), odd(256, -1.0f), equal(256, 1.0f);
  for (std::size_t i = 0; i < 256; ++i) larger[i] = 0x1p100f * (importance[i] = static_cast<float>(i % 7));
  CHECK(packed<F>(weights, importance) == packed<F>(weights, larger));
  CHECK(packed<F>(weights, importance) != packed<F>(weights, equal));
  odd[3] = std::numeric_limits<float>::quiet_NaN();
  odd[4] = std::numeric_limits<float>::infinity();
  CHECK(packed<F>(weights, odd) == packed<F>(weights, none));
  odd.assign(256, std::numeric_limits<float>::denorm_min());
  CHECK(packed<F>(weights, odd) == packed<F>(weights, none));
  std::fill_n(half.begin(), 100, 1.0f);
  auto const plain = test::round_trip<F>(weights), partial = test::round_trip<F>(weights, half.data()),
             unknown = test::round_trip<F>(weights, none.data());
  CHECK(test::squared_error(&partial[0], &weights[0], 100) <= test::squared_error(&plain[0], &weights[0], 100));
  CHECK(test::squared_error(&partial[0], &weights[0], 256) <= 1.5 * test::squared_error(&plain[0], &weights[0], 256));
  CHECK(test::squared_error(&unknown[0], &weights[0], 256) <= 1.01 * test::squared_error(&plain[0], &weights[0], 256));
}

template <class F> double error_with_important_groups() {
  auto const weights = test::golden_floats("input.f32");
  if (weights.empty()) return 0;
  std::vector<float> importance(weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i)
    importance[i] = static_cast<float>(1 << i / F::integer.group * 7 % 4 * 4); // 1, 16, 256 or 4096
  auto const error = [&](std::vector<float> const& packed) {
    return test::squared_error(packed.data(), weights.data(), weights.size(), importance.data());
  };
  return error(test::round_trip<F>(weights, importance.data())) / error(test::round_trip<F>(weights));
}
TEST_CASE("the scales of important groups are rounded with more care") {
  CHECK(error_with_important_groups<q2_k>() < 0.98);
  CHECK(error_with_important_groups<q3_k>() < 1);
  CHECK(error_with_important_groups<q5_k>() < 0.995);
  CHECK(error_with_important_groups<q6_k>() < 0.995);
}
TEST_CASE_TEMPLATE("groups of only positive weights have a minimum of 0", F, q2_k, q4_k, q5_k) {
  std::vector<float> weights(256);
  for (std::size_t i = 0; i < 256; ++i) weights[i] = 0.5f + 0.5f * static_cast<float>(i * 37 % 101) / 101;
  auto const out = test::round_trip<F>(weights);
  for (std::size_t i = 0; i < 256; ++i) // half a step of the range
    CHECK(std::abs(out[i] - weights[i]) < 0.5f / static_cast<float>(F::integer.highest));
}
TEST_CASE_TEMPLATE("weights beyond the range of binary16 scales stay finite", F, q2_k, q3_k, q4_k, q5_k, q6_k) {
  for (float const sign : {1.0f, -1.0f}) {
    std::vector<float> weights(256);
    for (std::size_t i = 0; i < 256; ++i) weights[i] = sign * 1e12f * static_cast<float>(static_cast<int>(i % 16) - 9);
    for (float const w : test::round_trip<F>(weights)) CHECK(std::isfinite(w));
    CHECK(test::round_trip<F>(weights)[0] * sign < -65504);
  }
}

} // namespace

} // namespace quant_k_formats_test
