/// \file
/// Mamba, Mamba-2, RNN, LSTM and GRU: against their formulas in double; the same bits for every backend, split, target
/// and number of threads; truncated sessions; no allocation; what files may lie about.
#include "model/recurrent_formulas.hpp"
#include "support/allocations.hpp"

#include <loquat/backend/cpu.hpp>
#include <loquat/backend/reference.hpp>
#include <loquat/generate/generate.hpp>
#include <loquat/model/mamba.hpp>
#include <loquat/model/rnn.hpp>
#include <loquat/model/transformer.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace model_recurrent_test {

using namespace loquat;
using test::recurrent_file;
using test::recurrent_options;

namespace {

static_assert(ModelBuilder<mamba, cpu> && ModelBuilder<mamba2, cpu> && ModelBuilder<rnn, reference>);
static_assert(ModelBuilder<lstm, cpu> && ModelBuilder<gru, reference>);

// f(model) of the file on a backend
template <Backend B, class F> void with_model(std::span<std::byte const> bytes, B const& backend, F f) {
  auto const file = gguf::file::parse(bytes, "m.gguf").value();
  auto const run = [&]<class Builder>(Builder) {
    if (Builder::name() == file.get<std::string_view>("general.architecture").value()) f(Builder::build(file, backend));
  };
  run(mamba{}), run(mamba2{}), run(rnn{}), run(lstm{}), run(gru{});
}

std::vector<token> prompt(std::size_t n) {
  std::vector<token> ids(n);
  for (std::size_t i = 0; i < n; ++i) ids[i] = static_cast<token>((i * 7 + i / 3) % 40);
  return ids;
}

template <Backend B>
std::vector<float> logits(std::vector<std::byte> const& bytes, B const& backend,
                          std::vector<std::size_t> const& portions, session_options options = {}) {
  std::vector<float> out;
  with_model(bytes, backend, [&](auto model) {
    auto s = model.value().make_session(options).value();
    std::size_t at = 0;
    for (std::size_t const n : portions) {
      auto const ids = prompt(at + n);
      auto const now = model->forward(s, std::span(ids).subspan(at)).value();
      out.assign(now.begin(), now.end());
      at += n;
    }
  });
  return out;
}

std::vector<recurrent_options> all_shapes() {
  std::vector<recurrent_options> all{
      {},
      {.norms = true, .biases = false, .own_output = false},
      {.layers = 1, .embedding = 7, .inner = 16, .state = 1, .rank = 1, .taps = 1},
      {.layers = 3, .embedding = 33, .inner = 70, .state = 16, .rank = 9, .taps = 7},
      {.architecture = "mamba2", .inner = 48, .rank = 6, .groups = 2},
      {.architecture = "mamba2",
       .inner = 48,
       .state = 9,
       .rank = 3,
       .taps = 2,
       .groups = 3,
       .flat = true,
       .biases = false},
      {.architecture = "mamba2", .inner = 48, .state = 7, .rank = 48, .groups = 12, .inner_norm = false},
      {.architecture = "mamba2", .inner = 32, .state = 32, .rank = 1, .own_output = false},
      {.architecture = "rnn", .activation = "relu", .biases = false},
      {.architecture = "rnn", .embedding = 90, .hidden = 5, .projection = true},
      {.architecture = "lstm", .layers = 3, .hidden = 24, .own_output = false},
  };
  for (auto const* name : {"rnn", "lstm", "gru"}) {
    all.push_back({.architecture = name});
    all.push_back({.architecture = name,
                   .layers = 1,
                   .hidden = 19,
                   .activation = "tanh",
                   .own_output = false,
                   .projection = true});
  }
  return all;
}

std::string described(recurrent_options const& o) {
  return o.architecture + " " + std::to_string(o.inner) + " " + std::to_string(o.state) + " " + std::to_string(o.rank) +
         " " + std::to_string(o.hidden);
}

TEST_CASE("recurrent models follow their formulas") {
  for (auto const& o : all_shapes()) {
    CAPTURE(described(o));
    recurrent_file const file(o);
    auto const bytes = file.bytes();
    for (std::size_t const n : {1u, 2u, 19u}) {
      auto const ids = prompt(n);
      std::vector<int> const plain(ids.begin(), ids.end());
      auto const expected =
          o.architecture.starts_with("mamba") ? test::mamba_formulas(file, plain) : test::rnn_formulas(file, plain);
      auto const got = logits(bytes, cpu({2}), {n});
      REQUIRE(got.size() == expected.size());
      double worst = 0, squares = 0;
      for (std::size_t i = 0; i < got.size(); ++i) {
        worst = std::max(worst, std::fabs(static_cast<double>(got[i]) - expected[i]));
        squares += expected[i] * expected[i];
      }
      CHECK(worst < 2e-5 * std::sqrt(squares / static_cast<double>(got.size())));
      CHECK(squares > 0.01);
    }
  }
}

TEST_CASE("recurrent models give the same bits for every backend, split, target and number of threads") {
  for (auto const& o : all_shapes()) {
    CAPTURE(described(o));
    auto const bytes = recurrent_file(o).bytes();
    auto const expected = logits(bytes, reference{}, {21});
    auto const same = [&](std::vector<float> const& other) {
      return expected.size() == other.size() &&
             std::memcmp(expected.data(), other.data(), expected.size() * sizeof(float)) == 0;
    };
    CHECK(same(logits(bytes, reference{}, std::vector<std::size_t>(21, 1))));
    for (auto const target : simd::all_targets) {
      if (target > simd::detect()) continue;
      INFO("target ", std::string(name(target)));
      CHECK(same(logits(bytes, cpu({2, target}), {1, 4, 16})));
      CHECK(same(logits(bytes, cpu({1, target}), {21}, {.batch = 6})));
    }
  }
}

TEST_CASE("recurrent sessions: what was cut off is as if it had never been") {
  for (auto const* name : {"mamba", "mamba2", "gru", "lstm"}) {
    CAPTURE(name);
    auto const bytes = recurrent_file({.architecture = name, .inner = 48, .rank = 6}).bytes();
    cpu const machine({1});
    with_model(bytes, machine, [&](auto built) {
      auto const& model = built.value();
      auto s = model.make_session({.batch = 4}).value();
      auto const ids = prompt(20);
      std::vector<token> text;
      auto const continues = [&](std::size_t length, std::size_t more) {
        s.truncate(length);
        text.resize(std::min(text.size(), length));
        for (std::size_t i = 0; i < more; ++i) text.push_back(ids[(text.size() * 3 + more) % ids.size()]);
        auto const got = model.forward(s, std::span(text).last(more)).value();
        auto fresh = model.make_session({.batch = 64}).value();
        auto const expected = model.forward(fresh, text).value();
        CHECK(std::ranges::equal(s.tokens(), text));
        CHECK(std::memcmp(got.data(), expected.data(), expected.size_bytes()) == 0);
      };
      continues(0, 9);
      continues(5, 3);  // back, which keeps the state after 5
      continues(5, 2);  // from there
      continues(6, 4);  // behind it
      continues(3, 1);  // before it
      continues(99, 2); // not at all
      s.truncate(4);
      s.truncate(2);
      continues(2, 3);
      continues(0, 1);
      auto const before = test::allocations();
      s.truncate(1);
      CHECK(model.forward(s, std::span(ids).first(9)));
      CHECK(model.forward(s, std::span(ids).first(1)));
      CHECK(test::allocations() == before);
    });
  }
}

TEST_CASE("recurrent sessions: errors leave them as they were, and the context costs its ids only") {
  auto const bytes = recurrent_file({.architecture = "lstm"}).bytes();
  cpu const machine({1});
  with_model(bytes, machine, [&](auto built) {
    auto const& model = built.value();
    auto s = model.make_session({.context = 8}).value();
    token const ids[]{1, 2, 3, 4, 5, 6, 7, 8, 9}, bad[]{1, 40};
    CHECK(model.forward(s, std::span(ids).first(5)));
    CHECK(std::string(model.forward(s, bad).error().message()) == "forward: token 1 is 40, expected 0 to 39");
    CHECK(model.forward(s, {}).error().code() == errc::argument);
    CHECK(model.forward(s, std::span(ids).first(4)).error().code() == errc::capacity);
    CHECK(s.tokens().size() == 5);
    CHECK(model.ends(39));
    CHECK(!model.ends(38));

    auto const bytes_of = [&](std::size_t context) {
      return model.make_session({.context = context, .batch = 4}).value().bytes();
    };
    CHECK(bytes_of(16 + 16'000) - bytes_of(16) == 16'000 * sizeof(token));
    CHECK(model.make_session({.max_bytes = 1000}).error().code() == errc::capacity);
    CHECK(model.make_session({.context = std::numeric_limits<std::size_t>::max()}).error().code() == errc::capacity);
    CHECK(model.make_session({.context = std::size_t{1} << 40}).error().code() == errc::capacity);
    CHECK(model.make_session({.batch = 0}).value().batch() == 1);
    CHECK(s.state_bytes() == 2 * 2 * 28 * sizeof(float));

    std::vector<token> said;
    for (token id : std::vector<token>{1, 2} | generate(model, s, {.max_tokens = 9})) said.push_back(id);
    CHECK(said.size() == 2); // then the context is full
  });
}

std::string refusal(recurrent_options const& o) {
  std::string out = "no error";
  recurrent_file const file(o);
  auto const bytes = file.bytes();
  with_model(bytes, reference{}, [&](auto const& model) {
    if (!model) out = model.error().message();
  });
  return out;
}
template <class T> recurrent_options with(recurrent_options o, char const* key, T value) {
  o.without = key;
  o.more = [=](gguf::writer& w) { w.add(o.architecture + "." + key, value); };
  return o;
}

TEST_CASE("recurrent models: what cannot be is an error that names it") {
  recurrent_options const first{}, second{.architecture = "mamba2", .inner = 48, .rank = 6, .groups = 2};
  recurrent_options const lstm{.architecture = "lstm"};
  CHECK(refusal(first) == "no error");
  CHECK(refusal({.without = "ssm.state_size"}) == "m.gguf: no key mamba.ssm.state_size (expected u64)");
  CHECK(refusal(with(first, "ssm.conv_kernel", 0u)).starts_with("m.gguf: key mamba.ssm.conv_kernel: expected 1 to"));
  CHECK(refusal(with(first, "ssm.inner_size", 41u)) ==
        "m.gguf: tensor blk.0.ssm_in.weight: expected 24 columns and 82 rows, found 24 and 80");
  CHECK(refusal(with(first, "ssm.inner_size", 1u << 31)) ==
        "m.gguf: ssm.inner_size 2147483648: expected at most 2^31 elements in all states of 5 and 4 taps");
  CHECK(refusal(with(first, "ssm.state_size", 4u)) ==
        "m.gguf: tensor blk.0.ssm_x.weight: expected 40 columns and 11 rows, found 40 and 13");
  CHECK(refusal(with(first, "ssm.conv_kernel", 5u)) ==
        "m.gguf: tensor blk.0.ssm_conv1d.weight: expected 5 columns and 40 rows, found 4 and 40");
  CHECK(refusal({.without = "blk.1.ssm_a"}).find("blk.1.ssm_a") != std::string::npos);
  CHECK(refusal({.without = "token_embd.weight"}).find("token_embd.weight") != std::string::npos);
  CHECK(refusal(with(second, "ssm.time_step_rank", 5u)) ==
        "m.gguf: ssm.inner_size 48 is no multiple of the number of heads, ssm.time_step_rank 5");
  CHECK(refusal(with(second, "ssm.group_count", 4u)) ==
        "m.gguf: ssm.time_step_rank 6 is no multiple of ssm.group_count 4");
  CHECK(refusal(with(second, "ssm.group_count", 3u)).find("blk.0.ssm_in.weight") != std::string::npos);
  CHECK(refusal(with(second, "block_count", 3u)).find("blk.2.attn_norm.weight") != std::string::npos);
  CHECK(refusal(with(second, "block_count", 1u)).find("has no place in this architecture") != std::string::npos);
  CHECK(refusal(with(lstm, "hidden_length", 27u)) ==
        "m.gguf: tensor blk.0.rnn_ih.weight: expected 24 columns and 108 rows, found 24 and 112");
  CHECK(refusal({.architecture = "gru", .own_output = false}) ==
        "m.gguf: hidden_length 28 differs from embedding_length 24: expected a tensor output.weight or "
        "output_proj.weight");
  CHECK(refusal({.architecture = "gru", .activation = "relu"}) == "m.gguf: activation relu: expected tanh");
  CHECK(refusal({.architecture = "rnn", .activation = "gelu"}) == "m.gguf: activation gelu: expected tanh or relu");
}

TEST_CASE("recurrent models from files with flipped bits are values or errors") {
  std::uint32_t state = 3;
  auto const random = [&state] { return (state = state * 1664525u + 1013904223u) >> 8; };
  cpu const machine({1});
  for (auto const* name : {"mamba", "mamba2", "lstm"}) {
    auto const bytes = recurrent_file({.architecture = name,
                                       .layers = 1,
                                       .embedding = 8,
                                       .inner = 8,
                                       .state = 2,
                                       .rank = 2,
                                       .taps = 3,
                                       .groups = 2,
                                       .norms = true,
                                       .hidden = 6})
                           .bytes();
    int ran = 0;
    for (int round = 0; round < 3000; ++round) {
      auto damaged = bytes;
      std::size_t const within = round % 2 == 0 ? 1500 : damaged.size();
      for (std::uint32_t flips = 1 + random() % 3; flips > 0; --flips)
        damaged[random() % within] ^= static_cast<std::byte>(1u << random() % 8);
      auto const file = gguf::file::parse(damaged);
      if (!file || !file->get<std::string_view>("general.architecture")) continue;
      with_model(damaged, machine, [&](auto const& model) {
        if (!model) return;
        auto s = model->make_session({.context = 4, .max_bytes = 1 << 24});
        if (!s) return;
        token const ids[]{0, static_cast<token>(model->vocabulary() - 1)};
        ran += static_cast<bool>(model->forward(*s, ids));
      });
    }
    CHECK(ran > 300);
    CHECK(ran < 2900);
  }
}

TEST_CASE("softplus and the others are what their names say") {
  reference::workspace work;
  for (float x = -90; x < 90; x += 0.37f) {
    auto const wide = static_cast<double>(x);
    std::vector<float> y{x};
    reference{}.activate(work, activation::softplus, y);
    CHECK(static_cast<double>(y[0]) == doctest::Approx(std::log1p(std::exp(wide))).epsilon(4e-7));
    y = {x};
    reference{}.activate(work, activation::sigmoid, y);
    CHECK(static_cast<double>(y[0]) == doctest::Approx(1 / (1 + std::exp(-wide))).epsilon(1e-6));
    y = {x};
    reference{}.activate(work, activation::relu, y);
    CHECK(y[0] == std::max(x, 0.0f));
  }
  CHECK(std::isnan(math::softplus(std::numeric_limits<float>::quiet_NaN())));
  CHECK(math::softplus(std::numeric_limits<float>::infinity()) == std::numeric_limits<float>::infinity());
  static_assert(math::softplus(0.0f) > 0.693147f && math::softplus(0.0f) < 0.693148f);
}

} // namespace

} // namespace model_recurrent_test
