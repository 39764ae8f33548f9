#pragma once
/// \file
/// GGUF files byte by byte, right ones and wrong ones, without the library's writer.

#include <loquat/format/gguf.hpp>

#include <cstdint>
#include <string_view>
#include <vector>

namespace test {

namespace gguf = loquat::gguf;
using loquat::gguf::value_kind;

/// Appends to a file in the making: `raw{}.head(1, 0).text("a.name").u32(…)`.
struct raw {
  std::vector<std::byte> bytes{};

  template <class T> constexpr raw& number(T value) {
    loquat::append_little(bytes, value);
    return *this;
  }
  constexpr raw& u8(std::uint8_t value) { return number(value); }
  constexpr raw& u32(std::uint32_t value) { return number(value); }
  constexpr raw& u64(std::uint64_t value) { return number(value); }
  constexpr raw& kind(value_kind value) { return number(static_cast<std::uint32_t>(value)); }
  constexpr raw& plain(std::string_view text) {
    loquat::append_text(bytes, text);
    return *this;
  }
  constexpr raw& text(std::string_view text) { return u64(text.size()).plain(text); }

  /// Magic, version and counts.
  constexpr raw& head(std::uint64_t tensors, std::uint64_t keys, std::uint32_t version = 3) {
    return plain("GGUF").u32(version).u64(tensors).u64(keys);
  }
  /// A key and the kind of its value.
  constexpr raw& key(std::string_view name, value_kind k) { return text(name).kind(k); }
  /// What the header says about a tensor.
  constexpr raw& tensor(std::string_view name, std::vector<std::uint64_t> const& shape, std::uint32_t type,
                        std::uint64_t offset) {
    text(name).u32(static_cast<std::uint32_t>(shape.size()));
    for (auto length : shape) u64(length);
    return u32(type).u64(offset);
  }
  constexpr raw& zeros(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) bytes.push_back(std::byte{0});
    return *this;
  }
  /// Zeros up to the next multiple of `alignment`.
  constexpr raw& align(std::size_t alignment = 32) { return zeros((alignment - bytes.size() % alignment) % alignment); }

  constexpr loquat::result<gguf::file> parse() const { return gguf::file::parse(bytes, "x.gguf"); }
};

/// A valid file with a value of every kind, nested arrays and two tensors.
constexpr raw sample(std::uint32_t version = 3) {
  using enum value_kind;
  raw out;
  out.head(2, 17, version);
  out.key("general.architecture", string).text("toy");
  out.key("a.u8", u8).number(std::uint8_t{200}).key("a.i8", i8).number(std::int8_t{-100});
  out.key("a.u16", u16).number(std::uint16_t{60000}).key("a.i16", i16).number(std::int16_t{-30000});
  out.key("a.u32", u32).number(std::uint32_t{4000000000}).key("a.i32", i32).number(std::int32_t{-2000000000});
  out.key("a.f32", f32).number(1.5F).key("a.bool", boolean).u8(1);
  out.key("a.u64", u64).number(std::uint64_t{1} << 63).key("a.i64", i64).number(-(std::int64_t{1} << 62));
  out.key("a.f64", f64).number(1e300);
  out.key("b.i32", array).kind(i32).u64(3).number(std::int32_t{7}).number(std::int32_t{8}).number(std::int32_t{9});
  out.key("b.texts", array).kind(string).u64(3).text("<s>").text("").text("caf\xc3\xa9");
  out.key("b.nested", array).kind(array).u64(2);
  out.kind(u8).u64(2).u8(1).u8(2).kind(string).u64(1).text("deep");
  out.key("b.bools", array).kind(boolean).u64(2).u8(0).u8(1);
  out.key("b.empty", array).kind(f32).u64(0);
  out.tensor("first", {2, 3}, 0, 0).tensor("second", {32}, 8, 32).align();
  for (int i = 0; i < 6; ++i) out.number(static_cast<float>(i));
  out.align().zeros(34);
  return out;
}

} // namespace test
