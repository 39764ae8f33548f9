#pragma once
/// \file
/// Reads a SentencePiece model file (sentencepiece_model.proto), as far as BPE tests need it.

#include <loquat/tokenizer/vocabulary.hpp>

#include <bit>
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace test {

/// The pieces and settings of a model, as views into its bytes.
class sentencepiece_model {
 public:
  explicit sentencepiece_model(std::string_view bytes) {
    spec_.unknown = 0, spec_.begin = 1, spec_.end = 2; // defaults of the format
    fields(bytes, [&](std::uint64_t field, std::uint64_t number, std::string_view part) {
      if (field == 1) read_piece(part);
      if (field == 2) fields(part, [&](std::uint64_t f, std::uint64_t n, std::string_view) { read_trainer(f, n); });
      if (field == 3) fields(part, [&](std::uint64_t f, std::uint64_t n, std::string_view) { read_normalizer(f, n); });
      (void)number;
    });
  }
  loquat::vocabulary_spec spec() const {
    auto out = spec_;
    out.pieces = pieces_;
    out.scores = scores_;
    out.kinds = kinds_;
    return out;
  }

 private:
  void read_piece(std::string_view part) {
    pieces_.emplace_back();
    scores_.push_back(0);
    kinds_.push_back(loquat::token_kind::normal);
    fields(part, [&](std::uint64_t field, std::uint64_t number, std::string_view text) {
      if (field == 1) pieces_.back() = text;
      if (field == 2) scores_.back() = std::bit_cast<float>(static_cast<std::uint32_t>(number));
      if (field == 3) kinds_.back() = static_cast<loquat::token_kind>(number);
    });
  }
  void read_trainer(std::uint64_t field, std::uint64_t number) {
    auto const id = static_cast<loquat::token>(static_cast<std::int64_t>(number));
    if (field == 40) spec_.unknown = id;
    if (field == 41) spec_.begin = id;
    if (field == 42) spec_.end = id;
  }
  void read_normalizer(std::uint64_t field, std::uint64_t number) {
    if (field == 3) spec_.add_space_prefix = number != 0;
    if (field == 4) spec_.remove_extra_whitespaces = number != 0;
  }

  static std::uint64_t varint(std::string_view& rest) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !rest.empty(); shift += 7) {
      auto const byte = static_cast<unsigned char>(rest.front());
      rest.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    throw std::runtime_error("sentencepiece model: bad number");
  }
  template <class F> static void fields(std::string_view rest, F f) {
    while (!rest.empty()) {
      auto const tag = varint(rest);
      std::uint64_t number = 0;
      std::string_view part;
      if (tag % 8 == 0) {
        number = varint(rest);
      } else {
        std::size_t const size = tag % 8 == 1 ? 8 : tag % 8 == 5 ? 4 : varint(rest);
        if (size > rest.size()) throw std::runtime_error("sentencepiece model: too short");
        part = rest.substr(0, size);
        if (size == 4)
          for (std::size_t i = 4; i-- > 0;) number = number << 8 | static_cast<unsigned char>(part[i]);
        rest.remove_prefix(size);
      }
      f(tag / 8, number, part);
    }
  }

  std::vector<std::string_view> pieces_;
  std::vector<float> scores_;
  std::vector<loquat::token_kind> kinds_;
  loquat::vocabulary_spec spec_;
};

} // namespace test
