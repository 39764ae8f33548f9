#pragma once
/// \file
/// LoRA adapters on the command line: `FILE` or `FILE:SCALE`.

#include "options.hpp"

#include <loquat/convert/peft.hpp>
#include <loquat/model/lora.hpp>

#include <cmath>
#include <string>
#include <vector>

namespace tool {

/// An adapter that was asked for.
struct adapter_wish {
  std::string path;
  float scale = 1;
};

/// What `FILE:SCALE` says. A colon before something that is no number belongs to the name.
inline adapter_wish adapter_of(std::string_view text) {
  if (auto const colon = text.rfind(':'); colon != text.npos && colon + 1 < text.size()) {
    std::string const number(text.substr(colon + 1));
    char* end = nullptr;
    float const scale = std::strtof(number.c_str(), &end);
    if (end == number.c_str() + number.size()) return {std::string(text.substr(0, colon)), scale};
  }
  return {std::string(text), 1};
}

inline setting adapters(std::vector<adapter_wish>& to) {
  return {[&to](std::string_view value) {
            to.push_back(adapter_of(value));
            return !to.back().path.empty() && std::isfinite(to.back().scale);
          },
          "the name of a file, and a finite number behind a colon",
          "may be repeated",
          {}};
}

/// Reads the adapters for the model in `base`.
inline loquat::result<std::vector<loquat::lora>> read_adapters(std::vector<adapter_wish> const& wishes,
                                                               loquat::gguf::file const& base) {
  std::vector<loquat::lora> out;
  for (auto const& wish : wishes) {
    auto read = loquat::hugging_face::open_adapter(wish.path, base);
    if (!read) return read.error();
    out.push_back(std::move(*read));
  }
  return out;
}

/// The adapters with their scales.
inline std::vector<loquat::scaled_lora> with_scales(std::vector<loquat::lora> const& adapters,
                                                    std::vector<adapter_wish> const& wishes) {
  std::vector<loquat::scaled_lora> out;
  for (std::size_t i = 0; i < adapters.size(); ++i) out.emplace_back(adapters[i], wishes[i].scale);
  return out;
}

} // namespace tool
