// Matrix products alone: every format, shape, number of columns, target and number of threads.
#include "arguments.hpp"
#include "ceilings.hpp"

#include <loquat/backend/cpu.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr char usage[] =
    R"(usage: bench_kernels [--format NAME]… [--rows N] [--depth N] [--columns N,N,…] [--threads N]… [--target NAME]…
                     [--repeat N] [--matrices N]

Multiplies matrices of every block format with 1, 4 and 256 columns of activations and prints, as medians of N runs
(default 15): billions of multiply-adds per second and the fraction of this machine's ceiling for 8-bit ones; gigabytes
of weights per second and the fraction of the read bandwidth. Both ceilings are measured anew before every run. Default shape 8192 x 2048. As many matrices are multiplied
in turn as fill --matrices megabytes (default 256), so that weights come from memory; 1 keeps them in the cache.
)";

struct settings {
  std::vector<std::string_view> formats;
  std::size_t rows = 8192, depth = 2048, megabytes = 256;
  std::vector<std::size_t> columns{1, 4, 256};
  std::vector<unsigned> threads;
  std::vector<loquat::simd::target> targets;
  int repeat = 15;
};

settings parse(int argc, char** argv) {
  settings s;
  for (bench::arguments args({"bench_kernels", usage}, argc, argv); args.next();) {
    if (args.is("--format"))
      s.formats.push_back(args.value());
    else if (args.is("--rows"))
      s.rows = args.number();
    else if (args.is("--depth"))
      s.depth = args.number();
    else if (args.is("--matrices"))
      s.megabytes = args.number();
    else if (args.is("--repeat"))
      s.repeat = static_cast<int>(args.number());
    else if (args.is("--threads"))
      s.threads.push_back(static_cast<unsigned>(args.number()));
    else if (args.is("--columns"))
      s.columns = args.numbers();
    else if (args.is("--target"))
      s.targets.push_back(args.target());
    else
      bench::fail("unexpected " + std::string(args.name()));
  }
  if (s.threads.empty()) s.threads.push_back(0);
  if (s.targets.empty()) s.targets.push_back(loquat::simd::preferred());
  return s;
}

// random bytes with scales that keep everything finite: blocks are unpacked by kernels whatever they hold
template <loquat::BlockFormat F> std::vector<std::byte> random_blocks(std::size_t weights) {
  std::vector<std::byte> bytes(weights / F::block_length * F::block_bytes + 64);
  std::mt19937 random(1);
  for (auto& b : bytes) b = static_cast<std::byte>(random() % 60); // small exponents in any float
  return bytes;
}

template <loquat::BlockFormat F>
void measure(F, settings const& s, loquat::cpu const& machine, bench::ceilings& ceilings) {
  if (!s.formats.empty() && std::ranges::find(s.formats, F::name) == s.formats.end()) return;
  if (s.depth % F::block_length != 0) return;
  std::size_t const size = loquat::row_bytes<F>(s.depth) * s.rows,
                    count = std::max<std::size_t>(1, s.megabytes * 1'000'000 / size);
  auto const blocks = random_blocks<F>(s.depth * s.rows);
  std::vector<std::vector<std::byte>> copies(count, blocks);
  std::vector<loquat::cpu::matrix> matrices;
  for (auto const& copy : copies)
    matrices.push_back(machine.make_matrix({"w", F::type, 2, {s.depth, s.rows, 1, 1}, copy}).value());
  std::printf("| %-7s | %-6s | %u |", F::name.data(), name(machine.target()).data(), machine.threads());
  for (std::size_t n : s.columns) {
    loquat::workspace_limits const limits{n, s.depth, 16, 16, 1};
    loquat::arena_size need;
    machine.reserve(limits, need);
    auto memory = loquat::arena::make(need.bytes()).value();
    auto work = machine.make_workspace(limits, memory);
    std::vector<float> x(n * s.depth), y(n * s.rows);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 37 % 101) - 50;
    std::vector<double> products, of_peak, read, of_bandwidth;
    std::size_t const used = n < loquat::kernel::many_columns ? count : 1; // arithmetic needs no more than one
    for (int i = -1; i < s.repeat; ++i) {
      double const adds = ceilings.multiply_adds(), bytes = ceilings.read();
      double const time = bench::seconds([&] {
                            for (std::size_t m = 0; m < used; ++m) {
                              loquat::projection<loquat::cpu::matrix> const one[]{{&matrices[m], y}};
                              machine.matmul(work, x, n, one);
                            }
                          }) /
                          static_cast<double>(used);
      if (i < 0) continue; // the first warms up
      products.push_back(static_cast<double>(n * s.rows * s.depth) / time);
      read.push_back(static_cast<double>(size) / time);
      of_peak.push_back(products.back() / adds);
      of_bandwidth.push_back(read.back() / bytes);
    }
    std::printf(" %6.1f | %3.0f %% | %5.1f | %3.0f %% |", bench::median(products) / 1e9, 100 * bench::median(of_peak),
                bench::median(read) / 1e9, 100 * bench::median(of_bandwidth));
    std::fflush(stdout);
  }
  std::printf("\n");
}

template <class... Formats>
void measure_all(loquat::type_list<Formats...>, settings const& s, loquat::cpu const& machine,
                 bench::ceilings& ceilings) {
  (measure(Formats{}, s, machine, ceilings), ...);
}

} // namespace

int main(int argc, char** argv) {
  auto const s = parse(argc, argv);
  for (auto target : s.targets)
    for (unsigned threads : s.threads) {
      loquat::cpu const machine({threads, target});
      loquat::pool const pool(threads);
      bench::ceilings ceilings(pool, machine.target());
      double const adds = ceilings.multiply_adds(100), bytes = ceilings.read(1024);
      std::printf("\n%zu x %zu, %s, %u threads; ceilings: %.0f G 8-bit multiply-adds/s, %.1f GB/s read\n\n", s.rows,
                  s.depth, name(machine.target()).data(), machine.threads(), adds / 1e9, bytes / 1e9);
      std::printf("| format | target | threads |");
      for (std::size_t n : s.columns) std::printf(" %zu columns: G/s | of peak | GB/s | of bandwidth |", n);
      std::printf("\n|---|---|---|");
      for (std::size_t i = 0; i < s.columns.size(); ++i) std::printf("---|---|---|---|");
      std::printf("\n");
      measure_all(loquat::builtin_formats{}, s, machine, ceilings);
    }
}
