#pragma once
/// \file
/// From the tensors of a GGUF file to those of a Hugging Face folder, one at a time: the way back of `weights.hpp`.

#include <loquat/convert/family.hpp>
#include <loquat/convert/metadata.hpp>
#include <loquat/convert/rows.hpp>
#include <loquat/core/math.hpp>
#include <loquat/core/result.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/format/safetensors.hpp>
#include <loquat/format/tensor.hpp>
#include <loquat/quant/block.hpp>
#include <loquat/quant/formats.hpp>
#include <loquat/quant/quantize.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat::hugging_face {

/// A tensor to write, and where its data come from.
struct export_step {
  std::string name;
  safetensors::element type{};
  std::vector<std::uint64_t> shape;
  change how = change::none;
  tensor_view from; ///< of an expert, its matrix only
};

/// The tensors of a GGUF file as a folder has them. The file must outlive it.
class export_plan {
 public:
  /// Finds a place for each tensor of `file` in the tables of `f`, or leaves all as they are if that is null. Weights
  /// become `type`; without one, floats stay what they are and the others become BF16. Errors name the tensor:
  /// `errc::unsupported` for one that has no place or is no weight.
  static result<export_plan> make(gguf::file const& file, family const* f, shape const& s,
                                  std::optional<tensor_type> type) {
    export_plan out;
    out.shape_ = s;
    for (auto const& t : file.tensors()) {
      if (f && t.name.starts_with("rope_")) continue; // `config.json` says the same
      if (!is_weight(t.type))
        return fail(errc::unsupported, file.name(), ": tensor ", t.name, ": no weights: ", name(t.type));
      auto const to = type.value_or(is_float(t.type) ? t.type : tensor_type::bf16);
      auto const place = f ? place_of(file, *f, t.name) : std::nullopt;
      if (place || !f)
        out.add(t, place, to);
      else if (!out.split(file, *f, t, to))
        return fail(errc::unsupported, file.name(), ": tensor ", t.name, " has no place in models of the kind ",
                    f->model_type);
    }
    return out;
  }

  std::span<export_step const> steps() const noexcept { return steps_; } ///< in the order of the file

  /// The data of a tensor, in `room` or where they lie.
  result<std::span<std::byte const>> data(export_step const& step, std::vector<std::byte>& room) const {
    auto const& t = step.from;
    bool const same = safetensors::common_type(step.type) == t.type && step.how != change::add_one &&
                      step.how != change::negative_exp;
    auto const order = row_order(step.how, step.shape.front(), shape_);
    if (!order) return fail(order.error().code(), "tensor ", t.name, ": ", order.error().message());
    if (same && order->empty() && step.how != change::transpose) return t.data;
    auto const places = inverse(*order);
    auto const size = safetensors::byte_size(step.type, step.shape);
    if (!size) return size.error();
    room.resize(static_cast<std::size_t>(*size));
    auto const columns = static_cast<std::size_t>(t.rank == 1 ? 1 : t.columns());
    auto const rows = static_cast<std::size_t>(t.elements()) / columns;
    auto const width = room.size() / (rows * columns), from_row = t.data.size() / rows;
    std::vector<float> floats(columns);
    std::vector<std::byte> packed(columns * width);
    auto const target = *safetensors::common_type(step.type);
    auto const* vector = t.data.data();
    std::vector<float> whole; // of a vector, which may be packed in blocks
    if (t.rank == 1) {
      whole.resize(rows);
      if (auto done = unpack_tensor(builtin_formats{}, t, whole); !done) return done.error();
    }
    for (std::size_t row = 0; row < rows; ++row) {
      auto const source = places.empty() ? row : places[row];
      if (t.rank == 1) {
        floats[0] = whole[source];
      } else if (!same || step.how == change::transpose) {
        tensor_view const one{t.name, t.type, 1, {t.columns(), 1, 1, 1}, t.data.subspan(source * from_row, from_row)};
        if (auto done = unpack_tensor(builtin_formats{}, one, floats); !done) return done.error();
      } else {
        std::memcpy(room.data() + row * from_row, vector + source * from_row, from_row);
        continue;
      }
      if (step.how == change::add_one)
        for (float& x : floats) x -= 1;
      if (step.how == change::negative_exp)
        for (float& x : floats) x = static_cast<float>(math::log(static_cast<double>(-x)));
      from_floats(target, floats, packed.data());
      if (step.how == change::transpose)
        for (std::size_t i = 0; i < columns; ++i)
          std::memcpy(room.data() + (i * rows + row) * width, packed.data() + i * width, width);
      else
        std::memcpy(room.data() + row * columns * width, packed.data(), columns * width);
    }
    return std::span<std::byte const>(room);
  }

  /// Whether `f` has a place for every tensor of a file.
  static bool knows(gguf::file const& file, family const& f) {
    return std::ranges::all_of(file.tensors(), [&](auto const& t) {
      return t.name.starts_with("rope_") || place_of(file, f, t.name) || place_of(file, f, part_of(t.name, 'q'));
    });
  }

 private:
  static bool is_float(tensor_type type) noexcept {
    return type == tensor_type::f32 || type == tensor_type::f16 || type == tensor_type::bf16;
  }
  static bool is_weight(tensor_type type) noexcept {
    return loquat::detail::find_coder(builtin_formats{}, type).has_value();
  }

  static std::optional<tensor_place> place_of(gguf::file const& file, family const& f, std::string_view name) {
    std::string_view ending;
    auto const place = detail::place_of_tensor<&tensor_rule::gguf>(f, name, ending);
    if (place && is_part(place->rule->how)) return std::nullopt; // joining parts again is not supported
    auto const stem = name.substr(0, name.size() - ending.size());
    // falcon's only norm has another name than the second of two
    if (f.architecture == "falcon" && stem.ends_with(".attn_norm") && file.find_tensor(std::string(stem) + "_2.weight"))
      for (auto const& rule : f.tensors)
        if (tensor_place own{&rule, 0, 0}; rule.theirs.ends_with("ln_mlp") && detail::matches(rule.gguf, stem, own))
          return own;
    // t5's first matrix has another name than the second one of two
    if (f.architecture.starts_with("t5") && stem.ends_with(".ffn_up") &&
        !file.find_tensor(std::string(stem.substr(0, stem.size() - 2)) + "gate.weight"))
      for (auto const& rule : f.tensors)
        if (tensor_place own{&rule, 0, 0}; rule.theirs.ends_with(".wi") && detail::matches(rule.gguf, stem, own))
          return own;
    return place;
  }

  /// The name of the queries, keys or values in a matrix of all; empty for other tensors.
  static std::string part_of(std::string_view name, char part) {
    constexpr std::string_view all = ".attn_qkv.";
    auto const at = name.find(all);
    if (at == name.npos) return {};
    return std::string(name.substr(0, at)) + ".attn_" + part + "." + std::string(name.substr(at + all.size()));
  }

  /// Takes queries, keys and values apart, where a folder has them as three. False if it has not, or the rows are no
  /// such.
  bool split(gguf::file const& file, family const& f, tensor_view const& t, tensor_type type) {
    auto const rows = t.rank == 1 ? t.shape[0] : t.rows();
    auto const queries = shape_.heads * shape_.head_dim, keys = shape_.kv_heads * shape_.head_dim;
    if (rows != queries + 2 * keys || t.rank > 2) return false;
    auto const row_bytes = t.data.size() / static_cast<std::size_t>(rows);
    std::uint64_t first = 0;
    for (char const part : {'q', 'k', 'v'}) {
      auto const place = place_of(file, f, part_of(t.name, part));
      if (!place) return false;
      auto const count = part == 'q' ? queries : keys;
      auto some = t;
      some.shape[t.rank == 1 ? 0 : 1] = count;
      some.data =
          t.data.subspan(static_cast<std::size_t>(first) * row_bytes, static_cast<std::size_t>(count) * row_bytes);
      add(some, place, type);
      first += count;
    }
    return true;
  }

  void add(tensor_view const& t, std::optional<tensor_place> place, tensor_type type) {
    export_step step{std::string(t.name), element_of(type), {}, change::none, t};
    for (std::size_t i = t.rank; i-- > 0;) step.shape.push_back(t.shape[i]);
    if (step.shape.empty()) step.shape.push_back(1);
    if (!place) {
      step.from.rank = std::max(1u, t.rank);
      steps_.push_back(std::move(step));
      return;
    }
    auto const& rule = *place->rule;
    auto const ending = detail::is_bare(rule) ? std::string_view() : t.name.substr(t.name.rfind('.'));
    step.how = ending == ".bias" && (rule.how == change::transpose || rule.how == change::add_one) ? change::none
               : rule.how == change::ternary                                                       ? change::none
                                                                                                   : rule.how;
    if (step.how == change::transpose) std::ranges::reverse(step.shape);
    if (rule.theirs.ends_with("shared_expert_gate")) step.shape.insert(step.shape.begin(), 1);
    if (rule.theirs.ends_with("conv1d") && step.shape.size() == 2) step.shape.insert(step.shape.begin() + 1, 1);
    if (shape_.groups != 0 && (detail::is_one_for_each_head(t.name) || t.name.ends_with(".ssm_norm.weight")))
      step.shape = {t.elements()};
    if (rule.theirs.find('@') == std::string_view::npos || rule.gguf.find('@') != std::string_view::npos) {
      step.name = detail::filled(rule.theirs, *place) + std::string(ending);
      steps_.push_back(std::move(step));
      return;
    }
    auto const experts = static_cast<std::size_t>(t.shape[2] * t.shape[3]);
    auto const bytes = t.data.size() / experts;
    step.shape = {t.shape[1], t.shape[0]};
    step.from.rank = 2;
    step.from.shape[2] = step.from.shape[3] = 1;
    for (std::size_t i = 0; i < experts; ++i) {
      place->expert = i;
      step.name = detail::filled(rule.theirs, *place) + std::string(ending);
      step.from.data = t.data.subspan(i * bytes, bytes);
      steps_.push_back(step);
    }
  }
  static safetensors::element element_of(tensor_type type) noexcept {
    return type == tensor_type::f32   ? safetensors::element::f32
           : type == tensor_type::f16 ? safetensors::element::f16
                                      : safetensors::element::bf16;
  }

  shape shape_;
  std::vector<export_step> steps_;
};

} // namespace loquat::hugging_face
