namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

template <> struct scans<simd::LOQUAT_TARGET_NS::this_target> {
  static void convolve(convolution_block const& b) noexcept {
    if (b.lanes == scan_layout::lanes)
      convolve_lanes(b);
    else
      convolve_lanes(b, b.lanes);
  }
  static void scan(scan_block const& b) noexcept {
    bool const one_decay = b.decay_elements == 1;
    if (b.lanes == scan_layout::lanes)
      one_decay ? scan_lanes<true>(b) : scan_lanes<false>(b);
    else
      one_decay ? scan_lanes<true>(b, b.lanes) : scan_lanes<false>(b, b.lanes);
  }

 private:
  template <class... N> LOQUAT_INLINE static void convolve_lanes(convolution_block const& b, N... lanes) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    std::size_t const before = b.taps - 1;
    v::f32x16 const bias = b.bias ? v::load(b.bias, lanes...) : v::broadcast(0.0f);
    for (std::size_t t = 0; t < b.n; ++t) {
      v::f32x16 sum = bias;
      for (std::size_t k = 0; k < b.taps; ++k) {
        float const* const input = t + k < before ? b.tail + (t + k) * b.channels : b.x + (t + k - before) * b.channels;
        sum = v::fma(v::load(b.weights + k * b.channels, lanes...), v::load(input, lanes...), sum);
      }
      v::store(b.y + t * b.channels, sum, lanes...);
    }
  }

  // h = exp(step · decay) · h + step · x · input; y = Σ h · read + skip · x. All lanes of a head decay alike where
  // there is one decay: an exponential for all elements of the state.
  template <bool OneDecay, class... N> LOQUAT_INLINE static void scan_lanes(scan_block const& b, N... lanes) noexcept {
    namespace v = simd::LOQUAT_TARGET_NS;
    constexpr std::size_t width = scan_layout::lanes;
    std::size_t heads[width]{};
    for (std::size_t i = 0; i < b.lanes; ++i) heads[i] = (b.first + i) / b.head_dim;
    v::f32x16 const skip = v::load(b.skips, lanes...);
    for (std::size_t t = 0; t < b.n; ++t) {
      float steps[width];
      for (std::size_t i = 0; i < width; ++i) steps[i] = b.steps[t * b.heads + heads[i]];
      v::f32x16 const step = v::load(steps), x = v::load(b.x + t * b.channels, lanes...), input = v::mul(step, x);
      v::f32x16 decay = v::exp(v::mul(step, v::load(b.decays))), sum = v::broadcast(0.0f);
      float const *const inputs = b.inputs + t * b.stride, *const reads = b.reads + t * b.stride;
      for (std::size_t e = 0; e < b.state; ++e) {
        if constexpr (!OneDecay)
          if (e > 0) decay = v::exp(v::mul(step, v::load(b.decays + e * width)));
        float* const state = b.states + e * width;
        v::f32x16 const h = v::fma(decay, v::load(state), v::mul(input, v::broadcast(inputs[e])));
        v::store(state, h);
        sum = v::fma(h, v::broadcast(reads[e]), sum);
      }
      v::store(b.y + t * b.channels, v::fma(skip, x, sum), lanes...);
    }
  }
};

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI
