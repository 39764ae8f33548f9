/// \file
/// Block formats: exact against the goldens, and what packing does to unusual weights.
#include "support/data.hpp"

#include <loquat/quant/formats.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace quant_formats_test {

using namespace loquat;

namespace {

// every format says about itself what the table of types says
template <class... Formats> constexpr bool match_the_table(type_list<Formats...>) {
  return ((BlockFormat<Formats> && Formats::name == name(Formats::type) &&
           Formats::block_length == find_layout(Formats::type)->block_length &&
           Formats::block_bytes == find_layout(Formats::type)->block_bytes) &&
          ...);
}
static_assert(match_the_table(builtin_formats{}));

// unpack(pack(x)) for 32 weights
template <BlockFormat F> constexpr std::array<float, 32> round_trip(std::array<float, 32> const& weights) {
  std::array<std::byte, 32 * 4> bytes{};
  std::array<float, 32> out{};
  pack_row<F>(weights.data(), bytes.data(), 32);
  unpack_row<F>(bytes.data(), out.data(), 32);
  return out;
}
constexpr auto ramp = [] {
  std::array<float, 32> out{};
  for (std::size_t i = 0; i < 32; ++i) out[i] = static_cast<float>(i) - 16;
  return out;
}();
static_assert(round_trip<f32>(ramp) == ramp && round_trip<f16>(ramp) == ramp && round_trip<bf16>(ramp) == ramp);
static_assert(round_trip<q4_0>(ramp)[0] == -16 && round_trip<q4_0>(ramp)[16] == 0 && round_trip<q4_0>(ramp)[31] == 14);
static_assert(round_trip<q8_0>({})[5] == 0 && round_trip<q4_0>({})[5] == 0);
constexpr bool q8_0_is_within_half_a_step() {
  auto const out = round_trip<q8_0>(ramp);
  for (std::size_t i = 0; i < 32; ++i)
    if (out[i] - ramp[i] > 0.07f || ramp[i] - out[i] > 0.07f) return false;
  return true;
}
static_assert(q8_0_is_within_half_a_step());

template <BlockFormat F> void check_goldens(std::string const& file) {
  auto const bin = test::data("quants/" + file + ".bin"), unpacked = test::data("quants/" + file + ".f32"),
             input = test::data("quants/input.f32");
  if (!bin || !unpacked || !input) return;
  std::string const blocks = test::read(*bin), expected = test::read(*unpacked), source = test::read(*input);
  REQUIRE(expected.size() == 4 * 1024 * sizeof(float));
  std::vector<float> weights(4 * 1024), originals(weights.size());
  std::memcpy(originals.data(), source.data(), source.size());
  unpack_row<F>(reinterpret_cast<std::byte const*>(blocks.data()), weights.data(), weights.size());
  CHECK(std::memcmp(weights.data(), expected.data(), expected.size()) == 0);

  std::vector<std::byte> packed(blocks.size());
  pack_row<F>(originals.data(), packed.data(), originals.size());
  CHECK(std::memcmp(packed.data(), blocks.data(), blocks.size()) == 0);
}

TEST_CASE("F16 unpacks and packs exactly as the goldens") { check_goldens<f16>("f16"); }
TEST_CASE("BF16 unpacks and packs exactly as the goldens") { check_goldens<bf16>("bf16"); }
TEST_CASE("Q8_0 unpacks and packs exactly as the goldens") { check_goldens<q8_0>("q8_0"); }
TEST_CASE("Q4_0 unpacks and packs exactly as the goldens") { check_goldens<q4_0>("q4_0"); }
TEST_CASE("F32 is the identity on the golden input") {
  auto const input = test::data("quants/input.f32");
  if (!input) return;
  std::string const source = test::read(*input);
  std::vector<float> weights(source.size() / 4);
  unpack_row<f32>(reinterpret_cast<std::byte const*>(source.data()), weights.data(), weights.size());
  CHECK(std::memcmp(weights.data(), source.data(), source.size()) == 0);
}

TEST_CASE("a tensor of any type unpacks to floats, and says what is wrong with it") {
  std::array<std::byte, 68> blocks{};
  auto two_rows = ramp;
  q8_0::pack(two_rows.data(), blocks.data());
  q8_0::pack(two_rows.data(), blocks.data() + 34);
  std::array<float, 64> out{};
  CHECK(unpack_tensor(builtin_formats{}, {"t", tensor_type::q8_0, 2, {32, 2, 1, 1}, blocks}, out));
  CHECK(std::equal(out.begin(), out.begin() + 32, out.begin() + 32));
  CHECK(out[63] == round_trip<q8_0>(ramp)[31]);
  auto const message = [&](tensor_view const& t, std::span<float> to) {
    return std::string(unpack_tensor(builtin_formats{}, t, to).error().message());
  };
  CHECK(message({"t", tensor_type::q8_0, 2, {32, 2, 1, 1}, blocks}, std::span(out).first(8)) ==
        "tensor t: 64 elements, room for 8");
  CHECK(message({"t", tensor_type::q8_0, 2, {32, 3, 1, 1}, blocks}, out) ==
        "tensor t: 68 bytes are too few for 3 rows of 32");
  CHECK(message({"t", tensor_type::q2_0, 2, {64, 3, 1, 1}, blocks}, out) == "tensor t: no format for type Q2_0");
}

TEST_CASE("packing weights that are not finite is harmless") {
  for (float odd : {std::nanf(""), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                    std::numeric_limits<float>::max(), std::numeric_limits<float>::denorm_min()}) {
    auto weights = ramp;
    weights[7] = odd;
    (void)round_trip<q8_0>(weights);
    (void)round_trip<q4_0>(weights);
    (void)round_trip<f16>(weights);
    CHECK(std::isnan(round_trip<bf16>(weights)[7]) == std::isnan(odd));
  }
}

} // namespace

} // namespace quant_formats_test
