#include <doctest/doctest.h>

#include <loquat/tokenizer/byte_alphabet.hpp>
#include <loquat/tokenizer/sources/merge_reader.hpp>

#include <array>
#include <string>
#include <string_view>
#include <vector>

using namespace loquat;

namespace tokenizer_merge_reader_test {

using detail::find_seam;
using detail::find_seam_of_two;
using detail::no_seam;

constexpr bool seams() {
  return find_seam("a b", "ab", "") == 1 && find_seam("ab c", "abc", "") == 2 &&
         find_seam("a bc", "abd", "") == no_seam && find_seam("abc", "ab", "") == no_seam &&
         find_seam(" b", "b", "") == no_seam && find_seam("  b", " b", "") == 1 &&
         find_seam("a b", "abc", "") == no_seam && find_seam("", "", "") == no_seam &&
         find_seam("a  b", "a b", "") == 1; // the first space
}
static_assert(seams());
static_assert(find_seam_of_two("a", "bc", "abc") == 1 && find_seam_of_two("a", "bd", "abc") == no_seam &&
              find_seam_of_two("ab", "bc", "abc") == no_seam);

TEST_CASE("find_seam: the same in memory that is read 16 bytes at once") {
  for (std::size_t size = 1; size <= 40; ++size)
    for (std::size_t cut = 0; cut <= size; ++cut)
      for (std::size_t other = 0; other <= size; ++other) { // one byte that differs
        std::string whole(size, 'a');
        for (std::size_t i = 0; i < size; ++i) whole[i] = static_cast<char>('a' + i % 26);
        auto merge = whole;
        merge.insert(cut, 1, ' ');
        if (other < size) merge[other + (other >= cut)] = '?';
        for (std::size_t const behind : {0u, 1u, 16u, 17u, 40u}) {
          std::string const file = whole + merge + std::string(behind, ' ');
          std::string_view const all = file, here = all.substr(size, merge.size());
          CHECK(find_seam(here, all.substr(0, size), all) == find_seam(here, all.substr(0, size), {}));
        }
      }
}

/// What a reader makes of merges, given as texts with a space, of these tokens in the byte alphabet.
constexpr std::vector<merge_rule> read(std::vector<std::string_view> const& tokens,
                                       std::vector<std::string_view> const& merges, bool& good) {
  token_model::bpe model{.bytes = true};
  for (auto const t : tokens) {
    std::vector<char> bytes;
    good = good && append_bytes(t, bytes) && model.pieces.add({bytes.data(), bytes.size()}, token_kind::normal);
  }
  model.index = piece_index(model.pieces);
  detail::merge_reader reader(model);
  auto const spelled = [&](token id) { return tokens[static_cast<std::size_t>(id)]; };
  for (auto const m : merges)
    if (!reader.follow([&](std::string_view whole) { return find_seam(m, whole, {}); }, spelled)) {
      reader.flush();
      auto const find = [&](std::string_view text) {
        std::vector<char> bytes;
        return append_bytes(text, bytes) ? model.index->find(model.pieces, {bytes.data(), bytes.size()}) : no_token;
      };
      reader.add(find(m.substr(0, m.find(' '))), find(m.substr(m.find(' ') + 1)));
    }
  reader.flush();
  good = good && reader.first_lacking() == model.merges.size();
  return model.merges;
}
constexpr std::string_view space = "\xC4\xA0", umlaut = "\xC3\x83\xC2\xA4"; // of the byte alphabet: " ", "ä"

constexpr bool follows() {
  bool good = true;
  auto const all = read({"a", "b", space, "\xC3\x83", "\xC2\xA4", "ab",
                         "\xC4\xA0"
                         "a",
                         umlaut, "aba"},
                        {"a b", "\xC4\xA0 a", "\xC3\x83 \xC2\xA4", "ab a", "a b"}, good);
  return good && all == std::vector<merge_rule>{{0, 1, 5}, {2, 0, 6}, {3, 4, 7}, {5, 0, 8}, {0, 1, 5}};
}
static_assert(follows());

TEST_CASE("merge_reader: more merges than are looked up together, some out of order") {
  std::vector<std::string> texts{"a", "b"};
  std::vector<std::string> merges;
  std::vector<merge_rule> expected;
  for (int i = 0; i < 100; ++i) { // aab, aabb, …: each by two merges
    texts.push_back(texts.size() == 2 ? "ab" : (i % 2 == 0 ? "a" + texts.back() : texts.back() + "b"));
    auto const id = static_cast<token>(texts.size() - 1);
    auto const& before = texts[static_cast<std::size_t>(id) - 1];
    if (id == 2 || i % 2 == 0)
      merges.push_back(id == 2 ? "a b" : "a " + before), expected.push_back({0, id == 2 ? 1 : id - 1, id});
    else
      merges.push_back(before + " b"), expected.push_back({id - 1, 1, id});
    if (i % 7 == 3) merges.push_back("a b"), expected.push_back({0, 1, 2}); // again
  }
  bool good = true;
  auto const found = read({texts.begin(), texts.end()}, {merges.begin(), merges.end()}, good);
  CHECK(good);
  CHECK(found == expected);
}

TEST_CASE("merge_reader: a part that is no token is noticed") {
  bool good = true;
  auto const found = read({"a", "abc"}, {"a bc"}, good);
  CHECK_FALSE(good);
  CHECK(found[0] == merge_rule{0, no_token, 1});
}

} // namespace tokenizer_merge_reader_test
