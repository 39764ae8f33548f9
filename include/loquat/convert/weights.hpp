#pragma once
/// \file
/// From the tensors of a folder to those of a GGUF file: which become which, and their data, one tensor at a time, so
/// that a model can be converted that does not fit into memory.

#include <loquat/convert/config.hpp>
#include <loquat/convert/family.hpp>
#include <loquat/convert/metadata.hpp>
#include <loquat/convert/rows.hpp>
#include <loquat/core/math.hpp>
#include <loquat/core/result.hpp>
#include <loquat/format/safetensors.hpp>
#include <loquat/format/tensor.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat::hugging_face {

/// How a tensor of a GGUF file is made.
struct recipe {
  std::string name;
  tensor_type type{};
  std::uint32_t rank = 1;
  tensor_shape shape{1, 1, 1, 1};
  change how = change::none;
  std::vector<safetensors::tensor const*> from;   ///< one, or each expert's
  std::vector<safetensors::tensor const*> scales; ///< factors of each of `from`, null where it has none
  std::size_t values = 0;                         ///< place among those that are no file's, if `from` is empty
};

/// The tensors of a folder as a GGUF file has them.
class weight_plan {
 public:
  /// Finds a place for every tensor of `in`, which must outlive the result. Errors name the tensor: `errc::unsupported`
  /// for one that this family does not know, `errc::missing` for an expert, `errc::mismatch` for shapes that do not
  /// fit.
  static result<weight_plan> make(safetensors::file const& in, family const& f, config& c, shape const& s,
                                  std::vector<made_tensor> made) {
    weight_plan out;
    out.shape_ = s;
    out.made_ = std::move(made);
    if (auto placed = out.place(in, f, c); !placed) return placed.error();
    return out;
  }

  std::span<recipe const> recipes() const noexcept { return recipes_; } ///< in the order of the file

  /// The data of a tensor: where they lie, or in `room`.
  result<std::span<std::byte const>> data(recipe const& r, std::vector<std::byte>& room) const {
    if (is_as_it_lies(r)) return r.from.front()->data;
    room.resize(static_cast<std::size_t>(byte_size(r.type, r.shape).value_or(0)));
    if (r.from.empty()) {
      from_floats(tensor_type::f32, made_[r.values].values, room.data());
      return std::span<std::byte const>(room);
    }
    auto const size = room.size() / r.from.size();
    for (std::size_t i = 0; i < r.from.size(); ++i)
      if (auto done = convert(r, i, std::span(room).subspan(i * size, size)); !done)
        return fail(done.error().code(), "tensor ", r.from[i]->name, ": ", done.error().message());
    return std::span<std::byte const>(room);
  }

  /// Whether the data of a tensor are used where they lie.
  static bool is_as_it_lies(recipe const& r) noexcept {
    return r.from.size() == 1 && r.how == change::none && safetensors::common_type(r.from[0]->type) == r.type;
  }

 private:
  /// What models do not need: masks and frequencies that follow from sizes, and parts that see or hear.
  static bool is_needless(std::string_view name) noexcept {
    for (std::string_view const end : {".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias", ".attention.bias",
                                       ".attention.masked_bias", ".input_scale", ".activation_scale", ".position_ids"})
      if (name.ends_with(end)) return true;
    for (std::string_view const start : {"vision_tower.", "model.vision_tower.", "multi_modal_projector.", "pooler.",
                                         "bert.pooler.", "cls.", "model.multi_modal_projector."})
      if (name.starts_with(start)) return true;
    return false;
  }
  static bool is_scale(std::string_view name) noexcept {
    return name.ends_with(".weight_scale") || name.ends_with(".weight_scale_inv");
  }

  result<void> place(safetensors::file const& in, family const& f, config& c) {
    auto const quantization = c.find("quantization_config");
    auto const method = quantization["quant_method"].as_string().value_or("");
    if (!method.empty() && method != "fp8" && method != "compressed-tensors" && method != "fbgemm_fp8")
      return fail(errc::unsupported, c.name(), ": quantization_config: quant_method ", method,
                  ": expected fp8, compressed-tensors or none; convert the model that it was made of");
    for (std::size_t i = 0; i < 2; ++i)
      if (auto const size = quantization["weight_block_size"][i].as_int64(); size && *size > 0)
        block_[i] = static_cast<std::uint64_t>(*size);
    bool const tied = c.flag("tie_word_embeddings", false);
    std::map<std::pair<std::size_t, std::string>, recipe> all; // by layer, those of none first
    std::size_t const most_experts = 4096;
    for (auto const& t : in.tensors()) {
      if (is_needless(t.name) || is_scale(t.name)) continue;
      std::string_view ending;
      auto const place = find(f, t.name, ending);
      if (!place)
        return fail(errc::unsupported, "tensor ", t.name, " has no place in models of the kind ", f.model_type);
      if (place->rule->gguf == "output" && tied) continue;
      auto const name = detail::filled(place->rule->gguf, *place) + std::string(ending);
      bool const layered = place->rule->gguf.find('#') != std::string_view::npos;
      auto& r = all[{layered ? place->layer + 1 : 0, name}];
      if (r.from.size() <= place->expert) {
        if (place->expert >= most_experts)
          return fail(errc::unsupported, "tensor ", t.name, ": expected at most ", most_experts, " experts");
        r.from.resize(place->expert + 1, nullptr);
        r.scales.resize(place->expert + 1, nullptr);
      }
      if (r.from[place->expert])
        return fail(errc::malformed, "tensors ", r.from[place->expert]->name, " and ", t.name, " are the same tensor, ",
                    std::string_view(name));
      r.from[place->expert] = &t;
      for (std::string_view const end : {"_scale", "_scale_inv"})
        if (auto const* const scale = in.find(std::string(t.name) + std::string(end))) r.scales[place->expert] = scale;
      r.name = name;
      bool const of_weight = place->rule->how == change::transpose || place->rule->how == change::add_one ||
                             place->rule->how == change::ternary;
      r.how = of_weight && ending == ".bias" ? change::none : place->rule->how;
      r.rank = place->rule->gguf.ends_with("_exps") ? 3 : 1; // to be completed
    }
    for (std::size_t i = 0; i < made_.size(); ++i) {
      recipe r{made_[i].name, tensor_type::f32, 1, {made_[i].values.size(), 1, 1, 1}, change::none, {}, {}, i};
      recipes_.push_back(std::move(r));
    }
    for (auto& [key, r] : all) {
      if (auto good = complete(r); !good) return good;
      recipes_.push_back(std::move(r));
    }
    return {};
  }

  /// A tensor's place, also where a bare model leaves out the prefix, or a bigger one has its own.
  static std::optional<tensor_place> find(family const& f, std::string_view name, std::string_view& ending) {
    for (std::string_view const outer : {"language_model.", "model.language_model."})
      if (name.starts_with(outer) && f.model_type == "gemma3") {
        name.remove_prefix(outer.size());
        break;
      }
    if (auto const place = detail::place_of_tensor<&tensor_rule::theirs>(f, name, ending)) return place;
    return detail::place_of_tensor<&tensor_rule::theirs>(f, std::string(f.prefix) + std::string(name), ending);
  }

  /// Type and shape of a tensor whose sources are known.
  result<void> complete(recipe& r) {
    bool const stack = r.rank == 3;
    for (std::size_t i = 0; i < r.from.size(); ++i)
      if (!r.from[i]) return fail(errc::missing, "tensor ", std::string_view(r.name), ": expert ", i, " is missing");
    auto const& first = *r.from.front();
    auto const wrong = [&](auto const&... parts) {
      return fail(errc::mismatch, "tensor ", first.name, ": ", parts...);
    };
    for (auto const* t : r.from)
      if (t->shape != first.shape || t->type != first.type)
        return wrong("another type or shape than that of another expert");
    auto dimensions = first.shape;
    while (dimensions.size() > 1 && dimensions.front() == 1) dimensions.erase(dimensions.begin());
    std::string_view const name = r.name;
    if (name.ends_with("ssm_conv1d.weight") && dimensions.size() == 3 && dimensions[1] == 1)
      dimensions.erase(dimensions.begin() + 1); // as many filters as channels
    if (dimensions.empty() || dimensions.size() > max_rank || (stack && dimensions.size() != 2))
      return wrong("expected ", stack ? "two" : "one to four", " dimensions, found ", dimensions.size());
    if (r.how == change::transpose) {
      if (dimensions.size() != 2) return wrong("expected two dimensions, found ", dimensions.size());
      std::ranges::reverse(dimensions);
    }
    std::ranges::reverse_copy(dimensions, r.shape.begin());
    r.rank = static_cast<std::uint32_t>(dimensions.size());
    if (stack) r.shape[2] = r.from.size(), r.rank = 3;
    if (!is_readable(first.type))
      return fail(errc::unsupported, "tensor ", first.name, ": weights of type ", safetensors::name(first.type));
    r.type = type_for(r, first);
    if (auto size = loquat::byte_size(r.type, r.shape); !size)
      return fail(size.error().code(), "tensor ", first.name, ": ", size.error().message());
    auto const rows = dimensions.front();
    if (auto order = row_order(r.how, rows, shape_); !order)
      return fail(order.error().code(), "tensor ", first.name, ": ", order.error().message());
    for (auto const* scale : r.scales)
      if (auto good = scale ? check_scale(*scale, first) : result<void>(); !good) return good;
    return {};
  }

  /// Vectors, and what chooses experts or adds positions, are small or matter much: others want them as F32.
  static tensor_type type_for(recipe const& r, safetensors::tensor const& from) {
    std::string_view const name = r.name;
    if (r.rank == 1 || name.ends_with("_norm.weight") || name.ends_with("ffn_gate_inp.weight") ||
        name == "position_embd.weight" || name == "token_types.weight" || name.ends_with("ssm_conv1d.weight") ||
        name.ends_with("ssm_a") || from.type == safetensors::element::f64)
      return tensor_type::f32;
    if (auto const same = safetensors::common_type(from.type); same && *same != tensor_type::i8) return *same;
    return r.scales.front() ? tensor_type::bf16 : tensor_type::f16; // in which 8-bit floats are exact
  }

  /// One factor, one for each row, or one for each block.
  result<void> check_scale(safetensors::tensor const& scale, safetensors::tensor const& of) const {
    std::uint64_t numbers = 1;
    for (auto const n : scale.shape) numbers *= n;
    auto const rows = of.shape.front(), columns = of.shape.size() == 2 ? of.shape[1] : 0;
    auto const blocks = [](std::uint64_t n, std::uint64_t size) { return n / size + (n % size != 0); };
    bool const good = numbers == 1 || numbers == rows ||
                      (scale.shape.size() == 2 && scale.shape[0] == blocks(rows, block_[0]) &&
                       scale.shape[1] == blocks(columns, block_[1]));
    if (good && of.shape.size() == 2 && is_readable(scale.type)) return {};
    return fail(errc::mismatch, "tensor ", scale.name, ": expected floats, one, or one for each row or each ",
                block_[0], " x ", block_[1], " of ", of.name);
  }

  /// Makes the data of `r.from[which]`.
  result<void> convert(recipe const& r, std::size_t which, std::span<std::byte> out) const {
    auto const& from = *r.from[which];
    auto const width = safetensors::element_layouts[static_cast<std::size_t>(from.type)].bits / 8;
    bool const turned = r.how == change::transpose;
    auto const columns = static_cast<std::size_t>(r.rank == 1 ? 1 : r.shape[0]); // of a vector, rows are elements
    auto const rows = from.data.size() / width / columns;
    auto const order = row_order(r.how, rows, shape_);
    if (!order) return order.error();
    auto const scales = floats_of(r.scales[which]);
    auto const mean = r.how == change::ternary ? mean_magnitude(from) : 0.0f;
    auto const to_width = out.size() / (rows * columns);
    bool const same = safetensors::common_type(from.type) == r.type && scales.empty() && mean == 0 &&
                      r.how != change::add_one && r.how != change::negative_exp;
    std::vector<std::byte> column(turned ? columns * width : 0);
    std::vector<float> floats(same ? 0 : columns);
    for (std::size_t row = 0; row < rows; ++row) {
      auto const* source = from.data.data() + (order->empty() ? row : (*order)[row]) * columns * width;
      if (turned) {
        for (std::size_t i = 0; i < columns; ++i)
          std::memcpy(column.data() + i * width, from.data.data() + (i * rows + row) * width, width);
        source = column.data();
      }
      auto* const target = out.data() + row * columns * to_width;
      if (same) {
        std::memcpy(target, source, columns * width);
        continue;
      }
      to_floats(from.type, source, floats);
      for (std::size_t i = 0; i < columns; ++i) {
        float& x = floats[i];
        if (!scales.empty())
          x *= scales[scale_place(scales.size(), order->empty() ? row : (*order)[row], i, rows, columns)];
        if (r.how == change::add_one) x += 1;
        if (r.how == change::negative_exp) x = -static_cast<float>(math::exp(static_cast<double>(x)));
        if (mean != 0) x = std::fabs(x / mean) > 0.5f ? std::copysign(mean, x) : 0.0f;
      }
      from_floats(r.type, floats, target);
    }
    return {};
  }
  std::size_t scale_place(std::size_t scales, std::size_t row, std::size_t column, std::size_t rows,
                          std::size_t columns) const noexcept {
    if (scales == 1) return 0;
    if (scales == rows) return row;
    return row / static_cast<std::size_t>(block_[0]) * ((columns - 1) / static_cast<std::size_t>(block_[1]) + 1) +
           column / static_cast<std::size_t>(block_[1]);
  }
  static std::vector<float> floats_of(safetensors::tensor const* t) {
    if (!t) return {};
    std::vector<float> out(t->data.size() * 8 / safetensors::element_layouts[static_cast<std::size_t>(t->type)].bits);
    to_floats(t->type, t->data.data(), out);
    return out;
  }
  static float mean_magnitude(safetensors::tensor const& t) {
    double sum = 0;
    auto const floats = floats_of(&t);
    for (float const x : floats) sum += static_cast<double>(std::fabs(x));
    return std::max(1e-5f, static_cast<float>(sum / static_cast<double>(floats.size())));
  }

  shape shape_;
  std::vector<made_tensor> made_;
  std::vector<recipe> recipes_;
  std::array<std::uint64_t, 2> block_{128, 128}; // rows and columns that share a factor
};

} // namespace loquat::hugging_face
