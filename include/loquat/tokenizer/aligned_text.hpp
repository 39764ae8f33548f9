#pragma once
/// \file
/// A text under way through normalizers and pre-tokenizers: its bytes now and, where somebody wants offsets, of which
/// bytes of the original each of them is made.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace loquat {

/// A half-open range of bytes.
struct byte_range {
  std::uint32_t begin = 0, end = 0;
  constexpr std::uint32_t size() const noexcept { return end - begin; } ///< in bytes
  friend constexpr bool operator==(byte_range const&, byte_range const&) = default;
};

/// Bytes and, for each of them if `aligned()`, the range of the original that its character stands for: what a
/// character is replaced with takes its range, what is put before it takes that of the character before (nothing at the
/// front), as Hugging Face tokenizers have it. Buffers are kept from text to text.
class aligned_text {
 public:
  constexpr std::string_view bytes() const noexcept { return {bytes_.data(), bytes_.size()}; } ///< the text now
  constexpr std::size_t size() const noexcept { return bytes_.size(); }                        ///< in bytes
  constexpr bool aligned() const noexcept { return aligned_; } ///< whether origins are kept
  /// Of which bytes of the original byte `i` is made; nothing sensible unless `aligned()`.
  constexpr byte_range origin(std::size_t i) const noexcept { return origins_[i]; }

  /// Empties it. `aligned`: keep origins from now on.
  constexpr void clear(bool aligned) {
    bytes_.clear();
    origins_.clear();
    aligned_ = aligned;
  }
  /// Appends `text`, of the original from byte `at` on; each byte has the range of its character if `text` is UTF-8 and
  /// this is called character by character, else of itself.
  constexpr void append(std::string_view text, byte_range origin) {
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    if (aligned_) origins_.insert(origins_.end(), text.size(), origin);
  }
  /// Exchanges contents: how a step writes its result into a second text and hands it over.
  constexpr void swap(aligned_text& other) noexcept {
    bytes_.swap(other.bytes_);
    origins_.swap(other.origins_);
    bool const mine = aligned_;
    aligned_ = other.aligned_;
    other.aligned_ = mine;
  }

 private:
  std::vector<char> bytes_;
  std::vector<byte_range> origins_;
  bool aligned_ = false;
};

} // namespace loquat
