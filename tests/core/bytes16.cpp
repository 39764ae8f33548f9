#include <loquat/core/bytes16.hpp>

#include <doctest/doctest.h>

#include <array>

namespace core_bytes16_test {

namespace {

/// All bytes of a value, at every place between others.
template <class Bytes> void check() {
  if constexpr (loquat::has_bytes16) {
    for (int value = 0; value < 256; ++value)
      for (unsigned place = 0; place < 16; ++place) {
        std::array<char, 16> text{};
        text[place] = static_cast<char>(value);
        Bytes const bytes(text.data());
        bool const letter = (value >= 'a' && value <= 'z') || (value >= 'A' && value <= 'Z');
        CHECK(bytes.letters() == (letter ? 1u << place : 0u));
        CHECK(bytes.between('A', 'Z') == (value >= 'A' && value <= 'Z' ? 1u << place : 0u));
        CHECK(bytes.between(0xC2, 0xFF) == (value >= 0xC2 ? 1u << place : 0u));
      }
  }
}

} // namespace

TEST_CASE("bytes16: bits of the bytes of a kind") { check<loquat::bytes16>(); }

} // namespace core_bytes16_test
