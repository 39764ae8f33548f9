#pragma once
/// \file
/// The `cpu` backend: vector kernels of the best instruction set this machine has, rows shared out over a thread pool.

#include <loquat/backend/backend.hpp>
#include <loquat/backend/cpu_attention.hpp>
#include <loquat/backend/cpu_recurrence.hpp>
#include <loquat/kernel/elementwise.hpp>
#include <loquat/kernel/matmul.hpp>
#include <loquat/kernel/norm.hpp>
#include <loquat/kernel/rope.hpp>
#include <loquat/parallel/executor.hpp>
#include <loquat/parallel/pool.hpp>
#include <loquat/quant/formats.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <utility>

namespace loquat {

/// How a `cpu` backend runs.
struct cpu_options {
  unsigned threads = 0;                    ///< in all; 0: one per usable CPU
  simd::target target = simd::preferred(); ///< instruction set; one the machine lacks falls back to the best
};

/// See the specialisation for a list of formats.
template <class Formats, Executor E = pool> class basic_cpu;

/// A backend on this machine's CPU for weights of the given block formats, whose loops run on a pool or on an executor
/// of the program's own. Make one and share it.
template <BlockFormat... Formats, Executor E> class basic_cpu<type_list<Formats...>, E> {
  struct matrix_kernels {
    void (*compute)(kernel::product const&, std::size_t first, std::size_t last, std::byte* scratch) noexcept;
    void (*unpack)(std::byte const* row, float* weights, std::size_t columns);
    std::size_t row_block, row_block_bytes;
    std::size_t activations; // that share a scale: 32 or 256; 0 where they stay floats
  };

 public:
  /// A weight matrix where it lies in the file, with the kernels of its format.
  class matrix {
   public:
    std::size_t rows() const noexcept { return rows_; }       ///< outputs
    std::size_t columns() const noexcept { return columns_; } ///< inputs

   private:
    friend basic_cpu;
    std::byte const* data_ = nullptr;
    std::size_t rows_ = 0, columns_ = 0, row_bytes_ = 0;
    matrix_kernels const* kernels_ = nullptr;
  };

  /// What one session's operations write besides their results.
  struct workspace {
    kernel::rounded_columns by_32, by_256; ///< of [tokens, columns] activations
    std::span<std::byte> scratch;          ///< [threads, scratch_bytes]
    std::size_t scratch_bytes = 0;
    detail::cpu_attention::workspace attention;
  };

  explicit basic_cpu(cpu_options options = {}) requires std::constructible_from<E, unsigned>
      : basic_cpu(E(options.threads), options.target) {}
  /// On an executor, which a backend keeps by value.
  template <std::same_as<E> Own> // not deduced from braces, which are options
  explicit basic_cpu(Own executor, simd::target target = simd::preferred())
      : pool_(std::move(executor)), target_(std::min(target, simd::detect())) {}

  unsigned threads() const noexcept { return pool_.size(); } ///< that share an operation
  simd::target target() const noexcept { return target_; }   ///< instruction set in use

  /// A matrix of the tensor's first two dimensions; the bytes must outlive it. `errc::unsupported` names a type without
  /// a format here, `errc::mismatch` a tensor of another rank or layout.
  result<matrix> make_matrix(tensor_view const& tensor) const;

  /// Adds the memory of a workspace to a session's.
  void reserve(workspace_limits const& limits, arena_size& size) const;
  /// Takes a workspace from an arena with that much left.
  workspace make_workspace(workspace_limits const& limits, arena& memory) const;

  /// y[n, columns]: the matrix rows of the ids, which must be below its number of rows.
  void embed(workspace&, matrix const& embeddings, std::span<token const> ids, std::span<float> y) const noexcept;

  /// All products of the same activations x[n, columns] in one go.
  void matmul(workspace& work, std::span<float const> x, std::size_t n,
              std::span<projection<matrix> const> projections) const noexcept;

  /// y = x / √(mean(x²) + ε) · weight for each of the vectors x[n, d]; y may be x.
  void rms_norm(workspace&, std::span<float const> x, std::span<float const> weight, float epsilon,
                std::span<float> y) const noexcept;
  /// y = (x − mean) / √(variance + ε) · weight + bias for each of the vectors x[n, d]; y may be x.
  void layer_norm(workspace&, std::span<float const> x, std::span<float const> weight, std::span<float const> bias,
                  float epsilon, std::span<float> y) const noexcept;

  /// Rotates y[n, heads, head_dim] in place by cosines and signed sines [n, rope_dims].
  void rope(workspace&, rope_style style, std::span<float> y, std::size_t n, std::size_t head_dim,
            std::span<float const> cosines, std::span<float const> sines) const noexcept;

  /// Stores keys and values [n, kv_heads, head_dim] of a layer at positions `position`, ….
  void store_kv(workspace&, kv_cache& cache, std::size_t layer, std::size_t position, std::span<float const> keys,
                std::span<float const> values) const noexcept;

  /// Causal attention of n tokens over the cache: token i sees all but the last n − 1 − i positions.
  void attention(workspace& work, kv_cache const& cache, attention_task const& task) const noexcept;

  /// A causal convolution of each channel.
  void convolve(workspace&, convolution_task const& task) const noexcept;
  /// A selective scan.
  void scan(workspace&, scan_task const& task) const noexcept;

  /// y = f(y) · x.
  void gate(workspace&, activation kind, std::span<float> y, std::span<float const> x) const noexcept;
  /// y = f(y).
  void activate(workspace&, activation kind, std::span<float> y) const noexcept;
  /// y += x.
  void add(workspace&, std::span<float> y, std::span<float const> x) const noexcept;

 private:
  static constexpr std::size_t worth_sharing = 1 << 14; // elements below which a loop stays on its thread
  static constexpr std::size_t chunks_a_thread = 4;     // of a matrix, at least, where there are many columns

  template <BlockFormat F> matrix_kernels const* kernels_of() const noexcept {
    matrix_kernels const* found = nullptr;
    simd::dispatch<target_constant>(target_, [&](auto t) { found = &table<F, t.value>; });
    return found;
  }
  template <simd::target T> struct target_constant { static constexpr simd::target value = T; };
  template <BlockFormat F, simd::target T>
  static constexpr matrix_kernels table{&kernel::matmuls<T, F>::compute, &unpack_row<F>, F::block_length,
                                        F::block_bytes, [] {
                                          if constexpr (integer_format<F>)
                                            return F::integer.activations;
                                          else
                                            return std::size_t{0};
                                        }()};

  template <std::size_t N>
  void round(kernel::rounded_columns const& all, std::span<float const> x, std::size_t n,
             std::size_t k) const noexcept {
    simd::dispatch<kernel::quantizers>(target_, [&](auto kernels) {
      std::size_t const width = n < kernel::many_columns ? 1 : kernels.tile_columns;
      pool_run((n + width - 1) / width, width * k, [&](std::size_t tile, unsigned) {
        std::size_t const first = tile * width;
        kernel::rounded_columns const out = all.from<N>(first * k);
        if (width == 1)
          kernels.template quantize<N>(x.data() + first * k, k, out);
        else
          kernels.template quantize_tile<N>(x.data() + first * k, std::min(width, n - first), k, out);
      });
    });
  }

  // f(item, thread) for n items of `size` elements each
  template <class F> void pool_run(std::size_t n, std::size_t size, F const& f) const noexcept {
    if (n * size >= worth_sharing)
      pool_.run(n, f);
    else
      for (std::size_t i = 0; i < n; ++i) f(i, 0u);
  }
  // f(first, count) over n elements
  template <class F> void in_parts(std::size_t n, F const& f) const noexcept {
    if (n < worth_sharing) return f(0, n);
    pool_.run((n + worth_sharing - 1) / worth_sharing,
              [&](std::size_t i, unsigned) { f(i * worth_sharing, std::min(worth_sharing, n - i * worth_sharing)); });
  }

  // rows of a matrix that one thread takes at a time: about 64 KiB of weights; where there are many columns eight times
  // that, in whole panels, because every panel reads all of the columns, but not so many that one thread waits long
  std::size_t chunk_rows(matrix const& w, std::size_t n) const noexcept {
    std::size_t const bytes = n < kernel::many_columns ? 1 << 16 : 1 << 19;
    std::size_t const rows = std::max<std::size_t>(1, bytes / std::max<std::size_t>(1, w.row_bytes_));
    std::size_t const parts = pool_.size() * (n < kernel::many_columns ? 1 : chunks_a_thread);
    std::size_t const share = (w.rows_ + parts - 1) / parts;
    std::size_t const unit = n < kernel::many_columns ? 8 : kernel::panel_rows;
    return (std::min(rows, share) + unit - 1) / unit * unit;
  }
  std::size_t chunks_of(matrix const& w, std::size_t n) const noexcept {
    return (w.rows_ + chunk_rows(w, n) - 1) / chunk_rows(w, n);
  }

  static std::size_t scratch_bytes(workspace_limits const& limits) noexcept {
    return (kernel::scratch_bytes(limits.columns) + 63) / 64 * 64;
  }

  E pool_;
  simd::target target_;
};

// Outside of the class, so that a program that compiles kernels elsewhere does without their code.
template <BlockFormat... Formats, Executor E>
auto basic_cpu<type_list<Formats...>, E>::make_matrix(tensor_view const& tensor) const -> result<matrix> {
  if (tensor.shape[2] != 1 || tensor.shape[3] != 1)
    return fail(errc::mismatch, "tensor ", tensor.name, ": expected a matrix, found ", tensor.rank, " dimensions");
  if (tensor.elements() == 0) return fail(errc::mismatch, "tensor ", tensor.name, ": an empty matrix");
  matrix m;
  result<void> layout;
  ((tensor.type == Formats::type ? void((m.kernels_ = kernels_of<Formats>(), layout = check_layout<Formats>(tensor)))
                                 : void()),
   ...);
  if (!m.kernels_)
    return fail(errc::unsupported, "tensor ", tensor.name, ": no kernel for type ", loquat::name(tensor.type));
  if (!layout) return layout.error();
  if (reinterpret_cast<std::uintptr_t>(tensor.data.data()) % 4 != 0)
    return fail(errc::argument, "tensor ", tensor.name, ": its bytes must lie at a multiple of 4");
  m.data_ = tensor.data.data();
  m.rows_ = static_cast<std::size_t>(tensor.rows());
  m.columns_ = static_cast<std::size_t>(tensor.columns());
  m.row_bytes_ = m.columns_ / m.kernels_->row_block * m.kernels_->row_block_bytes;
  return m;
}

template <BlockFormat... Formats, Executor E>
void basic_cpu<type_list<Formats...>, E>::reserve(workspace_limits const& limits, arena_size& size) const {
  std::uint64_t const inputs = std::uint64_t{limits.tokens + kernel::widest_tile} * limits.columns;
  for (unsigned block : {32u, 256u})
    size.add<std::int8_t>(inputs).add<float>(inputs / block).add<std::int16_t>(inputs / 16).add<float>(inputs / block);
  size.add<std::byte>(std::uint64_t{pool_.size()} * scratch_bytes(limits));
  detail::cpu_attention::reserve(limits, pool_.size(), size);
}

template <BlockFormat... Formats, Executor E>
auto basic_cpu<type_list<Formats...>, E>::make_workspace(workspace_limits const& limits, arena& memory) const
    -> workspace {
  std::size_t const inputs = (limits.tokens + kernel::widest_tile) * limits.columns;
  workspace work;
  auto const take = [&](std::size_t block) {
    return kernel::rounded_columns{memory.take<std::int8_t>(inputs).data(), memory.take<float>(inputs / block).data(),
                                   memory.take<std::int16_t>(inputs / 16).data(),
                                   memory.take<float>(inputs / block).data()};
  };
  work.by_32 = take(32);
  work.by_256 = take(256);
  work.scratch_bytes = scratch_bytes(limits);
  work.scratch = memory.take<std::byte>(pool_.size() * work.scratch_bytes);
  work.attention = detail::cpu_attention::make_workspace(limits, pool_.size(), memory);
  return work;
}

template <BlockFormat... Formats, Executor E>
void basic_cpu<type_list<Formats...>, E>::embed(workspace&, matrix const& embeddings, std::span<token const> ids,
                                                std::span<float> y) const noexcept {
  matrix const& m = embeddings;
  pool_run(ids.size(), m.columns_, [&](std::size_t t, unsigned) {
    m.kernels_->unpack(m.data_ + static_cast<std::size_t>(ids[t]) * m.row_bytes_, y.data() + t * m.columns_,
                       m.columns_);
  });
}

template <BlockFormat... Formats, Executor E>
void basic_cpu<type_list<Formats...>, E>::matmul(workspace& work, std::span<float const> x, std::size_t n,
                                                 std::span<projection<matrix> const> projections) const noexcept {
  std::size_t const k = x.size() / n;
  bool round_32 = false, round_256 = false;
  std::size_t chunks = 0;
  for (auto const& p : projections) {
    round_32 = round_32 || p.weights->kernels_->activations == 32;
    round_256 = round_256 || p.weights->kernels_->activations == 256;
    chunks += chunks_of(*p.weights, n);
  }
  if (round_32) round<32>(work.by_32, x, n, k);
  if (round_256) round<256>(work.by_256, x, n, k);
  pool_.run(chunks, [&](std::size_t chunk, unsigned thread) {
    auto const* p = projections.data();
    for (std::size_t own = chunks_of(*p->weights, n); chunk >= own; own = chunks_of(*p->weights, n)) chunk -= own, ++p;
    matrix const& w = *p->weights;
    std::size_t const step = chunk_rows(w, n), first = chunk * step, last = std::min(first + step, w.rows_);
    kernel::product const product{w.data_,     w.row_bytes_,
                                  w.rows_,     {x.data(), work.by_32, work.by_256, n, k},
                                  p->y.data(), last + (pool_.size() - 1) * step};
    w.kernels_->compute(product, first, last, work.scratch.data() + thread * work.scratch_bytes);
    if (p->bias.empty()) return;
    simd::dispatch<kernel::elementwise>(target_, [&](auto kernels) {
      for (std::size_t t = 0; t < n; ++t)
        kernels.add(p->y.data() + t * w.rows_ + first, p->bias.data() + first, last - first);
    });
  });
}

template <BlockFormat... Formats, Executor E>
void basic_cpu<type_list<Formats...>, E>::rms_norm(workspace&, std::span<float const> x, std::span<float const> weight,
                                                   float epsilon, std::span<float> y) const noexcept {
  std::size_t const d = weight.size();
  pool_run(x.size() / d, d, [&](std::size_t t, unsigned) {
    simd::dispatch<kernel::norms>(target_, [&](auto kernels) {
      kernels.rms_norm(x.data() + t * d, weight.data(), epsilon, y.data() + t * d, d);
    });
  });
}

template <BlockFormat... Formats, Executor E>
void basic_cpu<type_list<Formats...>, E>::layer_norm(workspace&, std::span<float const> x,
                                                     std::span<float const> weight, std::span<float const> bias,
                                                     float epsilon, std::span<float> y) const noexcept {
  std::size_t const d = weight.size();
  pool_run(x.size() / d, d, [&](std::size_t t, unsigned) {
    simd::dispatch<kernel::norms>(target_, [&](auto kernels) {
      kernels.layer_norm(x.data() + t * d, weight.data(), bias.data(), epsilon, y.data() + t * d, d);
    });
  });
}

template <BlockFormat... Formats, Executor E>
void basic_cpu<type_list<Formats...>, E>::rope(workspace&, rope_style style, std::span<float> y, std::size_t n,
                                               std::size_t head_dim, std::span<float const> cosines,
                                               std::span<float const> sines) const noexcept {
  std::size_t const width = y.size() / n, dims = cosines.size() / n;
  pool_run(n, width, [&](std::size_t t, unsigned) {
    simd::dispatch<kernel::ropes>(target_, [&](auto kernels) {
      kernels.rotate(style, y.data() + t * width, width / head_dim, head_dim, dims, cosines.data() + t * dims,
                     sines.data() + t * dims);
    });
  });
}

template <BlockFormat... Formats, Executor E>
void basic_cpu<type_list<Formats...>, E>::store_kv(workspace&, kv_cache& cache, std::size_t layer, std::size_t position,
                                                   std::span<float const> keys,
                                                   std::span<float const> values) const noexcept {
  std::size_t const dim = cache.head_dim, n = keys.size() / (cache.kv_heads * dim);
  pool_run(cache.kv_heads, n * dim, [&](std::size_t head, unsigned) {
    for (std::size_t t = 0; t < n; ++t) {
      std::size_t const at = (t * cache.kv_heads + head) * dim;
      cache.store(layer, head, position + t, keys.data() + at, values.data() + at);
    }
  });
}

template <BlockFormat... Formats, Executor E>
void basic_cpu<type_list<Formats...>, E>::add(workspace&, std::span<float> y, std::span<float const> x) const noexcept {
  in_parts(y.size(), [&](std::size_t i, std::size_t n) {
    simd::dispatch<kernel::elementwise>(target_, [&](auto kernels) { kernels.add(y.data() + i, x.data() + i, n); });
  });
}

template <BlockFormat... Formats, Executor E>
void basic_cpu<type_list<Formats...>, E>::attention(workspace& work, kv_cache const& cache,
                                                    attention_task const& task) const noexcept {
  detail::cpu_attention::run(pool_, target_, work.attention, cache, task);
}

template <BlockFormat... Formats, Executor E>
void basic_cpu<type_list<Formats...>, E>::convolve(workspace&, convolution_task const& task) const noexcept {
  detail::cpu_recurrence::convolve(pool_, target_, task);
}

template <BlockFormat... Formats, Executor E>
void basic_cpu<type_list<Formats...>, E>::scan(workspace&, scan_task const& task) const noexcept {
  detail::cpu_recurrence::scan(pool_, target_, task);
}

template <BlockFormat... Formats, Executor E>
void basic_cpu<type_list<Formats...>, E>::gate(workspace&, activation kind, std::span<float> y,
                                               std::span<float const> x) const noexcept {
  in_parts(y.size(), [&](std::size_t i, std::size_t n) {
    simd::dispatch<kernel::elementwise>(target_,
                                        [&](auto kernels) { kernels.gate(kind, y.data() + i, x.data() + i, n); });
  });
}

template <BlockFormat... Formats, Executor E>
void basic_cpu<type_list<Formats...>, E>::activate(workspace&, activation kind, std::span<float> y) const noexcept {
  in_parts(y.size(), [&](std::size_t i, std::size_t n) {
    simd::dispatch<kernel::elementwise>(target_, [&](auto kernels) { kernels.activate(kind, y.data() + i, n); });
  });
}

/// The CPU backend for the library's own block formats. Its kernels take some forty seconds to compile; a program of
/// several translation units can compile them in one of them alone (`template class loquat::basic_cpu<
/// loquat::builtin_formats>;`) and define LOQUAT_SEPARATE_KERNELS in the others.
using cpu = basic_cpu<builtin_formats>;

#ifdef LOQUAT_SEPARATE_KERNELS
extern template class basic_cpu<builtin_formats>;
#endif

} // namespace loquat
