#pragma once
/// \file
/// What a tokenizer holds and offers. Part of `pipeline.hpp`, which explains it.

#include <loquat/core/result.hpp>
#include <loquat/core/token.hpp>
#include <loquat/tokenizer/definition.hpp>
#include <loquat/tokenizer/pipeline/decoding.hpp>
#include <loquat/tokenizer/pipeline/progress.hpp>
#include <loquat/tokenizer/pipeline/roles.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace loquat {

class tokenizer;
class tokenizer_cursor;

/// What of a tokenizer takes long to compile and no constant expression needs. In a program of several translation units
/// one of them can compile it for all (`template struct loquat::tokenizer_code<>; template struct
/// loquat::tokenizer_loader<>;`, and of `loquat::hugging_face` what is used of `adapter_loader<>`, `folder_loader<>` and
/// `folder_saver<>`) while the others define LOQUAT_SEPARATE_TOKENIZERS.
template <class = void> struct tokenizer_code {
  /// What `tokenizer::advance` does.
  static bool advance(tokenizer const& t, encoding_progress& now, tokenizer_workspace& room, std::size_t limit);
};

/// A tokenizer. It owns all that it needs; immutable, so that threads can share it, each with a workspace.
class tokenizer {
 public:
  using workspace = tokenizer_workspace; ///< what encoding works in; one for each thread

  /// Builds a tokenizer. Added tokens without an id get the rule of `tokenizer.json`: the id of the piece of the same
  /// text, or else the next free one. Errors are those of the parts, and `errc::malformed` for tokens out of range.
  static constexpr result<tokenizer> make(tokenizer_definition definition);

  constexpr std::size_t size() const noexcept { return decoder_.size(); } ///< ids are 0 … size() - 1
  /// The bytes of a token as they are in the middle of a text: what decoding one token after another appends. Empty
  /// for an id out of range.
  constexpr std::string_view piece(token id) const noexcept { return decoder_.piece(id); }
  /// A token as the file spells it ("##ing", "▁the"); of byte-level pieces the bytes they stand for, of
  /// SentencePiece's a space for U+2581.
  constexpr std::string_view name(token id) const noexcept {
    if (auto const* const added = roles_.added(id)) return added->content;
    return model_pieces().piece(id);
  }
  /// Whether the name is the bytes themselves, so that one that is no ASCII may be a part of a character.
  constexpr bool spells_bytes(token id) const noexcept { return bytes_ && !roles_.added(id); }
  /// The token of this name, or `no_token`.
  constexpr token find(std::string_view name) const noexcept {
    if (auto const id = roles_.find(name); id != no_token) return id;
    return model_.visit([&](auto const& model) { return model.find(name); });
  }
  /// True for control tokens, which are no text.
  constexpr bool is_special(token id) const noexcept { return roles_.is_special(id); }
  /// Whether a space is put before a text, which decoding a whole text takes away.
  constexpr bool adds_space() const noexcept { return decoder_.drops_space(); }
  constexpr token begin_token() const noexcept {
    return first_of(roles_.before());
  } ///< `no_token` if none is put before texts
  constexpr token end_token() const noexcept {
    return first_of(roles_.behind());
  }                                                                         ///< `no_token` if none is put behind texts
  constexpr token unknown_token() const noexcept { return roles_.unknown; } ///< `no_token` if there is none
  /// What it is made of, but for the model, whose pieces are `name(id)`.
  constexpr tokenizer_definition const& definition() const noexcept { return definition_; }
  constexpr any_token_model const& model() const noexcept { return model_; } ///< words to ids

  /// The ids of a text. They are in the workspace, until that is used again. Allocates nothing once the workspace has
  /// grown. `special_text::error` counts as plain: see `refuses`.
  constexpr std::span<token const> encode(std::string_view text, workspace& room, encode_options options = {},
                                          offset_rule rule = offset_rule::none) const;
  /// The same up to the word with which there are `limit` ids or more.
  constexpr std::span<token const> encode_some(std::string_view text, std::size_t limit, workspace& room,
                                               encode_options options = {}, offset_rule rule = offset_rule::none) const;
  /// How many ids a text has. Their number may exceed memory: they are not stored.
  constexpr std::size_t count(std::string_view text, workspace& room, encode_options options = {}) const;
  /// The first special token in a text, if `options` refuse them.
  constexpr std::optional<added_tokens::match> refuses(std::string_view text, encode_options options) const {
    if (options.special != special_text::error) return {};
    auto const found = added_tokens::reader(specials_, text).next();
    return found.id == no_token ? std::nullopt : std::optional(found);
  }

  /// Begins to encode `text`, which must outlive the cursor, as must the tokenizer (the `Tokenizer` contract).
  constexpr tokenizer_cursor start(std::string_view text, encode_options options = {}) const;
  /// The same in a workspace of the caller's, which allocates nothing once that has grown.
  constexpr tokenizer_cursor start(std::string_view text, encode_options options, workspace& room) const;

  /// Appends the text of `ids` to a `std::string` or a vector of `char`, as the decoders of the definition say. Ids out
  /// of range give nothing.
  template <class Out>
  constexpr void decode(std::span<token const> ids, Out& out, token_decoder::workspace& room,
                        text_options options) const {
    decoder_.decode(
        ids, out, room, options, [this](token id) { return spelling(id); },
        [this](token id) { return roles_.is_added(id); },
        [this](token id) { return is_special(id) && spelling(id) == name(id); }); // as Hugging Face tokenizers do
  }

  /// The same with a workspace of its own.
  template <class Out> constexpr void decode(std::span<token const> ids, Out& out, text_options options = {}) const {
    token_decoder::workspace room;
    decode(ids, out, room, options);
  }

 private:
  friend class tokenizer_cursor;
  friend struct tokenizer_code<>;
  using place = encoding_progress::place;

  /// What decoders see: HF gives them the normalized text of an added token that is looked for in normalized text.
  constexpr std::string_view spelling(token id) const noexcept {
    auto const* const added = roles_.added(id);
    if (added == nullptr) return model_pieces().piece(id);
    return added->normalized ? contents_[static_cast<std::size_t>(added - roles_.tokens().data())]
                             : added->content.view();
  }
  static constexpr token first_of(std::span<token const> ids) noexcept { return ids.empty() ? no_token : ids.front(); }
  constexpr vocabulary const& model_pieces() const noexcept {
    return model_.visit([](auto const& model) -> vocabulary const& { return model.pieces(); });
  }

  constexpr encoding_progress begin(std::string_view text, workspace& room, encode_options options,
                                    offset_rule rule) const;

  constexpr bool advance(encoding_progress& now, workspace& room, std::size_t limit) const;
  constexpr bool go_on(encoding_progress& now, workspace& room, std::size_t limit) const;
  static constexpr void replace_invalid(aligned_text& text, aligned_text& spare);
  constexpr bool next_section(encoding_progress& now, workspace& room) const;
  constexpr void next_stretch(encoding_progress& now, workspace& room) const;
  constexpr void begin_words(std::size_t begin, std::size_t end, encoding_progress& now, workspace& room) const;
  constexpr bool encode_words(encoding_progress& now, workspace& room, std::size_t limit) const;
  template <class Scanner>
  constexpr void scan_words(bpe const& model, encoding_progress& now, workspace& room, std::size_t limit) const;
  template <class Model>
  constexpr void encode_word(Model const& model, std::size_t begin, std::size_t end, encoding_progress const& now,
                             workspace& room) const;
  template <class Model>
  constexpr void encode_new(Model const& model, std::size_t begin, std::size_t end, encoding_progress const& now,
                            workspace& room) const;
  template <class Place>
  static constexpr void put_known(Place const& known, std::size_t begin, encoding_progress const& now, workspace& room);

  constexpr explicit tokenizer(any_token_model&& model) : model_(std::move(model)) {}
  static constexpr std::uint64_t next_serial();
  constexpr token find_spelled(std::string_view text) const;
  constexpr void index_added_tokens();

  /// Of which bytes of the source bytes `begin` … `end` of some text are made.
  static constexpr byte_range origin(place in, std::string_view bytes, std::size_t base, std::size_t begin,
                                     std::size_t end, encoding_progress const& now, workspace const& room) noexcept;

  static constexpr std::size_t longest_section = std::size_t{1} << 30; // bytes; a longer one is cut

  tokenizer_definition definition_; // but for the model
  any_token_model model_;
  token_roles roles_;
  normalizer normalizer_;
  pretokenizer pretokenizer_;
  scanner scanner_ = scanner::none;                // of all words, if there is one
  token_texts contents_;                           // of the added tokens, as they are looked for
  added_tokens raw_all_, raw_plain_, specials_;    // looked for in the source: all, all but special ones, only these
  added_tokens normalized_all_, normalized_plain_; // looked for in normalized sections
  bool needs_origins_ = false;
  bool bytes_ = false; // pieces are the bytes that they stand for
  bool sentencepiece_ = false;
  std::uint64_t serial_ = 1; // of the words in a workspace's cache

  token_decoder decoder_;
};

} // namespace loquat
