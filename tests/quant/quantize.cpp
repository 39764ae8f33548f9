/// \file
/// Packing whole tensors: the same bytes on any number of threads, what is measured, what is refused.

#include "support/tiny_model.hpp"

#include <loquat/parallel/pool.hpp>
#include <loquat/quant/quantize.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

namespace quant_quantize_test {

using namespace loquat;

namespace {

constexpr builtin_formats formats;

tensor_view tensor(std::vector<float> const& weights, tensor_shape shape) {
  return {"t", tensor_type::f32, 3, shape, std::as_bytes(std::span(weights))};
}

std::vector<std::byte> room(tensor_view const& t, tensor_type to) {
  return std::vector<std::byte>(static_cast<std::size_t>(byte_size(to, t.shape).value()));
}

std::vector<std::byte> quantized(tensor_view const& t, tensor_type to, unsigned threads,
                                 std::span<float const> importance = {}) {
  auto out = room(t, to);
  REQUIRE(quantize_tensor(formats, t, to, out, pool(threads), {.importance = importance}));
  return out;
}

std::string why(tensor_view const& t, tensor_type to, std::size_t bytes, quantize_options const& options = {}) {
  std::vector<std::byte> out(bytes);
  auto const done = quantize_tensor(formats, t, to, out, pool(2), options);
  return done ? "no error" : std::string(done.error().message());
}

TEST_CASE("a tensor is packed row by row, on any number of threads, to every type") {
  auto const weights = test::random_floats()(1280 * 21);
  auto const t = tensor(weights, {1280, 7, 3, 1});
  for (auto const& layout : type_layouts) {
    if (!can_pack(formats, layout.type)) continue;
    CAPTURE(layout.name);
    auto const one = quantized(t, layout.type, 1);
    for (unsigned const threads : {2u, 5u}) CHECK(quantized(t, layout.type, threads) == one);
    auto const row = tensor(weights, {1280, 1, 1, 1});
    auto const first = quantized({"t", row.type, 1, row.shape, t.data.first(1280 * 4)}, layout.type, 1);
    CHECK(std::memcmp(first.data(), one.data(), first.size()) == 0);
  }
}

TEST_CASE("every type can be the source, and the loss is that of unpacking again") {
  auto const weights = test::random_floats()(256 * 40);
  auto const t = tensor(weights, {256, 40, 1, 1});
  auto half = room(t, tensor_type::f16), packed = room(t, tensor_type::q4_k), again = packed;
  pool const threads(2);
  auto floats = room(t, tensor_type::f32);
  CHECK(quantize_tensor(formats, t, tensor_type::f32, floats, threads)->relative() == 0);
  auto const rounding = quantize_tensor(formats, t, tensor_type::f16, half, threads);
  REQUIRE(rounding);
  CHECK(rounding->relative() > 1e-5);
  CHECK(rounding->relative() < 1e-3);
  tensor_view const halves{"t", tensor_type::f16, 2, t.shape, half};
  auto const loss = quantize_tensor(formats, halves, tensor_type::q4_k, packed, threads);
  REQUIRE(loss);
  std::vector<float> before(weights.size()), after(weights.size());
  REQUIRE(unpack_tensor(formats, halves, before));
  REQUIRE(unpack_tensor(formats, {"t", tensor_type::q4_k, 2, t.shape, packed}, after));
  double error = 0, original = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    error += std::pow(static_cast<double>(after[i]) - static_cast<double>(before[i]), 2);
    original += std::pow(static_cast<double>(before[i]), 2);
  }
  CHECK(loss->relative() == doctest::Approx(std::sqrt(error / original)));
  CHECK(loss->relative() < 0.1);
  CHECK(loss->relative() > 0.01);
  // what is exact in a format stays so
  tensor_view const fours{"t", tensor_type::q4_k, 2, t.shape, packed};
  CHECK(quantize_tensor(formats, fours, tensor_type::f32, floats, threads)->relative() == 0);
  CHECK(std::memcmp(floats.data(), after.data(), floats.size()) == 0);
  std::vector<float> const zeros(256);
  CHECK(quantize_tensor(formats, tensor(zeros, {256, 1, 1, 1}), tensor_type::q4_k, std::span(again).first(144), threads)
            ->relative() == 0);
}

TEST_CASE("importance moves the errors to where they matter less, for each matrix by itself") {
  auto const weights = test::random_floats()(256 * 64 * 2);
  auto const t = tensor(weights, {256, 64, 2, 1});
  std::vector<float> importance(512, 1.0f);
  for (std::size_t i = 0; i < 128; ++i) importance[i] = importance[384 + i] = 100; // left, then right
  auto const flat = quantized(t, tensor_type::q4_k, 2), weighted = quantized(t, tensor_type::q4_k, 2, importance);
  CHECK(quantized(t, tensor_type::q4_k, 1, importance) == weighted);
  auto const error = [&](std::vector<std::byte> const& bytes, std::size_t matrix, std::size_t column) {
    std::vector<float> after(weights.size());
    REQUIRE(unpack_tensor(formats, {"t", tensor_type::q4_k, 3, t.shape, bytes}, after));
    double sum = 0;
    for (std::size_t row = 64 * matrix; row < 64 * (matrix + 1); ++row)
      for (std::size_t i = 256 * row + column; i < 256 * row + column + 128; ++i)
        sum += std::pow(static_cast<double>(after[i]) - static_cast<double>(weights[i]), 2);
    return sum;
  };
  CHECK(error(weighted, 0, 0) < error(flat, 0, 0));
  CHECK(error(weighted, 1, 128) < error(flat, 1, 128));
  // one importance for both matrices is that of the first, twice
  auto const both = quantized(t, tensor_type::q4_k, 2, std::span(importance).first(256));
  CHECK(std::memcmp(both.data(), weighted.data(), both.size() / 2) == 0);
  CHECK(std::memcmp(both.data(), weighted.data(), both.size()) != 0);
  CHECK(quantized(t, tensor_type::q8_0, 2, importance) == quantized(t, tensor_type::q8_0, 2)); // cannot weigh
}

TEST_CASE("every block gets the importance of its columns") {
  constexpr std::size_t columns = 1280, rows = 9; // a row is no whole number of pieces
  test::random_floats random;
  auto const weights = random(columns * rows);
  auto importance = random(columns);
  for (float& x : importance) x *= x;
  std::vector<std::byte> expected(columns * rows / 256 * q4_k::block_bytes);
  for (std::size_t i = 0; i < weights.size(); i += 256)
    q4_k::pack(weights.data() + i, importance.data() + i % columns, expected.data() + i / 256 * q4_k::block_bytes);
  CHECK(quantized(tensor(weights, {columns, rows, 1, 1}), tensor_type::q4_k, 2, importance) == expected);
}

TEST_CASE("what cannot be quantized is named") {
  auto weights = test::random_floats()(512 * 20);
  auto const t = tensor(weights, {512, 20, 1, 1});
  std::vector<float> const importance(511, 1.0f);
  CHECK(why(t, tensor_type::q2_0, 1) == "tensor t: no format for type Q2_0");
  CHECK(why(t, tensor_type::iq3_s, 1) == "tensor t: weights cannot be packed to IQ3_S");
  CHECK(why(t, tensor_type::q8_0, 1) == "tensor t: 10880 bytes as Q8_0, room for 1");
  CHECK(why(tensor(weights, {32, 4, 1, 1}), tensor_type::q6_k, 1) ==
        "tensor t: 32 columns are no multiple of the 256 in a block of Q6_K");
  CHECK(why(tensor(weights, {512, 21, 1, 1}), tensor_type::q8_0, 1) ==
        "tensor t: 40960 bytes are too few for 21 rows of 512");
  CHECK(why(t, tensor_type::q8_0, 10880, {.importance = importance}) ==
        "tensor t: importance of 511 columns, expected 512");
  std::atomic<bool> const cancel = true;
  CHECK(why(t, tensor_type::q8_0, 10880, {.importance = {}, .cancel = &cancel}) == "tensor t: cancelled");
  CHECK(why(t, tensor_type::q8_0, 10880) == "no error");
  weights[512 * 19 + 3] = 1e5f;
  CHECK(why(t, tensor_type::f16, 20480) == "tensor t: row 19 has a weight that is too large for F16");
  weights[512 * 9 + 3] = std::numeric_limits<float>::infinity();
  weights[512 * 17 + 3] = std::nanf("");
  CHECK(why(t, tensor_type::q8_0, 10880) == "tensor t: row 9 has a weight that is not finite");
}

} // namespace

} // namespace quant_quantize_test
