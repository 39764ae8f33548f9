#pragma once
/// \file
/// From the tensors of a folder to those of a GGUF file: which become which, and their data, one tensor at a time, so
/// that a model can be converted that does not fit into memory.

#include <loquat/convert/config.hpp>
#include <loquat/convert/family.hpp>
#include <loquat/convert/metadata.hpp>
#include <loquat/convert/packed.hpp>
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
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
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
  std::vector<safetensors::tensor const*> from;   ///< one, or each expert's or head's
  std::vector<safetensors::tensor const*> scales; ///< factors of each of `from`, null where it has none
  std::size_t values = 0;                         ///< place among those that are no file's, if `from` is empty
  std::uint64_t rows = 1, columns = 1;            ///< what each of `from` becomes; of a vector, rows are elements
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
    bool const whole = r.how == change::none || (r.how == change::positions && r.from[0]->shape[0] == r.rows);
    return r.from.size() == 1 && whole && !r.scales[0] && safetensors::common_type(r.from[0]->type) == r.type;
  }

 private:
  /// What models do not need: masks and frequencies that follow from sizes, and parts that see or hear.
  static bool is_needless(family const& f, bool classifies, std::string_view name) noexcept {
    for (std::string_view const end : {".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias", ".attention.bias",
                                       ".attention.masked_bias", ".input_scale", ".activation_scale", ".position_ids"})
      if (name.ends_with(end)) return true;
    for (std::string_view const start :
         {"vision_tower.", "model.vision_tower.", "multi_modal_projector.", "cls.", "model.multi_modal_projector."})
      if (name.starts_with(start)) return true;
    for (auto [start, more] = split_names(f.needless); !start.empty(); std::tie(start, more) = split_names(more))
      if (name.starts_with(start)) return true;
    if (name.find(".parametrizations.weight.0.") != name.npos) return true; // an adapter of jina-embeddings-v3
    return !classifies && (name.starts_with("head.") || name.starts_with("pooler.") ||
                           name.starts_with(std::string(f.prefix) + "pooler."));
  }
  /// Factors, which their weights take along.
  static bool is_scale(std::string_view name) noexcept {
    return name.ends_with(".weight_scale") || name.ends_with(".weight_scale_inv") || name.ends_with("_proj_scales");
  }

  result<void> place(safetensors::file const& in, family const& f, config& c) {
    auto const quantization = c.find("quantization_config");
    auto const method = quantization["quant_method"].as_string().value_or("");
    bool known = method.empty();
    for (std::string_view const one : {"fp8", "compressed-tensors", "fbgemm_fp8", "mxfp4", "bitnet"})
      known = known || method == one;
    if (!known)
      return fail(errc::unsupported, c.name(), ": quantization_config: quant_method ", method,
                  ": expected fp8, compressed-tensors, mxfp4, bitnet or none; convert the model that it was made of");
    packed_ = method == "bitnet";
    divided_ = packed_ && quantization["linear_class"].as_string().value_or("bitlinear") != "autobitlinear";
    for (std::size_t i = 0; i < 2; ++i)
      if (auto const size = quantization["weight_block_size"][i].as_int64(); size && *size > 0)
        block_[i] = static_cast<std::uint64_t>(*size);
    bool const tied = c.flag("tie_word_embeddings", false), classifies = detail::classifies(c);
    auto const layers = c.size("num_hidden_layers n_layer num_layers", 1);
    std::map<std::pair<std::size_t, std::string>, recipe> all; // by layer, those of none first
    for (auto const& t : in.tensors()) {
      if (is_needless(f, classifies, t.name) || is_scale(t.name)) continue;
      std::string_view ending;
      auto const place = find(f, t.name, ending);
      if (!place)
        return fail(errc::unsupported, "tensor ", t.name, " has no place in models of the kind ", f.model_type);
      if (place->rule->gguf == "output" && tied) continue;
      if (f.architecture == "deepseek2" && place->layer >= layers) continue; // predicts further tokens
      if (auto done = add(all, in, t, *place, ending); !done) return done;
      for (auto const& rule : f.tensors) // others may take their part, too
        if (&rule != place->rule && rule.theirs == place->rule->theirs)
          if (auto done = add(all, in, t, {&rule, place->layer, place->expert}, ending); !done) return done;
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

  /// Notes a tensor as what a rule makes of it, or as one of several.
  result<void> add(std::map<std::pair<std::size_t, std::string>, recipe>& all, safetensors::file const& in,
                   safetensors::tensor const& t, tensor_place const& place, std::string_view ending) {
    std::size_t const most = 4096; // experts, or heads
    auto const& rule = *place.rule;
    auto const name = detail::filled(rule.gguf, place) + std::string(ending);
    bool const layered = rule.gguf.find('#') != std::string_view::npos;
    bool const numbered = rule.theirs.find('@') != std::string_view::npos && rule.gguf.find('@') == rule.gguf.npos;
    auto& r = all[{layered ? place.layer + 1 : 0, name}];
    r.name = name;
    bool const of_weight = rule.how == change::transpose || rule.how == change::add_one || rule.how == change::ternary;
    r.how = of_weight && ending == ".bias" ? change::none : rule.how;
    safetensors::tensor const* scale = nullptr;
    for (std::string_view const end : {"_scale", "_scale_inv"})
      if (auto const* const found = in.find(std::string(t.name) + std::string(end))) scale = found;
    if (t.name.ends_with("_blocks")) {
      scale = in.find(std::string(t.name.substr(0, t.name.size() - 6)) + "scales");
      if (!scale) return fail(errc::missing, "tensor ", t.name, ": there are no *_scales beside it");
      r.type = tensor_type::mxfp4;
    }
    bool const experts = !numbered && rule.gguf.find("_exps") != std::string_view::npos;
    bool const heads = rule.how == change::latent_keys || rule.how == change::latent_values;
    bool const several = experts || heads, none = t.shape.empty();
    std::uint64_t const parts = !several ? 1 : none ? 0 : experts ? t.shape[0] : shape_.heads;
    auto const at = numbered ? place.expert : 0;
    if (at >= most || parts > most)
      return fail(errc::unsupported, "tensor ", t.name, ": expected at most ", most, " experts");
    if (parts == 0 || (heads && t.shape[0] != parts * (shape_.latent_key + shape_.latent_value)))
      return fail(errc::mismatch, "tensor ", t.name, ": expected the keys and values of ", parts, " heads of ",
                  shape_.latent_key, " and ", shape_.latent_value, " rows");
    if (r.from.size() <= at) r.from.resize(at + 1, nullptr), r.scales.resize(at + 1, nullptr);
    if (r.from[at])
      return fail(errc::malformed, "tensors ", r.from[at]->name, " and ", t.name, " are the same tensor, ",
                  std::string_view(name));
    r.rank = numbered || several ? 3 : 1; // to be completed
    if (!several) return r.from[at] = &t, r.scales[at] = scale, result<void>();
    r.from.resize(static_cast<std::size_t>(parts));
    r.scales.resize(r.from.size());
    bool const one = scale && elements_of(*scale) == 1; // for all
    if (scale && !one && (scale->shape.empty() || scale->shape[0] % parts != 0))
      return fail(errc::mismatch, "tensor ", scale->name, ": expected the factors of ", parts, " matrices");
    for (std::size_t i = 0; i < r.from.size(); ++i) {
      r.from[i] = part_of(t, i, parts, experts);
      r.scales[i] = !scale || one ? scale : part_of(*scale, i, parts, experts);
    }
    return {};
  }
  static std::uint64_t elements_of(safetensors::tensor const& t) noexcept {
    std::uint64_t out = 1;
    for (auto const n : t.shape) out *= n;
    return out;
  }
  /// One of so many parts of a tensor: an expert's, or some rows.
  safetensors::tensor const* part_of(safetensors::tensor const& t, std::size_t i, std::uint64_t parts, bool expert) {
    auto part = t;
    part.shape[0] /= parts;
    if (expert && part.shape.size() > 1) part.shape.erase(part.shape.begin());
    auto const size = t.data.size() / static_cast<std::size_t>(parts);
    part.data = t.data.subspan(i * size, size);
    return &parts_.emplace_back(std::move(part));
  }

  /// A tensor's place, also where a bare model leaves out the prefix, or a bigger one has its own.
  static std::optional<tensor_place> find(family const& f, std::string_view name, std::string_view& ending) {
    for (std::string_view const outer : {"language_model.", "model.language_model."})
      if (name.starts_with(outer) && f.model_type == "gemma3") {
        name.remove_prefix(outer.size());
        break;
      }
    constexpr std::string_view original = ".parametrizations.weight.original";
    if (name.ends_with(original)) {
      auto const place = find(f, std::string(name.substr(0, name.size() - original.size())) + ".weight", ending);
      ending = ".weight";
      return place;
    }
    if (auto const place = detail::place_of_tensor<&tensor_rule::theirs>(f, name, ending)) return place;
    return detail::place_of_tensor<&tensor_rule::theirs>(f, std::string(f.prefix) + std::string(name), ending);
  }

  /// Type and shape of a tensor whose sources are known.
  result<void> complete(recipe& r) {
    bool const stack = r.rank == 3, blocks = r.type == tensor_type::mxfp4;
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
    if (blocks) {
      if (dimensions.size() != 3 || dimensions[2] != 16 || first.type != safetensors::element::u8)
        return wrong("expected blocks of 16 bytes for each expert and row");
      auto const& scale = *r.scales.front();
      if (scale.type != first.type || scale.shape != std::vector<std::uint64_t>{dimensions[0], dimensions[1]})
        return fail(errc::mismatch, "tensor ", scale.name, ": expected a byte for each block of ", first.name);
      dimensions = {dimensions[0], dimensions[1] * 32};
    }
    while (dimensions.size() > 1 && dimensions.front() == 1 && !stack) dimensions.erase(dimensions.begin());
    std::string_view const name = r.name;
    if (name.ends_with("ssm_conv1d.weight") && dimensions.size() == 3 && dimensions[1] == 1)
      dimensions.erase(dimensions.begin() + 1); // as many filters as channels
    std::size_t const most = stack ? 2 : max_rank;
    if (dimensions.empty() || dimensions.size() > most || (name.ends_with("_exps.weight") && dimensions.size() != 2))
      return wrong("expected ", stack ? "two" : "one to four", " dimensions, found ", dimensions.size());
    if (r.how != change::none && dimensions.size() > 2) return wrong("expected one or two dimensions");
    if (is_packed(first)) dimensions[0] *= 4;
    if (is_turned(r.how)) {
      if (dimensions.size() != 2) return wrong("expected two dimensions, found ", dimensions.size());
      std::ranges::reverse(dimensions);
    }
    auto const order = row_order(r.how, dimensions.front(), shape_);
    if (!order) return fail(order.error().code(), "tensor ", first.name, ": ", order.error().message());
    if (!order->empty()) dimensions.front() = order->size();
    if (r.how == change::latent_keys) dimensions.back() = shape_.latent_key;
    std::ranges::reverse_copy(dimensions, r.shape.begin());
    r.rank = static_cast<std::uint32_t>(dimensions.size());
    r.columns = r.rank == 1 ? 1 : r.shape[0];
    if (!is_readable(first.type))
      return fail(errc::unsupported, "tensor ", first.name, ": weights of type ", safetensors::name(first.type));
    if (!blocks) r.type = type_for(r, first);
    if (stack) r.shape[r.rank++] = r.from.size();
    if (auto size = loquat::byte_size(r.type, r.shape); !size)
      return fail(size.error().code(), "tensor ", first.name, ": ", size.error().message());
    r.rows = 1;
    for (auto const n : dimensions) r.rows *= n;
    r.rows /= r.columns;
    if (shape_.groups != 0) { // Mamba-2: one number for each head, one norm for each group
      auto const& n = r.shape[0];
      if (r.rank == 1 && detail::is_one_for_each_head(name)) r.shape = {1, n, 1, 1}, r.rank = 2;
      if (r.rank == 1 && name.ends_with("ssm_norm.weight") && n % shape_.groups == 0)
        r.shape = {n / shape_.groups, shape_.groups, 1, 1}, r.rank = 2;
    }
    for (std::size_t i = 0; i < r.from.size() && !blocks; ++i)
      if (auto good = r.scales[i] ? check_scale(*r.scales[i], *r.from[i]) : result<void>(); !good) return good;
    for (auto const* scale : r.scales)
      if (is_packed(first) && (!scale || elements_of(*scale) != 1))
        return fail(errc::missing, "tensor ", first.name, ": expected one factor, ", first.name, "_scale");
    return {};
  }
  /// Whether bytes hold four weights each, of −1, 0 and 1.
  bool is_packed(safetensors::tensor const& t) const noexcept {
    return packed_ && t.type == safetensors::element::u8 && t.shape.size() == 2;
  }

  /// Vectors, and what chooses experts or adds positions, are small or matter much: others want them as F32.
  tensor_type type_for(recipe const& r, safetensors::tensor const& from) const {
    std::string_view const name = r.name;
    if (is_packed(from)) return tensor_type::f16; // factors of BF16 are exact in it, if they are no less than 2^-14
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
    auto const columns = static_cast<std::size_t>(r.columns), rows = static_cast<std::size_t>(r.rows);
    bool const turned = is_turned(r.how);
    bool const packed = is_packed(from), blocks = r.type == tensor_type::mxfp4;
    auto const source_columns = turned ? static_cast<std::size_t>(from.shape.back()) : columns;
    auto const elements = from.data.size() / width * (blocks ? 2 : packed ? 4 : 1);
    auto const source_rows = elements / source_columns;
    auto const order = row_order(r.how, turned ? source_columns : source_rows, shape_);
    if (!order) return order.error();
    auto const at = [&](std::size_t row) { return order->empty() ? row : (*order)[row]; };
    if (blocks) {
      for (std::size_t row = 0, i = 0; row < rows; ++row)
        for (std::size_t b = at(row) * columns / 32, end = b + columns / 32; b < end; ++b, ++i)
          repack_mxfp4(r.scales[which]->data[b], from.data.subspan(b * 16, 16), out.subspan(i * 17, 17));
      return {};
    }
    auto scales = floats_of(r.scales[which]);
    if (packed && divided_) scales[0] = 1 / scales[0];
    auto const mean = r.how == change::ternary && !packed ? mean_magnitude(from) : 0.0f;
    auto const to_width = out.size() / (rows * columns);
    bool const same = safetensors::common_type(from.type) == r.type && scales.empty() && mean == 0 &&
                      r.how != change::add_one && r.how != change::negative_exp;
    std::vector<std::byte> column(turned ? columns * width : 0);
    std::vector<float> floats(same ? 0 : columns);
    for (std::size_t row = 0; row < rows; ++row) {
      auto const source_row = at(row);
      auto const* source = from.data.data() + (turned || packed ? 0 : source_row * columns * width);
      if (turned) {
        for (std::size_t i = 0; i < columns; ++i)
          std::memcpy(column.data() + i * width, from.data.data() + (i * source_columns + source_row) * width, width);
        source = column.data();
      }
      auto* const target = out.data() + row * columns * to_width;
      if (same) {
        std::memcpy(target, source, columns * width);
        continue;
      }
      if (packed)
        unpack_ternary(from.data, source_row, floats);
      else
        to_floats(from.type, source, floats);
      for (std::size_t i = 0; i < columns; ++i) {
        float& x = floats[i];
        if (!scales.empty())
          x *= turned ? scales[scale_place(scales.size(), i, source_row, source_rows, source_columns)]
                      : scales[scale_place(scales.size(), source_row, i, source_rows, columns)];
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
  std::deque<safetensors::tensor> parts_;        // of tensors that become several; does not move when this does
  std::array<std::uint64_t, 2> block_{128, 128}; // rows and columns that share a factor
  bool packed_ = false, divided_ = false;        // BitNet: four weights to a byte; factors divide
};

} // namespace loquat::hugging_face
