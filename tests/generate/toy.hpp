#pragma once
/// \file
/// The smallest tokenizer and the smallest model, both usable in constant expressions.

#include <loquat/model/model.hpp>
#include <loquat/tokenizer/tokenizer.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace toy {

inline constexpr loquat::token begin = 256, end = 257;
inline constexpr std::size_t vocabulary = 258;

/// One id per byte, and two control tokens.
struct bytes {
  struct cursor {
    std::string_view rest;
    bool begins;
    constexpr loquat::token next() {
      if (begins) return begins = false, begin;
      if (rest.empty()) return loquat::no_token;
      auto const id = static_cast<unsigned char>(rest.front());
      rest.remove_prefix(1);
      return id;
    }
  };
  constexpr std::size_t size() const { return vocabulary; }
  constexpr cursor start(std::string_view text, loquat::encode_options options) const {
    return {text, options.add_special};
  }
  constexpr std::string_view piece(loquat::token id) const {
    static_assert(table[255] == '\xff');
    if (is_special(id)) return id == begin ? "<s>" : "</s>";
    return id >= 0 && id < 256 ? std::string_view(&table[static_cast<std::size_t>(id)], 1) : std::string_view();
  }
  constexpr bool is_special(loquat::token id) const { return id == begin || id == end; }

  static constexpr auto table = [] {
    std::array<char, 256> t{};
    for (std::size_t i = 0; i < t.size(); ++i) t[i] = static_cast<char>(i);
    return t;
  }();
};
static_assert(loquat::Tokenizer<bytes>);

/// After a byte comes the next one, after 'z' the end. The further a byte is from that, the lower its logit.
template <std::size_t Context = 64> struct successor {
  class session {
   public:
    constexpr std::span<loquat::token const> tokens() const { return std::span(seen_).first(count_); }
    constexpr std::size_t context() const { return Context; }
    std::size_t calls = 0; ///< of forward

   private:
    friend successor;
    std::array<loquat::token, Context> seen_{};
    std::size_t count_ = 0;
    std::array<float, vocabulary> logits_{};
  };

  constexpr loquat::result<std::span<float>> forward(session& s, std::span<loquat::token const> in) const {
    ++s.calls;
    if (in.empty()) return loquat::fail(loquat::errc::argument, "toy: no tokens");
    if (in.size() > Context - s.count_) return loquat::fail(loquat::errc::capacity, "toy: the context is full");
    for (loquat::token id : in)
      if (id < 0 || id >= static_cast<loquat::token>(vocabulary))
        return loquat::fail(loquat::errc::argument, "toy: token ", id, " is out of range");
    for (loquat::token id : in) s.seen_[s.count_++] = id;
    auto const expected = in.back() == 'z' ? end : (in.back() + 1) % 256;
    for (std::size_t i = 0; i < vocabulary; ++i) {
      auto const distance = static_cast<int>(i) - expected;
      s.logits_[i] = -0.25f * static_cast<float>(distance < 0 ? -distance : distance);
    }
    return std::span<float>(s.logits_);
  }
  constexpr bool ends(loquat::token id) const { return id == end; }
};
static_assert(loquat::Model<successor<>>);

} // namespace toy
