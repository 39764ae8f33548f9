/// \file
/// Reading GGUF files that are right: metadata, arrays, tensors, at compile time and at run time.

#include <doctest/doctest.h>

#include <loquat/format/gguf.hpp>
#include <loquat/format/gguf_print.hpp>

#include "../support/data.hpp"
#include "gguf_bytes.hpp"

#include <algorithm>
#include <array>
#include <concepts>
#include <filesystem>
#include <iterator>
#include <limits>
#include <ranges>
#include <string>
#include <utility>

namespace format_gguf_test {

namespace gguf = loquat::gguf;
using gguf::value_kind;
using loquat::errc;

namespace {

// A whole file as a constant, as `#embed` would give it.
constexpr std::size_t embedded_size = [] {
  auto const file = test::sample();
  return file.bytes.size();
}();
constexpr auto embedded = [] {
  std::array<std::byte, embedded_size> out{};
  std::ranges::copy(test::sample().bytes, out.begin());
  return out;
}();

constexpr bool reads_at_compile_time() {
  auto const file = gguf::file::parse(embedded);
  if (!file || file->version() != 3 || file->alignment() != 32 || file->metadata().size() != 17) return false;
  if (file->get<std::string_view>("general.architecture").value() != "toy") return false;
  if (file->get<std::uint32_t>("a.u8").value() != 200 || file->get<int>("a.i32").value() != -2000000000) return false;
  if (file->get<float>("a.f32").value() != 1.5F || !file->get<bool>("a.bool").value()) return false;
  auto const numbers = file->array<std::uint16_t>("b.i32").value();
  if (numbers.size() != 3 || numbers[1] != 8) return false;
  auto const texts = file->array<std::string_view>("b.texts").value();
  if (texts.size() != 3 || *std::next(texts.begin(), 2) != "caf\xc3\xa9") return false;
  auto const tensor = file->tensor("first").value();
  return tensor.columns() == 2 && tensor.rows() == 3 && tensor.data.size() == 24 &&
         loquat::load_little<float>(tensor.data.data() + 20) == 5 && file->find_tensor("second")->data.size() == 34;
}
static_assert(reads_at_compile_time());
static_assert(gguf::file::parse(std::span(embedded).first(40)).error().code() == errc::malformed);

using texts = gguf::array_view<std::string_view>;
using numbers = gguf::array_view<int>;
static_assert(std::ranges::view<texts> && std::ranges::forward_range<texts> && std::ranges::sized_range<texts>);
static_assert(std::ranges::view<numbers> && std::ranges::forward_range<numbers>);
static_assert(std::forward_iterator<gguf::array_view<gguf::value>::iterator>);
static_assert(std::movable<gguf::file> && !std::copyable<gguf::file>);

std::string shown(gguf::file const& file, std::string_view key, gguf::print_options options = {}) {
  std::vector<char> out;
  gguf::print(out, *file.find(key), options);
  return {out.begin(), out.end()};
}

template <class T> std::string why(loquat::result<T> const& result) {
  return result ? "no error" : std::string(result.error().message());
}

} // namespace

TEST_CASE("integers of any kind convert when they fit") {
  auto const bytes = test::sample();
  auto const file = bytes.parse();
  REQUIRE(file);
  CHECK(file->get<std::uint8_t>("a.u8").value() == 200);
  CHECK(file->get<std::int64_t>("a.u8").value() == 200);
  CHECK(file->get<std::int64_t>("a.i8").value() == -100);
  CHECK(file->get<std::uint64_t>("a.u16").value() == 60000);
  CHECK(file->get<std::int32_t>("a.i16").value() == -30000);
  CHECK(file->get<std::size_t>("a.u32").value() == 4000000000);
  CHECK(file->get<std::uint64_t>("a.u64").value() == std::uint64_t{1} << 63);
  CHECK(file->get<std::int64_t>("a.i64").value() == -(std::int64_t{1} << 62));
  CHECK(why(file->get<std::int8_t>("a.u8")) == "x.gguf: key a.u8: expected i8, found u8 out of its range");
  CHECK(why(file->get<std::uint64_t>("a.i8")) == "x.gguf: key a.i8: expected u64, found i8 out of its range");
  CHECK(file->get<std::int64_t>("a.u64").error().code() == errc::mismatch);
}

TEST_CASE("floats convert when they fit, and only floats are floats") {
  auto const bytes = test::sample();
  auto const file = bytes.parse();
  REQUIRE(file);
  CHECK(file->get<double>("a.f32").value() == 1.5);
  CHECK(file->get<double>("a.f64").value() == 1e300);
  CHECK(why(file->get<float>("a.f64")) == "x.gguf: key a.f64: expected f32, found f64 out of its range");
  CHECK(why(file->get<float>("a.u8")) == "x.gguf: key a.u8: expected f32, found u8");
  CHECK(why(file->get<int>("a.f32")) == "x.gguf: key a.f32: expected i32, found f32");
  CHECK(why(file->get<bool>("a.u8")) == "x.gguf: key a.u8: expected bool, found u8");
  CHECK(why(file->get<int>("a.bool")) == "x.gguf: key a.bool: expected i32, found bool");
  CHECK(why(file->get<int>("b.i32")) == "x.gguf: key b.i32: expected i32, found array");

  auto const special =
      test::raw{}.head(0, 1).key("k", value_kind::f64).number(-std::numeric_limits<double>::infinity());
  CHECK(special.parse()->get<float>("k").value() == -std::numeric_limits<float>::infinity());
}

TEST_CASE("a key that is missing or of another type is an error that names both types") {
  auto const bytes = test::sample();
  auto const file = bytes.parse();
  REQUIRE(file);
  CHECK(file->find("general") == nullptr);
  CHECK(file->find("a.u32")->kind() == value_kind::u32);
  CHECK(file->get<int>("none").error().code() == errc::missing);
  CHECK(why(file->get<int>("none")) == "x.gguf: no key none (expected i32)");
  CHECK(why(file->array<int>("none")) == "x.gguf: no key none (expected an array)");
  CHECK(why(file->get<std::string_view>("a.u8")) == "x.gguf: key a.u8: expected string, found u8");
  CHECK(file->get_or<int>("none", 5).value() == 5);
  CHECK(file->get_or<int>("a.u8", 5).value() == 200);
  CHECK(file->get_or<int>("a.f32", 5).error().code() == errc::mismatch);
}

TEST_CASE("arrays are ranges over the packed elements") {
  auto const bytes = test::sample();
  auto const file = bytes.parse();
  REQUIRE(file);
  CHECK(std::ranges::equal(file->array<std::uint8_t>("b.i32").value(), std::array{7, 8, 9}));
  CHECK(std::ranges::equal(file->array<bool>("b.bools").value(), std::array{false, true}));
  CHECK(std::ranges::equal(file->array<std::string_view>("b.texts").value(),
                           std::array<std::string_view, 3>{"<s>", "", "caf\xc3\xa9"}));
  CHECK(file->array<double>("b.empty").value().empty());

  auto const nested = file->array<gguf::value>("b.nested").value();
  REQUIRE(nested.size() == 2);
  CHECK(nested.front().array<int>().value()[1] == 2);
  CHECK((*std::next(nested.begin())).array<std::string_view>()->front() == "deep");
}

TEST_CASE("an array of another type, or with one element out of range, is an error") {
  auto const bytes = test::sample();
  auto const file = bytes.parse();
  REQUIRE(file);
  CHECK(why(file->array<float>("b.i32")) == "x.gguf: key b.i32: expected an array of f32, found an array of i32");
  CHECK(why(file->array<int>("b.texts")) == "x.gguf: key b.texts: expected an array of i32, found an array of string");
  CHECK(why(file->array<std::string_view>("b.i32")) ==
        "x.gguf: key b.i32: expected an array of string, found an array of i32");
  CHECK(why(file->array<int>("a.u8")) == "x.gguf: key a.u8: expected an array of i32, found u8");
  CHECK(why(file->array<gguf::value>("a.u8")) == "x.gguf: key a.u8: expected an array, found u8");
  auto const negative = test::raw{}
                            .head(0, 1)
                            .key("k", value_kind::array)
                            .kind(value_kind::i16)
                            .u64(2)
                            .number(std::int16_t{1})
                            .number(std::int16_t{-1});
  CHECK(why(negative.parse()->array<std::uint32_t>("k")) ==
        "x.gguf: key k: element 1: expected u32, found i16 out of its range");
}

TEST_CASE("tensors are views into the bytes") {
  auto const bytes = test::sample();
  auto const file = bytes.parse();
  REQUIRE(file);
  REQUIRE(file->tensors().size() == 2);
  auto const& second = file->tensors()[1];
  CHECK(second.name == "second");
  CHECK(second.type == loquat::tensor_type::q8_0);
  CHECK(second.rank == 1);
  CHECK(second.data.data() + second.data.size() == bytes.bytes.data() + bytes.bytes.size());
  CHECK(file->find_tensor("second") == &second);
  CHECK(file->find_tensor("third") == nullptr);
  CHECK(why(file->tensor("third")) == "x.gguf: no tensor third");
  CHECK(file->tensor("third").error().code() == errc::missing);
}

TEST_CASE("a moved file still finds its keys and tensors") {
  auto const bytes = test::sample();
  auto file = bytes.parse();
  REQUIRE(file);
  auto const key = file->metadata()[0].key;
  gguf::file const moved = std::move(*file);
  CHECK(moved.get<std::string_view>(key).value() == "toy");
  CHECK(moved.tensor("first")->data.size() == 24);
  CHECK(moved.name() == "x.gguf");
  CHECK(moved.intact());
}

TEST_CASE("version 2 has the same layout") {
  auto const bytes = test::sample(2);
  CHECK(bytes.parse()->version() == 2);
  CHECK(bytes.parse()->tensors().size() == 2);
}

TEST_CASE("a file may have neither keys nor tensors, and a tensor no dimension") {
  CHECK(test::raw{}.head(0, 0).parse());
  auto const bytes = test::raw{}.head(1, 0).tensor("t", {}, 0, 0).align().number(2.5F);
  CHECK(bytes.parse()->tensor("t")->elements() == 1);
}

TEST_CASE("a file says how its tensors are aligned") {
  auto bytes = test::raw{}.head(2, 1).key("general.alignment", value_kind::u32).u32(128);
  bytes.tensor("a", {1}, 0, 0).tensor("b", {1}, 0, 128).align(128).zeros(132);
  REQUIRE(bytes.parse());
  CHECK(bytes.parse()->alignment() == 128);
  CHECK(bytes.parse()->tensor("b")->data.data() == bytes.bytes.data() + 256);
}

TEST_CASE("values are shown as text that cannot command a terminal") {
  auto const bytes = test::sample();
  auto const file = bytes.parse();
  REQUIRE(file);
  CHECK(shown(*file, "a.i8") == "-100");
  CHECK(shown(*file, "a.f32") == "1.5");
  CHECK(shown(*file, "a.f64") == "1e+300");
  CHECK(shown(*file, "a.bool") == "true");
  CHECK(shown(*file, "b.texts") == "[\"<s>\", \"\", \"caf\xc3\xa9\"]");
  CHECK(shown(*file, "b.i32", {.max_elements = 2}) == "[7, 8, … 3]");
  CHECK(shown(*file, "b.i32", {.max_elements = 0}) == "[… 3]");
  CHECK(shown(*file, "b.nested") == "[[1, 2], [\"deep\"]]");
  CHECK(shown(*file, "b.empty") == "[]");
  CHECK(shown(*file, "general.architecture", {.max_text_bytes = 2}) == "\"to\" … 3");
  auto const rude = test::raw{}.head(0, 1).key("k", value_kind::string).text("\x1b[2J\n\"\\");
  CHECK(shown(*rude.parse(), "k") == "\"\\x1b[2J\\n\\\"\\\\\"");
}

TEST_CASE("a real model has its known metadata and tensors") {
  auto const path = test::data("models/stories260K-f32.gguf");
  if (!path) return;
  auto const file = gguf::open(*path);
  REQUIRE(file);
  CHECK(file->name() == *path);
  CHECK(file->get<std::string_view>("general.architecture").value() == "llama");
  CHECK(file->get<std::uint32_t>("llama.embedding_length").value() == 64);
  CHECK(file->get<std::uint32_t>("llama.block_count").value() == 5);
  CHECK(file->get<std::uint32_t>("llama.attention.head_count").value() == 8);
  CHECK(file->get<std::uint32_t>("llama.attention.head_count_kv").value() == 4);
  CHECK(file->get<std::uint32_t>("llama.context_length").value() == 512);
  CHECK(file->get<float>("llama.attention.layer_norm_rms_epsilon").value() == 1e-5F);
  CHECK(file->get<std::string_view>("tokenizer.ggml.model").value() == "llama");
  auto const tokens = file->array<std::string_view>("tokenizer.ggml.tokens").value();
  CHECK(tokens.size() == 512);
  CHECK(*std::next(tokens.begin(), 2) == "</s>");
  CHECK(std::ranges::distance(tokens) == 512);
  CHECK(file->array<float>("tokenizer.ggml.scores").value().size() == 512);
  CHECK(file->array<int>("tokenizer.ggml.token_type").value()[1] == 3);
  CHECK(file->tensors().size() == 48);
  auto const embedding = file->tensor("token_embd.weight").value();
  CHECK(embedding.columns() == 64);
  CHECK(embedding.rows() == 512);
  CHECK(embedding.type == loquat::tensor_type::f32);
  CHECK(file->intact());
  file->prefetch();
}

TEST_CASE("every reference model opens") {
  auto const folder = test::data("models");
  if (!folder) return;
  std::size_t models = 0;
  for (auto const& model : std::filesystem::directory_iterator(*folder)) {
    if (model.path().extension() != ".gguf") continue;
    auto const path = model.path().string();
    CAPTURE(path);
    auto const file = gguf::open(path);
    CHECK(why(file) == "no error");
    if (!file) continue;
    ++models;
    auto const tensors = file->tensors().size();
    CHECK((tensors > 20 && tensors < 300));
    CHECK(file->metadata().size() >= 18);
    for (auto const& tensor : file->tensors()) CHECK(file->find_tensor(tensor.name) == &tensor);
    if (model.path().stem().string().starts_with("quant-")) CHECK(tensors == 21);
    if (model.path().stem() == "arch-gemma2") CHECK(tensors == 288);
  }
  CHECK(models >= 42);
}

} // namespace format_gguf_test
