// The kernels of `loquat::cpu`, compiled once for all programs of this repository.
#include <loquat/backend/cpu.hpp>

template class loquat::basic_cpu<loquat::builtin_formats>;
