/// \file
/// LoRA adapters: on the fly they are what they would be in the weights, with the same bits for every backend, split
/// and number of threads; sessions with other adapters share a model; nothing is allocated; wrong files are errors.
#include "support/allocations.hpp"
#include "support/random_model.hpp"
#include "support/recurrent_model.hpp"
#include "support/temporary.hpp"

#include <loquat/backend/cpu.hpp>
#include <loquat/backend/reference.hpp>
#include <loquat/model/adaptable.hpp>
#include <loquat/model/lora_merge.hpp>
#include <loquat/model/zoo.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <deque>
#include <limits>
#include <map>
#include <numeric>
#include <string>
#include <vector>

namespace model_lora_test {

using namespace loquat;

namespace {

static_assert(Backend<adaptable<cpu>> && Backend<adaptable<reference>>);

/// An adapter in GGUF, made number by number, and its floats.
struct adapter {
  struct pair {
    std::vector<float> a, b;
    tensor_shape shape_a, shape_b;
  };
  std::map<std::string, pair> pairs = {};
  std::uint64_t rank = 3;
  float alpha = 6;
  std::string architecture = "llama", general_type = "adapter", type = "lora";
  std::function<void(gguf::writer&)> more = {};

  adapter& add(std::string const& name, gguf::file const& base, std::uint32_t seed = 7) {
    auto const tensor = base.tensor(name).value();
    auto const [columns, rows, matrices, one] = tensor.shape;
    pair p{{}, {}, {columns, rank, matrices, 1}, {rank, rows, matrices, 1}};
    if (name == "token_embd.weight") p.shape_a = {rank, rows, 1, 1}, p.shape_b = {rank, columns, 1, 1};
    test::random_floats random{seed};
    p.a = random(static_cast<std::size_t>(p.shape_a[0] * p.shape_a[1] * matrices));
    p.b = random(static_cast<std::size_t>(p.shape_b[0] * p.shape_b[1] * matrices));
    for (float& x : p.b) x *= 0.2f;
    pairs[name] = p;
    return *this;
  }
  std::vector<std::byte> bytes() const {
    gguf::writer w;
    w.add("general.type", std::string_view(general_type));
    w.add("adapter.type", std::string_view(type));
    w.add("general.architecture", std::string_view(architecture));
    w.add("adapter.lora.alpha", alpha);
    std::deque<std::string> names;
    for (auto const& [name, p] : pairs) {
      std::uint32_t const dims = p.shape_a[2] > 1 ? 3 : 2;
      w.add(tensor_view{names.emplace_back(name + ".lora_a"), tensor_type::f32, dims, p.shape_a,
                        std::as_bytes(std::span(p.a))});
      w.add(tensor_view{names.emplace_back(name + ".lora_b"), tensor_type::f32, dims, p.shape_b,
                        std::as_bytes(std::span(p.b))});
    }
    if (more) more(w);
    return w.bytes().value();
  }
  result<lora> read(gguf::file const& base) const {
    auto const own = bytes();
    auto const file = gguf::file::parse(own, "a.gguf").value();
    return lora::from(file, base);
  }
  std::string refusal(gguf::file const& base) const {
    auto const made = read(base);
    return made ? "no error" : std::string(made.error().message());
  }
};

/// The model with its weights changed by the definition, in doubles.
std::vector<std::byte> changed(gguf::file const& base, std::vector<std::pair<adapter const*, double>> const& adapters) {
  gguf::writer w;
  for (auto const& [key, value] : base.metadata()) w.add(key, value);
  std::deque<std::vector<float>> kept;
  for (auto tensor : base.tensors()) {
    auto& sum = kept.emplace_back(static_cast<std::size_t>(tensor.elements()));
    CHECK(unpack_tensor(builtin_formats{}, tensor, sum));
    bool const changes =
        std::ranges::any_of(adapters, [&](auto const& a) { return a.first->pairs.contains("token_embd.weight"); });
    if (tensor.name == "token_embd.weight" && changes) { // the output matrix stays as it is
      auto& output = kept.emplace_back(sum);
      w.add(tensor_view{"output.weight", tensor_type::f32, 2, tensor.shape, std::as_bytes(std::span(output))});
    }
    for (auto const& [from, scale] : adapters) {
      auto const found = from->pairs.find(std::string(tensor.name));
      if (found == from->pairs.end()) continue;
      auto const& [a, b, shape_a, shape_b] = found->second;
      std::size_t const rank = shape_b[0], columns = tensor.shape[0], rows = tensor.shape[1];
      bool const embedding = tensor.name == "token_embd.weight";
      for (std::size_t i = 0; i < sum.size(); ++i) {
        std::size_t const c = i % columns, row = i / columns, matrix = row / rows;
        double change = 0;
        for (std::size_t j = 0; j < rank; ++j)
          change += embedding ? double{a[row * rank + j]} * double{b[c * rank + j]}
                              : double{b[row * rank + j]} * double{a[(matrix * rank + j) * columns + c]};
        sum[i] = static_cast<float>(double{sum[i]} + scale * double{from->alpha} / static_cast<double>(rank) * change);
      }
    }
    tensor.type = tensor_type::f32;
    tensor.data = std::as_bytes(std::span(sum));
    w.add(tensor);
  }
  return w.bytes().value();
}

std::vector<token> some_tokens(std::size_t n) {
  std::vector<token> ids(n);
  for (std::size_t i = 0; i < n; ++i) ids[i] = static_cast<token>(i * 7 % 40);
  return ids;
}

template <class M>
std::vector<float> logits(M const& model, typename M::session& s, std::vector<std::size_t> const& portions) {
  auto const ids = some_tokens(std::accumulate(portions.begin(), portions.end(), std::size_t{0}));
  std::span<float> out;
  std::size_t at = 0;
  for (std::size_t const n : portions) out = model.forward(s, std::span(ids).subspan(at, n)).value(), at += n;
  return {out.begin(), out.end()};
}
template <class Builder = transformer<arch::llama>, Backend B>
std::vector<float> adapted(gguf::file const& file, adaptable<B> const& machine, std::vector<scaled_lora> const& use,
                           std::vector<std::size_t> const& portions, session_options o = {.kv = kv_type::f32}) {
  auto const model = Builder::build(file, machine).value();
  auto s = model.make_session(o).value();
  adapt(s, use).value();
  return logits(model, s, portions);
}
template <class Builder = transformer<arch::llama>> std::vector<float> plain(gguf::file const& file) {
  reference const machine;
  auto const model = Builder::build(file, machine).value();
  auto s = model.make_session({.kv = kv_type::f32}).value();
  return logits(model, s, {11});
}
float difference(std::vector<float> const& a, std::vector<float> const& b) {
  float most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::fabs(a[i] - b[i]));
  return most;
}

/// A base model, with adapters for all of its matrices in `names`.
struct scene {
  std::vector<std::byte> bytes;
  gguf::file base;
  adapter one{.rank = 3, .alpha = 6}, two{.rank = 4, .alpha = 2};

  scene(architecture const& a, std::vector<std::string> const& names, test::random_model_options const& o)
      : scene(name(a), names, test::random_model(a, o).bytes()) {}
  scene(std::string_view architecture, std::vector<std::string> const& names, std::vector<std::byte> file)
      : bytes(std::move(file)), base(gguf::file::parse(bytes, "m.gguf").value()) {
    one.architecture = two.architecture = std::string(architecture);
    for (auto const& n : names) one.add(n, base, 3), two.add(n, base, 5);
  }
};

std::vector<std::string> const all_matrices{"token_embd.weight",        "blk.0.attn_q.weight",   "blk.0.attn_k.weight",
                                            "blk.1.attn_v.weight",      "blk.1.ffn_gate.weight", "blk.0.ffn_up.weight",
                                            "blk.0.attn_output.weight", "blk.1.ffn_down.weight"};
std::vector<std::string> const fused_matrices{"blk.0.attn_qkv.weight", "blk.1.ffn_up.weight", "blk.1.attn_qkv.weight"};
std::vector<std::string> const expert_matrices{"blk.0.ffn_gate_inp.weight", "blk.0.ffn_gate_exps.weight",
                                               "blk.1.ffn_up_exps.weight", "blk.1.ffn_down_exps.weight"};

template <class Builder = transformer<arch::llama>> void check_scene(scene const& s) {
  auto const one = s.one.read(s.base).value(), two = s.two.read(s.base).value();
  adaptable<reference> const machine(s.base);
  auto const expected = plain<Builder>(gguf::file::parse(changed(s.base, {{&s.one, 0.7}, {&s.two, -1.5}})).value());
  auto const got = adapted<Builder>(s.base, machine, {{one, 0.7f}, {two, -1.5f}}, {11});
  CHECK(difference(got, expected) < 2e-4f);
  CHECK(difference(got, plain<Builder>(s.base)) > 0.02f);
  CHECK(adapted<Builder>(s.base, machine, {}, {11}) == plain<Builder>(s.base));

  auto const same = [&](std::vector<float> const& other) {
    return std::memcmp(got.data(), other.data(), got.size() * sizeof(float)) == 0;
  };
  CHECK(same(adapted<Builder>(s.base, machine, {{one, 0.7f}, {two, -1.5f}}, std::vector<std::size_t>(11, 1))));
  for (auto target : simd::all_targets)
    for (unsigned const threads : {1u, 3u}) {
      if (target > simd::detect()) continue;
      INFO("target ", std::string(name(target)), ", threads ", threads);
      adaptable<cpu> const fast(s.base, {.count = 2, .rank = 4}, cpu_options{threads, target});
      CHECK(same(adapted<Builder>(s.base, fast, {{one, 0.7f}, {two, -1.5f}}, {11})));
      CHECK(same(
          adapted<Builder>(s.base, fast, {{one, 0.7f}, {two, -1.5f}}, {1, 3, 7}, {.batch = 3, .kv = kv_type::f32})));
      CHECK(same(adapted<Builder>(s.base, fast, {{one, 0.7f}, {two, -1.5f}}, std::vector<std::size_t>(11, 1),
                                  {.batch = 1, .kv = kv_type::f32})));
    }
}

TEST_CASE("lora: adapters on the fly are adapters in the weights, with the same bits for every backend and split") {
  check_scene(scene(arch::llama, all_matrices, {.layers = 2}));
}
TEST_CASE("lora: also where matrices are parts of one, and where they are stacks") {
  check_scene(scene(arch::llama, fused_matrices, {.layers = 2, .fused = true}));
  check_scene(scene(arch::llama, expert_matrices, {.layers = 2, .experts = 5}));
}
TEST_CASE("lora: other architectures take them as well") {
  check_scene<transformer<arch::gpt2>>(scene(arch::gpt2, {"token_embd.weight", "blk.0.attn_q.weight"}, {.layers = 2}));
  check_scene<transformer<arch::deepseek2>>(
      scene(arch::deepseek2,
            {"blk.0.attn_q_a.weight", "blk.1.attn_q_b.weight", "blk.0.attn_kv_a_mqa.weight", "blk.1.attn_kv_b.weight"},
            {.layers = 2}));
  check_scene<transformer<arch::deepseek2>>(
      scene(arch::deepseek2, {"blk.0.attn_k_b.weight", "blk.1.attn_v_b.weight"}, {.layers = 2, .absorbed = true}));
  check_scene<mamba>(scene("mamba",
                           {"blk.0.ssm_in.weight", "blk.1.ssm_x.weight", "blk.1.ssm_dt.weight", "blk.0.ssm_out.weight"},
                           test::recurrent_file({.architecture = "mamba"}).bytes()));
}

TEST_CASE("lora: merged files are the models that they say") {
  test::temporary_folder const folder;
  auto const check = [&](scene const& s) {
    auto const one = s.one.read(s.base).value(), two = s.two.read(s.base).value();
    std::vector<scaled_lora> const use{{one, 0.7f}, {two, -1.5f}};
    REQUIRE(merge_lora(s.base, use, folder / "merged.gguf", pool(2)));
    auto const merged = gguf::open(folder / "merged.gguf").value();
    auto const expected = changed(s.base, {{&s.one, 0.7}, {&s.two, -1.5}});
    auto const file = gguf::file::parse(expected).value();
    CHECK(merged.tensors().size() == file.tensors().size());
    CHECK(merged.metadata().size() == s.base.metadata().size());
    for (auto const& t : file.tensors()) {
      std::vector<float> a(static_cast<std::size_t>(t.elements())), b(a);
      CHECK(unpack_tensor(builtin_formats{}, t, a));
      CHECK(unpack_tensor(builtin_formats{}, merged.tensor(t.name).value(), b));
      CHECK(difference(a, b) < 1e-5f);
    }
  };
  check(scene(arch::llama, all_matrices, {.layers = 2}));
  check(scene(arch::llama, expert_matrices, {.layers = 2, .experts = 5}));

  scene const s(arch::llama, {"blk.0.attn_q.weight"}, {.layers = 1});
  auto const one = s.one.read(s.base).value();
  std::vector<scaled_lora> const use{one};
  REQUIRE(merge_lora(s.base, use, folder / "small.gguf", pool(1), {.type = tensor_type::q8_0}));
  auto const small = gguf::open(folder / "small.gguf").value();
  CHECK(small.tensor("blk.0.attn_q.weight").value().type == tensor_type::q8_0);
  CHECK(small.tensor("blk.0.attn_k.weight").value().type == tensor_type::f32);
  auto const refused = merge_lora(s.base, use, folder / "none.gguf", pool(1), {.type = tensor_type::q4_k});
  CHECK(refused.error().message() == "m.gguf: tensor blk.0.attn_q.weight: 32 columns are no multiple of the 256 in a "
                                     "block of Q4_K");
  std::atomic<bool> const cancel = true;
  CHECK(merge_lora(s.base, use, folder / "none.gguf", pool(1), {.cancel = &cancel}).error().code() == errc::cancelled);
  CHECK(folder.files() == 2);
}

TEST_CASE("lora: sessions of one model have adapters of their own, and change them without allocating") {
  scene const s(arch::llama, all_matrices, {.layers = 2});
  auto const one = s.one.read(s.base).value(), two = s.two.read(s.base).value();
  adaptable<cpu> const machine(s.base, {}, cpu_options{.threads = 2});
  auto const model = transformer<arch::llama>::build(s.base, machine).value();
  auto first = model.make_session().value(), second = model.make_session().value();
  auto const run = [&](auto& session) {
    session.truncate(0);
    return logits(model, session, {11});
  };
  auto const nothing = run(first);
  adapt(first, {one}).value();
  auto const with_one = run(first);
  CHECK(with_one != nothing);
  CHECK(run(second) == nothing);
  adapt(second, {{two, 0.5f}, one}).value();
  auto const with_both = run(second);
  CHECK(with_both != with_one);
  CHECK(run(first) == with_one);
  adapt(first, {{two, 0.5f}, one}).value();
  CHECK(run(first) == with_both);

  auto const ids = some_tokens(9);
  first.truncate(0);
  auto const before = test::allocations();
  bool good = static_cast<bool>(model.forward(first, ids));
  good = good && adapt(first, {{one, -1.0f}}) && model.forward(first, std::span(ids).first(1));
  good = good && adapt(first, {}) && model.forward(first, ids);
  CHECK(test::allocations() == before);
  CHECK(good);
  CHECK(run(first) == nothing);
}

template <BlockFormat F> void check_halves(std::uint64_t rank) {
  auto const bytes =
      test::tiny_model<F>({.layers = 2, .embedding = 64, .heads = 4, .feed_forward = 96, .vocabulary = 40});
  auto const base = gguf::file::parse(bytes).value();
  adapter source{.rank = rank, .alpha = 0};
  source.add("blk.0.attn_q.weight", base).add("output.weight", base).add("blk.1.ffn_down.weight", base);
  auto const own = source.bytes();
  auto const as_floats = gguf::file::parse(own).value();
  gguf::writer w;
  for (auto const& [key, value] : as_floats.metadata()) w.add(key, value);
  std::deque<std::vector<std::byte>> halves;
  for (auto t : as_floats.tensors()) {
    std::vector<float> floats(static_cast<std::size_t>(t.elements()));
    CHECK(unpack_tensor(builtin_formats{}, t, floats));
    t.type = tensor_type::f16;
    t.data = halves.emplace_back(test::packed<f16>(floats));
    w.add(t);
  }
  auto const half_bytes = w.bytes().value();
  auto const one = lora::from(gguf::file::parse(half_bytes).value(), base).value();
  CHECK(one.rank() == rank);
  CHECK(one.size() == 3);
  adaptable<reference> const slow(base);
  adaptable<cpu> const fast(base, {}, cpu_options{.threads = 2});
  auto const expected = adapted(base, slow, {one}, {9});
  CHECK(adapted(base, fast, {one}, {9}) == expected);
  CHECK(adapted(base, fast, {one}, {4, 5}, {.batch = 1, .kv = kv_type::f32}) == expected);
  CHECK(difference(expected, adapted(base, slow, {}, {9})) > 0.1f);
  if (F::type == tensor_type::f32) // else what is rounded to 8 bits may be rounded the other way
    CHECK(difference(expected, adapted(base, slow, {source.read(base).value()}, {9})) < 0.05f);
}

TEST_CASE("lora: quantized models and half-precision adapters, of ranks that fit no vector") {
  for (std::uint64_t const rank : {1u, 17u}) check_halves<f32>(rank), check_halves<q8_0>(rank);
}

TEST_CASE("lora: what is no adapter of this model is an error that says why") {
  scene const s(arch::llama, {"blk.0.attn_q.weight"}, {.layers = 1});
  CHECK(s.one.refusal(s.base) == "no error");
  auto const with = [&](auto change) {
    auto spoiled = s.one;
    change(spoiled);
    return spoiled.refusal(s.base);
  };
  CHECK(with([](adapter& a) { a.architecture = "qwen2"; }) ==
        "a.gguf: key general.architecture: expected llama, found qwen2");
  CHECK(with([](adapter& a) { a.general_type = "model"; }) ==
        "a.gguf: key general.type: expected adapter, found model");
  CHECK(with([](adapter& a) { a.type = "control_vector"; }) ==
        "a.gguf: key adapter.type: expected lora, found control_vector");
  CHECK(with([](adapter& a) { a.alpha = std::numeric_limits<float>::quiet_NaN(); }) ==
        "a.gguf: key adapter.lora.alpha: expected a finite number");
  CHECK(with([](adapter& a) { a.pairs.clear(); }) == "a.gguf: an adapter without tensors");
  CHECK(with([](adapter& a) { a.pairs["blk.7.attn_q.weight"] = a.pairs["blk.0.attn_q.weight"]; }) ==
        "a.gguf: tensor blk.7.attn_q.weight.lora_a: the model has no blk.7.attn_q.weight to adapt");
  CHECK(with([](adapter& a) { a.pairs["output_norm.weight"] = a.pairs["blk.0.attn_q.weight"]; }) ==
        "a.gguf: tensor output_norm.weight.lora_a: adapters of output_norm.weight are not supported");
  CHECK(with([](adapter& a) { a.pairs["blk.0.ffn_down.weight"] = a.pairs["blk.0.attn_q.weight"]; }) ==
        "a.gguf: tensor blk.0.ffn_down.weight.lora_a: expected 48 columns, 3 rows and 1 matrices to go with "
        "blk.0.ffn_down.weight.lora_b and the model's blk.0.ffn_down.weight, found 32, 3 and 1");
  CHECK(with([](adapter& a) { a.pairs["blk.0.attn_k.weight"] = a.pairs["blk.0.attn_q.weight"]; }) ==
        "a.gguf: tensor blk.0.attn_k.weight.lora_b: expected 3 columns, 16 rows and 1 matrices to go with the model's "
        "blk.0.attn_k.weight, found 3, 32 and 1");
  CHECK(with([](adapter& a) { a.pairs["blk.0.attn_q.weight"].b[7] = std::numeric_limits<float>::infinity(); }) ==
        "a.gguf: tensor blk.0.attn_q.weight.lora_b: row 2 has a weight that is not finite");
  static std::vector<float> const vector(32);
  static auto const extra = [](char const* name) {
    return [name](gguf::writer& w) {
      w.add(tensor_view{name, tensor_type::f32, 1, {32, 1, 1, 1}, std::as_bytes(std::span(vector))});
    };
  };
  CHECK(with([](adapter& a) { a.more = extra("blk.0.attn_norm.weight"); }) ==
        "a.gguf: tensor blk.0.attn_norm.weight: expected a name that ends with .lora_a or .lora_b");
  CHECK(with([](adapter& a) { a.more = extra("blk.0.attn_v.weight.lora_b"); }) ==
        "a.gguf: no tensor blk.0.attn_v.weight.lora_a");
  CHECK(with([](adapter& a) {
          a.more = [](gguf::writer& w) { w.add("adapter.alora.invocation_tokens", std::vector<std::uint32_t>{1}); };
        }) == "a.gguf: adapters that tokens switch on (aLoRA) are not supported");
  CHECK(lora::open("/nowhere/a.gguf", s.base).error().code() == errc::missing);
}

TEST_CASE("lora: a damaged adapter is a value or an error") {
  scene const s(arch::llama, {"token_embd.weight", "blk.0.ffn_gate_exps.weight"}, {.layers = 1, .experts = 5});
  adaptable<cpu> const machine(s.base, {}, cpu_options{.threads = 1});
  auto const model = transformer<arch::llama>::build(s.base, machine).value();
  auto session = model.make_session({.context = 4}).value();
  auto const bytes = s.one.bytes();
  auto const works = [&](std::span<std::byte const> all) {
    auto const file = gguf::file::parse(all);
    if (!file) return false;
    auto const read = lora::from(*file, s.base);
    if (!read || !adapt(session, {*read})) return false;
    session.truncate(0);
    bool const good = static_cast<bool>(model.forward(session, some_tokens(2)));
    return adapt(session, {}) && good;
  };
  CHECK(works(bytes));
  for (std::size_t n = 0; n < bytes.size(); n += n < 500 ? 1 : 61) CHECK_FALSE(works(std::span(bytes).first(n)));
  std::uint32_t state = 5;
  auto const random = [&state] { return (state = state * 1664525u + 1013904223u) >> 8; };
  int ran = 0;
  for (int round = 0; round < 4000; ++round) {
    auto damaged = bytes;
    std::size_t const within = round % 2 == 0 ? 600 : damaged.size(); // half of them in the metadata
    for (std::uint32_t flips = 1 + random() % 3; flips > 0; --flips)
      damaged[random() % within] ^= static_cast<std::byte>(1u << random() % 8);
    ran += works(damaged);
  }
  CHECK(ran > 400); // damaged weights still run
  CHECK(ran < 3800);
}

TEST_CASE("lora: what a session cannot take is an error that leaves it as it was") {
  scene const s(arch::llama, {"blk.0.attn_q.weight"}, {.layers = 1});
  scene const other(arch::llama, {"blk.0.attn_q.weight"}, {.layers = 1});
  auto const one = s.one.read(s.base).value(), two = s.two.read(s.base).value(),
             foreign = other.one.read(other.base).value();
  adaptable<cpu> const machine(s.base, {.count = 2, .rank = 3});
  auto const model = transformer<arch::llama>::build(s.base, machine).value();
  auto session = model.make_session().value();
  adapt(session, {one}).value();
  auto const message = [&](std::initializer_list<scaled_lora> use) {
    auto const done = adapt(session, use);
    return done ? "no error" : std::string(done.error().message());
  };
  CHECK(message({{one, std::numeric_limits<float>::quiet_NaN()}}) == "a.gguf: scale: expected a finite number");
  CHECK(message({foreign}) == "a.gguf: was read for another model than m.gguf");
  CHECK(message({one, one, one}) == "session: 3 adapters: there is room for 2");
  CHECK(message({two}) == "a.gguf: rank 4: the session has room for 3");
  CHECK(session.work.active.size() == 1);
  CHECK(model.make_session({.max_bytes = session.bytes() - 1}).error().code() == errc::capacity);
  adaptable<cpu> const greedy(s.base, {.count = 1, .rank = std::size_t{1} << 60});
  auto const large = transformer<arch::llama>::build(s.base, greedy).value();
  CHECK(large.make_session().error().code() == errc::capacity);
  adaptable<cpu> const elsewhere(other.base);
  auto const strange = transformer<arch::llama>::build(s.base, elsewhere).value(); // a model of another file
  auto mistaken = strange.make_session().value();
  CHECK(adapt(mistaken, {foreign}).error().message() ==
        "a.gguf: the model does not use tensor blk.0.attn_q.weight of m.gguf in a form that can be adapted");
  std::vector<scaled_lora> const use{foreign};
  CHECK(merge_lora(s.base, use, "/nowhere/m.gguf", pool(1)).error().code() == errc::mismatch);
}

} // namespace

} // namespace model_lora_test
