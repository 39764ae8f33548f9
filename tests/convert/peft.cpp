/// \file
/// LoRA adapters of PEFT: names, ranks, alphas and the order of rows come out as in a GGUF adapter that says the same.
#include "support/random_model.hpp"
#include "support/temporary.hpp"

#include <loquat/backend/reference.hpp>
#include <loquat/convert/peft_reader.hpp>
#include <loquat/format/safetensors_writer.hpp>
#include <loquat/model/adaptable.hpp>
#include <loquat/model/lora_merge.hpp>
#include <loquat/model/zoo.hpp>
#include <loquat/parallel/pool.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <deque>
#include <string>
#include <vector>

namespace convert_peft_test {

using namespace loquat;

namespace {

using floats = std::vector<float>;
constexpr std::size_t rank = 3;

/// A folder's tensors, made number by number.
struct folder {
  std::string config = R"({"peft_type":"LORA","r":3,"lora_alpha":6,"bias":"none","target_modules":["q_proj"]})";
  safetensors::writer writer;
  std::deque<std::string> names;
  std::deque<floats> kept;
  test::random_floats random;

  floats const& tensor(std::string const& name, std::uint64_t rows, std::uint64_t columns) {
    auto const& x = kept.emplace_back(random(static_cast<std::size_t>(rows * columns)));
    writer.add({names.emplace_back("base_model.model." + name),
                safetensors::element::f32,
                {rows, columns},
                std::as_bytes(std::span(x))});
    return x;
  }
  floats const& vector(std::string const& name, std::uint64_t n) {
    auto& x = kept.emplace_back(random(static_cast<std::size_t>(n)));
    for (float& m : x) m = 1 + m * m;
    writer.add(
        {names.emplace_back("base_model.model." + name), safetensors::element::f32, {n}, std::as_bytes(std::span(x))});
    return x;
  }
  std::pair<floats const&, floats const&> pair(std::string const& module, std::uint64_t rows, std::uint64_t columns) {
    auto const& a = tensor(module + ".lora_A.weight", rank, columns);
    return {a, tensor(module + ".lora_B.weight", rows, rank)};
  }
  std::vector<std::byte> bytes() const { return writer.bytes().value(); }
  result<lora> read(gguf::file const& base) const {
    auto const own = bytes();
    return hugging_face::read_adapter(config, safetensors::file::parse(own, "t").value(), base, "peft");
  }
  std::string refusal(gguf::file const& base) const {
    auto const made = read(base);
    return made ? "no error" : std::string(made.error().message());
  }
};

struct scene {
  std::vector<std::byte> bytes;
  gguf::file base;
  explicit scene(architecture const& a, test::random_model_options const& o = {.layers = 2})
      : bytes(test::random_model(a, o).bytes()), base(gguf::file::parse(bytes, "m.gguf").value()) {}

  low_rank const& term(lora const& from, std::string_view name) const {
    auto const* const tensor = base.find_tensor(name);
    REQUIRE(tensor != nullptr);
    auto const* const found = from.find(static_cast<std::size_t>(tensor - base.tensors().data()));
    REQUIRE(found != nullptr);
    return *found;
  }
};

/// Row `r` of a matrix of `rank` columns.
floats row(floats const& b, std::size_t r) {
  auto const first = b.begin() + static_cast<std::ptrdiff_t>(r * rank);
  return floats(first, first + rank);
}

TEST_CASE("peft: modules of llama are tensors of a GGUF file, with rotary pairs beside each other") {
  scene const s(arch::llama);
  folder f;
  auto const [qa, qb] = f.pair("model.layers.0.self_attn.q_proj", 32, 32);
  auto const [ka, kb] = f.pair("model.layers.1.self_attn.k_proj", 16, 32);
  auto const [va, vb] = f.pair("model.layers.1.self_attn.v_proj", 16, 32);
  auto const [da, db] = f.pair("model.layers.0.mlp.down_proj", 32, 48);
  auto const& ea = f.tensor("model.embed_tokens.lora_embedding_A", rank, 40);
  auto const& eb = f.tensor("model.embed_tokens.lora_embedding_B", 32, rank);
  auto const made = f.read(s.base).value();
  CHECK(made.size() == 5);
  CHECK(made.rank() == rank);
  CHECK(s.term(made, "blk.1.attn_v.weight").a == va);
  CHECK(s.term(made, "blk.1.attn_v.weight").b == vb);
  CHECK(s.term(made, "blk.1.attn_v.weight").factor == 2);
  CHECK(s.term(made, "blk.0.ffn_down.weight").a == da);
  CHECK(s.term(made, "blk.0.ffn_down.weight").b == db);
  auto const& q = s.term(made, "blk.0.attn_q.weight");
  auto const& k = s.term(made, "blk.1.attn_k.weight");
  CHECK(q.a == qa);
  CHECK(k.a == ka);
  for (std::size_t head = 0; head < 4; ++head) // heads of 8: pairs (0, 4), (1, 5), … become (0, 1), (2, 3), …
    for (std::size_t i = 0; i < 4; ++i)
      for (std::size_t second : {0u, 1u}) {
        CHECK(row(q.b, head * 8 + 2 * i + second) == row(qb, head * 8 + i + 4 * second));
        if (head < 2) CHECK(row(k.b, head * 8 + 2 * i + second) == row(kb, head * 8 + i + 4 * second));
      }
  auto const& e = s.term(made, "token_embd.weight"); // row t of the change: A[:, t] by B
  floats y(32);
  e.add_row(7, 1, y);
  for (std::size_t c = 0; c < 32; ++c) {
    float sum = 0;
    for (std::size_t j = 0; j < rank; ++j) sum += 2 * ea[j * 40 + 7] * eb[c * rank + j];
    CHECK(y[c] == doctest::Approx(sum).epsilon(1e-5));
  }
}

TEST_CASE("peft: other architectures, with matrices that are one, and experts of which some stay as they are") {
  scene const qwen(arch::qwen2);
  folder f;
  auto const [qa, qb] = f.pair("model.layers.0.self_attn.q_proj", 32, 32);
  CHECK(qwen.term(f.read(qwen.base).value(), "blk.0.attn_q.weight").b == qb); // halves, as they are

  scene const neox(arch::gptneox, {.layers = 2, .fused = true});
  folder g; // of each key-value head: its two queries, its key, its value, 8 rows each
  auto const [fa, fb] = g.pair("gpt_neox.layers.1.attention.query_key_value", 64, 32);
  auto const made = g.read(neox.base).value();
  auto const& b = neox.term(made, "blk.1.attn_qkv.weight").b;
  std::size_t const order[]{0, 1, 4, 5, 2, 6, 3, 7}; // heads: all queries, keys, values
  for (std::size_t r = 0; r < 64; ++r) CHECK(row(b, r) == row(fb, order[r / 8] * 8 + r % 8));

  scene const mixtral(arch::llama, {.layers = 1, .experts = 5});
  folder h;
  auto const [xa, xb] = h.pair("model.layers.0.block_sparse_moe.experts.3.w2", 32, 16);
  auto const experts = h.read(mixtral.base).value();
  auto const& down = mixtral.term(experts, "blk.0.ffn_down_exps.weight");
  for (std::size_t e = 0; e < 5; ++e) {
    CHECK(std::equal(xa.begin(), xa.end(), down.a.begin() + static_cast<std::ptrdiff_t>(e * xa.size())) == (e == 3));
    CHECK(std::equal(xb.begin(), xb.end(), down.b.begin() + static_cast<std::ptrdiff_t>(e * xb.size())) == (e == 3));
    CHECK((down.a[e * xa.size()] == 0) == (e != 3));
  }
}

TEST_CASE("peft: alphas") {
  scene const s(arch::llama);
  folder f;
  f.pair("model.layers.0.self_attn.v_proj", 16, 32);
  f.pair("model.layers.1.self_attn.v_proj", 16, 32);
  auto const factor = [&](std::string const& more, int layer) {
    f.config = R"({"peft_type":"LORA","r":3,"lora_alpha":6)" + more + "}";
    return s.term(f.read(s.base).value(), "blk." + std::to_string(layer) + ".attn_v.weight").factor;
  };
  CHECK(factor("", 0) == 2);
  CHECK(factor(R"(,"use_rslora":true)", 0) == doctest::Approx(6 / std::sqrt(3.0)));
  CHECK(factor(R"(,"alpha_pattern":{"layers.1.self_attn.v_proj":12})", 0) == 2);
  CHECK(factor(R"(,"alpha_pattern":{"layers.1.self_attn.v_proj":12})", 1) == 4);
  CHECK(factor(R"(,"alpha_pattern":{"v_proj":1.5,"layers.1.self_attn.v_proj":12})", 1) == 0.5f);
  CHECK(factor(R"(,"alpha_pattern":{"proj":12},"modules_to_save":null,"use_dora":false)", 1) == 2);
}

TEST_CASE("peft: rows of matrices with magnitudes get them where adapters are merged") {
  scene const s(arch::llama);
  folder f;
  f.config = R"({"peft_type":"LORA","r":3,"lora_alpha":6,"use_dora":true})";
  auto const [qa, qb] = f.pair("model.layers.0.self_attn.q_proj", 32, 32);
  auto const [da, db] = f.pair("model.layers.0.mlp.down_proj", 32, 48);
  auto const& qm = f.vector("model.layers.0.self_attn.q_proj.lora_magnitude_vector", 32);
  auto const& dm = f.vector("model.layers.0.mlp.down_proj.lora_magnitude_vector.weight", 32);
  auto const made = f.read(s.base).value();
  test::temporary_folder const to;
  std::vector<scaled_lora> const use{{made, 0.5f}};
  REQUIRE(merge_lora(s.base, use, to / "merged.gguf", pool(1)));
  auto const merged = gguf::open(to / "merged.gguf").value();
  auto const values = [](gguf::file const& file, std::string_view name) {
    auto const tensor = file.tensor(name).value();
    floats out(static_cast<std::size_t>(tensor.elements()));
    CHECK(unpack_tensor(builtin_formats{}, tensor, out));
    return out;
  };
  auto const check = [&](std::string_view name, floats const& a, floats const& b, floats const& magnitudes,
                         std::size_t columns, auto of_row) { // `of_row`: where the folder has a row
    auto const before = values(s.base, name), now = values(merged, name);
    for (std::size_t r = 0; r < 32; ++r) {
      std::vector<double> sum(columns);
      double square = 0;
      for (std::size_t c = 0; c < columns; ++c) {
        sum[c] = static_cast<double>(before[r * columns + c]);
        for (std::size_t j = 0; j < rank; ++j) // 0.5 · alpha / rank
          sum[c] += static_cast<double>(b[of_row(r) * rank + j]) * static_cast<double>(a[j * columns + c]);
        square += sum[c] * sum[c];
      }
      for (std::size_t c = 0; c < columns; ++c)
        CHECK(static_cast<double>(now[r * columns + c]) ==
              doctest::Approx(sum[c] * static_cast<double>(magnitudes[of_row(r)]) / std::sqrt(square)).epsilon(1e-4));
    }
  };
  check("blk.0.attn_q.weight", qa, qb, qm, 32,
        [](std::size_t r) { return r / 8 * 8 + r % 8 / 2 + r % 2 * 4; }); // rotary pairs are beside each other
  check("blk.0.ffn_down.weight", da, db, dm, 48, [](std::size_t r) { return r; });
  CHECK(values(merged, "blk.1.attn_q.weight") == values(s.base, "blk.1.attn_q.weight"));

  adaptable<reference> const machine(s.base);
  auto const model = transformer<arch::llama>::build(s.base, machine).value();
  auto talk = model.make_session().value();
  CHECK(adapt(talk, {made}).error().message() ==
        "peft: has magnitudes (DoRA) of blk.0.attn_q.weight, which only merging can use");
}

TEST_CASE("peft: what is no pair of matrices of this model is an error that names it") {
  scene const s(arch::llama);
  auto const with = [&](auto change) {
    folder f;
    change(f);
    if (f.kept.empty()) f.pair("model.layers.0.self_attn.q_proj", 32, 32);
    return f.refusal(s.base);
  };
  auto const config = [&](std::string const& more) {
    return with([&](folder& f) { f.config = R"({"peft_type":"LORA","lora_alpha":6)" + more + "}"; });
  };
  CHECK(config("") == "no error");
  CHECK(config(R"(,"use_dora":true)") == "peft: tensor base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight: "
                                         "expected use_dora and magnitudes, or neither");
  CHECK(config(R"(,"modules_to_save":["lm_head"])") ==
        "peft: modules_to_save is not supported: expected pairs of matrices only");
  CHECK(config(R"(,"modules_to_save":[])") == "no error");
  CHECK(config(R"(,"init_lora_weights":"pissa_niter_4")") ==
        "peft: init_lora_weights pissa_niter_4: the adapter belongs to a model with other weights; convert it");
  CHECK(config(R"(,"init_lora_weights":true)") == "no error");
  CHECK(with([](folder& f) { f.config = R"({"peft_type":"LORA","lora_alpha":0})"; }) ==
        "peft: lora_alpha of model.layers.0.self_attn.q_proj: expected a finite number other than 0");
  CHECK(config(R"(,"alpha_pattern":{".*q_proj":2})") == "peft: alpha_pattern .*q_proj: expected a plain name");
  CHECK(with([](folder& f) { f.config = R"({"peft_type":"IA3"})"; }) == "peft: peft_type: expected LORA, found IA3");
  CHECK(with([](folder& f) { f.config = "[1]"; }) == "peft: expected an object");
  CHECK(with([](folder& f) { f.config = "{"; }).starts_with("peft: "));
  CHECK(with([](folder& f) { f.tensor("model.layers.0.self_attn.q_proj.lora_magnitude_vector", 1, 32); }) ==
        "peft: tensor base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector: expected a vector of "
        "floats");
  auto const dora = [&](bool pair, std::uint64_t size, std::string const& module = "self_attn.q_proj",
                        std::string const& use = "true") {
    return with([&](folder& f) {
      f.config = R"({"peft_type":"LORA","lora_alpha":6,"use_dora":)" + use + "}";
      f.vector("model.layers.0." + module + ".lora_magnitude_vector", size);
      if (pair) f.pair("model.layers.0." + module, module.starts_with("self") ? 32 : 16, 32);
    });
  };
  CHECK(dora(true, 32) == "no error");
  CHECK(dora(true, 31).ends_with("expected 32 magnitudes to go with blk.0.attn_q.weight, found 31"));
  CHECK(dora(false, 32) == "peft: tensors for blk.0.attn_q.weight: magnitudes without a pair of matrices");
  CHECK(dora(true, 32, "self_attn.q_proj", "false").ends_with(": expected use_dora and magnitudes, or neither"));
  CHECK(with([](folder& f) { f.pair("model.layers.0.self_attn.z_proj", 32, 32); }) ==
        "peft: tensor base_model.model.model.layers.0.self_attn.z_proj.lora_A.weight has no place in models of the "
        "architecture llama");
  CHECK(with([](folder& f) { f.pair("model.layers.9.self_attn.q_proj", 32, 32); }) ==
        "peft: tensor base_model.model.model.layers.9.self_attn.q_proj.lora_A.weight: the model has no "
        "blk.9.attn_q.weight to adapt");
  CHECK(with([](folder& f) { f.pair("model.layers.0.self_attn.q_proj", 64, 32); })
            .ends_with(": expected 3 x 32 and 32 x 3 to go with the model's blk.0.attn_q.weight, found 3 x 32 and "
                       "64 x 3"));
  CHECK(with([](folder& f) { f.tensor("model.layers.0.self_attn.q_proj.lora_B.weight", 32, 3); }) ==
        "peft: tensor base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight: the other of the pair is "
        "missing");
  CHECK(with([](folder& f) {
          f.pair("model.layers.0.block_sparse_moe.experts.9.w1", 16, 32);
        }).ends_with(": the model has no blk.0.ffn_gate_exps.weight to adapt"));
}

TEST_CASE("peft: a damaged adapter is a value or an error") {
  scene const s(arch::llama, {.layers = 1, .experts = 5});
  folder f;
  f.pair("model.layers.0.self_attn.q_proj", 32, 32);
  f.pair("model.layers.0.block_sparse_moe.experts.3.w2", 32, 16);
  f.config = R"({"peft_type":"LORA","lora_alpha":6,"use_rslora":true,"alpha_pattern":{"q_proj":2}})";
  auto const bytes = f.bytes();
  std::uint32_t state = 5;
  auto const random = [&state] { return (state = state * 1664525u + 1013904223u) >> 8; };
  int good = 0;
  for (int round = 0; round < 4000; ++round) {
    auto config = f.config;
    auto tensors = bytes;
    if (round % 4 == 0) config[random() % config.size()] ^= static_cast<char>(1u << random() % 7);
    if (round % 4 != 0)
      tensors[random() % (round % 4 == 1 ? tensors.size() : 500)] ^= static_cast<std::byte>(1u << random() % 8);
    auto const file = safetensors::file::parse(tensors);
    good += file && hugging_face::read_adapter(config, *file, s.base, "peft");
  }
  CHECK(good > 400);
  CHECK(good < 3600);
}

TEST_CASE("peft: an adapter is opened wherever it is") {
  scene const s(arch::llama);
  test::temporary_folder const here;
  folder f;
  f.pair("model.layers.0.self_attn.q_proj", 32, 32);
  auto const bytes = f.bytes();
  here.put("adapter_config.json", f.config);
  here.put("adapter_model.safetensors", {reinterpret_cast<char const*>(bytes.data()), bytes.size()});
  auto const path = here / "";
  CHECK(hugging_face::open_adapter(path, s.base).value().size() == 1);
  CHECK(hugging_face::open_adapter(path.substr(0, path.size() - 1), s.base).value().size() == 1);
  CHECK(hugging_face::open_adapter(here / "adapter_model.safetensors", s.base).value().size() == 1);
  CHECK(hugging_face::open_adapter(here / "nothing.gguf", s.base).error().code() == errc::missing);
  CHECK(hugging_face::open_adapter(here / "nothing/", s.base).error().code() == errc::missing);
  here.put("adapter.gguf", "GGUF");
  CHECK(hugging_face::open_adapter(here / "adapter.gguf", s.base).error().code() == errc::malformed);
}

} // namespace

} // namespace convert_peft_test
