#pragma once
/// \file
/// Folders with the tensors of a GGUF file by other names, which tests say: the way back, written down a second time.

#include "convert/folders.hpp"
#include "support/temporary.hpp"

#include <loquat/convert/hugging_face.hpp>
#include <loquat/format/gguf.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace test {

/// Parts of names and what they become, tried in order.
using renamings = std::vector<std::pair<std::string_view, std::string_view>>;

/// A name with all parts replaced.
inline std::string renamed(std::string_view name, renamings const& parts) {
  std::string out(name);
  for (auto const& [from, to] : parts)
    if (auto const at = out.find(from); at != out.npos) out.replace(at, from.size(), to);
  return out;
}

/// The rows of a tensor of F32.
inline std::vector<float> floats_of(loquat::tensor_view const& t) {
  std::vector<float> out(static_cast<std::size_t>(t.elements()));
  std::memcpy(out.data(), t.data.data(), t.data.size());
  return out;
}

/// Adds a tensor of F32 by another name, with the same rows.
inline void add_as(model_folder& out, loquat::tensor_view const& t, std::string name) {
  std::vector<std::uint64_t> shape;
  for (std::size_t i = t.rank; i-- > 0;) shape.push_back(t.shape[i]);
  out.add(std::move(name), std::move(shape), floats_of(t));
}

/// The folder of a file: `other(folder, tensor)` takes those tensors that are arranged otherwise.
inline model_folder folder_of(loquat::gguf::file const& file, renamings const& parts,
                              std::function<bool(model_folder&, loquat::tensor_view const&)> const& other = {}) {
  model_folder out;
  for (auto const& t : file.tensors())
    if (!other || !other(out, t)) add_as(out, t, renamed(t.name, parts));
  return out;
}

/// Opens such a folder, also by way of a GGUF file on disk, and compares every tensor with the file's, bit by bit.
/// `use(file)` gets both results.
template <class Use>
void check_opens_as(loquat::gguf::file const& file, model_folder const& tensors, std::string const& config, Use use) {
  using namespace loquat;
  temporary_folder const folder;
  tensors.write(folder, config, 2);
  auto const opened = hugging_face::open(folder / "");
  INFO(std::string(opened ? "" : opened.error().message()));
  REQUIRE(opened);
  CHECK(opened->tensors().size() == file.tensors().size());
  for (auto const& t : file.tensors()) {
    CAPTURE(std::string(t.name));
    auto const* const found = opened->find_tensor(t.name);
    CHECK(found);
    if (!found) continue;
    CHECK(found->type == t.type);
    CHECK(found->shape == t.shape);
    CHECK(std::ranges::equal(found->data, t.data));
  }
  auto const path = folder / "converted.gguf";
  REQUIRE(gguf::writer(*opened).write(path));
  use(*opened);
  use(gguf::open(path).value());
}

} // namespace test
