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

namespace quant_iq_formats_test {

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

static_assert(detail::iq1_codebook.front() == 0x0202020202020202 && detail::iq1_codebook.back() == 0x1212121212121212);
static_assert(detail::iq2_xxs_codebook[1] == 0x0000000000000004 && detail::iq2_xxs_codebook[255] == 0x0404040200000200);

// the level with the other sign is one further
template <std::size_t Count> constexpr bool are_signed(std::int8_t const (&levels)[16], int offset) {
  for (std::size_t i = 0; i < Count; i += 2)
    if (levels[i] <= offset || levels[i] + levels[i + 1] != 2 * offset) return false;
  return true;
}
static_assert(are_signed<6>(detail::iq2_levels, iq2_s::integer.offset));
static_assert(are_signed<16>(detail::iq3_s_levels, iq3_s::integer.offset));
static_assert(are_signed<16>(detail::iq3_xxs_levels, iq3_xxs::integer.offset));

// a field begins in the lowest bit of a high byte
static_assert([] {
  constexpr auto fields = detail::fields_at<2>([](std::size_t i) { return i < 31 ? i * 4 + 1 : detail::no_field; });
  return fields[1].bytes[0] == 8 && fields[1].bytes[1] == 9 && fields[1].powers[0] == 1 << 7 && // bit 65
         fields[1].bytes[28] == 15 && fields[1].bytes[29] == 15 && fields[1].powers[15] == 0;
}());

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

} // namespace quant_iq_formats_test
