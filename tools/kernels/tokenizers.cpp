// The code of tokenizers, compiled once for all programs of this repository.
#include <loquat/tokenizer/load.hpp>

template struct loquat::tokenizer_code<>;
template struct loquat::tokenizer_loader<>;
