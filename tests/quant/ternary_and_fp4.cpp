/// \file
/// Ternary formats against the goldens, 4-bit floats against blocks computed by hand from their specifications.
#include "quant/goldens.hpp"

#include <loquat/quant/mxfp4.hpp>
#include <loquat/quant/nvfp4.hpp>
#include <loquat/quant/tq1_0.hpp>
#include <loquat/quant/tq2_0.hpp>

#include <doctest/doctest.h>

#include <algorithm>

namespace quant_ternary_and_fp4_test {

using namespace loquat;

namespace {

template <class F> constexpr auto unpacked(std::array<std::byte, F::block_bytes> const& block) {
  std::array<float, F::block_length> weights{};
  F::unpack(block.data(), weights.data());
  return weights;
}

// weight i has the code i % 16
constexpr auto mxfp4_block(unsigned exponent) {
  std::array<std::byte, 17> block{static_cast<std::byte>(exponent)};
  for (unsigned i = 0; i < 16; ++i) block[1 + i] = static_cast<std::byte>(i * 0x11);
  return block;
}
constexpr float e2m1[16] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};
constexpr bool mxfp4_is(unsigned exponent, float scale) {
  auto const weights = unpacked<mxfp4>(mxfp4_block(exponent));
  for (std::size_t i = 0; i < 32; ++i)
    if (weights[i] != scale * e2m1[i % 16]) return false;
  return true;
}
static_assert(mxfp4_is(127, 1) && mxfp4_is(128, 2) && mxfp4_is(120, 0x1p-7f) && mxfp4_is(251, 0x1p124f));
static_assert(mxfp4_is(2, 0x1p-125f) && mxfp4_is(1, 0x1p-126f) && mxfp4_is(0, 0x1p-127f),
              "subnormal products are exact");
static_assert(mxfp4::scale(mxfp4_block(255).data()) == 0x1p127f && mxfp4::scale(mxfp4_block(0).data()) == 0x1p-128f);

constexpr auto nvfp4_block(unsigned a, unsigned b, unsigned c, unsigned d) {
  std::array<std::byte, 36> block{static_cast<std::byte>(a), static_cast<std::byte>(b), static_cast<std::byte>(c),
                                  static_cast<std::byte>(d)};
  for (unsigned i = 0; i < 32; ++i) block[4 + i] = static_cast<std::byte>(i % 8 * 0x11 + 0x80); // i % 8, i % 8 + 8
  return block;
}
constexpr bool nvfp4_is(std::array<unsigned, 4> bytes, std::array<float, 4> scales) {
  auto const weights = unpacked<nvfp4>(nvfp4_block(bytes[0], bytes[1], bytes[2], bytes[3]));
  for (std::size_t i = 0; i < 64; ++i)
    if (weights[i] != scales[i / 16] * e2m1[i % 16]) return false;
  return true;
}
static_assert(nvfp4_is({0x38, 0x40, 0x30, 0x3c}, {1, 2, 0.5f, 1.5f}));
static_assert(nvfp4_is({0x00, 0x01, 0x07, 0x08}, {0, 0x1p-9f, 7 * 0x1p-9f, 0x1p-6f}), "subnormal scales");
static_assert(nvfp4_is({0x7e, 0x7f, 0xff, 0xb9}, {448, 0, 0, 1.125f}), "NaN is zero, the sign is ignored");

// digits 1 2 0 2 1 in every byte, and 0 1 2 0 in the last four
constexpr auto tq1_0_block() {
  std::array<std::byte, 54> block{};
  constexpr auto byte = [](unsigned a, unsigned b, unsigned c, unsigned d, unsigned e) {
    return static_cast<std::byte>(((((a * 3 + b) * 3 + c) * 3 + d) * 3 + e) * 256 / 243 + 1); // rounded up
  };
  for (std::size_t i = 0; i < 48; ++i) block[i] = byte(1, 2, 0, 2, 1);
  for (std::size_t i = 48; i < 52; ++i) block[i] = byte(0, 1, 2, 0, 0);
  detail::store_u16(block.data() + 52, half_from_float(0.5f));
  return block;
}
constexpr bool tq1_0_digits_come_in_order() {
  auto const weights = unpacked<tq1_0>(tq1_0_block());
  constexpr float five[] = {0, 0.5f, -0.5f, 0.5f, 0}, four[] = {-0.5f, 0, 0.5f, -0.5f};
  for (std::size_t i = 0; i < 256; ++i)
    if (weights[i] != (i < 160 ? five[i / 32] : i < 240 ? five[(i - 160) / 16] : four[(i - 240) / 4])) return false;
  return true;
}
static_assert(tq1_0_digits_come_in_order());

template <class... Formats> constexpr bool match_the_table(type_list<Formats...>) {
  return ((integer_format<Formats> && test::matches_the_table<Formats>()) && ...);
}
static_assert(match_the_table(type_list<tq1_0, tq2_0, mxfp4, nvfp4>{}));
static_assert(PackableFormat<tq1_0> && PackableFormat<tq2_0> && WeightedFormat<mxfp4> && WeightedFormat<nvfp4>);

// unpack(pack(x))
template <class F> constexpr auto packed(std::array<float, F::block_length> const& weights) {
  std::array<std::byte, F::block_bytes> block{};
  F::pack(weights.data(), block.data());
  return unpacked<F>(block);
}
// for all 243 numbers of five digits, as digits of the bytes of TQ1_0 in some order
template <class F> constexpr bool keeps_ternary_weights() {
  for (std::size_t number = 0; number < 243; ++number) {
    std::array<float, 256> weights{};
    for (std::size_t i = 0; i < 256; ++i) {
      std::size_t digits = number;
      for (std::size_t n = 0; n < i / 16 % 5; ++n) digits /= 3;
      weights[i] = (static_cast<float>(digits % 3) - 1) * 0.75f;
    }
    if (packed<F>(weights) != weights) return false;
  }
  return true;
}

TEST_CASE_TEMPLATE("ternary weights are kept exactly", F, tq1_0, tq2_0) { CHECK(keeps_ternary_weights<F>()); }

TEST_CASE_TEMPLATE("a weight that is not finite does not change the others", F, tq1_0, tq2_0) {
  for (float const odd : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    std::array<float, 256> weights{1, -1, 0};
    weights[99] = odd;
    auto const out = packed<F>(weights);
    CHECK(std::equal(out.begin(), out.begin() + 99, weights.begin()));
  }
}

// values of a format, with both signs and a scale of its own for every 16 weights
template <class F> constexpr auto exact_weights() {
  std::array<float, F::block_length> weights{};
  for (std::size_t i = 0; i < weights.size(); ++i)
    weights[i] = e2m1[i * 7 % 16] * (F::integer.group == 16 ? 0.125f * static_cast<float>(i / 16 + 8) : 0.25f);
  return weights;
}
static_assert(packed<mxfp4>(exact_weights<mxfp4>()) == exact_weights<mxfp4>());
static_assert(packed<nvfp4>(exact_weights<nvfp4>()) == exact_weights<nvfp4>());

constexpr float without_importance(float outlier) { // what becomes of 31 weights of 0.75 beside it
  std::array<std::byte, 17> block{};
  std::array<float, 32> weights{}, importance{};
  weights.fill(0.75f);
  importance.fill(1);
  weights[5] = outlier;
  importance[5] = 0;
  mxfp4::pack(weights.data(), importance.data(), block.data());
  return unpacked<mxfp4>(block)[0];
}
static_assert(without_importance(2) == 0.75f && without_importance(8) == 0.75f, "an outlier that does not matter");

constexpr std::array<float, 64> huge{1e6f, -1e9f, 1};
static_assert(packed<nvfp4>(huge)[0] == 2688 && packed<nvfp4>(huge)[1] == -2688, "too large weights saturate");

TEST_CASE("MXFP4 packs with the best of all exponents") {
  auto const weights = test::golden_floats("input.f32");
  for (std::size_t at = 0; at + 32 <= weights.size(); at += 32) {
    std::array<std::byte, 17> block{};
    std::array<float, 32> out{};
    mxfp4::pack(&weights[at], block.data());
    mxfp4::unpack(block.data(), out.data());
    double const error = test::squared_error(out.data(), &weights[at], 32);
    for (unsigned e = 0; e < 255; ++e) {
      block[0] = static_cast<std::byte>(e);
      detail::store_nearest_levels<detail::e2m1_doubled, 16>(&weights[at], mxfp4::scale(block.data()), &block[1]);
      mxfp4::unpack(block.data(), out.data());
      CHECK(error <= 1.00001 * test::squared_error(out.data(), &weights[at], 32));
    }
  }
}
TEST_CASE("NVFP4 packs with the best of all scales") {
  auto const weights = test::golden_floats("input.f32");
  for (std::size_t at = 0; at + 64 <= weights.size(); at += 64) {
    std::array<std::byte, 36> block{};
    std::array<float, 64> out{};
    nvfp4::pack(&weights[at], block.data());
    nvfp4::unpack(block.data(), out.data());
    double const error = test::squared_error(out.data(), &weights[at], 16);
    for (unsigned byte = 0; byte < 127; ++byte) {
      block[0] = static_cast<std::byte>(byte);
      float const g = nvfp4::group_scales(block.data())[0];
      detail::store_nearest_levels<detail::e2m1_doubled, 8>(&weights[at], g, &block[4]);
      nvfp4::unpack(block.data(), out.data());
      CHECK(error <= 1.00001 * test::squared_error(out.data(), &weights[at], 16));
    }
  }
}

TEST_CASE_TEMPLATE("importance moves the error of 4-bit floats", F, mxfp4, nvfp4) { test::check_importance<F>(); }
TEST_CASE_TEMPLATE("4-bit floats and ternary formats take any weights", F, mxfp4, nvfp4, tq1_0, tq2_0) {
  test::check_odd_weights<F>();
}
TEST_CASE("TQ1_0 unpacks exactly as the golden") { test::check_unpacked<tq1_0>("tq1_0"); }
TEST_CASE("TQ2_0 unpacks exactly as the golden") { test::check_unpacked<tq2_0>("tq2_0"); }

TEST_CASE("TQ1_0 packs with no larger error than the golden") { test::check_packing_errors<tq1_0>("tq1_0"); }
TEST_CASE("TQ2_0 packs with no larger error than the golden") { test::check_packing_errors<tq2_0>("tq2_0"); }

} // namespace

} // namespace quant_ternary_and_fp4_test
