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

/// Writes the weights of a file to `path`, by the names of `f`, or by their own if that is null. `before(tensor)` is
/// called before each one and returns a `result<void>`: to show progress, or to stop.
template <class Before>
result<void> save_weights(gguf::file const& file, family const* f, std::string const& path,
                          std::optional<tensor_type> type, Before before) {
  shape s;
  if (f) {
    auto const sizes = detail::config_writer(file, *f).sizes();
    if (!sizes) return sizes.error();
    s = *sizes;
  }
  auto const plan = export_plan::make(file, f, s, type);
  if (!plan) return plan.error();
  safetensors::writer out;
  out.add(safetensors::note{"format", "pt"});
  std::map<std::string_view, export_step const*> by_name;
  for (auto const& step : plan->steps()) {
    by_name[step.name] = &step;
    out.add({step.name, step.type, step.shape, {}});
  }
  std::vector<std::byte> room;
  return out.write(path, [&](safetensors::tensor const& t) -> result<std::span<std::byte const>> {
    if (auto whole = file.intact(); !whole) return whole.error();
    auto const& step = *by_name.find(t.name)->second;
    if (result<void> go = before(step); !go) return go.error();
    auto made = plan->data(step, room);
    if (!made) return made.error().within(file.name());
    return made;
  });
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
  if (auto done = save_weights(file, f, path + "model.safetensors", options.type, before); !done) return done;
  return detail::write_text(path + "config.json", made->text() + "\n");
}
template <class T>
result<void> folder_saver<T>::save(gguf::file const& file, std::string const& path, save_options const& options) {
  return hugging_face::save(file, path, options, [](export_step const&) { return result<void>(); });
}

} // namespace loquat::hugging_face
