#pragma once
/// \file
/// Curves of recall against speed: of an index, or as another program prints it.

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

namespace bench {

/// How fast an index is at every recall.
struct curve {
  struct point {
    std::size_t ef;
    double recall, rate; ///< queries per second
  };
  std::string name;
  std::vector<double> builds{}; ///< seconds, for each number of threads
  double bytes = 0;             ///< of a vector
  std::vector<point> points{};  ///< in the order of `ef`

  /// Queries per second at a recall, between the two points around it; 0 if it is not reached.
  double rate_at(double recall) const {
    for (std::size_t i = 0; i < points.size(); ++i) {
      if (points[i].recall < recall) continue;
      if (i == 0) return points[0].rate;
      auto const& a = points[i - 1];
      auto const& b = points[i];
      double const share = (recall - a.recall) / (b.recall - a.recall);
      return std::exp((1 - share) * std::log(a.rate) + share * std::log(b.rate));
    }
    return 0;
  }
  void print() const {
    std::printf("%s\n  %6s  %6s  %10s\n", name.c_str(), "ef", "recall", "queries/s");
    for (auto const& p : points) std::printf("  %6zu  %6.4f  %10.0f\n", p.ef, p.recall, p.rate);
    std::printf("\n");
  }
};

/// Runs a program that prints "build SECONDS BYTES" and "EF RECALL RATE" on lines of their own.
inline curve read_curve(std::string const& name, std::string const& command) {
  curve c{name};
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  char line[256];
  while (pipe && std::fgets(line, sizeof line, pipe)) {
    double a = 0, b = 0;
    unsigned long ef = 0;
    if (std::sscanf(line, "build %lf %lf", &a, &b) == 2)
      c.builds = {a}, c.bytes = b;
    else if (std::sscanf(line, "%lu %lf %lf", &ef, &a, &b) == 3)
      c.points.push_back({ef, a, b});
  }
  if (pipe) ::pclose(pipe);
  return c;
}

/// A line for each: build times, memory, and speed at three recalls.
inline void print_table(std::span<curve const> curves, std::span<unsigned const> threads) {
  std::printf("| | ");
  for (unsigned const t : threads) std::printf("build, %u thread%s, s | ", t, t == 1 ? "" : "s");
  std::printf("bytes a vector | q/s at .90 | at .95 | at .99 |\n|---|---|---|---|---|");
  for (std::size_t i = 0; i < threads.size(); ++i) std::printf("---|");
  std::printf("\n");
  for (auto const& c : curves) {
    std::printf("| %s | ", c.name.c_str());
    for (std::size_t i = 0; i < threads.size(); ++i)
      i < c.builds.size() ? std::printf("%.1f | ", c.builds[i]) : std::printf("– | ");
    std::printf("%.0f |", c.bytes);
    for (double const recall : {0.90, 0.95, 0.99})
      c.rate_at(recall) > 0 ? std::printf(" %.0f |", c.rate_at(recall)) : std::printf(" – |");
    std::printf("\n");
  }
}

/// All points as lines of name,ef,recall,qps; false if the file cannot be written.
inline bool write_csv(std::span<curve const> curves, std::string const& path) {
  std::FILE* const out = std::fopen(path.c_str(), "w");
  if (out == nullptr) return false;
  std::fputs("name,ef,recall,qps\n", out);
  for (auto const& c : curves)
    for (auto const& p : c.points) std::fprintf(out, "%s,%zu,%.4f,%.0f\n", c.name.c_str(), p.ef, p.recall, p.rate);
  return std::fclose(out) == 0;
}

} // namespace bench
