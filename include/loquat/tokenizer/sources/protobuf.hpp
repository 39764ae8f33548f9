#pragma once
/// \file
/// Reads messages of Protocol Buffers (protobuf.dev/programming-guides/encoding): fields, one after another.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace loquat::protobuf {

/// A field of a message.
struct field {
  std::uint64_t number = 0; ///< 0: there are no more fields, or what follows is none (`reader::failed`)
  std::uint64_t value = 0;  ///< of integers, booleans, enumerations and fixed numbers
  std::string_view bytes{}; ///< of strings, bytes and messages

  /// The value as a `float`.
  constexpr float as_float() const noexcept { return std::bit_cast<float>(static_cast<std::uint32_t>(value)); }
};

/// Hands out the fields of a message.
class reader {
 public:
  constexpr explicit reader(std::string_view message) noexcept : rest_(message), size_(message.size()) {}

  constexpr bool failed() const noexcept { return failed_; }                     ///< the message is malformed
  constexpr std::size_t offset() const noexcept { return size_ - rest_.size(); } ///< of what is read next

  /// The next field. Groups, which nobody writes any more, are malformed.
  constexpr field next() noexcept {
    if (rest_.empty() || failed_) return {};
    std::uint64_t const tag = varint();
    field f{.number = tag >> 3};
    switch (tag & 7) {
    case 0:
      f.value = varint();
      break;
    case 1:
      f.value = fixed(8);
      break;
    case 2: {
      std::uint64_t const size = varint();
      if (size > rest_.size()) failed_ = true;
      if (failed_) return {};
      f.bytes = rest_.substr(0, static_cast<std::size_t>(size));
      rest_.remove_prefix(static_cast<std::size_t>(size));
      break;
    }
    case 5:
      f.value = fixed(4);
      break;
    default:
      failed_ = true;
    }
    if (f.number == 0) failed_ = true;
    return failed_ ? field{} : f;
  }

 private:
  constexpr std::uint64_t varint() noexcept {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      auto const byte = static_cast<unsigned char>(rest_[0]);
      rest_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    failed_ = true;
    return 0;
  }
  constexpr std::uint64_t fixed(std::size_t bytes) noexcept {
    if (rest_.size() < bytes) {
      failed_ = true;
      return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) value |= std::uint64_t{static_cast<unsigned char>(rest_[i])} << (8 * i);
    rest_.remove_prefix(bytes);
    return value;
  }

  std::string_view rest_;
  std::size_t size_;
  bool failed_ = false;
};

} // namespace loquat::protobuf
