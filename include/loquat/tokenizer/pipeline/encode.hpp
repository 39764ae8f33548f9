#pragma once
/// \file
/// How a tokenizer encodes. Part of `pipeline.hpp`.

#include <loquat/tokenizer/pipeline/tokenizer_class.hpp>

#include <array>
#include <concepts>
#include <type_traits>
#include <utility>

namespace loquat {

namespace detail {

constexpr bool continues_character(char byte) noexcept { return (static_cast<unsigned char>(byte) & 0xC0u) == 0x80u; }

/// Widens a range of bytes to whole characters.
constexpr void widen(std::string_view bytes, std::size_t& begin, std::size_t& end) noexcept {
  if (begin < bytes.size() && continues_character(bytes[begin]))
    for (std::size_t n = 1; n <= 3 && n <= begin; ++n)
      if (utf8::decode(bytes.substr(begin - n)).length > n) {
        begin -= n;
        break;
      }
  if (end < bytes.size() && continues_character(bytes[end]))
    for (std::size_t n = 1; n <= 3 && n <= end; ++n)
      if (auto const c = utf8::decode(bytes.substr(end - n)); c.length > n) {
        end += c.length - n;
        break;
      }
}

} // namespace detail

constexpr byte_range tokenizer::origin(place in, std::string_view bytes, std::size_t base, std::size_t begin,
                                       std::size_t end, encoding_progress const& now, workspace const& room) noexcept {
  if (now.rule == offset_rule::none) return {};
  if (in == place::source) {
    if (now.rule == offset_rule::characters && begin != end) detail::widen(bytes, begin, end);
    return {static_cast<std::uint32_t>(base + begin), static_cast<std::uint32_t>(base + end)};
  }
  auto const& text = in == place::text ? room.text : room.part;
  if (text.size() == 0) return {};
  if (begin != end) return {text.origin(begin).begin, text.origin(end - 1).end};
  auto const at = begin < text.size() ? text.origin(begin).begin : text.origin(text.size() - 1).end;
  return {at, at};
}

/// Puts U+FFFD in the place of every byte that is no UTF-8.
constexpr void tokenizer::replace_invalid(aligned_text& text, aligned_text& spare) {
  spare.clear(text.aligned());
  auto const all = text.bytes();
  for (std::size_t at = 0; at < all.size();) {
    auto const c = utf8::decode(all.substr(at));
    if (c.valid)
      spare.append(text, at, at + c.length);
    else
      spare.append(utf8::replacement_bytes, text.origin(at));
    at += c.length;
  }
  text.swap(spare);
}

/// Begins the next section, normalized, behind the added token before it. False at the end of the source.
constexpr bool tokenizer::next_section(encoding_progress& now, workspace& room) const {
  if (now.section_end >= now.behind_section.begin) { // matches may overlap
    if (auto const& t = now.behind_section; t.id != no_token) {
      room.tokens.reserve(1);
      room.tokens.put(t.id, {static_cast<std::uint32_t>(t.begin), static_cast<std::uint32_t>(t.end)});
    }
    now.section_end = now.behind_section.end;
    if (now.last_section) return false;
    now.behind_section = now.sections.next();
    now.last_section = now.behind_section.id == no_token;
  }
  std::size_t const begin = now.section_end;
  if (begin >= now.behind_section.begin) return true;
  std::size_t size = now.behind_section.begin - begin;
  if (size > longest_section) {
    size = longest_section;
    while (size > longest_section - 4 && detail::continues_character(now.source[begin + size])) --size;
  }
  auto const section = now.source.substr(begin, size);
  now.section_end = begin + size;

  bool const aligned = now.rule != offset_rule::none || needs_origins_;
  bool const valid = now.options.invalid == invalid_utf8::bytes || utf8::is_valid(section);
  if (valid && normalizer_.leaves(section)) {
    now.section_in = place::source;
    now.section = section;
  } else {
    room.text.assign(section, aligned, begin);
    if (!valid && !sentencepiece_) replace_invalid(room.text, room.part);
    normalizer_.apply(room.text, room.normalizing);
    if (!valid && sentencepiece_) replace_invalid(room.text, room.part); // its map has U+FFFD, but not these
    now.section_in = place::text;
    now.section = room.text.bytes();
  }
  now.section_begin = begin;
  now.stretches = added_tokens::reader(now.options.special == special_text::parse ? normalized_all_ : normalized_plain_,
                                       now.section);
  now.behind_stretch = {no_token, 0, 0};
  now.stretch_end = 0;
  now.last_stretch = false;
  now.in_section = true;
  return true;
}

/// Begins the next stretch, behind the added token before it, or ends the section.
constexpr void tokenizer::next_stretch(encoding_progress& now, workspace& room) const {
  if (auto const& t = now.behind_stretch; t.id != no_token) {
    room.tokens.reserve(1);
    room.tokens.put(t.id, origin(now.section_in, now.section, now.section_begin, t.begin, t.end, now, room));
  }
  now.stretch_end = now.behind_stretch.end;
  if (now.last_stretch) {
    now.in_section = false;
    return;
  }
  now.behind_stretch = now.stretches.next();
  now.last_stretch = now.behind_stretch.id == no_token;
  if (now.behind_stretch.begin > now.stretch_end) begin_words(now.stretch_end, now.behind_stretch.begin, now, room);
}

/// Begins with the words of bytes `begin` … `end` of the section.
constexpr void tokenizer::begin_words(std::size_t begin, std::size_t end, encoding_progress& now,
                                      workspace& room) const {
  auto const stretch = now.section.substr(begin, end - begin);
  now.in_words = true;
  now.word = 0;
  now.listed = scanner_ == scanner::none && !pretokenizer_.empty();
  bool const whole = stretch.size() == now.section.size();
  bool const aligned = now.rule != offset_rule::none || needs_origins_;
  now.words_in = now.section_in;
  now.bytes = stretch;
  now.bytes_begin = now.section_begin + begin;
  if (!now.listed && (whole || now.section_in == place::source)) return;

  auto* text = &room.text;
  bool starts = now.bytes_begin == 0;
  if (now.section_in == place::source) {
    room.text.assign(stretch, aligned, now.bytes_begin);
    now.words_in = place::text;
  } else if (!whole) {
    room.part.clear(room.text.aligned());
    room.part.append(room.text, begin, end);
    text = &room.part;
    now.words_in = place::part;
    starts = now.section_begin == 0 && room.part.aligned() ? room.part.origin(0).begin == 0 : starts;
  } else {
    starts = now.section_begin == 0;
  }
  if (now.listed) pretokenizer_.cut(*text, room.words, room.splitting, starts);
  now.bytes = text->bytes();
}

/// Puts the tokens of a word that is remembered, and begins at byte `begin` of `now.bytes`. There must be room for
/// them.
template <class Place>
[[gnu::always_inline]] constexpr void tokenizer::put_known(Place const& known, std::size_t begin,
                                                           encoding_progress const& now, workspace& room) {
  known.write(room.tokens.next());
  if (now.rule != offset_rule::none)
    for (std::size_t i = 0; i < known.count; ++i)
      room.tokens.next_offset()[i] = origin(now.words_in, now.bytes, now.bytes_begin,
                                            begin + (i == 0 ? 0 : known.end(i - 1)), begin + known.end(i), now, room);
  room.tokens.advance(known.count);
}

/// Encodes bytes `begin` … `end` of `now.bytes`, a word.
template <class Model>
constexpr void tokenizer::encode_word(Model const& model, std::size_t begin, std::size_t end,
                                      encoding_progress const& now, workspace& room) const {
  auto const& words = room.cache.small;
  if (end - begin <= words.longest) {
    word_cache::small_table::key word;
    word.assign(now.bytes, begin, end - begin);
    room.tokens.reserve(words.most_tokens);
    if (auto const* const known = words.find(word, words.set_of(word))) return put_known(*known, begin, now, room);
  }
  encode_new(model, begin, end, now, room);
}

/// The same for a word that is not in the small table.
template <class Model>
constexpr void tokenizer::encode_new(Model const& model, std::size_t begin, std::size_t end,
                                     encoding_progress const& now, workspace& room) const {
  auto& tokens = room.tokens;
  tokens.reserve(std::max(end - begin, room.cache.longest));
  if (room.cache.find_other(now.bytes, begin, end, [&](auto const& known) { put_known(known, begin, now, room); }))
    return;
  std::array<std::uint8_t, word_cache::longest> ends{}; // of the tokens in the word
  std::size_t count = 0, last = 0;                      // of them; the last one
  bool simple = end - begin <= ends.size();             // it can be remembered: they are all of the word, in a row
  bool const located = now.rule != offset_rule::none;
  model.encode(now.bytes.substr(begin, end - begin), std::get<typename Model::workspace>(room.model),
               [&](token id, std::size_t from, std::size_t to) {
                 tokens.put(
                     id, located ? origin(now.words_in, now.bytes, now.bytes_begin, begin + from, begin + to, now, room)
                                 : byte_range{});
                 simple = simple && count < ends.size() && from == last;
                 if (!simple) return;
                 ends[count++] = static_cast<std::uint8_t>(to);
                 last = to;
               });
  if (simple) room.cache.insert(now.bytes, begin, end, tokens.ids().last(count), {ends.data(), count});
}

/// Encodes words that a scanner finds, until there are `limit` tokens or more: many are found, and their places in the
/// cache fetched, before the first of them is looked up.
template <class Scanner>
constexpr void tokenizer::scan_words(bpe const& model, encoding_progress& now, workspace& room,
                                     std::size_t limit) const {
  auto& small = room.cache.small;
  using table = word_cache::small_table;
  struct found {
    std::size_t end, set;
    table::key key;
  };
  std::array<found, 64> words;
  auto const bytes = now.bytes;
  auto& tokens = room.tokens;
  while (now.word < bytes.size() && tokens.size() < limit) {
    std::size_t count = 0;
    for (std::size_t at = now.word; count < words.size() && at < bytes.size(); ++count) {
      auto& word = words[count];
      std::size_t const begin = at;
      word.end = at = Scanner::next(bytes, at);
      if (at - begin > table::key::longest) {
        room.cache.prefetch(bytes, begin, at);
        continue;
      }
      word.key.assign(bytes, begin, at - begin);
      word.set = small.set_of(word.key);
      if (!std::is_constant_evaluated()) small.prefetch(word.set);
    }
    tokens.reserve(words.size() * table::most_tokens);
    for (std::size_t i = 0; i < count && tokens.size() < limit; ++i) {
      auto const& word = words[i];
      std::size_t const begin = std::exchange(now.word, word.end);
      bool const is_short = word.end - begin <= table::key::longest;
      if (auto const* const known = is_short ? small.find(word.key, word.set) : nullptr) {
        put_known(*known, begin, now, room);
        continue;
      }
      auto const sets = small.size();
      encode_new(model, begin, word.end, now, room);
      tokens.reserve(words.size() * table::most_tokens);
      if (small.size() == sets) continue;
      for (std::size_t j = i + 1; j < count; ++j) words[j].set = small.set_of(words[j].key);
    }
  }
}

/// Encodes words of any kind until there are `limit` tokens or more. False when all are done.
constexpr bool tokenizer::encode_words(encoding_progress& now, workspace& room, std::size_t limit) const {
  return model_.visit([&]<class Model>(Model const& model) {
    if (now.listed) {
      constexpr std::size_t ahead = 8;
      for (; now.word < room.words.size() && room.tokens.size() < limit; ++now.word) {
        if (now.word + ahead < room.words.size()) {
          auto const [begin, end] = room.words[now.word + ahead];
          room.cache.prefetch(now.bytes, begin, end);
        }
        auto const [begin, end] = room.words[now.word];
        encode_word(model, begin, end, now, room);
      }
      return now.word < room.words.size();
    }
    bool scanned = false;
    if constexpr (std::same_as<Model, bpe>)
      scanned = with_scanner(scanner_, [&]<class Scanner>(Scanner) { scan_words<Scanner>(model, now, room, limit); });
    if constexpr (requires { model.end_of_part(now.bytes, now.word); }) {
      scanned = true;
      while (now.word < now.bytes.size() && room.tokens.size() < limit) {
        auto const begin = now.word;
        now.word = model.end_of_part(now.bytes, begin);
        encode_word(model, begin, now.word, now, room);
      }
    }
    if (!scanned) {
      encode_word(model, 0, now.bytes.size(), now, room);
      now.word = now.bytes.size();
    }
    return now.word < now.bytes.size();
  });
}

constexpr encoding_progress tokenizer::begin(std::string_view text, workspace& room, encode_options options,
                                             offset_rule rule) const {
  room.tokens.clear(rule != offset_rule::none);
  room.cache.use_for(serial_);
  encoding_progress under_way(text, options, rule, options.special == special_text::parse ? raw_all_ : raw_plain_);
  if (options.add_special) {
    room.tokens.reserve(roles_.before().size());
    for (token const id : roles_.before()) room.tokens.put(id, {});
  }
  return under_way;
}

/// Encodes on until there are `limit` tokens or more. False if that was the end.
constexpr bool tokenizer::go_on(encoding_progress& now, workspace& room, std::size_t limit) const {
  while (room.tokens.size() < limit) {
    if (now.in_words) {
      now.in_words = encode_words(now, room, limit);
    } else if (now.in_section) {
      next_stretch(now, room);
    } else if (!next_section(now, room)) {
      if (now.options.add_special) {
        room.tokens.reserve(roles_.behind().size());
        for (token const id : roles_.behind()) room.tokens.put(id, {});
      }
      return false;
    }
  }
  return true;
}
constexpr bool tokenizer::advance(encoding_progress& now, workspace& room, std::size_t limit) const {
  return std::is_constant_evaluated() ? go_on(now, room, limit) : tokenizer_code<>::advance(*this, now, room, limit);
}
template <class T>
bool tokenizer_code<T>::advance(tokenizer const& t, encoding_progress& now, tokenizer_workspace& room,
                                std::size_t limit) {
  return t.go_on(now, room, limit);
}
#ifdef LOQUAT_SEPARATE_TOKENIZERS
extern template struct tokenizer_code<>;
#endif

constexpr std::span<token const> tokenizer::encode_some(std::string_view text, std::size_t limit, workspace& room,
                                                        encode_options options, offset_rule rule) const {
  auto under_way = begin(text, room, options, rule);
  advance(under_way, room, limit);
  return room.tokens.ids();
}

constexpr std::span<token const> tokenizer::encode(std::string_view text, workspace& room, encode_options options,
                                                   offset_rule rule) const {
  return encode_some(text, static_cast<std::size_t>(-1), room, options, rule);
}

constexpr std::size_t tokenizer::count(std::string_view text, workspace& room, encode_options options) const {
  auto under_way = begin(text, room, options, offset_rule::none);
  std::size_t n = 0;
  for (bool more = true; more; room.tokens.clear(false)) {
    more = advance(under_way, room, 1024);
    n += room.tokens.size();
  }
  return n;
}

} // namespace loquat
