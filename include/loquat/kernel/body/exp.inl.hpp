// eˣ, tanh x and log(1 + eˣ) on sixteen lanes: the formulas of math::exp, math::tanh and math::softplus in float,
// operation by operation.
namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS {

#ifndef LOQUAT_VECTORS
LOQUAT_NOINLINE inline f32x16 exp(f32x16 x) noexcept {
  return lanewise([&](std::size_t i) { return math::exp(x.v[i]); });
}
LOQUAT_NOINLINE inline f32x16 tanh(f32x16 x) noexcept {
  return lanewise([&](std::size_t i) { return math::tanh(x.v[i]); });
}
inline f32x16 clip(f32x16 x, float low, float high) noexcept {
  return lanewise([&](std::size_t i) { return x.v[i] > high ? high : x.v[i] < low ? low : x.v[i]; });
}
LOQUAT_NOINLINE inline f32x16 gelu_erf(f32x16 x) noexcept {
  return lanewise([&](std::size_t i) { return math::gelu(x.v[i]); });
}
#else
// NaN stays
LOQUAT_INLINE f32x16 clip(f32x16 x, float low, float high) noexcept {
  f32x16 const bounded = select_less(broadcast(high), x, broadcast(high), x);
  return select_less(bounded, broadcast(low), broadcast(low), bounded);
}
LOQUAT_INLINE f32x16 exp(f32x16 x) noexcept {
  using k = math::exp_constants;
  f32x16 const lowest = broadcast(k::lowest), highest = broadcast(k::highest), magic = broadcast(k::magic);
  f32x16 bounded = select_less(x, lowest, lowest, x);
  bounded = select_less(highest, bounded, highest, bounded);
  f32x16 const shifted = fma(bounded, broadcast(k::log2_e), magic);
  f32x16 const n = sub(shifted, magic);
  f32x16 r = fma(n, broadcast(-k::ln2_high), bounded);
  r = fma(n, broadcast(-k::ln2_low), r);
  f32x16 p = fma(broadcast(k::c7), r, broadcast(k::c6));
  p = fma(p, r, broadcast(k::c5));
  p = fma(p, r, broadcast(k::c4));
  p = fma(p, r, broadcast(k::c3));
  p = fma(p, r, broadcast(k::c2));
  f32x16 const y = scale_by_power(add(fma(mul(r, r), p, r), broadcast(1.0f)), shifted);
  return select_less(x, lowest, broadcast(0.0f), select_less(highest, x, broadcast(__builtin_inff()), y));
}
LOQUAT_INLINE f32x16 tanh(f32x16 x) noexcept {
  using k = math::tanh_constants;
  f32x16 const one = broadcast(1.0f), two = broadcast(2.0f), zero = broadcast(0.0f), magnitude = abs(x);
  f32x16 const square = mul(x, x);
  f32x16 p = fma(broadcast(k::c4), square, broadcast(k::c3));
  p = fma(p, square, broadcast(k::c2));
  p = fma(p, square, broadcast(k::c1));
  p = fma(p, square, broadcast(k::c0));
  f32x16 const large = sub(one, div(two, add(exp(add(magnitude, magnitude)), one)));
  return select_less(magnitude, broadcast(k::small), fma(mul(x, square), p, x),
                     select_less(x, zero, sub(zero, large), large));
}
LOQUAT_INLINE f32x16 gelu_erf(f32x16 x) noexcept {
  using k = math::gelu_constants;
  f32x16 const one = broadcast(1.0f), zero = broadcast(0.0f);
  f32x16 const u = div(one, fma(abs(x), broadcast(k::c), one));
  f32x16 p = fma(broadcast(k::c7), u, broadcast(k::c6));
  p = fma(p, u, broadcast(k::c5));
  p = fma(p, u, broadcast(k::c4));
  p = fma(p, u, broadcast(k::c3));
  p = fma(p, u, broadcast(k::c2));
  p = fma(p, u, broadcast(k::c1));
  f32x16 const tail = mul(mul(p, u), exp(mul(mul(x, x), broadcast(-0.5f))));
  return select_less(x, zero, mul(x, tail), fma(sub(zero, x), tail, x));
}
#endif

// 1 / (1 + e⁻ˣ)
LOQUAT_INLINE f32x16 sigmoid(f32x16 x) noexcept {
  f32x16 const one = broadcast(1.0f);
  return div(one, add(one, exp(sub(broadcast(0.0f), x))));
}

// log(1 + eˣ): the formula of math::softplus
LOQUAT_INLINE f32x16 softplus(f32x16 x) noexcept {
  using k = math::softplus_constants;
  f32x16 const zero = broadcast(0.0f), z = exp(sub(zero, abs(x)));
  f32x16 const s = div(z, add(broadcast(2.0f), z)), square = mul(s, s);
  f32x16 p = fma(broadcast(k::c3), square, broadcast(k::c2));
  p = fma(p, square, broadcast(k::c1));
  p = fma(p, square, broadcast(k::c0));
  p = fma(p, square, broadcast(2.0f));
  return fma(s, p, max(zero, x));
}

// x / (1 + e⁻ˣ)
LOQUAT_INLINE f32x16 silu(f32x16 x) noexcept { return div(x, add(broadcast(1.0f), exp(sub(broadcast(0.0f), x)))); }

// x / (1 + exp(−1.702 x)) of x up to 7
LOQUAT_INLINE f32x16 clipped_silu(f32x16 x) noexcept {
  x = clip(x, -__builtin_inff(), 7);
  return div(x, add(broadcast(1.0f), exp(mul(x, broadcast(-1.702f)))));
}
// what a gate is multiplied with
LOQUAT_INLINE f32x16 clipped_and_one(f32x16 u) noexcept {
  return add(clip(u, -7, 7), broadcast(1.0f));
}

// x² where x is positive
LOQUAT_INLINE f32x16 relu_squared(f32x16 x) noexcept {
  x = clip(x, 0, __builtin_inff());
  return mul(x, x);
}

// x / (1 + exp(−2u)), u = √(2/π) · x · (1 + 0.044715 x²): the tanh form of GELU
LOQUAT_INLINE f32x16 gelu(f32x16 x) noexcept {
  f32x16 const cubic = fma(mul(x, x), broadcast(0.044715f), broadcast(1.0f));
  return div(x, add(broadcast(1.0f), exp(mul(mul(x, broadcast(-1.59576912f)), cubic))));
}

} // namespace loquat::simd::inline LOQUAT_SIMD_ABI::LOQUAT_TARGET_NS
