/// \file
/// Forgetting: what stays moves as the equations say, or is computed again; streams of any length give the same bits
/// however they are cut up.
#include "support/allocations.hpp"
#include "support/random_model.hpp"
#include "support/tiny_model.hpp"

#include <loquat/backend/cpu.hpp>
#include <loquat/backend/reference.hpp>
#include <loquat/generate/generate.hpp>
#include <loquat/model/streaming.hpp>
#include <loquat/model/zoo.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace model_eviction_test {

using namespace loquat;

namespace {

constexpr std::array all_types{kv_type::f32, kv_type::f16, kv_type::q8_0, kv_type::q4_0};

std::vector<token> some_tokens(std::size_t n) {
  std::vector<token> ids(n);
  for (std::size_t i = 0; i < n; ++i) ids[i] = static_cast<token>((i * i + 3 * i / 7) % 40);
  return ids;
}
template <class M, class S> std::vector<float> forward(M const& model, S& s, std::span<token const> ids) {
  auto const out = model.forward(s, ids).value();
  return {out.begin(), out.end()};
}

// what a user may write
struct forget_odd_tokens_between {
  std::size_t first, last;
  constexpr void operator()(std::span<token const> tokens, std::span<bool> kept) const {
    for (std::size_t i = first; i < last && i < tokens.size(); ++i) kept[i] = tokens[i] % 2 == 0;
  }
};
static_assert(EvictionPolicy<forget_odd_tokens_between> && EvictionPolicy<sink_window>);
static_assert(EvictionPolicy<drop_oldest_half> && !EvictionPolicy<int>);

constexpr std::array<bool, 10> kept_by(auto policy) {
  std::array<token, 10> const tokens{};
  std::array<bool, 10> kept{};
  kept.fill(true);
  policy(std::span(tokens), std::span(kept));
  return kept;
}
static_assert(kept_by(sink_window{2, 3}) == std::array<bool, 10>{1, 1, 0, 0, 0, 0, 0, 1, 1, 1});
static_assert(kept_by(sink_window{0, 10}) == std::array<bool, 10>{1, 1, 1, 1, 1, 1, 1, 1, 1, 1});
static_assert(kept_by(sink_window{11, 1}) == std::array<bool, 10>{1, 1, 1, 1, 1, 1, 1, 1, 1, 1});
static_assert(kept_by(drop_oldest_half{3}) == std::array<bool, 10>{1, 1, 1, 0, 0, 0, 0, 1, 1, 1});
static_assert(kept_by(drop_oldest_half{9}) == std::array<bool, 10>{1, 1, 1, 1, 1, 1, 1, 1, 1, 0});

// the keys and values of a session: [layer, kv head, position, keys then values]
template <class S> std::vector<float> cached(S const& s) {
  std::size_t const dim = s.cache.head_dim;
  std::vector<float> out;
  for (std::size_t l = 0; l < s.cache.layers; ++l)
    for (std::size_t h = 0; h < s.cache.kv_heads; ++h)
      for (std::size_t p = 0; p < s.tokens().size(); ++p) {
        out.resize(out.size() + 2 * dim);
        s.cache.load(l, h, p, &out[out.size() - 2 * dim], &out[out.size() - dim]);
      }
  return out;
}

// Key k[dim] turned by so many positions, by the definition of rotary embeddings, in double.
void turn(float* k, rope_style style, double base, double positions) {
  std::size_t const dims = 4; // of the random model
  for (std::size_t i = 0; i < dims / 2; ++i) {
    double const angle = positions * std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(dims));
    std::size_t const a = style == rope_style::adjacent ? 2 * i : i;
    std::size_t const b = style == rope_style::adjacent ? 2 * i + 1 : i + dims / 2;
    double const x = static_cast<double>(k[a]), y = static_cast<double>(k[b]);
    k[a] = static_cast<float>(x * std::cos(angle) - y * std::sin(angle));
    k[b] = static_cast<float>(x * std::sin(angle) + y * std::cos(angle));
  }
}

// `first`: the element of a key that turns first
template <architecture A, Backend B>
void check_moves(B const& backend, kv_type kv, std::size_t batch, bool absorbed = false, std::size_t first = 0) {
  CAPTURE(std::string(name(A)));
  CAPTURE(static_cast<int>(kv));
  auto const bytes =
      test::random_model(
          A, {.layers = A.window == window_layers::five_of_six ? 6u : 1u,
              .absorbed = absorbed,
              .more = [](gguf::writer& w, std::string const& prefix) { w.add(prefix + ".rope.freq_base", 1e5f); }})
          .bytes();
  auto const file = gguf::file::parse(bytes).value();
  auto const model = transformer<A>::build(file, backend).value();
  auto s = model.make_session({.context = 300, .batch = batch, .kv = kv, .whole_windows = true}).value();
  auto const ids = some_tokens(300);
  (void)forward(model, s, ids);
  auto const before = cached(s);
  forget_odd_tokens_between const policy{3, 60};
  std::vector<token> expected_ids;
  std::vector<std::size_t> origin;
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (i < 3 || i >= 60 || ids[i] % 2 == 0) origin.push_back(i), expected_ids.push_back(ids[i]);
  auto const allocated = test::allocations();
  auto const gone = model.evict(s, policy);
  if constexpr (std::same_as<B, cpu>) CHECK(test::allocations() == allocated);
  CHECK(*gone == ids.size() - origin.size());
  CHECK(std::ranges::equal(s.tokens(), expected_ids));
  CHECK(s.cached() == origin.size());

  std::size_t const dim = s.cache.head_dim, heads = s.cache.layers * s.cache.kv_heads;
  auto const after = cached(s);
  double worst = 0, worst_value = 0;
  for (std::size_t h = 0; h < heads; ++h)
    for (std::size_t p = 0; p < origin.size(); ++p) {
      std::vector<float> key(&before[(h * ids.size() + origin[p]) * 2 * dim],
                             &before[(h * ids.size() + origin[p]) * 2 * dim] + 2 * dim);
      double const base = A.window_rope_base != 0 && sees_window(A, h / s.cache.kv_heads) ? 10000 : 1e5;
      turn(key.data() + first, A.rope, base, -static_cast<double>(origin[p] - p));
      float const* const now = &after[(h * origin.size() + p) * 2 * dim];
      double most = 0;
      for (std::size_t d = 0; d < dim; ++d) most = std::max(most, std::fabs(static_cast<double>(key[d])));
      for (std::size_t d = 0; d < dim; ++d) {
        worst = std::max(worst, std::fabs(static_cast<double>(now[d] - key[d])) / most);
        worst_value = std::max(worst_value, std::fabs(static_cast<double>(now[dim + d] - key[dim + d])));
      }
    }
  double const rounding = kv == kv_type::f32    ? 1e-6
                          : kv == kv_type::f16  ? 0x1p-11
                          : kv == kv_type::q8_0 ? 0.0045
                                                : 0.13;
  CHECK(worst < rounding);
  CHECK(worst > 0);
  CHECK(worst_value == 0); // whole blocks come out as they went in
}

TEST_CASE("what stays moves: keys turn back, values stay as they are") {
  cpu const machine({2});
  for (auto kv : all_types) {
    check_moves<arch::llama>(machine, kv, 7);
    check_moves<arch::qwen3>(machine, kv, 256);
    check_moves<arch::gemma3>(machine, kv, 32);
  }
  check_moves<arch::llama>(reference{}, kv_type::q8_0, 64);
}
TEST_CASE("so do those of latent attention, of which a part turns") {
  for (auto kv : all_types) {
    check_moves<arch::deepseek2>(cpu({2}), kv, 32, false, 8);
    check_moves<arch::deepseek2>(cpu({2}), kv, 7, true, 24);
  }
  check_moves<arch::deepseek2>(reference{}, kv_type::f16, 64, true, 24);
}

template <architecture A> auto build(gguf::file const& file, auto const& backend) {
  return transformer<A>::build(file, backend).value();
}
double difference(std::vector<float> const& a, std::vector<float> const& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::fabs(static_cast<double>(a[i] - b[i])));
  return most;
}

// Keys and values of a model of one layer say nothing of other tokens: moved ones are those of a new session.
template <architecture A> void check_one_layer(auto more, bool long_factors = false, bool absorbed = false) {
  CAPTURE(std::string(name(A)));
  auto const bytes =
      test::random_model(A, {.layers = 1, .long_factors = long_factors, .absorbed = absorbed, .more = more}).bytes();
  auto const file = gguf::file::parse(bytes).value();
  cpu const machine({1});
  auto const model = build<A>(file, machine);
  session_options const o{.context = 128, .kv = kv_type::f32, .whole_windows = true};
  auto s = model.make_session(o).value(), fresh = model.make_session(o).value();
  (void)forward(model, s, some_tokens(100));
  CHECK(model.evict(s, drop_oldest_half{5}).value() == 48);
  std::vector<token> const left(s.tokens().begin(), s.tokens().end()), more_ids{3, 4, 5};
  (void)forward(model, fresh, left);
  CHECK(difference(forward(model, s, more_ids), forward(model, fresh, more_ids)) < 2e-5);
}

TEST_CASE("moved keys of one layer are those of a session that never saw the rest") {
  auto const nothing = [](gguf::writer&, std::string const&) {};
  check_one_layer<arch::llama>(nothing);
  check_one_layer<arch::gemma3>(nothing);
  for (bool const absorbed : {false, true})
    check_one_layer<arch::deepseek2>(
        [](gguf::writer& w, std::string const& p) { // as in its files
          w.add(p + ".rope.scaling.type", std::string_view("yarn"));
          w.add(p + ".rope.scaling.factor", 40.0f);
          w.add(p + ".rope.scaling.yarn_log_multiplier", 0.1f);
        },
        false, absorbed);
  check_one_layer<arch::qwen3>([](gguf::writer& w, std::string const& p) { // angles and magnitudes of another kind
    w.add(p + ".rope.scaling.type", std::string_view("yarn"));
    w.add(p + ".rope.scaling.factor", 8.0f);
    w.add(p + ".rope.scaling.original_context_length", std::uint32_t{32});
  });
  check_one_layer<arch::phi3>(
      [](gguf::writer& w, std::string const& p) {
        w.add(p + ".rope.scaling.original_context_length", std::uint32_t{32});
        w.add(p + ".rope.scaling.attn_factor", 1.3f);
      },
      true);
}

template <architecture A> void check_recomputed(session_options o) {
  CAPTURE(std::string(name(A)));
  auto const bytes = test::random_model(A, {.layers = 3}).bytes();
  auto const file = gguf::file::parse(bytes).value();
  cpu const machine({2});
  auto const model = build<A>(file, machine);
  auto s = model.make_session(o).value(), fresh = model.make_session(o).value();
  (void)forward(model, s, some_tokens(o.context));
  CHECK(model.evict(s, drop_oldest_half{10}, cache_shift::recompute).value() == (o.context - 9) / 2);
  CHECK(s.cached() == (s.cache.windows != 0 ? 0 : 10)); // what stands before the gap stays
  std::vector<token> const left(s.tokens().begin(), s.tokens().end()), more{3, 4, 5};
  (void)forward(model, fresh, left);
  auto const allocated = test::allocations();
  (void)model.forward(s, more);
  CHECK(test::allocations() == allocated);
  s.truncate(left.size());
  CHECK(forward(model, s, more) == forward(model, fresh, more));
}

TEST_CASE("what is computed again is a session that never saw the rest, to the bit") {
  check_recomputed<arch::llama>({.context = 300, .batch = 50});
  check_recomputed<arch::gemma2>({.context = 900, .batch = 20, .kv = kv_type::q8_0});
  check_recomputed<arch::gpt2>({.context = 64});
}

// logits of a stream after each of the portions
template <architecture A, Backend B, EvictionPolicy P>
std::vector<std::vector<float>> stream(gguf::file const& file, B const& backend, P policy, cache_shift how,
                                       std::vector<std::size_t> const& portions, session_options o = {.context = 40}) {
  auto const model = build<A>(file, backend);
  streaming const endless(model, policy, how);
  static_assert(Model<std::remove_const_t<decltype(endless)>>);
  auto s = endless.make_session(o).value();
  std::vector<std::vector<float>> out;
  auto const ids = some_tokens(1024);
  std::size_t at = 0;
  for (std::size_t n : portions) out.push_back(forward(endless, s, std::span(ids).subspan(at, n))), at += n;
  CHECK(s.forgotten() + s.tokens().size() == at);
  CHECK(s.tokens().size() <= 40);
  return out;
}

template <architecture A> void check_stream(cache_shift how, kv_type kv) {
  CAPTURE(std::string(name(A)));
  auto const bytes = test::random_model(A, {.layers = 2}).bytes();
  auto const file = gguf::file::parse(bytes).value();
  session_options o{.context = 40, .kv = kv};
  cpu const machine({1});
  auto const check = [&](auto policy) {
    auto const expected = stream<A>(file, machine, policy, how, {41, 1, 60}, o);
    for (auto const& row : expected)
      for (float x : row) REQUIRE(std::isfinite(x));
    auto small = o;
    small.batch = 3;
    CHECK(stream<A>(file, machine, policy, how, {7, 34, 1, 39, 21}, small).back() == expected.back());
    CHECK(stream<A>(file, cpu({2}), policy, how, {41, 1, 60}, o) == expected);
    auto const steps = stream<A>(file, machine, policy, how, std::vector<std::size_t>(102, 1), o);
    CHECK(steps[40] == expected[0]);
    CHECK(steps[41] == expected[1]);
    CHECK(steps[101] == expected[2]);
    return expected;
  };
  CHECK(check(drop_oldest_half{3}) == stream<A>(file, reference{}, drop_oldest_half{3}, how, {41, 1, 60}, o));
  check(sink_window{4, 30});
  if (how == cache_shift::rotate) check([](std::span<token const>, std::span<bool> kept) { kept[7] = false; });
}

TEST_CASE("a stream gives the same bits for every split, backend and number of threads") {
  for (auto how : {cache_shift::rotate, cache_shift::recompute}) {
    check_stream<arch::llama>(how, kv_type::f16);
    check_stream<arch::gemma2>(how, kv_type::q4_0);
    check_stream<arch::deepseek2>(how, kv_type::f16);
  }
  check_stream<arch::gpt2>(cache_shift::recompute, kv_type::f32);
}

TEST_CASE("the policy matters, and the way to move as well") {
  auto const bytes = test::random_model(arch::llama, {.layers = 2}).bytes();
  auto const file = gguf::file::parse(bytes).value();
  cpu const machine({1});
  auto const run = [&](auto policy, cache_shift how) {
    return stream<arch::llama>(file, machine, policy, how, {100}).back();
  };
  auto const rotated = run(sink_window{4, 20}, cache_shift::rotate);
  CHECK(difference(rotated, run(sink_window{4, 20}, cache_shift::recompute)) > 1e-4); // context of the forgotten
  CHECK(difference(rotated, run(sink_window{3, 20}, cache_shift::rotate)) > 1e-4);
}

TEST_CASE("a stream generates without end, and allocates nothing") {
  auto const bytes = test::random_model(arch::llama, {.layers = 1}).bytes();
  auto const file = gguf::file::parse(bytes).value();
  cpu const machine({1});
  auto const model = build<arch::llama>(file, machine);
  streaming const endless(model, sink_window{4, 20});
  auto talk = endless.make_session({.context = 32, .batch = 8}).value();
  generate_report report;
  std::vector<token> const prompt = some_tokens(50);
  std::size_t n = 0;
  auto all = prompt | generate(endless, talk, draw{.seed = 3}, {.max_tokens = 500, .report = &report});
  auto const allocated = test::allocations();
  for (token id : all) n += id >= 0;
  CHECK(test::allocations() == allocated);
  CHECK(n == 500);
  CHECK(report.why == finish::max_tokens);
  CHECK(talk.forgotten() + talk.tokens().size() == 549); // the last token waits
  CHECK(talk.capacity() == 32);
  CHECK(talk.bytes() == talk.inner().bytes());
  talk.truncate(0);
  CHECK(talk.tokens().empty());
}

TEST_CASE("what cannot be forgotten or moved is an error that says why") {
  auto const with = [](auto tag, auto f) {
    constexpr architecture a = decltype(tag)::value;
    auto const bytes = test::random_model(a, {.layers = 2}).bytes();
    auto const file = gguf::file::parse(bytes).value();
    cpu const machine({1});
    auto const model = build<a>(file, machine);
    f(model);
  };
  auto const message = [](auto const& failed) { return std::string(failed.error().message()); };
  with(transformer<arch::llama>{}, [&](auto const& model) {
    auto const refused = [&](auto policy) { return message(streaming(model, policy).make_session({.context = 32})); };
    CHECK(refused(sink_window{4, 28}) == "sink_window: 4 sinks and a window of 28 leave no room in a context of 32");
    CHECK(refused(sink_window{40, 2}) == "sink_window: 40 sinks and a window of 2 leave no room in a context of 32");
    CHECK(refused(drop_oldest_half{32}) == "drop_oldest_half: 32 tokens to keep leave no room in a context of 32");
    CHECK(streaming(model, sink_window{4, 27}).make_session({.context = 32}));
    auto const all = [](std::span<token const>, std::span<bool>) {};
    streaming const full(model, all);
    auto s = full.make_session({.context = 32}).value();
    CHECK(message(full.forward(s, some_tokens(33))) ==
          "forward: the eviction policy keeps all 32 tokens of a full context");
    CHECK(s.tokens().size() == 32);
    s.truncate(31);
    CHECK(message(full.forward(s, std::vector<token>{1, 2, 40})) == "forward: token 2 is 40, expected 0 to 39");
    CHECK(message(full.forward(s, {})) == "forward: no tokens");
    CHECK(s.tokens().size() == 31);
    CHECK(full.forward(s, std::vector<token>{1}));

    auto plain = model.make_session({.context = 32}).value();
    auto const nothing = [](std::span<token const>, std::span<bool> kept) { std::ranges::fill(kept, false); };
    CHECK(model.evict(plain, nothing).value() == 0); // of none
    (void)forward(model, plain, some_tokens(20));
    CHECK(model.evict(plain, nothing).value() == 20);
    CHECK(plain.tokens().empty());
  });
  with(transformer<arch::gpt2>{}, [&](auto const& model) {
    std::string const why = "evict: the positions of gpt2 are learned: its tokens cannot move, but be computed again";
    CHECK(message(streaming(model, drop_oldest_half{}).make_session({.context = 32})) == why);
    auto plain = model.make_session({.context = 32}).value();
    CHECK(message(model.evict(plain, drop_oldest_half{})) == why);
  });
  with(transformer<arch::gemma2>{}, [&](auto const& model) {
    auto small = model.make_session({.context = 1024}).value();
    CHECK(message(model.evict(small, drop_oldest_half{})) ==
          "evict: layers with a window have not kept all positions: make the session with whole_windows, or let tokens "
          "be computed again");
    CHECK(streaming(model, drop_oldest_half{}).make_session({.context = 1024}));
  });
}

TEST_CASE("evictions in a row, with tokens not yet computed again in between") {
  auto const bytes = test::random_model(arch::llama, {.layers = 1}).bytes();
  auto const file = gguf::file::parse(bytes).value();
  cpu const machine({1});
  auto const model = build<arch::llama>(file, machine);
  session_options const o{.context = 128, .kv = kv_type::f32};
  auto s = model.make_session(o).value(), fresh = model.make_session(o).value();
  (void)forward(model, s, some_tokens(90));
  CHECK(model.evict(s, drop_oldest_half{20}, cache_shift::recompute));
  CHECK(s.cached() == 20);
  CHECK(model.evict(s, forget_odd_tokens_between{5, 30}));
  std::vector<token> const left(s.tokens().begin(), s.tokens().end()), more{3, 4, 5};
  CHECK(s.cached() < 20);
  (void)forward(model, fresh, left);
  CHECK(difference(forward(model, s, more), forward(model, fresh, more)) < 2e-5);
}

// a stream at compile time: small enough for Clang's default limit on constant evaluation
template <Backend B> constexpr std::array<token, 5> five_tokens(B const& backend) {
  auto const bytes =
      test::tiny_model({.embedding = 4, .heads = 2, .kv_heads = 1, .feed_forward = 4, .vocabulary = 5, .context = 8});
  auto const file = gguf::file::parse(bytes).value();
  auto const model = transformer<arch::llama>::build(file, backend).value();
  streaming const endless(model, sink_window{1, 1});
  auto talk = endless.make_session({.context = 3, .kv = kv_type::f32}).value();
  std::array<token, 1> const prompt{3};
  std::array<token, 5> out{};
  std::size_t n = 0;
  for (token id : prompt | generate(endless, talk, {.max_tokens = 5})) out[n++] = id;
  return out;
}
constexpr auto at_compile_time = five_tokens(reference{});

TEST_CASE("a stream says the same at compile time and at run time") {
  CHECK(five_tokens(reference{}) == at_compile_time);
  CHECK(five_tokens(cpu({2})) == at_compile_time);
}

} // namespace

} // namespace model_eviction_test
