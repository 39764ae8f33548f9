/// \file
/// Long contexts: layers with a window keep no more than they can see, and give the same bits; going back; 128 k
/// tokens.
#include "support/allocations.hpp"
#include "support/random_model.hpp"

#include <loquat/backend/cpu.hpp>
#include <loquat/backend/reference.hpp>
#include <loquat/model/zoo.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace model_context_test {

using namespace loquat;

namespace {

std::vector<token> some_tokens(std::size_t n) {
  std::vector<token> ids(n);
  for (std::size_t i = 0; i < n; ++i) ids[i] = static_cast<token>((i * i + 3 * i / 7) % 40);
  return ids;
}

template <class M> std::vector<float> forward(M const& model, typename M::session& s, std::span<token const> ids) {
  auto const out = model.forward(s, ids).value();
  return {out.begin(), out.end()};
}

// logits after each of the portions
template <class M>
std::vector<std::vector<float>> logits(M const& model, session_options options,
                                       std::vector<std::size_t> const& portions) {
  auto s = model.make_session(options).value();
  std::vector<std::vector<float>> out;
  auto const ids = some_tokens(4096);
  std::size_t at = 0;
  for (std::size_t n : portions) out.push_back(forward(model, s, std::span(ids).subspan(at, n))), at += n;
  return out;
}

template <architecture A> void check_windows(std::uint32_t layers, std::uint32_t window, kv_type kv) {
  CAPTURE(std::string(name(A)));
  CAPTURE(static_cast<int>(kv));
  auto const bytes = test::random_model(A, {.layers = layers, .window = window}).bytes();
  auto const file = gguf::file::parse(bytes).value();
  cpu const machine({2});
  auto const model = transformer<A>::build(file, machine).value();
  std::vector<std::size_t> const portions{250, 7, 1, 300, 1, 511, 30};
  session_options o{.context = 2048, .batch = 16, .kv = kv, .whole_windows = true};
  auto const expected = logits(model, o, portions);
  o.whole_windows = false;
  CHECK(model.make_session(o).value().cache.windows != 0);
  CHECK(logits(model, o, portions) == expected);
  o.batch = 128;
  CHECK(logits(model, o, portions) == expected);
}

TEST_CASE("layers that keep only their window give the same bits") {
  check_windows<arch::gemma3>(7, 300, kv_type::f32);
  check_windows<arch::gemma2>(2, 1, kv_type::f16);
  check_windows<arch::gemma2>(2, 257, kv_type::f16);
  check_windows<arch::phi3>(2, 600, kv_type::q8_0);
  check_windows<arch::gemma3>(6, 5, kv_type::q4_0);
}

TEST_CASE("windows on the reference backend and in single steps") {
  auto const bytes = test::random_model(arch::gemma2, {.layers = 2, .window = 40}).bytes();
  auto const file = gguf::file::parse(bytes).value();
  reference const plain;
  cpu const machine({1});
  session_options const o{.context = 1024, .batch = 64};
  auto const expected = logits(transformer<arch::gemma2>::build(file, plain).value(), o, {560});
  auto const model = transformer<arch::gemma2>::build(file, machine).value();
  CHECK(logits(model, o, std::vector<std::size_t>(560, 1)).back() == expected.back());
}

TEST_CASE("a window's memory does not grow with the context") {
  auto const bytes = test::random_model(arch::gemma3, {.layers = 6, .window = 512}).bytes();
  auto const file = gguf::file::parse(bytes).value();
  cpu const machine({1});
  auto const model = transformer<arch::gemma3>::build(file, machine).value();
  auto const cache = [&](std::size_t context, std::size_t batch, bool whole = false) {
    return model.make_session({.context = context, .batch = batch, .whole_windows = whole}).value().cache;
  };
  std::uint64_t const tile = 2 * 2 * 256 * 32 * 2; // kv heads, keys and values, positions, padded head, bytes
  auto const bytes_of = [&](std::uint64_t whole, std::uint64_t windows) {
    return tile * (whole + 5 * windows) + (windows != whole ? (6 * sizeof(kv_ring) + 63) / 64 * 64 : 0);
  };
  CHECK(cache(65536, 256).bytes() == bytes_of(256, 4)); // 767 positions touch up to 4 tiles
  CHECK(cache(131072, 256).bytes() == bytes_of(512, 4));
  CHECK(cache(65536, 257).bytes() == bytes_of(256, 4)); // 768 to touch 4
  CHECK(cache(65536, 258).bytes() == bytes_of(256, 4));
  CHECK(cache(65536, 259).bytes() == bytes_of(256, 5));
  CHECK(cache(65536, 256, true).bytes() == bytes_of(256, 256));
  CHECK(cache(1024, 256).bytes() == bytes_of(4, 4)); // no less than all: as before
  CHECK(cache(1024, 256).windows == 0);
}

TEST_CASE("going back in a session with windows: a batch costs nothing, more is computed again") {
  auto const bytes = test::random_model(arch::gemma2, {.layers = 3, .window = 100}).bytes();
  auto const file = gguf::file::parse(bytes).value();
  cpu const machine({1});
  auto const model = transformer<arch::gemma2>::build(file, machine).value();
  session_options const o{.context = 2048, .batch = 32};
  auto const ids = some_tokens(1025);
  auto const fresh = [&](std::size_t n) {
    auto s = model.make_session(o).value();
    (void)forward(model, s, std::span(ids).first(n));
    return forward(model, s, std::vector<token>{7, 9});
  };
  auto s = model.make_session(o).value();
  for (std::size_t const length : {40u, 700u, 1025u})
    for (std::size_t const back : {1u, 31u, 32u, 33u, 200u, 650u}) {
      if (back > length) continue;
      CAPTURE(length);
      CAPTURE(back);
      s.truncate(0);
      (void)forward(model, s, std::span(ids).first(length));
      s.truncate(length - back);
      if (back <= 32) CHECK(s.cached() == length - back);
      if (back == 200) CHECK(s.cached() == (length == 700 ? 500 : 0)); // of two tiles the one from 256 or 768
      if (back == 650) CHECK(s.cached() == 0);
      CHECK(s.tokens().size() == length - back);
      CHECK(forward(model, s, std::vector<token>{7, 9}) == fresh(length - back));
      CHECK(s.cached() == length - back + 2);
    }
  s.truncate(0); // a new text, whose start is all there
  (void)forward(model, s, std::span(ids).first(200));
  s.truncate(20);
  CHECK(s.cached() == 20);
  s.truncate(3); // and further back before anything was computed
  s.truncate(2);
  auto const before = test::allocations();
  (void)model.forward(s, std::span(ids).subspan(2, 600));
  s.truncate(100);
  auto const again = model.forward(s, std::span(ids).subspan(100, 1));
  CHECK(test::allocations() == before);
  auto t = model.make_session(o).value();
  CHECK(std::vector<float>(again->begin(), again->end()) == forward(model, t, std::span(ids).first(101)));
}

// Attention over 128 k positions against a plain softmax in double.
TEST_CASE("128 k tokens: attention") {
  constexpr std::size_t n = 131072, dim = 8;
  cpu const machine({2});
  kv_cache cache{kv_type::f32, 1, 1, dim, n};
  workspace_limits const limits{1, dim, n, dim, 1};
  arena_size size;
  cache.reserve(size);
  machine.reserve(limits, size);
  auto memory = arena::make(size.bytes()).value();
  cache.take(memory);
  auto work = machine.make_workspace(limits, memory);
  test::random_floats random;
  auto const keys = random(n * dim), values = random(n * dim), query = random(dim);
  machine.store_kv(work, cache, 0, 0, keys, values);
  std::vector<float> out(dim);
  machine.attention(work, cache, {query, out, 0, 1, 1, n, 3.0f});
  std::vector<double> sums(dim);
  double total = 0;
  for (std::size_t p = 0; p < n; ++p) {
    double score = 0;
    for (std::size_t d = 0; d < dim; ++d)
      score += static_cast<double>(query[d]) * static_cast<double>(keys[p * dim + d]);
    double const weight = std::exp(3 * score);
    total += weight;
    for (std::size_t d = 0; d < dim; ++d) sums[d] += weight * static_cast<double>(values[p * dim + d]);
  }
  for (std::size_t d = 0; d < dim; ++d) CHECK(std::fabs(static_cast<double>(out[d]) - sums[d] / total) < 2e-6);
}

TEST_CASE("128 k tokens: rotary angles are as exact as at the start") {
  hyperparameters h;
  h.rope_dims = 128;
  h.rope_base = 500000;
  auto const rope = rope_frequencies::make_plain(h, h.rope_base).value();
  std::vector<float> c(128), s(128);
  for (std::size_t const position : {std::size_t{0}, std::size_t{1000}, std::size_t{131071}}) {
    rope.fill(rope_style::halves, position, c, s);
    double worst = 0;
    for (std::size_t i = 0; i < 64; ++i) {
      double const angle = static_cast<double>(position) * std::pow(500000.0, -2.0 * static_cast<double>(i) / 128);
      worst = std::max({worst, std::fabs(static_cast<double>(c[i]) - std::cos(angle)),
                        std::fabs(static_cast<double>(s[i + 64]) - std::sin(angle))});
    }
    CHECK(worst < 1e-7);
  }
}

// A session as after 131 071 tokens, with random keys and values, and the logits of the last.
template <Backend B> std::vector<float> last_of_many(gguf::file const& file, B const& backend) {
  auto const model = transformer<arch::llama>::build(file, backend).value();
  auto s = model.make_session({.context = 131072, .batch = 64}).value();
  std::uint64_t const elements = 2 * 2 * std::uint64_t{131072} * 32; // kv heads, keys and values, positions, padded
  CHECK(s.cache.bytes() == 2 * elements);
  CHECK(s.bytes() < 2 * elements + (6 << 20));
  std::vector<float> const random = test::random_floats{}(4096);
  std::vector<token> const ids = some_tokens(64);
  for (std::size_t p = 0; p < 131071; ++p) {
    for (std::size_t head : {0u, 1u})
      s.cache.store(0, head, p, &random[(p * 7 + head * 31) % 4000], &random[(p * 5 + head * 17) % 4000]);
    s.append(std::span(ids).subspan(p % 64, 1));
  }
  auto const before = test::allocations();
  auto const out = model.forward(s, std::span(ids).first(1)).value();
  if constexpr (std::same_as<B, cpu>) CHECK(test::allocations() == before);
  CHECK(std::string(model.forward(s, ids).error().message()) ==
        "forward: 64 tokens exceed the context of 131072: room for 0");
  return {out.begin(), out.end()};
}

TEST_CASE("128 k tokens: a session in the memory that its cache needs") {
  auto const bytes = test::random_model(arch::llama, {.layers = 1}).bytes();
  auto const file = gguf::file::parse(bytes).value();
  auto const expected = last_of_many(file, reference{});
  for (float x : expected) CHECK(std::isfinite(x));
  CHECK(last_of_many(file, cpu({2})) == expected);
}

} // namespace

} // namespace model_context_test
