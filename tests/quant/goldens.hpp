#pragma once
/// \file
/// What every quantized format is held to: the weights of the reference blocks bit for bit, errors of packing no worse
/// than theirs, and harmless packing of any weights.

#include "support/data.hpp"

#include <loquat/quant/block.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace test {

inline constexpr std::size_t golden_rows = 4, golden_columns = 1024;

/// Whether a format says about itself what the table of types says.
template <loquat::BlockFormat F> constexpr bool matches_the_table() {
  for (auto const& layout : loquat::type_layouts)
    if (layout.type == F::type)
      return layout.name == F::name && layout.block_length == F::block_length && layout.block_bytes == F::block_bytes;
  return false;
}

/// The floats of a file of the folder `quants`, none if it is missing (the case counts as skipped then).
inline std::vector<float> golden_floats(std::string const& file) {
  auto const path = test::data("quants/" + file);
  if (!path) return {};
  std::string const bytes = test::read(*path);
  REQUIRE(bytes.size() == golden_rows * golden_columns * sizeof(float));
  std::vector<float> floats(bytes.size() / sizeof(float));
  std::memcpy(floats.data(), bytes.data(), bytes.size());
  return floats;
}

/// Unpacks the reference blocks of a format and compares the bits.
template <loquat::BlockFormat F> void check_unpacked(std::string const& name) {
  auto const path = test::data("quants/" + name + ".bin");
  auto const expected = golden_floats(name + ".f32");
  if (!path || expected.empty()) return;
  std::string const blocks = test::read(*path);
  REQUIRE(blocks.size() == loquat::row_bytes<F>(expected.size()));
  std::vector<float> weights(expected.size());
  loquat::unpack_row<F>(reinterpret_cast<std::byte const*>(blocks.data()), weights.data(), weights.size());
  CHECK(std::memcmp(weights.data(), expected.data(), expected.size() * sizeof(float)) == 0);
}

/// Σ importance · (a − b)², importance being 1 where there is none.
inline double squared_error(float const* a, float const* b, std::size_t count, float const* importance = nullptr) {
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    double const difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += difference * difference * (importance ? static_cast<double>(importance[i]) : 1.0);
  }
  return sum;
}

/// The weights after packing, with an importance per weight if there is one.
template <loquat::PackableFormat F>
std::vector<float> round_trip(std::vector<float> const& weights, float const* importance = nullptr) {
  std::vector<std::byte> block(F::block_bytes);
  std::vector<float> out(weights.size());
  for (std::size_t i = 0; i < weights.size(); i += F::block_length) {
    if constexpr (loquat::WeightedFormat<F>) {
      if (importance)
        F::pack(weights.data() + i, importance + i, block.data());
      else
        F::pack(weights.data() + i, block.data());
    } else
      F::pack(weights.data() + i, block.data());
    F::unpack(block.data(), out.data() + i);
  }
  return out;
}

/// Packs the reference weights; the squared error of every row must not exceed that of the reference blocks.
template <loquat::PackableFormat F> void check_packing_errors(std::string const& name) {
  auto const input = golden_floats("input.f32"), reference = golden_floats(name + ".f32");
  if (input.empty() || reference.empty()) return;
  auto const ours = round_trip<F>(input);
  for (std::size_t row = 0; row < golden_rows; ++row) {
    std::size_t const at = row * golden_columns;
    CAPTURE(row);
    CHECK(squared_error(&ours[at], &input[at], golden_columns) <=
          squared_error(&reference[at], &input[at], golden_columns));
  }
}

/// With importances, no reference row may have a larger weighted error than without, and all together must have a
/// smaller one; equal importances must cost little.
template <loquat::WeightedFormat F> void check_importance() {
  auto const input = golden_floats("input.f32");
  if (input.empty()) return;
  std::vector<float> importance(input.size()), ones(input.size(), 1);
  std::uint32_t state = 1;
  for (float& i : importance) {
    state = state * 1664525 + 1013904223;
    i = std::exp(static_cast<float>(state >> 8) * 0x1p-24f * 6 - 3); // between 1/20 and 20
  }
  auto const plain = round_trip<F>(input), weighted = round_trip<F>(input, importance.data()),
             equal = round_trip<F>(input, ones.data());
  for (std::size_t row = 0; row < golden_rows; ++row) {
    std::size_t const at = row * golden_columns;
    CAPTURE(row);
    CHECK(squared_error(&weighted[at], &input[at], golden_columns, &importance[at]) <=
          squared_error(&plain[at], &input[at], golden_columns, &importance[at]));
    CHECK(squared_error(&equal[at], &input[at], golden_columns) <=
          1.0001 * squared_error(&plain[at], &input[at], golden_columns));
  }
  CHECK(squared_error(weighted.data(), input.data(), input.size(), importance.data()) <
        squared_error(plain.data(), input.data(), input.size(), importance.data()));
}

/// Packs zeros, which must stay zeros, and weights that are not finite or extreme, which must only do no harm.
template <loquat::PackableFormat F> void check_odd_weights() {
  std::vector<float> weights(F::block_length), none(F::block_length);
  CHECK(round_trip<F>(none) == none);
  CHECK(round_trip<F>(none, none.data()) == none);
  using limits = std::numeric_limits<float>;
  float const odd[] = {limits::quiet_NaN(), limits::infinity(), -limits::infinity(), limits::max(),
                       limits::lowest(),    limits::min(),      limits::denorm_min()};
  for (float const x : odd)
    for (float const scale : {0.0f, 1.0f, 1e-38f, 1e30f}) {
      for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = scale * (static_cast<float>(i % 16) - 8);
      weights[7] = x;
      CHECK(round_trip<F>(weights).size() == weights.size());
      CHECK(round_trip<F>(weights, none.data()).size() == weights.size());
      CHECK(round_trip<F>(weights, weights.data()).size() == weights.size());
      weights.assign(weights.size(), x);
      CHECK(round_trip<F>(weights).size() == weights.size());
      CHECK(round_trip<F>(weights, weights.data()).size() == weights.size());
    }
}

} // namespace test
