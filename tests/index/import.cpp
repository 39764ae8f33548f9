/// \file
/// Indices of other libraries taken over: files laid out here by their documented formats, and damaged ones.
#include <loquat/index/codecs/binary.hpp>
#include <loquat/index/codecs/scalar.hpp>
#include <loquat/index/file.hpp>
#include <loquat/index/flat.hpp>
#include <loquat/index/import_hnswlib.hpp>
#include <loquat/index/import_usearch.hpp>

#include <doctest/doctest.h>
#include <support/random_rows.hpp>
#include <support/temporary.hpp>

#include <algorithm>
#include <ctime>
#include <memory>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

namespace index_import_test {

using namespace loquat;
using test::random_numbers;

// A graph of several levels by brute force: each node has edges to its nearest on every level that it is on, and theirs
// back.
struct graph {
  std::size_t n, d, m = 4;
  std::vector<float> rows;
  std::vector<std::size_t> levels;
  std::vector<std::vector<std::vector<std::uint32_t>>> links; // [node][level]

  graph(std::size_t nodes, std::size_t dimensions) : n(nodes), d(dimensions), rows(n * d), levels(n), links(n) {
    random_numbers random;
    for (float& v : rows) v = random.real();
    for (std::size_t i = 0; i < n; ++i) levels[i] = i == 5 ? 3 : i % 4 == 0 ? 1 + (i % 16 == 0) : 0;
    for (std::size_t i = 0; i < n; ++i) {
      links[i].resize(levels[i] + 1);
      for (std::size_t l = 0; l <= levels[i]; ++l) {
        std::vector<std::pair<float, std::uint32_t>> near;
        for (std::size_t j = 0; j < n; ++j)
          if (j != i && levels[j] >= l) near.push_back({apart(i, j), static_cast<std::uint32_t>(j)});
        std::sort(near.begin(), near.end());
        for (auto const& [distance, j] : near)
          if (links[i][l].size() < (l == 0 ? 2 * m : m)) links[i][l].push_back(j);
      }
    }
  }
  float apart(std::size_t i, std::size_t j) const {
    float sum = 0;
    for (std::size_t e = 0; e < d; ++e)
      sum += (rows[i * d + e] - rows[j * d + e]) * (rows[i * d + e] - rows[j * d + e]);
    return sum;
  }
  std::span<float const> row(std::size_t i) const { return std::span(rows).subspan(i * d, d); }
};

void put_list(std::vector<std::byte>& out, std::vector<std::uint32_t> const& list, std::size_t most,
              std::uint32_t marks = 0) {
  append_little(out, static_cast<std::uint32_t>(list.size()) | marks);
  for (std::size_t i = 0; i < most; ++i) append_little(out, i < list.size() ? list[i] : std::uint32_t{0});
}

constexpr auto thousands = [](std::size_t i) { return std::uint64_t{1000 + i}; };
template <class Key = decltype(thousands)>
std::vector<std::byte> hnswlib_file(graph const& g, std::size_t erased, Key key = thousands) {
  std::vector<std::byte> out;
  std::uint64_t const links = 4 + 8 * g.m, label = links + 4 * g.d;
  for (std::uint64_t v : {std::uint64_t{0}, std::uint64_t{g.n + 10}, std::uint64_t{g.n}, label + 8, label, links})
    append_little(out, v);
  append_little(out, 3), append_little(out, std::uint32_t{5});
  append_little(out, std::uint64_t{g.m}), append_little(out, std::uint64_t{2 * g.m}),
      append_little(out, std::uint64_t{g.m});
  append_little(out, 0.72), append_little(out, std::uint64_t{77});
  for (std::size_t i = 0; i < g.n; ++i) {
    put_list(out, g.links[i][0], 2 * g.m, i < erased ? 1u << 16 : 0);
    for (float v : g.row(i)) append_little(out, v);
    append_little(out, key(i));
  }
  for (std::size_t i = 0; i < g.n; ++i) {
    append_little(out, static_cast<std::uint32_t>(g.levels[i] * (4 + 4 * g.m)));
    for (std::size_t l = 1; l <= g.levels[i]; ++l) put_list(out, g.links[i][l], g.m);
  }
  return out;
}

struct usearch_kind {
  char metric = 'e';
  std::uint8_t element = 11, key = 14, slot = 15;
  std::uint16_t minor = 21;
  bool wide = false, several = false;
};
template <class Row, class Key = decltype(thousands)>
std::vector<std::byte> usearch_file(graph const& g, std::size_t erased, usearch_kind kind, std::size_t bytes, Row row,
                                    Key key = thousands) {
  std::vector<std::byte> out;
  for (std::size_t v : {g.n, bytes})
    if (kind.wide)
      append_little(out, std::uint64_t{v});
    else
      append_little(out, static_cast<std::uint32_t>(v));
  for (std::size_t i = 0; i < g.n; ++i) row(out, g.row(i));
  std::size_t const header = out.size();
  append_text(out, "usearch");
  append_little(out, std::uint16_t{2}), append_little(out, kind.minor), append_little(out, std::uint16_t{0});
  append_little(out, kind.metric), append_little(out, kind.element), append_little(out, kind.key),
      append_little(out, kind.slot);
  append_little(out, std::uint64_t{g.n - erased}), append_little(out, std::uint64_t{erased}),
      append_little(out, std::uint64_t{g.d});
  out.push_back(static_cast<std::byte>(kind.several));
  out.resize(header + 64);
  for (std::size_t v : {g.n, g.m, 2 * g.m, std::size_t{3}, std::size_t{5}}) append_little(out, std::uint64_t{v});
  for (auto l : g.levels) append_little(out, static_cast<std::int16_t>(l));
  for (std::size_t i = 0; i < g.n; ++i) {
    append_little(out, i < erased ? ~std::uint64_t{0} : key(i));
    append_little(out, static_cast<std::int16_t>(g.levels[i]));
    put_list(out, g.links[i][0], 2 * g.m);
    for (std::size_t l = 1; l <= g.levels[i]; ++l) put_list(out, g.links[i][l], g.m);
  }
  return out;
}
void put_floats(std::vector<std::byte>& out, std::span<float const> row) {
  for (float v : row) append_little(out, v);
}

// It finds what the exact index finds, can be changed, saved and loaded.
template <class M, class Index> void works(Index index, graph const& g, std::size_t erased) {
  REQUIRE(index.size() == g.n - erased);
  flat<M> exact{{.dimensions = g.d}};
  for (std::size_t i = erased; i < g.n; ++i) REQUIRE(exact.insert(1000 + i, g.row(i)));
  std::size_t hits = 0;
  for (std::size_t i = 0; i < g.n; i += 3) {
    hit a[5], b[5];
    REQUIRE(exact.search(g.row(i), a).value() == 5);
    REQUIRE(index.search(g.row(i), b, {.ef = 100}).value() == 5);
    std::set<std::uint64_t> keys;
    for (auto const& h : b) keys.insert(h.key);
    for (auto const& h : a) hits += keys.contains(h.key);
  }
  CHECK(static_cast<double>(hits) >= 0.9 * 5 * static_cast<double>((g.n + 2) / 3));
  auto loaded = load_index<Index>(std::span<std::byte const>(index_bytes(index).value()));
  REQUIRE(loaded);
  std::vector<float> const x(g.d, 0.5f);
  for (std::uint64_t key = 0; key < 50; ++key) REQUIRE((index.insert(key, x) && loaded->insert(key, x)));
  CHECK(index.erase(1000 + erased));
  index.compact();
  hit found[1];
  CHECK(index.search(x, found).value() == 1);
}

TEST_CASE("an index of hnswlib becomes one of any codec, with its erased nodes") {
  test::temporary_folder const folder;
  graph const g(180, 12);
  auto const file = hnswlib_file(g, 20);
  works<l2>(import_hnswlib<hnsw<l2>>(file).value(), g, 20);
  works<l2>(import_hnswlib<hnsw<l2, sq8, rerank<f32>, dims<12>>>(file).value(), g, 20);
  std::string const text(reinterpret_cast<char const*>(file.data()), file.size());
  auto const index = import_hnswlib<hnsw<l2>>(folder.put("it.bin", text)).value();
  CHECK((index.options().m == 4 && index.options().ef_construction == 77 && index.dimensions() == 12));
  CHECK((index.contains(1020) && !index.contains(1019)));
  auto const refused = import_hnswlib<hnsw<l2>>(folder.put("half.bin", text.substr(0, 5000))).error();
  CHECK(refused.message().find("half.bin: no file of hnswlib: nodes 180") != std::string_view::npos);
  CHECK(import_hnswlib<hnsw<l2, dims<13>>>(file).error().code() == errc::mismatch);
  graph const none(0, 3);
  CHECK(import_hnswlib<hnsw<l2>>(hnswlib_file(none, 0)).value().empty());
}

TEST_CASE("an index of USearch becomes one of any codec, with every type of elements") {
  graph const g(180, 16);
  works<l2>(import_usearch<hnsw<l2>>(usearch_file(g, 15, {}, 64, put_floats)).value(), g, 15);
  works<l2>(import_usearch<hnsw<l2, f16>>(
                usearch_file(g, 0, {.element = 5, .key = 8, .slot = 9, .minor = 9, .wide = true}, 64, put_floats))
                .value(),
            g, 0);
  auto const halves = usearch_file(g, 0, {.element = 12}, 32, [](auto& out, auto row) {
    for (float v : row) append_little(out, half_from_float(v));
  });
  works<l2>(import_usearch<hnsw<l2>>(halves).value(), g, 0);
  auto const doubles = usearch_file(g, 0, {.element = 10}, 128, [](auto& out, auto row) {
    for (float v : row) append_little(out, static_cast<double>(v));
  });
  works<l2>(import_usearch<hnsw<l2>>(doubles).value(), g, 0);
  auto const bytes = usearch_file(g, 3, {.element = 23}, 16, [](auto& out, auto row) {
    for (float v : row) out.push_back(static_cast<std::byte>(static_cast<std::int8_t>(v * 127)));
  });
  works<l2>(import_usearch<hnsw<l2>>(bytes).value(), g, 3);
  auto const bits = usearch_file(g, 0, {.metric = 'b', .element = 1}, 2, [](auto& out, auto row) {
    for (std::size_t i = 0; i < 16; i += 8) {
      unsigned byte = 0;
      for (std::size_t b = 0; b < 8; ++b) byte |= (row[i + b] > 0 ? 128u : 0u) >> b;
      out.push_back(static_cast<std::byte>(byte));
    }
  });
  auto const sets = import_usearch<hnsw<hamming, binary>>(bits).value();
  for (std::size_t i = 0; i < g.n; ++i) {
    std::vector<float> x(16);
    REQUIRE(sets.read(1000 + i, x));
    for (std::size_t e = 0; e < 16; ++e) CHECK(x[e] == (g.row(i)[e] > 0 ? 1.0f : 0.0f));
  }
  auto const says = [&](usearch_kind kind, std::string_view what) {
    auto const e = import_usearch<hnsw<l2>>(usearch_file(g, 0, kind, 64, put_floats));
    REQUIRE(!e);
    INFO(std::string(e.error().message()));
    CHECK(e.error().message().find(what) != std::string_view::npos);
  };
  says({.metric = 'c'}, "metric is 'c', expected 'e'");
  says({.element = 13}, "elements of kind 13, expected f64");
  says({.slot = 2}, "slots of kind 2, expected 64 and 32 bits");
  says({.element = 12}, "16 elements in 64 bytes");
  CHECK(import_usearch<hnsw<l2>>(usearch_file(graph(0, 2), 0, {}, 8, put_floats)).value().empty());
}

// The i-th of keys whose searches begin at the same place of every table: by the inverse of `key_table::home`.
constexpr std::uint64_t colliding_key(std::uint64_t hash, std::size_t i) {
  std::uint64_t inverse = 1;
  for (int n = 0; n < 6; ++n) inverse *= 2 - inverse * 0x9e3779b97f4a7c15u;
  std::uint64_t const key = (hash << 32 | i) * inverse;
  return key ^ key >> 32;
}
using key_table = detail::key_table<std::allocator<std::byte>>;
static_assert(key_table::home(colliding_key(0xfedcba98, 1), 1u << 30) == 0xfedcba98 >> 2);
static_assert(key_table::home(colliding_key(0xfedcba98, 9), 1u << 30) == 0xfedcba98 >> 2);

constexpr bool every_key_is_found(std::uint64_t hash) {
  std::size_t const n = 40, erased = 13;
  key_table one({}), many({});
  std::vector<std::uint32_t> slots;
  auto const key = [&](std::size_t slot) { return colliding_key(hash + slot / 10, slot / 2); }; // each twice
  one.grow(10), many.grow(n);
  for (std::uint32_t slot = 0; slot < n; ++slot) {
    if (slot >= 10) one.grow(slot + 1);
    one.insert(slot, key(slot)), slots.push_back(slot);
  }
  many.insert(slots, key);
  many.grow(n + 7);
  for (auto* table : {&one, &many}) {
    for (std::uint32_t slot = 0; slot < n; slot += 2) {
      std::vector<std::size_t> found;
      table->find(key(slot), [&](std::size_t s) { return found.push_back(s), true; });
      if (found != std::vector<std::size_t>{slot, slot + 1}) return false; // in order
    }
    for (std::size_t slot = 0; slot < n; slot += erased) table->erase(slot);
    for (std::uint32_t slot = 0; slot < n; ++slot) {
      bool there = false;
      table->find(key(slot), [&](std::size_t s) { return !(there = there || s == slot); });
      if (there == (slot % erased == 0)) return false;
    }
  }
  return true;
}
static_assert(every_key_is_found(5) && every_key_is_found(0xfffffffe)); // of which some are around the end

TEST_CASE("taking over keys that collide takes no longer than others") {
  graph g(0, 1);
  g.n = 300'000, g.m = 1;
  g.rows.resize(g.n), g.levels.resize(g.n), g.links.resize(g.n, {{}});
  for (std::size_t i = 0; i < g.n; ++i) {
    g.rows[i] = static_cast<float>(i);
    g.links[i][0] = {static_cast<std::uint32_t>(i == 0 ? 1 : i - 1)};
  }
  auto const start = std::clock();
  auto index = import_hnswlib<hnsw<l2>>(hnswlib_file(g, 0, [](std::size_t i) { return colliding_key(7, i); })).value();
  float const x = 0.5f;
  REQUIRE(index.insert(1, {&x, 1})); // which has to grow
  auto const seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  CAPTURE(seconds);
  CHECK(seconds < 10); // one by one: a minute
  CHECK(index.size() == g.n + 1);
  CHECK(index.contains(colliding_key(7, 12)));
  CHECK(!index.contains(colliding_key(8, 12)));

  auto const same = import_usearch<hnsw<l2>>(usearch_file(g, 0, {.several = true}, 4, put_floats, [](std::size_t) {
                      return std::uint64_t{77};
                    })).value();
  CHECK(same.size() == g.n);
}

template <class Import> void survives_damage(std::vector<std::byte> const& whole, Import import) {
  for (std::size_t n = 0; n < whole.size(); n += n < 200 ? 1 : 7) {
    std::vector<std::byte> const part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
    CHECK(!import(part));
  }
  random_numbers random;
  std::size_t taken = 0;
  for (int round = 0; round < 3000; ++round) {
    auto bytes = whole;
    for (auto n = random() % 3 + 1; n-- > 0;) {
      std::size_t const at = random() % (round % 3 == 0 ? 200 : bytes.size());
      bytes[at] =
          round % 2 != 0 ? static_cast<std::byte>(random()) : bytes[at] ^ static_cast<std::byte>(1u << random() % 8);
      if (round % 5 == 0)
        std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), std::min<std::size_t>(4, bytes.size() - at),
                    std::byte{0xff});
    }
    auto index = import(bytes);
    if (!index) continue;
    ++taken;
    std::vector<float> const x(index->dimensions(), 0.3f);
    hit found[6];
    CHECK(index->search(x, found).has_value());
    auto const saved = index_bytes(*index);
    REQUIRE(saved);
    CHECK(verify_index(std::span<std::byte const>(*saved)));
  }
  CHECK(taken > 100);
}
TEST_CASE("damaged files of others are refused, or become sound indices") {
  graph const g(60, 3);
  survives_damage(hnswlib_file(g, 5), [](std::span<std::byte const> file) { return import_hnswlib<hnsw<l2>>(file); });
  survives_damage(usearch_file(g, 5, {}, 12, put_floats),
                  [](std::span<std::byte const> file) { return import_usearch<hnsw<l2>>(file); });
}

} // namespace index_import_test
