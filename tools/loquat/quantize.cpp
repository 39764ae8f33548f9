/// \file
/// `loquat quantize`: a model with smaller weights.

#include "commands.hpp"
#include "progress.hpp"
#include "system.hpp"

#include <loquat/format/gguf_writer.hpp>
#include <loquat/parallel/pool.hpp>
#include <loquat/quant/formats.hpp>
#include <loquat/quant/importance.hpp>
#include <loquat/quant/mixes.hpp>
#include <loquat/quant/quantize.hpp>

#include <cmath>
#include <filesystem>
#include <map>

namespace tool {
namespace {

using namespace loquat;

std::string words(auto const& names) {
  std::string out, line;
  for (auto const& n : names) {
    if (line.size() + n.size() > 76) out += std::exchange(line, "") + "\n";
    line.append(line.empty() ? "  " : " ").append(n);
  }
  return out + line + "\n";
}

std::string mix_names() {
  std::vector<std::string_view> names;
  for (auto const& m : mixes) names.push_back(m.name);
  return words(names);
}

std::string const notes = "TYPE is a type or a mix of types:\n" + mix_names() + R"(
A mix ending in _S, _M or _L gives more bits to the matrices that need them, as
elsewhere; MXFP4 is for experts, other matrices become Q8_0. Matrices whose rows
are no whole number of blocks get a type of shorter blocks; norms and small
matrices stay as they are. The table shows the relative error of each type: the
rms error by the rms of the weights, of the weights as they are read back. OUT
appears when all of it is written, and then replaces a file of that name; Ctrl-C
or an error leaves nothing of it.

examples:
  loquat quantize model-f16.gguf model-q4_k_m.gguf Q4_K_M
  loquat quantize model-f16.gguf model-q3.gguf Q3_K_M --imatrix imatrix.gguf
  loquat quantize model-00001-of-00003.gguf model.gguf Q8_0 --output-type F16
  loquat quantize model-f16.gguf model-q4_k_s.gguf Q4_K_S --dry-run
)";

std::string capitals(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

struct settings {
  std::string_view input, output, type, importance;
  std::optional<tensor_type> output_type, embedding_type;
  unsigned threads = 0;
  bool dry_run = false, allow_requantize = false;

  std::vector<option> table() {
    return {
        {"--output-type", "TYPE", "of the output matrix", packable(output_type)},
        {"--token-embedding-type", "TYPE", "of the token embeddings", packable(embedding_type)},
        {"--imatrix", "FILE", "importance of the columns, as llama.cpp writes it (GGUF or .dat)", path(importance)},
        {"--allow-requantize", "", "take weights that are quantized already; loses accuracy", flag(allow_requantize)},
        {"--dry-run", "", "write nothing, list what each tensor would become", flag(dry_run)},
        {"--threads", "N", "threads; 0: one for each CPU", number(threads, 0u, 1024u)}};
  }
  static setting path(std::string_view& to) {
    return {[&to](std::string_view value) { return to = value, !value.empty(); }, "the name of a file", {}, {}};
  }
  static setting packable(std::optional<tensor_type>& to) {
    std::string known;
    for (auto const& layout : type_layouts)
      if (can_pack(builtin_formats{}, layout.type)) known.append(known.empty() ? "" : ", ").append(layout.name);
    return {[&to](std::string_view value) {
              for (auto const& layout : type_layouts)
                if (layout.name == capitals(value) && can_pack(builtin_formats{}, layout.type))
                  return to = layout.type, true;
              return false;
            },
            "one of " + known, "one type, like Q6_K", "as the mix says"};
  }
};

/// What becomes of a tensor.
struct step {
  tensor_view from, to;
  std::span<float const> importance;
  packing_loss loss;

  bool changes() const { return from.type != to.type; }
  bool requantizes() const { return changes() && !is_float(from.type); }
};

/// The relative error beyond which a tensor is suspicious: three times that of normally distributed weights, about.
double bound(tensor_type type) {
  auto const* const layout = find_layout(type);
  return std::clamp(6 * std::exp2(-8.0 * layout->block_bytes / layout->block_length), 0.01, 0.4);
}

result<std::vector<step>> plan(gguf::file const& file, mix const& m, settings const& s,
                               importance_matrix const& importance) {
  auto facts = mix_facts_of(file);
  facts.calibrated = !importance.entries().empty();
  std::vector<step> out;
  for (auto const& t : file.tensors()) {
    step next{t, t, {}, {}};
    next.to.type = type_in_mix(m, facts, t);
    if (t.name == "token_embd.weight") {
      if (s.output_type && !facts.own_output) next.to.type = *s.output_type;
      if (s.embedding_type) next.to.type = *s.embedding_type;
    }
    if (s.output_type && t.name == "output.weight") next.to.type = *s.output_type;
    if (next.changes()) {
      next.importance = importance.find(t.name);
      if (auto good = check_quantizable(builtin_formats{}, t, next.to.type, next.importance); !good)
        return good.error().within(file.name());
      auto const size = byte_size(next.to.type, t.shape);
      if (!size) return fail(size.error().code(), file.name(), ": tensor ", t.name, ": ", size.error().message());
      next.to.data = {};
    }
    out.push_back(next);
  }
  return out;
}

std::uint64_t size_of(tensor_view const& t) { return byte_size(t.type, t.shape).value_or(0); }

/// The parts of the input, and whether `path` is one of them.
bool is_part_of(std::string const& path, gguf::file const& file, settings const& s) {
  std::vector<std::string> parts{std::string(s.input)};
  if (auto const count = file.get<std::uint16_t>(gguf::split_count_key); count && *count > 1)
    if (auto const prefix = gguf::split_prefix(s.input, *count))
      for (std::uint16_t i = 0; i < *count; ++i) parts.push_back(gguf::split_path(*prefix, i, *count));
  std::error_code absent; // then they are different
  return std::ranges::any_of(parts, [&](auto const& p) { return std::filesystem::equivalent(p, path, absent); });
}

/// Writes the model; fills in the losses of the steps.
result<void> write(gguf::file const& file, mix const& m, settings const& s, std::span<step> steps) {
  gguf::writer out;
  constexpr std::string_view type_key = "general.file_type", version_key = "general.quantization_version";
  for (auto const& [key, value] : file.metadata())
    if (!key.starts_with("split.") && key != type_key && key != version_key) out.add(key, value);
  out.add(type_key, static_cast<std::uint32_t>(m.number));
  out.add(version_key, std::uint32_t{2});
  for (auto const& step : steps) out.add(step.to);

  pool const threads(s.threads);
  std::uint64_t weights = 0;
  for (auto const& step : steps) weights += step.from.elements();
  progress shows(weights);
  std::vector<std::byte> packed;
  std::size_t at = 0; // the writer asks for the tensors in their order
  auto const data_of = [&](tensor_view const&) -> result<std::span<std::byte const>> {
    auto& step = steps[at++];
    if (auto whole = file.intact(); !whole) return whole.error();
    if (interrupt_wanted) return fail(errc::cancelled, "interrupted");
    shows.next(step.from.name, name(step.to.type), step.from.elements());
    if (!step.changes()) return step.from.data;
    packed.resize(static_cast<std::size_t>(size_of(step.to)));
    auto const loss = quantize_tensor(builtin_formats{}, step.from, step.to.type, packed, threads,
                                      {.importance = step.importance, .cancel = &interrupt_wanted});
    if (!loss) return loss.error().within(file.name());
    step.loss = *loss;
    return packed;
  };
  return out.write(std::string(s.output), data_of);
}

struct sums {
  std::uint64_t tensors = 0, parameters = 0, bytes = 0;
  packing_loss loss;
  bool changed = false;

  void add(step const& s) {
    tensors += 1, parameters += s.to.elements(), bytes += size_of(s.to);
    loss.error += s.loss.error, loss.original += s.loss.original;
    changed |= s.changes();
  }
};

std::string row(std::string_view what, sums const& s, bool measured) {
  auto const parameters = static_cast<double>(s.parameters), bytes = static_cast<double>(s.bytes);
  std::string out = left(what, 7) + right(std::to_string(s.tensors), 7) + "  " + right(scaled(parameters), 10) + "  " +
                    right(byte_text(bytes), 10) +
                    right(s.parameters == 0 ? "" : number_text("%.3f", bytes * 8 / parameters), 17);
  if (measured) out += right(s.changed ? number_text("%.2e", s.loss.relative()) : "-", 16);
  return out + "\n";
}

void summarise(settings const& s, std::span<step const> steps, double seconds) {
  std::map<std::string_view, sums> types;
  sums all;
  std::uint64_t before = 0, changed = 0;
  std::vector<step const*> worst;
  for (auto const& step : steps) {
    types[name(step.to.type)].add(step);
    all.add(step);
    before += step.from.data.size();
    if (!step.changes()) continue;
    changed += step.from.elements();
    worst.push_back(&step);
  }
  bool const measured = !s.dry_run;
  put("type   tensors  parameters       bytes  bits per weight" + std::string(measured ? "  relative error\n" : "\n"));
  for (auto const& [type, sum] : types) put(row(type, sum, measured));
  put(row("all", all, measured));
  auto const from = static_cast<double>(before), to = static_cast<double>(all.bytes);
  std::string out = "\n" + byte_text(from) + " -> " + byte_text(to);
  if (before != 0) out += number_text(" (%.1f %%)", 100 * to / from);
  if (measured && seconds > 0)
    out += number_text(" in %.2f s", seconds) +
           number_text(", %.1f M weights/s", static_cast<double>(changed) / 1e6 / seconds);
  put(out + "\n");
  if (!measured || worst.empty()) return;
  auto const error_of = [](step const* t) { return t->loss.relative(); };
  std::ranges::sort(worst, std::greater(), error_of);
  put("largest relative errors:\n");
  for (auto const* t : std::span(worst).first(std::min<std::size_t>(3, worst.size())))
    put("  " + left(printable(t->from.name), 32) + "  " + left(name(t->to.type), 7) +
        number_text("  %.2e", error_of(t)) + "\n");
  auto const suspicious = std::ranges::count_if(worst, [&](auto const* t) { return error_of(t) > bound(t->to.type); });
  if (suspicious != 0)
    complain("warning: " + std::to_string(suspicious) + " tensors lost more than is usual for their type, " +
             printable(worst[0]->from.name) + " most; compare the models with 'loquat verify'");
}

int quantize(mix const& m, settings const& s) {
  auto const file = gguf::open(std::string(s.input));
  if (!file) return fail_with(file.error().message());
  std::string const output(s.output);
  std::error_code absent;
  if (is_part_of(output, *file, s)) return fail_with(output + ": is the input; give the output another name");
  if (auto const there = std::filesystem::status(output, absent); exists(there) && !is_regular_file(there))
    return fail_with(output + ": is no regular file, and cannot be replaced by one");
  importance_matrix importance;
  if (!s.importance.empty()) {
    auto read = importance_matrix::open(std::string(s.importance));
    if (!read) return fail_with(read.error().message());
    importance = *std::move(read);
  }
  auto steps = plan(*file, m, s, importance);
  if (!steps) return fail_with(steps.error().message());

  auto const quantized = std::ranges::find_if(*steps, &step::requantizes);
  if (quantized != steps->end() && !s.allow_requantize)
    return fail_with(std::string(s.input) + ": tensor " + std::string(quantized->from.name) + " is " +
                     std::string(name(quantized->from.type)) +
                     " already, and quantizing it again loses accuracy; take a model of F32, F16 or BF16, or give "
                     "--allow-requantize");
  if (quantized != steps->end()) complain("note: the weights are quantized already, their errors add up");
  auto const without = std::ranges::count_if(*steps, [](step const& t) { return t.changes() && t.importance.empty(); });
  if (!s.importance.empty() && without != 0)
    complain("note: " + std::string(s.importance) + " says nothing about " + std::to_string(without) +
             " of the tensors; their columns all matter the same");

  stopwatch const clock;
  if (s.dry_run) {
    for (auto const& t : *steps)
      put(left(printable(t.from.name), 32) + "  " + left(name(t.from.type), 7) + (t.changes() ? " -> " : "    ") +
          (t.changes() ? std::string(name(t.to.type)) : "") + "\n");
    put("\n");
  } else {
    catch_interrupt();
    auto const written = write(*file, m, s, *steps);
    if (!written && written.error().code() == errc::cancelled) return complain("interrupted"), interrupted;
    if (!written) return fail_with(written.error().message());
  }
  summarise(s, *steps, clock.seconds());
  return end_output();
}

} // namespace

int run_quantize(command const& self, arguments all) {
  settings s;
  command_line const line{self,
                          {{"IN", "a GGUF file; of a split one, any part", s.input},
                           {"OUT", "the GGUF file to write", s.output},
                           {"TYPE", "what the weights become, see below", s.type}},
                          s.table(),
                          notes};
  if (auto const status = line.parse(all)) return *status;
  auto const* const m = find_mix(capitals(s.type));
  if (!m)
    return line.misuse("TYPE " + printable(s.type) + " is not known" + did_you_mean(capitals(s.type), mixes) +
                       "\nthere are:\n" + mix_names().substr(0, mix_names().size() - 1));
  return quantize(*m, s);
}

} // namespace tool
