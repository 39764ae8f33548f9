#ifdef LOQUAT_VECTORS
namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

// A tile of unpacked rows by some columns, all accumulators in registers.
template <tile_layout L> struct tiles<simd::LOQUAT_TARGET_NS::this_target, L> {
  static constexpr std::size_t lanes = simd::LOQUAT_TARGET_NS::row_lanes,
                               vectors = simd::LOQUAT_TARGET_NS::tile_vectors, rows = lanes * vectors,
                               width = simd::LOQUAT_TARGET_NS::tile_columns, groups = L.activations / L.group;

  // writes the products of a tile's rows with its columns to y[width, stride], or adds them; arguments by reference,
  // because compilers copy these by vectors, whose loads wait for the stores of the pointers and all stores before
  LOQUAT_NOINLINE static void multiply(panel const& all, rounded_columns const& columns, std::size_t depth, float* y,
                                       std::size_t stride, bool adds) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    panel w = all;
    rounded_columns x = columns;
    v::row_floats acc[width][vectors];
    LOQUAT_UNROLL
    for (std::size_t j = 0; j < width; ++j) {
      LOQUAT_UNROLL
      for (std::size_t i = 0; i < vectors; ++i)
        acc[j][i] = adds ? v::load_rows(y + j * stride + i * lanes) : v::zero_rows();
    }
    for (std::size_t a = 0; a < depth; a += L.activations) {
      v::row_floats total[width][vectors];
      if constexpr (L.activations == 256)
        add_super_block(total, w, x);
      else
        add_blocks(total, w, x);
      LOQUAT_UNROLL
      for (std::size_t j = 0; j < width; ++j) {
        v::row_floats const scale = v::broadcast_rows(x.scales[j]);
        LOQUAT_UNROLL
        for (std::size_t i = 0; i < vectors; ++i) {
          acc[j][i] = v::fma(total[j][i], v::mul(v::load_rows(w.scales + i * lanes), scale), acc[j][i]);
          if constexpr (L.minima && L.activations == 32)
            acc[j][i] = v::fma(v::broadcast_rows(x.totals[j]), v::load_rows(w.minima + i * lanes), acc[j][i]);
          else if constexpr (L.minima)
            acc[j][i] = v::fma(v::to_floats(pair_products(w, x, i, j)),
                               v::mul(v::load_rows(w.minima + i * lanes), scale), acc[j][i]);
        }
      }
      x.scales += width, x.totals += width, x.sums += L.activations / 16 * width;
      w.scales += rows, w.minima += rows, w.pairs += L.activations / 16 * rows;
    }
    LOQUAT_UNROLL
    for (std::size_t j = 0; j < width; ++j) {
      LOQUAT_UNROLL
      for (std::size_t i = 0; i < vectors; ++i) v::store_rows(y + j * stride + i * lanes, acc[j][i]);
    }
  }

 private:
  // Σ pairs · sums of sixteen activations, over a super-block
  LOQUAT_INLINE static auto pair_products(panel const& w, rounded_columns const& x, std::size_t i,
                                          std::size_t j) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    v::row_sums sum = v::zero_sums();
    LOQUAT_UNROLL
    for (std::size_t m = 0; m < 8; ++m)
      sum = v::dot2(sum, w.pairs + (m * rows + i * lanes) * 2, x.sums + (m * v::tile_columns + j) * 2);
    return sum;
  }

  // total = the dot products of the next 256 activations, integers
  template <class Floats>
  LOQUAT_INLINE static void add_super_block(Floats& total, panel& w, rounded_columns& x) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    v::row_sums sums[width][vectors];
    LOQUAT_UNROLL
    for (std::size_t j = 0; j < width; ++j) {
      LOQUAT_UNROLL
      for (std::size_t i = 0; i < vectors; ++i) sums[j][i] = L.offset ? pair_products(w, x, i, j) : v::zero_sums();
    }
    for (std::size_t g = 0; g < groups; ++g) {
      add_group(sums, w, x);
      w.starts += rows, w.group_scales += rows;
    }
    LOQUAT_UNROLL
    for (std::size_t j = 0; j < width; ++j) {
      LOQUAT_UNROLL
      for (std::size_t i = 0; i < vectors; ++i)
        total[j][i] = v::to_floats(L.negated ? v::negated(sums[j][i]) : sums[j][i]);
    }
  }

  // sums += g · the dot products of a super-block's group: g goes to the sums of pairs where products have 16 bits, to
  // those of the group where they have 32
  template <class Sums> LOQUAT_INLINE static void add_group(Sums& sums, panel& w, rounded_columns& x) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    v::row_scales scales[vectors];
    LOQUAT_UNROLL
    for (std::size_t i = 0; i < vectors; ++i)
      scales[i] = L.integer_scales() ? v::load_row_scales(w.group_scales + i * lanes) : v::unit_scales();
    if constexpr (v::scales_partials) {
      for (std::size_t q = 0; q < L.group; q += 32)
        add_quads<std::min<std::size_t>(L.group, 32) / 4>(sums, w.quants, x.quants, scales);
    } else {
      v::row_sums own[width][vectors];
      LOQUAT_UNROLL
      for (std::size_t j = 0; j < width; ++j) v::template start<L.group>(own[j], w.starts, x.sums, 0);
      for (std::size_t q = 0; q < L.group; q += 32)
        add_quads<std::min<std::size_t>(L.group, 32) / 4>(own, w.quants, x.quants, scales);
      LOQUAT_UNROLL
      for (std::size_t j = 0; j < width; ++j) {
        LOQUAT_UNROLL
        for (std::size_t i = 0; i < vectors; ++i) sums[j][i] = v::plus_scaled(sums[j][i], own[j][i], scales[i]);
      }
    }
  }

  // total = the dot products of the next 32 activations, of one group, or of two with float scales
  template <class Floats> LOQUAT_INLINE static void add_blocks(Floats& total, panel& w, rounded_columns& x) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    for (std::size_t g = 0; g < groups; ++g) {
      v::row_sums sums[width][vectors];
      LOQUAT_UNROLL
      for (std::size_t j = 0; j < width; ++j)
        v::template start<L.group>(sums[j], w.starts, x.sums + j * 2 + g, -w.bias);
      v::row_scales ones[vectors];
      LOQUAT_UNROLL
      for (auto& one : ones) one = v::unit_scales();
      add_quads<L.group / 4>(sums, w.quants, x.quants, ones);
      LOQUAT_UNROLL
      for (std::size_t j = 0; j < width; ++j) {
        LOQUAT_UNROLL
        for (std::size_t i = 0; i < vectors; ++i) {
          v::row_floats const dot = v::to_floats(sums[j][i]);
          if constexpr (groups == 1) {
            total[j][i] = dot;
          } else {
            v::row_floats const scale = v::load_rows(w.float_scales + i * lanes);
            total[j][i] = g == 0 ? v::mul(dot, scale) : v::fma(dot, scale, total[j][i]);
          }
        }
      }
      w.starts += rows, w.float_scales += rows;
    }
  }

  // sums += the dot products of the next Quads · 4 weights of every row, cell by cell, with `together` columns at once
  template <std::size_t Quads, class Sums, class Scales>
  LOQUAT_INLINE static void add_quads(Sums& sums, std::uint8_t*& weights, std::int8_t*& x,
                                      Scales const& scales) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    constexpr std::size_t run = std::min(Quads, L.run), cell = v::tile_cell, together = v::partial_columns;
    static_assert(run * 4 % cell == 0 && width % together == 0);
    LOQUAT_UNROLL_BY(v::tile_unroll)
    for (std::size_t q = 0; q < Quads; q += run) {
      v::row_partial partial[width / together][vectors];
      LOQUAT_UNROLL
      for (std::size_t j = 0; j < width; j += together) {
        LOQUAT_UNROLL
        for (std::size_t i = 0; i < vectors; ++i) partial[j / together][i] = v::begin(sums[j][i]);
      }
      LOQUAT_UNROLL
      for (std::size_t r = 0; r < run * 4 / cell; ++r, weights += rows * cell, x += width * cell) {
        v::row_bytes w[vectors];
        LOQUAT_UNROLL
        for (std::size_t i = 0; i < vectors; ++i) w[i] = v::load_row_bytes(weights + i * lanes * cell);
        LOQUAT_UNROLL
        for (std::size_t j = 0; j < width; j += together) {
          LOQUAT_UNROLL
          for (std::size_t i = 0; i < vectors; ++i) {
            auto& sum = partial[j / together][i];
            sum = v::template dot_cells<L.is_signed>(sum, w[i], x + j * cell);
          }
        }
      }
      LOQUAT_UNROLL
      for (std::size_t j = 0; j < width; ++j) {
        LOQUAT_UNROLL
        for (std::size_t i = 0; i < vectors; ++i)
          sums[j][i] = v::end(sums[j][i], partial[j / together][i], scales[i], j % together);
      }
    }
  }
};

// Panels one after the other, each multiplied with all columns.
template <> struct panels<simd::LOQUAT_TARGET_NS::this_target> {
  static constexpr std::size_t rows = simd::LOQUAT_TARGET_NS::row_lanes * simd::LOQUAT_TARGET_NS::tile_vectors,
                               width = simd::LOQUAT_TARGET_NS::tile_columns;

  static void compute(product const& p, std::size_t first, std::size_t last, panel const& all, tile_layout layout,
                      unpack_function* unpack, multiply_function* multiply) noexcept {
    for (std::size_t k = 0; k < p.x.k; k += panel_depth) {
      std::size_t const depth = std::min(panel_depth, p.x.k - k);
      for (std::size_t r = first; r < last; r += panel_rows) {
        std::size_t const end = std::min(r + panel_rows, last);
        for (std::size_t t = 0; r + t * rows < end; ++t)
          unpack(p, r + t * rows, std::min(r + (t + 1) * rows, end), k, depth, part(all, t, depth, layout));
        fetcher next(p, r, first, last, k);
        for (std::size_t c = 0; c < p.x.n; c += width) {
          next.fetch();
          rounded_columns const x =
              layout.activations == 32 ? columns<32>(p.x.by_32, p.x.k, c, k) : columns<256>(p.x.by_256, p.x.k, c, k);
          for (std::size_t t = 0; r + t * rows < end; ++t) {
            panel const w = part(all, t, depth, layout);
            float* const y = p.y + c * p.rows + r + t * rows;
            std::size_t const some_columns = std::min(width, p.x.n - c), some_rows = std::min(rows, end - r - t * rows);
            if (some_columns == width && some_rows == rows) {
              multiply(w, x, depth, y, p.rows, k != 0);
              continue;
            }
            float padded[width * rows]{}; // the products beyond the edge are thrown away
            for (std::size_t j = 0; j < some_columns && k != 0; ++j)
              std::copy_n(y + j * p.rows, some_rows, padded + j * rows);
            multiply(w, x, depth, padded, rows, k != 0);
            for (std::size_t j = 0; j < some_columns; ++j) std::copy_n(padded + j * rows, some_rows, y + j * p.rows);
          }
        }
      }
    }
  }

 private:
  // Fetches the weights of the panel after one at row r and weight k, a part with every tile of columns.
  struct fetcher {
    product const& p;
    std::size_t row, end, from, to, share; // rows; bytes of each; rows a part

    fetcher(product const& product, std::size_t r, std::size_t first, std::size_t last, std::size_t k) noexcept
        : p(product), row(r + panel_rows) {
      if (row >= last) k += panel_depth, row = first;
      if (k >= p.x.k) k = 0, row = p.next;
      end = row < p.rows ? std::min(row + panel_rows, p.rows) : row;
      from = p.row_bytes * k / p.x.k;
      to = p.row_bytes * std::min(k + panel_depth, p.x.k) / p.x.k;
      std::size_t const parts = (p.x.n + width - 1) / width;
      share = (panel_rows + parts - 1) / parts;
    }
    void fetch() noexcept {
      for (std::size_t const stop = std::min(row + share, end); row < stop; ++row)
        for (std::size_t line = from; line < to; line += 64) __builtin_prefetch(p.row(row) + line, 0, 2);
    }
  };

  // the t-th tile of a panel
  static panel part(panel w, std::size_t t, std::size_t depth, tile_layout layout) noexcept {
    std::size_t const before = t * rows;
    w.quants += before * depth;
    w.group_scales += before * (depth / layout.group);
    w.float_scales += before * (depth / layout.group);
    w.scales += before * (depth / layout.activations);
    w.minima += before * (depth / layout.activations);
    w.pairs += before * (depth / 16);
    w.starts += before * (depth / layout.group);
    return w;
  }

  // a tile of columns from activation k on
  template <std::size_t N>
  static rounded_columns columns(rounded_columns const& x, std::size_t depth, std::size_t c, std::size_t k) noexcept {
    return x.from<N>(c * depth).template from<N>(k, width);
  }
};

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI
#endif
