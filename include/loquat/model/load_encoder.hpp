#pragma once
/// \file
/// `load_encoder`: an encoder of whatever architecture a file holds.

#include <loquat/backend/backend.hpp>
#include <loquat/core/result.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/model/encoder.hpp>
#include <loquat/model/encoder_architecture.hpp>

#include <string_view>
#include <vector>

namespace loquat {

/// Builds the encoder a file holds, on a backend; both must outlive it. Errors name the key or tensor;
/// `errc::unsupported` for an architecture that is not in `encoder_zoo`, `errc::io` if the file changed since it was
/// opened.
template <Backend B> constexpr result<encoder_model<B>> load_encoder(gguf::file const& file, B const& backend) {
  auto const wanted = file.get<std::string_view>("general.architecture");
  if (!wanted) return wanted.error();
  std::vector<char> names;
  for (auto const& a : encoder_zoo) {
    if (name(a) == *wanted) return encoder_model<B>::build(file, backend, a);
    (detail::append(names, ' '), detail::append(names, name(a)));
  }
  return fail(errc::unsupported, file.name(), ": no encoder for general.architecture ", *wanted,
              "; known:", std::string_view(names.data(), names.size()));
}

} // namespace loquat
