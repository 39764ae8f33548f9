// Searches of the graph index with filters: recall and time as fewer and fewer vectors pass, beside the exact index.
#include "arguments.hpp"
#include "timing.hpp"
#include "vectors.hpp"

#include <loquat/index/codecs/scalar.hpp>
#include <loquat/index/file.hpp>
#include <loquat/index/flat.hpp>
#include <loquat/index/hnsw.hpp>
#include <loquat/parallel/pool.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace loquat;
using bench::fail;
using bench::must;
using bench::vectors;

constexpr char usage[] = R"(usage: bench_filters BASE QUERIES [OPTION]…
       bench_filters --synthetic N DIMENSIONS [OPTION]…

Searches with filters, as they choose to go about it and as they can be forced to, beside the exact index: microseconds
a search on one thread, and recall. In every round each of them searches in turn, for fewer queries where that takes more
than half a second; medians of the rounds.
  --metric NAME        l2 (default) or cosine
  --codec NAME         f32 (default) or sq8
  --filters LIST       random (a hash of the key), keys (a key_set of the same), range (of keys), element (one element of
                       the vector is large), near (those nearest to one vector): default all
  --shares LIST        percent that pass, default 50,20,10,5,2,1,0.5,0.1
  --queries N          default 150
  --repeat N           rounds, default 5
  --m N                neighbours, default 16
  --ef N               width of searches, default 64
  --k N                nearest that are looked for, default 10
  --index FILE         the graph: read if it is there, else written
Files: fvecs, bvecs, npy, csv. A hit counts if it is no farther than the k-th of the exact search.
)";

struct settings {
  std::string metric = "l2", codec = "f32", file;
  std::vector<std::string> filters{"random", "keys", "range", "element", "near"};
  std::vector<double> shares{0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.001};
  std::size_t queries = 150, repeat = 5, m = 16, ef = 64, k = 10;
};

/// One of the ways a search is measured: its recall at once, its time in rounds.
struct way {
  char const* name;
  filter_strategy strategy;
  bool exact; ///< of the flat index
  double recall = 0;
  std::size_t queries = 0;     ///< fewer where they are slow
  std::vector<double> times{}; ///< seconds a search
};

/// An exact and an approximate index of the same vectors.
template <class M, class Codec> class indices {
 public:
  indices(vectors const& base, vectors const& queries, settings const& s)
      : base_(base), queries_(queries), s_(s), exact_({.dimensions = base.dimensions, .capacity = base.size()}) {
    for (std::size_t i = 0; i < base.size(); ++i) must(exact_.insert(i, base[i]));
    if (auto file = std::fopen(s.file.c_str(), "rb"); !s.file.empty() && file != nullptr) {
      std::fclose(file);
      graph_ = must(load_index<hnsw<M, Codec>>(s.file));
      if (graph_.size() != base.size() || graph_.options().m != s.m) fail(s.file + " is of other vectors");
      return;
    }
    std::vector<std::uint64_t> keys(base.size());
    std::iota(keys.begin(), keys.end(), std::uint64_t{});
    graph_ = hnsw<M, Codec>{{.dimensions = base.dimensions, .capacity = base.size(), .m = s.m}};
    must(graph_.insert(keys, base.rows, pool()));
    if (!s.file.empty()) must(save_index(graph_, s.file));
  }

  double unfiltered() const { // seconds a search
    std::vector<hit> found(s_.k);
    std::vector<double> times;
    for (std::size_t round = 0; round <= s_.repeat; ++round)
      times.push_back(bench::seconds([&] {
        for (std::size_t i = 0; i < queries_.size(); ++i) must(graph_.search(queries_[i], found, w_, {.ef = s_.ef}));
      }));
    return bench::median(times) / static_cast<double>(queries_.size());
  }

  /// Prints a line of the table.
  template <class Filter> void measure(std::string const& name, double share, Filter const& passes) const {
    std::array<way, 5> ways{{{"search", filter_strategy::automatic, false},
                             {"flat", filter_strategy::scan, true},
                             {"walk", filter_strategy::walk, false},
                             {"hop", filter_strategy::hop, false},
                             {"scan", filter_strategy::scan, false}}};
    std::vector<hit> found(s_.k);
    std::vector<float> farthest(queries_.size(), -1);
    std::vector<std::size_t> counts(queries_.size());
    std::size_t all = 0;
    for (std::size_t i = 0; i < queries_.size(); ++i) {
      all += counts[i] = must(exact_.search(queries_[i], found, v_, {}, passes));
      if (counts[i] != 0) farthest[i] = found[counts[i] - 1].distance;
    }
    for (auto& way : ways) {
      std::size_t hits = 0;
      double const time = bench::seconds([&] {
        for (std::size_t i = 0; i < queries_.size(); ++i) {
          std::size_t const n = search(way, i, found, passes);
          for (std::size_t j = 0; j < n; ++j) hits += found[j].distance <= farthest[i] * (1 + 1e-6f) + 1e-9f;
        }
      });
      way.recall = all == 0 ? 1 : static_cast<double>(hits) / static_cast<double>(all);
      double const longest = 0.5; // seconds of a round
      way.queries =
          std::clamp<std::size_t>(static_cast<std::size_t>(longest / time * static_cast<double>(queries_.size())),
                                  std::min<std::size_t>(queries_.size(), 5), queries_.size());
    }
    for (std::size_t round = 0; round < s_.repeat; ++round)
      for (auto& way : ways)
        way.times.push_back(bench::seconds([&] {
                              for (std::size_t i = 0; i < way.queries; ++i) search(way, i, found, passes);
                            }) /
                            static_cast<double>(way.queries));
    std::printf("| %s | %.3g %% | %.3f |", name.c_str(), 100 * share, ways[0].recall);
    for (auto const& way : ways) {
      double const time = 1e6 * bench::median(way.times);
      std::printf(time < 10 ? " %.1f" : " %.0f", time);
      if (way.strategy == filter_strategy::walk || way.strategy == filter_strategy::hop)
        std::printf(" (%.2f)", way.recall);
      std::printf(" |");
    }
    std::printf("\n");
    std::fflush(stdout);
  }

 private:
  template <class Filter>
  std::size_t search(way const& way, std::size_t query, std::span<hit> found, Filter const& passes) const {
    if (way.exact) return must(exact_.search(queries_[query], found, v_, {}, passes));
    return must(graph_.search(queries_[query], found, w_, {.ef = s_.ef, .strategy = way.strategy}, passes));
  }

  vectors const& base_;
  vectors const& queries_;
  settings const& s_;
  flat<M, Codec> exact_;
  hnsw<M, Codec> graph_;
  mutable typename hnsw<M, Codec>::workspace w_;
  mutable typename flat<M, Codec>::workspace v_;
};

/// The largest of the least `share` of values.
float quantile(std::vector<float> values, double share) {
  auto const at = static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

template <class M, class Codec> void run(vectors const& base, vectors const& queries, settings const& s) {
  indices<M, Codec> const both(base, queries, s);
  std::size_t const n = base.size();
  std::printf("%zu vectors of %zu, %s, %s, m = %zu, ef = %zu, k = %zu, %zu queries; without a filter %.0f µs\n\n", n,
              base.dimensions, s.metric.c_str(), s.codec.c_str(), s.m, s.ef, s.k, queries.size(),
              1e6 * both.unfiltered());
  std::printf("| filter | share | recall@%zu | search | `flat` | forced `walk` | forced `hop` | forced `scan` |\n"
              "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
              s.k);
  std::vector<float> element(n), apart(n); // metadata, by key
  for (std::size_t i = 0; i < n; ++i) {
    element[i] = -base[i][base.dimensions / 2];
    for (std::size_t j = 0; j < base.dimensions; ++j)
      apart[i] += (base[i][j] - base[n / 2][j]) * (base[i][j] - base[n / 2][j]);
  }
  for (auto const& filter : s.filters)
    for (double const share : s.shares) {
      auto const below = static_cast<std::uint64_t>(share * 0x1p32);
      auto const hashed = [=](std::uint64_t key) { return key * 0x9e3779b97f4a7c15u >> 32 < below; };
      auto const is_below = [](std::vector<float> const& values, float bound) {
        return [&values, bound](std::uint64_t key) { return values[key] <= bound; };
      };
      auto const measure = [&](auto const& passes) {
        std::size_t passing = 0;
        for (std::uint64_t key = 0; key < n; ++key) passing += passes(key);
        both.measure(filter, static_cast<double>(passing) / static_cast<double>(n), passes);
      };
      if (filter == "random") {
        measure(hashed);
      } else if (filter == "keys") {
        std::vector<std::uint64_t> keys;
        for (std::uint64_t key = 0; key < n; ++key)
          if (hashed(key)) keys.push_back(key);
        measure(key_set(keys));
      } else if (filter == "range") {
        std::uint64_t const first = n / 3, count = static_cast<std::uint64_t>(share * static_cast<double>(n));
        measure([=](std::uint64_t key) { return key - first < count; });
      } else if (filter == "element") {
        measure(is_below(element, quantile(element, share)));
      } else if (filter == "near") {
        measure(is_below(apart, quantile(apart, share)));
      } else {
        fail("--filters: there is no " + filter);
      }
    }
}

} // namespace

int main(int argc, char** argv) {
  settings s;
  std::vector<std::string> files;
  std::size_t n = 0, dimensions = 0;
  for (bench::arguments args({"bench_filters", usage}, argc, argv); args.next();) {
    if (args.is("--synthetic"))
      n = args.number(), dimensions = args.number();
    else if (args.is("--metric"))
      s.metric = args.value();
    else if (args.is("--codec"))
      s.codec = args.value();
    else if (args.is("--filters"))
      s.filters = args.list();
    else if (args.is("--shares")) {
      s.shares.clear();
      for (auto const& share : args.list())
        s.shares.push_back(std::clamp(std::strtod(share.c_str(), nullptr) / 100, 0.0, 1.0));
    } else if (args.is("--queries"))
      s.queries = args.number();
    else if (args.is("--repeat"))
      s.repeat = args.number();
    else if (args.is("--m"))
      s.m = args.number();
    else if (args.is("--ef"))
      s.ef = args.number();
    else if (args.is("--k"))
      s.k = args.number();
    else if (args.is("--index"))
      s.file = args.value();
    else
      files.emplace_back(args.name());
  }
  if ((n != 0 && dimensions != 0) ? !files.empty() : files.size() != 2)
    fail("expected BASE and QUERIES, or --synthetic");
  vectors base, queries;
  if (files.empty()) {
    bench::synthetic const series(dimensions);
    base = series.sample(0, n), queries = series.sample(std::uint64_t{1} << 40, s.queries);
  } else {
    base = must(bench::load_vectors(files[0])), queries = must(bench::load_vectors(files[1]));
  }
  if (base.rows.empty() || queries.rows.empty()) fail("there are no vectors");
  if (queries.dimensions != base.dimensions) fail("the queries have another length than the vectors");
  queries.rows.resize(std::min(queries.size(), s.queries) * queries.dimensions);
  if (s.metric == "l2" && s.codec == "f32")
    run<l2, f32>(base, queries, s);
  else if (s.metric == "l2" && s.codec == "sq8")
    run<l2, sq8>(base, queries, s);
  else if (s.metric == "cosine" && s.codec == "f32")
    run<cosine, f32>(base, queries, s);
  else if (s.metric == "cosine" && s.codec == "sq8")
    run<cosine, sq8>(base, queries, s);
  else
    fail("--metric: l2 or cosine; --codec: f32 or sq8");
}
