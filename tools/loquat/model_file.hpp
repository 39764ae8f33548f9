#pragma once
/// \file
/// Models that commands take: GGUF files, and folders of Hugging Face, which are presented as such.

#include <loquat/convert/hugging_face.hpp>
#include <loquat/format/gguf.hpp>

#include <filesystem>
#include <string>

namespace tool {

/// Opens either.
inline loquat::result<loquat::gguf::file> open_model(std::string const& path,
                                                     loquat::file_access access = loquat::file_access::mapped) {
  std::error_code absent;
  if (!std::filesystem::is_directory(path, absent)) return loquat::gguf::open(path, access);
  return loquat::hugging_face::open(path, {.access = access});
}

} // namespace tool
