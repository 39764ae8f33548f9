/// \file
/// The IQ formats: exact against the goldens, signs of even parity, and what packing reaches.
#include "quant/goldens.hpp"

#include <loquat/quant/iq1_m.hpp>
#include <loquat/quant/iq1_s.hpp>
#include <loquat/quant/iq2_s.hpp>
#include <loquat/quant/iq2_xs.hpp>
#include <loquat/quant/iq2_xxs.hpp>
#include <loquat/quant/iq3_s.hpp>
#include <loquat/quant/iq3_xxs.hpp>
#include <loquat/quant/iq4_nl.hpp>
#include <loquat/quant/iq4_xs.hpp>

#include <doctest/doctest.h>

using namespace loquat;

TEST_CASE("IQ1_S unpacks exactly as the golden") { test::check_unpacked<iq1_s>("iq1_s"); }
TEST_CASE("IQ1_M unpacks exactly as the golden") { test::check_unpacked<iq1_m>("iq1_m"); }
TEST_CASE("IQ2_XXS unpacks exactly as the golden") { test::check_unpacked<iq2_xxs>("iq2_xxs"); }
TEST_CASE("IQ2_XS unpacks exactly as the golden") { test::check_unpacked<iq2_xs>("iq2_xs"); }
TEST_CASE("IQ2_S unpacks exactly as the golden") { test::check_unpacked<iq2_s>("iq2_s"); }
TEST_CASE("IQ3_XXS unpacks exactly as the golden") { test::check_unpacked<iq3_xxs>("iq3_xxs"); }
TEST_CASE("IQ3_S unpacks exactly as the golden") { test::check_unpacked<iq3_s>("iq3_s"); }
TEST_CASE("IQ4_NL unpacks exactly as the golden") { test::check_unpacked<iq4_nl>("iq4_nl"); }
TEST_CASE("IQ4_XS unpacks exactly as the golden") { test::check_unpacked<iq4_xs>("iq4_xs"); }

namespace {

template <class... Formats> constexpr bool match_the_table(type_list<Formats...>) {
  return ((integer_format<Formats> && test::matches_the_table<Formats>()) && ...);
}
static_assert(match_the_table(type_list<iq1_s, iq1_m, iq2_xxs, iq2_xs, iq2_s, iq3_xxs, iq3_s, iq4_nl, iq4_xs>{}));

static_assert(detail::even_signs(0) == 0 && detail::even_signs(1) == 0x81 && detail::even_signs(3) == 3);
static_assert(detail::even_signs(0x7f) == 0xff && detail::even_signs(0x7e) == 0x7e);
static_assert(detail::even_sign_masks[0x41] == 0x00ff0000000000ff && detail::even_sign_masks[2] == 0xff0000000000ff00);

static_assert(detail::iq1_codebook.front() == 0xf8f8f8f8f8f8f8f8 && detail::iq1_codebook.back() == 0x0808080808080808);
static_assert(detail::iq2_xxs_codebook[1] == 0x080808080808082b && detail::iq2_xxs_codebook[255] == 0x2b2b2b1908081908);

// a block whose bytes are all the same
template <class F> constexpr auto filled(int byte) {
  std::array<std::byte, F::block_bytes> block{};
  block.fill(static_cast<std::byte>(byte));
  return block;
}
static_assert(iq2_s::group_scales(filled<iq2_s>(0xf0).data())[2] == 1 &&
              iq2_s::group_scales(filled<iq2_s>(0xf0).data())[3] == 31);
static_assert(iq1_m::group_scales(filled<iq1_m>(0xff).data())[15] == 15 &&
              iq1_m::group_scales(filled<iq1_m>(0x80).data())[14] == 5);
static_assert(iq4_xs::group_scales(filled<iq4_xs>(0).data())[7] == -32 &&
              iq4_xs::group_scales(filled<iq4_xs>(0xff).data())[0] == 31);

static_assert(WeightedFormat<iq4_nl> && WeightedFormat<iq4_xs>);

// a block that a format holds exactly: every level, and scales of both signs for IQ4_XS
template <class F> constexpr bool keeps_exact_weights() {
  std::array<float, F::block_length> weights{}, out{};
  std::array<std::byte, F::block_bytes> block{};
  for (std::size_t i = 0; i < weights.size(); ++i) {
    float const scale = 0.25f * (F::block_length == 32 ? 1 : static_cast<float>(i / 32) * 9 - 32);
    weights[i] = scale * detail::iq4_levels[i * 7 % 16];
  }
  F::pack(weights.data(), block.data());
  F::unpack(block.data(), out.data());
  return out == weights;
}
static_assert(keeps_exact_weights<iq4_nl>() && keeps_exact_weights<iq4_xs>());

constexpr bool levels_are_the_nearest() {
  for (int i = -1030; i <= 1030; ++i) {
    float const x = static_cast<float>(i) / 8, found = detail::iq4_levels[detail::nearest_level<detail::iq4_levels>(x)];
    for (float const level : detail::iq4_levels)
      if ((x - level) * (x - level) < (x - found) * (x - found)) return false;
  }
  return true;
}
static_assert(levels_are_the_nearest());

TEST_CASE("IQ4_NL packs with no larger error than the golden") { test::check_packing_errors<iq4_nl>("iq4_nl"); }
TEST_CASE("IQ4_XS packs with no larger error than the golden") { test::check_packing_errors<iq4_xs>("iq4_xs"); }
TEST_CASE_TEMPLATE("importance moves the error of IQ4 formats", F, iq4_nl, iq4_xs) { test::check_importance<F>(); }
TEST_CASE_TEMPLATE("IQ4 formats take any weights", F, iq4_nl, iq4_xs) { test::check_odd_weights<F>(); }

} // namespace
