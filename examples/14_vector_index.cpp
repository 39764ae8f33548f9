/// \file
/// Nearest neighbours: which words are spelled most like another. A word's vector counts its pairs and triples of
/// letters; texts as vectors of a model (10_embeddings.cpp) go into an index in the same way.
///
///   14_vector_index [WORD]

#include <loquat/index/codecs/scalar.hpp>
#include <loquat/index/hnsw.hpp>
#include <loquat/index/pipe.hpp>

#include <array>
#include <iostream>
#include <ranges>
#include <string_view>

namespace {

constexpr std::string_view words[]{
    "apple", "apricot", "banana",      "blackberry", "blueberry", "cherry",  "cranberry",  "currant",   "date",
    "fig",   "grape",   "guava",       "kiwi",       "kumquat",   "lemon",   "lime",       "loquat",    "lychee",
    "mango", "medlar",  "melon",       "mulberry",   "nectarine", "olive",   "orange",     "papaya",    "peach",
    "pear",  "plum",    "pomegranate", "quince",     "raspberry", "rhubarb", "strawberry", "tangerine", "tomato"};

using vector = std::array<float, 128>;

vector spelling(std::string_view word) {
  vector counts{};
  for (std::size_t length : {2u, 3u})
    for (std::size_t i = 0; i + length <= word.size(); ++i) {
      std::size_t place = length;
      for (char const c : word.substr(i, length)) place = place * 31 + static_cast<unsigned char>(c);
      counts[place % counts.size()] += 1;
    }
  counts[0] += 0.01f; // even "a" has a direction
  return counts;
}

} // namespace

int main(int argc, char** argv) try {
  using namespace loquat;
  std::string_view const asked = argc > 1 ? argv[1] : "lokuat";

  // The angle between vectors; a byte for each element, and floats of 16 bits to measure what was found again.
  hnsw<cosine, sq8, rerank<f16>, dims<128>> index;
  std::size_t const n = (words | std::views::transform(spelling) | index_into(index)).value(); // keys 0, 1, …
  std::cout << n << " words in " << index.memory_bytes() << " bytes\n";

  auto const found = (spelling(asked) | search<3>(index)).value(); // no allocation: the hits are in `found`
  std::cout << "like " << asked << ":\n";
  for (auto const [key, distance] : found) std::cout << "  " << words[key] << "  " << distance << '\n';

  // only those that a filter lets pass; then one is taken out
  hit out[3];
  auto const short_ones = [](std::uint64_t key) { return words[key].size() <= 5; };
  std::size_t const m = index.search(spelling(asked), out, {.ef = 100}, short_ones).value();
  for (auto const& h : std::span(out).first(m)) std::cout << "short: " << words[h.key] << '\n';
  index.erase(found.front().key);
  auto const next = (spelling(asked) | search<1>(index)).value();
  std::cout << "without " << words[found.front().key] << ": " << words[next.front().key] << '\n';
  return argc > 1 || words[found.front().key] == "loquat" ? 0 : 1;
} catch (loquat::bad_result const& failure) {
  std::cerr << failure.what() << '\n';
  return 1;
}
