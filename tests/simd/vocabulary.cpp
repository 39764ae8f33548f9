/// \file
/// The float vocabulary of every target against its definition, on the numbers where conversions, fused multiply-adds
/// and maxima differ between instruction sets: subnormals, ties, infinities, NaN.
#include <loquat/core/float16.hpp>
#include <loquat/simd/targets.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace simd = loquat::simd;

namespace {

template <simd::target> struct operations;

} // namespace

#define LOQUAT_KERNEL_FILE <simd/vocabulary.inl.hpp>
#include <loquat/simd/foreach_target.hpp>

namespace {

using limits = std::numeric_limits<float>;

// f(operations) for every target of this machine
template <class F> void on_every_target(F f) {
  for (auto target : simd::all_targets)
    if (target <= simd::detect()) {
      CAPTURE(std::string(name(target)));
      simd::dispatch<operations>(target, f);
    }
}

// how many are not the same bits; any NaN is as good as another
std::size_t differences(std::vector<float> const& a, std::vector<float> const& b) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    count += std::isnan(b[i]) ? !std::isnan(a[i]) : std::memcmp(&a[i], &b[i], sizeof(float)) != 0;
  return count;
}

// any bits, the same every time
struct random_bits {
  std::uint32_t state = 1;
  std::uint32_t operator()() {
    state = state * 1664525u + 1013904223u;
    return (state >> 16) * 65537u ^ state;
  }
};

std::vector<float> awkward() {
  std::vector<float> x{0.0f,
                       limits::denorm_min(),
                       3 * limits::denorm_min(),
                       limits::min() / 2,
                       limits::min(),
                       0.5f,
                       1.0f,
                       1.0f + limits::epsilon(),
                       1.5f,
                       2.5f,
                       126.5f,
                       65504.0f,
                       65519.9f,
                       65520.0f,
                       limits::max(),
                       limits::infinity(),
                       limits::quiet_NaN()};
  for (std::size_t i = 0, n = x.size(); i < n; ++i) x.push_back(-x[i]);
  return x;
}

TEST_CASE("a fused multiply-add rounds once on every target") {
  std::vector<float> a, b, c, expected;
  auto const add = [&](float x, float y, float z) {
    a.push_back(x), b.push_back(y), c.push_back(z);
    expected.push_back(loquat::math::fma(x, y, z));
  };
  for (float x : awkward())
    for (float y : awkward())
      for (float z : awkward()) add(x, y, z);
  random_bits random;
  for (int i = 0; i < 20'000; ++i) {
    add(std::bit_cast<float>(random()), std::bit_cast<float>(random()), std::bit_cast<float>(random()));
    // in double these sums are in the middle between two floats, and then the error of the sum decides
    int const tiny = static_cast<int>(random() % 2000) - 1000, exponent = static_cast<int>(random() % 250) - 125;
    float const odd = std::ldexp(static_cast<float>(random() % (1 << 23) + (1 << 23)), exponent - 23);
    float const near_one = 1.0f + static_cast<float>(tiny) * limits::epsilon();
    float const half_step = (2.0f - near_one) * std::ldexp(i % 2 != 0 ? 1.0f : -1.0f, exponent - 24);
    add(near_one, half_step, odd);
    // subnormal results, where floats are farther apart
    float const subnormal = std::bit_cast<float>(random() & 0x807fffff);
    add(near_one, half_step, subnormal);
    add(near_one * 0x1p-70f, (2.0f - near_one) * 0x1p-80f, subnormal);
  }
  while (a.size() % 16 != 0) add(1, 1, 1);
  std::vector<float> out(a.size());
  on_every_target([&](auto target) {
    target.fma(a.data(), b.data(), c.data(), out.data(), out.size());
    CHECK(differences(out, expected) == 0);
  });
}

TEST_CASE("math::fma rounds once where a compiler evaluates it, and where the machine does") {
  constexpr auto at_compile_time = loquat::math::fma(1 + 0x1p-23f, (1 - 0x1p-23f) * 0x1p-24f, 1.0f); // below the middle
  static_assert(at_compile_time == 1.0f);
  constexpr auto subnormal = loquat::math::fma(0x1p-75f, 0x1p-75f * (1 + 0x1p-23f), limits::denorm_min());
  static_assert(subnormal == 2 * limits::denorm_min()); // above the middle
  float const volatile one = 1;
  CHECK(loquat::math::fma((1 + 0x1p-23f) * one, (1 - 0x1p-23f) * 0x1p-24f, 1.0f) == at_compile_time);
  CHECK(loquat::math::fma(0x1p-75f * one, 0x1p-75f * (1 + 0x1p-23f), limits::denorm_min()) == subnormal);
}

TEST_CASE("a maximum is the second number where it is not less, or where one is no number") {
  std::vector<float> a, b;
  for (float x : awkward())
    for (float y : awkward()) a.push_back(x), b.push_back(y);
  while (a.size() % 16 != 0) a.push_back(0), b.push_back(0);
  std::vector<float> expected(a.size()), out(a.size()), largest(a.size() / 16), sums(a.size() / 16);
  using definition = operations<simd::target::scalar>;
  for (std::size_t i = 0; i < a.size(); ++i) expected[i] = a[i] > b[i] ? a[i] : b[i];
  auto expected_largest = largest, expected_sums = sums;
  definition::reduce(a.data(), expected_largest.data(), expected_sums.data(), a.size());
  on_every_target([&](auto target) {
    target.max(a.data(), b.data(), out.data(), out.size());
    CHECK(differences(out, expected) == 0);
    target.reduce(a.data(), largest.data(), sums.data(), a.size());
    CHECK(differences(largest, expected_largest) == 0);
    CHECK(differences(sums, expected_sums) == 0);
  });
}

TEST_CASE("every half becomes the same float on every target") {
  std::vector<std::uint16_t> halves;
  std::vector<float> expected;
  for (std::uint32_t h = 0; h < 0x10000; ++h) {
    halves.push_back(static_cast<std::uint16_t>(h));
    expected.push_back(loquat::float_from_half(halves.back()));
  }
  std::vector<float> out(halves.size());
  on_every_target([&](auto target) {
    target.from_f16(halves.data(), out.data(), out.size());
    CHECK(std::memcmp(out.data(), expected.data(), out.size() * sizeof(float)) == 0); // bits of NaNs as well
  });
}

TEST_CASE("floats round to the nearest integers, ties to even, and what is no number to 0") {
  std::vector<float> x{limits::quiet_NaN(), -limits::quiet_NaN()};
  for (int i = -508; i <= 508; ++i)
    for (float f : {static_cast<float>(i) / 4, std::nextafter(static_cast<float>(i) / 4, 0.0f)}) x.push_back(f);
  while (x.size() % 16 != 0) x.push_back(0);
  std::vector<std::int8_t> expected, out(x.size());
  for (float f : x) expected.push_back(static_cast<std::int8_t>(std::isnan(f) ? 0 : std::nearbyint(f)));
  std::vector<float> wide;
  for (float f : x) wide.push_back(f * 258); // to ±32766
  for (int i = 0; i < 8; ++i) wide.push_back(limits::infinity()), wide.push_back(-limits::infinity());
  std::vector<std::int16_t> expected_words, words(wide.size());
  for (float f : wide) expected_words.push_back(static_cast<std::int16_t>(std::isfinite(f) ? std::nearbyint(f) : 0));
  on_every_target([&](auto target) {
    target.nearest_i8(x.data(), out.data(), out.size());
    CHECK(out == expected);
    target.nearest_i16(wide.data(), words.data(), words.size());
    CHECK(words == expected_words);
  });
}

TEST_CASE("floats round to binary16 and back, and lanes are chosen by what is less") {
  std::vector<float> x{0.0f, -0.0f, limits::infinity(), -limits::infinity(), 65519.0f, 65520.0f, 1e-8f, 6e-8f};
  for (int i = -500; i < 500; ++i) x.push_back(std::ldexp(1.0f + static_cast<float>(i * 37 % 4096) / 4096, i % 24));
  while (x.size() % 16 != 0) x.push_back(0);
  std::vector<float> reversed(x.rbegin(), x.rend()), rounded(x.size()), least(x.size()), out(x.size());
  reversed[0] = limits::quiet_NaN(); // nothing is less than it
  for (std::size_t i = 0; i < x.size(); ++i) {
    rounded[i] = loquat::float_from_half(loquat::half_from_float(x[i]));
    least[i] = x[i] < reversed[i] ? x[i] : reversed[i];
  }
  on_every_target([&](auto target) {
    target.round_to_half(x.data(), out.data(), out.size());
    CHECK(std::memcmp(out.data(), rounded.data(), out.size() * sizeof(float)) == 0);
    target.select_less(x.data(), reversed.data(), out.data(), out.size());
    CHECK(std::memcmp(out.data(), least.data(), out.size() * sizeof(float)) == 0);
  });
}

TEST_CASE("fewer than sixteen lanes touch nothing else") {
  std::vector<float> a(16);
  for (std::size_t i = 0; i < 16; ++i) a[i] = static_cast<float>(i + 1);
  on_every_target([&](auto target) {
    for (std::size_t n = 1; n < 16; ++n) {
      CAPTURE(n);
      std::vector<float> out(32, -1.0f), expected(32, -1.0f), source(a.data(), a.data() + n);
      for (std::size_t i = 0; i < n; ++i) expected[i] = a[i];
      for (std::size_t i = 0; i < 16; ++i) expected[16 + i] = i < n ? a[i] : 0.0f;
      target.some(source.data(), out.data(), n);
      CHECK(out == expected);
    }
  });
}

} // namespace
