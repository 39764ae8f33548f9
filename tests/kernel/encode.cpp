/// \file
/// What codes of vectors are made with, on every target: the same bits as plain C++.
#include <loquat/kernel/encode.hpp>
#include <loquat/kernel/rotation.hpp>

#include <doctest/doctest.h>
#include <support/random_rows.hpp>
#include <support/targets.hpp>

#include <cmath>
#include <vector>

namespace kernel_encode_test {

namespace kernel = loquat::kernel;
namespace simd = loquat::simd;

using test::on_every_target;
using test::same_bits;

// elements from -4 to 4
std::vector<float> random_vector(std::size_t n, std::uint64_t seed) {
  test::random_numbers random{seed};
  std::vector<float> x(n);
  for (float& v : x) v = 4 * random.real();
  return x;
}

constexpr kernel::integer_steps all_steps[]{{0, -127, 127}, {-7.5f, 0, 15}, {-1.5f, 0, 3}, {-0.5f, 0, 1}};

TEST_CASE("integers of vectors are their definition, for every length") {
  for (std::size_t n : std::initializer_list<std::size_t>{1, 2, 15, 16, 17, 31, 32, 33, 100, 384}) {
    auto x = random_vector(n, n);
    x[n / 2] = 0, x[n - 1] = n % 2 != 0 ? -4.0f : 4.0f; // largest
    std::size_t const padded = (n + 31) / 32 * 32;
    on_every_target<kernel::encoders>([&](auto kernels) {
      CHECK(kernels.largest(x.data(), n) == 4.0f);
      for (auto const& steps : all_steps)
        for (float const cut : {1.0f, 0.6f}) {
          float const inverse = (steps.high + steps.offset) / (4.0f * cut);
          auto const fit = kernels.fit(x.data(), n, inverse, steps),
                     expected = kernel::reference::fit(x, inverse, steps);
          CHECK(same_bits(fit.product, expected.product));
          CHECK(same_bits(fit.square, expected.square));
          std::vector<std::int8_t> out(padded);
          kernels.to_steps(x.data(), n, inverse, steps, out.data());
          for (std::size_t i = 0; i < n; ++i) REQUIRE(out[i] == kernel::reference::step_of(x[i], inverse, steps));
        }
      std::vector<std::int8_t> bytes(padded, std::int8_t{99});
      std::vector<std::int16_t> words(padded, std::int16_t{99});
      auto const of_bytes = kernels.round(x.data(), n, 127.0f / 4, bytes.data());
      auto const of_words = kernels.round(x.data(), n, 32767.0f / 4, words.data());
      std::int32_t byte_sum = 0, word_sum = 0;
      for (std::size_t i = 0; i < padded; ++i) {
        REQUIRE(bytes[i] == (i < n ? loquat::math::nearest(x[i] * (127.0f / 4)) : 0));
        REQUIRE(words[i] == (i < n ? loquat::math::nearest(x[i] * (32767.0f / 4)) : 0));
        byte_sum += bytes[i], word_sum += words[i];
      }
      CHECK(of_bytes == byte_sum);
      CHECK(of_words == word_sum);
    });
  }
}

TEST_CASE("ties and ends of steps") {
  using kernel::reference::step_of;
  static_assert(step_of(7.5f, 1, {-7.5f, 0, 15}) == 15 && step_of(-7.5f, 1, {-7.5f, 0, 15}) == 0);
  static_assert(step_of(9, 1, {-7.5f, 0, 15}) == 15 && step_of(-9, 1, {-7.5f, 0, 15}) == 0);
  static_assert(step_of(0.25f, 1, {-7.5f, 0, 15}) == 8 && step_of(-0.25f, 1, {-7.5f, 0, 15}) == 7);
  static_assert(step_of(1e-3f, 1, {-0.5f, 0, 1}) == 1 && step_of(-1e-3f, 1, {-0.5f, 0, 1}) == 0);
  static_assert(step_of(2.5f, 1, {0, -127, 127}) == 2 && step_of(-200, 1, {0, -127, 127}) == -127);
}

TEST_CASE("the steps of rotations are their definition, and keep lengths") {
  for (std::size_t n : std::initializer_list<std::size_t>{1, 2, 4, 8, 16, 32, 256, 1024}) {
    auto const x = random_vector(n, n + 7), signs = [&] {
      auto s = random_vector(n, n + 99);
      for (float& v : s) v = v < 0 ? -1.0f : 1.0f;
      return s;
    }();
    float const scale = 1 / std::sqrt(static_cast<float>(n));
    auto const all = [&](auto const& steps, std::vector<float>& v) {
      steps.flip(v.data(), signs.data(), n);
      steps.hadamard(v.data(), n, scale);
      if (n % 2 == 0) steps.turn(v.data(), v.data() + n / 2, n / 2, false);
    };
    auto expected = x;
    all(kernel::reference::rotations{}, expected);
    double before = 0, after = 0;
    for (float const v : x) before += static_cast<double>(v) * static_cast<double>(v);
    for (float const v : expected) after += static_cast<double>(v) * static_cast<double>(v);
    CHECK(after == doctest::Approx(before).epsilon(1e-5));
    on_every_target<kernel::rotations>([&](auto kernels) {
      auto turned = x;
      all(kernels, turned);
      for (std::size_t i = 0; i < n; ++i) REQUIRE(same_bits(turned[i], expected[i]));
      if (n % 2 == 0) { // and back
        kernels.turn(turned.data(), turned.data() + n / 2, n / 2, true);
        auto again = expected;
        kernel::reference::rotations::turn(again.data(), again.data() + n / 2, n / 2, true);
        for (std::size_t i = 0; i < n; ++i) REQUIRE(same_bits(turned[i], again[i]));
      }
    });
  }
}

} // namespace kernel_encode_test
