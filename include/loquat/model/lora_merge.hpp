#pragma once
/// \file
/// A model file with adapters in its weights: what they add is added once, so the result needs no adapter to run.

#include <loquat/format/gguf_writer.hpp>
#include <loquat/model/lora.hpp>
#include <loquat/parallel/executor.hpp>
#include <loquat/quant/formats.hpp>
#include <loquat/quant/quantize.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace loquat {

/// How `merge_lora` works.
struct merge_options {
  std::optional<tensor_type> type = {};      ///< of the weights that change; without one they keep theirs
  std::atomic<bool> const* cancel = nullptr; ///< `errc::cancelled` soon after it becomes true
};

namespace detail {

/// Gives the writer of a merged file the bytes of its tensors.
template <Executor E> class merged_tensors {
 public:
  merged_tensors(gguf::file const& base, std::span<scaled_lora const> adapters, E const& threads,
                 merge_options const& options)
      : base_(base), adapters_(adapters), threads_(threads), options_(options) {}

  /// Whether adapters change a tensor.
  bool changes(tensor_view const& tensor) const {
    return std::ranges::any_of(adapters_, [&](auto const& use) { return term_of(use, tensor) != nullptr; });
  }
  /// The type that a tensor gets.
  tensor_type type_of(tensor_view const& tensor) const {
    return options_.type && changes(tensor) ? *options_.type : tensor.type;
  }

  result<std::span<std::byte const>> operator()(tensor_view const& tensor) {
    if (auto whole = base_.intact(); !whole) return whole.error();
    if (options_.cancel && options_.cancel->load(std::memory_order_relaxed)) return fail(errc::cancelled, "cancelled");
    auto const* const from = base_.find_tensor(tensor.name);
    if (!from || !changes(*from)) return from ? from->data : tensor.data;
    auto const columns = static_cast<std::size_t>(from->columns()), rows = static_cast<std::size_t>(from->rows());
    floats_.resize(columns * rows);
    std::size_t const step = std::max<std::size_t>(1, 4096 / columns); // rows that a thread takes at a time
    threads_.run((rows + step - 1) / step, [&](std::size_t piece, unsigned) {
      std::size_t const first = piece * step, count = std::min(step, rows - first);
      auto const own = std::span(floats_).subspan(first * columns, count * columns);
      auto part = *from;
      part.data = from->data.subspan(from->data.size() / rows * first, from->data.size() / rows * count);
      part.shape = {columns, count, 1, 1};
      (void)unpack_tensor(builtin_formats{}, part, own); // was checked
      for (std::size_t r = 0; r < count; ++r)
        for (auto const& use : adapters_)
          if (auto const* const term = term_of(use, *from))
            term->add_row(first + r, use.scale, own.subspan(r * columns, columns));
    });
    tensor_view sum = *from;
    sum.type = tensor_type::f32;
    sum.data = std::as_bytes(std::span(floats_));
    auto const size = byte_size(type_of(*from), sum.shape);
    if (!size) return size.error();
    packed_.resize(static_cast<std::size_t>(*size));
    auto const done = quantize_tensor(builtin_formats{}, sum, type_of(*from), packed_, threads_,
                                      {.importance = {}, .cancel = options_.cancel});
    if (!done) return done.error().within(base_.name());
    return std::span<std::byte const>(packed_);
  }

 private:
  low_rank const* term_of(scaled_lora const& use, tensor_view const& tensor) const {
    auto const* const found = base_.find_tensor(tensor.name);
    return found ? use.adapter->find(static_cast<std::size_t>(found - base_.tensors().data())) : nullptr;
  }

  gguf::file const& base_;
  std::span<scaled_lora const> adapters_;
  E const& threads_;
  merge_options options_;
  std::vector<float> floats_;
  std::vector<std::byte> packed_;
};

} // namespace detail

/// Writes the model in `base` with adapters added to its weights, W + scale · alpha / rank · B A, to `path` (UTF-8),
/// which gets it whole or stays as it was. Tensors that change are unpacked, added to in floats, and packed again to
/// the type they had or the one that the options say; one of them is in memory as floats at a time. Where an adapter
/// changes the token embeddings and these are the output matrix, too, that becomes a tensor of its own: it stays as it
/// is. Errors: `errc::argument` for a scale that is not finite, `errc::mismatch` for an adapter of another model,
/// `errc::unsupported` for a type that weights cannot be packed to, and those of the writer.
template <Executor E>
result<void> merge_lora(gguf::file const& base, std::span<scaled_lora const> adapters, std::string const& path,
                        E const& threads, merge_options const& options = {}) {
  if (auto good = detail::check_adapters(adapters, base); !good) return good;
  detail::merged_tensors<E> merged(base, adapters, threads, options);
  gguf::writer out;
  for (auto const& [key, value] : base.metadata())
    if (!key.starts_with("split.")) out.add(key, value);
  for (tensor_view tensor : base.tensors()) {
    auto const type = merged.type_of(tensor);
    if (merged.changes(tensor)) {
      auto good = check_quantizable(builtin_formats{}, tensor, type);
      if (!good) return good.error().within(base.name());
      if (tensor.name == "token_embd.weight" && !base.find_tensor("output.weight")) {
        auto output = tensor;
        output.name = "output.weight";
        out.add(output);
      }
      tensor.type = type;
    }
    out.add(tensor);
  }
  return out.write(path, merged);
}

} // namespace loquat
