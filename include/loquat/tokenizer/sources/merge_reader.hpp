#pragma once
/// \file
/// Reads the merges of a byte-pair encoding, which files have as two texts each. Part of `gguf.hpp` and
/// `tokenizer_json.hpp`.
///
/// Most files list merges in the order of the pieces that they make. So a merge is compared with the spelling of the
/// piece that the one before made, and of the next: if it is that, its texts are parts of a piece, which neither have
/// to be translated nor put together to be found.

#include <loquat/core/bytes16.hpp>
#include <loquat/core/token.hpp>
#include <loquat/tokenizer/definition.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace loquat::detail {

inline constexpr std::size_t no_seam = std::string_view::npos;

#if defined(__SSE2__)
/// `find_seam` for at most 16 bytes of `whole`; both texts have 17 bytes that can be read.
[[gnu::always_inline]] inline std::size_t find_short_seam(char const* merge, std::string_view whole) noexcept {
  bytes16 const here(merge), behind(merge + 1), all(whole.data());
  unsigned const spaces = (here.between(' ', ' ') & ~1u) | 1u << 16;
  unsigned const before = (spaces & (0u - spaces)) - 1; // bits of what is left of the first space
  unsigned const same = (here.equals(all) & before) | (behind.equals(all) & ~before);
  unsigned const wanted = ~(~0u << whole.size());
  return (same & wanted) == wanted ? static_cast<std::size_t>(__builtin_ctz(spaces)) : no_seam;
}
#else
inline std::size_t find_short_seam(char const*, std::string_view) noexcept { return no_seam; }
#endif

/// `find_seam` for any length.
constexpr std::size_t find_long_seam(std::string_view merge, std::string_view whole) noexcept {
  auto const space = merge.find(' ', 1);
  if (space == merge.npos || merge.substr(0, space) != whole.substr(0, space)) return no_seam;
  return merge.substr(space + 1) == whole.substr(space) ? space : no_seam;
}

/// `merge` is two pieces and a space between them, the first space behind its first byte: where that is if the pieces
/// together are `whole`, or `no_seam`. What lies in `file` is looked at 16 bytes at once.
[[gnu::always_inline]] constexpr std::size_t find_seam(std::string_view merge, std::string_view whole,
                                                       std::string_view file) noexcept {
  if (merge.size() != whole.size() + 1 || merge.size() < 3) return no_seam;
  if (has_bytes16 && !std::is_constant_evaluated() && whole.size() <= 16) {
    auto const fits = [&](char const* from) { // sixteen bytes, and one more
      auto const before = reinterpret_cast<std::uintptr_t>(from) - reinterpret_cast<std::uintptr_t>(file.data());
      return before < file.size() && file.size() - before > 16;
    };
    if (fits(merge.data()) && fits(whole.data())) return find_short_seam(merge.data(), whole);
  }
  return find_long_seam(merge, whole);
}

/// The same for two pieces that are apart.
constexpr std::size_t find_seam_of_two(std::string_view left, std::string_view right, std::string_view whole) noexcept {
  bool const same = left.size() + right.size() == whole.size() && whole.starts_with(left) && whole.ends_with(right);
  return same ? left.size() : no_seam;
}

/// Collects the merges of `model`, whose pieces and index are there.
class merge_reader {
 public:
  constexpr explicit merge_reader(token_model::bpe& model) noexcept
      : model_(&model), prefix_(model.continuing_prefix.view().size()) {}

  /// Adds a merge if it makes what the one before made, or the next piece. `spelled(id)` is how the file spells a
  /// piece, `seam(whole)` where the left piece ends in that, if it is the text of both.
  template <class Seam, class Spelled> [[gnu::always_inline]] constexpr bool follow(Seam seam, Spelled spelled) {
    if (prefix_ != 0) return false;
    for (token id = last_; id <= last_ + 1 && model_->pieces.contains(id); ++id) {
      std::string_view const whole = spelled(id);
      auto left = seam(whole);
      if (left == no_seam) continue;
      last_ = id;
      std::string_view const piece = model_->pieces.piece(id);
      if (piece.size() != whole.size()) left = characters({whole.data(), left}); // as bytes of the piece
      if (left > piece.size()) return false;
      parts_[count_] = {piece.data(), left};
      parts_[count_ + 1] = {piece.data() + left, piece.size() - left};
      merged_[count_ / 2] = id;
      count_ += 2;
      if (count_ == parts_.size()) flush();
      return true;
    }
    return false;
  }
  /// Adds a merge of any two tokens, behind a `flush`.
  constexpr void add(token left, token right) {
    auto const head = model_->pieces.piece(left), tail = model_->pieces.piece(right);
    if (tail.size() < prefix_) return model_->merges.push_back({left, right, no_token}); // no model is made of it
    text_.assign(head.begin(), head.end());
    text_.insert(text_.end(), tail.begin() + static_cast<std::ptrdiff_t>(prefix_), tail.end());
    auto const merged = model_->index->find(model_->pieces, {text_.data(), text_.size()});
    model_->merges.push_back({left, right, merged});
    if (merged != no_token) last_ = merged;
  }
  /// Call it behind the last merge.
  constexpr void flush() {
    std::array<token, piece_index::together> ids{};
    model_->index->find_parts(model_->pieces, {parts_.data(), count_}, ids);
    for (std::size_t i = 0; i < count_; i += 2) {
      lacking_ = lacking_ || ids[i] == no_token || ids[i + 1] == no_token;
      model_->merges.push_back({ids[i], ids[i + 1], merged_[i / 2]});
    }
    count_ = 0;
  }
  /// The first merge of which a part is no token, or their number. Asked for after `flush`.
  constexpr std::size_t first_lacking() const noexcept {
    auto const& all = model_->merges;
    if (!lacking_) return all.size();
    auto const lacks = [](merge_rule const& r) { return r.left == no_token || r.right == no_token; };
    return static_cast<std::size_t>(std::find_if(all.begin(), all.end(), lacks) - all.begin());
  }

 private:
  static constexpr std::size_t characters(std::string_view text) noexcept {
    std::size_t n = 0;
    for (char const c : text) n += (static_cast<unsigned char>(c) & 0xC0u) != 0x80u;
    return n;
  }

  token_model::bpe* model_;
  std::size_t prefix_;
  token last_ = 0;                                              // what the merge before made
  std::array<std::string_view, piece_index::together> parts_{}; // of the last merges, to be looked up together
  std::array<token, piece_index::together / 2> merged_{};       // what they make
  std::size_t count_ = 0;
  bool lacking_ = false;
  std::vector<char> text_;
};

} // namespace loquat::detail
