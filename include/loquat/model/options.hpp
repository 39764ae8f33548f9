#pragma once
/// \file
/// What a program may say about a model otherwise than its file: how its rotary embedding reaches longer texts.

#include <loquat/core/math.hpp>
#include <loquat/core/result.hpp>
#include <loquat/model/hyperparameters.hpp>
#include <loquat/quant/i2_s.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace loquat {

/// How the angles of a rotary embedding are extended to positions that a model was not trained for.
enum class rope_scaling : unsigned char {
  as_file, ///< as the file says; linear for a factor where it says nothing
  none,    ///< not at all
  linear,  ///< all pairs turn slower by the factor (S. Chen et al., 2023)
  ntk,     ///< the base grows by factor^(d / (d − 2)) of d rotating elements: the slowest pair turns slower by the
           ///< factor, the fastest as before (u/bloc97, "NTK-aware scaled RoPE", 2023)
  yarn,    ///< slow pairs turn slower, fast ones as before, and scores grow (B. Peng et al., 2023)
};

/// What replaces a file's rotary embedding; 0 stands for what the file says. Factors per pair that a file has (llama 3,
/// LongRoPE) still count, and the base of layers with a window, if they have one of their own, stays.
struct rope_override {
  rope_scaling scaling = rope_scaling::as_file;
  float factor = 0;                 ///< by how much longer texts get
  float base = 0;                   ///< wavelengths grow as base^(2i / d)
  float magnitude = 0;              ///< of cosines and sines; yarn multiplies it by 1 + 0.1 ln(factor)
  float yarn_beta_fast = 0;         ///< rotations within the original context from which on pairs stay as they are,
  float yarn_beta_slow = 0;         ///< and below which they are fully extended
  std::size_t original_context = 0; ///< positions before the model was extended

  friend constexpr bool operator==(rope_override const&, rope_override const&) = default;
};

/// What `load` and builders take besides a file.
struct model_options {
  rope_override rope{};                       ///< for longer texts
  i2_s_order ternary_order = i2_s_order::x86; ///< how matrices of I2_S were packed, which files do not say
};

/// Applies an override to the sizes of a model, whose `context` grows to the original one times the factor.
/// `errc::argument` for what makes no sense.
constexpr result<void> apply(rope_override const& o, hyperparameters& h) {
  for (auto const& [name, value] : {std::pair<std::string_view, float>{"factor", o.factor},
                                    {"base", o.base},
                                    {"magnitude", o.magnitude},
                                    {"yarn_beta_fast", o.yarn_beta_fast},
                                    {"yarn_beta_slow", o.yarn_beta_slow}})
    if (!(value >= 0 && value < 1e30f)) // NaN neither
      return fail(errc::argument, "rope override: ", name, ": expected a positive number, or 0 for the file's");
  if (o.original_context > std::size_t{1} << 31)
    return fail(errc::argument, "rope override: an original context of ", o.original_context,
                ": expected at most 2^31");
  if (o.base != 0) h.rope_base = o.base;
  if (o.magnitude != 0) h.rope_magnitude = o.magnitude;
  if (o.yarn_beta_fast != 0) h.yarn_beta_fast = static_cast<double>(o.yarn_beta_fast);
  if (o.yarn_beta_slow != 0) h.yarn_beta_slow = static_cast<double>(o.yarn_beta_slow);
  if (o.original_context != 0) h.original_context = o.original_context;

  if (o.scaling == rope_scaling::none && o.factor != 0)
    return fail(errc::argument, "rope override: a factor, but no scaling");
  float const factor = o.factor != 0 ? o.factor : h.rope_factor;
  if (o.scaling > rope_scaling::none && factor == 1)
    return fail(errc::argument, "rope override: scaling needs a factor other than 1; the file has none");
  if (o.scaling != rope_scaling::as_file) h.yarn = o.scaling == rope_scaling::yarn;
  h.rope_factor = o.scaling == rope_scaling::none || o.scaling == rope_scaling::ntk ? 1 : factor;
  if (o.scaling == rope_scaling::ntk) {
    if (h.rope_dims <= 2) return fail(errc::argument, "rope override: ntk needs more than one pair that turns");
    double const d = static_cast<double>(h.rope_dims);
    double const log_base =
        math::log(static_cast<double>(h.rope_base)) + math::log(static_cast<double>(factor)) * d / (d - 2);
    if (!(log_base < 69)) return fail(errc::argument, "rope override: ntk makes a base beyond 1e30");
    h.rope_base = static_cast<float>(math::exp(log_base));
  }
  if (o.factor != 0) {
    double const reach = static_cast<double>(h.original_context) * static_cast<double>(factor);
    h.context = std::max(h.context, static_cast<std::size_t>(std::min(reach, 2147483648.0)));
  }
  return {};
}

} // namespace loquat
