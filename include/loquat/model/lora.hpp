#pragma once
/// \file
/// LoRA adapters (E. Hu et al., "LoRA: low-rank adaptation of large language models", 2021): products B · A of low rank
/// that are added to some matrices of a model. This file reads those in GGUF, as llama.cpp's converter writes them; how
/// a session takes them is in `adaptable.hpp`, how they become part of a model in `lora_merge.hpp`.

#include <loquat/core/math.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/quant/formats.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// What an adapter adds to a tensor of its model: factor · B · A, for a stack of matrices one pair each.
struct low_rank {
  std::size_t rank = 0;    ///< 0: nothing
  std::size_t rows = 0;    ///< of one matrix
  std::size_t columns = 0; ///< of one matrix
  bool embedding = false;  ///< A is stored as [columns, rank]: its products are with rows of B
  float factor = 1;        ///< alpha / rank
  std::vector<float> a;    ///< [matrices, rank, columns]
  std::vector<float> b;    ///< [matrices · rows, rank]
  /// [matrices · rows]: what the norms of the sum's rows become (S. Liu et al., "DoRA", 2024), or empty. They need all
  /// of the sum, so only `merge_lora` can use them.
  std::vector<float> magnitudes{};

  /// Adds row `row` of all matrices, times `scale`, to y[columns], which then gets its magnitude if it has one.
  LOQUAT_NO_CONTRACT_FUNCTION constexpr void add_row(std::size_t row, float scale, std::span<float> y) const {
    LOQUAT_NO_CONTRACT
    float const* const own_a = a.data() + (embedding ? 0 : row / rows * rank * columns);
    for (std::size_t j = 0; j < rank; ++j) {
      float const weight = b[row * rank + j] * (factor * scale);
      float const* const from = own_a + (embedding ? j : j * columns);
      std::size_t const step = embedding ? rank : 1;
      for (std::size_t c = 0; c < columns; ++c) y[c] += weight * from[c * step];
    }
    if (magnitudes.empty()) return;
    float square = 0;
    for (std::size_t c = 0; c < columns; ++c) square = math::fma(y[c], y[c], square);
    if (square == 0) return; // a row without direction
    float const factor_of_row = magnitudes[row] / math::sqrt(square);
    for (std::size_t c = 0; c < columns; ++c) y[c] *= factor_of_row;
  }
};

namespace detail {

/// `NAME.lora_a` without `.lora_a`; empty if the suffix is another one.
constexpr std::string_view before(std::string_view name, std::string_view suffix) noexcept {
  return name.ends_with(suffix) ? name.substr(0, name.size() - suffix.size()) : std::string_view();
}

/// The floats of a tensor, all of them finite.
constexpr result<std::vector<float>> finite_floats(tensor_view const& tensor) {
  std::vector<float> out(static_cast<std::size_t>(tensor.elements()), 0.0f);
  if (auto const done = unpack_tensor(builtin_formats{}, tensor, out); !done) return done.error();
  for (std::size_t i = 0; i < out.size(); ++i)
    if (!(out[i] - out[i] == 0))
      return fail(errc::malformed, "tensor ", tensor.name, ": row ", i / static_cast<std::size_t>(tensor.columns()),
                  " has a weight that is not finite");
  return out;
}

constexpr error wrong_shape(tensor_view const& t, std::array<std::uint64_t, 3> const& expected, auto const&... why) {
  return fail(errc::mismatch, "tensor ", t.name, ": expected ", expected[0], " columns, ", expected[1], " rows and ",
              expected[2], " matrices", why..., ", found ", t.shape[0], ", ", t.shape[1], " and ", t.shape[2]);
}

/// The pair A, B of a tensor of the base model, checked against it; `alpha` of 0 means a factor of 1.
constexpr result<low_rank> make_low_rank(tensor_view const& base, tensor_view const& a, tensor_view const& b,
                                         float alpha) {
  bool const embedding = base.name == "token_embd.weight"; // rows of A are taken by token
  auto const rank = b.shape[0];
  if (base.rank < 2 || base.name == "position_embd.weight" || base.name == "token_types.weight")
    return fail(errc::unsupported, "tensor ", a.name, ": adapters of ", base.name, " are not supported");
  if (a.shape[3] != 1 || b.shape[3] != 1) return fail(errc::mismatch, "tensor ", a.name, ": expected 3 dimensions");
  std::array<std::uint64_t, 3> const shape_a{embedding ? rank : base.columns(), embedding ? base.shape[1] : rank,
                                             base.shape[2]},
      shape_b{rank, embedding ? base.columns() : base.shape[1], base.shape[2]};
  if (!std::equal(shape_a.begin(), shape_a.end(), a.shape.begin()))
    return wrong_shape(a, shape_a, " to go with ", b.name, " and the model's ", base.name);
  if (!std::equal(shape_b.begin(), shape_b.end(), b.shape.begin()))
    return wrong_shape(b, shape_b, " to go with the model's ", base.name);
  auto floats_a = finite_floats(a), floats_b = finite_floats(b);
  if (!floats_a || !floats_b) return floats_a ? floats_b.error() : floats_a.error();
  if (embedding) std::swap(*floats_a, *floats_b); // row t of the change: row t of A, by B transposed
  return low_rank{static_cast<std::size_t>(rank),
                  static_cast<std::size_t>(base.shape[1]),
                  static_cast<std::size_t>(base.columns()),
                  embedding,
                  alpha == 0 ? 1.0f : alpha / static_cast<float>(rank),
                  std::move(*floats_a),
                  std::move(*floats_b)};
}

} // namespace detail

/// An adapter for the model in one file, as floats of its own. Const after construction and shared by any number of
/// sessions; the model's file must outlive it, the adapter's need not.
class lora {
 public:
  /// Nothing, for the model in a file: what readers of adapters begin with. `name` is what messages call it.
  constexpr lora(gguf::file const& base, std::string_view name)
      : base_(base.tensors()), name_(name.begin(), name.end()) {}

  /// Reads an adapter in GGUF for the model in `base`. Errors name the key or tensor: `errc::mismatch` for an adapter
  /// of another architecture or shape, `errc::missing` for a matrix that the model lacks or half a pair,
  /// `errc::unsupported` for what is no LoRA adapter, `errc::malformed` for numbers that are not finite.
  static constexpr result<lora> from(gguf::file const& file, gguf::file const& base) {
    auto const expect = [&](std::string_view key, std::string_view wanted, errc code) -> result<void> {
      auto const found = file.get<std::string_view>(key);
      if (!found) return found.error();
      if (*found != wanted) return fail(code, file.name(), ": key ", key, ": expected ", wanted, ", found ", *found);
      return {};
    };
    auto const architecture = base.get<std::string_view>("general.architecture");
    if (!architecture) return architecture.error();
    if (auto good = expect("general.type", "adapter", errc::unsupported); !good) return good.error();
    if (auto good = expect("adapter.type", "lora", errc::unsupported); !good) return good.error();
    if (auto good = expect("general.architecture", *architecture, errc::mismatch); !good) return good.error();
    if (file.find("adapter.alora.invocation_tokens"))
      return fail(errc::unsupported, file.name(), ": adapters that tokens switch on (aLoRA) are not supported");
    auto const alpha = file.get_or<float>("adapter.lora.alpha", 0.0f);
    if (!alpha) return alpha.error();
    if (!(*alpha - *alpha == 0))
      return fail(errc::malformed, file.name(), ": key adapter.lora.alpha: expected a finite number");

    lora out(base, file.name());
    for (auto const& tensor : file.tensors()) {
      bool const first = tensor.name.ends_with(".lora_a");
      auto const target = detail::before(tensor.name, first ? ".lora_a" : ".lora_b");
      if (target.empty())
        return fail(errc::unsupported, file.name(), ": tensor ", tensor.name,
                    ": expected a name that ends with .lora_a or .lora_b");
      std::vector<char> other(target.begin(), target.end());
      detail::append(other, first ? ".lora_b" : ".lora_a");
      auto const pair = file.tensor({other.data(), other.size()});
      if (!pair) return pair.error();
      if (!first) continue; // comes with the other
      if (auto added = out.add(base, target, tensor, *pair, *alpha); !added) return added.error();
    }
    if (out.size() == 0) return fail(errc::malformed, file.name(), ": an adapter without tensors");
    return out;
  }

  /// The same for the file at `path` (UTF-8), which is read and closed again. Errors: also those of `gguf::open`.
  static result<lora> open(std::string const& path, gguf::file const& base) {
    auto const file = gguf::open(path);
    return file ? from(*file, base) : result<lora>(file.error());
  }

  /// Adds the pair of a matrix of the model: `a` [rank, columns], `b` [rows, rank], for stacks one behind the other; of
  /// the token embeddings `a` [vocabulary, rank], `b` [embedding, rank]. An `alpha` of 0 means a factor of 1. With
  /// `magnitudes` [rows], see `low_rank`: of single matrices, which token embeddings are not here.
  constexpr result<void> add(gguf::file const& base, std::string_view target, tensor_view const& a,
                             tensor_view const& b, float alpha, std::span<float const> magnitudes = {}) {
    auto const* const found = base.find_tensor(target);
    if (!found) return fail(errc::missing, name(), ": tensor ", a.name, ": the model has no ", target, " to adapt");
    auto made = detail::make_low_rank(*found, a, b, alpha);
    if (!made) return made.error().within(name());
    if (!magnitudes.empty() && (made->embedding || found->shape[2] != 1))
      return fail(errc::unsupported, name(), ": tensor ", a.name, ": magnitudes (DoRA) of ", target,
                  " are not supported");
    if (!magnitudes.empty() && magnitudes.size() != made->rows)
      return fail(errc::mismatch, name(), ": tensor ", a.name, ": expected ", made->rows, " magnitudes to go with ",
                  target, ", found ", magnitudes.size());
    for (float const m : magnitudes)
      if (!(m - m == 0))
        return fail(errc::malformed, name(), ": tensor ", a.name, ": a magnitude that is not finite goes with it");
    made->magnitudes.assign(magnitudes.begin(), magnitudes.end());
    if (terms_.empty()) terms_.resize(base_.size());
    auto& term = terms_[static_cast<std::size_t>(found - base_.data())];
    if (term.rank != 0) return fail(errc::malformed, name(), ": tensor ", a.name, " adapts ", target, " a second time");
    term = std::move(*made);
    if (term.rank > rank_) rank_ = term.rank;
    ++size_;
    return {};
  }

  constexpr std::string_view name() const noexcept { return {name_.data(), name_.size()}; } ///< what messages call it
  constexpr std::size_t rank() const noexcept { return rank_; }                             ///< the largest one
  constexpr std::size_t size() const noexcept { return size_; } ///< number of tensors that it changes
  /// Whether it was made for the model in `base`.
  constexpr bool is_for(gguf::file const& base) const noexcept { return base_.data() == base.tensors().data(); }
  /// What it adds to the model's tensor of a number; null: nothing.
  constexpr low_rank const* find(std::size_t tensor) const noexcept {
    return tensor < terms_.size() && terms_[tensor].rank != 0 ? &terms_[tensor] : nullptr;
  }

 private:
  std::span<tensor_view const> base_;
  std::vector<char> name_;
  std::vector<low_rank> terms_; // by number of the model's tensor; empty, or all
  std::size_t rank_ = 0, size_ = 0;
};

/// An adapter, and what its effect is multiplied with.
struct scaled_lora {
  constexpr scaled_lora() = default; ///< none
  constexpr scaled_lora(lora const& a, float s = 1) noexcept : adapter(&a), scale(s) {}

  lora const* adapter = nullptr;
  float scale = 1;
};

namespace detail {

/// Whether adapters can be used with the model in `base`. Errors name the adapter.
constexpr result<void> check_adapters(std::span<scaled_lora const> adapters, gguf::file const& base) {
  for (auto const& [adapter, scale] : adapters) {
    if (!(scale - scale == 0)) return fail(errc::argument, adapter->name(), ": scale: expected a finite number");
    if (!adapter->is_for(base))
      return fail(errc::mismatch, adapter->name(), ": was read for another model than ", base.name());
  }
  return {};
}

} // namespace detail
} // namespace loquat
