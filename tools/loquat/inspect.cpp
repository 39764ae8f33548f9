/// \file
/// `loquat inspect`: what is in a GGUF file, of any architecture and any tensor type.

#include "commands.hpp"
#include "model_file.hpp"

#include <loquat/core/json.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/format/gguf_print.hpp>

#include <charconv>
#include <cmath>
#include <map>

namespace tool {
namespace {

using loquat::gguf::value_kind;

constexpr std::string_view notes = R"(Shapes begin with the fastest-varying dimension: columns x rows. JSON: {"file",
"version", "alignment", "metadata": {KEY: {"kind", "element_kind" (of arrays),
"value"}}, "tensors": [{"name", "type", "shape", "bytes"}], "totals": {"tensors",
"parameters", "bytes", "types": {TYPE: {the same}}}}. In it numbers that are not
finite are null, and bytes that are no UTF-8 are U+FFFD.

examples:
  loquat inspect model.gguf
  loquat inspect model-00001-of-00003.gguf
  loquat inspect model.gguf --json | jq '.metadata["general.architecture"].value'
)";

struct sums {
  std::uint64_t tensors = 0, parameters = 0, bytes = 0;

  void add(loquat::tensor_view const& t) { tensors += 1, parameters += t.elements(), bytes += t.data.size(); }
};
struct totals {
  sums all;
  std::map<std::string_view, sums> types;

  explicit totals(loquat::gguf::file const& file) {
    for (auto const& t : file.tensors()) all.add(t), types[name(t.type)].add(t);
  }
};

std::string shape_text(loquat::tensor_view const& t, std::string_view between) {
  std::string out;
  for (std::size_t i = 0; i < t.rank; ++i) out += (i == 0 ? "" : std::string(between)) + std::to_string(t.shape[i]);
  return out;
}

std::string kind_text(loquat::gguf::value const& v) {
  if (v.kind() != value_kind::array) return std::string(name(v.kind()));
  return std::string(name(v.element_kind())) + "[" + std::to_string(v.size()) + "]";
}

// As a table --------------------------------------------------------------------------------------------------------

constexpr std::size_t widest = 48; // beyond that a name may stick out rather than move all other lines

void write_metadata(loquat::gguf::file const& file, bool full) {
  std::size_t key_width = 0, kind_width = 0;
  for (auto const& [key, value] : file.metadata()) {
    key_width = std::max(key_width, std::min(widest, key.size()));
    kind_width = std::max(kind_width, std::min(widest, kind_text(value).size()));
  }
  loquat::gguf::print_options const all{static_cast<std::size_t>(-1), static_cast<std::size_t>(-1)};
  std::vector<char> text;
  for (auto const& [key, value] : file.metadata()) {
    text.clear();
    loquat::gguf::print(text, value, full ? all : loquat::gguf::print_options{});
    put(left(printable(key), key_width) + "  " + left(kind_text(value), kind_width) + "  " +
        printable({text.data(), text.size()}) + "\n");
  }
}

void write_tensors(loquat::gguf::file const& file) {
  std::size_t name_width = 0, shape_width = 0;
  for (auto const& t : file.tensors()) {
    name_width = std::max(name_width, std::min(widest, t.name.size()));
    shape_width = std::max(shape_width, shape_text(t, " x ").size());
  }
  for (auto const& t : file.tensors())
    put(left(printable(t.name), name_width) + "  " + left(name(t.type), 7) + "  " +
        right(shape_text(t, " x "), shape_width) + "  " + right(std::to_string(t.data.size()), 12) + " bytes\n");
}

void write_line(std::string_view what, sums const& s) {
  auto const parameters = static_cast<double>(s.parameters), bytes = static_cast<double>(s.bytes);
  put(left(what, 7) + right(std::to_string(s.tensors), 7) + " tensors  " + right(scaled(parameters), 7) +
      " parameters  " + right(byte_text(bytes), 10) +
      (s.parameters == 0 ? "" : number_text("  %6.3f bits per weight", bytes * 8 / parameters)) + "\n");
}

void write_table(loquat::gguf::file const& file, bool full) {
  put(printable(file.name()) + ": GGUF version " + std::to_string(file.version()) + ", " +
      std::to_string(file.metadata().size()) + " keys, " + std::to_string(file.tensors().size()) +
      " tensors, alignment " + std::to_string(file.alignment()) + "\n\n");
  write_metadata(file, full);
  put("\n");
  write_tensors(file);
  put("\n");
  totals const t(file);
  for (auto const& [type, s] : t.types) write_line(type, s);
  write_line("all", t.all);
}

// As JSON -----------------------------------------------------------------------------------------------------------

std::string json_string(std::string_view text) {
  std::string out;
  loquat::json::append_string(out, text);
  return out;
}

template <class T> void append_number(std::string& out, T x) {
  if constexpr (std::floating_point<T>)
    if (!std::isfinite(x)) return void(out += "null");
  char digits[32];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, x).ptr);
}

void append_value(std::string& out, loquat::gguf::value const& v) {
  switch (v.kind()) {
  case value_kind::string:
    return loquat::json::append_string(out, v.payload());
  case value_kind::boolean:
    return void(out += *v.get<bool>() ? "true" : "false");
  case value_kind::f32:
    return append_number(out, *v.get<float>());
  case value_kind::f64:
    return append_number(out, *v.get<double>());
  case value_kind::u64:
    return append_number(out, *v.get<std::uint64_t>());
  case value_kind::array: {
    char between = '[';
    auto const elements = v.array<loquat::gguf::value>();
    for (auto const& element : *elements) out += std::exchange(between, ','), append_value(out, element);
    return void(out += between == '[' ? "[]" : "]");
  }
  default:
    return append_number(out, *v.get<std::int64_t>());
  }
}

std::string sums_json(sums const& s) {
  return "\"tensors\":" + std::to_string(s.tensors) + ",\"parameters\":" + std::to_string(s.parameters) +
         ",\"bytes\":" + std::to_string(s.bytes);
}

void write_json(loquat::gguf::file const& file) {
  put("{\"file\":" + json_string(file.name()) + ",\"version\":" + std::to_string(file.version()) +
      ",\"alignment\":" + std::to_string(file.alignment()) + ",\n\"metadata\":{");
  std::string_view between = "\n";
  for (auto const& [key, value] : file.metadata()) {
    std::string out = std::string(std::exchange(between, ",\n")) + json_string(key) + ":{\"kind\":\"" +
                      std::string(name(value.kind())) + "\",";
    if (value.kind() == value_kind::array)
      out += "\"element_kind\":\"" + std::string(name(value.element_kind())) + "\",";
    out += "\"value\":";
    append_value(out, value);
    put(out + "}");
  }
  put("},\n\"tensors\":[");
  between = "\n";
  for (auto const& t : file.tensors())
    put(std::string(std::exchange(between, ",\n")) + "{\"name\":" + json_string(t.name) + ",\"type\":\"" +
        std::string(name(t.type)) + "\",\"shape\":[" + shape_text(t, ",") +
        "],\"bytes\":" + std::to_string(t.data.size()) + "}");
  totals const t(file);
  put("],\n\"totals\":{" + sums_json(t.all) + ",\"types\":{");
  between = "";
  for (auto const& [type, s] : t.types)
    put(std::string(std::exchange(between, ",")) + json_string(type) + ":{" + sums_json(s) + "}");
  put("}}}\n");
}

} // namespace

int run_inspect(command const& self, arguments all) {
  std::string_view path;
  bool json = false, full = false;
  command_line const line{self,
                          {{"FILE", "a GGUF file, of a split one any part; or a folder of Hugging Face", path}},
                          {{"--json", "", "machine-readable, nothing abbreviated", flag(json)},
                           {"--full", "", "long arrays and texts in full", flag(full)}},
                          notes};
  if (auto const status = line.parse(all)) return *status;
  auto const file = open_model(std::string(path));
  if (!file) return fail_with(file.error().message());
  if (json)
    write_json(*file);
  else
    write_table(*file, full);
  return end_output();
}

} // namespace tool
