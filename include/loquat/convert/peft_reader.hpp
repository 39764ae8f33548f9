#pragma once
/// \file
/// Reads LoRA adapters in folders of Hugging Face PEFT (github.com/huggingface/peft): `adapter_config.json` and
/// `adapter_model.safetensors`. Names and the order of rows are translated to those of the GGUF file that the model is
/// in, by the tables that convert models.

#include <loquat/convert/adapter_loader.hpp>
#include <loquat/convert/config.hpp>
#include <loquat/convert/families.hpp>
#include <loquat/convert/metadata.hpp>
#include <loquat/convert/rows.hpp>
#include <loquat/core/math.hpp>
#include <loquat/format/safetensors.hpp>
#include <loquat/io/bytes.hpp>
#include <loquat/io/mmap.hpp>
#include <loquat/model/lora.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace loquat::hugging_face {

/// \cond
namespace detail {

/// What `adapter_config.json` says. Whatever would make the adapter another thing than pairs of matrices is an error.
class peft_config {
 public:
  static result<peft_config> parse(std::string_view text, std::string_view name) {
    auto read = config::parse(text, name);
    if (!read) return read.error();
    peft_config out(*std::move(read));
    if (auto good = out.check(); !good) return good.error();
    return out;
  }

  /// The alpha of a module by which its pair is multiplied, as if divided by the rank alone.
  result<float> alpha(std::string_view module, std::uint64_t rank) const {
    double alpha = alpha_;
    for (auto const& [pattern, value] : file_.root()["alpha_pattern"].members()) {
      if (pattern.find_first_of("^$*+?()[]{}|\\") != pattern.npos)
        return fail(errc::unsupported, file_.name(), ": alpha_pattern ", pattern, ": expected a plain name");
      if (module != pattern && !module.ends_with("." + std::string(pattern))) continue;
      auto const number = value.as_double();
      if (!number) return fail(errc::malformed, file_.name(), ": alpha_pattern: ", pattern, ": expected a number");
      alpha = *number;
      break;
    }
    auto const out = static_cast<float>(alpha) * (stabilised_ ? math::sqrt(static_cast<float>(rank)) : 1.0f);
    if (out != 0 && out - out == 0) return out;
    return fail(errc::malformed, file_.name(), ": lora_alpha of ", module, ": expected a finite number other than 0");
  }

  /// Whether pairs have magnitudes (S. Liu et al., "DoRA", 2024).
  bool has_magnitudes() const noexcept { return dora_; }

 private:
  explicit peft_config(config file) : file_(std::move(file)) {}

  result<void> check() {
    auto const refuse = [&](auto const&... parts) { return fail(errc::unsupported, file_.name(), ": ", parts...); };
    auto const is_set = [&](std::string_view key) {
      auto const found = file_.root()[key];
      bool const none =
          !found || found.kind() == json::kind::null || (found.kind() == json::kind::array && found.size() == 0);
      return !none && found.as_bool().value_or(true);
    };
    auto const type = file_.word("peft_type");
    if (type != "LORA") return refuse("peft_type: expected LORA, found ", type.empty() ? "none" : type);
    for (std::string_view const key : {"modules_to_save", "layer_replication", "alora_invocation_tokens",
                                       "trainable_token_indices", "lora_bias", "use_qalora"})
      if (is_set(key)) return refuse(key, " is not supported: expected pairs of matrices only");
    auto const start = file_.root()["init_lora_weights"].as_string().value_or("");
    for (std::string_view const changed : {"pissa", "olora", "corda", "loftq"})
      if (start.starts_with(changed))
        return refuse("init_lora_weights ", start, ": the adapter belongs to a model with other weights; convert it");
    alpha_ = file_.number("lora_alpha", 8);
    stabilised_ = file_.flag("use_rslora", false);
    dora_ = file_.flag("use_dora", false);
    if (file_.failed()) return file_.first_error();
    return {};
  }

  config file_;
  double alpha_ = 8;
  bool dora_ = false;
  bool stabilised_ = false; // divided by √rank (D. Kalajdzievski, 2023)
};

/// Puts the pairs of a folder together for the tensors of a GGUF file.
class peft_reader {
 public:
  peft_reader(safetensors::file const& in, std::string_view name, peft_config const& c, gguf::file const& base)
      : in_(in), name_(name), config_(c), base_(base), out_(base, name) {}

  result<lora> read() {
    auto const architecture = base_.get<std::string_view>("general.architecture");
    if (!architecture) return architecture.error();
    if (auto sized = read_shape(*architecture); !sized) return sized.error();
    std::map<std::string, target> targets;
    for (auto const& t : in_.tensors())
      if (auto placed = place(t, *architecture, targets); !placed) return placed.error().within(name_);
    for (auto const& [name, t] : targets)
      if (auto added = add(name, t); !added) return added.error();
    if (out_.size() == 0) return fail(errc::malformed, name_, ": an adapter without tensors");
    return std::move(out_);
  }

 private:
  struct pair {
    safetensors::tensor const *a = nullptr, *b = nullptr, *magnitude = nullptr;
    std::string_view module; // as the folder names it
  };
  struct target {
    change how = change::none;
    bool embedding = false;
    std::vector<pair> parts; // one, or one of each expert that has one
  };

  result<void> read_shape(std::string_view architecture) {
    auto const size = [&](std::string_view key, std::uint64_t fallback) {
      auto const name = std::string(architecture) + "." + std::string(key);
      return base_.get_or<std::uint64_t>(name, fallback);
    };
    auto const heads = size("attention.head_count", 1);
    if (!heads) return heads.error();
    auto const kv_heads = size("attention.head_count_kv", *heads);
    if (!kv_heads) return kv_heads.error();
    if (*heads == 0 || *kv_heads == 0 || *heads > 1u << 20 || *heads % *kv_heads != 0)
      return fail(errc::malformed, base_.name(), ": attention.head_count ", *heads, ", attention.head_count_kv ",
                  *kv_heads);
    shape_.heads = *heads;
    shape_.kv_heads = *kv_heads;
    return {};
  }

  result<void> place(safetensors::tensor const& t, std::string_view architecture, std::map<std::string, target>& to) {
    auto module = t.name;
    if (constexpr std::string_view wrapper = "base_model.model."; module.starts_with(wrapper))
      module.remove_prefix(wrapper.size());
    safetensors::tensor const* pair::*part = nullptr;
    bool embedding = false;
    for (auto const& [end, is, is_embedding] :
         std::array<ending, 6>{{{".lora_A.weight", &pair::a, false},
                                {".lora_B.weight", &pair::b, false},
                                {".lora_embedding_A", &pair::a, true},
                                {".lora_embedding_B", &pair::b, true},
                                {".lora_magnitude_vector", &pair::magnitude, false},
                                {".lora_magnitude_vector.weight", &pair::magnitude, false}}}) {
      if (!module.ends_with(end)) continue;
      module.remove_suffix(end.size());
      part = is, embedding = is_embedding;
    }
    if (!part)
      return fail(errc::unsupported, "tensor ", t.name,
                  ": expected a name that ends with .lora_A.weight or .lora_B.weight");
    auto const where = place_of_module(module, architecture);
    if (!where)
      return fail(errc::unsupported, "tensor ", t.name, " has no place in models of the architecture ", architecture);
    bool const vector = part == &pair::magnitude;
    if (t.shape.size() != (vector ? 1 : 2) || t.data.empty() || !is_readable(t.type))
      return fail(errc::mismatch, "tensor ", t.name, ": expected a ", vector ? "vector" : "matrix", " of floats");
    if (where->expert >= 4096) return fail(errc::unsupported, "tensor ", t.name, ": expected at most 4096 experts");
    auto& of = to[filled(where->rule->gguf, *where) + ".weight"];
    of.how = where->rule->how;
    of.embedding = of.embedding || embedding;
    if (of.parts.size() <= where->expert) of.parts.resize(where->expert + 1);
    auto& own = of.parts[where->expert];
    auto& half = own.*part;
    if (half) return fail(errc::malformed, "tensors ", half->name, " and ", t.name, " are the same one");
    half = &t;
    own.module = module;
    return {};
  }
  struct ending {
    std::string_view text;
    safetensors::tensor const* pair::*part;
    bool is_embedding;
  };

  static std::optional<tensor_place> place_of_module(std::string_view module, std::string_view architecture) {
    for (auto const& f : families)
      if (f.architecture == architecture) {
        if (auto const found = place_of<&tensor_rule::theirs>(f, module)) return found;
        if (auto const found = place_of<&tensor_rule::theirs>(f, std::string(f.prefix) + std::string(module)))
          return found;
      }
    return std::nullopt;
  }

  result<void> add(std::string const& name, target const& t) {
    auto const* const tensor = base_.find_tensor(name);
    auto const whole = std::ranges::find_if(t.parts, [](pair const& p) { return p.a && p.b; });
    for (auto const& p : t.parts)
      if ((p.a == nullptr) != (p.b == nullptr))
        return fail(errc::missing, name_, ": tensor ", (p.a ? p.a : p.b)->name, ": the other of the pair is missing");
    for (auto const& p : t.parts)
      if (auto const* const one = p.a ? p.a : p.magnitude; one && config_.has_magnitudes() != (p.magnitude != nullptr))
        return fail(errc::malformed, name_, ": tensor ", one->name, ": expected use_dora and magnitudes, or neither");
    if (whole == t.parts.end())
      return fail(errc::missing, name_, ": tensors for ", name, ": magnitudes without a pair of matrices");
    auto const& first = *whole->a;
    if (!tensor) return fail(errc::missing, name_, ": tensor ", first.name, ": the model has no ", name, " to adapt");
    if (t.parts.size() > tensor->shape[2])
      return fail(errc::mismatch, name_, ": tensor ", first.name, ": the model has ", tensor->shape[2], " experts");
    auto const rank = first.shape[0], stack = tensor->shape[2];
    auto const inputs = t.embedding ? tensor->shape[1] : tensor->columns(), // of A, and outputs of B
        outputs = t.embedding ? tensor->columns() : tensor->shape[1];
    auto const alpha = config_.alpha(whole->module, rank);
    if (!alpha) return alpha.error();
    for (auto const& p : t.parts) {
      if (!p.a) continue; // an expert that stays as it is
      if (!std::ranges::equal(p.a->shape, std::array{rank, inputs}) ||
          !std::ranges::equal(p.b->shape, std::array{outputs, rank}))
        return fail(errc::mismatch, name_, ": tensors ", p.a->name, " and ", p.b->name, ": expected ", rank, " x ",
                    inputs, " and ", outputs, " x ", rank, " to go with the model's ", name, ", found ", p.a->shape[0],
                    " x ", p.a->shape[1], " and ", p.b->shape[0], " x ", p.b->shape[1]);
      auto const own = config_.alpha(p.module, rank);
      if (!own) return own.error();
      if (*own != *alpha)
        return fail(errc::unsupported, name_, ": tensor ", p.a->name, ": an alpha other than that of other experts");
    }
    if (is_part(t.how))
      return fail(errc::unsupported, name_, ": tensor ", first.name, ": of a matrix that the model has in parts");
    auto const order = row_order(t.how, outputs, shape_);
    if (!order) return order.error().within(name).within(name_);
    auto const size_a = static_cast<std::size_t>(rank * inputs), size_b = static_cast<std::size_t>(rank * outputs);
    std::vector<float> a(size_a * stack, 0.0f), b(size_b * stack, 0.0f);
    for (std::size_t e = 0; e < t.parts.size(); ++e) {
      auto const& p = t.parts[e];
      if (!p.a) continue;
      auto const own_b = std::span(b).subspan(e * size_b, size_b);
      to_floats(p.a->type, p.a->data.data(), std::span(a).subspan(e * size_a, size_a));
      to_floats(p.b->type, p.b->data.data(), own_b);
      if (!order->empty()) reorder(own_b, *order);
    }
    if (t.embedding) a = transposed(a, static_cast<std::size_t>(rank));
    tensor_shape const shape_a = t.embedding ? tensor_shape{rank, inputs, 1, 1} : tensor_shape{inputs, rank, stack, 1},
                       shape_b{rank, outputs, stack, 1};
    tensor_view const view_a{first.name, tensor_type::f32, 3, shape_a, std::as_bytes(std::span(a))},
        view_b{whole->b->name, tensor_type::f32, 3, shape_b, std::as_bytes(std::span(b))};
    auto const magnitudes = magnitudes_of(*whole, *order);
    return out_.add(base_, name, view_a, view_b, *alpha, magnitudes);
  }

  static std::vector<float> magnitudes_of(pair const& p, std::vector<std::size_t> const& order) {
    if (!p.magnitude) return {};
    std::vector<float> out(static_cast<std::size_t>(p.magnitude->shape[0]));
    to_floats(p.magnitude->type, p.magnitude->data.data(), out);
    if (order.size() == out.size()) reorder(out, order); // another number is an error
    return out;
  }
  static void reorder(std::span<float> rows, std::span<std::size_t const> order) {
    std::vector<float> const from(rows.begin(), rows.end());
    auto const n = from.size() / order.size();
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = from[order[i / n] * n + i % n];
  }
  static std::vector<float> transposed(std::vector<float> const& x, std::size_t rows) {
    std::vector<float> out(x.size());
    auto const columns = x.size() / rows;
    for (std::size_t i = 0; i < x.size(); ++i) out[i % columns * rows + i / columns] = x[i];
    return out;
  }

  safetensors::file const& in_;
  std::string_view name_;
  peft_config const& config_;
  gguf::file const& base_;
  shape shape_;
  lora out_;
};

} // namespace detail
/// \endcond

/// Reads a PEFT adapter for the model in `base`, a GGUF file or a folder that was opened as one: the text of its
/// `adapter_config.json`, and its tensors. `name` is what messages call it. Errors name the value or tensor:
/// `errc::unsupported` for anything but pairs of matrices and magnitudes (whole modules, …) and for modules that the
/// tables do not have, `errc::mismatch` for an adapter of a model with other sizes, `errc::missing`, `errc::malformed`.
inline result<lora> read_adapter(std::string_view config_text, safetensors::file const& tensors, gguf::file const& base,
                                 std::string_view name) {
  auto const config = detail::peft_config::parse(config_text, name);
  if (!config) return config.error();
  return detail::peft_reader(tensors, name, *config, base).read();
}

template <class T> result<lora> adapter_loader<T>::open(std::string path, gguf::file const& base) {
  if (constexpr std::string_view weights = "adapter_model.safetensors"; path.ends_with(weights))
    path.resize(path.size() - weights.size());
  if (path.empty()) path = ".";
  auto const folder = path.back() == '/' || path.back() == '\\' ? path : path + "/";
  auto const config = mapped_file::open(folder + "adapter_config.json", file_access::copied);
  if (!config) return folder != path ? lora::open(path, base) : config.error(); // no folder, then
  auto const tensors = safetensors::open(folder + "adapter_model.safetensors");
  if (!tensors) return tensors.error();
  if (auto whole = tensors->intact(); !whole) return whole.error();
  std::vector<char> copy;
  return read_adapter(as_text(config->bytes(), copy), *tensors, base, folder);
}

} // namespace loquat::hugging_face
