// Prefill and decode of a model file, as fractions of the machine's ceilings measured in the same run.
#include "ceilings.hpp"

#include <loquat/loquat.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr char usage[] = R"(usage: bench_model MODEL.gguf [--threads N] [--target NAME] [--repeat N] [--context N]
                   [--peer NAME PREFILL128 PREFILL512 DECODE]…

Measures this machine's read bandwidth and 8-bit multiply-adds per second, then the model: prefill of 128 and of 512
tokens and decode of 64, medians of N runs (default 5), and prints tokens per second and fractions of the ceilings.
--peer adds a row for another engine: tokens per second that you measured with the same file on the same machine.
)";

struct peer {
  std::string name;
  double rates[3];
};

struct settings {
  std::string model;
  loquat::cpu_options cpu;
  int repeat = 5;
  std::size_t context = 1024;
  std::vector<peer> peers;
};

[[noreturn]] void fail(char const* why) {
  std::fprintf(stderr, "bench_model: %s\n\n%s", why, usage);
  std::exit(2);
}

settings parse(int argc, char** argv) {
  settings s;
  for (int i = 1; i < argc; ++i) {
    std::string_view const arg = argv[i];
    auto const value = [&] { return ++i < argc ? argv[i] : (fail("a value is missing"), nullptr); };
    if (arg == "--threads")
      s.cpu.threads = static_cast<unsigned>(std::atoi(value()));
    else if (arg == "--repeat")
      s.repeat = std::max(1, std::atoi(value()));
    else if (arg == "--context")
      s.context = static_cast<std::size_t>(std::max(600, std::atoi(value())));
    else if (arg == "--target") {
      std::string_view const wanted = value();
      bool known = false;
      for (auto t : loquat::simd::all_targets)
        if (name(t) == wanted) s.cpu.target = t, known = true;
      if (!known) fail("unknown target; expected scalar, avx2 or avx512");
    } else if (arg == "--peer") {
      peer p{value(), {}};
      for (double& rate : p.rates) rate = std::atof(value());
      s.peers.push_back(p);
    } else if (arg == "--help") {
      std::fputs(usage, stdout);
      std::exit(0);
    } else if (arg.starts_with("-") || !s.model.empty())
      fail("unknown argument");
    else
      s.model = arg;
  }
  if (s.model.empty()) fail("which model?");
  return s;
}

// weights that a token's pass multiplies: elements, and their bytes in the file
struct weight_counts {
  double elements = 0, bytes = 0;
};
weight_counts count(loquat::gguf::file const& file) {
  weight_counts c;
  bool const tied = !file.find_tensor("output.weight");
  for (auto const& t : file.tensors()) {
    if (t.name == "token_embd.weight" && !tied) continue; // one row is read
    c.bytes += static_cast<double>(t.data.size());
    if (t.rows() > 1) c.elements += static_cast<double>(t.elements());
  }
  return c;
}

template <class T> T must(loquat::result<T> r) {
  if (r) return *std::move(r);
  std::fprintf(stderr, "bench_model: %s\n", r.error().c_str());
  std::exit(1);
}

} // namespace

int main(int argc, char** argv) {
  auto const s = parse(argc, argv);
  auto const file = must(loquat::gguf::open(s.model));
  loquat::cpu const machine(s.cpu);
  auto const model = must(loquat::load(file, machine));
  auto session = must(model.make_session({.context = s.context, .batch = 512}));
  auto const weights = count(file);

  std::vector<loquat::token> prompt(512);
  for (std::size_t i = 0; i < prompt.size(); ++i)
    prompt[i] = static_cast<loquat::token>(1 + i * 97 % (model.vocabulary() - 1));
  auto const pass = [&](std::size_t n) {
    return bench::seconds([&] { must(model.forward(session, std::span(prompt).first(n))); });
  };

  // the ceilings before, between and after, because machines drift; the best of them counts
  loquat::pool const threads(s.cpu.threads);
  double adds = 0, bytes = 0;
  auto const measure_ceilings = [&] {
    adds = std::max(adds, bench::multiply_adds_per_second(threads, machine.target()));
    bytes = std::max(bytes, bench::bytes_per_second(threads, machine.target()));
  };
  std::vector<double> prefill128, prefill512, decode;
  for (int i = -1; i < s.repeat; ++i) { // the first round warms up
    measure_ceilings();
    session.truncate(0);
    double const t128 = pass(128);
    session.truncate(0);
    double const t512 = pass(512);
    session.truncate(16);
    double t64 = 0;
    for (int t = 0; t < 64; ++t) t64 += pass(1);
    if (i < 0) continue;
    prefill128.push_back(128 / t128);
    prefill512.push_back(512 / t512);
    decode.push_back(64 / t64);
  }

  double const rates[]{bench::median(prefill128), bench::median(prefill512), bench::median(decode)};
  std::printf("%s: %.0f MB, %.2f G weights per token; %u threads, %s\n", s.model.c_str(), weights.bytes / 1e6,
              weights.elements / 1e9, machine.threads(), name(machine.target()).data());
  std::printf("ceilings: %.0f G 8-bit multiply-adds/s, %.1f GB/s read\n\n", adds / 1e9, bytes / 1e9);
  std::printf("| engine | prefill 128, tokens/s | of peak | prefill 512, tokens/s | of peak | decode 64, tokens/s | of "
              "bandwidth |\n");
  std::printf("|---|---|---|---|---|---|---|\n");
  auto const row = [&](char const* name, double const* r) {
    std::printf("| %s | %.1f | %.0f %% | %.1f | %.0f %% | %.2f | %.0f %% |\n", name, r[0],
                100 * r[0] * weights.elements / adds, r[1], 100 * r[1] * weights.elements / adds, r[2],
                100 * r[2] * weights.bytes / bytes);
  };
  row("loquat", rates);
  for (auto const& p : s.peers) row(p.name.c_str(), p.rates);
  for (auto const& p : s.peers)
    std::printf("\nloquat / %s: %.2f, %.2f, %.2f\n", p.name.c_str(), rates[0] / p.rates[0], rates[1] / p.rates[1],
                rates[2] / p.rates[2]);
}
