#pragma once
/// \file
/// A text under way through normalizers and pre-tokenizers: its bytes now and, where somebody wants offsets, of which
/// bytes of the original each of them is made.

#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/normalize/skip.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
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
/// front), as Hugging Face tokenizers have it. ASCII of which all bytes are in their places has no list of them.
/// Buffers are kept from text to text.
class aligned_text {
 public:
  constexpr std::string_view bytes() const noexcept { return {bytes_.data(), size_}; } ///< the text now
  constexpr std::size_t size() const noexcept { return size_; }                        ///< in bytes
  constexpr bool aligned() const noexcept { return aligned_; }                         ///< whether origins are kept
  /// Of which bytes of the original byte `i` is made; nothing, unless `aligned()`.
  constexpr byte_range origin(std::size_t i) const noexcept {
    return !aligned_ ? byte_range{} : in_place_ ? own_place(i) : origins_[i];
  }

  /// Empties it. `aligned`: keep origins from now on.
  constexpr void clear(bool aligned) noexcept {
    size_ = 0;
    aligned_ = aligned;
    in_place_ = false;
  }
  /// Becomes `text`, which is the original from byte `at` on; a character's bytes have the range of the character.
  constexpr void assign(std::string_view text, bool aligned, std::size_t at = 0) {
    clear(aligned);
    grow(text.size());
    std::copy_n(text.data(), text.size(), bytes_.data());
    if (!aligned) return;
    first_ = static_cast<std::uint32_t>(at);
    in_place_ = normalize::find_byte<normalize::bytes::foreign>(text, 0) == text.size();
    for (std::size_t i = 0; !in_place_ && i < text.size();) {
      std::size_t const n = normalize::character_length(text, i);
      byte_range const range{static_cast<std::uint32_t>(at + i), static_cast<std::uint32_t>(at + i + n)};
      for (std::size_t const end = i + n; i < end; ++i) origins_[i] = range;
    }
  }
  /// Appends `text`, all of it made of `origin`.
  constexpr void append(std::string_view text, byte_range origin) {
    list_origins();
    auto const at = grow(text.size());
    if (text.size() <= 4) // mostly one character
      for (std::size_t i = 0; i < text.size(); ++i) bytes_[at + i] = text[i];
    else
      std::copy_n(text.data(), text.size(), bytes_.data() + at);
    if (aligned_) std::fill_n(origins_.data() + at, text.size(), origin);
  }
  /// Appends bytes `begin` … `end` of another text, with their origins.
  constexpr void append(aligned_text const& from, std::size_t begin, std::size_t end) {
    constexpr std::size_t few = 16;
    list_origins();
    auto const at = grow(end - begin);
    if (end - begin <= few && begin + few <= from.bytes_.size() && at + few <= bytes_.size())
      std::copy_n(from.bytes_.data() + begin, few, bytes_.data() + at); // no call, as the number is fixed
    else
      std::copy_n(from.bytes_.data() + begin, end - begin, bytes_.data() + at);
    if (!aligned_) return;
    if (from.in_place_)
      for (std::size_t i = begin; i < end; ++i) origins_[at + i - begin] = from.own_place(i);
    else
      std::copy_n(from.origins_.data() + begin, end - begin, origins_.data() + at);
  }
  /// The bytes, to be overwritten; their origins stay.
  constexpr char* data() noexcept { return bytes_.data(); }
  /// Gives byte `i` another origin; nothing happens unless `aligned()`.
  constexpr void set_origin(std::size_t i, byte_range origin) noexcept {
    list_origins();
    if (aligned_) origins_[i] = origin;
  }
  /// Drops all but bytes `begin` … `end`.
  constexpr void keep(std::size_t begin, std::size_t end) noexcept {
    size_ = end - begin;
    if (begin == 0) return;
    std::copy_n(bytes_.data() + begin, size_, bytes_.data());
    first_ += static_cast<std::uint32_t>(begin);
    if (aligned_ && !in_place_) std::copy_n(origins_.data() + begin, size_, origins_.data());
  }
  /// Exchanges contents: how a step writes its result into a second text and hands it over.
  constexpr void swap(aligned_text& other) noexcept {
    bytes_.swap(other.bytes_);
    origins_.swap(other.origins_);
    std::swap(size_, other.size_);
    std::swap(aligned_, other.aligned_);
    std::swap(in_place_, other.in_place_);
    std::swap(first_, other.first_);
  }

 private:
  constexpr byte_range own_place(std::size_t i) const noexcept {
    auto const at = first_ + static_cast<std::uint32_t>(i);
    return {at, at + 1};
  }
  /// From now on origins are a list.
  constexpr void list_origins() noexcept {
    if (!in_place_) return;
    for (std::size_t i = 0; i < size_; ++i) origins_[i] = own_place(i);
    in_place_ = false;
  }
  /// Makes room for `n` bytes more and returns where they begin.
  constexpr std::size_t grow(std::size_t n) {
    auto const at = size_;
    size_ += n;
    if (size_ > bytes_.size() || (aligned_ && size_ > origins_.size())) reserve();
    return at;
  }
  [[gnu::noinline]] constexpr void reserve() {
    if (size_ > bytes_.size()) bytes_.resize(std::max(size_, 2 * bytes_.size()), char{});
    if (aligned_) origins_.resize(bytes_.size(), byte_range{});
  }

  std::vector<char> bytes_; // and `origins_`: buffers, longer than the text
  std::vector<byte_range> origins_;
  std::size_t size_ = 0;
  bool aligned_ = false;
  bool in_place_ = false; // byte i is byte first_ + i of the original: `origins_` is not in use
  std::uint32_t first_ = 0;
};

} // namespace loquat
