#pragma once
/// \file
/// The tokenizer that a GGUF file describes in its `tokenizer.ggml.*` keys.

#include <loquat/core/result.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/tokenizer/sentencepiece_bpe.hpp>
#include <loquat/tokenizer/vocabulary.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

namespace loquat {

/// Builds the tokenizer of a file. It owns what it needs; the file may go. Errors name the file and the key:
/// `errc::missing` and `errc::mismatch` for keys, `errc::unsupported` for a `tokenizer.ggml.model` other than "llama",
/// and those of `sentencepiece_bpe::make`.
constexpr result<sentencepiece_bpe> tokenizer_from(gguf::file const& file) {
  auto const model = file.get<std::string_view>("tokenizer.ggml.model");
  if (!model) return model.error();
  if (*model != "llama")
    return fail(errc::unsupported, file.name(), ": key tokenizer.ggml.model: ", *model,
                " tokenizers are not supported; supported: llama (SentencePiece BPE)");
  auto const pieces = file.array<std::string_view>("tokenizer.ggml.tokens");
  if (!pieces) return pieces.error();
  auto const scores = file.array<float>("tokenizer.ggml.scores");
  if (!scores) return scores.error();
  auto const types = file.array<std::int32_t>("tokenizer.ggml.token_type");
  if (!types) return types.error();
  if (pieces->size() != scores->size() || pieces->size() != types->size())
    return fail(errc::mismatch, file.name(), ": expected as many tokenizer.ggml.scores and token_type as tokens (",
                pieces->size(), "), found ", scores->size(), " and ", types->size());

  std::vector<token_kind> kinds;
  kinds.reserve(types->size());
  for (std::int32_t const type : *types) {
    if (type < 0 || type > static_cast<std::int32_t>(token_kind::byte))
      return fail(errc::malformed, file.name(), ": key tokenizer.ggml.token_type: expected 0 to 6, found ", type,
                  " for token ", kinds.size());
    kinds.push_back(static_cast<token_kind>(type));
  }
  std::vector<std::string_view> const names(pieces->begin(), pieces->end());
  std::vector<float> const values(scores->begin(), scores->end());
  vocabulary_spec spec{.pieces = names, .scores = values, .kinds = kinds, .plain_spaces = true};

  error wrong;
  bool good = true;
  auto const read = [&]<class T>(std::string_view key, T& out) {
    auto const value = file.get_or<T>(key, out);
    if (value)
      out = *value;
    else if (good) {
      good = false;
      wrong = value.error();
    }
  };
  auto const role = [&](std::string_view key, token& out) {
    constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max(); // how some files say that there is none
    std::uint32_t id = none;
    read(key, id);
    if (id == none) return;
    if (good && id >= names.size()) {
      good = false;
      wrong = fail(errc::malformed, file.name(), ": key ", key, ": token ", id, " of ", names.size());
    }
    out = static_cast<token>(id);
  };
  role("tokenizer.ggml.bos_token_id", spec.begin);
  role("tokenizer.ggml.eos_token_id", spec.end);
  role("tokenizer.ggml.unknown_token_id", spec.unknown);
  read("tokenizer.ggml.add_bos_token", spec.add_begin);
  read("tokenizer.ggml.add_eos_token", spec.add_end);
  read("tokenizer.ggml.add_space_prefix", spec.add_space_prefix);
  read("tokenizer.ggml.remove_extra_whitespaces", spec.remove_extra_whitespaces);
  if (!good) return wrong;
  auto made = sentencepiece_bpe::make(spec);
  if (!made) return made.error().within(file.name());
  return made;
}

} // namespace loquat
