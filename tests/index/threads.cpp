/// \file
/// Indices that threads change, search, save and log at the same time.
#include <loquat/index/codecs/scalar.hpp>
#include <loquat/index/durable.hpp>
#include <loquat/index/file.hpp>
#include <loquat/index/flat.hpp>
#include <loquat/index/hnsw.hpp>
#include <loquat/parallel/pool.hpp>

#include <doctest/doctest.h>
#include <support/random_rows.hpp>
#include <support/temporary.hpp>

#include <atomic>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace index_threads_test {

using namespace loquat;
using test::keys_below, test::random_rows;

constexpr std::size_t d = 8;
std::span<float const> row(std::vector<float> const& rows, std::size_t i) { return std::span(rows).subspan(i * d, d); }

// Calls write(t) on 4 threads, and on 4 others read(t) over and over until they are done. What is false is wrong.
template <class Write, class Read> bool four_and_four(Write write, Read read) {
  std::atomic<unsigned> writing{4};
  std::atomic<bool> good{true};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      if (!write(t)) good = false;
      --writing;
    });
    threads.emplace_back([&, t] {
      do
        if (!read(t)) good = false;
      while (writing != 0);
    });
  }
  for (auto& thread : threads) thread.join();
  return good;
}

TEST_CASE("threads insert, update, erase and search at the same time") {
  std::size_t const n = 160;
  auto const rows = random_rows(4 * n, d);
  hnsw<l2, sq8> index{{.dimensions = d, .ef_construction = 30, .compact_at = 0.1f}};
  auto const write = [&](std::size_t t) {
    bool good = true;
    for (std::size_t i = t * n; i < (t + 1) * n; ++i) {
      good = good && index.insert(i, row(rows, i));
      if (i % 3 == 0) good = good && index.erase(i);
      if (i % 3 == 1) good = good && index.update(i, row(rows, i));
    }
    return good;
  };
  auto const read = [&](std::size_t t) {
    hnsw<l2, sq8>::workspace w;
    std::vector<hit> found(10), within;
    std::vector<std::uint64_t> const keys = keys_below(40);
    bool good = true;
    for (std::size_t i = t; i < 4 * n; i += 41) {
      auto const x = row(rows, i);
      found.resize(10);
      if (t == 0) found.resize(index.search(x, found).value()); // with a workspace of the index
      if (t == 1) found.resize(index.search(x, found, w, {}, [](std::uint64_t key) { return key % 8 == 0; }).value());
      if (t == 2) found.resize(index.search(x, found, w, {}, sorted_keys(keys)).value());
      if (t == 3) found.resize(index.search(x, found, w).value());
      if (t == 3) good = good && index.search_within(x, 1, within, w).has_value();
      for (auto const& h : found)
        good = good && (t == 1 ? h.key % 8 == 0 : t == 2 ? h.key < 40 : h.key < 4 * n) && h.distance >= -0.1f;
      float copy[d];
      if (index.read(i, copy)) good = good && copy[0] == copy[0];
    }
    return good;
  };
  CHECK(four_and_four(write, read));
  CHECK(index.size() == 4 * n - (4 * n + 2) / 3);
  std::size_t lost = 0;
  for (std::size_t i = 0; i < 4 * n; ++i) {
    CHECK(index.contains(i) == (i % 3 != 0));
    hit found[3]{};
    (void)index.search(row(rows, i), found, {.ef = 100}).value();
    lost += i % 3 != 0 && found[0].key != i && found[1].key != i && found[2].key != i;
  }
  CHECK(lost <= 4 * n / 50);
}

TEST_CASE("keys that stay are found while others are inserted and erased") {
  auto const rows = random_rows(500, d);
  hnsw<l2> index{{.dimensions = d, .ef_construction = 20, .compact_at = 0.1f}};
  for (std::size_t i = 0; i < 100; ++i) REQUIRE(index.insert(i, row(rows, i))); // stay
  auto const write = [&](std::size_t t) {
    bool good = true;
    for (std::size_t round = 0; round < 2; ++round) {
      for (std::size_t i = 100 * (t + 1); i < 100 * (t + 2); ++i) good = good && index.insert(i, row(rows, i));
      for (std::size_t i = 100 * (t + 1); i < 100 * (t + 2); ++i) good = good && index.erase(i);
    }
    return good;
  };
  std::uint64_t const some[]{5, 17, 60, 99, 150};
  std::vector<unsigned char> const in(500, true); // only keys of vectors are asked about
  auto const fifth = [&](std::uint64_t key) { return key % 5 == 0 && key < in.size() && in[key] != 0; };
  auto const read = [&](std::size_t t) {
    hnsw<l2>::workspace w;
    hit found[5];
    std::size_t const m =
        t % 2 == 0 ? index.search(row(rows, 5), found, w, {}, sorted_keys(some)).value()
                   : index.search(row(rows, 5), found, w, {.strategy = filter_strategy::scan}, fifth).value();
    return m >= 4 && found[0].key == 5 && index.contains(t);
  };
  CHECK(four_and_four(write, read));
  CHECK(index.size() == 100);
}

TEST_CASE("a pool inserts many and compacts, with the graph that one thread makes, beside a search") {
  std::size_t const n = 900, distinct = 700;
  auto rows = random_rows(distinct, d);
  rows.insert(rows.end(), rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>((n - distinct) * d)); // twins
  hnsw<l2> one{{.dimensions = d, .ef_construction = 40, .compact_at = 1}}, four(one.options());
  std::atomic<bool> done{false};
  std::atomic<std::size_t> wrong{0};
  std::thread searching([&] {
    hnsw<l2>::workspace w;
    hit found[10];
    for (std::size_t i = 0; !done; i = (i + 1) % n)
      for (std::size_t left = four.search(row(rows, i), found, w).value(); left-- > 0;) wrong += found[left].key >= n;
  });
  pool const single(1), threads(4);
  for (auto* index : {&one, &four}) {
    pool const& p = index == &one ? single : threads;
    bool good = index->insert(keys_below(n), rows, p).has_value();
    for (std::size_t i = 0; i < n; i += 3) good = index->erase(i) && good;
    index->compact(p);
    CHECK(good);
  }
  done = true;
  searching.join();
  CHECK(wrong == 0);
  CHECK(index_bytes(one).value() == index_bytes(four).value());
}

TEST_CASE("an index is saved as it is at one moment while threads insert and search") {
  test::temporary_folder const folder;
  std::size_t const each = 60;
  auto const rows = random_rows(4 * each, d);
  hnsw<l2> index{{.dimensions = d, .ef_construction = 30}};
  auto const write = [&](std::size_t t) {
    bool good = true;
    for (std::size_t i = t * each; i < (t + 1) * each; ++i) {
      good = good && index.insert(i, row(rows, i));
      if (i % 5 == 0) index.erase(i);
    }
    return good;
  };
  auto const read = [&](std::size_t t) {
    if (t % 2 != 0) {
      hit found[3];
      return index.search(row(rows, t), found).has_value();
    }
    auto const path = folder / (t == 0 ? "a" : "b");
    if (!save_index(index, path)) return false;
    auto const there = load_index<hnsw<l2>>(path);
    if (!there || there->size() > 4 * each) return false;
    std::size_t found = 0;
    for (std::size_t i = 0; i < 4 * each; ++i) found += there->contains(i);
    return found == there->size();
  };
  CHECK(four_and_four(write, read));
  CHECK(index.size() == 4 * each * 4 / 5);
}

TEST_CASE("threads change a durable index while others search and save it") {
  test::temporary_folder const folder;
  std::size_t const each = 30;
  {
    auto index = durable<hnsw<l2>>::open(folder / "it", hnsw<l2>{{.dimensions = 3}}).value();
    auto const write = [&](std::size_t t) {
      bool good = true;
      for (std::size_t i = 0; i < each; ++i) {
        float const x[]{static_cast<float>(t), static_cast<float>(i), 1};
        good = good && index.insert(t * 1000 + i, x);
        if (i % 3 == 0) good = good && index.erase(t * 1000 + i).value();
        if (t == 3 && i % 10 == 0) good = good && index.save();
      }
      return good;
    };
    float const x[]{1, 2, 3};
    auto const read = [&](std::size_t t) {
      hit found[3];
      return index.index().search(x, found).has_value() && (t != 0 || index.sync());
    };
    CHECK(four_and_four(write, read));
  }
  auto const index = durable<hnsw<l2>>::open(folder / "it", hnsw<l2>()).value();
  CHECK(index.index().size() == 4 * each * 2 / 3);
}

TEST_CASE("a flat index is searched while it changes") {
  auto const rows = random_rows(400, d);
  flat<l2, sq8> index{{.dimensions = d}};
  auto const write = [&](std::size_t t) {
    bool good = true;
    for (std::size_t i = t; i < 400; i += 4) {
      good = good && index.insert(i, row(rows, i));
      if (i % 16 == t) good = good && index.erase(i);
    }
    return good;
  };
  auto const read = [&](std::size_t t) {
    flat<l2, sq8>::workspace w;
    hit found[5];
    auto const n = index.search(row(rows, t), found, w);
    bool good = n.has_value() && index.size() <= 400;
    for (std::size_t i = 0; good && i < *n; ++i) good = found[i].key < 400;
    return good;
  };
  CHECK(four_and_four(write, read));
  CHECK(index.size() == 300);
}

} // namespace index_threads_test
