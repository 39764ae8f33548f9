/// \file
/// Importance matrices: both forms, and every way to spoil them.

#include "quant/importance_fuzz.hpp"
#include "support/data.hpp"
#include "support/temporary.hpp"

#include <loquat/format/gguf_writer.hpp>
#include <loquat/quant/importance.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace quant_importance_test {

using namespace loquat;

namespace {

using bytes = std::vector<std::byte>;

constexpr void append_entry(bytes& out, std::string_view name, std::int32_t calls, std::initializer_list<float> sums) {
  append_little(out, static_cast<std::int32_t>(name.size()));
  append_text(out, name);
  append_little(out, calls);
  append_little(out, static_cast<std::int32_t>(sums.size()));
  for (float const x : sums) append_little(out, x);
}
constexpr bytes binary(bool with_source = true) {
  bytes out;
  append_little(out, std::int32_t{2});
  append_entry(out, "b", 2, {1, 2, 3});
  append_entry(out, "a", 0, {5, 0});
  if (!with_source) return out;
  append_little(out, std::int32_t{7});
  append_little(out, std::int32_t{3});
  append_text(out, "txt");
  return out;
}

constexpr std::array<float, 6> sums{2, 4, 6, 1, 2, 3};
constexpr std::array<float, 2> counts{2, 0};
template <std::size_t N> constexpr bytes floats(std::array<float, N> const& from) {
  bytes out;
  for (float const x : from) append_little(out, x);
  return out;
}
constexpr bytes gguf_form(std::string_view sums_name = "x.in_sum2", std::string_view counts_name = "x.counts",
                          std::array<float, 6> const& s = sums, tensor_type type = tensor_type::f32,
                          std::uint64_t many = 2) {
  auto const s_bytes = floats(s), c_bytes = floats(counts);
  std::span<std::byte const> const c = c_bytes;
  gguf::writer w;
  w.add("general.type", "imatrix");
  w.add(tensor_view{sums_name, type, 2, {3, 2, 1, 1}, s_bytes});
  w.add(tensor_view{counts_name, tensor_type::f32, 2, {1, many, 1, 1}, c.first(4 * static_cast<std::size_t>(many))});
  return w.bytes().value();
}

constexpr bool same(std::span<float const> found, std::initializer_list<float> expected) {
  return std::ranges::equal(found, expected);
}
constexpr bool reads_both_forms() {
  auto const old = binary(), recent = gguf_form();
  auto const a = importance_matrix::parse(old), b = importance_matrix::parse(recent);
  return a && a->entries().size() == 2 && same(a->find("b"), {0.5f, 1, 1.5f}) && same(a->find("a"), {5, 0}) &&
         a->find("c").empty() && b && b->entries().size() == 1 && same(b->find("x"), {1, 2, 3, 1, 1, 1});
}
static_assert(reads_both_forms());

std::string why(bytes const& file) {
  auto const read = importance_matrix::parse(file, "i");
  return read ? "no error" : std::string(read.error().message());
}

TEST_CASE("importance is the mean square of each column") {
  CHECK(reads_both_forms());
  test::temporary_folder const folder;
  auto const file = binary();
  auto const path = folder.put("i.dat", {reinterpret_cast<char const*>(file.data()), file.size()});
  auto read = importance_matrix::open(path);
  REQUIRE(read);
  auto const moved = std::move(*read);
  CHECK(same(moved.find("b"), {0.5f, 1, 1.5f}));
  CHECK(importance_matrix::open(folder / "none").error().code() == errc::missing);
  CHECK(importance_matrix().find("x").empty());
}

TEST_CASE("every beginning of an importance matrix is refused") {
  auto const check = [](bytes const& whole, std::size_t least, std::size_t most) { // sizes that are whole enough
    for (std::size_t size = 0; size < whole.size(); ++size) {
      CAPTURE(size);
      bytes const part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      auto const read = importance_matrix::parse(part, "i");
      CHECK(read.has_value() == (size >= least && size <= most));
      if (!read) CHECK(read.error().message().starts_with("i: "));
    }
  };
  auto const without_source = binary(false).size();
  check(binary(), without_source, without_source);
  auto const recent = gguf_form();
  check(recent, recent.size() - 24, recent.size()); // padding
  auto longer = binary();
  longer.push_back({});
  CHECK(why(longer).ends_with("1 bytes too many"));
}

TEST_CASE("no changed byte does harm") {
  for (auto const& whole : {binary(), gguf_form()})
    for (std::size_t i = 0; i < whole.size(); ++i)
      for (unsigned const flip : {0x01u, 0x40u, 0x80u, 0xffu}) {
        auto changed = whole;
        changed[i] ^= static_cast<std::byte>(flip);
        CHECK(test::fuzz_importance(changed) != test::importance_outcome::wrong);
      }
}

TEST_CASE("every file of the corpus of importance matrices is read or refused") {
  std::size_t inputs = 0, opened = 0;
  for (auto const& input : std::filesystem::directory_iterator(LOQUAT_SOURCE_DIR "/tests/fuzz/corpus/importance")) {
    auto const path = input.path().string();
    CAPTURE(path);
    auto const file = test::read(path);
    auto const outcome = test::fuzz_importance(std::as_bytes(std::span(file)));
    CHECK(outcome != test::importance_outcome::wrong);
    ++inputs;
    opened += outcome == test::importance_outcome::opened;
  }
  CHECK(inputs >= 10);
  CHECK(opened >= 3);
  CHECK(opened < inputs);
}

TEST_CASE("what is wrong with an importance matrix is named") {
  bytes out;
  append_little(out, std::int32_t{-1});
  CHECK(why(out) == "i: at byte 0: -1 tensors; is this an importance matrix?");
  out.clear();
  append_little(out, std::int32_t{1});
  auto const start = out;
  append_entry(out, "t", 1, {1, -1});
  CHECK(why(out) == "i: at byte 21: tensor t, column 1: expected a number of at least 0");
  out = start;
  append_entry(out, "t", 1, {std::numeric_limits<float>::infinity()});
  CHECK(why(out) == "i: at byte 17: tensor t, column 0: expected a number of at least 0");
  out = start;
  append_entry(out, "t", 1, {});
  CHECK(why(out) == "i: at byte 13: tensor t has 0 columns");
  out = start;
  append_little(out, std::int32_t{-5});
  CHECK(why(out) == "i: at byte 4: a name of -5 bytes");
  out = start;
  append_little(out, std::int32_t{1000});
  CHECK(why(out) == "i: at byte 8: 1000 bytes expected, 0 left");
  out.clear();
  append_little(out, std::int32_t{2});
  append_entry(out, "t", 1, {1});
  append_entry(out, "t", 1, {1});
  CHECK(why(out) == "i: tensor t is there twice");

  CHECK(why(gguf_form("x.in_sum", "x.counts")) ==
        "i: no tensor whose name ends in .in_sum2; is this an importance matrix?");
  CHECK(why(gguf_form("x.in_sum2", "y.counts")) == "i: no tensor x.counts");
  CHECK(why(gguf_form("x.in_sum2", "x.counts", sums, tensor_type::i32)) ==
        "i: tensor x.in_sum2: expected F32, found I32");
  CHECK(why(gguf_form("x.in_sum2", "x.counts", sums, tensor_type::f32, 1)) ==
        "i: tensor x.counts: expected 2 elements, found 1");
  CHECK(why(gguf_form("x.in_sum2", "x.counts", {1, 2, 3, 4, -5, 6})) ==
        "i: tensor x.in_sum2: element 4: expected a number of at least 0");
}

} // namespace

} // namespace quant_importance_test
