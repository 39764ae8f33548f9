#pragma once
/// \file
/// Sixteen bytes at once, where every processor of the architecture can (x86-64): for text, whose loops are too short
/// to choose an instruction set at run time.

#include <cstring>

namespace loquat {

#if defined(__SSE2__)
inline constexpr bool has_bytes16 = true; ///< there is a `bytes16`

/// Sixteen bytes.
class bytes16 {
 public:
  [[gnu::always_inline]] explicit bytes16(char const* from) noexcept { std::memcpy(&bytes_, from, sizeof bytes_); }

  /// A bit for each byte from `low` to `high`, the first in the lowest.
  [[gnu::always_inline]] unsigned between(unsigned char low, unsigned char high) const noexcept {
    return bits(bytes_ - low <= static_cast<unsigned char>(high - low));
  }
  /// A bit for each byte that is that of `other` at the same place.
  [[gnu::always_inline]] unsigned equals(bytes16 const& other) const noexcept { return bits(bytes_ == other.bytes_); }
  /// A bit for each letter of ASCII.
  [[gnu::always_inline]] unsigned letters() const noexcept { return bits((bytes_ | 0x20) - 'a' <= 'z' - 'a'); }

 private:
  using vector = unsigned char __attribute__((vector_size(16)));
  using mask = char __attribute__((vector_size(16)));
  template <class Hits> [[gnu::always_inline]] static unsigned bits(Hits hits) noexcept {
    return static_cast<unsigned>(__builtin_ia32_pmovmskb128(reinterpret_cast<mask>(hits)));
  }
  vector bytes_;
};
#else
inline constexpr bool has_bytes16 = false; ///< there is none
class bytes16;
#endif

} // namespace loquat
