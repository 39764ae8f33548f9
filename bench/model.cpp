// Prefill and decode of a model file, as fractions of the machine's ceilings measured in the same run.
#include "arguments.hpp"
#include "ceilings.hpp"

#include <loquat/core/json.hpp>
#include <loquat/loquat.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using bench::must;

constexpr char usage[] = R"(usage: bench_model MODEL.gguf [--threads N] [--target NAME] [--repeat N] [--kv TYPE]
                   [--context N] [--no-mmap] [--peer NAME PREFILL128 PREFILL512 DECODE]… [--peer-bench NAME COMMAND]…

Measures this machine's read bandwidth and 8-bit multiply-adds per second, then the model: prefill of 128 and of 512
tokens and decode of 64, medians of N runs (default 5), and prints tokens per second and fractions of the ceilings.
--kv is the type of the key-value cache: f16 (default), f32, q8_0, q4_0. --context measures decode after N tokens too,
and prints by how much they slow it down.
--no-mmap copies the file into memory, in huge pages where the system has them.
--peer adds a row for another engine: tokens per second that you measured with the same file on the same machine.
--peer-bench measures it here, a run of its own benchmark in every round: COMMAND, a program and perhaps options of its
own, must understand llama-bench's options -m, -p, -n, -t, -r and "-o json".
)";

struct peer {
  std::string name;
  double rates[3];
  std::string command; // empty: the rates are given
  std::vector<double> measured[3];
};

struct settings {
  std::string model;
  loquat::cpu_options cpu;
  int repeat = 5;
  std::size_t context = 0;
  loquat::file_access access = loquat::file_access::mapped;
  loquat::kv_type kv = loquat::kv_type::f16;
  std::vector<peer> peers;
};

settings parse(int argc, char** argv) {
  settings s;
  for (bench::arguments args({"bench_model", usage}, argc, argv); args.next();) {
    if (args.is("--threads"))
      s.cpu.threads = static_cast<unsigned>(args.number(0));
    else if (args.is("--repeat"))
      s.repeat = static_cast<int>(args.number());
    else if (args.is("--context"))
      s.context = args.number(0);
    else if (args.is("--no-mmap"))
      s.access = loquat::file_access::copied;
    else if (args.is("--kv")) {
      std::string_view const wanted = args.value();
      constexpr std::pair<std::string_view, loquat::kv_type> known[]{{"f16", loquat::kv_type::f16},
                                                                     {"f32", loquat::kv_type::f32},
                                                                     {"q8_0", loquat::kv_type::q8_0},
                                                                     {"q4_0", loquat::kv_type::q4_0}};
      auto const* const found = std::ranges::find(known, wanted, [](auto const& k) { return k.first; });
      if (found == std::end(known)) bench::fail("unknown type of cache; expected f16, f32, q8_0 or q4_0");
      s.kv = found->second;
    } else if (args.is("--target"))
      s.cpu.target = args.target();
    else if (args.is("--peer")) {
      peer p{args.value(), {}, {}, {}};
      for (double& rate : p.rates) rate = std::atof(args.value());
      s.peers.push_back(p);
    } else if (args.is("--peer-bench")) {
      peer p{args.value(), {}, {}, {}};
      p.command = args.value();
      s.peers.push_back(p);
    } else if (auto const name = args.name(); s.model.empty())
      s.model = name;
    else
      bench::fail("more than one model");
  }
  if (s.model.empty()) bench::fail("which model?");
  return s;
}

// What a pass multiplies and reads: a prompt's tokens all matrices but the output, of which its last token alone is
// asked; a decoded token everything.
struct weight_counts {
  double per_prompt_token = 0, bytes = 0;
};
weight_counts count(loquat::gguf::file const& file) {
  weight_counts c;
  bool const tied = !file.find_tensor("output.weight");
  for (auto const& t : file.tensors()) {
    if (t.name == "token_embd.weight" && !tied) continue; // one row is read
    c.bytes += static_cast<double>(t.data.size());
    if (t.rows() > 1 && t.name.starts_with("blk.")) c.per_prompt_token += static_cast<double>(t.elements());
  }
  return c;
}

// a rate, and which fraction of a ceiling of the same moment it was
struct figures {
  std::vector<double> rates, fractions;
  void add(double rate, double fraction) { rates.push_back(rate), fractions.push_back(fraction); }
};

// one run of a peer's benchmark; adds to its measured rates what it prints as JSON
void run(peer& p, std::string const& model, unsigned threads) {
  std::string const command =
      p.command + " -m '" + model + "' -p 128,512 -n 64 -r 1 -t " + std::to_string(threads) + " -o json";
  std::string output;
  if (std::FILE* pipe = popen(command.c_str(), "r")) {
    char part[4096];
    for (std::size_t n; (n = std::fread(part, 1, sizeof part, pipe)) > 0;) output.append(part, n);
    pclose(pipe);
  }
  auto const results = loquat::json::parse(output);
  if (!results) {
    std::fprintf(stderr, "bench_model: %s: no JSON: %s\n", command.c_str(), results.error().c_str());
    std::exit(1);
  }
  for (auto const test : results->root().elements()) {
    auto const number = [&](char const* key) { return test[key].as_double().value_or(0); };
    std::size_t const which = number("n_gen") > 0 ? 2 : number("n_prompt") > 128 ? 1 : 0;
    if (number("avg_ts") > 0) p.measured[which].push_back(number("avg_ts"));
  }
  for (auto const& rates : p.measured)
    if (rates.empty()) {
      std::fprintf(stderr, "bench_model: %s: not all three tests are in its answer\n", command.c_str());
      std::exit(1);
    }
}

} // namespace

int main(int argc, char** argv) {
  auto s = parse(argc, argv);
  auto const file = must(loquat::gguf::open(s.model, s.access));
  loquat::cpu const machine(s.cpu);
  auto const model = must(loquat::load(file, machine));
  auto session =
      must(model.make_session({.context = std::max<std::size_t>(1024, s.context + 8), .batch = 512, .kv = s.kv}));
  auto const weights = count(file);

  std::vector<loquat::token> prompt(512);
  for (std::size_t i = 0; i < prompt.size(); ++i)
    prompt[i] = static_cast<loquat::token>(1 + i * 97 % (model.vocabulary() - 1));
  auto const pass = [&](std::size_t n) {
    return bench::seconds([&] { must(model.forward(session, std::span(prompt).first(n))); });
  };

  loquat::pool const threads(s.cpu.threads);
  bench::ceilings ceilings(threads, machine.target());
  figures prefill128, prefill512, decode, peaks, bandwidths;
  auto const prefill = [&](std::size_t n, figures& f) {
    session.truncate(0);
    double const before = ceilings.multiply_adds(20), time = pass(n), after = ceilings.multiply_adds(20);
    f.add(static_cast<double>(n) / time,
          static_cast<double>(n) * weights.per_prompt_token / time * 2 / (before + after));
    peaks.add(before, 1);
  };
  for (int i = -1; i < s.repeat; ++i) {
    if (i == 0) prefill128 = prefill512 = decode = peaks = bandwidths = {}; // the first round warmed up
    prefill(128, prefill128);
    prefill(512, prefill512);
    session.truncate(16);
    for (int part = 0; part < 8; ++part) { // of 64 tokens
      double const before = ceilings.read();
      double time = 0;
      for (int t = 0; t < 8; ++t) time += pass(1);
      decode.add(8 / time, 8 * weights.bytes / time * 2 / (before + ceilings.read()));
      bandwidths.add(before, 1);
    }
    for (auto& p : s.peers)
      if (!p.command.empty() && i >= 0) run(p, s.model, machine.threads());
  }
  for (auto& p : s.peers)
    if (!p.command.empty())
      for (std::size_t i = 0; i < 3; ++i) p.rates[i] = bench::median(p.measured[i]);

  double const rates[]{bench::median(prefill128.rates), bench::median(prefill512.rates), bench::median(decode.rates)};
  std::printf("%s: %.0f MB, %.2f G weights per prompt token; %u threads, %s\n", s.model.c_str(), weights.bytes / 1e6,
              weights.per_prompt_token / 1e9, machine.threads(), name(machine.target()).data());
  double const adds = bench::median(peaks.rates), bytes = bench::median(bandwidths.rates);
  std::printf("ceilings: %.0f G 8-bit multiply-adds/s, %.1f GB/s read\n\n", adds / 1e9, bytes / 1e9);
  std::printf("| engine | prefill 128, tokens/s | of peak | prefill 512, tokens/s | of peak | decode 64, tokens/s | of "
              "bandwidth |\n");
  std::printf("|---|---|---|---|---|---|---|\n");
  std::printf("| loquat | %.1f | %.0f %% | %.1f | %.0f %% | %.2f | %.0f %% |\n", rates[0],
              100 * bench::median(prefill128.fractions), rates[1], 100 * bench::median(prefill512.fractions), rates[2],
              100 * bench::median(decode.fractions));
  auto const row = [&](char const* name, double const* r) {
    std::printf("| %s | %.1f | %.0f %% | %.1f | %.0f %% | %.2f | %.0f %% |\n", name, r[0],
                100 * r[0] * weights.per_prompt_token / adds, r[1], 100 * r[1] * weights.per_prompt_token / adds, r[2],
                100 * r[2] * weights.bytes / bytes);
  };
  for (auto const& p : s.peers) row(p.name.c_str(), p.rates);
  if (auto* const full = session.get_if<loquat::session<loquat::cpu>>(); full && s.context > 0) {
    // a few tokens in turn after a full cache, of random numbers, and after an empty one, which is another session's
    auto empty = must(model.make_session({.context = 64, .batch = 16, .kv = s.kv}));
    auto& cache = full->cache;
    std::vector<float> random(cache.head_dim + 1009);
    for (std::size_t i = 0; i < random.size(); ++i)
      random[i] = static_cast<float>(i * 2654435761u % 65536u) / 32768 - 1;
    session.truncate(0);
    for (std::size_t p = 0; p < s.context; ++p) {
      for (std::size_t i = 0; i < cache.layers * cache.kv_heads; ++i)
        cache.store(i / cache.kv_heads, i % cache.kv_heads, p, &random[(p * 7 + i) % 1009],
                    &random[(p + i * 3) % 1009]);
      full->append(std::span(prompt).first(1));
    }
    auto const token_seconds = [&](auto& talk, std::size_t length) {
      talk.truncate(length);
      return bench::seconds([&] { must(model.forward(talk, std::span(prompt).first(1))); });
    };
    must(model.forward(empty, std::span(prompt).first(16)));
    std::vector<double> full_times, empty_times, ratios;
    for (int i = 0; i < 12 * s.repeat; ++i) {
      empty_times.push_back(token_seconds(empty, 16));
      full_times.push_back(token_seconds(session, s.context));
      ratios.push_back(full_times.back() / empty_times.back());
    }
    std::printf("\ndecode after %zu tokens: %.2f ms a token; after 16: %.2f ms; ratio %.3f; cache of %.0f MB\n",
                s.context, 1e3 * bench::median(full_times), 1e3 * bench::median(empty_times), bench::median(ratios),
                static_cast<double>(cache.bytes()) / 1e6);
  }
  for (auto const& p : s.peers)
    std::printf("\nloquat / %s: %.2f, %.2f, %.2f\n", p.name.c_str(), rates[0] / p.rates[0], rates[1] / p.rates[1],
                rates[2] / p.rates[2]);
}
