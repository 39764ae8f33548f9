/// \file
/// The formats the library brings. A new one is a file beside this one and its name in both lists below.
/// Included once outside and once inside every target region (`simd/foreach_target.hpp`), hence no `#pragma once`.

#include <loquat/quant/bf16.hpp>
#include <loquat/quant/f16.hpp>
#include <loquat/quant/f32.hpp>
#include <loquat/quant/q4_0.hpp>
#include <loquat/quant/q8_0.hpp>

#ifndef LOQUAT_QUANT_FORMATS_HPP
#  define LOQUAT_QUANT_FORMATS_HPP

namespace loquat {

/// Every block format of the library.
using builtin_formats = type_list<f32, f16, bf16, q4_0, q8_0>;

} // namespace loquat

#endif
