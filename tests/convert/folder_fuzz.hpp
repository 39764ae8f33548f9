#pragma once
/// \file
/// What must hold for any bytes given as a folder: for the fuzzer and for its corpus. The bytes are a `config.json`, a
/// zero, and a SafeTensors file.

#include <loquat/convert/config.hpp>
#include <loquat/convert/families.hpp>
#include <loquat/convert/metadata.hpp>
#include <loquat/convert/weights.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/format/gguf_writer.hpp>
#include <loquat/format/safetensors.hpp>
#include <loquat/io/bytes.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace test {

enum class folder_outcome { refused, opened, wrong };

/// Does what opening a folder does; what opens must be a GGUF file.
inline folder_outcome fuzz_folder(std::span<std::byte const> bytes) {
  using namespace loquat;
  using enum folder_outcome;
  auto const zero = std::ranges::find(bytes, std::byte{0});
  auto const length = static_cast<std::size_t>(zero - bytes.begin());
  std::vector<char> copy;
  auto c = hugging_face::config::parse(as_text(bytes.first(length), copy), "config.json");
  if (!c) return refused;
  auto const* const f = hugging_face::find_family(c->root()["architectures"][std::size_t{0}].as_string().value_or(""),
                                                  c->root()["model_type"].as_string().value_or(""));
  if (!f) return refused;
  if (!c->use_defaults(f->defaults)) return wrong;
  gguf::writer out;
  std::vector<hugging_face::made_tensor> made;
  auto const sizes = hugging_face::write_metadata(out, *f, *c, made);
  if (!sizes) return sizes.error().message().starts_with("config.json: ") ? refused : wrong;
  if (!out.bytes()) return wrong;
  auto const weights = safetensors::file::parse(bytes.subspan(std::min(length + 1, bytes.size())));
  if (!weights) return refused;
  auto const plan = hugging_face::weight_plan::make(*weights, *f, *c, *sizes, std::move(made));
  if (!plan) return refused;
  std::vector<std::vector<std::byte>> rooms(plan->recipes().size());
  for (std::size_t i = 0; i < rooms.size(); ++i) {
    auto const& r = plan->recipes()[i];
    auto const data = plan->data(r, rooms[i]);
    if (!data) return wrong;
    out.add(tensor_view{r.name, r.type, r.rank, r.shape, *data});
  }
  auto const written = out.bytes();
  return written && gguf::file::parse(*written) ? opened : wrong;
}

} // namespace test
