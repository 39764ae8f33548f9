// An encoder file: one text at a time and 64 at once, as fractions of the machine's ceiling measured in the same run.
#include "arguments.hpp"
#include "ceilings.hpp"

#include <loquat/backend/cpu.hpp>
#include <loquat/core/json.hpp>
#include <loquat/model/load_encoder.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

using bench::must;

constexpr char usage[] = R"(usage: bench_embed MODEL.gguf [--threads N] [--target NAME] [--batch TOKENS] [--repeat N]
                   [--peer-bench NAME COMMAND]…

Measures this machine's 8-bit multiply-adds per second, then texts of 8, 32 and 128 tokens: the time of one alone, and
the rate of 64 of them, in passes of up to --batch tokens (default 512); medians of N runs (default 7).
--peer-bench measures another engine on 128 tokens in every round: COMMAND, a program and perhaps options of its own,
must understand llama-bench's options -m, -p, -n, -t, -r, -embd and "-o json".
)";

struct peer {
  std::string name, command;
  std::vector<double> rates;
};
struct settings {
  std::string model;
  loquat::cpu_options cpu;
  std::size_t batch = 512;
  int repeat = 7;
  std::vector<peer> peers;
};

settings parse(int argc, char** argv) {
  settings s;
  for (bench::arguments args({"bench_embed", usage}, argc, argv); args.next();) {
    if (args.is("--threads"))
      s.cpu.threads = static_cast<unsigned>(args.number(0));
    else if (args.is("--batch"))
      s.batch = args.number();
    else if (args.is("--repeat"))
      s.repeat = static_cast<int>(args.number());
    else if (args.is("--target"))
      s.cpu.target = args.target();
    else if (args.is("--peer-bench")) {
      std::string const name = args.value();
      s.peers.push_back({name, args.value(), {}});
    } else if (auto const name = args.name(); s.model.empty())
      s.model = name;
    else
      bench::fail("more than one model");
  }
  if (s.model.empty()) bench::fail("which model?");
  return s;
}

// one run of a peer's benchmark; adds the rate that it prints as JSON
void run(peer& p, std::string const& model, unsigned threads) {
  std::string const command =
      p.command + " -m '" + model + "' -p 128 -n 0 -r 1 -embd 1 -t " + std::to_string(threads) + " -o json";
  std::string output;
  if (std::FILE* pipe = popen(command.c_str(), "r")) {
    char part[4096];
    for (std::size_t n; (n = std::fread(part, 1, sizeof part, pipe)) > 0;) output.append(part, n);
    pclose(pipe);
  }
  auto const results = must(loquat::json::parse(output));
  for (auto const test : results.root().elements()) p.rates.push_back(test["avg_ts"].as_double().value_or(0));
}

// weights that each token is multiplied with
double count(loquat::gguf::file const& file) {
  double n = 0;
  for (auto const& t : file.tensors())
    if (t.rows() > 1 && t.name.find("blk.") != t.name.npos) n += static_cast<double>(t.elements());
  return n;
}

} // namespace

int main(int argc, char** argv) {
  auto s = parse(argc, argv);
  auto const file = must(loquat::gguf::open(s.model));
  loquat::cpu const machine(s.cpu);
  auto const model = must(loquat::load_encoder(file, machine));
  constexpr std::size_t texts = 64;
  constexpr std::array<std::size_t, 3> lengths{8, 32, 128};
  auto session = must(model.make_session({.context = lengths.back(), .batch = s.batch}));
  std::vector<loquat::token> ids(texts * lengths.back());
  for (std::size_t i = 0; i < ids.size(); ++i)
    ids[i] = static_cast<loquat::token>(1 + i * 97 % (model.vocabulary() - 1));
  // `count` texts of `length` tokens
  auto const seconds = [&](std::size_t count, std::size_t length) {
    std::vector<std::size_t> const all(count, length);
    std::size_t const step = std::max<std::size_t>(1, session.batch() / length);
    return bench::seconds([&] {
      for (std::size_t i = 0; i < count; i += step) {
        auto const part = std::span(all).subspan(i, std::min(step, count - i));
        must(model.forward(session, {std::span(ids).subspan(i * length, part.size() * length), part}));
      }
    });
  };

  loquat::pool const threads(s.cpu.threads);
  bench::ceilings ceilings(threads, machine.target());
  std::vector<double> peaks;
  std::array<std::vector<double>, lengths.size()> singles, batches, gains;
  for (int i = -1; i < s.repeat; ++i) {
    for (std::size_t l = 0; l < lengths.size(); ++l) {
      std::vector<double> some; // single texts, in between and as long as a batch takes
      double const batch = seconds(texts, lengths[l]);
      for (std::size_t k = 0; k < texts / 2; ++k) some.push_back(seconds(1, lengths[l]));
      double const single = bench::median(some), peak = ceilings.multiply_adds(20);
      if (i < 0) continue; // the first round warmed up
      singles[l].push_back(single);
      batches[l].push_back(texts / batch);
      gains[l].push_back(texts / batch * single);
      peaks.push_back(peak);
    }
    for (auto& p : s.peers)
      if (i >= 0) run(p, s.model, machine.threads());
  }

  double const weights = count(file), peak = bench::median(peaks);
  std::printf("%s: %.1f M weights per token; %u threads, %s; peak %.0f G 8-bit multiply-adds/s\n\n", s.model.c_str(),
              weights / 1e6, machine.threads(), name(machine.target()).data(), peak / 1e9);
  std::printf("| tokens of a text | one alone, ms | of peak | 64, texts/s | tokens/s | of peak | gain |\n");
  std::printf("|---|---|---|---|---|---|---|\n");
  for (std::size_t l = 0; l < lengths.size(); ++l) {
    double const single = bench::median(singles[l]), rate = bench::median(batches[l]);
    double const work = static_cast<double>(lengths[l]) * weights;
    std::printf("| %zu | %.2f | %.0f %% | %.0f | %.0f | %.0f %% | %.2f |\n", lengths[l], 1e3 * single,
                100 * work / single / peak, rate, rate * static_cast<double>(lengths[l]), 100 * work * rate / peak,
                bench::median(gains[l]));
  }
  double const own = static_cast<double>(lengths.back()) / bench::median(singles.back());
  for (auto const& p : s.peers)
    std::printf("\n128 tokens: loquat %.0f tokens/s, %s %.0f tokens/s; ratio %.2f\n", own, p.name.c_str(),
                bench::median(p.rates), own / bench::median(p.rates));
}
