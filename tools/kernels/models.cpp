// The models of the zoo on `loquat::cpu`, compiled once for all programs of this repository.
#include <loquat/backend/cpu.hpp>
#include <loquat/model/load.hpp>

template class loquat::basic_model<loquat::zoo, loquat::cpu>;
