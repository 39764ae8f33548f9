#pragma once
/// \file
/// Metadata values of a GGUF file, read where they lie: a `value` is a kind and the bytes behind it, an array a range
/// that decodes its elements as it goes. Layout: the GGUF specification in ggml's `docs/gguf.md`.

#include <loquat/core/result.hpp>
#include <loquat/io/bytes.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <ranges>
#include <string_view>
#include <type_traits>
#include <utility>

namespace loquat::gguf {

/// What a metadata value is. The numbers are the format's.
enum class value_kind : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

inline constexpr unsigned max_array_depth = 8; ///< arrays of arrays may nest this deep

namespace detail {

struct kind_facts {
  std::string_view name;
  std::size_t size; // bytes; 0 where it depends on the value
  char family;      // kinds of one family convert into each other
};
inline constexpr std::array<kind_facts, 13> kinds{{{"u8", 1, 'i'},
                                                   {"i8", 1, 'i'},
                                                   {"u16", 2, 'i'},
                                                   {"i16", 2, 'i'},
                                                   {"u32", 4, 'i'},
                                                   {"i32", 4, 'i'},
                                                   {"f32", 4, 'f'},
                                                   {"bool", 1, 'b'},
                                                   {"string", 0, 's'},
                                                   {"array", 0, 'a'},
                                                   {"u64", 8, 'i'},
                                                   {"i64", 8, 'i'},
                                                   {"f64", 8, 'f'}}};

constexpr bool known(value_kind kind) noexcept { return static_cast<std::size_t>(kind) < kinds.size(); }
constexpr kind_facts const& facts(value_kind kind) noexcept { return kinds[static_cast<std::size_t>(kind)]; }
constexpr std::size_t size_of(value_kind kind) noexcept { return facts(kind).size; }
constexpr bool same_family(value_kind a, value_kind b) noexcept { return facts(a).family == facts(b).family; }

} // namespace detail

/// The name of a kind, "unknown" for a number that is none.
constexpr std::string_view name(value_kind kind) noexcept {
  return detail::known(kind) ? detail::facts(kind).name : "unknown";
}

/// The kind that stores a `T`: a number, `bool`, or text (anything that converts to `std::string_view`).
template <class T>
requires(PlainNumber<T> || std::convertible_to<T, std::string_view>) constexpr value_kind kind_of() noexcept {
  using enum value_kind;
  if constexpr (std::convertible_to<T, std::string_view>)
    return string;
  else if constexpr (std::same_as<T, bool>)
    return boolean;
  else if constexpr (std::floating_point<T>)
    return sizeof(T) == 4 ? f32 : f64;
  else if constexpr (sizeof(T) == 1)
    return std::is_signed_v<T> ? i8 : u8;
  else if constexpr (sizeof(T) == 2)
    return std::is_signed_v<T> ? i16 : u16;
  else if constexpr (sizeof(T) == 4)
    return std::is_signed_v<T> ? i32 : u32;
  else
    return std::is_signed_v<T> ? i64 : u64;
}

template <class T> class array_view;

/// A metadata value, valid as long as the file it is from.
class value {
 public:
  constexpr value() noexcept = default; ///< an empty string

  constexpr value_kind kind() const noexcept { return kind_; }            ///< what it is
  constexpr value_kind element_kind() const noexcept { return element_; } ///< of an array: what the elements are
  constexpr std::uint64_t size() const noexcept { return size_; }         ///< of an array: the number of elements
  /// The stored bytes: of a string its text, of an array the elements one after another.
  constexpr std::string_view payload() const noexcept { return payload_; }

  /// The value as a `T`: `bool`; an integer, from any integer kind if it fits; `float` or `double`, from either if in
  /// range; `std::string_view`. Otherwise `errc::mismatch`.
  template <class T> constexpr result<T> get() const;

  /// The array as a range of `T`, which is one of `get`'s types, or `value` for elements of any kind. Every element
  /// is checked here, so that reading them cannot fail. Otherwise `errc::mismatch`.
  template <class T> constexpr result<array_view<T>> array() const;

  /// Same kind and same bytes.
  friend constexpr bool operator==(value const&, value const&) = default;

  /// Reads a value of kind `kind`; `depth` is the number of arrays around it.
  static constexpr result<value> read(byte_reader<char>& reader, value_kind kind, unsigned depth = 0);

 private:
  static constexpr result<value> read_array(byte_reader<char>& reader, unsigned depth);

  value_kind kind_ = value_kind::string;
  value_kind element_ = value_kind::string;
  std::uint64_t size_ = 0;
  std::string_view payload_;
};

namespace detail {

/// `f` of the number of kind `kind` at `from`, in the type in which it is stored.
template <class F> constexpr auto with_number(value_kind kind, char const* from, F f) {
  switch (kind) {
  case value_kind::u8:
    return f(load_little<std::uint8_t>(from));
  case value_kind::i8:
    return f(load_little<std::int8_t>(from));
  case value_kind::u16:
    return f(load_little<std::uint16_t>(from));
  case value_kind::i16:
    return f(load_little<std::int16_t>(from));
  case value_kind::u32:
    return f(load_little<std::uint32_t>(from));
  case value_kind::i32:
    return f(load_little<std::int32_t>(from));
  case value_kind::u64:
    return f(load_little<std::uint64_t>(from));
  case value_kind::i64:
    return f(load_little<std::int64_t>(from));
  case value_kind::f32:
    return f(load_little<float>(from));
  case value_kind::f64:
    return f(load_little<double>(from));
  default:
    return f(load_little<bool>(from));
  }
}

/// The number at `from` as a `T`, if a `T` can hold it.
template <PlainNumber T> constexpr std::optional<T> number_as(value_kind kind, char const* from) {
  return with_number(kind, from, []<class S>(S stored) -> std::optional<T> {
    if constexpr (std::same_as<T, bool> || std::same_as<S, bool>) {
      if constexpr (std::same_as<T, S>) return stored;
    } else if constexpr (std::integral<T> && std::integral<S>) {
      if (std::in_range<T>(stored)) return static_cast<T>(stored);
    } else if constexpr (std::floating_point<T> && std::floating_point<S>) {
      constexpr auto most = static_cast<double>(std::numeric_limits<T>::max());
      constexpr double infinity = std::numeric_limits<double>::infinity();
      double const size = stored < 0 ? -static_cast<double>(stored) : static_cast<double>(stored);
      if (!(size > most) || size == infinity) return static_cast<T>(stored);
    }
    return std::nullopt;
  });
}

/// The first element of a checked array, whose bytes `rest` begins with.
template <class T> constexpr T first_element(std::string_view rest, value_kind kind) {
  if constexpr (PlainNumber<T>) {
    return *number_as<T>(kind, rest.data());
  } else if constexpr (std::same_as<T, value>) {
    byte_reader reader(rest);
    return *value::read(reader, kind);
  } else {
    return {rest.data() + 8, static_cast<std::size_t>(load_little<std::uint64_t>(rest.data()))};
  }
}
/// How many bytes it takes.
template <class T> constexpr std::size_t first_size(std::string_view rest, value_kind kind) {
  if constexpr (PlainNumber<T>) {
    return size_of(kind);
  } else if constexpr (std::same_as<T, value>) {
    byte_reader reader(rest);
    (void)value::read(reader, kind);
    return reader.offset();
  } else {
    return 8 + static_cast<std::size_t>(load_little<std::uint64_t>(rest.data()));
  }
}

} // namespace detail

/// The elements of an array in a file: a forward range that knows its size. Numbers can also be taken by position.
template <class T> class array_view : public std::ranges::view_interface<array_view<T>> {
 public:
  /// Decodes the element it stands on.
  class iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::forward_iterator_tag;
    using iterator_category = std::input_iterator_tag; // because `*` makes a value, not a reference

    constexpr iterator() noexcept = default;
    constexpr iterator(value_kind kind, std::string_view rest) noexcept : kind_(kind), rest_(rest) {}

    constexpr T operator*() const { return detail::first_element<T>(rest_, kind_); }
    constexpr iterator& operator++() {
      rest_.remove_prefix(detail::first_size<T>(rest_, kind_));
      return *this;
    }
    constexpr iterator operator++(int) {
      auto const before = *this;
      ++*this;
      return before;
    }
    constexpr bool operator==(iterator const& other) const noexcept { return rest_.size() == other.rest_.size(); }

   private:
    value_kind kind_{};
    std::string_view rest_; // this element and those behind it
  };

  constexpr array_view() noexcept = default;                                                      ///< no elements
  constexpr iterator begin() const noexcept { return {array_.element_kind(), array_.payload()}; } ///< the first element
  constexpr iterator end() const noexcept { return {array_.element_kind(), {}}; }                 ///< behind the last
  constexpr std::size_t size() const noexcept { return static_cast<std::size_t>(array_.size()); } ///< elements
  /// The number at `position`, which is less than `size()`.
  constexpr T operator[](std::size_t position) const requires PlainNumber<T> {
    auto const kind = array_.element_kind();
    return *detail::number_as<T>(kind, array_.payload().data() + position * detail::size_of(kind));
  }

 private:
  friend value;
  constexpr explicit array_view(value const& array) noexcept : array_(array) {}
  value array_;
};

template <class T> constexpr result<T> value::get() const {
  constexpr auto wanted = kind_of<T>();
  if constexpr (PlainNumber<T>) {
    if (detail::size_of(kind_) != 0)
      if (auto const number = detail::number_as<T>(kind_, payload_.data())) return *number;
    return fail(errc::mismatch, "expected ", gguf::name(wanted), ", found ", gguf::name(kind_),
                detail::same_family(wanted, kind_) ? " out of its range" : "");
  } else {
    if (kind_ == wanted) return payload_;
    return fail(errc::mismatch, "expected ", gguf::name(wanted), ", found ", gguf::name(kind_));
  }
}

template <class T> constexpr result<array_view<T>> value::array() const {
  if constexpr (std::same_as<T, value>) {
    if (kind_ == value_kind::array) return array_view<T>(*this);
    return fail(errc::mismatch, "expected an array, found ", gguf::name(kind_));
  } else {
    constexpr auto wanted = kind_of<T>();
    if (kind_ != value_kind::array)
      return fail(errc::mismatch, "expected an array of ", gguf::name(wanted), ", found ", gguf::name(kind_));
    if (!detail::same_family(wanted, element_))
      return fail(errc::mismatch, "expected an array of ", gguf::name(wanted), ", found an array of ",
                  gguf::name(element_));
    if constexpr (PlainNumber<T>) {
      std::size_t const step = detail::size_of(element_);
      if (element_ != wanted)
        for (std::size_t i = 0; i < size_; ++i)
          if (!detail::number_as<T>(element_, payload_.data() + i * step))
            return fail(errc::mismatch, "element ", i, ": expected ", gguf::name(wanted), ", found ",
                        gguf::name(element_), " out of its range");
    }
    return array_view<T>(*this);
  }
}

constexpr result<value> value::read(byte_reader<char>& reader, value_kind kind, unsigned depth) {
  if (kind == value_kind::array) return read_array(reader, depth);
  if (!detail::known(kind))
    return fail(errc::malformed, "at byte ", reader.offset(), ": ", static_cast<std::uint32_t>(kind),
                " is no kind of value");
  value out;
  out.kind_ = kind;
  out.payload_ = kind == value_kind::string ? reader.text<std::uint64_t>() : reader.text(detail::size_of(kind));
  if (!reader) return reader.failure();
  if (kind == value_kind::boolean && static_cast<unsigned char>(out.payload_[0]) > 1)
    return fail(errc::malformed, "at byte ", reader.offset() - 1, ": a bool is 0 or 1, found ",
                static_cast<int>(static_cast<unsigned char>(out.payload_[0])));
  return out;
}

constexpr result<value> value::read_array(byte_reader<char>& reader, unsigned depth) {
  if (depth == max_array_depth)
    return fail(errc::unsupported, "at byte ", reader.offset(), ": arrays nest deeper than ", max_array_depth);
  value out;
  out.kind_ = value_kind::array;
  out.element_ = value_kind{reader.read<std::uint32_t>()};
  out.size_ = reader.read<std::uint64_t>();
  if (!reader) return reader.failure();
  auto const start = reader.offset();
  if (!detail::known(out.element_))
    return fail(errc::malformed, "at byte ", start - 12, ": ", static_cast<std::uint32_t>(out.element_),
                " is no kind of element");
  // What the elements take at least bounds the loops below by the size of the file, whatever the count says.
  std::size_t const least = out.element_ == value_kind::string  ? 8
                            : out.element_ == value_kind::array ? 12
                                                                : detail::size_of(out.element_);
  if (out.size_ > reader.remaining() / least)
    return fail(errc::malformed, "at byte ", start - 8, ": an array of ", out.size_, " ", gguf::name(out.element_),
                " does not fit the ", reader.remaining(), " bytes left");
  if (out.element_ == value_kind::string) {
    for (std::uint64_t i = 0; i < out.size_ && reader; ++i) (void)reader.text<std::uint64_t>();
  } else if (out.element_ == value_kind::array || out.element_ == value_kind::boolean) {
    for (std::uint64_t i = 0; i < out.size_; ++i)
      if (auto element = read(reader, out.element_, depth + 1); !element) return element;
  } else {
    reader.skip(out.size_ * least);
  }
  if (!reader) return reader.failure();
  auto const payload = reader.since(start);
  out.payload_ = {payload.data(), payload.size()};
  return out;
}

} // namespace loquat::gguf
