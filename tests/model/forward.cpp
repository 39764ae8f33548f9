/// \file
/// What a model promises: the same bits for any batch, split, thread count and target; no allocation; errors that leave
/// a session as it was; sessions that do not disturb each other.
#include "support/allocations.hpp"
#include "support/tiny_model.hpp"

#include <loquat/backend/cpu.hpp>
#include <loquat/backend/reference.hpp>
#include <loquat/model/load.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

namespace model_forward_test {

using namespace loquat;

namespace {

static_assert(ModelBuilder<transformer<arch::llama>, cpu> && Model<any_model<reference>>);

constexpr test::tiny_options sizes{
    .layers = 2, .embedding = 64, .heads = 4, .kv_heads = 2, .feed_forward = 96, .vocabulary = 40, .context = 64};

std::vector<token> some_tokens(std::size_t n) {
  std::vector<token> ids(n);
  for (std::size_t i = 0; i < n; ++i) ids[i] = static_cast<token>(i * 7 % 40);
  return ids;
}

// the logits after all tokens, forwarded in the given portions
template <Backend B>
std::vector<float> logits(gguf::file const& file, B const& backend, std::vector<std::size_t> const& portions,
                          session_options options) {
  auto const model = load(file, backend).value();
  auto s = model.make_session(options).value();
  auto const ids = some_tokens(std::accumulate(portions.begin(), portions.end(), std::size_t{0}));
  std::span<float> out;
  std::size_t at = 0;
  for (std::size_t n : portions) out = model.forward(s, std::span(ids).subspan(at, n)).value(), at += n;
  return {out.begin(), out.end()};
}

template <BlockFormat F> void check_bits() {
  auto const bytes = test::tiny_model<F>(sizes);
  auto const file = gguf::file::parse(bytes).value();
  for (auto kv : {kv_type::f16, kv_type::f32, kv_type::q8_0, kv_type::q4_0}) {
    auto const expected = logits(file, reference{}, {29}, {.kv = kv});
    auto const same = [&](std::vector<float> const& other) {
      return std::memcmp(expected.data(), other.data(), expected.size() * sizeof(float)) == 0;
    };
    CHECK(same(logits(file, reference{}, std::vector<std::size_t>(29, 1), {.kv = kv})));
    for (auto target : simd::all_targets)
      for (unsigned threads : {1u, 2u, 3u, 8u}) {
        if (target > simd::detect()) continue;
        INFO("target ", std::string(name(target)), ", threads ", threads);
        cpu const machine({threads, target});
        CHECK(same(logits(file, machine, {29}, {.kv = kv})));
        CHECK(same(logits(file, machine, {29}, {.batch = 6, .kv = kv})));
        CHECK(same(logits(file, machine, std::vector<std::size_t>(29, 1), {.kv = kv})));
        CHECK(same(logits(file, machine, {1, 4, 5, 8, 11}, {.kv = kv})));
      }
  }
}

TEST_CASE("logits are the same bits for every split, thread count and target: F32") { check_bits<f32>(); }
TEST_CASE("logits are the same bits for every split, thread count and target: F16") { check_bits<f16>(); }
TEST_CASE("logits are the same bits for every split, thread count and target: BF16") { check_bits<bf16>(); }
TEST_CASE("logits are the same bits for every split, thread count and target: Q8_0") { check_bits<q8_0>(); }
TEST_CASE("logits are the same bits for every split, thread count and target: Q4_0") { check_bits<q4_0>(); }

TEST_CASE("biases count, and tied embeddings serve as output") {
  auto const plain = test::tiny_model(sizes);
  auto with_biases = sizes, tied = sizes;
  with_biases.biases = true;
  tied.own_output = false;
  auto const biased_bytes = test::tiny_model(with_biases), tied_bytes = test::tiny_model(tied);
  auto const run = [](std::vector<std::byte> const& bytes, auto const& backend) {
    auto const file = gguf::file::parse(bytes).value();
    return logits(file, backend, {5}, {});
  };
  CHECK(run(biased_bytes, reference{}) != run(plain, reference{}));
  CHECK(run(biased_bytes, reference{}) == run(biased_bytes, cpu({2})));
  CHECK(run(tied_bytes, reference{}) != run(plain, reference{}));
  CHECK(run(tied_bytes, reference{}) == run(tied_bytes, cpu({2})));
}

TEST_CASE("other norms, activations, pairings and feed-forwards are a matter of the architecture's value") {
  static constexpr architecture mine{"mine", normalisation::layer, rope_style::halves, activation::gelu, false};
  auto options = sizes;
  options.architecture = "mine";
  options.gated = false;
  auto const bytes = test::tiny_model(options);
  auto const file = gguf::file::parse(bytes).value();
  auto const run = [&]<class T, class B>(T, B const& backend) {
    auto const model = T::build(file, backend).value();
    auto s = model.make_session().value();
    auto const out = model.forward(s, some_tokens(9)).value();
    return std::vector<float>(out.begin(), out.end());
  };
  CHECK(run(transformer<mine>{}, reference{}) == run(transformer<mine>{}, cpu({2})));
  auto const refused = load(file, reference{});
  CHECK(refused.error().message().starts_with("gguf: no builder for general.architecture mine; known: llama granite "));
}

TEST_CASE("a session can be shortened, and goes on as if the rest had never been") {
  auto const bytes = test::tiny_model(sizes);
  auto const file = gguf::file::parse(bytes).value();
  cpu const machine({2});
  auto const model = load(file, machine).value();
  auto s = model.make_session().value();
  auto const ids = some_tokens(20);
  (void)model.forward(s, std::span(ids).first(12)).value();
  (void)model.forward(s, std::vector<token>{5, 5, 5, 5}).value();
  s.truncate(12);
  CHECK(s.tokens().size() == 12);
  auto const out = model.forward(s, std::span(ids).subspan(12)).value();
  CHECK(std::vector<float>(out.begin(), out.end()) == logits(file, machine, {20}, {}));
}

TEST_CASE("errors leave the session as it was") {
  auto const bytes = test::tiny_model(sizes);
  auto const file = gguf::file::parse(bytes).value();
  cpu const machine({1});
  auto const model = load(file, machine).value();
  auto s = model.make_session({.context = 8}).value();
  (void)model.forward(s, std::vector<token>{1, 2, 3}).value();
  auto const message = [&](std::vector<token> const& ids) {
    return std::string(model.forward(s, ids).error().message());
  };
  CHECK(message({}) == "forward: no tokens");
  CHECK(message({1, 40}) == "forward: token 1 is 40, expected 0 to 39");
  CHECK(message({-1}) == "forward: token 0 is -1, expected 0 to 39");
  CHECK(message({1, 2, 3, 4, 5, 6}) == "forward: 6 tokens exceed the context of 8: room for 5");
  CHECK(s.tokens().size() == 3);
  CHECK(model.forward(s, std::vector<token>{1, 2, 3, 4, 5}));
  CHECK(model.forward(s, std::vector<token>{1}).error().code() == errc::capacity);
}

TEST_CASE("a session's memory is capped, and absurd contexts are errors") {
  auto const bytes = test::tiny_model(sizes);
  auto const file = gguf::file::parse(bytes).value();
  cpu const machine({1});
  auto const model = load(file, machine).value();
  auto const session = model.make_session().value();
  CHECK(model.make_session({.max_bytes = session.bytes()}));
  auto const small = model.make_session({.max_bytes = session.bytes() - 1});
  CHECK(small.error().code() == errc::capacity);
  for (std::size_t context : {std::size_t{1} << 31, std::size_t{1} << 40, std::numeric_limits<std::size_t>::max()})
    CHECK(model.make_session({.context = context, .max_bytes = 1 << 30}).error().code() == errc::capacity);
  CHECK(model.make_session().value().context() == 64); // what the model was trained for
}

TEST_CASE("nothing is allocated after a session is made, neither in prefill nor in single steps") {
  auto const bytes = test::tiny_model<q4_0>(sizes);
  auto const file = gguf::file::parse(bytes).value();
  cpu const machine({2});
  auto const model = load(file, machine).value();
  auto s = model.make_session().value();
  auto const ids = some_tokens(40);
  auto const before = test::allocations();
  (void)*model.forward(s, std::span(ids).first(33));
  for (std::size_t i = 33; i < 40; ++i) (void)*model.forward(s, std::span(ids).subspan(i, 1));
  CHECK(test::allocations() == before);
}

TEST_CASE("sessions of many threads on one model do not disturb each other") {
  auto const bytes = test::tiny_model<q8_0>(sizes);
  auto const file = gguf::file::parse(bytes).value();
  cpu const machine({2});
  auto const model = load(file, machine).value();
  auto const expected = logits(file, machine, {20}, {});
  std::vector<int> wrong(4);
  std::vector<std::thread> users;
  for (std::size_t u = 0; u < wrong.size(); ++u)
    users.emplace_back([&, u] {
      auto s = model.make_session().value();
      auto const ids = some_tokens(20);
      for (int round = 0; round < 10; ++round) {
        s.truncate(0);
        auto const out = model.forward(s, ids).value();
        wrong[u] += !std::equal(out.begin(), out.end(), expected.begin());
      }
    });
  for (auto& user : users) user.join();
  CHECK(wrong == std::vector<int>(4));
}

} // namespace

} // namespace model_forward_test
