#include <loquat/quant/formats.hpp>

namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

template <> struct quantizers<simd::LOQUAT_TARGET_NS::this_target> {
  static void quantize(float const* x, std::size_t k, std::int8_t* quants, float* scales, std::int32_t* sums) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    v::f32x16 const magic = v::broadcast(math::exp_constants::magic); // rounds to an integer in the low bits
    for (std::size_t i = 0; i < k; i += activation_block, ++scales, ++sums) {
      v::f32x16 const a = v::load(x + i), b = v::load(x + i + 16);
      float const largest = v::max(v::max(v::abs(a), v::abs(b)));
      bool const vanishes = largest < 1e-30f;
      v::f32x16 const inverse = v::broadcast(vanishes ? 0.0f : 127.0f / largest);
      v::store_i8(quants + i, v::fma(a, inverse, magic));
      v::store_i8(quants + i + 16, v::fma(b, inverse, magic));
      *scales = float_from_half(half_from_float(vanishes ? 0.0f : largest / 127.0f));
      std::int32_t total = 0;
      for (std::size_t j = 0; j < activation_block; ++j) total += quants[i + j];
      *sums = total;
    }
  }
};

// Integer formats: blocks of 32 weights with one scale.
template <integer_format Format> struct matmuls<simd::LOQUAT_TARGET_NS::this_target, Format> {
  static constexpr bool is_signed = Format::signed_quants;
  static constexpr int bias = Format::offset + (is_signed ? simd::LOQUAT_TARGET_NS::signed_bias : 0);
  static constexpr std::size_t lanes = simd::LOQUAT_TARGET_NS::row_lanes,
                               vectors = simd::LOQUAT_TARGET_NS::tile_vectors;
  static constexpr std::size_t tile_rows = lanes * vectors, tile_columns = simd::LOQUAT_TARGET_NS::tile_columns;
  static_assert(panel_rows % tile_rows == 0 && Format::block_length == activation_block);

  static void compute(product const& p, std::size_t first, std::size_t last, std::byte* scratch) noexcept {
    if (p.x.n < many_columns) {
      for (std::size_t r = first; r < last; r += 4) {
        std::size_t const rows = std::min<std::size_t>(4, last - r);
        std::size_t c = 0;
        for (; c + 4 <= p.x.n; c += 4) four_rows<4>(p, r, rows, c);
        for (; c + 2 <= p.x.n; c += 2) four_rows<2>(p, r, rows, c);
        for (; c < p.x.n; ++c) four_rows<1>(p, r, rows, c);
      }
      return;
    }
    std::size_t const blocks = p.x.k / activation_block;
    auto* const weights = reinterpret_cast<std::uint8_t*>(scratch); // see `unpack`
    auto* const scales = reinterpret_cast<float*>(scratch + panel_rows * p.x.k);
    for (std::size_t r = first; r < last; r += panel_rows) {
      std::size_t const rows = std::min(panel_rows, last - r);
      std::size_t const tiles = (rows + tile_rows - 1) / tile_rows;
      for (std::size_t t = 0; t < tiles; ++t)
        unpack(p, r + t * tile_rows, std::min(tile_rows, rows - t * tile_rows), weights + t * tile_rows * p.x.k,
               scales + t * tile_rows * blocks);
      auto const columns = [&]<std::size_t Columns>(std::size_t c) {
        for (std::size_t t = 0; t < tiles; ++t)
          tile<Columns>(p, weights + t * tile_rows * p.x.k, scales + t * tile_rows * blocks, r + t * tile_rows,
                        std::min(tile_rows, rows - t * tile_rows), c);
      };
      std::size_t c = 0;
      for (; c + tile_columns <= p.x.n; c += tile_columns) columns.template operator()<tile_columns>(c);
      for (; c + 2 <= p.x.n; c += 2) columns.template operator()<2>(c);
      for (; c < p.x.n; ++c) columns.template operator()<1>(c);
    }
  }

 private:
  LOQUAT_INLINE static auto prepared(std::byte const* block) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    auto const quants = v::load_quants(Format{}, block);
    if constexpr (is_signed)
      return v::prepare_signed(quants);
    else
      return quants;
  }

  // up to four rows straight from the file by a few columns
  template <std::size_t Columns>
  static void four_rows(product const& p, std::size_t r, std::size_t rows, std::size_t c) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    std::size_t const k = p.x.k, blocks = k / activation_block;
    std::byte const* w[4];
    for (std::size_t i = 0; i < 4; ++i) w[i] = p.row(r + std::min(i, rows - 1)); // rows beyond the end repeat the last
    std::byte const* const next = w[0] + 4 * p.row_bytes;
    v::f32x4 acc[Columns];
    for (auto& a : acc) a = v::zero4();
    for (std::size_t b = 0; b < blocks; ++b) {
      std::size_t const offset = b * Format::block_bytes;
      for (std::size_t line = 0; line < 4 * Format::block_bytes; line += 64) // the next four rows, in file order
        __builtin_prefetch(next + 4 * offset + line);
      auto const q0 = prepared(w[0] + offset), q1 = prepared(w[1] + offset), q2 = prepared(w[2] + offset),
                 q3 = prepared(w[3] + offset);
      v::f32x4 const scale = v::from_f16(detail::load_u16(w[0] + offset), detail::load_u16(w[1] + offset),
                                         detail::load_u16(w[2] + offset), detail::load_u16(w[3] + offset));
      LOQUAT_UNROLL
      for (std::size_t j = 0; j < Columns; ++j) {
        auto const x = v::load_bytes(p.x.quants + (c + j) * k + b * activation_block);
        std::size_t const at = (c + j) * blocks + b;
        v::f32x4 const total = v::template dots<is_signed>(q0, q1, q2, q3, x, bias * p.x.sums[at]);
        acc[j] = v::fma(total, v::mul(scale, v::broadcast4(p.x.scales[at])), acc[j]);
      }
    }
    for (std::size_t j = 0; j < Columns; ++j) {
      float four[4];
      v::store(four, acc[j]);
      std::copy_n(four, rows, p.y + (c + j) * p.rows + r);
    }
  }

  // rows r … r + rows, interleaved: weights[block][4 columns][row][column of the 4], scales[block][row]
  static void unpack(product const& p, std::size_t r, std::size_t rows, std::uint8_t* weights, float* scales) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    std::size_t const blocks = p.x.k / activation_block;
    for (std::size_t i = 0; i < tile_rows; ++i) {
      std::byte const* block = p.row(r + std::min(i, rows - 1));
      for (std::size_t b = 0; b < blocks; ++b, block += Format::block_bytes) {
        std::uint8_t quants[activation_block];
        v::store_bytes(quants, prepared(block));
        std::uint8_t* out = weights + b * activation_block * tile_rows + i * 4;
        for (std::size_t q = 0; q < activation_block; q += 4, out += tile_rows * 4) std::memcpy(out, quants + q, 4);
        scales[b * tile_rows + i] = float_from_half(detail::load_u16(block));
      }
    }
  }

  // an unpacked tile of rows by some columns, all accumulators in registers
  template <std::size_t Columns>
  static void tile(product const& p, std::uint8_t const* weights, float const* scales, std::size_t r, std::size_t rows,
                   std::size_t c) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    std::size_t const k = p.x.k, blocks = k / activation_block;
    v::row_floats acc[Columns][vectors];
    for (auto& column : acc)
      for (auto& a : column) a = v::zero_rows();
    for (std::size_t b = 0; b < blocks; ++b) {
      std::int8_t const* const x = p.x.quants + c * k + b * activation_block;
      v::row_sums sums[Columns][vectors];
      LOQUAT_UNROLL
      for (std::size_t j = 0; j < Columns; ++j) {
        LOQUAT_UNROLL
        for (std::size_t i = 0; i < vectors; ++i)
          sums[j][i] = v::broadcast_sums(-bias * p.x.sums[(c + j) * blocks + b]);
      }
      LOQUAT_UNROLL_BY(v::tile_unroll)
      for (std::size_t q = 0; q < activation_block; q += 4, weights += tile_rows * 4) {
        v::row_bytes w[vectors];
        LOQUAT_UNROLL
        for (std::size_t i = 0; i < vectors; ++i) w[i] = v::load_row_bytes(weights + i * lanes * 4);
        LOQUAT_UNROLL
        for (std::size_t j = 0; j < Columns; ++j) {
          LOQUAT_UNROLL
          for (std::size_t i = 0; i < vectors; ++i)
            sums[j][i] = v::template dot4<is_signed>(sums[j][i], w[i], x + j * k + q);
        }
      }
      LOQUAT_UNROLL
      for (std::size_t j = 0; j < Columns; ++j) {
        LOQUAT_UNROLL
        for (std::size_t i = 0; i < vectors; ++i)
          acc[j][i] =
              v::accumulate(acc[j][i], sums[j][i], v::load_rows(scales + i * lanes), p.x.scales[(c + j) * blocks + b]);
      }
      scales += tile_rows;
    }
    for (std::size_t j = 0; j < Columns; ++j) {
      float out[tile_rows];
      for (std::size_t i = 0; i < vectors; ++i) v::store_rows(out + i * lanes, acc[j][i]);
      std::copy_n(out, rows, p.y + (c + j) * p.rows + r);
    }
  }
};

// Float formats, and any other by unpacking its rows to floats first.
template <class Format> struct matmuls<simd::LOQUAT_TARGET_NS::this_target, Format> {
  static void compute(product const& p, std::size_t first, std::size_t last, std::byte* scratch) noexcept {
    constexpr std::size_t tile_rows = simd::LOQUAT_TARGET_NS::float_rows,
                          tile_columns = simd::LOQUAT_TARGET_NS::float_columns;
    if constexpr (float_format<Format>) {
      std::size_t r = first;
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
