/// \file
/// Elementary functions against the C library, and the same bits at compile time and at run time.
#include <loquat/core/float16.hpp>
#include <loquat/core/math.hpp>
#include <loquat/core/pipe.hpp>
#include <loquat/core/version.hpp>

#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <ranges>

namespace core_math_test {

namespace math = loquat::math;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

struct triple {
  float a, b, c, fused;
};
// products and addends of similar size, a third of them cancelling
constexpr auto fused_at_compile_time = [] {
  std::array<triple, 500> out{};
  std::uint32_t state = 7;
  auto const next = [&state] {
    state = state * 1664525u + 1013904223u;
    std::uint32_t const exponent = 120 + (state >> 28);
    state = state * 1664525u + 1013904223u;
    return std::bit_cast<float>((state & 0x807fffffu) | exponent << 23);
  };
  for (std::size_t i = 0; i < out.size(); ++i) {
    auto& t = out[i];
    t.a = next(), t.b = next(), t.c = i % 3 == 0 ? -(t.a * t.b) : next();
    t.fused = math::fma(t.a, t.b, t.c);
  }
  return out;
}();

TEST_CASE("the fused multiply-add of constant expressions rounds once") {
  for (auto const& t : fused_at_compile_time) CHECK(t.fused == std::fma(t.a, t.b, t.c));
}

static_assert(math::sqrt(4.0f) == 2 && math::sqrt(0.0f) == 0 && math::sqrt(infinity) == infinity);
static_assert(math::sqrt(-1.0f) != math::sqrt(-1.0f));

TEST_CASE("the square root of constant expressions is correctly rounded") {
  constexpr auto number = [](std::size_t i) { return (static_cast<float>(i) + 1e-3f) * 1.37f; };
  constexpr auto roots = [=] {
    std::array<float, 300> out{};
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = math::sqrt(number(i));
    return out;
  }();
  for (std::size_t i = 0; i < roots.size(); ++i) CHECK(roots[i] == std::sqrt(number(i)));
}

TEST_CASE("tanh in float is within two units in the last place") {
  double worst = 0;
  for (float x = 1e-6f; x < 12; x *= 1.0001f) {
    double const exact = std::tanh(static_cast<double>(x));
    worst = std::max(worst, std::fabs(math::tanh(x) - exact) / std::ldexp(1.0, std::ilogb(exact) - 23));
    CHECK(math::tanh(-x) == -math::tanh(x));
  }
  CHECK(worst < 2);
  CHECK(math::tanh(0.0f) == 0);
  CHECK(math::tanh(1e-30f) == 1e-30f);
  CHECK(math::tanh(infinity) == 1);
  CHECK(math::tanh(-infinity) == -1);
  CHECK(std::isnan(math::tanh(std::numeric_limits<float>::quiet_NaN())));
}
static_assert(math::tanh(20.0f) == 1 && math::tanh(-20.0f) == -1);

TEST_CASE("exp in float is within one unit in the last place") {
  double worst = 0;
  for (float x = -87.33f; x < 88.72f; x += 0.0017f) {
    double const exact = std::exp(static_cast<double>(x));
    worst = std::max(worst, std::fabs(math::exp(x) - exact) / std::ldexp(1.0, std::ilogb(exact) - 23));
  }
  CHECK(worst < 1.0);
  CHECK(math::exp(0.0f) == 1);
  CHECK(math::exp(-88.0f) == 0);
  CHECK(math::exp(-infinity) == 0);
  CHECK(math::exp(89.0f) == infinity);
  CHECK(std::isnan(math::exp(std::numeric_limits<float>::quiet_NaN())));
}

TEST_CASE("exp and log in double are within 1e-15") {
  for (double x = -700; x < 700; x += 0.137) CHECK(std::fabs(math::exp(x) / std::exp(x) - 1) < 1e-15);
  for (double x = 1e-310; x < 1e300; x *= 1.37)
    CHECK(std::fabs(math::log(x) - std::log(x)) <= 1e-15 * std::max(1.0, std::fabs(std::log(x))));
  CHECK(math::exp(-1000.0) == 0);
  CHECK(std::isinf(math::exp(1000.0)));
  CHECK(math::log(1.0) == 0);
  CHECK(math::log(0.0) == -std::numeric_limits<double>::infinity());
  CHECK(std::isnan(math::log(-1.0)));
  CHECK(std::isinf(math::log(std::numeric_limits<double>::infinity())));
}

TEST_CASE("sine and cosine of turns are correctly rounded to float precision in every quadrant") {
  for (std::uint64_t turns = 0; turns < 0xff00000000000000u; turns += 0x0007f1234567891u * 64) {
    auto const got = math::sincos_turns(turns);
    long double const angle = static_cast<long double>(turns) * 6.283185307179586476925287L / 18446744073709551616.0L;
    CHECK(std::fabs(got.sine - static_cast<double>(sinl(angle))) < 6e-8);
    CHECK(std::fabs(got.cosine - static_cast<double>(cosl(angle))) < 6e-8);
  }
}

constexpr float exp_constant = math::exp(1.25f);
constexpr auto sincos_constant = math::sincos_turns(0x123456789abcdef0u);
constexpr double log_constant = math::log(10000.0);

TEST_CASE("run time and compile time give the same bits") {
  auto const hidden = [](auto x) {
    auto volatile y = x;
    return static_cast<decltype(x)>(y);
  };
  CHECK(math::exp(hidden(1.25f)) == exp_constant);
  CHECK(math::sincos_turns(hidden(std::uint64_t{0x123456789abcdef0u})).sine == sincos_constant.sine);
  CHECK(math::log(hidden(10000.0)) == log_constant);
}

static_assert(loquat::float_from_half(0x3c00) == 1 && loquat::float_from_half(0x0001) == 0x1p-24f);
static_assert(loquat::half_from_float(65519.0f) == 0x7bff && loquat::half_from_float(65520.0f) == 0x7c00);
static_assert(loquat::half_from_float(0x1p-25f) == 0 && loquat::half_from_float(0x1.8p-25f) == 1);
static_assert(loquat::bfloat_from_float(1.0f) == 0x3f80 && loquat::float_from_bfloat(0xc000) == -2);

TEST_CASE("every binary16 survives a round trip, and rounding is to the nearest even") {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    auto const half = static_cast<std::uint16_t>(bits);
    float const value = loquat::float_from_half(half);
    if (!std::isnan(value)) CHECK(loquat::half_from_float(value) == half);
    if (std::isfinite(value) && (bits & 0x7fffu) < 0x7bffu) { // half way to the next: to the even one
      float const next = loquat::float_from_half(static_cast<std::uint16_t>(bits + 1));
      CHECK(loquat::half_from_float((value + next) / 2) == half + (bits & 1));
    }
  }
  CHECK((loquat::half_from_float(std::nanf("")) & 0x7fff) > 0x7c00);
  CHECK(loquat::bfloat_from_float(std::bit_cast<float>(0x3f808000u)) == 0x3f80);
  CHECK(loquat::bfloat_from_float(std::bit_cast<float>(0x3f818000u)) == 0x3f82);
}

constexpr auto doubled =
    loquat::stage([](auto view) { return view | std::views::transform([](int x) { return 2 * x; }); });
constexpr auto first_two = loquat::stage([](auto view) { return view | std::views::take(2); });

constexpr bool stages_compose() {
  std::array<int, 3> const values{1, 2, 3};
  auto const both = doubled | first_two;
  int sum = 0;
  for (int x : values | both | doubled) sum += x;
  return sum == 4 + 8;
}
static_assert(stages_compose());
static_assert(loquat::version >= loquat::version_number{0, 1, 0});

} // namespace

} // namespace core_math_test
