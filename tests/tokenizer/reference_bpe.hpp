#pragma once
/// \file
/// Byte-pair encoding written the obvious way, over maps of strings: what the real one is compared with.

#include <loquat/core/utf8.hpp>
#include <loquat/tokenizer/definition.hpp>

#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace test {

struct placed_token {
  loquat::token id = loquat::no_token;
  std::size_t begin = 0, end = 0;
  friend bool operator==(placed_token const&, placed_token const&) = default;
};

/// Encodes one word; pieces are all of the kind `normal`.
class reference_bpe {
 public:
  explicit reference_bpe(loquat::token_model::bpe const& model) : model_(model) {
    for (std::size_t i = 0; i < model.pieces.size(); ++i)
      ids_[std::string(model.pieces.piece(static_cast<loquat::token>(i)))] = static_cast<loquat::token>(i);
    for (std::size_t rank = 0; rank < model.merges.size(); ++rank) {
      auto const [left, right, merged] = model.merges[rank];
      std::string whole(model.pieces.piece(left));
      whole += model.pieces.piece(right).substr(model.continuing_prefix.view().size());
      merges_[{left, right}] = {rank, ids_.at(whole)};
    }
  }

  std::vector<placed_token> encode(std::string_view word) const {
    if (auto const id = find(word); id && model_.whole_words && !word.empty()) return {{*id, 0, word.size()}};
    auto symbols = split(word);
    while (true) {
      std::size_t best = symbols.size();
      std::pair<std::size_t, loquat::token> merge;
      for (std::size_t i = 0; i + 1 < symbols.size(); ++i)
        if (auto const found = rule(symbols[i], symbols[i + 1]); found && (best == symbols.size() || *found < merge))
          best = i, merge = *found;
      if (best == symbols.size()) break;
      symbols[best].id = merge.second;
      symbols[best].size += symbols[best + 1].size;
      symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
    std::vector<placed_token> out;
    std::size_t begin = 0;
    for (auto const& s : symbols) {
      auto const end = std::min(begin + s.size, word.size());
      out.push_back({s.id, begin, end});
      begin = end;
    }
    return out;
  }

 private:
  struct symbol {
    loquat::token id;
    std::size_t size;
  };

  std::optional<loquat::token> find(std::string_view text) const {
    auto const found = ids_.find(text);
    return found == ids_.end() ? std::nullopt : std::optional(found->second);
  }
  std::optional<std::pair<std::size_t, loquat::token>> rule(symbol const& left, symbol const& right) const {
    if (model_.ranked) {
      auto const id = find(std::string(model_.pieces.piece(left.id)) + std::string(model_.pieces.piece(right.id)));
      return id ? std::optional(std::pair(static_cast<std::size_t>(*id), *id)) : std::nullopt;
    }
    auto const found = merges_.find({left.id, right.id});
    return found == merges_.end() ? std::nullopt : std::optional(found->second);
  }

  std::vector<symbol> split(std::string_view word) const {
    std::vector<symbol> out;
    std::optional<symbol> unknown;
    auto const flush = [&] {
      if (unknown) out.push_back(*unknown);
      unknown.reset();
    };
    for (std::size_t at = 0; at < word.size();) {
      std::size_t const size = model_.bytes ? 1 : loquat::utf8::decode(word.substr(at)).length;
      std::string text(word.substr(at, size));
      if (at > 0) text.insert(0, model_.continuing_prefix.view());
      at += size;
      if (at == word.size()) text += model_.word_suffix.view();
      if (auto const id = find(text)) {
        flush();
        out.push_back({*id, size});
        continue;
      }
      std::vector<symbol> bytes;
      for (char const c : text) {
        char name[7]{};
        std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned>(static_cast<unsigned char>(c)));
        if (auto const id = find(name)) bytes.push_back({*id, 1});
      }
      if (model_.byte_fallback && bytes.size() == text.size()) {
        out.insert(out.end(), bytes.begin(), bytes.end());
      } else if (model_.unknown != loquat::no_token) {
        if (unknown && model_.fuse_unknown) {
          unknown->size += size;
        } else {
          flush();
          unknown = {model_.unknown, size};
        }
      }
    }
    flush();
    return out;
  }

  loquat::token_model::bpe const& model_;
  std::map<std::string, loquat::token, std::less<>> ids_;
  std::map<std::pair<loquat::token, loquat::token>, std::pair<std::size_t, loquat::token>> merges_;
};

} // namespace test
