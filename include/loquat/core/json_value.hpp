#pragma once
/// \file
/// A parsed JSON text (RFC 8259) and references to the values in it. All values lie in one array, in the order of the
/// text; `core/json.hpp` makes it.

#include <loquat/core/decimal.hpp>
#include <loquat/core/result.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <vector>

namespace loquat::json {

/// What a value is. `absent` is what looking up a key or position that is not there gives.
enum class kind : unsigned char { absent, null, boolean, number, string, array, object };

/// The name of a kind, for messages.
constexpr std::string_view name(kind k) noexcept {
  constexpr std::string_view names[]{"absent", "null", "boolean", "number", "string", "array", "object"};
  return names[static_cast<std::size_t>(k)];
}

namespace detail {

/// One value. An object is followed by key, value, key, value …; an array by its elements; `next` skips over them.
struct node {
  std::uint32_t offset = 0; ///< where the value begins in the text
  std::uint32_t begin = 0;  ///< strings: first byte, in the text or among the unescaped bytes
  std::uint32_t size = 0;   ///< strings: bytes; numbers: bytes of their text; containers: elements or members
  std::uint32_t next = 0;   ///< index of the node after this value and all that is in it
  json::kind kind{};
  bool flag = false; ///< booleans: the value; strings: unescaped, not in the text
};

class parser;

} // namespace detail

class document;

/// A value in a document: a cheap reference, valid while the document and the text it was read from are.
class value {
 public:
  template <bool Members> class range;
  struct member;

  constexpr value() = default; ///< absent

  constexpr json::kind kind() const noexcept;                             ///< what it is
  constexpr explicit operator bool() const noexcept { return document_; } ///< false if absent
  constexpr std::size_t size() const noexcept;                            ///< elements or members; 0 for others
  constexpr std::size_t offset() const noexcept;                          ///< byte offset in the text

  /// The member `key` (the first of that name), or an absent value. Linear in the number of members.
  constexpr value operator[](std::string_view key) const noexcept;
  /// The element at `index`, or an absent value. Linear in `index`: use `elements()` for all of them.
  constexpr value operator[](std::size_t index) const noexcept;

  constexpr result<bool> as_bool() const;               ///< `errc::mismatch` if it is no boolean
  constexpr result<std::string_view> as_string() const; ///< unescaped; `errc::mismatch` if it is no string
  constexpr result<double> as_double() const;           ///< nearest double; `errc::mismatch` if it is no number
  /// The exact integer; `errc::mismatch` if it is no number, has a fraction or exponent, or does not fit 64 bits.
  constexpr result<std::int64_t> as_int64() const;

  constexpr range<false> elements() const noexcept; ///< an array's values in order; empty for anything else
  constexpr range<true> members() const noexcept;   ///< an object's members in order; empty for anything else

 private:
  friend class document;
  constexpr value(document const& owner, std::uint32_t index) : document_(&owner), index_(index) {}
  constexpr detail::node const& node() const noexcept;
  constexpr std::string_view text() const noexcept;
  constexpr error mismatch(std::string_view expected) const;

  document const* document_ = nullptr;
  std::uint32_t index_ = 0;
};

/// A key and its value.
struct value::member {
  std::string_view key;
  json::value value;
};

/// The elements of an array (as `value`) or the members of an object (as `member`).
template <bool Members> class value::range {
 public:
  /// Walks over the nodes.
  class iterator {
   public:
    using value_type = std::conditional_t<Members, member, value>;
    using difference_type = std::ptrdiff_t;
    constexpr iterator() = default;
    constexpr iterator(document const* owner, std::uint32_t index) : owner_(owner), index_(index) {}
    constexpr value_type operator*() const;
    constexpr iterator& operator++();
    constexpr iterator operator++(int) {
      auto old = *this;
      ++*this;
      return old;
    }
    constexpr bool operator==(iterator const& other) const noexcept { return index_ == other.index_; }

   private:
    document const* owner_ = nullptr;
    std::uint32_t index_ = 0;
  };

  constexpr range() = default;
  constexpr range(iterator first, iterator last) : first_(first), last_(last) {}
  constexpr iterator begin() const noexcept { return first_; }
  constexpr iterator end() const noexcept { return last_; }

 private:
  iterator first_, last_;
};

/// A parsed text. It refers to the text, which must outlive it; strings with escapes are kept here.
class document {
 public:
  constexpr value root() const noexcept { return {*this, 0}; }                            ///< the outermost value
  constexpr value operator[](std::string_view key) const noexcept { return root()[key]; } ///< a member of the root

 private:
  friend class value;
  friend class detail::parser;
  constexpr document() = default;

  std::string_view text_;
  std::vector<char> unescaped_;
  std::vector<detail::node> nodes_;
};

constexpr detail::node const& value::node() const noexcept { return document_->nodes_[index_]; }
constexpr kind value::kind() const noexcept { return document_ ? node().kind : json::kind::absent; }
constexpr std::size_t value::offset() const noexcept { return document_ ? node().offset : 0; }
constexpr std::size_t value::size() const noexcept {
  return kind() == json::kind::array || kind() == json::kind::object ? node().size : 0;
}
constexpr std::string_view value::text() const noexcept {
  auto const& n = node();
  if (n.flag) return {document_->unescaped_.data() + n.begin, n.size};
  return document_->text_.substr(n.begin, n.size);
}
constexpr error value::mismatch(std::string_view expected) const {
  if (!document_) return fail(errc::missing, "JSON: expected ", expected, ", but there is no such value");
  return fail(errc::mismatch, "JSON: expected ", expected, ", found ", name(kind()), " at byte ", offset());
}

template <bool Members> constexpr auto value::range<Members>::iterator::operator*() const -> value_type {
  if constexpr (Members)
    return {json::value(*owner_, index_).text(), {*owner_, index_ + 1}};
  else
    return {*owner_, index_};
}
template <bool Members> constexpr auto value::range<Members>::iterator::operator++() -> iterator& {
  index_ = json::value(*owner_, Members ? index_ + 1 : index_).node().next;
  return *this;
}

constexpr value::range<false> value::elements() const noexcept {
  if (kind() != json::kind::array) return {};
  return {{document_, index_ + 1}, {document_, node().next}};
}
constexpr value::range<true> value::members() const noexcept {
  if (kind() != json::kind::object) return {};
  return {{document_, index_ + 1}, {document_, node().next}};
}

constexpr value value::operator[](std::string_view key) const noexcept {
  for (auto const& [name, found] : members())
    if (name == key) return found;
  return {};
}
constexpr value value::operator[](std::size_t index) const noexcept {
  if (kind() != json::kind::array || index >= size()) return {};
  auto at = elements().begin();
  for (; index > 0; --index) ++at;
  return *at;
}

constexpr result<bool> value::as_bool() const {
  if (kind() != json::kind::boolean) return mismatch("a boolean");
  return bool{node().flag};
}
constexpr result<std::string_view> value::as_string() const {
  if (kind() != json::kind::string) return mismatch("a string");
  return text();
}
constexpr result<double> value::as_double() const {
  if (kind() != json::kind::number) return mismatch("a number");
  return decimal_to_double(text());
}
constexpr result<std::int64_t> value::as_int64() const {
  if (kind() != json::kind::number) return mismatch("an integer");
  bool const negative = text().front() == '-';
  constexpr auto most = static_cast<std::uint64_t>(INT64_MAX);
  std::uint64_t const limit = negative ? most + 1 : most;
  std::uint64_t magnitude = 0;
  for (char const c : text().substr(negative ? 1 : 0)) {
    if (c < '0' || c > '9') return mismatch("an integer");
    auto const digit = static_cast<std::uint64_t>(c - '0');
    if (magnitude > (limit - digit) / 10) return mismatch("an integer of 64 bits");
    magnitude = magnitude * 10 + digit;
  }
  return static_cast<std::int64_t>(negative ? 0 - magnitude : magnitude);
}

} // namespace loquat::json
