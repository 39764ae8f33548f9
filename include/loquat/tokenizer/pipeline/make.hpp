#pragma once
/// \file
/// How a tokenizer is built from a definition. Part of `pipeline.hpp`.

#include <loquat/tokenizer/pipeline/tokenizer_class.hpp>

#include <atomic>
#include <type_traits>

namespace loquat {

namespace detail {

template <class Step, class Steps> constexpr bool has_step(Steps const& steps) noexcept {
  return std::ranges::any_of(steps, [](auto const& s) { return s.template holds<Step>(); });
}

constexpr token unknown_of(token_model::any const& model) noexcept {
  return model.visit([](auto const& m) {
    if constexpr (requires { m.unknown; })
      return m.unknown;
    else
      return no_token;
  });
}

inline std::atomic<std::uint64_t> last_serial{1};

} // namespace detail

/// A number that no other tokenizer has; it tells whose words are in a cache.
constexpr std::uint64_t tokenizer::next_serial() {
  if (std::is_constant_evaluated()) return 1;
  return detail::last_serial.fetch_add(1, std::memory_order_relaxed) + 1;
}

/// The token of the model that a file spells so. Pieces that are no byte-level text are kept as they are, as unused
/// ones; the same bytes may be another piece.
constexpr token tokenizer::find_spelled(std::string_view text) const {
  std::vector<char> bytes;
  if (bytes_ && model_.holds<bpe>()) {
    if (!append_bytes(text, bytes)) {
      auto const& pieces = model_pieces();
      for (std::size_t i = 0; i < pieces.size(); ++i)
        if (auto const id = static_cast<token>(i); pieces.kind(id) == token_kind::unused && pieces.piece(id) == text)
          return id;
      return no_token;
    }
    text = {bytes.data(), bytes.size()};
  }
  return model_.visit([&](auto const& m) { return m.find(text); });
}

/// Fills the sets of added tokens that are looked for.
constexpr void tokenizer::index_added_tokens() {
  normalizer::workspace room;
  aligned_text text;
  for (auto const& t : roles_.tokens()) {
    text.assign(t.content, false);
    if (t.normalized) normalizer_.apply(text, room);
    contents_.add(text.bytes());
  }
  for (auto* const set : {&raw_all_, &raw_plain_, &specials_, &normalized_all_, &normalized_plain_})
    *set = added_tokens(contents_.joined().size());
  for (std::size_t i = 0; i < contents_.size(); ++i) {
    auto const& t = roles_.tokens()[i];
    (t.normalized ? normalized_all_ : raw_all_).add(t, contents_[i]);
    (t.special ? specials_ : t.normalized ? normalized_plain_ : raw_plain_).add(t, contents_[i]);
  }
}

constexpr result<tokenizer> tokenizer::make(tokenizer_definition definition) {
  bool const sentencepiece = detail::has_step<normalize::sentencepiece>(definition.normalizers);
  bool const lettered = detail::has_step<normalize::byte_level>(definition.normalizers);
  bool bytes = definition.model.holds<token_model::longest_match>();
  if (auto const* const bpe = definition.model.get_if<token_model::bpe>()) bytes = bpe->bytes;
  token const unknown = detail::unknown_of(definition.model);

  auto const& given = definition.model.visit([](auto const& m) -> vocabulary const& { return m.pieces; });
  auto normalizer = loquat::normalizer::make(definition.normalizers, given);
  if (!normalizer) return normalizer.error().within("tokenizer");
  auto model = make_token_model(std::exchange(definition.model, token_model::word_level{}));
  if (!model) return model.error().within("tokenizer");
  tokenizer made(*std::move(model));
  made.bytes_ = bytes;
  made.sentencepiece_ = sentencepiece;
  auto const find = [&](std::string_view text) { return made.find_spelled(text); };
  auto roles = token_roles::make(std::move(definition.added), made.model_pieces(), find);
  if (!roles) return roles.error().within("tokenizer");
  made.roles_ = *std::move(roles);
  made.roles_.read(definition.postprocessors);
  made.roles_.unknown = unknown;
  auto const& pieces = made.model_pieces();
  for (auto const& [name, ids] : {std::pair("before", made.roles_.before()), std::pair("behind", made.roles_.behind())})
    for (token const id : ids)
      if (id < 0 || static_cast<std::size_t>(id) >= made.roles_.size())
        return fail(errc::malformed, "tokenizer: token ", id, " is put ", name, " texts, but there are ",
                    made.roles_.size(), " tokens");

  made.normalizer_ = *std::move(normalizer);
  auto pretokenizer =
      loquat::pretokenizer::make(definition.pretokenizers, {.raw_bytes = bytes, .lettered = bytes && lettered});
  if (!pretokenizer) return pretokenizer.error().within("tokenizer");
  made.pretokenizer_ = *std::move(pretokenizer);
  made.scanner_ = made.pretokenizer_.sole_scanner();

  made.index_added_tokens();
  made.needs_origins_ =
      made.pretokenizer_.needs_origins() || (!made.normalized_all_.empty() && !made.normalizer_.empty());

  auto front = token_decoder::front_space::kept;
  for (auto const& step : definition.normalizers)
    if (auto const* const s = step.get_if<normalize::sentencepiece>())
      front = s->remove_extra ? token_decoder::front_space::all_dropped
              : s->add_prefix ? token_decoder::front_space::dropped
                              : front;
  auto decoder = token_decoder::make(
      definition.decoders,
      sentencepiece ? token_decoder::spelling::sentencepiece
      : bytes       ? token_decoder::spelling::bytes
                    : token_decoder::spelling::plain,
      made.roles_.size(), pieces, front, [&](token id) { return made.spelling(id); },
      [&](token id) { return made.roles_.is_added(id); }, [&](token id) { return made.is_special(id); });
  if (!decoder) return decoder.error().within("tokenizer");
  made.decoder_ = *std::move(decoder);
  definition.added.assign(made.roles_.tokens().begin(), made.roles_.tokens().end());
  made.definition_ = std::move(definition);
  made.serial_ = next_serial();
  return made;
}

} // namespace loquat
