#pragma once
/// \file
/// How `hugging_face::save` writes a folder, or a single SafeTensors file.

#include <loquat/convert/export_config.hpp>
#include <loquat/convert/export_weights.hpp>
#include <loquat/convert/families.hpp>
#include <loquat/convert/family.hpp>
#include <loquat/convert/folder_saver.hpp>
#include <loquat/core/result.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/format/safetensors_writer.hpp>
#include <loquat/io/atomic_file.hpp>
#include <loquat/tokenizer/sources/gguf.hpp>
#include <loquat/tokenizer/sources/save_json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat::hugging_face {

/// The family that a GGUF file belongs to; null if none has a place for all that is in it.
inline family const* family_of(gguf::file const& file) {
  auto const architecture = file.get_or<std::string_view>("general.architecture", "");
  for (auto const& f : families)
    if (architecture && f.architecture == *architecture && export_plan::knows(file, f)) return &f;
  return nullptr;
}

/// \cond
namespace detail {

inline result<void> write_text(std::string const& path, std::string_view text) {
  auto file = atomic_file::create(path);
  if (!file) return file.error();
  if (auto done = file->write(std::as_bytes(std::span(text))); !done) return done;
  return file->commit();
}

/// Writes tokenizer.json, tokenizer_config.json and generation_config.json.
inline result<void> save_tokenizer(gguf::file const& file, std::string const& folder) {
  auto const model = file.get_or<std::string_view>("tokenizer.ggml.model", "none");
  if (!model) return model.error();
  if (*model == "none" || *model == "no_vocab") return {};
  auto definition = read_gguf_tokenizer(file);
  if (!definition) return definition.error();
  std::string text;
  if (auto done = save_json(*std::move(definition), text); !done) return done.error().within(file.name());
  json_object config, generation;
  auto const tokens = file.array<std::string_view>("tokenizer.ggml.tokens");
  if (!tokens) return tokens.error();
  config.set("tokenizer_class", "PreTrainedTokenizerFast");
  for (auto const& [key, name] : {std::pair{"bos", "bos_token"},
                                  {"eos", "eos_token"},
                                  {"unknown", "unk_token"},
                                  {"padding", "pad_token"},
                                  {"seperator", "sep_token"},
                                  {"cls", "cls_token"},
                                  {"mask", "mask_token"}}) { // sic
    auto const id = file.get<std::uint32_t>("tokenizer.ggml." + std::string(key) + "_token_id");
    std::uint32_t at = 0;
    if (id)
      for (auto const piece : *tokens)
        if (at++ == *id) config.set(name, piece);
  }
  for (auto const* key : {"add_bos_token", "add_eos_token"})
    if (auto const flag = file.get<bool>("tokenizer.ggml." + std::string(key))) config.set(key, *flag);
  if (auto const chat = file.get<std::string_view>("tokenizer.chat_template")) config.set("chat_template", *chat);
  std::string ends;
  for (auto const* key : {"eos", "eot", "eom"})
    if (auto const id = file.get<std::uint32_t>("tokenizer.ggml." + std::string(key) + "_token_id"))
      ends.append(ends.empty() ? "[" : ", ").append(std::to_string(*id));
  if (!ends.empty()) generation.raw("eos_token_id", ends + "]");
  if (auto done = write_text(folder + "tokenizer.json", text); !done) return done;
  if (auto done = write_text(folder + "tokenizer_config.json", config.text() + "\n"); !done) return done;
  return write_text(folder + "generation_config.json", generation.text() + "\n");
}

} // namespace detail
/// \endcond

/// \cond
namespace detail {

/// Writes some tensors of a plan as one file.
template <class Before>
result<void> write_steps(gguf::file const& file, export_plan const& plan, std::span<export_step const> steps,
                         std::string const& path, Before& before) {
  safetensors::writer out;
  out.add(safetensors::note{"format", "pt"});
  std::map<std::string_view, export_step const*> by_name;
  for (auto const& step : steps) {
    by_name[step.name] = &step;
    out.add({step.name, step.type, step.shape, {}});
  }
  std::vector<std::byte> room;
  return out.write(path, [&](safetensors::tensor const& t) -> result<std::span<std::byte const>> {
    if (auto whole = file.intact(); !whole) return whole.error();
    auto const& step = *by_name.find(t.name)->second;
    if (result<void> go = before(step); !go) return go.error();
    auto made = plan.data(step, room);
    if (!made) return made.error().within(file.name());
    return made;
  });
}

/// The plan of a file.
inline result<export_plan> plan_of(gguf::file const& file, family const* f, std::optional<tensor_type> type) {
  shape s;
  if (f) {
    auto const sizes = config_writer(file, *f).sizes();
    if (!sizes) return sizes.error();
    s = *sizes;
  }
  return export_plan::make(file, f, s, type);
}

/// Where the tensors of each file begin, and one more: each has up to `most` bytes, or a single tensor.
inline result<std::vector<std::size_t>> shards_of(std::span<export_step const> steps, std::uint64_t most,
                                                  std::uint64_t& total) {
  std::vector<std::size_t> starts{0};
  std::uint64_t filled = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    auto const size = safetensors::byte_size(steps[i].type, steps[i].shape);
    if (!size) return size.error();
    if (most != 0 && filled != 0 && *size > most - std::min(most, filled)) starts.push_back(i), filled = 0;
    filled += *size;
    total += *size;
  }
  starts.push_back(steps.size());
  return starts;
}

/// The weights of a folder: `model.safetensors`, or several files with an index.
template <class Before>
result<void> save_shards(gguf::file const& file, family const& f, std::string const& folder,
                         save_options const& options, Before& before) {
  auto const plan = plan_of(file, &f, options.type);
  if (!plan) return plan.error();
  std::uint64_t total = 0;
  auto const starts = shards_of(plan->steps(), options.max_shard_bytes, total);
  if (!starts) return starts.error();
  auto const count = starts->size() - 1;
  if (count == 1) return write_steps(file, *plan, plan->steps(), folder + "model.safetensors", before);
  auto const five = [](std::size_t n) {
    auto const digits = std::to_string(n);
    return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
  };
  json_object metadata, map, index;
  metadata.set("total_size", total);
  for (std::size_t i = 0; i < count; ++i) {
    auto const name = "model-" + five(i + 1) + "-of-" + five(count) + ".safetensors";
    auto const steps = plan->steps().subspan((*starts)[i], (*starts)[i + 1] - (*starts)[i]);
    for (auto const& step : steps) map.set(step.name, name);
    if (auto done = write_steps(file, *plan, steps, folder + name, before); !done) return done;
  }
  index.raw("metadata", metadata.text("  "));
  index.raw("weight_map", map.text("  "));
  return write_text(folder + "model.safetensors.index.json", index.text() + "\n");
}

} // namespace detail
/// \endcond

/// Writes the weights of a file to `path`, by the names of `f`, or by their own if that is null. `before(tensor)` is
/// called before each one and returns a `result<void>`: to show progress, or to stop.
template <class Before>
result<void> save_weights(gguf::file const& file, family const* f, std::string const& path,
                          std::optional<tensor_type> type, Before before) {
  auto const plan = detail::plan_of(file, f, type);
  if (!plan) return plan.error();
  return detail::write_steps(file, *plan, plan->steps(), path, before);
}

/// \overload
/// Calls `before`, as `save_weights` does.
template <class Before>
result<void> save(gguf::file const& file, std::string path, save_options const& options, Before before) {
  auto const* const f = family_of(file);
  if (!f) {
    auto const architecture = file.get<std::string_view>("general.architecture");
    if (!architecture) return architecture.error();
    return fail(errc::unsupported, file.name(), ": no config.json is known for such a model of general.architecture ",
                *architecture, "; its weights alone can be written");
  }
  if (path.empty()) path = ".";
  if (path.back() != '/' && path.back() != '\\') path += '/';
  auto type = options.type;
  if (!type) {
    type = tensor_type::f32;
    if (auto const* const t = file.find_tensor("blk.0.attn_output.weight")) type = t->type;
  }
  detail::config_writer config(file, *f);
  auto const sizes = config.sizes();
  if (!sizes) return sizes.error();
  auto const made = config.write(*sizes, *type);
  if (!made) return made.error();
  if (options.tokenizer)
    if (auto done = detail::save_tokenizer(file, path); !done) return done;
  if (auto done = detail::save_shards(file, *f, path, options, before); !done) return done;
  return detail::write_text(path + "config.json", made->text() + "\n");
}
template <class T>
result<void> folder_saver<T>::save(gguf::file const& file, std::string const& path, save_options const& options) {
  return hugging_face::save(file, path, options, [](export_step const&) { return result<void>(); });
}

} // namespace loquat::hugging_face
