/// \file
/// `loquat index`: builds, searches and describes files of indices.

#include "commands.hpp"
#include "index_types.hpp"
#include "system.hpp"

#include <loquat/index/file.hpp>

#include <algorithm>
#include <filesystem>
#include <optional>

namespace tool {
namespace {

using namespace loquat;

std::string small(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::vector<index_type> all_types() {
  std::vector<index_type> all;
  for (auto types : {l2_indices(), inner_product_indices(), cosine_indices(), bit_indices()})
    all.insert(all.end(), types.begin(), types.end());
  return all;
}
// "sq8", "sq8 + f32", … for a metric
std::string codecs_of(std::string_view metric) {
  std::string out;
  for (auto const& t : all_types())
    if (t.metric == metric)
      out += (out.empty() ? "" : ", ") + small(t.codec) + (t.rerank.empty() ? "" : " + " + small(t.rerank));
  return out;
}
std::optional<index_type> find_type(std::string_view metric, std::string_view codec, std::string_view rerank) {
  for (auto const& t : all_types())
    if (t.metric == metric && small(t.codec) == small(codec) && small(t.rerank) == small(rerank)) return t;
  return std::nullopt;
}

setting text_setting(std::string_view& to, std::string_view what) {
  return {[&to](std::string_view value) { return to = value, !value.empty(); }, std::string(what), {}, std::string(to)};
}

constexpr std::string_view build_notes =
    R"(VECTORS is a file of fvecs, bvecs, npy or csv; its rows get the keys 0, 1, ...
Codecs, and with --rerank what measures again what they found:
  l2, inner_product, cosine  f32; f16; sq8; sq8 with f32 or f16; rabitq4 with
                             f32 or f16; rabitq2, rabitq1 or pq32 with f16
  hamming, jaccard           binary

INDEX appears when all of it is written, and then replaces a file of that name.
The same vectors and options give the same file, whatever the threads.

examples:
  loquat index build base.fvecs notes.index --metric cosine
  loquat index build base.bvecs base.index --codec rabitq4 --rerank f32
  loquat index build base.npy base.index --codec sq8 --m 24 --ef-construction 400
)";

int run_build(command const& self, arguments all) {
  std::string_view input, output, metric = "l2", codec = "f32", rerank;
  index_settings s;
  command_line const line{
      self,
      {{"VECTORS", "a file of vectors", input}, {"INDEX", "the file to write", output}},
      {{"--metric", "NAME", "l2, inner_product, cosine, hamming or jaccard", text_setting(metric, "a metric")},
       {"--codec", "NAME", "how vectors are kept", text_setting(codec, "a codec")},
       {"--rerank", "NAME", "keep them a second time, to measure what was found again",
        text_setting(rerank, "a codec")},
       {"--m", "N", "neighbours of a vector, twice as many on the lowest level",
        number(s.m, std::size_t{2}, std::size_t{256})},
       {"--ef-construction", "N", "how widely an insertion searches",
        number(s.ef_construction, std::size_t{1}, std::size_t{1} << 20)},
       {"--seed", "S", "of the levels", number(s.seed, std::uint64_t{0})},
       {"--threads", "N", "threads; 0: one for each CPU", number(s.threads, 0u, 1024u)}},
      build_notes};
  if (auto const status = line.parse(all)) return *status;
  if (codecs_of(metric).empty())
    return line.misuse("--metric " + printable(metric) + ": expected l2, inner_product, cosine, hamming or jaccard");
  if (codec == "f32" && codecs_of(metric) == "binary") codec = "binary"; // the only one
  auto const type = find_type(metric, codec, rerank);
  if (!type)
    return line.misuse("--codec " + printable(codec) + (rerank.empty() ? "" : " --rerank " + printable(rerank)) +
                       ": the program's indices of metric " + std::string(metric) + " are of " + codecs_of(metric));
  auto const file = vector_file::open(std::string(input));
  if (!file) return fail_with(file.error().message());
  if (file->size() == 0) return fail_with(std::string(input) + ": has no vectors");
  std::string const path(output);
  std::error_code absent; // then they are different
  if (std::filesystem::equivalent(path, std::filesystem::path(input), absent))
    return fail_with(path + ": is the input; give the index another name");
  if (auto const there = std::filesystem::status(path, absent); exists(there) && !is_regular_file(there))
    return fail_with(path + ": is no regular file, and cannot be replaced by one");
  catch_interrupt();
  stopwatch const clock;
  auto const bytes = type->build(*file, path, s);
  if (!bytes && bytes.error().code() == errc::cancelled) return complain("interrupted"), interrupted;
  if (!bytes) return fail_with(bytes.error().message());
  auto const n = static_cast<double>(file->size());
  put(std::to_string(file->size()) + " vectors of " + std::to_string(file->dimensions()) + " in " +
      number_text("%.2f s, ", clock.seconds()) + number_text("%.0f vectors/s; ", n / std::max(1e-9, clock.seconds())) +
      byte_text(static_cast<double>(*bytes)) + number_text(", %.0f bytes each\n", static_cast<double>(*bytes) / n));
  return end_output();
}

/// An index in a file, with its type.
struct open_index {
  index_info info;
  index_search search;
};
result<open_index> open(std::string const& path) {
  auto const info = read_index_info(path);
  if (!info) return info.error();
  auto const type = find_type(info->metric.view(), info->codec.view(), info->rerank.view());
  if (info->kind != index_kind::hnsw || !type)
    return fail(errc::unsupported, path, ": this program knows no ", name(info->kind), " index of metric ",
                info->metric.view(), ", codec ", info->codec.view(), info->rerank.view().empty() ? "" : ", rerank ",
                info->rerank.view());
  auto search = type->open(path);
  if (!search) return search.error();
  return open_index{*info, *std::move(search)};
}

constexpr std::string_view search_notes =
    R"(QUERY is one vector, as numbers between commas, or a file of vectors. Prints keys
and distances, nearest first; of a file with the number of the query before
them. With --truth no hits, but how many of the true ones are among them.
A query that begins with '-' goes behind --.

examples:
  loquat index search notes.index 0.12,-0.5,0.33 --k 3
  loquat index search base.index query.fvecs --ef 100
  loquat index search base.index query.bvecs --truth truth.ivecs
)";

int run_search(command const& self, arguments all) {
  std::string_view path, query, truth_path;
  std::size_t k = 10, ef = 0;
  command_line const line{
      self,
      {{"INDEX", "a file that 'loquat index build' wrote", path}, {"QUERY", "a vector or a file of vectors", query}},
      {{"--k", "N", "nearest vectors to find", number(k, std::size_t{1}, std::size_t{1} << 24)},
       {"--ef", "N", "how widely to search; 0: 64, or k if that is more",
        number(ef, std::size_t{0}, std::size_t{1} << 24)},
       {"--truth", "FILE", "ivecs or npy: keys of the nearest vectors of each query",
        text_setting(truth_path, "a file")}},
      search_notes};
  if (auto const status = line.parse(all)) return *status;
  auto const index = open(std::string(path));
  if (!index) return fail_with(index.error().message());
  bool const is_file = vector_file::format_of(query).has_value();
  auto const queries = is_file ? vector_file::open(std::string(query))
                               : vector_file::parse(std::as_bytes(std::span(query)), vector_format::csv, "QUERY");
  if (!queries) return fail_with(queries.error().message());
  if (queries->size() == 0) return fail_with(is_file ? std::string(query) + ": has no vectors" : "QUERY: is no vector");
  std::size_t const d = queries->dimensions();
  if (d != index->info.dimensions)
    return fail_with(std::string(is_file ? query : "QUERY") + ": vectors of " + std::to_string(d) +
                     " numbers, the index has " + std::to_string(index->info.dimensions));
  k = static_cast<std::size_t>(std::min<std::uint64_t>(k, index->info.size()));
  std::vector<std::int32_t> truth;
  std::size_t columns = 0;
  if (!truth_path.empty()) {
    auto const file = vector_file::open(std::string(truth_path));
    if (!file) return fail_with(file.error().message());
    columns = file->dimensions();
    if (file->size() < queries->size() || columns < k)
      return fail_with(std::string(truth_path) + ": " + std::to_string(file->size()) + " rows of " +
                       std::to_string(columns) + ", too few for " + std::to_string(queries->size()) +
                       " queries and --k " + std::to_string(k));
    truth.resize(queries->size() * columns);
    if (auto read = file->read(0, std::span<std::int32_t>(truth)); !read) return fail_with(read.error().message());
  }

  std::vector<float> x(d);
  std::vector<hit> found(k);
  std::size_t hits = 0;
  double seconds = 0;
  for (std::size_t q = 0; q < queries->size(); ++q) {
    if (auto read = queries->read(q, std::span<float>(x)); !read) return fail_with(read.error().message());
    stopwatch const clock;
    auto const n = index->search(x, found, {.ef = ef});
    seconds += clock.seconds();
    if (!n) return fail_with("query " + std::to_string(q) + ": " + std::string(n.error().message()));
    for (auto const& h : std::span(found).first(*n))
      if (columns != 0) {
        auto const wanted = std::span(truth).subspan(q * columns, k);
        hits += static_cast<std::size_t>(
            std::ranges::count_if(wanted, [&](std::int32_t key) { return std::cmp_equal(key, h.key); }));
      } else if (!put((is_file ? std::to_string(q) + "\t" : "") + std::to_string(h.key) + "\t" +
                      number_text("%.9g\n", static_cast<double>(h.distance)))) {
        return end_output();
      }
  }
  if (columns != 0) {
    auto const n = static_cast<double>(queries->size());
    put("recall@" + std::to_string(k) + number_text(" %.4f", static_cast<double>(hits) / (n * static_cast<double>(k))) +
        " of " + std::to_string(queries->size()) + " queries, " +
        number_text("%.0f queries/s\n", n / std::max(1e-9, seconds)));
  }
  return end_output();
}

constexpr std::string_view info_notes = R"(Says what is in the header of the file; --verify reads and checks all of it.

examples:
  loquat index info notes.index
  loquat index info notes.index --verify
)";

int run_info(command const& self, arguments all) {
  std::string_view path;
  bool verify = false;
  command_line const line{
      self, {{"INDEX", "a file of an index", path}}, {{"--verify", "", "check every byte", flag(verify)}}, info_notes};
  if (auto const status = line.parse(all)) return *status;
  std::string const file(path);
  auto const info = read_index_info(file);
  if (!info) return fail_with(info.error().message());
  std::error_code absent;
  auto const bytes = static_cast<double>(std::filesystem::file_size(file, absent));
  auto const row = [](std::string_view what, std::string const& value) { put(left(what, 17) + value + "\n"); };
  row("kind", std::string(name(info->kind)));
  row("metric", printable(info->metric.view()));
  row("codec", printable(info->codec.view()) +
                   (info->rerank.view().empty() ? "" : ", measured again with " + printable(info->rerank.view())));
  row("vectors", std::to_string(info->size()) + " of " + std::to_string(info->dimensions) +
                     (info->erased == 0 ? "" : ", and places of " + std::to_string(info->erased) + " erased ones"));
  if (info->kind == index_kind::hnsw) {
    row("m", std::to_string(info->m));
    row("ef construction", std::to_string(info->ef_construction));
    row("seed", std::to_string(info->seed));
  }
  row("bytes",
      byte_text(bytes) +
          (info->size() == 0 ? "" : number_text(", %.0f a vector", bytes / static_cast<double>(info->size()))));
  if (verify) {
    if (auto good = verify_index(file); !good) return put(""), std::fflush(stdout), fail_with(good.error().message());
    row("checked", "all bytes are what was written");
  }
  return end_output();
}

constexpr command commands_of_index[]{
    {"index build", "Builds an index of vectors and writes it to a file.", run_build},
    {"index search", "Finds the nearest vectors of an index.", run_search},
    {"index info", "Says what is in the file of an index.", run_info},
};

} // namespace

int run_index(command const& self, arguments all) {
  std::string_view const name = all.empty() ? "" : all[0];
  constexpr std::size_t prefix = std::string_view("index ").size();
  for (auto const& c : commands_of_index)
    if (c.name.substr(prefix) == name) return c.run(c, all.subspan(1));
  if (name == "--help" || name == "-h") {
    std::string out = "usage: loquat index build|search|info ...\n\n" + std::string(self.summary) + "\n\n";
    for (auto const& c : commands_of_index) out += "  " + left(c.name, 15) + "  " + std::string(c.summary) + "\n";
    put(out +
        "\nexamples:\n  loquat index build --help\n  loquat index build base.fvecs base.index --metric cosine\n\n" +
        std::string(statuses));
    return end_output();
  }
  return complain((name.empty() ? "index: build, search or info?" : "index: unknown command " + printable(name)) +
                  "\ntry: loquat index --help"),
         misused;
}

} // namespace tool
