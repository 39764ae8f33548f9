/// \file
/// Matrices of I2_S: the same bits as the same integers and scales in TQ2_0; what cannot be.
#include "support/tiny_model.hpp"

#include <loquat/backend/reference.hpp>
#include <loquat/model/zoo.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cstring>
#include <string>
#include <vector>

namespace model_i2_s_test {

using namespace loquat;

namespace {

std::vector<std::byte> i2_s_of(std::vector<int> const& ternary, float scale, i2_s_order order = i2_s_order::x86,
                               std::size_t columns = 1) {
  std::vector<std::byte> out(ternary.size() / 4 + 32);
  for (std::size_t i = 0; i < ternary.size(); ++i) {
    auto const code = static_cast<unsigned>(ternary[i] + 1);
    if (order == i2_s_order::x86)
      out[i / 128 * 32 + i % 32] |= static_cast<std::byte>(code << (6 - i % 128 / 32 * 2));
    else if (order == i2_s_order::rows)
      out[i / columns / 4 * columns + i % columns] |= static_cast<std::byte>(code << (6 - i / columns % 4 * 2));
    else
      out[i / 64 * 16 + i % 16] |= static_cast<std::byte>(code << (6 - i % 64 / 16 * 2));
  }
  std::memcpy(out.data() + ternary.size() / 4, &scale, 4);
  return out;
}

// a file with every TQ2_0 matrix of `from` as ternary numbers, whose scale is 0.0625, in one type or the other
std::vector<std::byte> with_ternary(gguf::file const& from, bool as_i2_s, i2_s_order order) {
  gguf::writer out;
  for (auto const& [key, value] : from.metadata()) out.add(key, value);
  std::vector<std::vector<std::byte>> data;
  data.reserve(from.tensors().size());
  test::random_floats random;
  for (tensor_view tensor : from.tensors()) {
    if (tensor.type == tensor_type::tq2_0 && tensor.name != "token_embd.weight") {
      std::vector<int> ternary(static_cast<std::size_t>(tensor.elements()));
      for (int& x : ternary) x = static_cast<int>(random() * 1.5f);
      std::vector<float> const weights = [&] {
        std::vector<float> w(ternary.begin(), ternary.end());
        for (float& x : w) x *= 0.0625f;
        return w;
      }();
      data.push_back(as_i2_s ? i2_s_of(ternary, 0.0625f, order, static_cast<std::size_t>(tensor.columns()))
                             : test::packed<tq2_0>(weights));
      tensor.type = as_i2_s ? tensor_type::i2_s : tensor_type::tq2_0;
      tensor.data = data.back();
    }
    out.add(tensor);
  }
  return out.bytes().value();
}

constexpr test::tiny_options sizes{.embedding = 256, .feed_forward = 512};

TEST_CASE("I2_S gives the same bits as TQ2_0") {
  auto const base = test::tiny_model<tq2_0>(sizes);
  auto const file = gguf::file::parse(base).value();
  std::vector<float> out[4];
  for (std::size_t i = 0; i < 4; ++i) {
    auto const order = i == 3 ? i2_s_order::rows : i == 2 ? i2_s_order::arm : i2_s_order::x86;
    auto const bytes = with_ternary(file, i != 0, order);
    auto const model_file = gguf::file::parse(bytes).value();
    reference const machine;
    auto const model = transformer<arch::llama>::build(model_file, machine, {.ternary_order = order}).value();
    auto session = model.make_session({.kv = kv_type::f32}).value();
    auto const logits = model.forward(session, std::vector<token>{1, 5, 3}).value();
    out[i].assign(logits.begin(), logits.end());
  }
  REQUIRE(out[0].size() == 16);
  CHECK(out[0][0] != out[0][1]);
  for (std::size_t i : {1u, 2u, 3u})
    CHECK(std::memcmp(out[0].data(), out[i].data(), out[0].size() * sizeof(float)) == 0);
}

TEST_CASE("I2_S: other columns and senseless scales are refused") {
  auto const message = [](std::uint64_t columns, float scale) {
    auto const bytes = i2_s_of(std::vector<int>(static_cast<std::size_t>(columns)), scale);
    auto const made = i2_s_to_tq2_0({"w", tensor_type::i2_s, 1, {columns, 1, 1, 1}, bytes});
    return made ? std::string("none") : std::string(made.error().message());
  };
  CHECK(message(256, 1) == "none");
  auto const three_rows = i2_s_of(std::vector<int>(3 * 256), 1);
  CHECK(
      std::string(
          i2_s_to_tq2_0({"w", tensor_type::i2_s, 2, {256, 3, 1, 1}, three_rows}, i2_s_order::rows).error().message()) ==
      "tensor w: I2_S with four rows in a byte and 3 rows, expected a multiple of 4");
  CHECK(message(128, 1) == "tensor w: I2_S with 128 columns, expected a multiple of 256");
  CHECK(message(256, -1) == "tensor w: I2_S needs a scale of 0 to 65504");
  CHECK(message(256, std::bit_cast<float>(0x7fc00000u)) == "tensor w: I2_S needs a scale of 0 to 65504");
}

} // namespace

} // namespace model_i2_s_test
