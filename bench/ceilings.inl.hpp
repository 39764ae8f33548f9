// The two loops behind `ceilings.hpp`, compiled for every target.
namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

template <> struct ceilings<simd::LOQUAT_TARGET_NS::this_target> {
  // 8-bit products of the full range, summed in 32 bits, on registers alone; returns how many multiply-adds that was
  static std::size_t multiply_add(std::size_t rounds) noexcept {
#ifdef LOQUAT_VECTORS
    namespace v = simd::LOQUAT_TARGET_NS;
    constexpr std::size_t chains = 8;
    std::uint8_t const ones[v::row_lanes * v::tile_cell] = {1};
    std::int8_t const x[v::partial_columns * v::tile_cell] = {1, 2, 3, 4};
    v::row_sums sums[chains];
    for (auto& s : sums) s = v::broadcast_sums(0);
    v::row_bytes w = v::load_row_bytes(ones);
    for (std::size_t i = 0; i < rounds; ++i) {
      LOQUAT_UNROLL
      for (std::size_t j = 0; j < chains; ++j) {
        hide(w);
        sums[j] = v::end(sums[j], v::template dot_cells<false>(v::begin(sums[j]), w, x), v::unit_scales(), 0);
      }
    }
    for (auto& s : sums) keep(s);
    return rounds * chains * v::row_lanes * v::partial_columns * v::tile_cell;
#else
    int sum = 0, w = 3;
    for (std::size_t i = 0; i < rounds; ++i) {
      hide(w);
      sum += w * static_cast<int>(i & 127);
    }
    keep(sum);
    return rounds;
#endif
  }

  // reads `bytes` once, 32 at a time
  static void read(std::byte const* data, std::size_t bytes) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    auto const* p = reinterpret_cast<float const*>(data);
    v::f32x16 sums[4];
    for (auto& s : sums) s = v::broadcast(0.0f);
    for (std::size_t i = 0; i + 64 <= bytes / sizeof(float); i += 64)
      for (std::size_t j = 0; j < 4; ++j) sums[j] = v::max(v::load(p + i + 16 * j), sums[j]);
    for (auto& s : sums) keep(s);
  }

 private:
  // the optimiser may not look through these
  template <class T> LOQUAT_INLINE static void hide(T& value) noexcept {
    if constexpr (sizeof(value) <= 64 && requires { value.v + value.v; })
      __asm__ volatile("" : "+v"(value.v));
    else
      __asm__ volatile("" : "+m"(value));
  }
  template <class T> LOQUAT_INLINE static void keep(T& value) noexcept { __asm__ volatile("" : : "m"(value)); }
};

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI
