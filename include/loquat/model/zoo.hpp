#pragma once
/// \file
/// The architectures the library knows, one constant each. A new one is a constant here and its name in `zoo`; in a
/// program of one's own it needs neither (`examples/08_architecture.cpp`).

#include <loquat/model/architecture.hpp>
#include <loquat/model/transformer.hpp>
#include <loquat/quant/block.hpp>

namespace loquat {

/// Architectures, as template arguments of `transformer`.
namespace arch {

/// Llama 1, 2, 3 and all that share their form: Mistral 7B, TinyLlama, SmolLM, … (H. Touvron et al., 2023).
inline constexpr architecture llama{};

} // namespace arch

/// The builders that `load` chooses from by the file's `general.architecture`.
using zoo = type_list<transformer<arch::llama>>;

} // namespace loquat
