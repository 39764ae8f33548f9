/// \file
/// `loquat merge-lora`: a model with adapters in its weights.

#include "adapters.hpp"
#include "commands.hpp"
#include "system.hpp"

#include <loquat/model/lora_merge.hpp>
#include <loquat/parallel/pool.hpp>

#include <filesystem>

namespace tool {
namespace {

using namespace loquat;

constexpr std::string_view notes = R"(Weights that change are packed again to the type they had, or to --type; rounding
them costs some of what a small adapter says, so an F16 model is the better base.
ADAPTER is a GGUF file or a folder of PEFT (adapter_config.json, adapter_model.safetensors).
OUT appears when all of it is written, and then replaces a file of that name.

examples:
  loquat merge-lora model-f16.gguf merged-f16.gguf style.gguf
  loquat merge-lora model-f16.gguf merged-f16.gguf style.gguf:0.8 facts.gguf:0.5
  loquat merge-lora model-q4.gguf merged.gguf checkpoint-500/ --type F16
)";

struct settings {
  std::string_view base, output;
  std::vector<std::string_view> adapters;
  std::optional<tensor_type> type;
  unsigned threads = 0;

  std::vector<option> table() {
    std::vector<std::pair<std::string_view, std::optional<tensor_type>>> types;
    for (auto const& layout : type_layouts)
      if (can_pack(builtin_formats{}, layout.type)) types.emplace_back(layout.name, layout.type);
    auto named = one_of(type, types);
    named.hint = "one type, like F16; default as it was";
    return {{"--type", "TYPE", "of the weights that change", named},
            {"--threads", "N", "threads; 0: one for each CPU", number(threads, 0u, 1024u)}};
  }
};

int merge(settings const& s, std::vector<adapter_wish> const& wishes) {
  auto const file = gguf::open(std::string(s.base));
  if (!file) return fail_with(file.error().message());
  std::string const output(s.output);
  std::error_code absent;
  if (std::filesystem::equivalent(output, s.base, absent))
    return fail_with(output + ": is the input; give the output another name");
  auto const adapters = read_adapters(wishes, *file);
  if (!adapters) return fail_with(adapters.error().message());
  catch_interrupt();
  stopwatch const clock;
  auto const done = merge_lora(*file, with_scales(*adapters, wishes), output, pool(s.threads),
                               {.type = s.type, .cancel = &interrupt_wanted});
  if (!done && done.error().code() == errc::cancelled) return complain("interrupted"), interrupted;
  if (!done) return fail_with(done.error().message());
  for (std::size_t i = 0; i < wishes.size(); ++i)
    put(printable((*adapters)[i].name()) + ": " + std::to_string((*adapters)[i].size()) + " tensors of rank " +
        std::to_string((*adapters)[i].rank()) + number_text(", scale %g\n", static_cast<double>(wishes[i].scale)));
  put(number_text("merged in %.2f s\n", clock.seconds()));
  return end_output();
}

} // namespace

int run_merge_lora(command const& self, arguments all) {
  settings s;
  command_line const line{
      self,
      {{"BASE", "a GGUF file; of a split one, any part", s.base}, {"OUT", "the GGUF file to write", s.output}},
      s.table(),
      notes,
      {"ADAPTER[:SCALE]...", "LoRA adapters of the model, and what each is multiplied with", &s.adapters}};
  if (auto const status = line.parse(all)) return *status;
  std::vector<adapter_wish> wishes;
  for (auto const text : s.adapters)
    if (!adapters(wishes).set(text))
      return line.misuse("ADAPTER " + printable(text) + ": expected " + adapters(wishes).expected);
  return merge(s, wishes);
}

} // namespace tool
