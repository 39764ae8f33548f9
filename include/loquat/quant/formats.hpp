/// \file
/// The formats the library brings. A new one is a file beside this one and its name in both lists below.
/// Included once outside and once inside every target region (`simd/foreach_target.hpp`), hence no `#pragma once`.

#include <loquat/quant/bf16.hpp>
#include <loquat/quant/codebooks/codebook.hpp>
#include <loquat/quant/f16.hpp>
#include <loquat/quant/f32.hpp>
#include <loquat/quant/iq1_m.hpp>
#include <loquat/quant/iq1_s.hpp>
#include <loquat/quant/iq2_s.hpp>
#include <loquat/quant/iq2_xs.hpp>
#include <loquat/quant/iq2_xxs.hpp>
#include <loquat/quant/iq3_s.hpp>
#include <loquat/quant/iq3_xxs.hpp>
#include <loquat/quant/iq4_nl.hpp>
#include <loquat/quant/iq4_xs.hpp>
#include <loquat/quant/mxfp4.hpp>
#include <loquat/quant/nvfp4.hpp>
#include <loquat/quant/q2_k.hpp>
#include <loquat/quant/q3_k.hpp>
#include <loquat/quant/q4_0.hpp>
#include <loquat/quant/q4_1.hpp>
#include <loquat/quant/q4_k.hpp>
#include <loquat/quant/q5_0.hpp>
#include <loquat/quant/q5_1.hpp>
#include <loquat/quant/q5_k.hpp>
#include <loquat/quant/q6_k.hpp>
#include <loquat/quant/q8_0.hpp>
#include <loquat/quant/tq1_0.hpp>
#include <loquat/quant/tq2_0.hpp>

#ifndef LOQUAT_QUANT_FORMATS_HPP
#  define LOQUAT_QUANT_FORMATS_HPP

namespace loquat {

/// Every block format of the library. A program that needs few gives its backend a list of its own and is smaller.
using builtin_formats =
    type_list<f32, f16, bf16, q4_0, q4_1, q5_0, q5_1, q8_0, q2_k, q3_k, q4_k, q5_k, q6_k, iq1_s, iq1_m, iq2_xxs, iq2_xs,
              iq2_s, iq3_xxs, iq3_s, iq4_nl, iq4_xs, tq1_0, tq2_0, mxfp4, nvfp4>;

} // namespace loquat

#endif
