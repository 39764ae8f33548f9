// The code that reads and writes folders of Hugging Face, compiled once for all programs of this repository.
#include <loquat/convert/hugging_face.hpp>
#include <loquat/convert/peft.hpp>
#include <loquat/convert/save.hpp>

template struct loquat::hugging_face::adapter_loader<>;
template struct loquat::hugging_face::folder_loader<>;
template struct loquat::hugging_face::folder_saver<>;
