#pragma once
/// \file
/// Elementary functions with the same bits everywhere: in constant expressions, on every CPU, under every optimisation
/// flag but `-ffast-math`. The C library's `exp`, `sin`, … differ between systems, and a compiler may contract `a * b +
/// c` into a fused multiply-add where the target has one; here float code fuses explicitly (`fma`) and double code is
/// marked `LOQUAT_NO_CONTRACT`. The vector kernels evaluate the same formulas (`kernel/body/exp.inl.hpp`).

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

#if defined(__clang__)
#  define LOQUAT_NO_CONTRACT _Pragma("clang fp contract(off)")
#  define LOQUAT_NO_CONTRACT_FUNCTION
#elif defined(__GNUC__)
#  define LOQUAT_NO_CONTRACT
#  define LOQUAT_NO_CONTRACT_FUNCTION __attribute__((optimize("fp-contract=off")))
#else
#  define LOQUAT_NO_CONTRACT
#  define LOQUAT_NO_CONTRACT_FUNCTION
#endif

/// Elementary functions, bit-identical everywhere.
namespace loquat::math {

inline constexpr double pi = 3.141592653589793238462643383279502884; ///< π

/// a · b + c with one rounding.
constexpr float fma(float a, float b, float c) noexcept {
#if !defined(__wasm__) // has no such instruction, and its C library rounds twice
  if (!std::is_constant_evaluated()) return __builtin_fmaf(a, b, c);
#endif
  // The product of two floats is exact in double. Rounding the sum to odd keeps the second rounding innocuous
  // (S. Boldo, G. Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
  double const product = static_cast<double>(a) * static_cast<double>(b);
  double const addend = static_cast<double>(c);
  double sum = product + addend;
  if (sum - sum == 0) { // finite
    double const from_addend = sum - product;
    double const rest = (product - (sum - from_addend)) + (addend - from_addend);
    auto const bits = std::bit_cast<std::uint64_t>(sum);
    if (rest != 0 && (bits & 1) == 0) sum = std::bit_cast<double>((rest > 0) == (sum > 0) ? bits + 1 : bits - 1);
  }
  return static_cast<float>(sum);
}

/// x rounded to the nearest integer, ties to even; 0 for NaN and beyond ±2^20.
constexpr int nearest(float x) noexcept {
  if (!(x > -0x1p20f && x < 0x1p20f)) return 0;
  double const wide = static_cast<double>(x); // in float a compiler could fuse the addition with what x comes from
  int const away = static_cast<int>(wide + (x < 0 ? -0.5 : 0.5));
  bool const tie = away - wide == 0.5 || wide - away == 0.5;
  return tie ? away / 2 * 2 : away;
}

/// √x, correctly rounded; NaN for negative x.
constexpr float sqrt(float x) noexcept {
  if (!std::is_constant_evaluated()) return __builtin_sqrtf(x);
  if (!(x > 0) || x > std::numeric_limits<float>::max())
    return x == 0 || x > 0 ? x : std::numeric_limits<float>::quiet_NaN();
  double const wide = static_cast<double>(x);
  double root = wide > 1 ? wide : 1;
  for (double next = 0.5 * (root + wide / root); next < root; next = 0.5 * (root + wide / root)) root = next;
  return static_cast<float>(root); // 53 bits are more than 2 · 24 + 2: the second rounding is harmless
}

/// Constants of `exp(float)`, shared with the vector kernels: n = round(x / ln 2), then a polynomial in x − n · ln 2.
/// Minimax on |r| ≤ ln 2 / 2; largest error below 1 ulp.
struct exp_constants {
  static constexpr float log2_e = 1.44269504f, magic = 12582912.0f; // 1.5 · 2^23: adding it rounds to an integer
  static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
  static constexpr float lowest = -87.3365448f, highest = 88.7228394f; // beyond: 0 and infinity
  static constexpr float c2 = 0.5f, c3 = 1.6666665459e-1f, c4 = 4.1665795894e-2f, c5 = 8.3334519073e-3f,
                         c6 = 1.3981999507e-3f, c7 = 1.9875691500e-4f;
};

/// eˣ in float: 0 below −87.34 (no subnormal results), infinity above 88.72, NaN for NaN.
constexpr float exp(float x) noexcept {
  using k = exp_constants;
  if (!(x >= k::lowest)) return x < k::lowest ? 0.0f : x;
  if (x > k::highest) return std::numeric_limits<float>::infinity();
  float const shifted = fma(x, k::log2_e, k::magic);
  float const n = shifted - k::magic;
  float r = fma(n, -k::ln2_high, x);
  r = fma(n, -k::ln2_low, r);
  float p = fma(k::c7, r, k::c6);
  p = fma(p, r, k::c5);
  p = fma(p, r, k::c4);
  p = fma(p, r, k::c3);
  p = fma(p, r, k::c2);
  float const y = fma(r * r, p, r) + 1.0f;
  // 2ⁿ in two factors, because n reaches 128
  auto const exponent = static_cast<std::int32_t>(n);
  auto const power = [](std::int32_t e) { return std::bit_cast<float>((e + 127) << 23); };
  return y * power(exponent >> 1) * power(exponent - (exponent >> 1));
}

/// Constants of `tanh(float)`, shared with the vector kernels: minimax of (tanh x / x − 1) / x² in x² below `small`.
struct tanh_constants {
  static constexpr float small = 0.625f;
  static constexpr float c0 = -0.33333281f, c1 = 0.13331442f, c2 = -0.053739715f, c3 = 0.020639084f, c4 = -0.005704984f;
};

/// tanh x in float, error at most 1.34 units in the last place (every float was tried): an odd polynomial below 0.625,
/// beyond it 1 − 2 / (e²ˣ + 1); NaN for NaN.
constexpr float tanh(float x) noexcept {
  using k = tanh_constants;
  float const magnitude = x < 0 ? -x : x;
  if (magnitude < k::small) {
    float const square = x * x;
    float p = fma(k::c4, square, k::c3);
    p = fma(p, square, k::c2);
    p = fma(p, square, k::c1);
    p = fma(p, square, k::c0);
    return fma(x * square, p, x);
  }
  float const t = 1.0f - 2.0f / (exp(magnitude + magnitude) + 1.0f);
  return x < 0 ? -t : t;
}

/// Constants of `gelu(float)`, shared with the vector kernels: with u = 1 / (1 + c |x|), Φ(−|x|) · exp(x² / 2) as a
/// polynomial in u without a constant, fitted so that its largest error times exp(−x² / 2) is 4e-9.
struct gelu_constants {
  static constexpr float c = 0.25f;
  static constexpr float c1 = 0.0988015985f, c2 = 0.112369126f, c3 = 0.0240619376f, c4 = 0.282793686f,
                         c5 = -0.268897448f, c6 = 0.342742822f, c7 = -0.0918717255f;
};

/// x · Φ(x) in float, Φ the standard normal distribution; absolute error below 2e-7 · max(|x|, 1), NaN for NaN.
constexpr float gelu(float x) noexcept {
  using k = gelu_constants;
  float const magnitude = x < 0 ? -x : x;
  float const u = 1.0f / fma(magnitude, k::c, 1.0f);
  float p = fma(k::c7, u, k::c6);
  p = fma(p, u, k::c5);
  p = fma(p, u, k::c4);
  p = fma(p, u, k::c3);
  p = fma(p, u, k::c2);
  p = fma(p, u, k::c1);
  float const tail = p * u * exp(x * x * -0.5f); // Φ(−|x|)
  return x < 0 ? x * tail : fma(-x, tail, x);
}

/// 1 / (1 + e⁻ˣ).
constexpr float sigmoid(float x) noexcept { return 1.0f / (1.0f + exp(-x)); }

/// Constants of `softplus(float)`, shared with the vector kernels: minimax of (2 atanh(s) / s − 2) / s² in s², s ≤ 1/3.
struct softplus_constants {
  static constexpr float c0 = 0.6666642f, c1 = 0.40021527f, c2 = 0.280018f, c3 = 0.28012007f;
};

/// log(1 + eˣ) in float, as max(x, 0) + log(1 + z) with z = e^−|x| and log(1 + z) = 2 atanh(z / (2 + z)); relative
/// error below 4e-7 where eˣ is a normal number; NaN for NaN.
constexpr float softplus(float x) noexcept {
  using k = softplus_constants;
  float const z = exp(x < 0 ? x : -x);
  float const s = z / (2.0f + z), square = s * s;
  float p = fma(k::c3, square, k::c2);
  p = fma(p, square, k::c1);
  p = fma(p, square, k::c0);
  p = fma(p, square, 2.0f);
  return fma(s, p, 0.0f > x ? 0.0f : x);
}

/// eˣ in double, relative error below 1e-15; 0 below −708, infinity above 709.
LOQUAT_NO_CONTRACT_FUNCTION constexpr double exp(double x) noexcept {
  LOQUAT_NO_CONTRACT
  if (!(x >= -708)) return x < -708 ? 0.0 : x;
  if (x > 709) return std::numeric_limits<double>::infinity();
  auto const n = static_cast<std::int64_t>(x * 1.4426950408889634 + (x < 0 ? -0.5 : 0.5));
  double const r =
      (x - static_cast<double>(n) * 0.693147180369123816490) - static_cast<double>(n) * 1.90821492927058770002e-10;
  double sum = 1;
  for (int k = 13; k > 0; --k) sum = 1 + sum * r / k;
  return sum * std::bit_cast<double>((n + 1023) << 52);
}

/// Natural logarithm in double, relative error below 1e-15; −infinity for 0, NaN for negative x.
LOQUAT_NO_CONTRACT_FUNCTION constexpr double log(double x) noexcept {
  LOQUAT_NO_CONTRACT
  if (!(x > 0)) return x == 0 ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  if (x > std::numeric_limits<double>::max()) return x;
  int extra = 0;
  if (x < std::numeric_limits<double>::min()) x *= 18014398509481984.0, extra = -54; // subnormal
  auto bits = std::bit_cast<std::uint64_t>(x);
  auto exponent = static_cast<int>(bits >> 52) - 1023 + extra;
  double m = std::bit_cast<double>((bits & 0xfffffffffffffu) | 0x3ff0000000000000u);
  if (m > 1.4142135623730951) m *= 0.5, ++exponent;
  double const s = (m - 1) / (m + 1), s2 = s * s; // log m = 2 atanh s
  double sum = 0;
  for (int k = 23; k > 0; k -= 2) sum = sum * s2 + 1.0 / k;
  return exponent * 1.90821492927058770002e-10 + 2 * s * sum + exponent * 0.693147180369123816490;
}

/// A sine and a cosine.
struct sine_cosine {
  float sine, cosine;
};

/// Sine and cosine of an angle in fractions of a full turn, 2⁶⁴ being one turn. Multiplying such a frequency by a
/// position wraps around exactly, so the range reduction of a rotary embedding is exact at every position.
LOQUAT_NO_CONTRACT_FUNCTION constexpr sine_cosine sincos_turns(std::uint64_t turns) noexcept {
  LOQUAT_NO_CONTRACT
  std::uint64_t const quadrant = (turns + (std::uint64_t{1} << 61)) >> 62;
  auto const offset = static_cast<std::int64_t>(turns - (quadrant << 62)); // −1/8 … 1/8 turn
  double const x = static_cast<double>(offset) * (2 * pi / 18446744073709551616.0), x2 = x * x;
  double s = 0, c = 0;
  for (int k = 14; k > 0; k -= 2) {
    s = (1 + s) * (-x2 / (k * (k + 1)));
    c = (1 + c) * (-x2 / (k * (k - 1)));
  }
  auto const sine = static_cast<float>(x + x * s), cosine = static_cast<float>(1 + c);
  switch (quadrant & 3) {
  case 0:
    return {sine, cosine};
  case 1:
    return {cosine, -sine};
  case 2:
    return {-sine, -cosine};
  default:
    return {-cosine, sine};
  }
}

} // namespace loquat::math
