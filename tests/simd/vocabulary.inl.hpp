// The float operations of one target as functions of arrays, for `vocabulary.cpp`. n is a multiple of 16.
namespace {

template <> struct operations<loquat::simd::LOQUAT_TARGET_NS::this_target> {
  static void fma(float const* a, float const* b, float const* c, float* out, std::size_t n) {
    namespace v = loquat::simd::LOQUAT_TARGET_NS;
    for (std::size_t i = 0; i < n; i += 16) v::store(out + i, v::fma(v::load(a + i), v::load(b + i), v::load(c + i)));
  }
  static void max(float const* a, float const* b, float* out, std::size_t n) {
    namespace v = loquat::simd::LOQUAT_TARGET_NS;
    for (std::size_t i = 0; i < n; i += 16) v::store(out + i, v::max(v::load(a + i), v::load(b + i)));
  }
  static void reduce(float const* a, float* largest, float* sum, std::size_t n) {
    namespace v = loquat::simd::LOQUAT_TARGET_NS;
    for (std::size_t i = 0; i < n; i += 16) {
      largest[i / 16] = v::max(v::load(a + i));
      sum[i / 16] = v::sum(v::load(a + i));
    }
  }
  static void from_f16(std::uint16_t const* a, float* out, std::size_t n) {
    namespace v = loquat::simd::LOQUAT_TARGET_NS;
    for (std::size_t i = 0; i < n; i += 16) v::store(out + i, v::load_f16(a + i));
  }
  static void nearest_i8(float const* a, std::int8_t* out, std::size_t n) {
    namespace v = loquat::simd::LOQUAT_TARGET_NS;
    for (std::size_t i = 0; i < n; i += 16) v::store_nearest_i8(out + i, v::load(a + i));
  }
  static void nearest_i16(float const* a, std::int16_t* out, std::size_t n) {
    namespace v = loquat::simd::LOQUAT_TARGET_NS;
    for (std::size_t i = 0; i < n; i += 16) v::store_nearest_i16(out + i, v::load(a + i));
  }
  static void round_to_half(float const* a, float* out, std::size_t n) {
    namespace v = loquat::simd::LOQUAT_TARGET_NS;
    for (std::size_t i = 0; i < n; i += 16) v::store(out + i, v::round_to_half(v::load(a + i)));
  }
  static void select_less(float const* a, float const* b, float* out, std::size_t n) { // the lesser's operand, else b
    namespace v = loquat::simd::LOQUAT_TARGET_NS;
    for (std::size_t i = 0; i < n; i += 16)
      v::store(out + i, v::select_less(v::load(a + i), v::load(b + i), v::load(a + i), v::load(b + i)));
  }
  // the first n of sixteen lanes, back to where nothing behind them may change
  static void some(float const* a, float* out, std::size_t n) {
    namespace v = loquat::simd::LOQUAT_TARGET_NS;
    v::store(out, v::load(a, n), n);
    v::store(out + 16, v::load(a, n));
  }
};

} // namespace
