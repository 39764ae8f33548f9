// The code that opens folders of Hugging Face, compiled once for all programs of this repository.
#include <loquat/convert/hugging_face.hpp>

template struct loquat::hugging_face::folder_loader<>;
