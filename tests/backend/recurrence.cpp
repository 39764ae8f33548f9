/// \file
/// Causal convolution and selective scan: every target and several thread counts against the reference backend, bit for
/// bit; the reference against its formulas, at compile time.
#include "support/tiny_model.hpp"

#include <loquat/backend/cpu.hpp>
#include <loquat/backend/reference.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

namespace backend_recurrence_test {

using namespace loquat;

namespace {

bool same_bits(std::vector<float> const& a, std::vector<float> const& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}
template <class F> void on_every_cpu(F f) {
  for (auto const target : simd::all_targets)
    if (target <= simd::detect())
      for (unsigned threads : {1u, 3u}) {
        INFO("target ", std::string(name(target)), ", threads ", threads);
        f(cpu({threads, target}));
      }
}
// operations of recurrent models write nothing to the workspace
template <class B>
std::vector<float> convolved(B const& backend, std::vector<float> const& x, std::size_t channels, std::size_t taps,
                             bool bias, std::vector<std::size_t> const& portions) {
  test::random_floats random{7};
  auto const weights = random(taps * channels), biases = random(bias ? channels : 0);
  auto tail = random((taps - 1) * channels);
  std::vector<float> y(x.size());
  typename B::workspace work{};
  std::size_t at = 0;
  for (std::size_t const n : portions) {
    backend.convolve(work, {std::span(x).subspan(at, n * channels), weights, biases, tail,
                            std::span(y).subspan(at, n * channels), n, channels});
    at += n * channels;
  }
  y.insert(y.end(), tail.begin(), tail.end());
  return y;
}

TEST_CASE("a convolution gives the same bits for every target, number of threads and split") {
  test::random_floats random;
  for (std::size_t const channels : {1u, 15u, 16u, 17u, 500u})
    for (std::size_t const taps : {1u, 2u, 4u, 9u}) {
      CAPTURE(channels);
      CAPTURE(taps);
      auto const x = random(40 * channels);
      auto const expected = convolved(reference{}, x, channels, taps, taps != 2, {40});
      CHECK(same_bits(convolved(reference{}, x, channels, taps, taps != 2, {1, 2, 7, 30}), expected));
      on_every_cpu([&](cpu const& machine) {
        CHECK(same_bits(convolved(machine, x, channels, taps, taps != 2, {40}), expected));
        CHECK(same_bits(convolved(machine, x, channels, taps, taps != 2, {1, 2, 7, 30}), expected));
      });
    }
}

struct scan_shape {
  std::size_t channels, groups, elements, head_dim;
  bool one_decay;
};
template <class B> std::vector<float> scanned(B const& backend, scan_shape const& shape, std::size_t n, bool apart) {
  test::random_floats random{3};
  scan_layout const layout{shape.channels, shape.groups, shape.elements};
  std::size_t const heads = shape.channels / shape.head_dim, vectors = shape.groups * shape.elements;
  auto const x = random(n * shape.channels), inputs = random(n * vectors), reads = random(n * vectors);
  auto const skips = random(shape.channels);
  auto steps = random(n * heads),
       decays = random(scan_layout{shape.channels, shape.groups, shape.one_decay ? 1 : shape.elements}.floats());
  for (float& step : steps) step = 0.6f + 0.5f * step;
  for (float& decay : decays) decay -= 1;
  auto states = random(layout.floats());
  std::vector<float> y(x.size());
  typename B::workspace work{};
  std::size_t const portion = apart ? 1 : n;
  for (std::size_t t = 0; t < n; t += portion) {
    auto const of = [&](auto& all, std::size_t width) { return std::span(all).subspan(t * width, portion * width); };
    backend.scan(work, {layout, of(x, shape.channels), of(steps, heads), of(inputs, vectors), of(reads, vectors),
                        decays, skips, states, of(y, shape.channels), portion});
  }
  for (std::size_t c = 0; c < shape.channels; ++c) // unused lanes are nobody's
    for (std::size_t e = 0; e < shape.elements; ++e) y.push_back(states[layout.at(c, e)]);
  return y;
}

TEST_CASE("a scan gives the same bits for every target, number of threads and split") {
  for (scan_shape const& shape : {scan_shape{1, 1, 1, 1, false},
                                  {100, 1, 16, 1, false},
                                  {80, 1, 128, 16, true},
                                  {96, 3, 20, 8, true},
                                  {600, 2, 5, 12, true},
                                  {21, 7, 3, 3, true},
                                  {48, 4, 6, 4, false}})
    for (std::size_t const n : {1u, 3u, 30u}) {
      CAPTURE(shape.channels);
      CAPTURE(n);
      auto const expected = scanned(reference{}, shape, n, false);
      CHECK(same_bits(scanned(reference{}, shape, n, true), expected));
      on_every_cpu([&](cpu const& machine) {
        CHECK(same_bits(scanned(machine, shape, n, false), expected));
        CHECK(same_bits(scanned(machine, shape, n, true), expected));
      });
    }
}

constexpr bool holds() {
  reference const backend;
  reference::workspace work;
  std::array const x{1.0f, 2.0f, 3.0f};
  std::array const weights{0.5f, 1.0f};
  std::array<float, 1> tail{4};
  std::array<float, 3> y{};
  backend.convolve(work, {x, weights, {}, tail, y, 3, 1});
  if (y != std::array{3.0f, 2.5f, 4.0f} || tail[0] != 3) return false;
  // two tokens, steps 0 and 1: the first adds nothing and decays nothing
  std::array const steps{0.0f, 1.0f}, inputs{5.0f, 2.0f}, reads{1.0f, 3.0f};
  std::array const skips{10.0f};
  std::array<float, 16> decays{}, states{7};
  std::array<float, 2> out{};
  backend.scan(work, {{1, 1, 1}, std::span(x).first(2), steps, inputs, reads, decays, skips, states, out, 2});
  return states[0] == 11 && out == std::array{17.0f, 53.0f};
}
static_assert(holds());

constexpr bool lays_out() {
  scan_layout const layout{46, 2, 3}; // groups of 23: blocks of 16 and 7 channels
  return layout.blocks() == 4 && layout.floats() == 4 * 3 * 16 && layout.at(0, 2) == 32 && layout.at(16, 0) == 48 &&
         layout.at(23, 1) == 2 * 48 + 16 && layout.first_channel(3) == 39 && layout.channels_of(3) == 7 &&
         layout.channels_of(2) == 16;
}
static_assert(lays_out());

} // namespace

} // namespace backend_recurrence_test
