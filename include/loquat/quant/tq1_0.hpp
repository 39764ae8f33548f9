/// \file
/// TQ1_0: 256 ternary weights and a binary16 scale d; weight = d · (q − 1). 1.6875 bits per weight. A byte holds five
/// digits q of base 3 as the fraction byte/256, the highest first: digit n is the integral part of three times the
/// fraction of 3^n · byte/256. Digit n of 32 bytes are weights 32n … 32n + 31; of 16 more, weights 160 + 16n …; of the
/// last four, which have four digits, weights 240 + 4n …. Part one is the format, part two its load for the kernels.
#ifndef LOQUAT_QUANT_TQ1_0_HPP
#define LOQUAT_QUANT_TQ1_0_HPP

#include <loquat/quant/integer_block.hpp>
#include <loquat/quant/ternary.hpp>

namespace loquat {
namespace detail {

// 3^n for the digits of the last three times 32 weights, one per two of them
inline constexpr auto tq1_0_powers = [] {
  std::array<std::array<std::uint16_t, 16>, 3> powers{};
  std::uint16_t power = 1;
  for (std::size_t n = 0; n < 5; ++n, power = static_cast<std::uint16_t>(power * 3)) {
    for (std::size_t i = 0; i < 8; ++i) powers[n / 2][n % 2 * 8 + i] = power;
    for (std::size_t i = 0; n < 4 && i < 2; ++i) powers[2][8 + n * 2 + i] = power;
  }
  return powers;
}();

} // namespace detail

/// Ternary weights, five in a byte, one scale per 256.
struct tq1_0 {
  static constexpr tensor_type type = tensor_type::tq1_0;
  static constexpr std::string_view name = "TQ1_0";
  static constexpr std::size_t block_length = 256, block_bytes = 54;
  static constexpr integer_layout integer{.group = 256, .activations = 256, .highest = 2, .offset = 1};
  static constexpr std::size_t scale_at = 52;

  static constexpr float scale(std::byte const* block) noexcept { return detail::load_half(block + 52); }
  static constexpr void quants(std::byte const* block, std::int8_t* q) noexcept {
    auto const digits = [&](std::size_t bytes, unsigned count) {
      for (unsigned n = 0, power = 1; n < count; ++n, power *= 3)
        for (std::size_t i = 0; i < bytes; ++i)
          *q++ = static_cast<std::int8_t>((std::to_integer<unsigned>(block[i]) * power & 255) * 3 >> 8);
      block += bytes;
    };
    digits(32, 5);
    digits(16, 5);
    digits(4, 4);
  }
  static constexpr void unpack(std::byte const* block, float* weights) noexcept {
    unpack_integers<tq1_0>(block, weights);
  }
  /// The scale of least squared error.
  static constexpr void pack(float const* weights, std::byte* block) noexcept {
    detail::store_u16(block + 52, detail::finite_half(detail::fit_ternary_scale(weights)));
    float const per_scale = detail::inverse(scale(block));
    auto const digits = [&](std::size_t bytes, std::size_t count) {
      for (std::size_t i = 0; i < bytes; ++i) {
        unsigned number = 0; // of five digits
        for (std::size_t n = 0; n < 5; ++n)
          number = number * 3 + (n < count ? detail::ternary_digit(weights[n * bytes + i], per_scale) : 0);
        block[i] = static_cast<std::byte>((number * 256 + 242) / 243); // up: what comes back is rounded down
      }
      weights += bytes * count;
      block += bytes;
    };
    digits(32, 5);
    digits(16, 5);
    digits(4, 4);
  }
};

} // namespace loquat

#endif
#ifdef LOQUAT_VECTORS
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {
LOQUAT_INLINE i8x32 load_quants(tq1_0, std::byte const* block, std::size_t step) noexcept {
  i8x32 const excess = broadcast_byte(-128); // three times 128 is 128 again
  if (step < 5) {
    i8x32 fractions = minus(load_bytes(block), excess);
    LOQUAT_UNROLL
    for (std::size_t n = 0; n < step; ++n) fractions = plus(plus(fractions, fractions), fractions);
    return ternary_digits(fractions);
  }
  std::uint64_t const a = loquat::detail::load_u64(block + 32), b = loquat::detail::load_u64(block + 40);
  std::uint64_t const last = loquat::detail::load_u32(block + 48), twice = last | last << 32;
  i8x32 const bytes = minus(step < 7 ? from_u64(a, b, a, b) : from_u64(a, b, twice, twice), excess);
  return ternary_digits(byte_products(bytes, as_words(load_bytes(loquat::detail::tq1_0_powers[step - 5].data()))));
}
} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
#endif
