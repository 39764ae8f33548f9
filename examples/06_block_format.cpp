/// \file
/// A weight format of one's own: a small struct with a number, two sizes, `unpack` and `pack`; the CPU backend computes
/// with it. Here a model is packed into it while it is loaded: `06_block_format [PROMPT [MODEL.gguf]]`.

#include "default_model.hpp"
#include <loquat/loquat.hpp>

#include <cmath>
#include <cstring>
#include <deque>
#include <iostream>
#include <numeric>

using namespace loquat;

/// 32 weights as a scale and 4-bit numbers of levels, which lie closer together near zero, where most weights are.
struct curved {
  static constexpr tensor_type type{1000}; // any number that GGUF does not use
  static constexpr std::string_view name = "CURVED";
  static constexpr std::size_t block_length = 32, block_bytes = 2 + 16;

  static float level(unsigned q) { // 0 … 15 → −1 … 1
    float const x = static_cast<float>(q) / 7.5f - 1;
    return x * (0.6f + 0.4f * std::abs(x));
  }
  static void unpack(std::byte const* block, float* weights) {
    std::uint16_t scale;
    std::memcpy(&scale, block, 2);
    for (std::size_t i = 0; i < 32; ++i)
      weights[i] = float_from_half(scale) * level(std::to_integer<unsigned>(block[2 + i / 2] >> i % 2 * 4) % 16);
  }
  static void pack(float const* weights, std::byte* block) {
    float largest = 0;
    for (std::size_t i = 0; i < 32; ++i) largest = std::max(largest, std::abs(weights[i]));
    std::uint16_t const scale = half_from_float(largest);
    std::memset(block, 0, block_bytes);
    std::memcpy(block, &scale, 2);
    for (std::size_t i = 0; i < 32; ++i) {
      unsigned q = 0;
      while (q < 15 && weights[i] > (level(q) + level(q + 1)) / 2 * largest) ++q; // to the nearest level
      block[2 + i / 2] |= static_cast<std::byte>(q) << i % 2 * 4;
    }
  }
};
static_assert(BlockFormat<curved>);

using base = basic_cpu<type_list<f32, f16, bf16, q4_0, q8_0, curved>>; ///< the library's formats, and this one

/// That backend, but it packs every matrix that a model takes from its file.
struct packing_cpu : base {
  std::deque<std::vector<std::byte>>& packed; // where the matrices are then

  explicit packing_cpu(std::deque<std::vector<std::byte>>& space) : packed(space) {}

  result<matrix> make_matrix(tensor_view tensor) const {
    auto const original = base::make_matrix(tensor);
    if (!original || tensor.columns() % curved::block_length != 0) return original;
    std::vector<token> rows(original->rows());
    std::iota(rows.begin(), rows.end(), 0);
    std::vector<float> weights(tensor.elements());
    workspace none;
    embed(none, *original, rows, weights); // all rows as floats, whatever they are in the file
    packed.emplace_back(row_bytes<curved>(weights.size()));
    pack_row<curved>(weights.data(), packed.back().data(), weights.size());
    tensor.type = curved::type;
    tensor.data = packed.back();
    return base::make_matrix(tensor);
  }
};
static_assert(Backend<packing_cpu>);

int main(int argc, char** argv) try {
  std::string_view const prompt = argc > 1 ? argv[1] : "Once upon a time";
  auto const file = open_model(argc, argv, 2).value();
  auto const tok = tokenizer_from(file).value();
  std::deque<std::vector<std::byte>> packed;

  auto const tell = [&](auto const& machine) {
    auto const model = load<arch::llama>(file, machine).value(); // nothing else is compiled
    auto talk = model.make_session().value();
    generate_report report;
    generate_options const options{.max_tokens = 100, .report = &report};
    std::cout << "--- " << packed.size() << " matrices are packed\n" << prompt;
    for (auto piece : prompt | encode(tok) | generate(model, talk, options) | decode(tok)) std::cout << piece;
    std::cout << "\n\n";
    if (report.why == finish::error) throw bad_result(report.error);
  };
  tell(base());
  tell(packing_cpu(packed));
  return packed.empty() ? 1 : 0;
} catch (bad_result const& failure) {
  std::cerr << failure.what() << '\n';
  return 1;
}
