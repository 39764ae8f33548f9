#include <loquat/kernel/body/tile.inl.hpp>
#include <loquat/quant/formats.hpp>

namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

template <> struct quantizers<simd::LOQUAT_TARGET_NS::this_target> {
  static constexpr std::size_t tile_columns = simd::LOQUAT_TARGET_NS::tile_columns,
                               tile_cell = simd::LOQUAT_TARGET_NS::tile_cell;

  template <std::size_t N> static void quantize(float const* x, std::size_t k, rounded_columns out) noexcept {
    for (std::size_t i = 0; i < k; i += N) quantize_block<N>(x + i, out.from<N>(i));
  }

  // In sweeps over all blocks, so that divisions and roundings of scales are done by vectors.
  template <std::size_t N>
  static void quantize_tile(float const* x, std::size_t n, std::size_t k, rounded_columns out) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    std::size_t const blocks = k / N, all = blocks * tile_columns;
    std::fill_n(out.scales, all, 0.0f); // of the columns that a tile has too many
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t b = 0; b < blocks; ++b) out.scales[b * tile_columns + j] = largest_of<N>(x + j * k + b * N);
    sweep(all, [=](std::size_t i, auto... lanes) { // for now, totals are what to multiply with
      v::f32x16 const largest = v::load(out.scales + i, lanes...);
      v::store(out.totals + i, unless_vanishing(largest, v::div(v::broadcast(127.0f), largest)), lanes...);
    });
    for (std::size_t b = 0; b < blocks; ++b)
      for (std::size_t j = 0; j < tile_columns; ++j) {
        float& total = out.totals[b * tile_columns + j];
        v::f32x16 const inverse = v::broadcast(total);
        int sum = 0;
        LOQUAT_UNROLL_BY(2)
        for (std::size_t i = b * N; i < (b + 1) * N; i += 16) {
          std::int8_t quants[16]{};
          if (j < n) v::store_nearest_i8(quants, v::mul(v::load(x + j * k + i), inverse));
          std::int16_t const sixteen = v::sum_of_16(quants);
          sum += out.sums[(i / 32 * tile_columns + j) * 2 + i / 16 % 2] = sixteen;
          for (auto& q : quants) q = static_cast<std::int8_t>(static_cast<std::uint8_t>(q) + v::tile_excess);
          for (std::size_t q = 0; q < 16; q += tile_cell)
            std::memcpy(out.quants + (i + q) * tile_columns + j * tile_cell, quants + q, tile_cell);
        }
        total = static_cast<float>(sum);
      }
    sweep(all, [=](std::size_t i, auto... lanes) { // as `rounded_activations` says
      v::f32x16 const largest = v::load(out.scales + i, lanes...);
      if constexpr (N == 32) {
        v::f32x16 const step = unless_vanishing(largest, v::div(largest, v::broadcast(127.0f)));
        v::store(out.scales + i, v::round_to_half(step), lanes...);
        v::store(out.totals + i, v::round_to_half(v::mul(step, v::load(out.totals + i, lanes...))), lanes...);
      } else {
        v::f32x16 const inverse = v::div(v::broadcast(127.0f), largest);
        v::store(out.scales + i, unless_vanishing(largest, v::div(v::broadcast(1.0f), inverse)), lanes...);
      }
    });
  }

 private:
  // calls f(offset, lanes…) for every sixteen elements, the last time with the number of lanes that remain
  template <class F> LOQUAT_INLINE static void sweep(std::size_t n, F f) noexcept {
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16) f(i);
    if (i < n) f(i, n - i);
  }
  // the value, or zeros where the largest magnitude is too small to divide by
  template <class Lanes> LOQUAT_INLINE static Lanes unless_vanishing(Lanes largest, Lanes value) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    return v::select_less(largest, v::broadcast(1e-30f), v::broadcast(0.0f), value);
  }
  template <std::size_t N> LOQUAT_INLINE static float largest_of(float const* x) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    v::f32x16 magnitudes = v::broadcast(0.0f);
    for (std::size_t j = 0; j < N; j += 16) magnitudes = v::max(v::abs(v::load(x + j)), magnitudes);
    return v::max(magnitudes);
  }

  // N activations that share a scale
  template <std::size_t N> LOQUAT_INLINE static void quantize_block(float const* x, rounded_columns out) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    float const largest = largest_of<N>(x);
    bool const vanishes = largest < 1e-30f;
    v::f32x16 const inverse = v::broadcast(vanishes ? 0.0f : 127.0f / largest);
    for (std::size_t j = 0; j < N; j += 16) {
      v::store_nearest_i8(out.quants + j, v::mul(v::load(x + j), inverse));
      out.sums[j / 16] = v::sum_of_16(out.quants + j);
    }
    // as `rounded_activations` says
    if constexpr (N == 32) {
      float const step = vanishes ? 0.0f : largest / 127.0f;
      *out.scales = v::round_to_half(step);
      *out.totals = v::round_to_half(step * static_cast<float>(out.sums[0] + out.sums[1]));
    } else {
      *out.scales = vanishes ? 0.0f : rounded_activations<N>::scale_of(largest);
    }
  }
};

#ifdef LOQUAT_VECTORS

// Integer formats.
template <integer_format Format> struct matmuls<simd::LOQUAT_TARGET_NS::this_target, Format> {
  static constexpr integer_layout layout = Format::integer;
  static constexpr bool is_signed = layout.is_signed(), super_block = layout.activations == 256,
                        by_eight = !super_block && !layout.float_scales;
  static constexpr std::size_t groups = Format::block_length / layout.group, // of a block
      run = simd::LOQUAT_TARGET_NS::quads_of_a_partial(layout.largest());
  // Tiles have q − offset where activations have an excess, and where more of those than of q fit into a partial; where
  // partials have 32 bits, −g · (q − offset) if bytes can hold them.
  static constexpr bool any_excess = simd::LOQUAT_TARGET_NS::tile_excess != 0,
                        scaled = super_block && groups > 1 &&
                                 layout.scaled_fit_bytes() && simd::LOQUAT_TARGET_NS::quads_of_a_partial(127) == 8,
                        less_offset = layout.offset != 0 && (any_excess || scaled || (super_block && run == 1)),
                        tile_offset = layout.offset != 0 && !less_offset;
  static constexpr tile_layout in_tiles{.group = scaled ? 256 : layout.group,
                                        .activations = layout.activations,
                                        .run = less_offset ? simd::LOQUAT_TARGET_NS::quads_of_a_partial(std::max(
                                                                 layout.offset, layout.highest - layout.offset))
                                                           : run,
                                        .is_signed = (is_signed || less_offset) && !any_excess,
                                        .minima = layout.minima != 0,
                                        .offset = tile_offset,
                                        .negated = scaled};
  using tile = tiles<simd::LOQUAT_TARGET_NS::this_target, in_tiles>;
  static_assert(panel_rows % tile::rows == 0 && panel_depth % Format::block_length == 0);

  static void compute(product const& p, std::size_t first, std::size_t last, std::byte* scratch) noexcept {
    if (p.x.n >= many_columns)
      return panels<simd::LOQUAT_TARGET_NS::this_target>::compute(p, first, last, panel(scratch, layout.offset),
                                                                  in_tiles, unpack, tile::multiply);
    constexpr std::size_t unit = by_eight ? 8 : 4;
    for (std::size_t r = first; r < last; r += unit) {
      std::size_t const rows = std::min(unit, last - r);
      std::size_t c = 0;
      for (; c + 1 < p.x.n; c += 4) few_rows<4>(p, r, rows, c);
      if (c < p.x.n) few_rows<1>(p, r, rows, c);
    }
  }

 private:
  // up to eight or four rows straight from the file by a few columns
  template <std::size_t Columns>
  LOQUAT_NOINLINE static void few_rows(product const& p, std::size_t r, std::size_t rows, std::size_t c) noexcept {
    if constexpr (super_block)
      super_blocks<Columns>(p, r, rows, c);
    else if constexpr (by_eight)
      eight_rows<Columns>(p, r, rows, c);
    else
      four_rows<Columns>(p, r, rows, c);
  }

  // Blocks of 32: sixteen weights of two rows in a vector, which takes the fewest instructions to add up.
  template <std::size_t Columns>
  LOQUAT_INLINE static void eight_rows(product const& p, std::size_t r, std::size_t rows, std::size_t c) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    constexpr int bias = layout.offset + (is_signed ? v::signed_bias : 0);
    std::size_t const k = p.x.k;
    rounded_columns x[Columns];
    for (std::size_t j = 0; j < Columns; ++j) x[j] = p.x.by_32.from<32>(std::min(c + j, p.x.n - 1) * k);
    std::byte const* w[8];
    for (std::size_t i = 0; i < 8; ++i) w[i] = p.row(r + std::min(i, rows - 1)); // rows beyond the end repeat the last
    auto next = reinterpret_cast<std::uintptr_t>(w[0]) + 8 * p.row_bytes;        // the next eight rows, in file order
    v::f32x8 acc[Columns];
    for (auto& a : acc) a = v::zero8();
    for (std::size_t b = 0, offset = 0; b < k; b += 32, offset += Format::block_bytes) {
      for (std::size_t line = 0; line < 8 * Format::block_bytes; line += 64)
        __builtin_prefetch(reinterpret_cast<void const*>(next + line));
      next += 8 * Format::block_bytes;
      std::byte const* const block[8]{w[0] + offset, w[1] + offset, w[2] + offset, w[3] + offset,
                                      w[4] + offset, w[5] + offset, w[6] + offset, w[7] + offset};
      auto const quants = [&](std::size_t i) LOQUAT_INLINE_LAMBDA {
        auto const q = v::load_two_rows(Format{}, block[i], block[i + 4]);
        if constexpr (is_signed)
          return v::two_rows{v::prepare_signed(q.first), v::prepare_signed(q.second)};
        else
          return q;
      };
      auto const q0 = quants(0), q1 = quants(1), q2 = quants(2), q3 = quants(3);
      v::f32x8 const scale = scales_of(block);
      LOQUAT_UNROLL
      for (std::size_t j = 0; j < Columns; ++j) {
        auto const dots = v::template dots<is_signed, run>(q0, q1, q2, q3, v::load_twice(x[j].quants + b),
                                                           v::load_twice(x[j].quants + b + 16));
        v::f32x8 const x_scale = v::broadcast8(x[j].scales[b / 32]);
        acc[j] = v::fma(v::template less_sums<bias>(dots, x[j].sums + b / 16), v::mul(scale, x_scale), acc[j]);
        if constexpr (layout.minima != 0) acc[j] = v::fma(v::broadcast8(x[j].totals[b / 32]), minima_of(block), acc[j]);
      }
    }
    store(p, acc, r, rows, c);
  }

  // Super-blocks: integers up to the sum of a block, row after row.
  template <std::size_t Columns>
  LOQUAT_INLINE static void super_blocks(product const& p, std::size_t r, std::size_t rows, std::size_t c) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    std::size_t const k = p.x.k;
    rounded_columns x[Columns];
    for (std::size_t j = 0; j < Columns; ++j) x[j] = p.x.by_256.from<256>(std::min(c + j, p.x.n - 1) * k);
    std::byte const* w[4];
    for (std::size_t i = 0; i < 4; ++i) w[i] = p.row(r + std::min(i, rows - 1)); // rows beyond the end repeat the last
    auto next = reinterpret_cast<std::uintptr_t>(w[0]) + 4 * p.row_bytes;        // the next four rows, in file order
    v::f32x4 acc[Columns];
    for (auto& a : acc) a = v::zero4();
    for (std::size_t b = 0, offset = 0; b < k; b += 256, offset += Format::block_bytes) {
      v::i32x8 dots[4][Columns], minima[4][Columns];
      v::i16x16 sums[Columns];
      if constexpr (layout.offset != 0 || layout.minima != 0)
        for (std::size_t j = 0; j < Columns; ++j) sums[j] = v::evens_and_odds(x[j].sums + b / 16);
      decltype(opened_row(w[0])) row[opens ? 4 : 1];
      if constexpr (opens) { // all before the first is used, which would wait long
        LOQUAT_UNROLL_BY(1)
        for (std::size_t i = 0; i < 4; ++i) row[i] = opened_row(w[i] + offset);
      }
      LOQUAT_UNROLL_BY(1)
      for (std::size_t i = 0; i < 4; ++i) {
        for (std::size_t line = 0; line < Format::block_bytes; line += 64)
          __builtin_prefetch(reinterpret_cast<void const*>(next + line));
        next += Format::block_bytes;
        if constexpr (!opens) row[0] = opened_row(w[i] + offset);
        row_dots<Columns>(row[opens ? i : 0], x, b, sums, dots[i]);
        if constexpr (layout.minima != 0) {
          v::i16x16 const m = v::evens_and_odds(Format::group_minima(w[i] + offset));
          LOQUAT_UNROLL
          for (std::size_t j = 0; j < Columns; ++j) minima[i][j] = v::products(m, sums[j]);
        }
      }
      auto const [scale, minimum] = scales_and_minima_of(w, offset);
      LOQUAT_UNROLL
      for (std::size_t j = 0; j < Columns; ++j) {
        auto const added = [j](v::i32x8 const(&four)[4][Columns]) LOQUAT_INLINE_LAMBDA {
          return v::to_floats(v::sums(four[0][j], four[1][j], four[2][j], four[3][j]));
        };
        v::f32x4 const x_scale = v::broadcast4(x[j].scales[b / 256]);
        acc[j] = v::fma(added(dots), v::mul(scale, x_scale), acc[j]);
        if constexpr (layout.minima > 0) acc[j] = v::fma(added(minima), v::mul(minimum, x_scale), acc[j]);
        if constexpr (layout.minima < 0) acc[j] = v::fma_negated(added(minima), v::mul(minimum, x_scale), acc[j]);
      }
    }
    store(p, acc, r, rows, c);
  }

  // what `load_quants` takes weights from: the block, or what the format makes of it
  static constexpr bool opens = requires(std::byte const* block) { simd::LOQUAT_TARGET_NS::opened(Format{}, block); };
  LOQUAT_INLINE static auto opened(std::byte const* block) noexcept {
    if constexpr (opens)
      return simd::LOQUAT_TARGET_NS::opened(Format{}, block);
    else
      return block;
  }
  template <class Opened> struct super_block_row {
    Opened block;
    simd::LOQUAT_TARGET_NS::i16x16 scales;
  };
  LOQUAT_INLINE static auto scales_of_groups(std::byte const* block) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    if constexpr (groups == 1)
      return v::broadcast_i16(1);
    else if constexpr (requires { v::vector_scales(Format{}, block); })
      return v::vector_scales(Format{}, block);
    else
      return v::evens_and_odds(Format::group_scales(block));
  }
  LOQUAT_INLINE static auto opened_row(std::byte const* block) noexcept {
    return super_block_row<decltype(opened(block))>{opened(block), scales_of_groups(block)};
  }

  // Σ g · (q − offset) · x of one super-block and the activations from `at` on, in eight parts
  template <std::size_t Columns, class Row>
  LOQUAT_INLINE static void row_dots(Row const& row, rounded_columns const (&x)[Columns], std::size_t at,
                                     simd::LOQUAT_TARGET_NS::i16x16 const (&sums)[Columns],
                                     simd::LOQUAT_TARGET_NS::i32x8 (&dots)[Columns]) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    v::i32x8 wide[Columns];
    v::narrow_sums narrow[Columns];
    v::i16x16 const factors = v::times(row.scales, -layout.offset);
    LOQUAT_UNROLL
    for (std::size_t j = 0; j < Columns; ++j) {
      wide[j] = layout.offset != 0 ? v::products(factors, sums[j]) : v::zero_i32x8();
      narrow[j] = v::zero_narrow();
    }
    auto const step = [&](std::size_t s) LOQUAT_INLINE_LAMBDA {
      v::i8x32 const q = v::load_quants(Format{}, row.block, s);
      v::i16x16 const scale = v::scales_of_step(row.scales, s);
      LOQUAT_UNROLL
      for (std::size_t j = 0; j < Columns; ++j) {
        v::i8x32 const xs = v::load_bytes(x[j].quants + at + s * 32);
        if constexpr (groups == 1)
          narrow[j] = v::template plus<is_signed>(narrow[j], q, xs);
        else
          wide[j] = v::template plus_scaled<is_signed>(wide[j], q, xs, scale);
      }
    };
    step(0), step(1), step(2), step(3), step(4), step(5), step(6), step(7);
    LOQUAT_UNROLL
    for (std::size_t j = 0; j < Columns; ++j) dots[j] = groups == 1 ? v::plus(wide[j], narrow[j]) : wide[j];
  }

  // Groups of 16 with float scales.
  template <std::size_t Columns>
  LOQUAT_INLINE static void four_rows(product const& p, std::size_t r, std::size_t rows, std::size_t c) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    std::size_t const k = p.x.k;
    rounded_columns x[Columns];
    for (std::size_t j = 0; j < Columns; ++j) x[j] = p.x.by_32.from<32>(std::min(c + j, p.x.n - 1) * k);
    std::byte const* w[4];
    for (std::size_t i = 0; i < 4; ++i) w[i] = p.row(r + std::min(i, rows - 1)); // rows beyond the end repeat the last
    auto const next = reinterpret_cast<std::uintptr_t>(w[0]) + 4 * p.row_bytes;
    v::f32x4 acc[Columns];
    for (auto& a : acc) a = v::zero4();
    for (std::size_t b = 0, offset = 0; b < k; b += Format::block_length, offset += Format::block_bytes) {
      for (std::size_t line = 0; line < 4 * Format::block_bytes; line += 64) // the next four rows, in file order
        __builtin_prefetch(reinterpret_cast<void const*>(next + 4 * offset + line));
      std::byte const* const block[4]{w[0] + offset, w[1] + offset, w[2] + offset, w[3] + offset};
      auto const scale = scales_of(block);
      for (std::size_t s = 0; s < Format::block_length / 32; ++s) {
        auto const quants = [&](std::size_t i) LOQUAT_INLINE_LAMBDA { return v::load_quants(Format{}, block[i], s); };
        auto const group_scales = [&](std::size_t g) LOQUAT_INLINE_LAMBDA {
          return v::set(block, [=](std::byte const* one) { return Format::group_scales(one)[s * 2 + g]; });
        };
        auto const q0 = quants(0), q1 = quants(1), q2 = quants(2), q3 = quants(3);
        auto const g0 = group_scales(0), g1 = group_scales(1);
        LOQUAT_UNROLL
        for (std::size_t j = 0; j < Columns; ++j) {
          std::size_t const at = b + s * 32;
          v::i32x8 const dots = v::template dots<is_signed>(q0, q1, q2, q3, v::load_bytes(x[j].quants + at));
          v::f32x4 const total = v::fma(v::to_floats(v::high(dots)), g1, v::mul(v::to_floats(v::low(dots)), g0));
          acc[j] = v::fma(total, v::mul(scale, v::broadcast4(x[j].scales[at / 32])), acc[j]);
        }
      }
    }
    store(p, acc, r, rows, c);
  }

  template <class Lanes, std::size_t Columns>
  LOQUAT_INLINE static void store(product const& p, Lanes const (&acc)[Columns], std::size_t r, std::size_t rows,
                                  std::size_t c) noexcept {
    for (std::size_t j = 0; j < Columns && c + j < p.x.n; ++j) {
      float lanes[sizeof(Lanes) / sizeof(float)];
      simd::LOQUAT_TARGET_NS::store(lanes, acc[j]);
      std::copy_n(lanes, rows, p.y + (c + j) * p.rows + r);
    }
  }

  template <std::size_t N>
  LOQUAT_INLINE static auto scales_of(std::byte const* const (&block)[N], std::size_t offset = 0) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    if constexpr (requires { Format::scale_factor; })
      return v::mul(v::load_f16(block, offset + Format::scale_at), v::broadcast4(Format::scale_factor));
    else if constexpr (requires { Format::scale_at; })
      return v::load_f16(block, offset + Format::scale_at);
    else
      return v::set(block, [=](std::byte const* b) { return Format::scale(b + offset); });
  }
  template <std::size_t N>
  LOQUAT_INLINE static auto minima_of(std::byte const* const (&block)[N], std::size_t offset = 0) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    if constexpr (requires { Format::minimum_at; })
      return v::load_f16(block, offset + Format::minimum_at);
    else
      return v::set(block, [=](std::byte const* b) { return Format::minimum(b + offset); });
  }
  // both of four rows; zeros for minima that are none
  LOQUAT_INLINE static auto scales_and_minima_of(std::byte const* const (&block)[4], std::size_t offset = 0) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    if constexpr (requires { requires Format::minimum_at == Format::scale_at + 2; })
      return v::load_f16_pairs(block, offset + Format::scale_at);
    else if constexpr (layout.minima != 0)
      return v::f16_pairs{scales_of(block, offset), minima_of(block, offset)};
    else
      return v::f16_pairs{scales_of(block, offset), v::zero4()};
  }

  // weights `from` … `from` + `depth` of the rows first … last
  static void unpack(product const& p, std::size_t first, std::size_t last, std::size_t from, std::size_t depth,
                     panel const& w) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    for (std::size_t i = 0; i < tile::rows; i += 8) {
      std::byte const* block[8];
      for (std::size_t j = 0; j < 8; ++j) // rows beyond the end repeat the last
        block[j] = p.row(std::min(first + i + j, last - 1)) + from / Format::block_length * Format::block_bytes;
      for (std::size_t d = 0; d < depth; d += Format::block_length) {
        decltype(opened(block[0])) source[8];
        for (std::size_t j = 0; j < 8; ++j) source[j] = opened(block[j]);
        [[maybe_unused]] v::i16x16 factors[8];
        if constexpr (scaled)
          for (std::size_t j = 0; j < 8; ++j) factors[j] = v::times(scales_of_groups(block[j]), -1);
        for (std::size_t s = 0; s < Format::block_length / 32; ++s) {
          v::i8x32 q[8];
          LOQUAT_UNROLL_BY(1)
          for (std::size_t j = 0; j < 8; ++j) {
            q[j] = v::load_quants(Format{}, source[j], s);
            if constexpr (less_offset) q[j] = v::minus(q[j], v::broadcast_byte(layout.offset));
            if constexpr (scaled) q[j] = v::byte_products(q[j], v::scales_of_step(factors[j], s));
          }
          v::store_cells(q, w.quants + (d + s * 32) * tile::rows + i * v::tile_cell, tile::rows * v::tile_cell);
        }
        unpack_scales<0>(block, d, i, w);
        unpack_scales<4>(block, d, i + 4, w);
        LOQUAT_UNROLL_BY(1)
        for (std::size_t j = 0; j < 8; ++j) unpack_group_scales(block[j], d, i + j, w);
        for (auto& b : block) b += Format::block_bytes;
      }
    }
    v::template store_starts<in_tiles.group, tile::rows>(w.quants, depth, w.starts);
  }
  // of the rows First … First + 4 of eight
  template <std::size_t First>
  static void unpack_scales(std::byte const* const (&eight)[8], std::size_t d, std::size_t row,
                            panel const& w) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    std::byte const* const block[4]{eight[First], eight[First + 1], eight[First + 2], eight[First + 3]};
    auto const [scale, minimum] = scales_and_minima_of(block);
    for (std::size_t a = 0; a < Format::block_length; a += layout.activations)
      v::store(w.scales + (d + a) / layout.activations * tile::rows + row, scale);
    if constexpr (layout.minima != 0) {
      for (std::size_t a = 0; a < Format::block_length; a += layout.activations)
        v::store(w.minima + (d + a) / layout.activations * tile::rows + row, minimum);
    }
  }
  static void unpack_group_scales(std::byte const* block, std::size_t d, std::size_t row, panel const& w) noexcept {
    constexpr std::size_t stride = tile::rows;
    std::array<std::int8_t, Format::block_length / layout.group> g{1};
    if constexpr (layout.float_scales) {
      auto const floats = Format::group_scales(block);
      for (std::size_t i = 0; i < groups; ++i) w.float_scales[(d / layout.group + i) * stride + row] = floats[i];
    } else if constexpr (groups > 1 && !scaled) {
      g = Format::group_scales(block);
      for (std::size_t i = 0; i < groups; ++i)
        w.group_scales[(d / layout.group + i) * stride + row] = simd::LOQUAT_TARGET_NS::row_scale(g[i]);
    }
    if constexpr (super_block && (layout.minima != 0 || tile_offset)) {
      if constexpr (layout.minima != 0) g = Format::group_minima(block);
      constexpr int factor = layout.minima != 0 ? layout.minima : -layout.offset;
      for (std::size_t i = 0; i < 16; ++i) // in pairs for every 32 weights
        w.pairs[((d / 32 + i / 2) * stride + row) * 2 + i % 2] =
            static_cast<std::int16_t>(factor * g[i * 16 / layout.group]);
    }
  }
};

#else

// Integer formats, as their definition says.
template <integer_format Format> struct matmuls<simd::target::scalar, Format> {
  static void compute(product const& p, std::size_t first, std::size_t last, std::byte*) noexcept {
    constexpr std::size_t step = Format::integer.activations;
    rounded_columns const& x = p.x.rounded<step>();
    for (std::size_t r = first; r < last; ++r) {
      for (std::size_t c = 0; c < p.x.n; ++c) p.y[c * p.rows + r] = 0;
      for (std::size_t b = 0; b < p.x.k; b += Format::block_length) {
        integer_block<Format> const block(p.row(r) + b / Format::block_length * Format::block_bytes);
        for (std::size_t c = 0; c < p.x.n; ++c)
          for (std::size_t i = 0; i < Format::block_length; i += step) {
            std::size_t const at = c * p.x.k + b + i;
            float& y = p.y[c * p.rows + r];
            float const total = step == 32 ? x.totals[at / step] : 0.0f;
            y = plus_product(y, block, i, x.quants + at, x.sums + at / 16, x.scales[at / step], total);
          }
      }
    }
  }
};

#endif

// Float formats, and any other by unpacking its rows to floats first.
template <class Format> struct matmuls<simd::LOQUAT_TARGET_NS::this_target, Format> {
  static void compute(product const& p, std::size_t first, std::size_t last, std::byte* scratch) noexcept {
    constexpr std::size_t tile_rows = simd::LOQUAT_TARGET_NS::float_rows,
                          tile_columns = simd::LOQUAT_TARGET_NS::float_columns;
    if constexpr (float_format<Format>) {
      std::size_t r = first;
      if constexpr (tile_rows > 1)
        if (p.x.n < tile_columns)
          for (; r + 4 <= last; r += 4)
            for (std::size_t c = 0; c < p.x.n; ++c) tile<Format, 4, 1>(p, p.row(r), r, c);
      for (; r + tile_rows <= last; r += tile_rows) each_column<tile_rows>(p, r);
      for (; r < last; ++r) each_column<1>(p, r);
    } else {
      auto* const weights = reinterpret_cast<float*>(scratch); // [k]
      for (std::size_t r = first; r < last; ++r) {
        unpack_row<Format>(p.row(r), weights, p.x.k);
        for (std::size_t c = 0; c < p.x.n; ++c) tile<f32, 1, 1>(p, reinterpret_cast<std::byte const*>(weights), r, c);
      }
    }
  }

 private:
  template <std::size_t Rows> static void each_column(product const& p, std::size_t r) noexcept {
    constexpr std::size_t wide = simd::LOQUAT_TARGET_NS::float_columns;
    std::size_t c = 0;
    for (; c + wide <= p.x.n; c += wide) tile<Format, Rows, wide>(p, p.row(r), r, c);
    for (; c < p.x.n; ++c) tile<Format, Rows, 1>(p, p.row(r), r, c);
  }

  // Rows by Columns dot products, lanes along k
  template <class Stored, std::size_t Rows, std::size_t Columns>
  static void tile(product const& p, std::byte const* weights, std::size_t r, std::size_t c) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    std::size_t const k = p.x.k;
    v::f32x16 acc[Rows][Columns];
    for (auto& row : acc)
      for (auto& a : row) a = v::broadcast(0.0f);
    auto const step = [&](std::size_t d, auto... lanes) {
      v::f32x16 x[Columns];
      LOQUAT_UNROLL
      for (std::size_t j = 0; j < Columns; ++j) x[j] = v::load(p.x.values + (c + j) * k + d, lanes...);
      LOQUAT_UNROLL
      for (std::size_t i = 0; i < Rows; ++i) {
        v::f32x16 const w = v::load_weights(Stored{}, weights + i * p.row_bytes + d * Stored::block_bytes, lanes...);
        LOQUAT_UNROLL
        for (std::size_t j = 0; j < Columns; ++j) acc[i][j] = v::fma(w, x[j], acc[i][j]);
      }
    };
    std::size_t d = 0;
    for (; d + 16 <= k; d += 16) step(d);
    if (d < k) step(d, k - d);
    for (std::size_t i = 0; i < Rows; ++i)
      for (std::size_t j = 0; j < Columns; ++j) p.y[(c + j) * p.rows + r + i] = v::sum(acc[i][j]);
  }
};

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI
