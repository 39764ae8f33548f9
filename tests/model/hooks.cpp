/// \file
/// Hooks: what they are shown is what is computed, looking changes no bit, what they change counts; attention weights
/// against their definition in doubles; what is no hook does not compile.
#include "support/allocations.hpp"
#include "support/random_model.hpp"
#include "support/recurrent_model.hpp"

#include <loquat/backend/cpu.hpp>
#include <loquat/backend/reference.hpp>
#include <loquat/generate/generate.hpp>
#include <loquat/model/hooks.hpp>
#include <loquat/model/load.hpp>
#include <loquat/model/recorder.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

namespace model_hooks_test {

using namespace loquat;

namespace {

using floats = std::vector<float>;

struct one_hook {
  void block_input(hook_site const&, std::span<float>) {}
};
struct any_parameters {
  void logits(auto const&, auto) {}
};
struct misspelt {
  void block_inputs(hook_site const&, std::span<float>) {}
};
struct other_parameters {
  void block_input(hook_site const&, std::span<float>) {}
  void logits(std::span<float>) {}
};
struct no_room {
  void attention_weights(hook_site const&, std::span<float>) {}
};
static_assert(Hooks<no_hooks> && Hooks<one_hook> && Hooks<any_parameters>);
static_assert(!Hooks<misspelt> && !Hooks<other_parameters> && !Hooks<no_room> && !Hooks<int>);

/// Keeps copies of everything.
struct keeper {
  using place = std::pair<std::string, std::size_t>; // point, layer
  std::map<place, floats> seen;
  std::vector<hook_site> sites, experts;
  std::vector<std::vector<token>> rows;
  floats room;

  void keep(char const* point, hook_site const& at, std::span<float const> x) {
    seen[{point, at.layer}].assign(x.begin(), x.end());
    sites.push_back(at);
  }
  void embeddings(hook_site const& at, std::span<float> x) { keep("embeddings", at, x); }
  void block_input(hook_site const& at, std::span<float> x) { keep("block_input", at, x); }
  std::span<float> attention_room(hook_site const&, std::size_t count) {
    room.resize(count);
    return room;
  }
  void attention_weights(hook_site const& at, std::span<float const> x) { keep("attention_weights", at, x); }
  void attention_output(hook_site const& at, std::span<float> x) { keep("attention_output", at, x); }
  void activations(hook_site const& at, std::span<float> x) {
    keep("activations", at, x);
    if (at.expert == hook_site::none) return;
    experts.push_back(at);
    rows.emplace_back(at.rows.begin(), at.rows.end());
  }
  void feed_forward_output(hook_site const& at, std::span<float> x) { keep("feed_forward_output", at, x); }
  void block_output(hook_site const& at, std::span<float> x) { keep("block_output", at, x); }
  void logits(hook_site const& at, std::span<float> x) { keep("logits", at, x); }
};
static_assert(Hooks<keeper>);

struct scene {
  std::vector<std::byte> bytes;
  gguf::file file;
  scene(architecture const& a, test::random_model_options const& o)
      : bytes(test::random_model(a, o).bytes()), file(gguf::file::parse(bytes).value()) {}
};

std::vector<token> some_tokens(std::size_t n, std::size_t step = 7) {
  std::vector<token> ids(n);
  for (std::size_t i = 0; i < n; ++i) ids[i] = static_cast<token>(i * step % 40);
  return ids;
}
template <class M, class... H> floats run(M const& model, std::vector<token> const& ids, H&... hooks) {
  auto s = model.make_session({.kv = kv_type::f32}).value();
  auto const out = model.forward(s, ids, hooks...).value();
  return {out.begin(), out.end()};
}

template <architecture A> void check_views(test::random_model_options const& o) {
  CAPTURE(std::string(name(A)));
  scene const s(A, o);
  constexpr std::size_t n = 6, d = test::random_model::embedding, heads = test::random_model::heads;
  cpu const machine({2});
  auto const model = transformer<A>::build(s.file, machine).value();
  keeper k;
  auto const out = run(model, some_tokens(n), k);
  CHECK(out == run(model, some_tokens(n))); // to the bit
  CHECK(k.seen[{"logits", o.layers}] == out);
  CHECK(k.seen[{"embeddings", 0}] == k.seen[{"block_input", 0}]);
  CHECK(k.seen[{"embeddings", 0}].size() == n * d);
  for (std::size_t l = 0; l < o.layers; ++l) {
    auto const& x = k.seen[{"block_input", l}];
    auto const& y = k.seen[{"block_output", l}];
    if (l + 1 < o.layers) CHECK(y == k.seen[{"block_input", l + 1}]);
    REQUIRE(y.size() == n * d);
    for (std::size_t i = 0; i < n * d; ++i)
      CHECK(x[i] + k.seen[{"attention_output", l}][i] + k.seen[{"feed_forward_output", l}][i] == y[i]);
    auto const& w = k.seen[{"attention_weights", l}];
    REQUIRE(w.size() == heads * n * n);
    std::size_t const window = sees_window(A, l) ? 5 : n;
    for (std::size_t row = 0; row < heads * n; ++row) {
      std::size_t const i = row % n, from = i + 1 > window ? i + 1 - window : 0;
      float sum = 0;
      for (std::size_t p = 0; p < n; ++p) {
        sum += w[row * n + p];
        CHECK((w[row * n + p] > 0) == (p <= i && p >= from));
      }
      CHECK(sum == doctest::Approx(1).epsilon(1e-5));
    }
  }
  CHECK(k.sites.front().n == n);
  CHECK(k.sites.back().layer == o.layers);
  CHECK(k.sites.back().position == n - 1);
  CHECK(k.experts.empty() == (o.experts == 0));
}

TEST_CASE("hooks see what is computed, and looking changes no bit") {
  check_views<arch::llama>({.layers = 2});
  check_views<arch::gemma2>({.layers = 2});
  check_views<arch::llama>({.layers = 2, .experts = 5});
}

TEST_CASE("hooks: experts say which tokens their activations are of") {
  scene const s(arch::qwen2moe, {.layers = 1, .experts = 5, .shared = 24});
  reference const machine;
  auto const model = transformer<arch::qwen2moe>::build(s.file, machine).value();
  keeper k;
  (void)run(model, some_tokens(6), k);
  std::size_t taken = 0;
  for (std::size_t i = 0; i < k.experts.size(); ++i) {
    bool const shared = k.experts[i].expert == 5;
    CHECK(k.rows[i].size() == (shared ? 6 : k.rows[i].size()));
    CHECK(std::ranges::is_sorted(k.rows[i]));
    if (!shared) taken += k.rows[i].size();
  }
  CHECK(k.experts.back().expert == 5);
  CHECK(taken == 6 * 2);
}

/// Puts what another run computed in place of one layer's input.
struct patch {
  floats const& from;
  std::size_t layer;
  void block_input(hook_site const& at, std::span<float> x) {
    if (at.layer == layer) std::ranges::copy(from, x.begin());
  }
};
/// Puts zeros in place of something.
struct no_attention {
  floats room, output;
  std::span<float> attention_room(hook_site const&, std::size_t count) {
    room.resize(count);
    return room;
  }
  void attention_weights(hook_site const&, std::span<float> w) { std::ranges::fill(w, 0.0f); }
  void attention_output(hook_site const&, std::span<float> y) { output.assign(y.begin(), y.end()); }
};
struct same_attention : no_attention {
  std::size_t calls = 0;
  void attention_weights(hook_site const&, std::span<float>) { ++calls; }
};
struct no_activations {
  floats output;
  void activations(hook_site const&, std::span<float> a) { std::ranges::fill(a, 0.0f); }
  void feed_forward_output(hook_site const&, std::span<float> y) { output.assign(y.begin(), y.end()); }
};
struct favourite {
  token id;
  void logits(hook_site const&, std::span<float> x) { x[static_cast<std::size_t>(id)] = 1000; }
};

TEST_CASE("hooks: what they change counts") {
  for (std::uint32_t const experts : {0u, 5u}) {
    scene const s(arch::llama, {.layers = 3, .experts = experts});
    cpu const machine({2});
    auto const model = transformer<arch::llama>::build(s.file, machine).value();
    keeper other;
    auto const wanted = run(model, some_tokens(6, 3), other);
    CHECK(wanted != run(model, some_tokens(6)));
    for (std::size_t layer = 0; layer < 3; ++layer) {
      patch p{other.seen[{"block_input", layer}], layer};
      CHECK(run(model, some_tokens(6), p) == wanted); // nothing else reaches the logits
    }
    no_attention blind;
    (void)run(model, some_tokens(6), blind);
    CHECK(std::ranges::all_of(blind.output, [](float y) { return y == 0; }));
    same_attention same;
    auto const again = run(model, some_tokens(6), same), plain = run(model, some_tokens(6));
    CHECK(same.calls == 3);
    for (std::size_t i = 0; i < plain.size(); ++i) CHECK(again[i] == doctest::Approx(plain[i]).epsilon(1e-4));
    no_activations dull;
    (void)run(model, some_tokens(6), dull);
    CHECK(std::ranges::all_of(dull.output, [](float y) { return y == 0; }));
  }
}

TEST_CASE("hooks: a model with hooks is a model, also one that a file chose") {
  scene const s(arch::llama, {.layers = 2});
  reference const machine;
  auto const model = basic_model<type_list<transformer<arch::llama>>, reference>::build(s.file, machine).value();
  auto talk = model.make_session().value();
  favourite f{17};
  hooked const biased(model, f);
  static_assert(Model<decltype(biased)>);
  std::vector<token> const prompt{1, 2};
  std::vector<token> said;
  for (token id : prompt | generate(biased, talk, {.max_tokens = 3})) said.push_back(id);
  CHECK(said == std::vector<token>{17, 17, 17});
}

/// Where a recurrent model calls.
struct positions {
  std::vector<std::pair<std::size_t, std::size_t>> inputs; // position, tokens
  void block_input(hook_site const& at, std::span<float>) {
    if (at.layer == 1) inputs.emplace_back(at.position, at.n);
  }
};

template <class Builder> void check_recurrent(test::recurrent_options o) {
  o.architecture = std::string(Builder::name());
  CAPTURE(o.architecture);
  auto const bytes = test::recurrent_file(o).bytes();
  auto const file = gguf::file::parse(bytes).value();
  cpu const machine({2});
  auto const model = Builder::build(file, machine).value();
  auto const ids = some_tokens(6);
  keeper k, other;
  auto const out = run(model, ids, k), wanted = run(model, some_tokens(6, 3), other);
  CHECK(out == run(model, ids)); // to the bit
  CHECK(wanted != out);
  CHECK(k.seen.size() == 2 + 2 * o.layers); // no attention, no activations
  CHECK(k.seen[{"logits", o.layers}] == out);
  CHECK(k.seen[{"embeddings", 0}] == k.seen[{"block_input", 0}]);
  CHECK(k.seen[{"embeddings", 0}].size() == 6 * o.embedding);
  CHECK(k.sites.back().position == 5);
  for (std::size_t l = 0; l < o.layers; ++l) {
    if (l + 1 < o.layers) CHECK(k.seen[{"block_output", l}] == k.seen[{"block_input", l + 1}]);
    patch p{other.seen[{"block_input", l}], l};
    CHECK(run(model, ids, p) == wanted); // a layer's state comes from nothing else
  }

  auto s = model.make_session({.batch = 4}).value();
  positions p;
  p.inputs.reserve(16);
  auto const before = test::allocations();
  bool const good = model.forward(s, some_tokens(10), p) && (s.truncate(5), model.forward(s, some_tokens(1), p));
  CHECK(test::allocations() - before == 2); // the ids
  CHECK(good);
  CHECK(p.inputs == std::vector<std::pair<std::size_t, std::size_t>>{{0, 4}, {4, 4}, {8, 2}, {0, 4}, {4, 1}, {5, 1}});

  auto r = recorder::make(model.sizes(), {.tokens = 8, .context = 8}).value();
  CHECK(model.forward(s, std::span(ids).first(2), r));
  bool const as_wide = o.architecture.starts_with("mamba") || o.hidden == o.embedding;
  CHECK(r.tokens() == (as_wide ? 2 : 0));
  CHECK(r.stream(1).size() == r.tokens() * o.embedding);
  CHECK(r.attention(0).empty());
  CHECK(r.activations(0).empty());
}

TEST_CASE("hooks of recurrent models see what goes through them") {
  check_recurrent<mamba>({});
  check_recurrent<mamba2>({.rank = 4});
  check_recurrent<rnn>({.projection = true});
  check_recurrent<lstm>({.hidden = 24});
  check_recurrent<gru>({.hidden = 20});
}

struct counter {
  std::size_t calls = 0;
  floats room = floats(4096);
  void embeddings(hook_site const&, std::span<float>) { ++calls; }
  std::span<float> attention_room(hook_site const& at, std::size_t) {
    return at.layer == 1 ? std::span<float>(room) : std::span<float>();
  }
  void attention_weights(hook_site const& at, std::span<float const> w) {
    CHECK(at.layer == 1);
    CHECK(w.size() == test::random_model::heads * at.n * (at.position + at.n));
    ++calls;
  }
  void logits(hook_site const&, std::span<float>) { ++calls; }
};

TEST_CASE("hooks: every batch of a long input comes by, and nothing is allocated") {
  scene const s(arch::llama, {.layers = 2});
  cpu const machine({1});
  auto const model = transformer<arch::llama>::build(s.file, machine).value();
  auto session = model.make_session({.batch = 4}).value();
  counter c;
  auto const ids = some_tokens(10);
  auto const before = test::allocations();
  bool const good = static_cast<bool>(model.forward(session, ids, c));
  CHECK(test::allocations() == before);
  CHECK(good);
  CHECK(c.calls == 3 + 3 + 1);
  CHECK(model.forward(session, std::vector<token>{}, c).error().code() == errc::argument);
}

floats copied(std::span<float const> x) { return {x.begin(), x.end()}; }

TEST_CASE("a recorder keeps what hooks are shown, in memory that it took before") {
  static_assert(Hooks<recorder>);
  scene const s(arch::llama, {.layers = 2});
  cpu const machine({1});
  auto const model = transformer<arch::llama>::build(s.file, machine).value();
  auto session = model.make_session({.kv = kv_type::f32}).value();
  auto r = recorder::make(model.sizes(), {.tokens = 6, .context = 8}).value();
  CHECK(r.tokens() == 0);
  CHECK(r.attention(0).empty());
  keeper k;
  (void)run(model, some_tokens(6), k);
  auto const ids = some_tokens(6);
  auto const before = test::allocations();
  bool const good = static_cast<bool>(model.forward(session, ids, r));
  CHECK(test::allocations() == before);
  CHECK(good);
  CHECK(r.tokens() == 6);
  for (std::size_t l = 0; l < 2; ++l) {
    CHECK(copied(r.stream(l)) == k.seen[{"block_input", l}]);
    CHECK(copied(r.stream(l + 1)) == k.seen[{"block_output", l}]);
    CHECK(copied(r.attention(l)) == k.seen[{"attention_weights", l}]);
    CHECK(copied(r.activations(l)) == k.seen[{"activations", l}]);
  }
  CHECK(r.stream(3).empty());
  CHECK(r.activations(2).empty());
  CHECK(model.forward(session, std::span(ids).first(2), r)); // positions 6 and 7
  CHECK(r.length() == 8);
  CHECK(r.attention(1).size() == test::random_model::heads * 2 * 8);
  CHECK(model.forward(session, std::span(ids).first(1), r)); // position 8
  CHECK(r.stream(2).size() == test::random_model::embedding);
  CHECK(r.attention(1).empty());
  CHECK(model.forward(session, some_tokens(7), r));
  CHECK(r.tokens() == 0);
  CHECK(r.stream(0).empty());

  for (auto const& o : {recorder_options{.tokens = std::size_t{1} << 40}, {.context = std::size_t{1} << 28}})
    CHECK(recorder::make(model.sizes(), {o.tokens, o.context, true, 1 << 20}).error().code() == errc::capacity);
}

/// Attention over random keys and values, and its definition in doubles.
struct attention_scene {
  static constexpr std::size_t dim = 8, heads = 4, kv_heads = 2, n = 3, length = 300;
  arena memory;
  kv_cache cache;
  floats queries, output = floats(n * heads * dim), weights = floats(heads * n * length);
  std::vector<floats> keys, values; // [kv_heads] of [length, dim]

  explicit attention_scene(kv_type type) : cache{type, 2, kv_heads, dim, 320} {
    arena_size size;
    cache.reserve(size);
    memory = arena::make(size.bytes()).value();
    cache.take(memory);
    test::random_floats random;
    queries = random(n * heads * dim);
    for (std::size_t h = 0; h < kv_heads; ++h) {
      keys.push_back(random(length * dim));
      values.push_back(random(length * dim));
      for (std::size_t p = 0; p < length; ++p)
        cache.store(1, h, p, keys[h].data() + p * dim, values[h].data() + p * dim);
    }
  }
  attention_task task() { return {queries, output, 1, n, heads, length, 1.5f}; }

  void check(attention_task const& t, double tolerance) {
    attention_weights(cache, t, weights);
    floats expected(output.size());
    for (std::size_t h = 0; h < heads; ++h)
      for (std::size_t i = 0; i < n; ++i) {
        std::size_t const own = t.causal ? length - n + i + 1 : length;
        std::vector<double> score(length, -1e30);
        double sum = t.sinks.empty() ? 0 : std::exp(double{t.sinks[h]});
        for (std::size_t p = 0; p < own; ++p) {
          if (t.window != 0 && p + t.window < own) continue;
          double s = 0;
          for (std::size_t d = 0; d < dim; ++d)
            s += double{queries[(i * heads + h) * dim + d]} * double{keys[h / 2][p * dim + d]} * double{t.scale};
          if (t.cap != 0) s = double{t.cap} * std::tanh(s / double{t.cap});
          if (!t.bias.empty())
            s += double{t.bias[h * (2 * t.bias_reach - 1) + t.bias_reach - 1 + p - (length - n + i)]};
          sum += std::exp(score[p] = s);
        }
        for (std::size_t p = 0; p < length; ++p) {
          double const w = std::exp(score[p]) / sum;
          CHECK(double{weights[(h * n + i) * length + p]} == doctest::Approx(w).epsilon(tolerance));
          for (std::size_t d = 0; d < dim; ++d)
            expected[(i * heads + h) * dim + d] += static_cast<float>(w) * values[h / 2][p * dim + d];
        }
      }
    mix_values(cache, t, weights);
    auto const mixed = output;
    reference::workspace none;
    reference{}.attention(none, cache, t);
    for (std::size_t i = 0; i < output.size(); ++i) {
      CHECK(double{std::fabs(mixed[i] - expected[i])} < tolerance);
      CHECK(double{std::fabs(mixed[i] - output[i])} < tolerance);
    }
  }
};

TEST_CASE("attention weights are those of the definition, with all that a model adds to it") {
  attention_scene s(kv_type::f32);
  auto plain = s.task(), window = plain, capped = plain, all = plain, biased = plain, sunk = plain;
  window.window = 40;
  capped.cap = 1.5f;
  all.causal = false;
  floats const bias = test::random_floats{5}(4 * 639), sinks{1, -1, 2, 0.5f};
  biased.bias = bias;
  biased.bias_reach = 320;
  sunk.sinks = sinks;
  for (auto const& task : {plain, window, capped, all, biased, sunk}) s.check(task, 1e-4);
  for (kv_type const type : {kv_type::f16, kv_type::q8_0}) {
    attention_scene rounded(type);
    rounded.check(rounded.task(), 0.05);
  }
}

} // namespace

} // namespace model_hooks_test
