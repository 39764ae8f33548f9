// The graph index with several codecs: recall against queries per second, build time, memory; beside other programs.
#include "arguments.hpp"
#include "curves.hpp"
#include "timing.hpp"
#include "vectors.hpp"

#include <loquat/index/codecs/pq.hpp>
#include <loquat/index/codecs/scalar.hpp>
#include <loquat/index/flat.hpp>
#include <loquat/index/hnsw.hpp>
#include <loquat/parallel/pool.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using namespace loquat;
using bench::fail;
using bench::must;
using bench::vectors;

constexpr char usage[] = R"(usage: bench_index BASE QUERIES [OPTION]…
       bench_index --synthetic N DIMENSIONS [OPTION]…

Builds an index of the vectors of BASE for each codec and searches it for those of QUERIES, more and more widely, on one
thread; medians of N rounds. Files: fvecs, bvecs, npy, csv. Synthetic vectors lie on curved surfaces of 32 dimensions.
  --metric NAME            l2 (default) or cosine
  --codecs LIST            default f32,sq8+f32,rabitq4+f32; also f16, sq8, rabitq4+f16, rabitq2+f32, rabitq2+f16,
                           rabitq1+f32, pq16+f16. What is behind + is what candidates are measured with again
  --m N                    neighbours, default 16
  --ef-construction N      default 200
  --threads LIST           builds with each of these numbers of threads, default 1,2
  --k N                    nearest that are looked for, default 10
  --repeat N               rounds, default 3
  --csv FILE               writes the curves: name,ef,recall,qps
  --save PREFIX            writes PREFIX.base.fvecs, .query.fvecs and .truth.ivecs
  --peer NAME COMMAND      another program's curve: COMMAND BASE QUERIES TRUTH METRIC K M EF_CONSTRUCTION must print lines
                           "build SECONDS BYTES_PER_VECTOR" and "EF RECALL QUERIES_PER_SECOND"; with --save, the files are
                           those
A hit counts if it is no farther than the k-th of the exact search, so that ties do not matter.
)";

struct settings {
  std::string metric = "l2", csv, save;
  std::vector<std::string> codecs{"f32", "sq8+f32", "rabitq4+f32"};
  std::vector<unsigned> threads{1, 2};
  std::size_t m = 16, ef_construction = 200, k = 10, repeat = 3;
  std::vector<std::pair<std::string, std::string>> peers;
};

void write_rows(std::string const& path, std::size_t dimensions, std::size_t n, void const* numbers) {
  std::FILE* const out = std::fopen(path.c_str(), "wb");
  if (out == nullptr) fail(path + ": cannot be written");
  auto const head = static_cast<std::int32_t>(dimensions);
  for (std::size_t i = 0; i < n; ++i) {
    std::fwrite(&head, 4, 1, out);
    std::fwrite(static_cast<char const*>(numbers) + i * dimensions * 4, 4, dimensions, out);
  }
  std::fclose(out);
}

/// Vectors, queries, and what exact search finds.
template <class M> struct problem {
  vectors base, queries;
  std::size_t k;
  std::vector<std::int32_t> truth; ///< [queries × k]
  std::vector<double> farthest;    ///< the distance of the k-th

  problem(vectors b, vectors q, std::size_t wanted)
      : base(std::move(b)), queries(std::move(q)), k(std::min(wanted, base.size())) {
    flat<M> exact{{.dimensions = base.dimensions, .capacity = base.size()}};
    for (std::size_t i = 0; i < base.size(); ++i) must(exact.insert(i, base[i]));
    truth.resize(queries.size() * k), farthest.resize(queries.size());
    pool const threads;
    std::vector<typename flat<M>::workspace> works(threads.size());
    threads.run(queries.size(), [&](std::size_t i, unsigned thread) {
      std::vector<hit> found(k);
      must(exact.search(queries[i], found, works[thread]));
      for (std::size_t j = 0; j < k; ++j) truth[i * k + j] = static_cast<std::int32_t>(found[j].key);
      farthest[i] = distance(i, found.back().key);
    });
  }
  double distance(std::size_t query, std::uint64_t key) const {
    auto const a = queries[query], b = base[key];
    double ab = 0, aa = 0, bb = 0, squares = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      double const x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
      ab += x * y, aa += x * x, bb += y * y, squares += (x - y) * (x - y);
    }
    return std::same_as<M, l2> ? squares : 1 - ab / std::sqrt(aa * bb);
  }
};

template <class M, class... Parts>
bench::curve measure(std::string const& name, problem<M> const& p, settings const& s) {
  using index = hnsw<M, Parts...>;
  bench::curve c{name};
  std::vector<std::uint64_t> keys(p.base.size());
  for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = i;
  hnsw_options const options{
      .dimensions = p.base.dimensions, .capacity = keys.size(), .m = s.m, .ef_construction = s.ef_construction};
  index built(options);
  for (unsigned const threads : s.threads) {
    built = index(options);
    pool const workers(threads);
    c.builds.push_back(bench::seconds([&] { must(built.insert(keys, p.base.rows, workers)); }));
  }
  c.bytes = static_cast<double>(built.memory_bytes()) / static_cast<double>(keys.size());

  typename index::workspace w;
  std::vector<hit> found(p.k);
  std::size_t const n = p.queries.size();
  for (double width = 1; width <= 64 && (c.points.empty() || c.points.back().recall < 0.995); width *= 1.42) {
    auto const ef = static_cast<std::size_t>(width * static_cast<double>(p.k));
    std::size_t hits = 0;
    for (std::size_t i = 0; i < n; ++i) {
      std::size_t const m = must(built.search(p.queries[i], found, w, {.ef = ef}));
      for (std::size_t j = 0; j < m; ++j) hits += p.distance(i, found[j].key) <= p.farthest[i] * (1 + 1e-6) + 1e-9;
    }
    std::vector<double> times;
    for (std::size_t round = 0; round < s.repeat; ++round)
      times.push_back(bench::seconds([&] {
        for (std::size_t i = 0; i < n; ++i) (void)must(built.search(p.queries[i], found, w, {.ef = ef}));
      }));
    c.points.push_back(
        {ef, static_cast<double>(hits) / static_cast<double>(n * p.k), static_cast<double>(n) / bench::median(times)});
  }
  return c;
}

template <class M> bench::curve measure_codec(std::string const& codec, problem<M> const& p, settings const& s) {
  if (codec == "f32") return measure<M>(codec, p, s);
  if (codec == "f16") return measure<M, f16>(codec, p, s);
  if (codec == "sq8") return measure<M, sq8>(codec, p, s);
  if (codec == "sq8+f32") return measure<M, sq8, rerank<f32>>(codec, p, s);
  if (codec == "rabitq4+f32") return measure<M, rabitq<4>, rerank<f32>>(codec, p, s);
  if (codec == "rabitq4+f16") return measure<M, rabitq<4>, rerank<f16>>(codec, p, s);
  if (codec == "rabitq2+f32") return measure<M, rabitq<2>, rerank<f32>>(codec, p, s);
  if (codec == "rabitq2+f16") return measure<M, rabitq<2>, rerank<f16>>(codec, p, s);
  if (codec == "rabitq1+f32") return measure<M, rabitq<1>, rerank<f32>>(codec, p, s);
  if (codec == "pq16+f16") return measure<M, pq<16>, rerank<f16>>(codec, p, s);
  fail("--codecs: there is no " + codec);
}

template <class M>
void run(vectors base, vectors queries, std::string base_name, std::string query_name, settings const& s) {
  std::size_t const dimensions = base.dimensions;
  if (queries.dimensions != dimensions) fail("the queries have another length than the vectors");
  problem<M> const p(std::move(base), std::move(queries), s.k);
  std::printf("%s: %zu vectors of %zu, %zu queries, %s, M = %zu, efConstruction = %zu, recall@%zu\n\n",
              base_name.c_str(), p.base.size(), dimensions, p.queries.size(), s.metric.c_str(), s.m, s.ef_construction,
              p.k);
  std::string truth_name;
  if (!s.save.empty()) {
    base_name = s.save + ".base.fvecs", query_name = s.save + ".query.fvecs", truth_name = s.save + ".truth.ivecs";
    write_rows(base_name, dimensions, p.base.size(), p.base.rows.data());
    write_rows(query_name, dimensions, p.queries.size(), p.queries.rows.data());
    write_rows(truth_name, p.k, p.queries.size(), p.truth.data());
  } else if (!s.peers.empty()) {
    fail("--peer wants --save, which writes the truth that it reads");
  }
  std::vector<bench::curve> curves;
  auto const show = [&] {
    curves.back().print();
    std::fflush(stdout);
  };
  for (auto const& codec : s.codecs) curves.push_back(measure_codec<M>(codec, p, s)), show();
  for (auto const& [name, command] : s.peers) {
    std::string const arguments = " '" + base_name + "' '" + query_name + "' '" + truth_name + "' " + s.metric + " " +
                                  std::to_string(p.k) + " " + std::to_string(s.m) + " " +
                                  std::to_string(s.ef_construction);
    curves.push_back(bench::read_curve(name, command + arguments)), show();
  }
  bench::print_table(curves, s.threads);
  if (!s.csv.empty() && !bench::write_csv(curves, s.csv)) fail(s.csv + ": cannot be written");
}

} // namespace

int main(int argc, char** argv) {
  settings s;
  std::vector<std::string> files;
  std::size_t n = 0, dimensions = 0;
  for (bench::arguments args({"bench_index", usage}, argc, argv); args.next();) {
    if (args.is("--synthetic"))
      n = args.number(), dimensions = args.number();
    else if (args.is("--metric"))
      s.metric = args.value();
    else if (args.is("--codecs"))
      s.codecs = args.list();
    else if (args.is("--m"))
      s.m = args.number();
    else if (args.is("--ef-construction"))
      s.ef_construction = args.number();
    else if (args.is("--threads")) {
      s.threads.clear();
      for (std::size_t const t : args.numbers()) s.threads.push_back(static_cast<unsigned>(t));
    } else if (args.is("--k"))
      s.k = args.number();
    else if (args.is("--repeat"))
      s.repeat = args.number();
    else if (args.is("--csv"))
      s.csv = args.value();
    else if (args.is("--save"))
      s.save = args.value();
    else if (args.is("--peer")) {
      std::string const name = args.value();
      s.peers.emplace_back(name, args.value());
    } else
      files.emplace_back(args.name());
  }
  if ((n != 0 && dimensions != 0) ? !files.empty() : files.size() != 2)
    fail("expected BASE and QUERIES, or --synthetic");
  if (s.metric != "l2" && s.metric != "cosine") fail("--metric: l2 or cosine");
  vectors base, queries;
  if (files.empty()) {
    bench::synthetic const series(dimensions);
    base = series.sample(0, n), queries = series.sample(std::uint64_t{1} << 40, 1000);
    files = {"synthetic", "synthetic"};
  } else {
    base = must(bench::load_vectors(files[0])), queries = must(bench::load_vectors(files[1]));
  }
  if (base.rows.empty() || queries.rows.empty()) fail("there are no vectors");
  if (s.metric == "l2")
    run<l2>(std::move(base), std::move(queries), files[0], files[1], s);
  else
    run<cosine>(std::move(base), std::move(queries), files[0], files[1], s);
}
