// The kernels of `loquat::cpu` and the code of tokenizers, compiled once for all programs of this repository.
#include <loquat/backend/cpu.hpp>
#include <loquat/tokenizer/load.hpp>

template class loquat::basic_cpu<loquat::builtin_formats>;
template struct loquat::tokenizer_code<>;
template struct loquat::tokenizer_loader<>;
