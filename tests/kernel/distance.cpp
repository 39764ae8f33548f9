/// \file
/// Distances on every target against their definition in plain C++, bit for bit.
#include <loquat/core/float16.hpp>
#include <loquat/kernel/bits.hpp>
#include <loquat/kernel/code_books.hpp>
#include <loquat/kernel/distance.hpp>
#include <loquat/kernel/distance_reference.hpp>

#include <doctest/doctest.h>
#include <support/random_rows.hpp>
#include <support/targets.hpp>

#include <string>
#include <type_traits>
#include <vector>

namespace kernel_distance_test {

namespace kernel = loquat::kernel;
namespace simd = loquat::simd;

using test::on_every_target;
using test::random_numbers;
using test::same_bits;

constexpr std::uint32_t numbers[]{3, 0, 7, 7, 2, 5, 1};
constexpr std::size_t rows = 8;

TEST_CASE("distances of floats are their definition, for every length and number of rows") {
  random_numbers random;
  for (std::size_t d : std::initializer_list<std::size_t>{1, 3, 15, 16, 17, 100, 384}) {
    std::vector<float> x(rows * d), q(d);
    std::vector<std::uint16_t> half(rows * d), brain(rows * d);
    for (float& v : x) v = random.real();
    for (float& v : q) v = random.real();
    for (std::size_t i = 0; i < x.size(); ++i)
      half[i] = loquat::half_from_float(x[i]), brain[i] = loquat::bfloat_from_float(x[i]);
    for (std::size_t n = 0; n <= std::size(numbers); ++n) {
      on_every_target<kernel::distances>([&](auto kernels) {
        float dots[8]{}, squares[8]{}, halves[8]{}, brains[8]{};
        kernel::row_list const list{x.data(), d * 4, numbers, n}, halved{half.data(), d * 2, numbers, n},
            brained{brain.data(), d * 2, numbers, n};
        using enum kernel::row_type;
        kernels.template measure<f32, kernel::row_measure::dot>(list, q.data(), d, dots);
        kernels.template measure<f32, kernel::row_measure::squares>(list, q.data(), d, squares);
        kernels.template measure<f16, kernel::row_measure::dot>(halved, q.data(), d, halves);
        kernels.template measure<bf16, kernel::row_measure::squares>(brained, q.data(), d, brains);
        for (std::size_t i = 0; i < n; ++i) {
          std::vector<float> row(x.begin() + static_cast<std::ptrdiff_t>(numbers[i] * d),
                                 x.begin() + static_cast<std::ptrdiff_t>(numbers[i] * d + d));
          CHECK(same_bits(dots[i], kernel::reference::dot(q, row)));
          CHECK(same_bits(squares[i], kernel::reference::squares(q, row)));
          std::vector<float> brain_row = row;
          for (float& v : row) v = loquat::float_from_half(loquat::half_from_float(v));
          for (float& v : brain_row) v = loquat::float_from_bfloat(loquat::bfloat_from_float(v));
          CHECK(same_bits(halves[i], kernel::reference::dot(q, row)));
          CHECK(same_bits(brains[i], kernel::reference::squares(q, brain_row)));
        }
        for (std::size_t i = n; i < 8; ++i) CHECK(dots[i] == 0); // nothing behind the end
      });
    }
  }
}

TEST_CASE("products of small integers are exact") {
  random_numbers random;
  for (std::size_t d : std::initializer_list<std::size_t>{32, 64, 128, 192, 384, 1024}) {
    std::vector<std::uint8_t> bytes(rows * d);
    for (auto& b : bytes) b = static_cast<std::uint8_t>(random() >> 32);
    std::vector<std::int16_t> q(d);
    std::vector<std::int8_t> small(d);
    auto const most = static_cast<std::int64_t>(0x7fffffff / (128 * d));
    for (std::size_t i = 0; i < d; ++i) {
      q[i] =
          static_cast<std::int16_t>(static_cast<std::int64_t>(random() >> 8) % (std::min<std::int64_t>(most, 32767)));
      if (i % 3 == 0) q[i] = static_cast<std::int16_t>(-q[i]);
      small[i] = static_cast<std::int8_t>(static_cast<int>(random() >> 40) % 255 - 127);
    }
    auto const check_packed = [&]<int Bits>(std::int8_t const* query, std::integral_constant<int, Bits>) {
      constexpr std::size_t fields = 8 / Bits, block = 32 * fields;
      if (d % block != 0) return;
      for (std::size_t n = 0; n <= std::size(numbers); ++n)
        on_every_target<kernel::distances>([&](auto kernels) {
          std::int32_t products[8]{};
          kernels.template packed_products<Bits>({bytes.data(), d / fields, numbers, n}, query, d, products);
          for (std::size_t i = 0; i < n; ++i) {
            std::int64_t expected = 0;
            for (std::size_t j = 0; j < d; ++j) {
              int const byte = bytes[numbers[i] * (d / fields) + j / block * 32 + j % 32];
              expected += (byte >> (j % block / 32 * Bits) & ((1 << Bits) - 1)) * query[j];
            }
            CHECK(products[i] == expected);
          }
          for (std::size_t i = n; i < 8; ++i) CHECK(products[i] == 0);
        });
    };
    auto const check = [&](std::int8_t const* query) {
      for (std::size_t n = 0; n <= std::size(numbers); ++n)
        on_every_target<kernel::distances>([&](auto kernels) {
          std::int32_t products[8]{};
          kernels.byte_products({bytes.data(), d, numbers, n}, q.data(), d, products);
          for (std::size_t i = 0; i < n; ++i) {
            std::int64_t expected = 0;
            for (std::size_t j = 0; j < d; ++j) expected += static_cast<std::int8_t>(bytes[numbers[i] * d + j]) * q[j];
            CHECK(products[i] == expected);
          }
          for (std::size_t i = n; i < 8; ++i) CHECK(products[i] == 0);
        });
      check_packed(query, std::integral_constant<int, 4>());
      check_packed(query, std::integral_constant<int, 2>());
    };
    check(small.data());
    std::fill(bytes.begin(), bytes.end(), std::uint8_t{0xff}); // sums as large as they get
    check(std::vector<std::int8_t>(d, 127).data());
    check(std::vector<std::int8_t>(d, -127).data());
  }
}

TEST_CASE("bits in common, apart and against planes are counted") {
  random_numbers random;
  for (std::size_t words : std::initializer_list<std::size_t>{1, 3, 8, 11}) {
    constexpr std::size_t planes = 5;
    std::vector<std::uint64_t> codes(rows * words), q(planes * words);
    for (auto& w : codes) w = random();
    for (auto& w : q) w = random();
    auto const check = [&](auto kernels) {
      constexpr std::size_t n = std::size(numbers);
      kernel::row_list const list{codes.data(), words * 8, numbers, n};
      std::int32_t apart[8]{}, common[16]{}, products[8]{};
      kernels.differences(list, q.data(), words, apart);
      kernels.commons(list, q.data(), words, common);
      kernels.planes(list, q.data(), planes, words, products);
      for (std::size_t i = 0; i < n; ++i) {
        int differ = 0, both = 0, either = 0, product = 0;
        for (std::size_t bit = 0; bit < words * 64; ++bit) {
          bool const a = (codes[numbers[i] * words + bit / 64] >> bit % 64 & 1) != 0,
                     b = (q[bit / 64] >> bit % 64 & 1) != 0;
          differ += a != b, both += a && b, either += a || b;
          int number = 0; // in two's complement
          for (std::size_t p = 0; p < planes; ++p)
            number += static_cast<int>(q[p * words + bit / 64] >> bit % 64 & 1) * (p + 1 == planes ? -16 : 1 << p);
          product += a ? number : 0;
        }
        CHECK(apart[i] == differ);
        CHECK(common[2 * i] == both);
        CHECK(common[2 * i + 1] == either);
        CHECK(products[i] == product);
      }
    };
    on_every_target<kernel::bit_counts>(check);
    kernel::count_bits(check);
  }
}

TEST_CASE("a code book's vectors are measured element by element") {
  random_numbers random;
  for (std::size_t d : std::initializer_list<std::size_t>{1, 3, 8}) {
    std::vector<float> book(256 * d), q(d);
    for (float& v : book) v = random.real();
    for (float& v : q) v = random.real();
    for (auto target : simd::all_targets) {
      if (target > simd::detect()) continue;
      CAPTURE(std::string(name(target)));
      std::vector<float> dots(256), squares(256);
      simd::dispatch<kernel::code_books>(target, [&](auto kernels) {
        kernels.template measure<kernel::row_measure::dot>(book.data(), q.data(), d, dots.data());
        kernels.template measure<kernel::row_measure::squares>(book.data(), q.data(), d, squares.data());
      });
      for (std::size_t c = 0; c < 256; ++c) {
        float dot = 0, square = 0;
        for (std::size_t i = 0; i < d; ++i) {
          float const x = book[i * 256 + c];
          dot = loquat::math::fma(q[i], x, dot), square = loquat::math::fma(q[i] - x, q[i] - x, square);
        }
        CHECK(same_bits(dots[c], dot));
        CHECK(same_bits(squares[c], square));
      }
    }
  }
}

} // namespace kernel_distance_test
