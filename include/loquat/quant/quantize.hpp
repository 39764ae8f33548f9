#pragma once
/// \file
/// Packing whole tensors to a format that is chosen at run time, on several threads, and measuring what that changed. A
/// tensor is a sequence of blocks, so it is worked on in pieces of a few thousand weights: no floats of a whole tensor
/// are ever in memory, and the result does not depend on which thread does which piece.

#include <loquat/format/tensor.hpp>
#include <loquat/parallel/executor.hpp>
#include <loquat/quant/block.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace loquat {

/// What packing did to weights: sums of squares.
struct packing_loss {
  double error = 0;    ///< of the differences between the weights before and after
  double original = 0; ///< of the weights before

  /// The rms error by the rms of the weights; 0 where nothing changed.
  double relative() const noexcept {
    if (error == 0) return 0;
    return original > 0 ? std::sqrt(error / original) : std::numeric_limits<double>::infinity();
  }
};

/// How `quantize_tensor` works.
struct quantize_options {
  /// How much the errors in each column matter (`WeightedFormat`), for all matrices of the tensor, or for one after
  /// another; formats that cannot weigh ignore it. Empty: all the same.
  std::span<float const> importance;
  std::atomic<bool> const* cancel = nullptr; ///< `errc::cancelled` soon after it becomes true
};

namespace detail {

/// A format as a value.
struct row_coder {
  std::size_t block_length, block_bytes;
  result<void> (*check)(tensor_view const&);
  void (*unpack)(std::byte const* row, float* weights, std::size_t columns);
  void (*pack)(float const* weights, float const* importance, std::byte* row, std::size_t columns); // null: cannot
};

// importance is null where all weights matter the same
template <PackableFormat F>
constexpr void pack_weighted(float const* weights, float const* importance, std::byte* row, std::size_t columns) {
  if constexpr (WeightedFormat<F>)
    if (importance) {
      for (std::size_t i = 0; i < columns; i += F::block_length, row += F::block_bytes)
        F::pack(weights + i, importance + i, row);
      return;
    }
  pack_row<F>(weights, row, columns);
}

template <BlockFormat F> constexpr row_coder coder_of() noexcept {
  row_coder out{F::block_length, F::block_bytes, check_layout<F>, unpack_row<F>, nullptr};
  if constexpr (PackableFormat<F>) out.pack = pack_weighted<F>;
  return out;
}

template <BlockFormat... Formats>
constexpr std::optional<row_coder> find_coder(type_list<Formats...>, tensor_type type) noexcept {
  std::optional<row_coder> out;
  ((Formats::type == type ? void(out = coder_of<Formats>()) : void()), ...);
  return out;
}

inline constexpr std::size_t most_in_piece = 4096; // weights

} // namespace detail

/// Whether weights can be packed to a type by one of the formats.
template <BlockFormat... Formats> constexpr bool can_pack(type_list<Formats...> formats, tensor_type type) noexcept {
  auto const coder = detail::find_coder(formats, type);
  return coder && coder->pack;
}

/// Checks all that can be wrong with quantizing a tensor before its weights are looked at. Errors name it:
/// `errc::unsupported` for a type that none of the formats has or can pack, `errc::mismatch` for columns that are no
/// whole number of blocks, too few bytes, or importance of another length.
template <BlockFormat... Formats>
constexpr result<void> check_quantizable(type_list<Formats...> formats, tensor_view const& from, tensor_type to,
                                         std::span<float const> importance = {}) {
  auto const source = detail::find_coder(formats, from.type), target = detail::find_coder(formats, to);
  if (!source || !target)
    return fail(errc::unsupported, "tensor ", from.name, ": no format for type ", name(source ? to : from.type));
  if (!target->pack) return fail(errc::unsupported, "tensor ", from.name, ": weights cannot be packed to ", name(to));
  if (auto whole = source->check(from); !whole) return whole;
  if (from.columns() % target->block_length != 0)
    return fail(errc::mismatch, "tensor ", from.name, ": ", from.columns(), " columns are no multiple of the ",
                target->block_length, " in a block of ", name(to));
  if (std::lcm(source->block_length, target->block_length) > detail::most_in_piece)
    return fail(errc::unsupported, "tensor ", from.name, ": blocks of more than ", detail::most_in_piece, " weights");
  auto const matrices = from.shape[2] * from.shape[3];
  if (!importance.empty() && importance.size() != from.columns() && importance.size() != from.columns() * matrices)
    return fail(errc::mismatch, "tensor ", from.name, ": importance of ", importance.size(), " columns, expected ",
                from.columns(), matrices > 1 ? " for each matrix" : "");
  return {};
}

/// Converts a tensor of any type of the list to another one, into `out`, which must be as long as the result. Equal
/// weights give equal bytes on any number of threads. Errors: those of `check_quantizable`, `errc::mismatch` for a
/// wrong length of `out`, `errc::malformed` for weights that are not finite, `errc::unsupported` for weights that are
/// too large for the type (formats that fit their scales cut them off at the largest binary16 instead, which the loss
/// shows), `errc::cancelled`; `out` has no defined contents then.
template <BlockFormat... Formats>
result<packing_loss> quantize_tensor(type_list<Formats...> formats, tensor_view const& from, tensor_type to,
                                     std::span<std::byte> out, Executor auto const& threads,
                                     quantize_options const& options = {}) {
  if (auto good = check_quantizable(formats, from, to, options.importance); !good) return good.error();
  auto const source = *detail::find_coder(formats, from.type), target = *detail::find_coder(formats, to);
  auto const elements = static_cast<std::size_t>(from.elements()), columns = static_cast<std::size_t>(from.columns());
  if (auto const expected = elements / target.block_length * target.block_bytes; out.size() != expected)
    return fail(errc::mismatch, "tensor ", from.name, ": ", expected, " bytes as ", name(to), ", room for ",
                out.size());

  auto const blocks = std::lcm(source.block_length, target.block_length);
  std::size_t const length = detail::most_in_piece / blocks * blocks;
  std::vector<packing_loss> losses((elements + length - 1) / length);
  std::atomic<bool> cancelled = false; // remembered: the caller may take its wish back
  auto const piece = [&](std::size_t number, unsigned) {
    if (options.cancel && options.cancel->load(std::memory_order_relaxed)) cancelled = true;
    if (cancelled) return;
    std::array<float, detail::most_in_piece> before, after;
    std::size_t const first = number * length, size = std::min(length, elements - first);
    source.unpack(from.data.data() + first / source.block_length * source.block_bytes, before.data(), size);
    auto* const packed = out.data() + first / target.block_length * target.block_bytes;
    for (std::size_t done = 0; done < size;) { // row by row, because importance is of columns
      std::size_t const at = first + done, column = at % columns, run = std::min(size - done, columns - column);
      float const* importance = options.importance.empty() ? nullptr : options.importance.data() + column;
      if (options.importance.size() > columns) importance += at / (columns * from.shape[1]) * columns;
      target.pack(before.data() + done, importance, packed + done / target.block_length * target.block_bytes, run);
      done += run;
    }
    target.unpack(packed, after.data(), size);
    packing_loss sum;
    for (std::size_t i = 0; i < size; ++i) {
      double const x = static_cast<double>(before[i]), d = static_cast<double>(after[i]) - x;
      sum.original += x * x;
      sum.error += d * d;
    }
    losses[number] = sum;
  };
  threads.run(losses.size(), piece);
  if (cancelled) return fail(errc::cancelled, "tensor ", from.name, ": cancelled");

  // of the first weight in a piece of packed weights that is not finite
  auto const row_of_odd = [&](detail::row_coder const& coder, std::byte const* bytes, std::size_t number) {
    std::array<float, detail::most_in_piece> weights{};
    std::size_t const first = number * length, size = std::min(length, elements - first);
    coder.unpack(bytes + first / coder.block_length * coder.block_bytes, weights.data(), size);
    auto const finite = [](float x) { return std::isfinite(x); };
    auto const odd = std::find_if_not(weights.data(), weights.data() + size, finite) - weights.data();
    return (first + static_cast<std::size_t>(odd)) / columns;
  };
  packing_loss all;
  for (std::size_t i = 0; i < losses.size(); ++i) { // in the order of the pieces, whoever did them
    if (!std::isfinite(losses[i].original))
      return fail(errc::malformed, "tensor ", from.name, ": row ", row_of_odd(source, from.data.data(), i),
                  " has a weight that is not finite");
    if (!std::isfinite(losses[i].error))
      return fail(errc::unsupported, "tensor ", from.name, ": row ", row_of_odd(target, out.data(), i),
                  " has a weight that is too large for ", name(to));
    all.error += losses[i].error;
    all.original += losses[i].original;
  }
  return all;
}

} // namespace loquat
